// SPDX-License-Identifier: Apache-2.0
// What is asked of the key of TLS connections that end in the enclave.
#include "api/operation.h"

#include <gtest/gtest.h>

namespace redoubt::api {
namespace {

Result<Operation> parse(std::string_view method, std::string_view path, std::string_view query,
                        std::string_view body, json::Document& scratch) {
    return parse_operation(
        {method, path, query, !query.empty(), body.empty() ? std::string_view() : "application/json", body},
        scratch);
}

TEST(TlsRoutes, are_read_into_their_operations) {
    json::Document scratch;
    const auto attest = parse("GET", "/v1/attestation/tls", "nonce=0aff", "", scratch);
    ASSERT_TRUE(attest);
    EXPECT_EQ(std::get<AttestTls>(*attest).nonce, (Bytes{0x0a, 0xff}));
    const auto csr = parse("GET", "/v1/tls/csr", "", "", scratch);
    ASSERT_TRUE(csr);
    EXPECT_TRUE(std::holds_alternative<MakeTlsRequest>(*csr));
    const auto install = parse("POST", "/v1/tls/certificate", "", R"({"chain":"PEM"})", scratch);
    ASSERT_TRUE(install);
    EXPECT_EQ(std::get<InstallTlsCertificate>(*install).chain, "PEM");
}

TEST(TlsRoutes, refuse_what_they_do_not_know) {
    const std::string longest(kMaxTlsChain, 'x');
    for (const auto& [method, path, query, body, code] :
         std::vector<std::tuple<std::string, std::string, std::string, std::string, Code>>{
             {"POST", "/v1/attestation/tls", "nonce=00", "", Code::MethodNotAllowed},
             {"GET", "/v1/attestation/tls", "", "", Code::MissingField},
             {"GET", "/v1/attestation/tls", "nonce=0", "", Code::InvalidField},
             {"GET", "/v1/attestation/tls", "nonce=00&more=1", "", Code::UnknownField},
             {"GET", "/v1/attestation/tls", "nonce=00", "{}", Code::BadRequest},
             {"POST", "/v1/tls/csr", "", "{}", Code::MethodNotAllowed},
             {"GET", "/v1/tls/csr", "nonce=00", "", Code::UnknownField},
             {"GET", "/v1/tls/certificate", "", "", Code::MethodNotAllowed},
             {"POST", "/v1/tls/certificate", "", R"({})", Code::InvalidField},
             {"POST", "/v1/tls/certificate", "", R"({"chain":""})", Code::InvalidField},
             {"POST", "/v1/tls/certificate", "", R"({"chain":["x"]})", Code::InvalidField},
             {"POST", "/v1/tls/certificate", "", R"({"chain":"x","key":"y"})", Code::UnknownField},
             {"POST", "/v1/tls/certificate", "", R"({"chain":"x)" + longest + "\"}", Code::InvalidField},
             {"GET", "/v1/tls/other", "", "", Code::NotFound}}) {
        json::Document scratch;
        const auto parsed = parse(method, path, query, body, scratch);
        ASSERT_FALSE(parsed) << method << path << query;
        EXPECT_EQ(parsed.error().code, code) << method << path << query << ": " << parsed.error().text.view();
    }
    json::Document scratch;
    EXPECT_TRUE(parse("POST", "/v1/tls/certificate", "", R"({"chain":")" + longest + "\"}", scratch));
}

} // namespace
} // namespace redoubt::api
