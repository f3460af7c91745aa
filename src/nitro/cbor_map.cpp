// SPDX-License-Identifier: Apache-2.0
#include "nitro/cbor_map.h"

namespace redoubt::nitro::cbor {

bool read_map(Reader& in, std::initializer_list<Member> members, bool allow_indefinite) {
    const auto head = in.map(allow_indefinite);
    if (!head || (!head->indefinite && head->size > members.size()))
        return false;
    std::uint32_t seen = 0;
    for (std::size_t pairs = 0; head->indefinite ? !in.at_break() : pairs < head->size; ++pairs) {
        const auto name = in.text();
        if (!name)
            return false;
        std::uint32_t bit = 1;
        const Member* found = nullptr;
        for (const Member& member : members) {
            if (member.name == *name) {
                found = &member;
                break;
            }
            bit <<= 1;
        }
        if (found == nullptr || (seen & bit) != 0 || !found->read(in) || !in.ok())
            return false;
        seen |= bit;
    }
    std::uint32_t bit = 1;
    for (const Member& member : members) {
        if (member.required && (seen & bit) == 0)
            return false;
        bit <<= 1;
    }
    return in.ok();
}

bool read_u16(Reader& in, std::uint16_t& out) noexcept {
    const auto value = in.u64();
    if (!value || *value > 0xffff)
        return false;
    out = static_cast<std::uint16_t>(*value);
    return true;
}

bool read_bytes(Reader& in, Bytes& out, std::size_t smallest, std::size_t largest) {
    const auto value = in.bytes();
    if (!value || value->size() < smallest || value->size() > largest)
        return false;
    out = to_bytes(*value);
    return true;
}

bool read_text(Reader& in, std::string& out, std::size_t smallest, std::size_t largest) {
    const auto value = in.text();
    if (!value || value->size() < smallest || value->size() > largest)
        return false;
    out = std::string(*value);
    return true;
}

bool read_optional_bytes(Reader& in, std::optional<Bytes>& out, std::size_t largest) {
    if (in.next_is_null()) {
        out.reset();
        return in.null();
    }
    return read_bytes(in, out.emplace(), 0, largest);
}

} // namespace redoubt::nitro::cbor
