// SPDX-License-Identifier: Apache-2.0
// What the frames carry. Every field is bounded; a message with anything left over is refused.
// docs/formats/wire.md.
//
// Views in decoded messages point into the frame.
#pragma once

#include "base/clock.h"
#include "base/inline_text.h"
#include "base/secret.h"
#include "base/spare.h"
#include "wire/frame.h"

#include <optional>
#include <string>
#include <vector>

namespace redoubt::wire {

inline constexpr std::size_t kMaxBody = 1 << 20;
inline constexpr std::size_t kMaxHeaders = 16;
inline constexpr std::size_t kMaxAttachments = 8;
inline constexpr std::size_t kMaxRecords = 64;           // in a reply
inline constexpr std::size_t kMaxAttachment = 64 * 1024; // Secrets Manager's largest secret
inline constexpr std::size_t kMaxRequestId = 64;
inline constexpr std::size_t kMaxRecordName = 64; // a policy's digest is the longest

// Things that the gateway keeps for the enclave, or fetches for it.
enum class ItemKind : std::uint8_t {
    KeyRecord = 1,           // name: key id
    VaultRecord = 2,         // name: vault id in hex
    ReferenceCiphertext = 3, // name: secret id; bytes: what Secrets Manager returned
    Credentials = 4,         // only ever asked for; sent as a Credentials message
    Policy = 5,              // name: its digest in hex; bytes: the document
    KeyIfAny = 6,            // as KeyRecord; sent without bytes where the store has no such key
    VaultIfAny = 7,          // as VaultRecord; sent without bytes where the store has no such vault
    KeyUpdate = 8,           // only in replies: a record that takes the place of the key's older one
    CountersIfAny = 9,       // name: key id; what was used of its limits; without bytes where there is none
    Counters = 10,           // only in replies, the last before it is answered: as now used
    Receipt = 11,            // only in replies; name: the chain's 16 bytes
    ReceiptHead = 12,        // only in replies; name: the chain's 16 bytes
    ReceiptStart = 13,       // only in replies; name: the chain's 16 bytes
};

struct Item {
    ItemKind kind;
    std::string_view name;
    ByteView bytes;
};

// Who the gateway says is asking. Proofs that the enclave checks itself (signatures) travel in the headers.
struct Principal {
    std::string_view host_name; // "host" principal's name as the gateway vouches for it; empty: anonymous
};

struct HeaderView {
    std::string_view name, value; // content-type, content-digest, signature, signature-input: unchanged
};

struct Request {
    std::string_view method, authority, path, query;
    bool has_query = false;
    std::uint32_t deadline_ms = 0; // from receipt; the enclave does not begin work after it; 0: none
    std::vector<HeaderView> headers;
    Principal principal;
    std::string_view request_id; // for the logs of both sides; empty, or what is_request_id() takes
    ByteView body;
    std::vector<Item> items; // attached because an earlier reply asked for them
};

bool is_request_id(std::string_view text) noexcept;      // 1 to 64 of A-Z a-z 0-9 . _ -
void encode_request(Bytes& out, const Request& request); // payload only
Result<Request> decode_request(ByteView payload);        // Error: BadRequest
// The same into one that is used again, for its memory; where it fails that holds no request.
Status decode_request(ByteView payload, Request& request);

struct CredentialsMessage {
    std::string access_key_id;
    Secret secret_access_key, session_token;
    UnixMs expires = 0;
};
void encode_credentials(Bytes& out, const CredentialsMessage& credentials); // the caller wipes `out`
Result<CredentialsMessage> decode_credentials(ByteView payload);

// A key's record in the store is another one now, or gone. Sent to every enclave before the client is
// answered. The enclave wipes what it holds of the key and takes no older record of it any more: it need not
// believe the gateway, which could refuse the key anyway. No id: everything that is open is wiped, and
// nothing else changes.
struct Forget {
    std::optional<ByteArray<16>> key_id;
    std::uint32_t revision = 0; // the stored record's; 0: not known
};
void encode_forget(Bytes& out, const Forget& forget);
Result<Forget> decode_forget(ByteView payload); // Error: BadRequest

// What the gateway's log has of this enclave's receipts: all up to `through`, and whether it has the chain's
// start. The enclave need not keep those any longer.
struct ReceiptsAsked {
    ByteArray<16> chain{}; // zeros: the gateway knows of none, and everything is wanted
    std::optional<std::uint64_t> through;
};
void encode_receipts_asked(Bytes& out, const ReceiptsAsked& asked);
Result<ReceiptsAsked> decode_receipts_asked(ByteView payload); // Error: BadRequest

enum class ContentType : std::uint8_t { None = 0, Json = 1, Text = 2 };

struct Reply {
    // An HTTP status for the client; or kNeeds: nothing was done, send the request again with the items
    // listed.
    std::uint16_t status = 200;
    ContentType content_type = ContentType::Json;
    std::string body;
    struct Record {
        ItemKind kind;
        InlineText<kMaxRecordName> name;
        Bytes bytes;
    };
    using Records = std::vector<Record, SpareAllocator<Record, 4>>;
    Records records; // to be stored durably before the client is answered
    struct Need {
        ItemKind kind;
        std::string name;
    };
    std::vector<Need> needs;
};
inline constexpr std::uint16_t kNeeds = 0;

void encode_reply(Bytes& out, const Reply& reply); // payload only
Result<Reply> decode_reply(ByteView payload);
// The same into one that was used before, whose memory serves again. After an error it is of no use.
Status decode_reply(ByteView payload, Reply& reply);

// {"error": sentence, "code": name}; the error's context is dropped.
Reply error_reply(const Error& error);

} // namespace redoubt::wire
