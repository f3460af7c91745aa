// SPDX-License-Identifier: Apache-2.0
#include "trust/attestation_report.h"

#include "nitro/nsm.h"
#include "nitro/software_nsm.h"
#include "trust/statement.h"

#include <gtest/gtest.h>

namespace redoubt::trust {
namespace {

constexpr UnixMs kNow = 1'790'000'000'000;
constexpr ByteArray<48> kManifestDigest = {4, 8};

// One development enclave's documents.
class AttestationReports : public testing::Test {
  protected:
    static void SetUpTestSuite() { root_ = new nitro::DevelopmentRoot(*nitro::make_development_root()); }
    static void TearDownTestSuite() { delete root_; }

    Bytes document(bool debug = false, std::string_view purpose = kPurposeIdentity,
                   std::int64_t later_ms = 0) const {
        nitro::SoftwareNsmOptions options;
        if (!debug)
            options.pcrs = {{0, pcr(1)}, {1, pcr(2)}, {2, pcr(3)}};
        UnixMs now = kNow;
        options.now = [&now] { return now; };
        auto transport = nitro::make_software_nsm(*root_, options);
        nitro::Nsm nsm(std::move(*transport));
        EXPECT_TRUE(nsm.extend_pcr(16, kManifestDigest)); // as an enclave does with its manifest
        EXPECT_TRUE(nsm.lock_pcr(16));
        now += later_ms; // the certificates are valid from the start
        nitro::AttestationRequest request;
        request.nonce = Bytes{1, 2, 3};
        request.user_data = nitro::encode_user_data(purpose, Hash32{7});
        return *nsm.attest(request);
    }
    static nitro::Pcr pcr(std::uint8_t byte) {
        nitro::Pcr out{};
        out.fill(byte);
        return out;
    }
    // Everything is demanded and given.
    static AttestationDemands demands() {
        AttestationDemands out;
        out.root_sha256 = crypto::sha256(root_->certificate_der);
        out.allow_other_root = true;
        out.at = kNow;
        out.pcrs = {{0, to_bytes(pcr(1))}, {16, to_bytes(nitro::pcr_of(kManifestDigest))}};
        out.nonce = Bytes{1, 2, 3};
        out.max_age_ms = 1000;
        out.purpose = kPurposeIdentity;
        return out;
    }
    static CheckResult result(const AttestationReport& report, std::string_view name) {
        for (const auto& check : report.checks)
            if (check.name == name)
                return check.result;
        ADD_FAILURE() << "no check " << name;
        return CheckResult::Skipped;
    }
    // That this alone is wrong with it.
    static void expect_failed(const AttestationReport& report, std::string_view name, Code code) {
        EXPECT_FALSE(report.ok);
        EXPECT_EQ(report.code, code);
        for (const auto& check : report.checks) {
            if (check.name == name)
                EXPECT_EQ(check.result, CheckResult::Failed) << name;
            else
                EXPECT_NE(check.result, CheckResult::Failed) << check.name << ": " << check.detail;
        }
    }

    static nitro::DevelopmentRoot* root_;
};
nitro::DevelopmentRoot* AttestationReports::root_ = nullptr;

TEST_F(AttestationReports, a_document_with_everything_as_demanded_is_ok_and_names_its_one_exception) {
    const auto report = check_attestation(document(), demands());
    ASSERT_TRUE(report.ok);
    EXPECT_EQ(report.exceptions, std::vector<std::string_view>{"other-root"});
    ASSERT_EQ(report.checks.size(), kAttestationChecks.size());
    for (std::size_t i = 0; i < report.checks.size(); ++i) {
        EXPECT_EQ(report.checks[i].name, kAttestationChecks[i]);
        EXPECT_EQ(report.checks[i].result,
                  report.checks[i].name == "root" ? CheckResult::Allowed : CheckResult::Ok);
        EXPECT_FALSE(report.checks[i].detail.empty());
    }
}

TEST_F(AttestationReports, a_root_that_is_not_aws_needs_both_its_digest_and_the_exception) {
    auto d = demands();
    d.allow_other_root = false;
    expect_failed(check_attestation(document(), d), "root", Code::AttestationUntrusted);
    d = demands();
    d.root_sha256 = nitro::kAwsNitroRootSha256;
    expect_failed(check_attestation(document(), d), "root", Code::AttestationUntrusted);
}

TEST_F(AttestationReports, what_a_pin_says_no_exception_overrules) {
    const Bytes right = document();
    for (const std::uint16_t index : std::initializer_list<std::uint16_t>{0, 1, 16}) {
        auto d = demands();
        d.allow_unpinned = true;
        d.pcrs[index] = Bytes(48, 9);
        expect_failed(check_attestation(right, d), "pcrs", Code::AttestationUntrusted);
    }
    auto d = demands();
    d.allow_any_nonce = true;
    d.nonce = Bytes{1, 2, 4};
    expect_failed(check_attestation(right, d), "freshness", Code::AttestationUntrusted);
    d.nonce.reset();
    d.at = kNow + 1001;
    expect_failed(check_attestation(right, d), "freshness", Code::AttestationExpired);
    d.at = kNow;
    expect_failed(check_attestation(document(false, kPurposeIdentity, 60'001), d), "freshness",
                  Code::AttestationExpired);
    EXPECT_TRUE(check_attestation(document(false, kPurposeIdentity, 59'000), d).ok);
}

TEST_F(AttestationReports, what_is_not_pinned_fails_unless_that_is_allowed) {
    for (const std::uint16_t index : std::initializer_list<std::uint16_t>{0, 16}) {
        auto d = demands();
        d.pcrs.erase(index);
        expect_failed(check_attestation(document(), d), "pcrs", Code::AttestationUntrusted);
        d.allow_unpinned = true;
        const auto report = check_attestation(document(), d);
        EXPECT_TRUE(report.ok);
        EXPECT_EQ(result(report, "pcrs"), CheckResult::Allowed);
        EXPECT_EQ(report.exceptions, (std::vector<std::string_view>{"other-root", "unpinned"}));
    }
}

TEST_F(AttestationReports, freshness_needs_a_nonce_or_an_age_or_the_exception) {
    auto d = demands();
    d.max_age_ms.reset();
    EXPECT_TRUE(check_attestation(document(), d).ok);
    d.nonce.reset();
    expect_failed(check_attestation(document(), d), "freshness", Code::AttestationUntrusted);
    d.max_age_ms = 0;
    EXPECT_TRUE(check_attestation(document(), d).ok);
    d.max_age_ms.reset();
    d.allow_any_nonce = true;
    const auto report = check_attestation(document(), d);
    EXPECT_TRUE(report.ok);
    EXPECT_EQ(result(report, "freshness"), CheckResult::Allowed);
}

TEST_F(AttestationReports, a_debug_enclave_fails_unless_that_is_allowed) {
    auto d = demands();
    d.pcrs[0] = Bytes(48, 0);
    expect_failed(check_attestation(document(true), d), "debug", Code::AttestationUntrusted);
    d.allow_debug = true;
    const auto report = check_attestation(document(true), d);
    EXPECT_TRUE(report.ok);
    EXPECT_EQ(report.exceptions, (std::vector<std::string_view>{"other-root", "debug"}));
}

TEST_F(AttestationReports, another_purpose_fails_and_no_purpose_is_skipped) {
    auto d = demands();
    expect_failed(check_attestation(document(false, kPurposeKey), d), "purpose", Code::AttestationUntrusted);
    d.purpose.reset();
    const auto report = check_attestation(document(), d);
    EXPECT_TRUE(report.ok);
    EXPECT_EQ(result(report, "purpose"), CheckResult::Skipped);
}

TEST_F(AttestationReports, a_false_document_fails_one_check_and_the_rest_is_skipped) {
    struct Case {
        std::string_view check;
        Code code;
        std::function<Bytes()> make;
        UnixMs at;
    };
    const Bytes right = document();
    auto signature_changed = right;
    signature_changed.back() ^= 1;
    // The first certificate of the bundle is the root; the leaf stands before the bundle in the payload.
    const auto attestation = *nitro::parse_attestation(right);
    auto chain_changed = right;
    const auto at = std::search(chain_changed.begin(), chain_changed.end(), attestation.certificate.begin(),
                                attestation.certificate.end()) +
                    static_cast<std::ptrdiff_t>(attestation.certificate.size()) - 1;
    *at ^= 1;
    const std::vector<Case> cases = {
        {"structure", Code::AttestationInvalid, [] { return Bytes{}; }, kNow},
        {"structure", Code::AttestationInvalid, [&] { return Bytes(right.begin(), right.end() - 1); }, kNow},
        {"chain", Code::AttestationUntrusted, [&] { return chain_changed; }, kNow},
        {"signature", Code::AttestationUntrusted, [&] { return signature_changed; }, kNow},
        {"time", Code::AttestationExpired, [&] { return right; }, kNow + 400LL * 86'400'000},
        {"time", Code::AttestationExpired, [&] { return right; }, 1},
    };
    for (const auto& c : cases) {
        auto d = demands();
        d.at = c.at;
        const auto report = check_attestation(c.make(), d);
        expect_failed(report, c.check, c.code);
        bool after = false;
        for (const auto& check : report.checks) {
            if (after) {
                EXPECT_EQ(check.result, CheckResult::Skipped) << c.check << ", " << check.name;
            }
            after = after || check.name == c.check;
        }
    }
}

} // namespace
} // namespace redoubt::trust
