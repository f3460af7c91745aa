// SPDX-License-Identifier: Apache-2.0
// Manifests and statements on any text: what is accepted has a canonical form that is accepted too and has
// the same digest. Seeds: corpus/manifest.
#include "trust/manifest.h"
#include "trust/statement.h"

#include <cstdlib>

using namespace redoubt;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = as_text(ByteView(data, size));
    if (const auto manifest = trust::parse_manifest(text)) {
        require(!manifest->kms_keys.empty() && manifest->kms_keys.size() <= 16 &&
                manifest->owners.size() <= 16);
        require(!manifest->require_policy ||
                manifest->reference_keys.mode != trust::ReferenceKeys::Mode::Any);
        const auto again = trust::parse_manifest(manifest->canonical);
        require(again && again->digest() == manifest->digest() && again->canonical == manifest->canonical);
    }
    if (const auto statement = trust::parse_statement(text)) {
        const auto again = trust::parse_statement(trust::encode_statement(*statement));
        require(again && again->address == statement->address && again->nonce == statement->nonce);
    }
    return 0;
}
