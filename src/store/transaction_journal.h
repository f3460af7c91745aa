// SPDX-License-Identifier: Apache-2.0
// The journal of transactions that the gateway sends: what was signed for each nonce of each account, put
// down before any node sees it. It stands in the store's database (SQLite or PostgreSQL) and holds nothing
// secret: signed transactions are what everybody sees on the chain. What a change acknowledged survives
// kill -9 and power loss. Of two gateways that share a database one gets a nonce: the database arbitrates.
// Implementations are thread-safe, and block. docs/sending.md.
#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace redoubt::store {

using TransactionId = ByteArray<16>;
std::string transaction_id_text(const TransactionId& id); // "tx-" and 32 hexadecimal digits
std::optional<TransactionId> parse_transaction_id(std::string_view text);

enum class TransactionState : std::uint8_t {
    Signed = 1,    // in the journal; no node is known to have it
    Broadcast = 2, // a node has taken it
    Mined = 3,     // as asked for, whatever its fees became
    Replaced = 4,  // another transaction of its nonce was mined, which a client asked to put in its place
    Cancelled = 5, // the empty transaction that a client asked for was mined
    Dropped = 6,   // its nonce was used by a transaction that is not the journal's
    Failed = 7,    // the node refused it and never had it; its nonce goes to another
};
std::string_view transaction_state_name(TransactionState state) noexcept;
std::optional<TransactionState> parse_transaction_state(std::string_view name) noexcept;

enum class VersionKind : std::uint8_t { Original = 1, FeeBump = 2, Replacement = 3, Cancel = 4 };
std::string_view version_kind_name(VersionKind kind) noexcept;

// One signed transaction for an entry's nonce. The last of an entry is the one that is being sent.
struct SignedVersion {
    VersionKind kind = VersionKind::Original;
    UnixMs signed_at = 0;
    Hash32 hash{};
    Bytes raw; // as eth_sendRawTransaction takes it
    bool operator==(const SignedVersion&) const = default;
};

struct JournalEntry {
    using Address = ByteArray<20>;

    TransactionId id{};
    std::uint64_t chain_id = 0; // below 2^63
    Address account{};
    std::uint64_t nonce = 0;    // below 2^63
    std::uint32_t revision = 1; // one more with each change
    TransactionState state = TransactionState::Signed;
    bool settled = false; // nothing will change it any more
    UnixMs created = 0;
    std::string caller;                  // who asked; at most kMaxCaller bytes
    Hash32 request{};                    // SHA-256 of what was asked for, before anything was filled in
    std::optional<Hash32> idempotency;   // of the caller and his key
    std::vector<SignedVersion> versions; // 1 … kMaxVersions
    std::optional<std::uint64_t> block;  // of the mined one
    std::uint32_t mined_version = 0;     // its index
    bool succeeded = false;              // its receipt's status
    std::string failure;                 // why it failed or was dropped; at most kMaxFailure bytes of UTF-8

    bool live() const noexcept { // holds its nonce
        return state != TransactionState::Dropped && state != TransactionState::Failed;
    }
    bool operator==(const JournalEntry&) const = default;
};
inline constexpr std::size_t kMaxVersions = 32, kMaxCaller = 256, kMaxFailure = 512;
inline constexpr std::size_t kMaxSignedBytes = 1 << 20; // of one version

// The form in which the database holds an entry. Error of decoding: StoreFailed.
Bytes encode_journal_entry(const JournalEntry& entry);
Result<JournalEntry> decode_journal_entry(ByteView bytes);

struct JournalFilter { // what is empty does not matter
    std::optional<std::uint64_t> chain_id{};
    std::optional<JournalEntry::Address> account{};
    std::optional<TransactionState> state{};
    std::optional<std::string> caller{};
};
struct JournalPosition { // a place in a list: before the entry of this time and id
    UnixMs created = 0;
    TransactionId id{};
    bool operator==(const JournalPosition&) const = default;
};
struct JournalPage {
    std::vector<JournalEntry> entries;
    std::optional<JournalPosition> next; // nothing: these were the last
};
// The place of an open entry in the order of chain, account and nonce.
struct OpenPosition {
    std::uint64_t chain_id = 0;
    JournalEntry::Address account{};
    std::uint64_t nonce = 0;
    bool operator==(const OpenPosition&) const = default;
};

class TransactionJournal {
  public:
    virtual ~TransactionJournal() = default;

    enum class Added : std::uint8_t {
        Done,
        Taken,  // a live entry has the nonce, or an entry the idempotency key
        Passed, // an earlier one of the same account was not added
    };
    // New entries, in their order and one step: an account's entry is added only if those before it were.
    // Error: StoreFailed (whether they are there is not known if the connection broke).
    virtual Result<std::vector<Added>> add(std::span<const JournalEntry> entries) = 0;
    // Each in the place of the one with its id and the revision before; false: that one has changed. The very
    // same entry again is true. Error: StoreFailed.
    virtual Result<std::vector<bool>> update(std::span<const JournalEntry> entries) = 0;

    virtual Result<std::optional<JournalEntry>> get(const TransactionId& id) = 0;
    virtual Result<std::optional<JournalEntry>> find(const Hash32& idempotency) = 0;
    // The live entry of a nonce.
    virtual Result<std::optional<JournalEntry>> at(const OpenPosition& position) = 0;
    // Those that are not settled, in order, after `after`, at most `limit`.
    virtual Result<std::vector<JournalEntry>> open(std::optional<OpenPosition> after, std::size_t limit) = 0;
    // Above every nonce of the account that is settled as used; 0: none is.
    virtual Result<std::uint64_t> settled_nonces(std::uint64_t chain_id,
                                                 const JournalEntry::Address& account) = 0;
    // The newest first, at most `limit` of the kJournalScan that it looks at.
    virtual Result<JournalPage> list(const JournalFilter& filter, std::optional<JournalPosition> before,
                                     std::size_t limit) = 0;
    // Deletes settled entries created before `before`, at most `limit`, but no account's last. How many.
    virtual Result<std::size_t> prune(UnixMs before, std::size_t limit) = 0;
    // Other gateways may put entries into it.
    virtual bool shared() const noexcept = 0;
};
inline constexpr std::size_t kJournalScan = 10'000;

// In the database of the store that open_store(target) has opened. A store in Secrets Manager has no journal.
// Error: StoreFailed.
Result<std::unique_ptr<TransactionJournal>> open_transaction_journal(const std::string& target);
Result<std::unique_ptr<TransactionJournal>> open_sqlite_journal(const std::string& path);
Result<std::unique_ptr<TransactionJournal>> open_postgres_journal(const std::string& target);

} // namespace redoubt::store
