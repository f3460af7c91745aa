// SPDX-License-Identifier: Apache-2.0
#include "devcloud/cloud.h"

namespace redoubt::devcloud {

std::string random_uuid(crypto::Random& random) {
    auto bytes = random.array<16>();
    bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0f) | 0x40);
    bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3f) | 0x80);
    auto text = to_hex(bytes);
    for (const std::size_t dash : {20u, 16u, 12u, 8u})
        text.insert(dash, 1, '-');
    return text;
}

std::string random_text(crypto::Random& random, std::size_t size, std::string_view alphabet) {
    const std::size_t fair = 256 / alphabet.size() * alphabet.size();
    std::string out;
    while (out.size() < size) {
        const std::size_t byte = random.array<1>()[0];
        if (byte < fair)
            out.push_back(alphabet[byte % alphabet.size()]);
    }
    return out;
}

} // namespace redoubt::devcloud
