// SPDX-License-Identifier: Apache-2.0
// A condition, compiled: a field and what must hold of its value. Internal to the policy.
#pragma once

#include "policy/field.h"
#include "policy/pattern.h"

#include "crypto/bip32.h"

#include <variant>

namespace redoubt::policy {

// An integer of Solidity's, signed or not, in one order: negative ones are two's complement of 256 bits.
struct Number {
    bool negative = false;
    ethereum::Uint256 bits;
    bool operator==(const Number&) const = default;
    std::strong_ordering operator<=>(const Number& other) const noexcept {
        if (negative != other.negative)
            return negative ? std::strong_ordering::less : std::strong_ordering::greater;
        for (std::size_t i = 4; i-- > 0;) // here, to be inlined: most conditions compare numbers
            if (bits.limbs[i] != other.bits.limbs[i])
                return bits.limbs[i] <=> other.bits.limbs[i];
        return std::strong_ordering::equal;
    }
};

// A value of a request. Views live as long as what it was read from.
struct Atom {
    ValueType type = ValueType::None;
    bool negative = false;                      // Int
    bool boolean = false;                       // Bool
    const ethereum::Uint256* number = nullptr;  // Uint, Int
    const ethereum::Address* address = nullptr; // Address
    std::string_view bytes;                     // Bytes, Text
    const crypto::HdPath* path = nullptr;       // Path
    UnixMs time = 0;                            // Time
};

// Sorted, without duplicates.
struct AddressSet {
    Addresses own;
    std::vector<std::shared_ptr<const Addresses>> books;
    bool contains(const ethereum::Address& address) const noexcept;
};
using Set =
    std::variant<std::vector<Number>, AddressSet, std::vector<std::string>, std::vector<crypto::HdPath>>;

struct Member { // is, in, not_in
    Set set;
    bool in = true;
};

struct TimeTest { // milliseconds since 1970, and minutes of the day, UTC
    std::optional<std::uint64_t> from, before;
    std::optional<std::uint16_t> of_day_from, of_day_to; // both, or none
    std::uint8_t weekdays = 0x7f;                        // bit 0: Monday
    bool holds(UnixMs now) const noexcept;
};

enum class Truth : std::uint8_t { False, Unreadable, True };

// All that a condition says of its field: every part must hold.
struct Test {
    ValueType type = ValueType::None; // of the operands; Int stands for both kinds of integers
    std::optional<bool> boolean;
    std::optional<Number> at_least, at_most;
    std::vector<Member> members;
    std::optional<std::string> starts_with;
    std::unique_ptr<const Pattern> matches;
    std::optional<crypto::HdPath> under;
    std::unique_ptr<const TimeTest> time;

    // Unreadable: the value is of another type than the operands.
    Truth check(const Atom& atom) const noexcept;
};

// `value` is {operator: operand, …}. Error: InvalidField.
Result<Test> parse_test(const json::Value& value, const Field& field, const Books& books,
                        const std::string& place);
Result<TimeTest> parse_time(const json::Value& value, const std::string& place);

struct Condition {
    std::string name; // as the document writes it
    Field field;
    Test test;
};

} // namespace redoubt::policy
