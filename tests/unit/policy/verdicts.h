// SPDX-License-Identifier: Apache-2.0
// One condition against one request: what it comes to in an allow rule and in a deny rule tells which of the
// three values it has.
#pragma once

#include "policy/evaluator.h"

#include <gtest/gtest.h>

namespace redoubt::policy::test {

enum class Is { True, False, Unreadable };

inline std::ostream& operator<<(std::ostream& out, Is is) {
    return out << (is == Is::True ? "true" : is == Is::False ? "false" : "unreadable");
}

inline Document parsed(const std::string& text) {
    auto document = parse_document(text);
    EXPECT_TRUE(document) << text << "\n" << document.error().describe();
    return document ? std::move(*document) : Document{};
}

// `more`: members of the document, each with a comma behind it. `members`: of the rule, a comma before each.
inline std::string with_rule(std::string_view effect, std::string_view operation, std::string_view members,
                             std::string_view more = "") {
    return "{" + std::string(more) + R"("redoubt_policy":1,"rules":[{"name":"r","effect":")" +
           std::string(effect) + R"(","principals":["anyone"],"operations":[")" + std::string(operation) +
           "\"]" + std::string(members) + "}]}";
}

inline Is outcome(std::string_view members, const Facts& facts, std::string_view more = "") {
    const std::string_view operation = operation_name(facts.operation);
    const Document allow = parsed(with_rule("allow", operation, members, more));
    const Document deny = parsed(with_rule("deny", operation, members, more));
    const bool allows = evaluate(allow, facts).allowed();
    const bool denies = evaluate(deny, facts).denied_by != nullptr;
    EXPECT_TRUE(denies || !allows) << members << ": what holds in an allow rule holds in a deny rule";
    return allows ? Is::True : denies ? Is::Unreadable : Is::False;
}

inline std::string on(std::string_view field, std::string_view test) { // a rule with this one condition
    return R"(,"conditions":{")" + std::string(field) + "\":" + std::string(test) + "}";
}

inline std::string error_place(const std::string& document) {
    const auto read = parse_document(document);
    EXPECT_FALSE(read) << document;
    EXPECT_TRUE(read || read.error().code == Code::InvalidField) << document;
    return read ? "accepted" : read.error().context;
}

inline const std::string kMost = // 2^256 - 1
    "115792089237316195423570985008687907853269984665640564039457584007913129639935";
inline const std::string kOverMost =
    "115792089237316195423570985008687907853269984665640564039457584007913129639936";

inline ethereum::Uint256 all_ones() {
    ethereum::Uint256 out;
    out.limbs.fill(~std::uint64_t{0});
    return out;
}

inline ethereum::Address address(std::uint8_t byte) {
    ethereum::Address out;
    out.fill(byte);
    return out;
}

inline ethereum::Transaction transfer() { // EIP-1559, plain
    ethereum::Transaction out;
    out.type = ethereum::TransactionType::DynamicFee;
    out.chain_id = 1;
    out.nonce = 7;
    out.gas = 21'000;
    out.max_fee_per_gas = 30;
    out.max_priority_fee_per_gas = 2;
    out.to = address(0x11);
    out.value = 1000;
    return out;
}

inline Facts facts_of(const ethereum::Transaction& transaction) {
    Facts out;
    out.transaction = &transaction;
    return out;
}

inline std::string word(std::uint64_t value) { // 32 bytes as hex
    return to_hex(ethereum::to_big_endian(value));
}

} // namespace redoubt::policy::test
