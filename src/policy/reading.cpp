// SPDX-License-Identifier: Apache-2.0
#include "policy/reading.h"

#include <algorithm>

namespace redoubt::policy {

std::unexpected<Error> refuse(FixedText text, std::string place) {
    return fail(Code::InvalidField, text, std::move(place));
}

std::string member_place(const std::string& place, std::string_view name) {
    return place.empty() ? std::string(name) : place + "." + std::string(name);
}

std::string entry_place(const std::string& place, std::size_t index) {
    return place + "[" + std::to_string(index) + "]";
}

Status only_members(const json::Value& value, std::initializer_list<std::string_view> allowed,
                    const std::string& place) {
    if (!value.is_object())
        return refuse("policy: this must be an object", place);
    for (const auto member : value)
        if (std::find(allowed.begin(), allowed.end(), member.name()) == allowed.end())
            return refuse("policy: this version knows no such member here: take it out, or correct its name",
                          member_place(place, member.name()));
    return {};
}

Status check_list(const json::Value& value, std::size_t most, FixedText text, const std::string& place) {
    if (!value.is_array() || value.size() == 0 || value.size() > most)
        return refuse(text, place);
    return {};
}

bool valid_id(std::string_view id) noexcept {
    return !id.empty() && id.size() <= kMaxId && std::all_of(id.begin(), id.end(), [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
               c == '_' || c == '-';
    });
}

Result<std::string> read_id(const json::Value& object, std::string_view member, const std::string& place) {
    const auto value = object.get(member);
    if (!value || !value->is_string() || !valid_id(value->text()))
        return refuse("policy: names and ids must be there, and 1 to 64 of A-Z a-z 0-9 . _ -",
                      member_place(place, member));
    return std::string(value->text());
}

Result<std::uint64_t> read_count(const json::Value& value, std::uint64_t most, FixedText text,
                                 const std::string& place) {
    const auto number = value.u64();
    if (!number || *number == 0 || *number > most)
        return refuse(text, place);
    return *number;
}

Result<ethereum::Address> read_address(const json::Value& value, const std::string& place) {
    const std::string_view text = value.is_string() ? value.text() : std::string_view();
    const auto address = ethereum::parse_address(text);
    const bool capitals = std::any_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'F'; });
    if (!address || (capitals && text != ethereum::to_checksum(*address)))
        return refuse("policy: an address is 0x and 40 hex digits, in lower case or with the checksum of "
                      "EIP-55: write it in lower case if it is right",
                      place);
    return *address;
}

std::optional<Bytes> read_hex(std::string_view text) {
    if (std::any_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'F'; }))
        return std::nullopt;
    return from_hex0x(text);
}

Result<Books> read_books(const json::Value& value, const std::string& place) {
    if (!value.is_object() || value.size() == 0 || value.size() > kMaxBooks)
        return refuse("policy: addresses must be an object of 1 to 64 books, or left out", place);
    Books out;
    std::size_t count = 0;
    for (const auto book : value) {
        const std::string at = member_place(place, book.name());
        if (!valid_id(book.name()))
            return refuse("policy: a book's name must be 1 to 64 of A-Z a-z 0-9 . _ -", at);
        REDOUBT_CHECK(check_list(book, kMaxBookAddresses,
                                 "policy: a book is a list of 1 to 1024 addresses: leave an empty one out",
                                 at));
        Addresses addresses;
        for (const auto entry : book) {
            REDOUBT_TRY(const auto address, read_address(entry, entry_place(at, addresses.size())));
            addresses.push_back(address);
        }
        std::sort(addresses.begin(), addresses.end());
        if (std::adjacent_find(addresses.begin(), addresses.end()) != addresses.end())
            return refuse("policy: the book lists an address twice: once is enough", at);
        count += addresses.size();
        out.emplace(std::string(book.name()), std::make_shared<const Addresses>(std::move(addresses)));
    }
    if (count > kMaxAddresses)
        return refuse("policy: the books have more than 4096 addresses together", place);
    return out;
}

} // namespace redoubt::policy
