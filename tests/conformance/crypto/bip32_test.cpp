// SPDX-License-Identifier: Apache-2.0
// The test vectors in BIP-32's text.
#include "support.h"

#include <sstream>

namespace redoubt::crypto {
namespace {

// "m/0<sub>H</sub>/1" → "m/0H/1"
std::string plain_path(std::string text) {
    for (const std::string_view mark : {"<sub>", "</sub>"})
        for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark))
            text.erase(at, mark.size());
    return text;
}

TEST(Bip32Vectors, every_chain_is_reproduced) {
    REDOUBT_NEED_VECTORS(vectors);
    std::istringstream in(tests::read_file(vectors / "bip39/bip-0032-test-vectors.mediawiki"));
    std::size_t seeds = 0;
    std::size_t privates = 0;
    std::size_t publics = 0;
    std::size_t invalid = 0;
    Secret seed;
    Result<Secret> extended = Secret();
    for (std::string line; std::getline(in, line);) {
        const auto after = [&line](std::string_view prefix) -> std::optional<std::string> {
            return line.starts_with(prefix) ? std::optional(line.substr(prefix.size())) : std::nullopt;
        };
        if (const auto hex = after("Seed (hex): ")) {
            seed = secret_of_hex(*hex);
            ++seeds;
        } else if (const auto chain = after("* Chain ")) {
            const auto path = parse_hd_path(plain_path(*chain));
            ASSERT_TRUE(path) << line;
            extended = derive_extended_key(curve(), seed, *path);
        } else if (const auto xprv = after("** ext prv: ")) {
            EXPECT_EQ(xprv_of(extended), *xprv);
            ++privates;
        } else if (const auto xpub = after("** ext pub: ")) {
            EXPECT_EQ(xpub_of(extended), *xpub);
            ++publics;
        } else if (line.starts_with("* xp") || line.starts_with("* DMw")) {
            // Vector 5 is of extended keys to be refused; this project reads none.
            ++invalid;
        }
    }
    EXPECT_EQ(seeds, 4u);
    EXPECT_EQ(privates, 17u);
    EXPECT_EQ(publics, 17u);
    EXPECT_EQ(invalid, 16u);
    std::cout << "bip32: " << seeds << " seeds, " << privates << " extended private and " << publics
              << " extended public keys; " << invalid
              << " invalid extended keys not applicable (none are read here)\n";
}

} // namespace
} // namespace redoubt::crypto
