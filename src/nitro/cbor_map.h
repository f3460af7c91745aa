// SPDX-License-Identifier: Apache-2.0
// Maps with text keys, the only kind that NSM and attestation payloads have: members in any order, each at
// most once, none that is not listed.
#pragma once

#include "nitro/cbor.h"

#include <functional>
#include <initializer_list>

namespace redoubt::nitro::cbor {

struct Member {
    std::string_view name;
    std::function<bool(Reader&)> read; // consumes the value; false refuses the whole map
    bool required = true;
};

// At most 32 members. False where the map is not of this shape; the reader is of no use then.
bool read_map(Reader& in, std::initializer_list<Member> members, bool allow_indefinite = false);

// Readers of values, for Member::read. Each refuses what does not fit.
bool read_u16(Reader& in, std::uint16_t& out) noexcept;
bool read_bytes(Reader& in, Bytes& out, std::size_t smallest, std::size_t largest);
bool read_text(Reader& in, std::string& out, std::size_t smallest, std::size_t largest);
// null, or bytes of at most `largest`.
bool read_optional_bytes(Reader& in, std::optional<Bytes>& out, std::size_t largest);

} // namespace redoubt::nitro::cbor
