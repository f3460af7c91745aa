// SPDX-License-Identifier: Apache-2.0
#include "ethereum/address.h"

#include "crypto/keccak.h"

#include <algorithm>
#include <array>

namespace redoubt::ethereum {

Address address_of(const crypto::PublicKey& key) noexcept {
    const Hash32 hash = crypto::keccak256(key);
    Address out;
    std::copy(hash.end() - 20, hash.end(), out.begin());
    return out;
}

namespace {

std::string hashed_checksum(const Address& address) {
    std::string out = to_hex0x(address);
    // EIP-55: a letter is upper-case where the hash of the lower-case digits has the top bit of its nibble
    // set.
    const Hash32 hash = crypto::keccak256(as_bytes(std::string_view(out).substr(2)));
    for (std::size_t i = 0; i < 40; ++i) {
        const int nibble = i % 2 == 0 ? hash[i / 2] >> 4 : hash[i / 2] & 15;
        char& c = out[2 + i];
        if (c >= 'a' && nibble >= 8)
            c = static_cast<char>(c - 'a' + 'A');
    }
    return out;
}

} // namespace

// A signer's answers name few addresses, again and again, and each text costs a hash: the last ones are
// remembered.
AddressText checksum(const Address& address) {
    struct Known {
        Address address;
        AddressText text; // begins with "0x", or with a zero byte: none
    };
    thread_local std::array<Known, 64> known{};
    Known& slot = known[address.back() % known.size()];
    if (slot.text[0] == 0 || slot.address != address) {
        const std::string text = hashed_checksum(address);
        slot.address = address;
        std::copy_n(text.begin(), slot.text.size(), slot.text.begin());
    }
    return slot.text;
}

std::string to_checksum(const Address& address) {
    const AddressText text = checksum(address);
    return {text.data(), text.size()};
}

Result<Address> parse_address(std::string_view text) {
    Address out;
    if (!text.starts_with("0x") || !from_hex_exact(text.substr(2), out))
        return fail(Code::InvalidField, "an address is 0x and 40 hexadecimal digits");
    const std::string_view digits = text.substr(2);
    const bool lower = std::any_of(digits.begin(), digits.end(), [](char c) { return c >= 'a'; });
    const bool upper = std::any_of(digits.begin(), digits.end(), [](char c) { return c >= 'A' && c <= 'F'; });
    if (lower && upper && to_checksum(out) != text)
        return fail(Code::InvalidField, "an address in mixed case has a wrong checksum (EIP-55)");
    return out;
}

} // namespace redoubt::ethereum
