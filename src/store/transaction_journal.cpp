// SPDX-License-Identifier: Apache-2.0
// An entry's bytes, version 1, integers big-endian: u8 1; id; u64 chain; account; u64 nonce; u32 revision;
// u8 state; u8 settled; u64 created; u16 length, caller; request; u8 flag, idempotency if 1; u8 flag, u64
// block if 1; u32 mined version; u8 succeeded; u16 length, failure; u8 versions, each u8 kind, u64 time,
// hash, u32 length, raw.
#include "store/transaction_journal.h"

#include "base/cursor.h"
#include "base/utf8.h"
#include "store/names.h"

#include <algorithm>
#include <array>
#include <utility>

namespace redoubt::store {

namespace {

constexpr std::uint8_t kFormat = 1;
constexpr std::string_view kIdPrefix = "tx-";
constexpr std::array<std::string_view, 8> kStates{"",         "signed",    "broadcast", "mined",
                                                  "replaced", "cancelled", "dropped",   "failed"};
constexpr std::array<std::string_view, 5> kKinds{"", "original", "fee_bump", "replacement", "cancel"};

bool flag(Cursor& in) noexcept {
    const std::uint8_t value = in.u8();
    if (value > 1)
        in.fail();
    return value == 1;
}

SignedVersion read_version(Cursor& in) {
    SignedVersion out;
    const std::uint8_t kind = in.u8();
    if (kind == 0 || kind >= kKinds.size())
        in.fail();
    out.kind = static_cast<VersionKind>(kind);
    out.signed_at = static_cast<UnixMs>(in.u64());
    out.hash = in.array<32>();
    out.raw = to_bytes(in.block32(kMaxSignedBytes));
    return out;
}

} // namespace

std::string transaction_id_text(const TransactionId& id) {
    return std::string(kIdPrefix) + to_hex(id);
}

std::optional<TransactionId> parse_transaction_id(std::string_view text) {
    TransactionId id;
    if (!text.starts_with(kIdPrefix) || !from_hex_exact(text.substr(kIdPrefix.size()), id) ||
        transaction_id_text(id) != text)
        return std::nullopt;
    return id;
}

std::string_view transaction_state_name(TransactionState state) noexcept {
    return kStates[static_cast<std::size_t>(state)];
}

std::optional<TransactionState> parse_transaction_state(std::string_view name) noexcept {
    const auto at = std::find(kStates.begin() + 1, kStates.end(), name);
    if (at == kStates.end())
        return std::nullopt;
    return static_cast<TransactionState>(at - kStates.begin());
}

std::string_view version_kind_name(VersionKind kind) noexcept {
    return kKinds[static_cast<std::size_t>(kind)];
}

Bytes encode_journal_entry(const JournalEntry& entry) {
    Bytes out;
    Writer writer(out);
    writer.u8(kFormat).bytes(entry.id).u64(entry.chain_id).bytes(entry.account).u64(entry.nonce);
    writer.u32(entry.revision).u8(static_cast<std::uint8_t>(entry.state)).u8(entry.settled ? 1 : 0);
    writer.u64(static_cast<std::uint64_t>(entry.created))
        .block16(as_bytes(entry.caller))
        .bytes(entry.request);
    writer.u8(entry.idempotency ? 1 : 0);
    if (entry.idempotency)
        writer.bytes(*entry.idempotency);
    writer.u8(entry.block ? 1 : 0);
    if (entry.block)
        writer.u64(*entry.block);
    writer.u32(entry.mined_version).u8(entry.succeeded ? 1 : 0).block16(as_bytes(entry.failure));
    writer.u8(static_cast<std::uint8_t>(entry.versions.size()));
    for (const auto& version : entry.versions)
        writer.u8(static_cast<std::uint8_t>(version.kind))
            .u64(static_cast<std::uint64_t>(version.signed_at))
            .bytes(version.hash)
            .block32(version.raw);
    return out;
}

Result<JournalEntry> decode_journal_entry(ByteView bytes) {
    Cursor in(bytes);
    JournalEntry out;
    if (in.u8() != kFormat)
        in.fail();
    out.id = in.array<16>();
    out.chain_id = in.u64();
    out.account = in.array<20>();
    out.nonce = in.u64();
    out.revision = in.u32();
    const std::uint8_t state = in.u8();
    if (state == 0 || state >= kStates.size())
        in.fail();
    out.state = static_cast<TransactionState>(state);
    out.settled = flag(in);
    out.created = static_cast<UnixMs>(in.u64());
    out.caller = as_text(in.block16(kMaxCaller));
    out.request = in.array<32>();
    if (flag(in))
        out.idempotency = in.array<32>();
    if (flag(in))
        out.block = in.u64();
    out.mined_version = in.u32();
    out.succeeded = flag(in);
    out.failure = as_text(in.block16(kMaxFailure));
    const std::size_t versions = in.u8();
    if (versions == 0 || versions > kMaxVersions)
        in.fail();
    for (std::size_t i = 0; i < versions && in.ok(); ++i)
        out.versions.push_back(read_version(in));
    constexpr std::uint64_t kMost = INT64_MAX;
    if (!in.finished() || out.chain_id > kMost || out.nonce > kMost || out.created < 0 ||
        out.mined_version >= versions || !is_utf8(out.caller) || !is_utf8(out.failure))
        return fail(Code::StoreFailed,
                    "the journal holds an entry that is damaged; restore the store from a backup");
    return out;
}

Result<std::unique_ptr<TransactionJournal>> open_transaction_journal(const std::string& target) {
    if (target.starts_with("postgresql://") || target.starts_with("postgres://"))
        return open_postgres_journal(target);
    if (target.starts_with(kSecretsTarget))
        return fail(Code::StoreFailed, "a store in Secrets Manager has no journal of transactions; to send "
                                       "them, keep the store in a file or in PostgreSQL");
    return open_sqlite_journal(target);
}

} // namespace redoubt::store
