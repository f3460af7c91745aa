// SPDX-License-Identifier: Apache-2.0
#include "sealed/vault_record.h"

#include "base/cursor.h"
#include "crypto/aead.h"
#include "crypto/hash.h"

namespace redoubt::sealed {

namespace {

constexpr std::string_view kMagic = "RDVT";
constexpr std::uint16_t kVersion = 1;
constexpr std::string_view kCommitmentInfo = "redoubt vault commitment v1";
constexpr std::string_view kWrapLabel = "redoubt vault wrap v1";
constexpr std::size_t kMaxArn = 256;
constexpr std::size_t kMaxBlob = 6144; // KMS: CiphertextBlob
constexpr std::size_t kVaultKey = 32;

std::unexpected<Error> refused() {
    return fail(Code::RecordInvalid, "the sealed vault record is damaged, of an unknown version, or altered");
}

// What a wrap is bound to: the whole head and the KMS key that guards it.
Bytes wrap_context(const VaultRecord& head, std::string_view kms_key_arn, ByteView data_key_blob) {
    Bytes out;
    Writer(out)
        .bytes(as_bytes(kWrapLabel))
        .u16(kVersion)
        .u64(head.epoch)
        .bytes(head.id)
        .u64(static_cast<std::uint64_t>(head.created))
        .bytes(head.commitment)
        .block16(as_bytes(kms_key_arn))
        .block16(data_key_blob);
    return out;
}

} // namespace

Hash32 vault_commitment(const Secret& vault_key, const VaultId& id) {
    const Secret hash = crypto::hkdf_sha256(vault_key.view(SecretAccess("commit to a vault key")), id,
                                            as_bytes(kCommitmentInfo), 32);
    return *to_array<32>(hash.view(SecretAccess("a commitment is public")));
}

VaultWrap wrap_vault_key(const Secret& vault_key, const Secret& data_key, const VaultRecord& head,
                         std::string kms_key_arn, Bytes data_key_blob, crypto::Random& random) {
    VaultWrap wrap{std::move(kms_key_arn), std::move(data_key_blob), random.array<12>(), {}};
    const Bytes sealed =
        crypto::aead_seal(data_key, wrap.nonce, wrap_context(head, wrap.kms_key_arn, wrap.data_key_blob),
                          vault_key.view(SecretAccess("wrap a vault key under its data key")));
    wrap.wrapped = *to_array<48>(sealed);
    return wrap;
}

Result<Secret> unwrap_vault_key(const VaultRecord& record, const VaultWrap& wrap, const Secret& data_key) {
    if (data_key.size() != crypto::kAeadKeySize)
        return refused();
    auto key = crypto::aead_open(data_key, wrap.nonce,
                                 wrap_context(record, wrap.kms_key_arn, wrap.data_key_blob), wrap.wrapped);
    if (!key || key->size() != kVaultKey ||
        !equal_constant_time(vault_commitment(*key, record.id), record.commitment))
        return refused();
    return std::move(*key);
}

Bytes encode_vault(const VaultRecord& record) {
    Bytes out;
    Writer writer(out);
    writer.bytes(as_bytes(kMagic))
        .u16(kVersion)
        .u64(record.epoch)
        .bytes(record.id)
        .u64(static_cast<std::uint64_t>(record.created))
        .bytes(record.commitment)
        .u8(static_cast<std::uint8_t>(record.wraps.size()));
    for (const auto& wrap : record.wraps)
        writer.block16(as_bytes(wrap.kms_key_arn))
            .block16(wrap.data_key_blob)
            .bytes(wrap.nonce)
            .bytes(wrap.wrapped);
    return out;
}

Result<VaultRecord> decode_vault(ByteView bytes) {
    Cursor cursor(bytes);
    VaultRecord record;
    const auto magic = cursor.take(kMagic.size());
    const std::uint16_t version = cursor.u16();
    if (as_text(magic) != kMagic || version != kVersion)
        return refused();
    record.epoch = cursor.u64();
    record.id = cursor.array<16>();
    const std::uint64_t created = cursor.u64();
    record.commitment = cursor.array<32>();
    const std::size_t wraps = cursor.u8();
    if (wraps == 0 || wraps > kMaxWraps || created > static_cast<std::uint64_t>(INT64_MAX))
        return refused();
    record.created = static_cast<UnixMs>(created);
    for (std::size_t i = 0; i < wraps && cursor.ok(); ++i) {
        VaultWrap wrap;
        wrap.kms_key_arn = std::string(as_text(cursor.block16(kMaxArn)));
        wrap.data_key_blob = to_bytes(cursor.block16(kMaxBlob));
        wrap.nonce = cursor.array<12>();
        wrap.wrapped = cursor.array<48>();
        if (wrap.kms_key_arn.empty() || wrap.data_key_blob.empty())
            return refused();
        record.wraps.push_back(std::move(wrap));
    }
    if (!cursor.finished())
        return refused();
    return record;
}

} // namespace redoubt::sealed
