// SPDX-License-Identifier: Apache-2.0
// What the readers of a policy's parts share; internal to document.cpp. A place is where in the document
// something stands ("rules[3].conditions.transaction.value"): the error's context.
#pragma once

#include "base/json.h"
#include "ethereum/address.h"
#include "policy/document.h"

#include <map>
#include <span>

namespace redoubt::policy {

inline constexpr std::size_t kMaxId = 64;               // characters
inline constexpr std::uint64_t kMaxWindow = 31'622'400; // seconds: 366 days
inline constexpr std::size_t kMaxList = 4096;           // entries of an operator's list
inline constexpr std::size_t kMaxBooks = 64, kMaxBookAddresses = 1024, kMaxAddresses = 4096;

std::unexpected<Error> refuse(FixedText text, std::string place);

std::string member_place(const std::string& place, std::string_view name); // "place.name"
std::string entry_place(const std::string& place, std::size_t index);      // "place[3]"

// Nothing of `value` but these members, and an object.
Status only_members(const json::Value& value, std::initializer_list<std::string_view> allowed,
                    const std::string& place);
// A list of 1 to `most` entries.
Status check_list(const json::Value& value, std::size_t most, FixedText text, const std::string& place);

bool valid_id(std::string_view id) noexcept;
// The member `id` or `name` of an object.
Result<std::string> read_id(const json::Value& object, std::string_view member, const std::string& place);
// An integer from 1 to `most`.
Result<std::uint64_t> read_count(const json::Value& value, std::uint64_t most, FixedText text,
                                 const std::string& place);
// Lower case, or with EIP-55's checksum: an address in capitals is a third spelling of it.
Result<ethereum::Address> read_address(const json::Value& value, const std::string& place);

// Hexadecimal in lower case, behind "0x".
std::optional<Bytes> read_hex(std::string_view text);

// Address books, sorted; conditions refer to them.
using Addresses = std::vector<ethereum::Address>;
using Books = std::map<std::string, std::shared_ptr<const Addresses>, std::less<>>;
Result<Books> read_books(const json::Value& value, const std::string& place);

} // namespace redoubt::policy
