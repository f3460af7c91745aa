// SPDX-License-Identifier: Apache-2.0
// Receipts: what an enclave decided, one for each decision, in a chain that it alone can continue. Format:
// docs/formats/receipt.md.
//
// Each start of an enclave begins a chain: a key is drawn for it and attested (purpose kPurposeReceipts), the
// chain's id is the digest of that key, and each receipt holds the hash of the one before. Heads (sequence
// and hash) are signed by that key from time to time, and with each request for one.
#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"

#include <string>

namespace redoubt::trust {

inline constexpr std::string_view kPurposeReceipts = "receipt-key"; // digest of the chain's public key

using ChainId = ByteArray<16>; // first bytes of SHA-256("redoubt receipt chain v1" ‖ 0x00 ‖ public key)
ChainId chain_id(const ByteArray<32>& public_key) noexcept;
Hash32 chain_start(const ByteArray<32>& public_key) noexcept; // the first receipt's `previous`

enum class Decision : std::uint8_t {
    Refused = 0,
    Allowed = 1,
    Repeated = 2, // allowed before, and given again: a replay within the signature's time
    Started = 3,  // sequence 0: the enclave started with a manifest (digest in policy_digest)
};

struct Receipt {
    std::uint64_t sequence = 0;
    UnixMs time = 0; // trusted
    Hash32 previous{};
    Decision decision = Decision::Refused;
    std::string operation;   // "sign-transaction", "create-key", …; 0 … 32 characters
    std::string code;        // of a refusal; 0 … 40
    ByteArray<16> key_id{};  // zeros: none
    Hash32 request_digest{}; // of method, authority, path, query, content type and body
    Hash32 signed_digest{};  // what was signed; zeros: nothing
    Hash32 policy_digest{};  // zeros: none
    std::string rule;        // that allowed or denied; 0 … 64
    std::string principal;   // "key:<id>:<16 hex of the principal's digest>", "host:<name>", ""; 0 … 128
    std::uint32_t skipped =
        0; // refusals of unknown askers since the receipt before that have none of their own
    bool operator==(const Receipt&) const = default;
};

inline constexpr std::size_t kMaxReceipt = 640;
Bytes encode_receipt(const Receipt& receipt);            // ends the process for texts out of their bounds
void encode_receipt(const Receipt& receipt, Bytes& out); // the same, in place of what `out` holds
Result<Receipt> decode_receipt(ByteView bytes);          // exactly one; Error: ReceiptInvalid
Status decode_receipt(ByteView bytes, Receipt& into);    // the same into a receipt whose memory is used again
std::optional<std::uint64_t> receipt_sequence(ByteView bytes) noexcept; // without looking at the rest
Hash32 receipt_hash(ByteView encoded) noexcept;                         // SHA-256
std::string receipt_json(const Receipt& receipt);                       // for people and programs: one line

// What a request's digest is over: each part with its length (u32, big-endian) before it, after "redoubt
// request v1\n".
Hash32 request_digest(std::string_view method, std::string_view authority, std::string_view path,
                      bool has_query, std::string_view query, std::string_view content_type, ByteView body);

struct ReceiptHead {
    ChainId chain{};
    std::uint64_t sequence = 0; // of the chain's last receipt so far
    Hash32 hash{};              // its hash
    UnixMs time = 0;
    ByteArray<64> signature{}; // Ed25519 over "redoubt receipt head v1\n" ‖ the fields before
    bool operator==(const ReceiptHead&) const = default;
};
inline constexpr std::size_t kReceiptHeadSize = 1 + 16 + 8 + 32 + 8 + 64; // version 1
Bytes receipt_head_message(const ReceiptHead& head);                      // what is signed
Bytes encode_receipt_head(const ReceiptHead& head);
Result<ReceiptHead> decode_receipt_head(ByteView bytes); // Error: ReceiptInvalid
bool verify_receipt_head(const ReceiptHead& head,
                         const ByteArray<32>& public_key) noexcept; // and its chain id

// What a chain begins with.
struct ChainStart {
    ByteArray<32> public_key{};
    std::string module_id;
    Bytes attestation; // document with kPurposeReceipts, digest SHA-256(public key)
};
inline constexpr std::size_t kMaxChainStart = 16 * 1024;
Bytes encode_chain_start(const ChainStart& start);
Result<ChainStart> decode_chain_start(ByteView bytes); // Error: ReceiptInvalid

// A log's entries, as the gateway writes them: u32 length of what follows | u8 kind | chain id | bytes.
enum class LogEntry : std::uint8_t { Start = 1, Receipt = 2, Head = 3 };
inline constexpr std::size_t kLogEntryHead = 4 + 1 + 16;
void append_log_entry(Bytes& out, LogEntry kind, const ChainId& chain, ByteView bytes);

} // namespace redoubt::trust
