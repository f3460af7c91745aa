// SPDX-License-Identifier: Apache-2.0
#include "sealed/key_record.h"

#include "base/cursor.h"
#include "base/utf8.h"
#include "crypto/bip32.h"
#include "crypto/hash.h"
#include "sealed/sealing_key.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace redoubt::sealed {

namespace {

constexpr std::string_view kMagic = "RDKY";
constexpr std::uint16_t kVersion = 2;
constexpr std::string_view kSealInfo = "redoubt key record v2";
constexpr std::size_t kPrivateKey = 32;

std::unexpected<Error> refused() {
    return fail(Code::RecordInvalid,
                "the sealed key record is damaged, of an unknown version, or not of this vault");
}

bool valid_state(const KeyHead& head) noexcept {
    switch (head.state) {
    case State::Enabled:
    case State::Disabled:
        return head.deletes == 0;
    case State::PendingDeletion:
        return head.deletes > 0;
    }
    return false;
}

bool has_pending_policy(const KeyHead& head) noexcept {
    return head.pending_policy != Hash32{};
}

bool valid_head(const KeyHead& head) noexcept {
    return head.revision >= 1 && head.revision <= kMaxRevision && valid_state(head) &&
           (has_pending_policy(head) ? head.pending_from > 0 : head.pending_from == 0) &&
           (head.flags & ~kKnownFlags) == 0 && head.created >= 0 && valid_label(head.label) &&
           valid_tags(head.tags);
}

void encode_head(Bytes& out, const KeyHead& head, const Hash32& salt) {
    Writer writer(out);
    writer.bytes(as_bytes(kMagic))
        .u16(kVersion)
        .u32(head.revision)
        .u64(head.epoch)
        .bytes(head.vault)
        .bytes(head.id)
        .u8(static_cast<std::uint8_t>(head.algorithm))
        .u8(static_cast<std::uint8_t>(head.state))
        .bytes(head.address)
        .bytes(head.policy_digest)
        .u32(has_pending_policy(head) ? head.flags | kFlagPendingPolicy : head.flags)
        .u64(static_cast<std::uint64_t>(head.created))
        .u64(static_cast<std::uint64_t>(head.deletes));
    if (has_pending_policy(head))
        writer.bytes(head.pending_policy).u64(static_cast<std::uint64_t>(head.pending_from));
    writer.block16(as_bytes(head.label)).u8(static_cast<std::uint8_t>(head.tags.size()));
    for (const auto& tag : head.tags)
        writer.block16(as_bytes(tag.name)).block16(as_bytes(tag.value));
    writer.bytes(salt);
}

struct Parts {
    KeyHead head;
    Hash32 salt;
    ByteView authenticated, ciphertext;
};

Result<Parts> parse(ByteView record) {
    Cursor cursor(record);
    Parts parts;
    const auto magic = cursor.take(kMagic.size());
    const std::uint16_t version = cursor.u16();
    if (as_text(magic) != kMagic || version != kVersion)
        return refused();
    parts.head.revision = cursor.u32();
    parts.head.epoch = cursor.u64();
    parts.head.vault = cursor.array<16>();
    parts.head.id = cursor.array<16>();
    parts.head.algorithm = static_cast<Algorithm>(cursor.u8());
    parts.head.state = static_cast<State>(cursor.u8());
    parts.head.address = cursor.array<20>();
    parts.head.policy_digest = cursor.array<32>();
    parts.head.flags = cursor.u32();
    const std::uint64_t created = cursor.u64(), deletes = cursor.u64();
    std::uint64_t pending_from = 0;
    if ((parts.head.flags & kFlagPendingPolicy) != 0) {
        parts.head.flags &= ~kFlagPendingPolicy;
        parts.head.pending_policy = cursor.array<32>();
        pending_from = cursor.u64();
        if (!has_pending_policy(parts.head)) // the flag alone says that there is one
            return refused();
    }
    parts.head.label = as_text(cursor.block16(kMaxLabel));
    const std::size_t tags = cursor.u8();
    if (tags > kMaxTags)
        return refused();
    for (std::size_t i = 0; i < tags; ++i) {
        auto& tag = parts.head.tags.emplace_back();
        tag.name = as_text(cursor.block16(kMaxTagName));
        tag.value = as_text(cursor.block16(kMaxTagValue));
    }
    parts.salt = cursor.array<32>();
    parts.authenticated = record.first(record.size() - cursor.rest().size());
    const std::size_t rest = cursor.rest().size();
    parts.ciphertext = cursor.take(rest);
    if (!cursor.finished() || rest < crypto::kAeadTagSize ||
        !valid_secret_size(parts.head.algorithm, rest - crypto::kAeadTagSize) ||
        created > static_cast<std::uint64_t>(INT64_MAX) || deletes > static_cast<std::uint64_t>(INT64_MAX) ||
        pending_from > static_cast<std::uint64_t>(INT64_MAX))
        return refused();
    parts.head.pending_from = static_cast<UnixMs>(pending_from);
    parts.head.created = static_cast<UnixMs>(created);
    parts.head.deletes = static_cast<UnixMs>(deletes);
    if (!valid_head(parts.head))
        return refused();
    return parts;
}

template<std::size_t N>
std::string id_text(std::string_view prefix, const ByteArray<N>& id) {
    std::string out;
    out.reserve(prefix.size() + 2 * id.size());
    out += prefix;
    append_hex(out, id);
    return out;
}

std::optional<ByteArray<16>> parse_id(std::string_view prefix, std::string_view text) noexcept {
    ByteArray<16> out;
    if (!text.starts_with(prefix))
        return std::nullopt;
    const std::string_view digits = text.substr(prefix.size());
    // One spelling only: an id in upper case would be another name for the same key.
    for (const char c : digits)
        if (c >= 'A' && c <= 'F')
            return std::nullopt;
    if (!from_hex_exact(digits, out))
        return std::nullopt;
    return out;
}

} // namespace

std::string vault_id_text(const VaultId& id) {
    return id_text("vault-", id);
}

std::string key_id_text(const KeyId& id) {
    return id_text("key-", id);
}

std::optional<VaultId> parse_vault_id(std::string_view text) noexcept {
    return parse_id("vault-", text);
}

std::optional<KeyId> parse_key_id(std::string_view text) noexcept {
    return parse_id("key-", text);
}

bool valid_client_token(std::string_view token) noexcept {
    const auto allowed = [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
               c == '_' || c == ':' || c == '-';
    };
    return !token.empty() && token.size() <= kMaxClientToken && std::ranges::all_of(token, allowed);
}

KeyId key_id_of_token(std::string_view token) {
    Bytes input = to_bytes("redoubt client token v1");
    input.push_back(0);
    append(input, as_bytes(token));
    return *to_array<16>(ByteView(crypto::sha256(input)).first(16));
}

VaultId vault_id_of_token(std::string_view token, std::uint64_t epoch) {
    return key_id_of_token("vault/" + std::to_string(epoch) + "/" + std::string(token));
}

std::string_view state_name(State state) noexcept {
    switch (state) {
    case State::Enabled:
        return "enabled";
    case State::Disabled:
        return "disabled";
    case State::PendingDeletion:
        return "pending-deletion";
    }
    return "unknown";
}

std::optional<State> parse_state(std::string_view name) noexcept {
    for (const State state : {State::Enabled, State::Disabled, State::PendingDeletion})
        if (state_name(state) == name)
            return state;
    return std::nullopt;
}

bool valid_label(std::string_view text, std::size_t most) noexcept {
    if (text.size() > most || !is_utf8(text))
        return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        // U+0080 … U+009F are C2 80 … C2 9F.
        if (c < 0x20 || c == 0x7f ||
            (c == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0))
            return false;
    }
    return true;
}

bool valid_tags(const std::vector<Tag>& tags) noexcept {
    if (tags.size() > kMaxTags)
        return false;
    for (std::size_t i = 0; i < tags.size(); ++i)
        if (tags[i].name.empty() || !valid_label(tags[i].name, kMaxTagName) ||
            !valid_label(tags[i].value, kMaxTagValue) || (i > 0 && tags[i].name <= tags[i - 1].name))
            return false;
    return true;
}

std::string_view algorithm_name(Algorithm algorithm) noexcept {
    return algorithm == Algorithm::HdSecp256k1 ? "bip32-secp256k1" : "secp256k1";
}

bool valid_secret_size(Algorithm algorithm, std::size_t size) noexcept {
    switch (algorithm) {
    case Algorithm::Secp256k1:
        return size == kPrivateKey;
    case Algorithm::HdSecp256k1:
        return size >= crypto::kMinSeed && size <= crypto::kMaxSeed;
    }
    return false;
}

Result<KeyHead> read_key_head(ByteView record) {
    REDOUBT_TRY(const Parts parts, parse(record));
    return parts.head;
}

Bytes seal_key(const Secret& vault_key, const KeyHead& head, const Secret& private_key,
               crypto::Random& random) {
    if (!valid_secret_size(head.algorithm, private_key.size()) || !valid_head(head)) {
        std::fputs("redoubt: a key that no record can hold was to be sealed\n", stderr);
        std::abort();
    }
    const Hash32 salt = random.array<32>();
    Bytes out;
    encode_head(out, head, salt);
    const SealingKey sealing = sealing_key(vault_key, salt, kSealInfo);
    const Bytes ciphertext =
        crypto::aead_seal(sealing.key, sealing.nonce, out,
                          private_key.view(SecretAccess("seal a private key or seed into its record")));
    append(out, ciphertext);
    return out;
}

Result<OpenedKey> open_key(const Secret& vault_key, ByteView record) {
    REDOUBT_TRY(const Parts parts, parse(record));
    const SealingKey sealing = sealing_key(vault_key, parts.salt, kSealInfo);
    auto opened = crypto::aead_open(sealing.key, sealing.nonce, parts.authenticated, parts.ciphertext);
    if (!opened)
        return refused();
    return OpenedKey{parts.head, std::move(*opened)};
}

} // namespace redoubt::sealed
