// SPDX-License-Identifier: Apache-2.0
#include "ethereum/message.h"

#include "base/cursor.h"
#include "crypto/keccak.h"

namespace redoubt::ethereum {

namespace {

constexpr std::uint8_t kSignedData = 0x19;   // EIP-191; no RLP, since as RLP it would be a single byte
constexpr std::uint8_t kSetCodeMagic = 0x05; // EIP-7702, before an authorization
constexpr std::uint8_t kString = 0x80;       // first bytes of RLP: below it a byte that stands for itself,
constexpr std::uint8_t kList = 0xc0;         // from here on lists,
constexpr std::uint8_t kLongList = 0xf8;     // and from here on those with a length of 1 to 8 bytes

// Is this one list, from its first to its last byte? Only the outermost prefix is looked at, and a longer one
// than RLP demands is good enough: what is refused here may be too much, never too little.
bool is_rlp_list(ByteView bytes) noexcept {
    Cursor in(bytes);
    const std::uint8_t first = in.u8();
    if (!in.ok() || first < kList)
        return false;
    std::uint64_t size = first - kList;
    if (first >= kLongList) {
        size = 0;
        for (int digits = first - kLongList + 1; digits > 0; --digits)
            size = size << 8 | in.u8();
    }
    return in.ok() && size == in.rest().size();
}

} // namespace

Hash32 personal_message_digest(ByteView message) {
    const std::string length = std::to_string(message.size());
    return crypto::keccak256({as_bytes("\x19"
                                       "Ethereum Signed Message:\n"),
                              as_bytes(length), message});
}

Hash32 validator_data_digest(const Address& validator, ByteView data) {
    constexpr ByteArray<2> prefix = {kSignedData, 0x00};
    return crypto::keccak256({prefix, validator, data});
}

bool is_ethereum_payload(ByteView bytes) noexcept {
    if (bytes.empty())
        return false;
    return bytes[0] == kSignedData || bytes[0] == kSetCodeMagic || is_rlp_list(bytes) ||
           (bytes[0] < kString && is_rlp_list(bytes.subspan(1)));
}

} // namespace redoubt::ethereum
