// SPDX-License-Identifier: Apache-2.0
// The reader of KMS's EnvelopedData on any bytes: no crash, and whatever it accepts has the one form that it
// claims. Seeds: corpus/cms.
#include "crypto/cms.h"

#include <cstdlib>

using namespace redoubt;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView blob(data, size);
    const auto parsed = crypto::parse_enveloped_data(blob);
    if (!parsed)
        return 0;
    const auto within = [&](ByteView part) {
        return part.data() >= data && part.data() + part.size() <= data + size;
    };
    require(parsed->key_identifier.size() == 32 && within(parsed->key_identifier));
    require(parsed->encrypted_key.size() == 256 && within(parsed->encrypted_key));
    require(parsed->iv.size() == 16 && within(parsed->iv));
    const auto content = parsed->content.size();
    require(content > 0 && content <= 8192 && content % 16 == 0 && content < size);

    // Nothing may follow, and nothing may be missing.
    Bytes longer = to_bytes(blob);
    longer.push_back(0);
    require(!crypto::parse_enveloped_data(longer));
    require(!crypto::parse_enveloped_data(blob.first(size - 1)));
    return 0;
}
