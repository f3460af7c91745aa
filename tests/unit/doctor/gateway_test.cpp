// SPDX-License-Identifier: Apache-2.0
// Manifest, gateway, certificate, proxy and the report itself.
#include "net/tls.h"
#include "support.h"

#include <nlohmann/json.hpp>

namespace redoubt::doctor::tests {
namespace {

class GatewayChecks : public ::testing::Test {
  protected:
    GatewayChecks()
        : server_([this](const net::HttpRequest& request) {
              return request.path == "/healthz" ? health_ : attestation_;
          }) {
        inputs_.gateway = server_.url;
        inputs_.timeout_ms = 500;
    }
    Report run() {
        Report report;
        check_gateway(inputs_, known_, report);
        return report;
    }
    static net::HttpResponse healthy(int total, int usable, int open) {
        return net::HttpResponse::json(
            200, R"({"status":"healthy","enclaves":{"total":)" + std::to_string(total) + R"(,"usable":)" +
                     std::to_string(usable) + R"(,"vault_open":)" + std::to_string(open) + "}}");
    }

    net::HttpResponse health_ = healthy(2, 2, 2);
    net::HttpResponse attestation_ = net::HttpResponse::error(Code::NsmFailed, "no");
    Folder folder_;
    Inputs inputs_;
    Knowledge known_;
    FakeServices server_;
};

TEST_F(GatewayChecks, tell_how_many_enclaves_sign_and_have_their_vaults_open) {
    auto report = run();
    EXPECT_EQ(only(report, "gateway-health").level, Level::Ok);
    EXPECT_EQ(only(report, "gateway-vaults").level, Level::Ok);
    health_ = healthy(2, 1, 0);
    report = run();
    EXPECT_EQ(only(report, "gateway-health").level, Level::Warn);
    EXPECT_EQ(only(report, "gateway-vaults").level, Level::Fail);
    EXPECT_TRUE(says(only(report, "gateway-vaults"), "0 of 2"));
    health_ = net::HttpResponse::error(Code::EnclaveUnavailable, "no enclave is able to sign");
    EXPECT_TRUE(says(only(run(), "gateway-health"), "enclave_unavailable, no enclave is able to sign"));
    health_ = net::HttpResponse::json(200, "{}");
    EXPECT_TRUE(says(only(run(), "gateway-health"), "not a Redoubt gateway's"));
}

TEST_F(GatewayChecks, an_answer_without_a_good_attestation_is_a_failure) {
    for (const auto& answer :
         {net::HttpResponse::error(Code::NsmFailed, "no"), net::HttpResponse::json(200, "{}"),
          net::HttpResponse::json(200, R"({"attestation":"AAAA"})"), net::HttpResponse::text(200, "x")}) {
        attestation_ = answer;
        EXPECT_EQ(only(run(), "attestation").level, Level::Fail);
    }
    EXPECT_FALSE(known_.measured_pcr0);
}

TEST_F(GatewayChecks, a_gateway_that_is_gone_is_told_once) {
    {
        FakeServices gone([](const net::HttpRequest&) { return net::HttpResponse::text(200, ""); });
        inputs_.gateway = gone.url;
    }
    const auto report = run();
    EXPECT_EQ(only(report, "gateway-health").level, Level::Fail);
    EXPECT_EQ(only(report, "attestation").level, Level::Skipped);
}

TEST_F(GatewayChecks, a_certificate_is_valid_for_its_time_and_must_be_one) {
    const auto authority = net::make_certificate_authority("doctor tests").value();
    inputs_.certificate_file =
        folder_.write("cert.pem", net::make_server_certificate(authority, {"127.0.0.1"}).value().certificate);
    EXPECT_EQ(only(run(), "gateway-certificate").level, Level::Ok);
    inputs_.certificate_file = folder_.write("bad.pem", "no certificate");
    EXPECT_EQ(only(run(), "gateway-certificate").level, Level::Fail);
    inputs_.certificate_file = folder_.file("missing.pem");
    EXPECT_EQ(only(run(), "gateway-certificate").level, Level::Fail);
    EXPECT_FALSE(read_pem_certificate("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
}

TEST(ManifestCheck, compares_the_digest_with_the_pinned_pcr16) {
    Folder folder;
    Inputs inputs;
    inputs.manifest_file = folder.write("manifest.json", manifest_text());
    const auto pcr16 = to_bytes(nitro::pcr_of(trust::parse_manifest(manifest_text())->digest()));
    const auto run = [&] {
        Report report;
        Knowledge known;
        check_manifest(inputs, known, report);
        return only(report, "manifest");
    };
    EXPECT_EQ(run().level, Level::Ok);
    EXPECT_TRUE(says(run(), short_hex(pcr16)));
    inputs.pcr16 = pcr16;
    EXPECT_EQ(run().level, Level::Ok);
    (*inputs.pcr16)[0] ^= 1;
    EXPECT_EQ(run().level, Level::Fail);
    folder.write("manifest.json", "{}");
    EXPECT_TRUE(says(run(), "no manifest"));
    inputs.manifest_file = folder.file("missing.json");
    EXPECT_EQ(run().level, Level::Fail);
}

TEST(ProxyCheck, wants_every_kms_host_of_the_manifest_in_the_allow_list) {
    Folder folder;
    Inputs inputs;
    Knowledge known;
    known.manifest = trust::parse_manifest(manifest_text()).value();
    const auto run = [&](const std::string& yaml) {
        inputs.vsock_proxy_config = folder.write("proxy.yaml", yaml);
        Report report;
        check_proxy(inputs, known, report);
        return only(report, "vsock-proxy");
    };
    EXPECT_EQ(run("allowlist:\n- {address: kms.us-east-1.amazonaws.com, port: 443}\n").level, Level::Ok);
    for (const char* other : {"allowlist:\n- {address: kms.eu-west-1.amazonaws.com, port: 443}\n",
                              "allowlist:\n- {address: kms.us-east-1.amazonaws.com, port: 8443}\n"})
        EXPECT_TRUE(says(run(other), "add `- {address: kms.us-east-1.amazonaws.com, port: 443}`"));
    EXPECT_TRUE(says(run("allowlist: 7\n"), "cannot be used"));
    inputs.vsock_proxy_config = folder.file("missing.yaml");
    Report report;
    check_proxy(inputs, known, report);
    EXPECT_EQ(only(report, "vsock-proxy").level, Level::Fail);
}

TEST(ReportTest, is_one_line_a_finding_and_json_that_parses) {
    std::vector<std::string> waits;
    std::size_t told = 0;
    Report report([&](const Finding&) { ++told; }, [&](const std::string& what) { waits.push_back(what); });
    report.waiting("something");
    report.ok("a", "", "fine");
    report.warn("b", "subject", "not so \"good\"", "do this");
    EXPECT_TRUE(report.fine());
    report.fail("c", "", "bad", "do that");
    EXPECT_FALSE(report.fine());
    EXPECT_EQ(told, 3u);
    EXPECT_EQ(waits, std::vector<std::string>{"something"});
    EXPECT_EQ(text_line(report.findings()[0]), "ok       a                    fine");
    EXPECT_EQ(text_line(report.findings()[1]),
              "warn     b                    subject: not so \"good\"\n         to change: do this");
    const auto json = nlohmann::json::parse(json_report(report));
    EXPECT_EQ(json["ok"], false);
    ASSERT_EQ(json["checks"].size(), 3u);
    EXPECT_EQ(json["checks"][1]["status"], "warn");
    EXPECT_EQ(json["checks"][1]["change"], "do this");
    EXPECT_EQ(printable("a\nb\x1b[31m"), "a b [31m");
}

} // namespace
} // namespace redoubt::doctor::tests
