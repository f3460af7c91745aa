// SPDX-License-Identifier: Apache-2.0
// A second implementation of Keccak-256, RLP and EIP-712's encoding, written for comparison alone: by the
// specifications' own words, without regard to speed, and sharing nothing with src/.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace redoubt::tests::second {

using Blob = std::vector<std::uint8_t>;

// The Keccak reference (3.0), section 1: state of 5 × 5 lanes, rounds of theta, rho, pi, chi, iota; rate
// 1088, padding 0x01 … 0x80.
inline Blob keccak256(const Blob& input) {
    std::uint64_t a[5][5] = {};
    const auto rotate = [](std::uint64_t v, unsigned n) { return n == 0 ? v : (v << n) | (v >> (64 - n)); };
    const auto permute = [&] {
        std::uint8_t lfsr = 1;
        for (int round = 0; round < 24; ++round) {
            std::uint64_t c[5], b[5][5];
            for (int x = 0; x < 5; ++x)
                c[x] = a[x][0] ^ a[x][1] ^ a[x][2] ^ a[x][3] ^ a[x][4];
            for (int x = 0; x < 5; ++x)
                for (int y = 0; y < 5; ++y)
                    a[x][y] ^= c[(x + 4) % 5] ^ rotate(c[(x + 1) % 5], 1);
            // rho and pi: the offset of step t is (t + 1)(t + 2) / 2 along the walk (x, y) → (y, 2x + 3y).
            b[0][0] = a[0][0];
            int x = 1, y = 0;
            for (unsigned t = 0; t < 24; ++t) {
                const int to = (2 * x + 3 * y) % 5;
                b[y][to] = rotate(a[x][y], ((t + 1) * (t + 2) / 2) % 64);
                x = y;
                y = to;
            }
            for (int i = 0; i < 5; ++i)
                for (int j = 0; j < 5; ++j)
                    a[i][j] = b[i][j] ^ (~b[(i + 1) % 5][j] & b[(i + 2) % 5][j]);
            // iota: bit 2^j − 1 of the constant is the LFSR's next output (x^8 + x^6 + x^5 + x^4 + 1).
            for (unsigned j = 0; j < 7; ++j) {
                if (lfsr & 1)
                    a[0][0] ^= std::uint64_t{1} << ((1u << j) - 1);
                lfsr = static_cast<std::uint8_t>((lfsr << 1) ^ ((lfsr & 0x80) != 0 ? 0x71 : 0));
            }
        }
    };
    Blob padded = input;
    padded.push_back(0x01);
    while (padded.size() % 136 != 0)
        padded.push_back(0);
    padded.back() |= 0x80;
    for (std::size_t at = 0; at < padded.size(); at += 136) {
        for (std::size_t i = 0; i < 136; ++i)
            a[(i / 8) % 5][(i / 8) / 5] ^= std::uint64_t{padded[at + i]} << (8 * (i % 8));
        permute();
    }
    Blob out;
    for (std::size_t i = 0; i < 32; ++i)
        out.push_back(static_cast<std::uint8_t>(a[(i / 8) % 5][(i / 8) / 5] >> (8 * (i % 8))));
    return out;
}

inline void append(Blob& out, const Blob& more) {
    out.insert(out.end(), more.begin(), more.end());
}

// Yellow paper, appendix B.
inline Blob big_endian(std::uint64_t n) {
    Blob out;
    for (; n > 0; n >>= 8)
        out.insert(out.begin(), static_cast<std::uint8_t>(n));
    return out;
}

inline Blob with_length(std::uint8_t base, const Blob& content) {
    Blob out;
    if (content.size() < 56) {
        out.push_back(static_cast<std::uint8_t>(base + content.size()));
    } else {
        const Blob length = big_endian(content.size());
        out.push_back(static_cast<std::uint8_t>(base + 55 + length.size()));
        append(out, length);
    }
    append(out, content);
    return out;
}

inline Blob rlp_string(const Blob& content) {
    return content.size() == 1 && content[0] < 0x80 ? content : with_length(0x80, content);
}

inline Blob rlp_integer(Blob content) {
    while (!content.empty() && content[0] == 0)
        content.erase(content.begin());
    return rlp_string(content);
}

inline Blob rlp_list(const std::vector<Blob>& items) {
    Blob content;
    for (const Blob& item : items)
        append(content, item);
    return with_length(0xc0, content);
}

// EIP-712. A value is 32 encoded bytes (of an atomic type), bytes, a list, or a struct.
struct Typed {
    std::string type; // as a field declares it
    Blob word;        // atomic types: enc(value)
    Blob bytes;       // bytes and string
    std::vector<Typed> elements;
    int structure = -1; // the number of the struct type, or −1
};
struct StructType {
    std::string name;
    std::vector<std::pair<std::string, std::string>> fields; // type, name
};

inline Blob text_bytes(const std::string& text) {
    return {text.begin(), text.end()};
}

inline std::string base_of(std::string type) {
    return type.substr(0, type.find('['));
}

inline std::string encode_type(const std::vector<StructType>& types, const std::string& name) {
    std::vector<std::string> seen{name};
    for (std::size_t at = 0; at < seen.size(); ++at)
        for (const auto& type : types)
            if (type.name == seen[at])
                for (const auto& field : type.fields)
                    for (const auto& other : types)
                        if (other.name == base_of(field.first) &&
                            std::find(seen.begin(), seen.end(), other.name) == seen.end())
                            seen.push_back(other.name);
    std::sort(seen.begin() + 1, seen.end());
    std::string out;
    for (const auto& one : seen)
        for (const auto& type : types)
            if (type.name == one) {
                out += one + "(";
                for (std::size_t i = 0; i < type.fields.size(); ++i)
                    out += (i > 0 ? "," : "") + type.fields[i].first + " " + type.fields[i].second;
                out += ")";
            }
    return out;
}

inline Blob hash_struct(const std::vector<StructType>& types, const Typed& value);

inline Blob encode_value(const std::vector<StructType>& types, const Typed& value) {
    if (value.type.ends_with("]")) {
        Blob all;
        for (const Typed& element : value.elements)
            append(all, encode_value(types, element));
        return keccak256(all);
    }
    if (value.structure >= 0)
        return hash_struct(types, value);
    if (value.type == "bytes" || value.type == "string")
        return keccak256(value.bytes);
    return value.word;
}

inline Blob hash_struct(const std::vector<StructType>& types, const Typed& value) {
    Blob all =
        keccak256(text_bytes(encode_type(types, types[static_cast<std::size_t>(value.structure)].name)));
    for (const Typed& field : value.elements)
        append(all, encode_value(types, field));
    return keccak256(all);
}

} // namespace redoubt::tests::second
