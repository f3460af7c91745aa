// SPDX-License-Identifier: Apache-2.0
// Derivation paths as requests write them: no crash; what is accepted prints to a text that means the same,
// and prints so again. Seeds: corpus/hd_path.
#include "crypto/bip32.h"

#include <algorithm>
#include <cstdlib>

using namespace redoubt;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string text(as_text({data, size}));
    const auto path = crypto::parse_hd_path(text);
    if (!path) {
        require(path.error().code == Code::InvalidField);
        return 0;
    }
    require(path->size() <= crypto::kMaxPathLength);
    const std::string printed = crypto::hd_path_text(*path);
    require(crypto::parse_hd_path(printed) == *path);
    // The three marks of a hardened index are all that two texts of one path may differ in.
    std::ranges::replace(text, 'h', '\'');
    std::ranges::replace(text, 'H', '\'');
    require(text == printed);
    return 0;
}
