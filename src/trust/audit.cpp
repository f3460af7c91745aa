// SPDX-License-Identifier: Apache-2.0
#include "trust/audit.h"

#include "base/cursor.h"
#include "base/json.h"
#include "crypto/hash.h"
#include "nitro/attestation.h"

#include <algorithm>
#include <mutex>
#include <set>
#include <unordered_map>
#include <utility>

namespace redoubt::trust {

namespace {

constexpr std::size_t kMaxChains = 100'000;
// A head comes some receipts after the one that it names: the hashes of so many are kept, of one chain and of
// all of them.
constexpr std::size_t kMaxUnsigned = 65'536, kMaxUnsignedOfAll = 4'194'304;
constexpr std::uint32_t kLeastLength = kLogEntryHead - 4, kMostLength = kLeastLength + kMaxChainStart;

std::unexpected<Error> invalid(FixedText text) {
    return fail(Code::ReceiptInvalid, text);
}

// A chain's id is a digest's first bytes: as good a hash as any.
struct IdHash {
    std::size_t operator()(const ChainId& id) const noexcept {
        std::size_t out = 0;
        for (std::size_t i = 0; i < sizeof out; ++i)
            out = out << 8 | id[i];
        return out;
    }
};

struct Chain {
    ByteArray<32> public_key{};
    ChainReport report;
    std::uint64_t next = 0;             // sequence
    Hash32 last{};                      // the last receipt's hash, or chain_start
    std::optional<ReceiptHead> head;    // the log's latest
    std::uint64_t protected_before = 0; // of this sequence, by the log's heads and those given
    // Hashes of the receipts after `head`, the latest last; of at least the last kMaxUnsigned.
    std::vector<Hash32> unsigned_hashes;
    std::vector<ReceiptHead> wanted; // given, and not yet met; by sequence, the first one last
};

Status check_pins(const nitro::Attestation& attestation, std::uint16_t index, const std::vector<Bytes>& pins,
                  FixedText text) {
    const auto found = attestation.pcrs.find(index);
    if (pins.empty() ||
        (found != attestation.pcrs.end() && std::find(pins.begin(), pins.end(), found->second) != pins.end()))
        return {};
    return fail(Code::AttestationUntrusted, text);
}

// The document stands for the time when the enclave started: its certificates lived for hours, the log lives
// for years. When it was made is under the NSM's signature.
Status verify_start(const ChainStart& start, const AuditOptions& options) {
    REDOUBT_TRY(const auto parsed, nitro::parse_attestation(start.attestation));
    const bool aws = options.root_der.empty();
    if (aws && crypto::sha256(parsed.cabundle[0]) != nitro::kAwsNitroRootSha256)
        return fail(Code::AttestationUntrusted, "the chain's attestation document does not lead to AWS's "
                                                "root; for redoubt up name its root with --attestation-root");
    REDOUBT_TRY(const auto attestation,
                nitro::verify_attestation(start.attestation, aws ? parsed.cabundle[0] : options.root_der,
                                          parsed.timestamp));
    if (attestation.debug())
        return fail(Code::AttestationUntrusted,
                    "the chain's enclave ran in debug mode: PCR0 is zero and it protected nothing");
    REDOUBT_CHECK(check_pins(attestation, 0, options.pcr0,
                             "the chain's PCR0 is not a pinned one: another image made these receipts"));
    REDOUBT_CHECK(
        check_pins(attestation, 16, options.pcr16,
                   "the chain's PCR16 is not a pinned one: another manifest was in force when it began"));
    if (!attestation.user_data)
        return fail(Code::AttestationInvalid, "the chain's attestation document has no user_data");
    REDOUBT_TRY(const auto user_data, nitro::parse_user_data(*attestation.user_data));
    if (user_data.purpose != kPurposeReceipts)
        return fail(Code::AttestationUntrusted,
                    "the chain's attestation document was made for another purpose");
    if (user_data.digest != crypto::sha256(start.public_key))
        return fail(Code::AttestationUntrusted, "the chain's key is not the one that was attested");
    if (attestation.module_id != start.module_id)
        return fail(Code::AttestationUntrusted, "the chain's module id is not the attested one");
    return {};
}

} // namespace

struct Audit::State {
    AuditOptions options;
    std::mutex mutex;
    std::unordered_map<ChainId, Chain, IdHash> chains;
    std::unordered_map<ChainId, std::vector<ReceiptHead>, IdHash> wanted; // of chains that have not started
    Chain* latest = nullptr;                                              // found last
    std::size_t unsigned_of_all = 0;
    Bytes partial; // an entry's first part
    std::uint64_t entries = 0, offset = 0;
    Receipt receipt; // its texts' memory is used for each receipt
    bool over = false;

    Chain* find(const ChainId& id) {
        if (latest == nullptr || latest->report.chain != id) {
            const auto found = chains.find(id);
            if (found == chains.end())
                return nullptr;
            latest = &found->second; // stays where it is
        }
        return latest;
    }

    Status start(const ChainId& id, ByteView bytes) {
        REDOUBT_TRY(const auto decoded, decode_chain_start(bytes));
        if (chain_id(decoded.public_key) != id)
            return invalid("the chain's start holds a key that is another chain's");
        if (chains.contains(id))
            return invalid("the chain starts for a second time");
        if (chains.size() == kMaxChains)
            return invalid("the log holds more than 100,000 chains: check it in parts");
        REDOUBT_CHECK(verify_start(decoded, options));
        Chain chain;
        chain.public_key = decoded.public_key;
        chain.last = chain_start(decoded.public_key);
        chain.report.chain = id;
        chain.report.module_id = decoded.module_id;
        if (const auto found = wanted.find(id); found != wanted.end()) {
            for (const auto& head : found->second)
                if (!verify_receipt_head(head, decoded.public_key))
                    return invalid("a head that was given is not signed by its chain's key");
            chain.wanted = std::move(found->second);
            wanted.erase(found);
            std::ranges::sort(chain.wanted, std::greater(), &ReceiptHead::sequence);
        }
        chains.emplace(id, std::move(chain));
        return {};
    }

    Status take(Chain& chain, ByteView bytes,
                const std::function<void(const ChainId&, const Receipt&)>& seen) {
        REDOUBT_CHECK(decode_receipt(bytes, receipt));
        if (receipt.sequence != chain.next)
            return invalid(receipt.sequence > chain.next ? FixedText("receipts are missing before this one")
                                                         : FixedText("the receipt is there twice, or comes "
                                                                     "after later ones"));
        if (receipt.previous != chain.last)
            return invalid("the receipt does not follow the one before: one of the two was altered");
        chain.last = receipt_hash(bytes);
        ++chain.next;
        if (chain.report.receipts++ == 0)
            chain.report.first = receipt.time;
        chain.report.last = receipt.time;
        chain.report.skipped += receipt.skipped;
        if (unsigned_of_all == kMaxUnsignedOfAll)
            return invalid("more than 4,194,304 receipts have no head after them: check the log in parts");
        if (chain.unsigned_hashes.size() == 2 * kMaxUnsigned) { // rarely: moving them costs
            chain.unsigned_hashes.erase(chain.unsigned_hashes.begin(),
                                        chain.unsigned_hashes.begin() + kMaxUnsigned);
            unsigned_of_all -= kMaxUnsigned;
        }
        chain.unsigned_hashes.push_back(chain.last);
        ++unsigned_of_all;
        while (!chain.wanted.empty() && chain.wanted.back().sequence == receipt.sequence) {
            if (chain.wanted.back().hash != chain.last)
                return invalid("the log differs from a head that was given: it is not the log that this "
                               "head was taken from");
            chain.wanted.pop_back();
            chain.protected_before = chain.next;
        }
        if (seen)
            seen(chain.report.chain, receipt);
        return {};
    }

    Status take_head(Chain& chain, ByteView bytes) {
        REDOUBT_TRY(const auto head, decode_receipt_head(bytes));
        if (!verify_receipt_head(head, chain.public_key))
            return invalid("the head is not signed by its chain's key, or was altered");
        ++chain.report.heads;
        if (head.sequence >= chain.next)
            return invalid("receipts are missing before this head");
        if (chain.head && head.sequence < chain.head->sequence)
            return invalid("the head comes after a later one");
        if (chain.head && head.sequence == chain.head->sequence)
            return head.hash == chain.head->hash ? Status{}
                                                 : invalid("two heads of the chain contradict each other");
        const std::uint64_t back = chain.next - 1 - head.sequence; // receipts after the one it names
        auto& hashes = chain.unsigned_hashes;
        if (back >= hashes.size())
            return invalid("the head comes more than 65,536 receipts after the one that it names");
        const auto named = hashes.end() - 1 - static_cast<std::ptrdiff_t>(back);
        if (*named != head.hash)
            return invalid("the receipts before this head are not those that it was signed for");
        unsigned_of_all -= hashes.size() - static_cast<std::size_t>(back);
        hashes.erase(hashes.begin(), named + 1);
        if (hashes.empty() && hashes.capacity() > 1024)
            hashes.shrink_to_fit();
        chain.head = head;
        chain.protected_before = std::max(chain.protected_before, head.sequence + 1);
        return {};
    }

    Status entry(ByteView bytes, const std::function<void(const ChainId&, const Receipt&)>& seen) {
        Cursor cursor(bytes);
        const auto kind = static_cast<LogEntry>(cursor.u8());
        const ChainId id = cursor.array<16>();
        if (kind == LogEntry::Start)
            return start(id, cursor.rest());
        if (kind != LogEntry::Receipt && kind != LogEntry::Head)
            return invalid("the log holds an entry of a kind that does not exist: use a newer redoubt");
        Chain* const chain = find(id);
        if (chain == nullptr)
            return invalid("the entry is of a chain whose start is missing before it");
        return kind == LogEntry::Head ? take_head(*chain, cursor.rest()) : take(*chain, cursor.rest(), seen);
    }

    // The first entry's size with its length; 0: not all of it is there.
    static Result<std::size_t> entry_size(ByteView bytes) {
        if (bytes.size() < 4)
            return 0;
        const std::uint32_t length = Cursor(bytes).u32();
        if (length < kLeastLength || length > kMostLength)
            return invalid(
                "the entry's length is out of bounds: this is no log of receipts, or it was altered");
        return bytes.size() - 4 < length ? 0 : 4 + std::size_t{length};
    }

    // As many whole entries as there are; gives their size together.
    Result<std::size_t> entries_of(ByteView bytes,
                                   const std::function<void(const ChainId&, const Receipt&)>& seen) {
        std::size_t done = 0;
        for (;;) {
            REDOUBT_TRY(const std::size_t size, entry_size(bytes.subspan(done)));
            if (size == 0)
                return done;
            REDOUBT_CHECK(entry(bytes.subspan(done + 4, size - 4), seen));
            done += size;
            offset += size;
            ++entries;
        }
    }

    Status feed(ByteView bytes, const std::function<void(const ChainId&, const Receipt&)>& seen) {
        // An entry that began in an earlier piece.
        while (!partial.empty() && !bytes.empty()) {
            const std::size_t wanted_size =
                partial.size() < 4 ? 4
                                   : 4 + std::size_t{Cursor(partial).u32()}; // entry_size has looked at it
            const std::size_t more = std::min(wanted_size - partial.size(), bytes.size());
            append(partial, bytes.first(more));
            bytes = bytes.subspan(more);
            REDOUBT_TRY(const std::size_t done, entries_of(partial, seen));
            if (done != 0)
                partial.clear();
        }
        if (bytes.empty())
            return {};
        REDOUBT_TRY(const std::size_t done, entries_of(bytes, seen));
        partial.assign(bytes.begin() + static_cast<std::ptrdiff_t>(done), bytes.end());
        return {};
    }

    std::string where() const {
        return "entry " + std::to_string(entries + 1) + " at byte " + std::to_string(offset);
    }

    Result<AuditReport> finish() {
        if (!partial.empty())
            return fail(Code::ReceiptInvalid, "the log ends in the middle of an entry", where());
        AuditReport out;
        std::set<std::string_view> modules;
        for (auto& [id, chain] : chains) {
            const std::string name = "chain " + to_hex(id) + " of " + chain.report.module_id;
            if (!chain.wanted.empty())
                return fail(Code::ReceiptInvalid,
                            "the log ends before a head that was given: receipts were cut off", name);
            chain.report.unsigned_tail = chain.next - chain.protected_before;
            if (chain.report.unsigned_tail > options.unsigned_tail)
                return fail(Code::ReceiptInvalid,
                            "receipts at the chain's end have no head after them, so nothing protects them: "
                            "take a head from a running enclave, or accept so many (--accept-unsigned-tail)",
                            name + ": " + std::to_string(chain.report.unsigned_tail));
            if (chain.report.receipts > 0) // a start alone says nothing of what the enclave did
                modules.insert(chain.report.module_id);
            out.receipts += chain.report.receipts;
            out.chains.push_back(chain.report);
        }
        if (!wanted.empty())
            return fail(Code::ReceiptInvalid, "the log lacks the chain of a head that was given",
                        "chain " + to_hex(wanted.begin()->first));
        for (const auto& module_id : options.module_ids)
            if (!modules.contains(module_id))
                return fail(Code::ReceiptInvalid,
                            "KMS answered an enclave that has no chain in the log: its receipts are missing",
                            module_id);
        std::ranges::sort(out.chains, [](const ChainReport& a, const ChainReport& b) {
            return a.first != b.first ? a.first < b.first : a.chain < b.chain;
        });
        return out;
    }
};

Audit::Audit(AuditOptions options) : state_(std::make_unique<State>()) {
    for (const auto& head : options.heads)
        state_->wanted[head.chain].push_back(head);
    state_->options = std::move(options);
}

Audit::~Audit() = default;

Status Audit::feed(ByteView bytes, const std::function<void(const ChainId&, const Receipt&)>& seen) {
    const std::lock_guard lock(state_->mutex);
    if (state_->over)
        return invalid("this audit is over: begin another one");
    auto status = state_->feed(bytes, seen);
    if (!status) {
        state_->over = true;
        auto& context = status.error().context;
        context = state_->where() + (context.empty() ? "" : ": " + context);
    }
    return status;
}

Result<AuditReport> Audit::finish() {
    const std::lock_guard lock(state_->mutex);
    if (std::exchange(state_->over, true))
        return invalid("this audit is over: begin another one");
    return state_->finish();
}

namespace {

constexpr FixedText kNoRecords = "the file holds no CloudTrail records: {\"Records\":[…]}, or one record a "
                                 "line; decompress a .gz file first";
constexpr json::Limits kCloudTrailLimits{.bytes = 1u << 30, .depth = 64, .values = 1u << 24};

// AWS writes the module id to additionalEventData.recipient.attestationDocumentModuleId (AWS KMS Developer
// Guide, "Monitoring requests for Nitro enclaves"); devcloud to moduleId. Who was refused got no key, and
// need not have a chain.
void add_module_id(const json::Value& record, std::set<std::string, std::less<>>& into) {
    const auto error = record.get("errorCode");
    if (error && !error->is_null())
        return;
    std::optional<json::Value> id = record.get("moduleId");
    if (const auto additional = record.get("additionalEventData"))
        if (const auto recipient = additional->get("recipient"))
            id = recipient->get("attestationDocumentModuleId");
    if (id && id->is_string() && !id->text().empty())
        into.emplace(id->text());
}

} // namespace

Result<std::vector<std::string>> attested_module_ids(std::string_view cloudtrail) {
    std::set<std::string, std::less<>> ids;
    json::Document document;
    const auto add = [&](const json::Value& object) -> Status {
        const auto records = object.get("Records");
        if (!object.is_object() || (records && !records->is_array()))
            return fail(Code::BadJson, kNoRecords);
        if (!records)
            add_module_id(object, ids);
        else
            for (const auto record : *records)
                add_module_id(record, ids);
        return {};
    };
    if (const auto whole = document.parse(cloudtrail, kCloudTrailLimits)) {
        REDOUBT_CHECK(add(*whole));
        return std::vector<std::string>(ids.begin(), ids.end());
    }
    for (std::size_t number = 1; !cloudtrail.empty(); ++number) {
        const std::size_t end = std::min(cloudtrail.find('\n'), cloudtrail.size());
        const std::string_view line = cloudtrail.substr(0, end);
        cloudtrail.remove_prefix(std::min(end + 1, cloudtrail.size()));
        if (line.find_first_not_of(" \t\r") == std::string_view::npos)
            continue;
        const auto object = document.parse(line, kCloudTrailLimits);
        if (!object || !add(*object))
            return fail(Code::BadJson, kNoRecords, "line " + std::to_string(number));
    }
    return std::vector<std::string>(ids.begin(), ids.end());
}

} // namespace redoubt::trust
