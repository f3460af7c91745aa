// SPDX-License-Identifier: Apache-2.0
// What receipts cost: the enclave's making of one and signing of a head, the gateway's writing of them, both
// as a share of the curve arithmetic of one signature (made and checked), which every request has, and an
// auditor's reading of a log of a million of them. One thread; the audit's attestation document is a
// development one.
#include "base/clock.h"
#include "crypto/random.h"
#include "crypto/secp256k1.h"
#include "enclave/receipt_chain.h"
#include "gateway/receipt_log.h"
#include "nitro/software_nsm.h"
#include "trust/audit.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace redoubt {
namespace {

void must(bool condition, const char* what) {
    if (condition)
        return;
    std::fprintf(stderr, "receipt_bench: %s\n", what);
    std::exit(1);
}

// As a policy's rule allows it to a key that a client holds.
trust::Receipt allowed() {
    trust::Receipt out;
    out.time = system_time_ms();
    out.decision = trust::Decision::Allowed;
    out.operation = "sign-transaction";
    out.key_id.fill(0x22);
    out.request_digest.fill(0x33);
    out.signed_digest.fill(0x44);
    out.policy_digest.fill(0x55);
    out.rule = "payments-below-one-ether";
    out.principal = "key:treasury:0011223344556677";
    return out;
}

// Microseconds that a signature and its check take.
double signature_cost() {
    const crypto::Secp256k1 curve(Hash32{1});
    const Secret key = Secret::copy_of(Hash32{2});
    const auto public_key = curve.public_key(key);
    must(public_key.has_value(), "no key");
    constexpr int kSignatures = 5000;
    Hash32 digest{};
    const std::int64_t begin = monotonic_us();
    for (int i = 0; i < kSignatures; ++i) {
        digest[static_cast<std::size_t>(i) % digest.size()] ^= static_cast<std::uint8_t>(i + 1);
        const auto made = curve.sign(key, digest);
        must(made && curve.verify(*public_key, digest, *made), "a signature is wrong");
    }
    return static_cast<double>(monotonic_us() - begin) / kSignatures;
}

void row(const char* name, std::uint64_t count, std::int64_t microseconds) {
    std::printf("%-46s %12.0f a second %9.2f us each\n", name,
                1e6 * static_cast<double>(count) / static_cast<double>(microseconds),
                static_cast<double>(microseconds) / static_cast<double>(count));
}

int run(std::uint64_t count) {
    const auto root = nitro::make_development_root();
    must(root.has_value(), "no development root");
    nitro::SoftwareNsmOptions options;
    nitro::Pcr pcr;
    pcr.fill(1);
    options.pcrs = {{0, pcr}, {1, pcr}, {2, pcr}};
    auto transport = nitro::make_software_nsm(*root, options);
    must(transport.has_value(), "no software NSM");
    nitro::Nsm nsm(std::move(*transport));
    enclave::Attestor attestor(nsm);
    crypto::SystemRandom random;
    const auto chain = enclave::ReceiptChain::create(attestor, random, nsm.describe()->module_id);
    must(chain.has_value(), "no chain");

    Bytes log;
    trust::append_log_entry(log, trust::LogEntry::Start, (*chain)->id(), (*chain)->start());
    const trust::Receipt receipt = allowed();
    std::string folder = (std::filesystem::temp_directory_path() / "redoubt-receipt-bench-XXXXXX").string();
    must(mkdtemp(folder.data()) != nullptr, "no folder for a log");
    auto written = gateway::ReceiptLog::open(folder);
    must(written.has_value(), "no log");
    (*written)->start((*chain)->id(), (*chain)->start());
    std::int64_t appending = 0, writing = 0;
    constexpr std::uint64_t kBatch = 1000, kWrite = 8;
    std::vector<Bytes> made;
    for (std::uint64_t done = 0; done < count; done += kBatch) {
        made.clear();
        const std::int64_t begin = monotonic_us();
        for (std::uint64_t i = 0; i < kBatch; ++i)
            made.push_back(*(*chain)->append(receipt, true));
        appending += monotonic_us() - begin;
        for (const auto& bytes : made)
            trust::append_log_entry(log, trust::LogEntry::Receipt, (*chain)->id(), bytes);
        trust::append_log_entry(log, trust::LogEntry::Head, (*chain)->id(), *(*chain)->head(receipt.time));
        // As many to a write as answers that are ready in one turn of the gateway's loop under load.
        const std::int64_t received = monotonic_us();
        for (std::uint64_t i = 0; i < kBatch; ++i) {
            (*written)->take((*chain)->id(), made[i]);
            if (i % kWrite == kWrite - 1)
                must((*written)->write().has_value(), "the log cannot be written");
        }
        writing += monotonic_us() - received;
        (*chain)->stored(done + kBatch - 1);
    }
    written->reset();
    std::filesystem::remove_all(folder);
    std::printf("receipts of %zu bytes\n", made.back().size());
    row("receipt appended", count, appending);
    row("receipt written to the gateway's log", count, writing);
    const double signature = signature_cost();
    std::printf("%-46s %37.2f us each\n", "signature made and checked", signature);
    std::printf("%-46s %36.1f %% of it\n", "receipt, appended and written",
                100 * static_cast<double>(appending + writing) / static_cast<double>(count) / signature);

    constexpr std::uint64_t kHeads = 2000;
    std::int64_t signing = 0;
    for (std::uint64_t i = 0; i < kHeads; ++i) {
        (void)(*chain)->append(receipt, true);
        const std::int64_t begin = monotonic_us();
        must((*chain)->head(receipt.time).has_value(), "no head");
        signing += monotonic_us() - begin;
    }
    row("head signed", kHeads, signing);

    trust::AuditOptions demands;
    demands.root_der = root->certificate_der;
    trust::Audit audit(demands);
    const std::int64_t begin = monotonic_us();
    for (ByteView rest = log; !rest.empty();) {
        const ByteView piece = rest.first(std::min<std::size_t>(rest.size(), 1 << 20));
        must(audit.feed(piece).has_value(), "the log does not verify");
        rest = rest.subspan(piece.size());
    }
    const auto report = audit.finish();
    must(report && report->receipts == count, "the log does not verify");
    row("receipt audited, a head for every 1,000", count, monotonic_us() - begin);
    return 0;
}

} // namespace
} // namespace redoubt

int main(int argc, char** argv) {
    const long count = argc > 1 ? std::atol(argv[1]) : 1'000'000;
    if (count < 1000 || count % 1000 != 0) {
        std::fprintf(stderr, "usage: receipt_bench [COUNT]: a multiple of 1,000\n");
        return 1;
    }
    return redoubt::run(static_cast<std::uint64_t>(count));
}
