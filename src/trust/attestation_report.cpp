// SPDX-License-Identifier: Apache-2.0
#include "trust/attestation_report.h"

#include "nitro/attestation_chain.h"

#include <algorithm>

namespace redoubt::trust {

namespace {

constexpr std::int64_t kClockSkewMs = 60'000; // a verifier's clock may be this much behind the NSM's
constexpr std::uint16_t kPcrImage = 0, kPcrManifest = 16;

class Reporter {
  public:
    Reporter(ByteView document, const AttestationDemands& demands) : document_(document), demands_(demands) {
        for (std::size_t i = 0; i < kAttestationChecks.size(); ++i)
            report_.checks.push_back({kAttestationChecks[i], CheckResult::Skipped, {}});
    }

    AttestationReport run() {
        if (authentic()) {
            debug();
            pcrs();
            freshness();
            purpose();
        }
        report_.ok = std::none_of(report_.checks.begin(), report_.checks.end(),
                                  [](const auto& check) { return check.result == CheckResult::Failed; }) &&
                     report_.checks[4].result == CheckResult::Ok;
        return std::move(report_);
    }

  private:
    void set(std::string_view name, CheckResult result, std::string detail) {
        for (auto& check : report_.checks) {
            if (check.name == name) {
                check.result = result;
                check.detail = std::move(detail);
            }
        }
    }
    void ok(std::string_view name, std::string detail) { set(name, CheckResult::Ok, std::move(detail)); }
    void failed(std::string_view name, Code code, std::string detail) {
        const bool first = std::none_of(report_.checks.begin(), report_.checks.end(), [](const auto& check) {
            return check.result == CheckResult::Failed;
        });
        if (first)
            report_.code = code;
        set(name, CheckResult::Failed, std::move(detail));
    }
    void allowed(std::string_view name, std::string_view exception, std::string detail) {
        report_.exceptions.push_back(exception);
        set(name, CheckResult::Allowed, std::move(detail));
    }

    // The document's own five checks.
    bool authentic() {
        auto parsed = nitro::parse_attestation(document_);
        if (!parsed) {
            failed("structure", parsed.error().code, std::string(parsed.error().text.view()));
            return false;
        }
        ok("structure", "a COSE_Sign1 as the NSM writes it");
        report_.attestation = std::move(*parsed);
        const nitro::Attestation& attestation = *report_.attestation;

        const Bytes& root = attestation.cabundle.front();
        const Hash32 digest = crypto::sha256(root);
        if (digest != demands_.root_sha256) {
            failed("root", Code::AttestationUntrusted,
                   "the root is another: its SHA-256 is " + to_hex(digest) +
                       (digest == nitro::kAwsNitroRootSha256 ? " (AWS's)" : " (not AWS's)"));
            return false;
        }
        if (digest == nitro::kAwsNitroRootSha256) {
            ok("root", "AWS Nitro Enclaves root G1");
        } else if (demands_.allow_other_root) {
            allowed("root", "other-root", "the named root, which is NOT AWS's: " + to_hex(digest));
        } else {
            failed(
                "root", Code::AttestationUntrusted,
                "the named root is not AWS's: anybody could have made it; for a development system say so");
            return false;
        }

        const auto chain = nitro::verify_chain(attestation.cabundle, attestation.certificate, root);
        if (!chain) {
            failed("chain", chain.error().code, std::string(chain.error().text.view()));
            return false;
        }
        ok("chain", std::to_string(attestation.cabundle.size() + 1) + " certificates, root to leaf");

        const auto verified = nitro::verify_attestation(document_, root, demands_.at);
        if (!verified && verified.error().code != Code::AttestationExpired) {
            failed("signature", verified.error().code, std::string(verified.error().text.view()));
            return false;
        }
        ok("signature", "ES384 by the leaf's key");
        const std::string window =
            "valid from " + to_iso8601(chain->not_before) + " to " + to_iso8601(chain->not_after);
        if (!verified) {
            failed("time", Code::AttestationExpired,
                   "at " + to_iso8601(demands_.at) + " a certificate is not valid; all are " + window);
            return false;
        }
        ok("time", "every certificate is " + window);
        return true;
    }

    void debug() {
        if (!report_.attestation->debug())
            ok("debug", "not a debug enclave");
        else if (demands_.allow_debug)
            allowed("debug", "debug", "a DEBUG enclave: PCR0 to 2 are zero and it protects nothing");
        else
            failed("debug", Code::AttestationUntrusted,
                   "a debug enclave: PCR0 to 2 are zero and it protects nothing");
    }

    void pcrs() {
        std::string matched, different;
        for (const auto& [index, expected] : demands_.pcrs) {
            const auto found = report_.attestation->pcrs.find(index);
            const bool same = found != report_.attestation->pcrs.end() && found->second == expected;
            std::string& list = same ? matched : different;
            list += (list.empty() ? "PCR" : ", PCR") + std::to_string(index);
        }
        if (!different.empty()) {
            failed("pcrs", Code::AttestationUntrusted, different + " not as pinned");
            return;
        }
        std::string missing;
        for (const auto& [index, what] :
             {std::pair{kPcrImage, "PCR0 (the image)"}, std::pair{kPcrManifest, "PCR16 (the manifest)"}}) {
            if (!demands_.pcrs.contains(index))
                missing += (missing.empty() ? "" : " and ") + std::string(what);
        }
        if (missing.empty())
            ok("pcrs", matched + " as pinned");
        else if (demands_.allow_unpinned)
            allowed("pcrs", "unpinned", missing + " NOT pinned: any enclave passes");
        else
            failed("pcrs", Code::AttestationUntrusted, missing + " not pinned: any enclave would pass");
    }

    void freshness() {
        const nitro::Attestation& attestation = *report_.attestation;
        const std::int64_t age = demands_.at - attestation.timestamp;
        if (demands_.nonce && attestation.nonce != demands_.nonce)
            return failed("freshness", Code::AttestationUntrusted,
                          "another nonce: the document was not made for this request");
        if (demands_.max_age_ms && (age < -kClockSkewMs || age > *demands_.max_age_ms))
            return failed("freshness", Code::AttestationExpired,
                          "made at " + to_iso8601(attestation.timestamp) + ", " +
                              (age < 0
                                   ? "after the time it is checked for"
                                   : std::to_string(age / 1000) + " s before the time it is checked for"));
        if (demands_.nonce)
            return ok("freshness", "the nonce is the one that was sent");
        if (demands_.max_age_ms)
            return ok("freshness", "made at " + to_iso8601(attestation.timestamp));
        if (demands_.allow_any_nonce)
            return allowed("freshness", "any-nonce", "neither nonce nor age checked: it may be a replay");
        failed("freshness", Code::AttestationUntrusted,
               "neither a nonce nor a greatest age was given: a replay would pass");
    }

    void purpose() {
        if (!demands_.purpose)
            return;
        // Absent reads as empty, which is no user_data either.
        const auto user_data = nitro::parse_user_data(report_.attestation->user_data.value_or(Bytes{}));
        if (!user_data)
            failed("purpose", Code::AttestationInvalid, "no user_data as a Redoubt enclave writes it");
        else if (user_data->purpose != *demands_.purpose)
            failed("purpose", Code::AttestationUntrusted, "made for another purpose: " + user_data->purpose);
        else
            ok("purpose", *demands_.purpose + ", digest " + to_hex(user_data->digest));
    }

    ByteView document_;
    const AttestationDemands& demands_;
    AttestationReport report_;
};

} // namespace

std::string_view check_result_name(CheckResult result) {
    switch (result) {
    case CheckResult::Ok:
        return "ok";
    case CheckResult::Allowed:
        return "allowed";
    case CheckResult::Failed:
        return "failed";
    case CheckResult::Skipped:
        break;
    }
    return "skipped";
}

AttestationReport check_attestation(ByteView document, const AttestationDemands& demands) {
    return Reporter(document, demands).run();
}

} // namespace redoubt::trust
