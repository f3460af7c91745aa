// SPDX-License-Identifier: Apache-2.0
// Receipts, heads, chains' starts and logs of any bytes: no crash, one encoding of what is read, and the same
// verdict however a log is cut into pieces. Seeds: corpus/receipt.
#include "base/cursor.h"
#include "base/json.h"
#include "nitro/attestation.h"
#include "trust/audit.h"

#include <algorithm>
#include <cstdlib>

using namespace redoubt;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

struct Verdict {
    bool fed = false, finished = false;
    std::uint64_t seen = 0;
    std::string context;
    bool operator==(const Verdict&) const = default;
};

// A seed's own root, so that its chain begins.
Bytes root_of(ByteView log) {
    if (log.size() < trust::kLogEntryHead)
        return {};
    Cursor cursor(log);
    Cursor entry(cursor.block32(1 << 20));
    (void)entry.take(trust::kLogEntryHead - 4);
    const auto start = trust::decode_chain_start(entry.rest());
    const auto document = start ? nitro::parse_attestation(start->attestation)
                                : fail(Code::AttestationInvalid, "there is no start");
    return document ? document->cabundle[0] : Bytes{};
}

Verdict audit(ByteView log, std::size_t step) {
    trust::AuditOptions options;
    options.unsigned_tail = 5;
    options.root_der = root_of(log);
    trust::Audit audit(options);
    Verdict out;
    while (!log.empty()) {
        const ByteView piece = log.first(std::min(step, log.size()));
        log = log.subspan(piece.size());
        const auto status =
            audit.feed(piece, [&](const trust::ChainId&, const trust::Receipt&) { ++out.seen; });
        if (!status) {
            out.context = status.error().context;
            require(!audit.feed(piece) && !audit.finish());
            return out;
        }
    }
    out.fed = true;
    const auto report = audit.finish();
    out.finished = report.has_value();
    if (report)
        require(report->receipts == out.seen);
    return out;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView input(data, size);
    if (const auto receipt = trust::decode_receipt(input)) {
        require(size <= trust::kMaxReceipt && std::ranges::equal(trust::encode_receipt(*receipt), input));
        require(trust::receipt_sequence(input) == receipt->sequence);
        const std::string text = trust::receipt_json(*receipt);
        json::Document document;
        require(document.parse(text).has_value() && text.find('\n') == std::string::npos);
    }
    if (const auto head = trust::decode_receipt_head(input)) {
        require(std::ranges::equal(trust::encode_receipt_head(*head), input));
        ByteArray<32> key{};
        require(!trust::verify_receipt_head(*head, key));
    }
    if (const auto start = trust::decode_chain_start(input))
        require(std::ranges::equal(trust::encode_chain_start(*start), input));
    (void)trust::attested_module_ids(std::string_view(reinterpret_cast<const char*>(data), size));

    const Verdict whole = audit(input, size + 1);
    require(whole == audit(input, 1));
    require(whole == audit(input, 61));
    return 0;
}
