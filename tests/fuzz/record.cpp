// SPDX-License-Identifier: Apache-2.0
// Sealed records as a hostile store returns them: no crash; a head that is accepted is one that could be
// sealed, and says every byte of itself; what is accepted as a vault encodes to the same bytes; and no bytes
// but those that were sealed ever open. Seeds: corpus/record.
#include "crypto/bip32.h"
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
        require(head->revision >= 1 && head->revision <= sealed::kMaxRevision && head->created >= 0);
        require((head->state == sealed::State::PendingDeletion) == (head->deletes > 0));
        require(sealed::parse_state(sealed::state_name(head->state)) == head->state);
        require(sealed::valid_label(head->label) && sealed::valid_tags(head->tags));
        require(sealed::parse_key_id(sealed::key_id_text(head->id)) == head->id);
        // Sealing ends the process for a head that no record may have, and writes the same head.
        const Secret secret =
            random.secret(head->algorithm == sealed::Algorithm::Secp256k1 ? 32 : crypto::kMaxSeed);
        const Bytes sealed_again = sealed::seal_key(vault_key, *head, secret, random);
        const auto opened = sealed::open_key(vault_key, sealed_again);
        require(opened && opened->head == *head && equal_secrets(opened->private_key, secret));
        const std::size_t head_size = sealed_again.size() - secret.size() - 16 - 32; // tag, salt
        require(bytes.size() >= head_size + 32 + 16 &&
                std::ranges::equal(bytes.first(head_size), ByteView(sealed_again).first(head_size)));
    }
    if (const auto vault = sealed::decode_vault(bytes)) {
        require(!vault->wraps.empty() && vault->wraps.size() <= sealed::kMaxWraps);
        require(std::ranges::equal(sealed::encode_vault(*vault), bytes));
        for (const auto& wrap : vault->wraps)
            require(!sealed::unwrap_vault_key(*vault, wrap, vault_key));
    }
    return 0;
}
