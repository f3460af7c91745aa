// SPDX-License-Identifier: Apache-2.0
// What operators mean.
#include "policy/condition.h"

#include <algorithm>
#include <cstring>

namespace redoubt::policy {

namespace {

// Word by word, and inlined: addresses and numbers are what most conditions compare.
bool same(const ethereum::Address& a, const ethereum::Address& b) noexcept {
    std::uint64_t x[2], y[2];
    std::uint32_t last_x, last_y;
    std::memcpy(x, a.data(), sizeof x);
    std::memcpy(y, b.data(), sizeof y);
    std::memcpy(&last_x, a.data() + sizeof x, sizeof last_x);
    std::memcpy(&last_y, b.data() + sizeof y, sizeof last_y);
    static_assert(sizeof x + sizeof last_x == sizeof(ethereum::Address));
    return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (last_x ^ last_y)) == 0;
}
bool same(const Number& a, const Number& b) noexcept {
    return (a <=> b) == 0;
}
bool same(const crypto::HdPath& a, const crypto::HdPath& b) noexcept {
    return a == b;
}

template<class T>
bool among(const std::vector<T>& sorted, const T& value) noexcept {
    if (sorted.size() <= 8) // faster than halving so few
        return std::any_of(sorted.begin(), sorted.end(), [&](const T& each) { return same(each, value); });
    return std::binary_search(sorted.begin(), sorted.end(), value);
}

// As Number's, without a copy.
std::strong_ordering order(const Atom& atom, const Number& number) noexcept {
    if (atom.negative != number.negative)
        return atom.negative ? std::strong_ordering::less : std::strong_ordering::greater;
    for (std::size_t i = 4; i-- > 0;)
        if (atom.number->limbs[i] != number.bits.limbs[i])
            return atom.number->limbs[i] <=> number.bits.limbs[i];
    return std::strong_ordering::equal;
}

bool contains(const Set& set, const Atom& atom) noexcept {
    if (const auto* numbers = std::get_if<std::vector<Number>>(&set))
        return among(*numbers, Number{atom.negative, *atom.number});
    if (const auto* addresses = std::get_if<AddressSet>(&set))
        return addresses->contains(*atom.address);
    if (const auto* paths = std::get_if<std::vector<crypto::HdPath>>(&set))
        return among(*paths, *atom.path);
    const auto& texts = *std::get_if<std::vector<std::string>>(&set);
    return std::binary_search(texts.begin(), texts.end(), atom.bytes, std::less<>());
}

bool in_members(const std::vector<Member>& members, const Atom& atom) noexcept {
    return std::all_of(members.begin(), members.end(),
                       [&](const Member& member) { return contains(member.set, atom) == member.in; });
}

bool is_under(const crypto::HdPath& path, const crypto::HdPath& parent) noexcept {
    return path.size() >= parent.size() && std::equal(parent.begin(), parent.end(), path.begin());
}

} // namespace

bool AddressSet::contains(const ethereum::Address& address) const noexcept {
    return among(own, address) ||
           std::any_of(books.begin(), books.end(), [&](const auto& book) { return among(*book, address); });
}

bool TimeTest::holds(UnixMs now) const noexcept {
    constexpr std::uint64_t kDay = 86'400'000, kMinute = 60'000;
    const std::uint64_t ms = now < 0 ? 0 : static_cast<std::uint64_t>(now);
    if ((from && ms < *from) || (before && ms >= *before))
        return false;
    if (of_day_from) {
        const std::uint64_t minute = ms % kDay / kMinute;
        const bool begun = minute >= *of_day_from, over = minute >= *of_day_to;
        if (*of_day_from < *of_day_to ? !begun || over : !begun && over)
            return false;
    }
    const std::uint64_t weekday = (ms / kDay + 3) % 7; // 1970 began on a Thursday
    return (weekdays >> weekday & 1) != 0;
}

Truth Test::check(const Atom& atom) const noexcept {
    const bool integer = atom.type == ValueType::Uint || atom.type == ValueType::Int;
    if (integer ? type != ValueType::Int : type != atom.type)
        return Truth::Unreadable;
    if (integer && ((at_least && order(atom, *at_least) < 0) || (at_most && order(atom, *at_most) > 0)))
        return Truth::False;
    if (integer || atom.type == ValueType::Address) // what most conditions are about
        return in_members(members, atom) ? Truth::True : Truth::False;
    const bool holds = (!boolean || *boolean == atom.boolean) && in_members(members, atom) &&
                       (!starts_with || atom.bytes.starts_with(*starts_with)) &&
                       (matches == nullptr || matches->matches(atom.bytes)) &&
                       (!under || is_under(*atom.path, *under)) &&
                       (time == nullptr || time->holds(atom.time));
    return holds ? Truth::True : Truth::False;
}

} // namespace redoubt::policy
