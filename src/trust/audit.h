// SPDX-License-Identifier: Apache-2.0
// Checks a log of receipts offline. What it detects: removal, reordering and alteration of anything before a
// chain's last signed head, always; receipts after that head, which nothing protects yet, are reported and
// refused unless they are accepted; a shorter log or another one, against a head held elsewhere; whole chains
// that are missing, by the module ids that KMS's log of attested calls names. Thread-safe.
#pragma once

#include "trust/receipt.h"
#include "trust/statement.h"

#include <functional>
#include <memory>
#include <vector>

namespace redoubt::trust {

struct AuditOptions {
    Bytes root_der;                      // of the attestation documents; empty: AWS's, known by its digest
    std::vector<Bytes> pcr0, pcr16;      // each chain's must be one of these; none given: any passes
    std::uint64_t unsigned_tail = 0;     // receipts after a chain's last head that are accepted
    std::vector<ReceiptHead> heads;      // held elsewhere: the log must contain each
    std::vector<std::string> module_ids; // each must have a chain
};

struct ChainReport {
    ChainId chain{};
    std::string module_id;
    std::uint64_t receipts = 0, heads = 0, unsigned_tail = 0, skipped = 0;
    UnixMs first = 0, last = 0;
};

struct AuditReport {
    std::vector<ChainReport> chains;
    std::uint64_t receipts = 0;
};

// Takes a log piece by piece, in its order; memory does not grow with the log but with its chains (at most
// 100,000) and the heads asked for.
class Audit {
  public:
    explicit Audit(AuditOptions options);
    ~Audit();
    Audit(const Audit&) = delete;
    Audit& operator=(const Audit&) = delete;
    // `seen`: called with each receipt that was checked, if given. Error: ReceiptInvalid, Attestation*; the
    // context says where (entry's number and offset). After an error the audit is over.
    Status feed(ByteView bytes, const std::function<void(const ChainId&, const Receipt&)>& seen = {});
    // The end of the log. Error: ReceiptInvalid (a torn entry, an unsigned tail, a head or a module id that
    // is missing).
    Result<AuditReport> finish();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

// The module ids in CloudTrail's records of KMS calls with attestation that KMS answered (JSON:
// {"Records":[…]}, or one record a line). Error: BadJson.
Result<std::vector<std::string>> attested_module_ids(std::string_view cloudtrail);

} // namespace redoubt::trust
