// SPDX-License-Identifier: Apache-2.0
// Mnemonics as people type them: no crash; what is accepted is what its entropy is written as, and any bytes
// of an entropy's size have a mnemonic that reads back. Seeds: corpus/mnemonic.
#include "wallet/mnemonic.h"

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
    const Secret input = Secret::copy_of({data, size});
    if (const auto entropy = wallet::mnemonic_entropy(input)) {
        require(entropy->size() >= 16 && entropy->size() <= 32 && entropy->size() % 4 == 0);
        const auto words = wallet::mnemonic_of_entropy(*entropy);
        require(words && equal_secrets(*words, input));
    } else {
        require(entropy.error().code == Code::InvalidField);
    }
    const auto words = wallet::mnemonic_of_entropy(input);
    require(words.has_value() == (size >= 16 && size <= 32 && size % 4 == 0));
    if (words) {
        const auto entropy = wallet::mnemonic_entropy(*words);
        require(entropy && equal_secrets(*entropy, input));
    }
    return 0;
}
