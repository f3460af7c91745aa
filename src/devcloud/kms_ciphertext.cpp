// SPDX-License-Identifier: Apache-2.0
#include "devcloud/kms_ciphertext.h"

#include "base/cursor.h"
#include "crypto/aead.h"
#include "crypto/hash.h"

#include <algorithm>

namespace redoubt::devcloud {

namespace {

constexpr ByteArray<5> kPrefix = {0x01, 0x02, 0x02, 0x00, 0x78};
constexpr std::string_view kLabel = "(redoubt devcloud: no blob of AWS KMS)";
constexpr std::uint8_t kLayout = 1;
constexpr std::size_t kHeaderSize = 5 + 38 + 16 + 32 + 1 + 32 + 12;
static_assert(kLabel.size() == 38);
static_assert(kHeaderSize + crypto::kAeadTagSize == kCiphertextOverhead);

struct Head {
    ByteArray<16> key_id;
    Hash32 material_id, salt;
    ByteArray<12> nonce;
};

std::optional<Head> read_head(ByteView blob) {
    if (blob.size() < kCiphertextOverhead)
        return std::nullopt;
    Cursor cursor(blob);
    const auto prefix = cursor.take(kPrefix.size());
    const auto label = cursor.take(kLabel.size());
    Head head;
    head.key_id = cursor.array<16>();
    head.material_id = cursor.array<32>();
    const auto layout = cursor.u8();
    head.salt = cursor.array<32>();
    head.nonce = cursor.array<12>();
    if (!cursor.ok() || !std::equal(prefix.begin(), prefix.end(), kPrefix.begin()) ||
        as_text(label) != kLabel || layout != kLayout)
        return std::nullopt;
    return head;
}

std::string uuid_text(ByteView bytes) {
    auto text = to_hex(bytes);
    for (const std::size_t dash : {20u, 16u, 12u, 8u})
        text.insert(dash, 1, '-');
    return text;
}

// Every part with its length, in the map's order: no two contexts have one encoding.
Bytes authenticated_data(ByteView header, const EncryptionContext& context) {
    Bytes out = to_bytes(header);
    Writer writer(out);
    for (const auto& [name, value] : context)
        writer.block32(as_bytes(name)).block32(as_bytes(value));
    return out;
}

Secret message_key(const Secret& material, const Hash32& salt) {
    return crypto::hkdf_sha256(material.view(SecretAccess("derive a KMS message key")), salt,
                               as_bytes("redoubt devcloud kms"), crypto::kAeadKeySize);
}

} // namespace

std::optional<CiphertextNames> read_ciphertext_names(ByteView blob) {
    const auto head = read_head(blob);
    if (!head)
        return std::nullopt;
    return CiphertextNames{uuid_text(head->key_id), to_hex(head->material_id)};
}

Bytes seal_ciphertext(const Secret& material, const CiphertextNames& names, const EncryptionContext& context,
                      ByteView plaintext, crypto::Random& random) {
    std::string undashed = names.key_id;
    std::erase(undashed, '-');
    ByteArray<16> key_id{};
    Hash32 material_id{};
    from_hex_exact(undashed, key_id);
    from_hex_exact(names.material_id, material_id);
    const auto salt = random.array<32>();
    const auto nonce = random.array<12>();

    Bytes blob;
    blob.reserve(kCiphertextOverhead + plaintext.size());
    Writer(blob)
        .bytes(kPrefix)
        .bytes(as_bytes(kLabel))
        .bytes(key_id)
        .bytes(material_id)
        .u8(kLayout)
        .bytes(salt)
        .bytes(nonce);
    append(blob, crypto::aead_seal(message_key(material, salt), nonce, authenticated_data(blob, context),
                                   plaintext));
    return blob;
}

std::optional<Secret> open_ciphertext(const Secret& material, ByteView blob,
                                      const EncryptionContext& context) {
    const auto head = read_head(blob);
    if (!head)
        return std::nullopt;
    auto plaintext =
        crypto::aead_open(message_key(material, head->salt), head->nonce,
                          authenticated_data(blob.first(kHeaderSize), context), blob.subspan(kHeaderSize));
    if (!plaintext)
        return std::nullopt;
    return std::move(*plaintext);
}

} // namespace redoubt::devcloud
