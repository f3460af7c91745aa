// SPDX-License-Identifier: Apache-2.0
#include "trust/receipt.h"

#include "base/cursor.h"
#include "base/json.h"
#include "crypto/hash.h"
#include "crypto/owner_signature.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

namespace redoubt::trust {

namespace {

constexpr std::uint8_t kVersion = 1; // of each of the three formats
constexpr std::size_t kMaxOperation = 32, kMaxCode = 40, kMaxRule = 64, kMaxPrincipal = 128;
constexpr std::size_t kMaxModuleId = 256;
constexpr std::size_t kFixed = 1 + 8 + 8 + 32 + 1 + 4 + 16 + 3 * 32; // a receipt without its texts
static_assert(kFixed + 4 + kMaxOperation + kMaxCode + kMaxRule + kMaxPrincipal <= kMaxReceipt);
constexpr std::uint64_t kLastMs = 253'402'300'799'999; // the year 9999's last: beyond it no text form
// Beyond it a JSON reader that keeps numbers as doubles reads another one. A chain never gets there: at a
// million receipts a second in 285 years.
constexpr std::uint64_t kLastSequence = (std::uint64_t{1} << 53) - 1;

constexpr std::string_view kChainDomain{"redoubt receipt chain v1\0", 25};
constexpr std::string_view kStartDomain{"redoubt receipt chain start v1\0", 31};
constexpr std::string_view kHeadDomain = "redoubt receipt head v1\n";
constexpr std::string_view kRequestDomain = "redoubt request v1\n";

std::unexpected<Error> invalid(FixedText text) {
    return fail(Code::ReceiptInvalid, text);
}

// Writes to memory that is known to be enough: a receipt is made for each decision.
class Pen {
  public:
    explicit Pen(std::uint8_t* at) noexcept : at_(at) {}

    void u8(std::uint8_t value) noexcept { *at_++ = value; }
    void u32(std::uint32_t value) noexcept { big_endian(value, 4); }
    void u64(std::uint64_t value) noexcept { big_endian(value, 8); }
    void bytes(ByteView view) noexcept {
        if (!view.empty())
            std::memcpy(at_, view.data(), view.size());
        at_ += view.size();
    }
    void text(std::string_view text) noexcept {
        u8(static_cast<std::uint8_t>(text.size()));
        bytes(as_bytes(text));
    }

  private:
    void big_endian(std::uint64_t value, int n) noexcept {
        for (int i = n - 1; i >= 0; --i)
            *at_++ = static_cast<std::uint8_t>(value >> (8 * i));
    }
    std::uint8_t* at_;
};

void read_text(Cursor& cursor, std::size_t limit, std::string& into) {
    const std::size_t size = cursor.u8();
    if (size > limit)
        cursor.fail();
    into.assign(as_text(cursor.take(size)));
}

std::string_view decision_name(Decision decision) noexcept {
    switch (decision) {
    case Decision::Refused:
        return "refused";
    case Decision::Allowed:
        return "allowed";
    case Decision::Repeated:
        return "repeated";
    case Decision::Started:
        return "started";
    }
    return "";
}

template<std::size_t N>
bool zero(const ByteArray<N>& bytes) noexcept {
    return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

} // namespace

ChainId chain_id(const ByteArray<32>& public_key) noexcept {
    const Hash32 digest = crypto::sha256({as_bytes(kChainDomain), public_key});
    ChainId out;
    std::copy_n(digest.begin(), out.size(), out.begin());
    return out;
}

Hash32 chain_start(const ByteArray<32>& public_key) noexcept {
    return crypto::sha256({as_bytes(kStartDomain), public_key});
}

Bytes encode_receipt(const Receipt& receipt) {
    Bytes out;
    encode_receipt(receipt, out);
    return out;
}

void encode_receipt(const Receipt& receipt, Bytes& out) {
    if (receipt.operation.size() > kMaxOperation || receipt.code.size() > kMaxCode ||
        receipt.rule.size() > kMaxRule || receipt.principal.size() > kMaxPrincipal)
        std::abort(); // the caller has bounded them
    out.resize(kFixed + 4 + receipt.operation.size() + receipt.code.size() + receipt.rule.size() +
               receipt.principal.size());
    Pen pen(out.data());
    pen.u8(kVersion);
    pen.u64(receipt.sequence);
    pen.u64(static_cast<std::uint64_t>(receipt.time));
    pen.bytes(receipt.previous);
    pen.u8(static_cast<std::uint8_t>(receipt.decision));
    pen.u32(receipt.skipped);
    pen.bytes(receipt.key_id);
    pen.bytes(receipt.request_digest);
    pen.bytes(receipt.signed_digest);
    pen.bytes(receipt.policy_digest);
    pen.text(receipt.operation);
    pen.text(receipt.code);
    pen.text(receipt.rule);
    pen.text(receipt.principal);
}

Status decode_receipt(ByteView bytes, Receipt& into) {
    Cursor cursor(bytes);
    if (cursor.u8() != kVersion)
        return invalid("the receipt's version is not 1: use a newer redoubt");
    into.sequence = cursor.u64();
    const std::uint64_t time = cursor.u64();
    into.time = static_cast<UnixMs>(time);
    into.previous = cursor.array<32>();
    const std::uint8_t decision = cursor.u8();
    into.decision = static_cast<Decision>(decision);
    into.skipped = cursor.u32();
    into.key_id = cursor.array<16>();
    into.request_digest = cursor.array<32>();
    into.signed_digest = cursor.array<32>();
    into.policy_digest = cursor.array<32>();
    read_text(cursor, kMaxOperation, into.operation);
    read_text(cursor, kMaxCode, into.code);
    read_text(cursor, kMaxRule, into.rule);
    read_text(cursor, kMaxPrincipal, into.principal);
    if (!cursor.finished())
        return invalid("the receipt is cut short, or bytes follow it");
    if (decision > static_cast<std::uint8_t>(Decision::Started))
        return invalid("the receipt holds a decision that does not exist: use a newer redoubt");
    if (time > kLastMs)
        return invalid("the receipt's time lies beyond the year 9999");
    if (into.sequence > kLastSequence)
        return invalid("the receipt's sequence lies beyond 2^53 - 1");
    return {};
}

Result<Receipt> decode_receipt(ByteView bytes) {
    Receipt out;
    REDOUBT_CHECK(decode_receipt(bytes, out));
    return out;
}

std::optional<std::uint64_t> receipt_sequence(ByteView bytes) noexcept {
    Cursor cursor(bytes);
    const std::uint8_t version = cursor.u8();
    const std::uint64_t sequence = cursor.u64();
    if (!cursor.ok() || version != kVersion || bytes.size() < kFixed + 4 || bytes.size() > kMaxReceipt)
        return std::nullopt;
    return sequence;
}

Hash32 receipt_hash(ByteView encoded) noexcept {
    return crypto::sha256(encoded);
}

std::string receipt_json(const Receipt& receipt) {
    std::string out;
    json::Writer writer(out);
    const auto digest = [&](std::string_view name, const Hash32& value) {
        writer.key(name);
        if (zero(value))
            writer.null();
        else
            writer.string(to_hex(value));
    };
    writer.begin_object()
        .member("sequence", receipt.sequence)
        .member("time", to_iso8601(receipt.time))
        .member("time_ms", static_cast<std::uint64_t>(receipt.time))
        .member("decision", decision_name(receipt.decision))
        .member("operation", receipt.operation)
        .member("code", receipt.code);
    writer.key("key_id");
    if (zero(receipt.key_id))
        writer.null();
    else
        writer.string("key-" + to_hex(receipt.key_id));
    writer.member("principal", receipt.principal).member("rule", receipt.rule);
    digest("policy_digest", receipt.policy_digest);
    digest("request_digest", receipt.request_digest);
    digest("signed_digest", receipt.signed_digest);
    writer.member("skipped", std::uint64_t{receipt.skipped})
        .member("previous", to_hex(receipt.previous))
        .end_object();
    return out;
}

Hash32 request_digest(std::string_view method, std::string_view authority, std::string_view path,
                      bool has_query, std::string_view query, std::string_view content_type, ByteView body) {
    const std::size_t asked = has_query ? query.size() + 1 : 0; // the question mark: an empty query is one
    const std::size_t size = kRequestDomain.size() + 6 * sizeof(std::uint32_t) + method.size() +
                             authority.size() + path.size() + asked + content_type.size();
    std::array<std::uint8_t, 512> usual; // most heads fit
    Bytes longer(size > usual.size() ? size : 0);
    std::uint8_t* const head = longer.empty() ? usual.data() : longer.data();
    Pen pen(head);
    const auto part = [&pen](std::string_view text) {
        pen.u32(static_cast<std::uint32_t>(text.size()));
        pen.bytes(as_bytes(text));
    };
    pen.bytes(as_bytes(kRequestDomain));
    part(method);
    part(authority);
    part(path);
    pen.u32(static_cast<std::uint32_t>(asked));
    if (has_query) {
        pen.u8('?');
        pen.bytes(as_bytes(query));
    }
    part(content_type);
    pen.u32(static_cast<std::uint32_t>(body.size()));
    return crypto::sha256({ByteView(head, size), body});
}

Bytes receipt_head_message(const ReceiptHead& head) {
    Bytes out;
    out.reserve(kHeadDomain.size() + kReceiptHeadSize);
    Writer(out)
        .bytes(as_bytes(kHeadDomain))
        .u8(kVersion)
        .bytes(head.chain)
        .u64(head.sequence)
        .bytes(head.hash)
        .u64(static_cast<std::uint64_t>(head.time));
    return out;
}

Bytes encode_receipt_head(const ReceiptHead& head) {
    Bytes out = receipt_head_message(head);
    out.erase(out.begin(), out.begin() + kHeadDomain.size());
    append(out, head.signature);
    return out;
}

Result<ReceiptHead> decode_receipt_head(ByteView bytes) {
    Cursor cursor(bytes);
    if (cursor.u8() != kVersion)
        return invalid("the receipts' head has a version that is not 1: use a newer redoubt");
    ReceiptHead out;
    out.chain = cursor.array<16>();
    out.sequence = cursor.u64();
    out.hash = cursor.array<32>();
    const std::uint64_t time = cursor.u64();
    out.time = static_cast<UnixMs>(time);
    out.signature = cursor.array<64>();
    if (!cursor.finished())
        return invalid("the receipts' head is cut short, or bytes follow it");
    if (time > kLastMs)
        return invalid("the time of the receipts' head lies beyond the year 9999");
    if (out.sequence > kLastSequence)
        return invalid("the sequence of the receipts' head lies beyond 2^53 - 1");
    return out;
}

bool verify_receipt_head(const ReceiptHead& head, const ByteArray<32>& public_key) noexcept {
    return head.chain == chain_id(public_key) &&
           crypto::verify_ed25519(public_key, receipt_head_message(head), head.signature);
}

Bytes encode_chain_start(const ChainStart& start) {
    if (start.module_id.size() > kMaxModuleId)
        std::abort(); // no NSM's is longer
    Bytes out;
    out.reserve(1 + 32 + 4 + start.module_id.size() + start.attestation.size());
    Writer(out)
        .u8(kVersion)
        .bytes(start.public_key)
        .block16(as_bytes(start.module_id))
        .block16(start.attestation);
    return out;
}

Result<ChainStart> decode_chain_start(ByteView bytes) {
    if (bytes.size() > kMaxChainStart)
        return invalid("the chain's start is longer than 16 KiB");
    Cursor cursor(bytes);
    if (cursor.u8() != kVersion)
        return invalid("the chain's start has a version that is not 1: use a newer redoubt");
    ChainStart out;
    out.public_key = cursor.array<32>();
    out.module_id = as_text(cursor.block16(kMaxModuleId));
    out.attestation = to_bytes(cursor.block16());
    if (!cursor.finished() || out.module_id.empty() || out.attestation.empty())
        return invalid("the chain's start is cut short, lacks a part, or bytes follow it");
    return out;
}

void append_log_entry(Bytes& out, LogEntry kind, const ChainId& chain, ByteView bytes) {
    Writer(out)
        .u32(static_cast<std::uint32_t>(1 + chain.size() + bytes.size()))
        .u8(static_cast<std::uint8_t>(kind))
        .bytes(chain)
        .bytes(bytes);
}

} // namespace redoubt::trust
