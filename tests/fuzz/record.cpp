// SPDX-License-Identifier: Apache-2.0
// Sealed records as a hostile store returns them: no crash; what is accepted as a vault encodes to the same
// bytes; and no bytes but those that were sealed ever open. Seeds: corpus/record.
#include "crypto/random.h"
#include "sealed/vault_record.h"

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
    const ByteView bytes(data, size);
    static crypto::SystemRandom random;
    static const Secret vault_key = random.secret(32); // drawn anew: nothing in a corpus is sealed under it
    const auto head = sealed::read_key_head(bytes);
    require(!sealed::open_key(vault_key, bytes));
    if (head) {
        require((head->flags & ~sealed::kKnownFlags) == 0);
        require(sealed::parse_key_id(sealed::key_id_text(head->id)) == head->id);
    }
    if (const auto vault = sealed::decode_vault(bytes)) {
        require(!vault->wraps.empty() && vault->wraps.size() <= sealed::kMaxWraps);
        require(std::ranges::equal(sealed::encode_vault(*vault), bytes));
        for (const auto& wrap : vault->wraps)
            require(!sealed::unwrap_vault_key(*vault, wrap, vault_key));
    }
    return 0;
}
