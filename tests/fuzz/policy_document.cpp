// SPDX-License-Identifier: Apache-2.0
// Policies on any text: what is accepted has a canonical form that is accepted too, has the same digest and
// opens by it; and nothing opens that is not in that form. Seeds: corpus/policy_document.
#include "crypto/hash.h"
#include "policy/document.h"

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
    const std::string_view text = as_text(bytes);
    const auto parsed = policy::parse_document(text);
    const Hash32 digest = crypto::sha256(bytes);
    require(policy::open_document(bytes, digest).has_value() == (parsed && parsed->canonical == text));
    Hash32 other = digest;
    other[0] ^= 1;
    require(!policy::open_document(bytes, other));
    if (!parsed)
        return 0;
    require(parsed->canonical.size() <= policy::kMaxDocument &&
            parsed->export_recipients.size() <= policy::kMaxRecipients);
    const auto again = policy::open_document(as_bytes(parsed->canonical), parsed->digest);
    require(again && again->canonical == parsed->canonical && again->digest == parsed->digest &&
            again->export_recipients.size() == parsed->export_recipients.size());
    for (const auto& recipient : parsed->export_recipients) {
        const auto* found = again->find_recipient(recipient.id);
        require(found != nullptr && found->public_key == recipient.public_key);
    }
    return 0;
}
