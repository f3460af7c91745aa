// SPDX-License-Identifier: Apache-2.0
// aws-c-auth's signing suite, Signature Version 4: 38 requests, each signed in a header and in the query.
//
// Both forms are signed as the suite signs them (canonical request, string to sign, signature, signed
// request), and verified; the seven that a service must refuse are refused. Folded header lines, which the
// HTTP parser refuses, are unfolded by the test as RFC 9112 section 5.2 says.
#include "aws/sigv4_parts.h"
#include "crypto/hash.h"
#include "support/vectors.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace redoubt::aws {
namespace {

namespace fs = std::filesystem;
using tests::read_file;

std::string lower(std::string text) {
    for (char& c : text)
        if (c >= 'A' && c <= 'Z')
            c = static_cast<char>(c - 'A' + 'a');
    return text;
}

std::string trimmed(std::string text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' '))
        text.pop_back();
    text.erase(0, std::min(text.find_first_not_of(' '), text.size()));
    return text;
}

net::HttpRequest parse(const std::string& text) {
    net::HttpRequest request;
    std::size_t at = 0;
    bool first = true, in_body = false;
    while (at < text.size() && !in_body) {
        const auto end = std::min(text.find('\n', at), text.size());
        const std::string line = text.substr(at, end - at);
        at = end + 1;
        if (first) {
            first = false;
            const auto space = line.find(' '), last = line.rfind(' ');
            request.method = line.substr(0, space);
            request.target = line.substr(space + 1, last - space - 1);
            const auto mark = request.target.find('?');
            request.path = request.target.substr(0, mark);
            request.has_query = mark != std::string::npos;
            if (request.has_query)
                request.query = request.target.substr(mark + 1);
        } else if (line.empty()) {
            in_body = true;
        } else if (line[0] == ' ') {
            request.headers.back().value += line;
        } else {
            const auto colon = line.find(':');
            request.headers.push_back({lower(line.substr(0, colon)), trimmed(line.substr(colon + 1))});
        }
    }
    if (in_body && at < text.size())
        request.body = to_bytes(std::string_view(text).substr(at));
    erase_if(request.headers, [&](const net::Header& header) {
        if (header.name == "host")
            request.authority = header.value;
        return header.name == "host";
    });
    return request;
}

struct Case {
    fs::path folder;
    std::string name, date;
    UnixMs time = 0;
    Credentials credentials;
    SigV4Options options;

    std::string file(const char* file_name) const { return trimmed(read_file(folder / file_name)); }
    net::HttpRequest request(const char* file_name) const { return parse(read_file(folder / file_name)); }
};

std::vector<Case> load(const fs::path& suite) {
    std::vector<Case> out;
    for (const auto& entry : fs::directory_iterator(suite)) {
        if (!entry.is_directory())
            continue;
        const auto context = nlohmann::json::parse(read_file(entry.path() / "context.json"));
        const auto& credentials = context.at("credentials");
        Case one;
        one.folder = entry.path();
        one.name = entry.path().filename();
        one.time = from_iso8601(context.at("timestamp").get<std::string>()).value();
        one.date = to_amz_date(one.time);
        one.credentials.access_key_id = credentials.at("access_key_id");
        one.credentials.secret_access_key =
            Secret::copy_of(as_bytes(credentials.at("secret_access_key").get<std::string>()));
        one.credentials.session_token = Secret::copy_of(as_bytes(credentials.value("token", "")));
        one.options.region = context.at("region");
        one.options.service = context.at("service");
        one.options.normalise_path = context.at("normalize");
        one.options.sign_body_header = context.at("sign_body");
        one.options.omit_session_token = context.value("omit_session_token", false);
        out.push_back(std::move(one));
    }
    return out;
}

// The text between a mark and the next ',' or '&', or the end.
std::string after(std::string_view text, std::string_view mark) {
    const auto at = text.find(mark);
    if (at == text.npos)
        return {};
    text.remove_prefix(at + mark.size());
    return std::string(text.substr(0, text.find_first_of(",&")));
}

std::string payload_hash(const net::HttpRequest& request) {
    return to_hex(crypto::sha256(request.body));
}

class SigV4Suite : public ::testing::Test {
  protected:
    void SetUp() override {
        REDOUBT_NEED_VECTORS(folder);
        cases_ = load(folder / "sigv4/aws-signing-test-suite/v4");
        EXPECT_EQ(cases_.size(), 38u);
    }
    std::vector<Case> cases_;
};

TEST_F(SigV4Suite, every_request_is_signed_in_its_header_as_stated) {
    for (const Case& c : cases_) {
        net::HttpRequest request = c.request("request.txt");
        const auto signed_ok = sign_sigv4(request, c.credentials, c.options, c.time);
        ASSERT_TRUE(signed_ok) << c.name << ": " << signed_ok.error().describe();
        const std::string authorization(request.header("authorization"));
        const std::string canonical = sigv4_canonical_request(request, after(authorization, "SignedHeaders="),
                                                              c.options, payload_hash(request));
        EXPECT_EQ(canonical, c.file("header-canonical-request.txt")) << c.name;
        const std::string scope = sigv4_scope(c.date.substr(0, 8), c.options.region, c.options.service);
        EXPECT_EQ(sigv4_string_to_sign(c.date, scope, canonical), c.file("header-string-to-sign.txt"))
            << c.name;
        EXPECT_EQ(after(authorization, "Signature="), c.file("header-signature.txt")) << c.name;

        // The same headers with the same values, and no others.
        const net::HttpRequest expected = c.request("header-signed-request.txt");
        EXPECT_EQ(authorization, expected.header("authorization")) << c.name;
        EXPECT_EQ(request.header("x-amz-date"), expected.header("x-amz-date")) << c.name;
        EXPECT_EQ(request.header("x-amz-content-sha256"), expected.header("x-amz-content-sha256")) << c.name;
        EXPECT_EQ(request.header("x-amz-security-token"), expected.header("x-amz-security-token")) << c.name;
        EXPECT_EQ(request.headers.size(), expected.headers.size()) << c.name;
    }
}

class SigV4SuiteVerified : public SigV4Suite, public ::testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Forms, SigV4SuiteVerified,
                         ::testing::Values("header-signed-request.txt", "query-signed-request.txt"));

TEST_P(SigV4SuiteVerified, every_signed_request_is_verified_and_altered_refused) {
    int verified = 0, unsigned_token = 0, not_normalised = 0;
    for (const Case& c : cases_) {
        const auto lookup = [&](const std::string&,
                                std::string_view token) -> std::expected<Secret, SigV4Failure> {
            EXPECT_EQ(token, c.credentials.session_token.text(SecretAccess("compare it in a test")));
            return c.credentials.secret_access_key.clone();
        };
        const net::HttpRequest request = c.request(GetParam());
        const auto identity = verify_sigv4(request, lookup, c.time);
        // A service demands that every X-Amz-* header is signed.
        if (c.options.omit_session_token) {
            EXPECT_FALSE(identity) << c.name;
            ++unsigned_token;
            continue;
        }
        // Only S3 takes a path as it is, and these are signed for another service.
        if (!c.options.normalise_path && c.name != "get-space-unnormalized") {
            EXPECT_FALSE(identity) << c.name;
            ++not_normalised;
            continue;
        }
        ASSERT_TRUE(identity) << c.name << ": " << identity.error().message;
        EXPECT_EQ(identity->access_key_id, "AKIDEXAMPLE");
        EXPECT_EQ(identity->region, "us-east-1");
        EXPECT_EQ(identity->service, "service");
        auto altered = request;
        altered.body.push_back('x');
        EXPECT_FALSE(verify_sigv4(altered, lookup, c.time)) << c.name;
        altered = request;
        altered.query += altered.query.empty() ? "z=1" : "&z=1";
        EXPECT_FALSE(verify_sigv4(altered, lookup, c.time)) << c.name;
        altered = request;
        altered.authority += ":1";
        EXPECT_FALSE(verify_sigv4(altered, lookup, c.time)) << c.name;
        ++verified;
    }
    EXPECT_EQ(unsigned_token, 1);
    EXPECT_EQ(not_normalised, 6);
    EXPECT_EQ(verified, 31);
}

TEST_F(SigV4Suite, every_request_is_signed_in_its_query_as_stated) {
    for (const Case& c : cases_) {
        net::HttpRequest request = c.request("request.txt");
        const auto signed_ok = presign_sigv4(request, c.credentials, c.options, c.time, 3600);
        ASSERT_TRUE(signed_ok) << c.name << ": " << signed_ok.error().describe();
        const net::HttpRequest expected = c.request("query-signed-request.txt");
        EXPECT_EQ(request.target, expected.target) << c.name;
        EXPECT_EQ(request.headers.size(), expected.headers.size()) << c.name;
        const std::string signature = after(request.query, "&X-Amz-Signature=");
        // What is not signed: the signature itself, and a token that is added afterwards.
        auto cut = request.query.find("&X-Amz-Signature=");
        if (c.options.omit_session_token)
            cut = request.query.find("&X-Amz-Security-Token=");
        request.query.resize(cut);
        std::string signed_headers = after(request.query, "X-Amz-SignedHeaders=");
        for (auto at = signed_headers.find("%3B"); at != std::string::npos; at = signed_headers.find("%3B"))
            signed_headers.replace(at, 3, ";");

        const std::string canonical =
            sigv4_canonical_request(request, signed_headers, c.options, payload_hash(request));
        EXPECT_EQ(canonical, c.file("query-canonical-request.txt")) << c.name;
        const std::string scope = sigv4_scope(c.date.substr(0, 8), c.options.region, c.options.service);
        const std::string to_sign = sigv4_string_to_sign(c.date, scope, canonical);
        EXPECT_EQ(to_sign, c.file("query-string-to-sign.txt")) << c.name;
        EXPECT_EQ(to_hex(sigv4_signature(c.credentials.secret_access_key, c.date.substr(0, 8),
                                         c.options.region, c.options.service, to_sign)),
                  c.file("query-signature.txt"))
            << c.name;
        EXPECT_EQ(signature, c.file("query-signature.txt")) << c.name;
    }
}

} // namespace
} // namespace redoubt::aws
