// SPDX-License-Identifier: Apache-2.0
// Signing and verification against each other; against AWS's own vectors in tests/conformance/aws.
#include "aws/sigv4.h"
#include "aws/sigv4_parts.h"
#include "crypto/hash.h"
#include "fake_server.h"

namespace redoubt::aws::tests {
namespace {

constexpr UnixMs kNow = 1'767'225'600'000; // 2026-01-01T00:00:00Z

net::HttpRequest make_request() {
    net::HttpRequest request;
    request.method = "POST";
    request.target = request.path = "/";
    request.authority = "kms.us-east-1.amazonaws.com";
    request.headers = {{"content-type", "application/x-amz-json-1.1"},
                       {"x-amz-target", "TrentService.Decrypt"},
                       {"user-agent", "test"}};
    request.body = to_bytes(R"({"KeyId":"x"})");
    return request;
}

SigV4Options make_options() {
    SigV4Options options;
    options.region = "us-east-1";
    options.service = "kms";
    return options;
}

net::HttpRequest signed_request(const SigV4Options& options = make_options(), UnixMs now = kNow,
                                net::HttpRequest request = make_request(), bool with_token = true) {
    const auto result = sign_sigv4(request, test_credentials(with_token), options, now);
    EXPECT_TRUE(result) << (result ? "" : result.error().describe());
    return request;
}

std::expected<Secret, SigV4Failure> look_up(const std::string& access_key_id, std::string_view token) {
    const Credentials credentials = test_credentials();
    if (access_key_id != credentials.access_key_id ||
        (!token.empty() && token != text_of(credentials.session_token)))
        return std::unexpected(SigV4Failure{"UnrecognizedClientException", "unknown"});
    return credentials.secret_access_key.clone();
}

std::string verify(const net::HttpRequest& request, UnixMs now = kNow) {
    const auto identity = verify_sigv4(request, look_up, now);
    return identity ? "ok" : identity.error().type;
}

std::string& header(net::HttpRequest& request, std::string_view name) {
    for (auto& one : request.headers)
        if (one.name == name)
            return one.value;
    ADD_FAILURE() << "no header " << name;
    static std::string none;
    return none;
}

void replace(std::string& text, std::string_view what, std::string_view by) {
    const auto at = text.find(what);
    ASSERT_NE(at, std::string::npos) << what;
    text.replace(at, what.size(), by);
}

constexpr const char* kIncomplete = "IncompleteSignatureException";
constexpr const char* kInvalid = "InvalidSignatureException";

TEST(SigV4, what_was_signed_verifies) {
    const auto request = signed_request();
    const auto identity = verify_sigv4(request, look_up, kNow);
    ASSERT_TRUE(identity) << identity.error().message;
    EXPECT_EQ(identity->access_key_id, test_credentials().access_key_id);
    EXPECT_EQ(identity->region, "us-east-1");
    EXPECT_EQ(identity->service, "kms");
    EXPECT_EQ(request.header("x-amz-date"), "20260101T000000Z");
    EXPECT_EQ(request.header("x-amz-security-token"), text_of(test_credentials().session_token));
}

net::HttpRequest presigned(std::int64_t expires = 60, bool with_token = true) {
    auto request = make_request();
    request.query = "Action=GetCallerIdentity&Version=2011-06-15";
    request.has_query = true;
    request.target = request.path + "?" + request.query;
    const auto result = presign_sigv4(request, test_credentials(with_token), make_options(), kNow, expires);
    EXPECT_TRUE(result) << (result ? "" : result.error().describe());
    return request;
}

TEST(SigV4, a_presigned_request_verifies_until_it_expires) {
    for (const bool with_token : {true, false}) {
        const auto request = presigned(900, with_token);
        const auto identity = verify_sigv4(request, look_up, kNow);
        ASSERT_TRUE(identity) << identity.error().message;
        EXPECT_EQ(identity->access_key_id, test_credentials().access_key_id);
        EXPECT_EQ(request.headers.size(), make_request().headers.size());
        EXPECT_EQ(verify(request, kNow + 900'000), "ok");
        EXPECT_EQ(verify(request, kNow + 900'001), kInvalid);
        EXPECT_EQ(verify(request, kNow - 301'000), kInvalid);
    }
    EXPECT_EQ(verify(presigned(1), kNow + 1'001), kInvalid) << "the five minutes are no grace";
}

TEST(SigV4, a_presigned_request_altered_in_any_byte_is_refused) {
    const auto request = presigned();
    ASSERT_EQ(verify(request), "ok");
    for (std::size_t at = 0; at < request.query.size(); ++at) {
        auto altered = request;
        altered.query[at] = altered.query[at] == 'x' ? 'y' : 'x'; // not 'b': %2B and %2b are one byte
        EXPECT_NE(verify(altered), "ok") << at << " " << altered.query;
        altered = request;
        altered.query.erase(at, 1);
        EXPECT_NE(verify(altered), "ok") << at << " " << altered.query;
    }
    for (std::size_t at = 0; at < request.body.size(); ++at) {
        auto altered = request;
        altered.body[at] ^= 1;
        EXPECT_EQ(verify(altered), kInvalid) << at;
    }
    for (std::size_t i = 0; i < 2; ++i) { // the third is user-agent
        auto altered = request;
        altered.headers[i].value += "x";
        EXPECT_EQ(verify(altered), kInvalid) << i;
    }
}

TEST(SigV4, a_presigned_query_is_read_strictly) {
    const auto with = [](std::string_view what, std::string_view by) {
        auto request = presigned();
        replace(request.query, what, by);
        return verify(request);
    };
    EXPECT_EQ(with("X-Amz-Expires=60", "X-Amz-Expires=0"), kIncomplete);
    EXPECT_EQ(with("X-Amz-Expires=60", "X-Amz-Expires=060"), kIncomplete);
    EXPECT_EQ(with("X-Amz-Expires=60", "X-Amz-Expires=604801"), kIncomplete);
    EXPECT_EQ(with("X-Amz-Expires=60", "X-Amz-Expires=-1"), kIncomplete);
    EXPECT_EQ(with("X-Amz-Expires=60", "X-Amz-Expires"), kIncomplete);
    EXPECT_EQ(with("X-Amz-Expires=60", "X-Amz-Expires=60&X-Amz-Expires=60"), kIncomplete);
    EXPECT_EQ(with("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"), kIncomplete);
    EXPECT_EQ(with("%2Faws4_request", "%2Faws4_requests"), kIncomplete);
    EXPECT_EQ(with("X-Amz-Signature=", "X-Amz-Signature=A"), kIncomplete);
    EXPECT_EQ(with("&X-Amz-Date=20260101T000000Z", ""), kIncomplete);
    EXPECT_EQ(with("X-Amz-SignedHeaders=content-type%3Bhost", "X-Amz-SignedHeaders=host"), kInvalid);
    auto both = presigned();
    both.headers.push_back({"authorization", "AWS4-HMAC-SHA256 x"});
    EXPECT_EQ(verify(both), kIncomplete);
    auto two_tokens = presigned();
    two_tokens.headers.push_back({"x-amz-security-token", "t"});
    EXPECT_EQ(verify(two_tokens), kIncomplete);
}

TEST(SigV4, presigning_refuses_what_it_could_not_verify) {
    auto again = presigned();
    EXPECT_FALSE(presign_sigv4(again, test_credentials(), make_options(), kNow, 60));
    for (const std::int64_t seconds : {std::int64_t{-1}, std::int64_t{0}, std::int64_t{604'801}}) {
        auto request = make_request();
        EXPECT_FALSE(presign_sigv4(request, test_credentials(), make_options(), kNow, seconds)) << seconds;
    }
}

TEST(SigV4, signs_all_but_what_proxies_change) {
    auto request = make_request();
    for (const char* name : {"connection", "expect", "transfer-encoding", "x-amzn-trace-id"})
        request.headers.push_back({name, "x"});
    request = signed_request(make_options(), kNow, request);
    EXPECT_NE(request.header("authorization")
                  .find("SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;"
                        "x-amz-security-token;x-amz-target, "),
              std::string_view::npos)
        << request.header("authorization");
    for (auto& [name, value] : request.headers)
        if (name == "user-agent" || value == "x")
            value = "changed";
    EXPECT_EQ(verify(request), "ok");
}

TEST(SigV4, verifies_without_a_token_and_without_the_content_header) {
    auto options = make_options();
    options.sign_body_header = false;
    const auto request = signed_request(options, kNow, make_request(), false);
    EXPECT_EQ(request.count("x-amz-security-token"), 0u);
    EXPECT_EQ(request.count("x-amz-content-sha256"), 0u);
    EXPECT_EQ(verify(request), "ok");
}

TEST(SigV4, verifies_what_a_server_parsed) {
    auto request = make_request();
    request.path = "/a/b%20c";
    request.query = "z=%2F&a=1&b";
    request.has_query = true;
    request.target = request.path + "?" + request.query;
    request = signed_request(make_options(), kNow, request);
    net::HttpParser parser(net::HttpParser::Kind::Request);
    const Bytes wire = net::serialise_request(request);
    ASSERT_EQ(parser.feed(wire).value(), wire.size());
    ASSERT_TRUE(parser.done());
    EXPECT_EQ(verify(parser.take_request()), "ok");
}

TEST(SigV4, accepts_a_signed_content_length_as_the_nitro_enclaves_sdk_sends_it) {
    auto request = make_request();
    request.headers.push_back({"content-length", std::to_string(request.body.size())});
    request = signed_request(make_options(), kNow, request);
    EXPECT_EQ(verify(request), "ok");
    erase_if(request.headers, [](const net::Header& one) { return one.name == "content-length"; });
    EXPECT_EQ(verify(request), "ok");
    request.headers.push_back({"content-length", "99"});
    EXPECT_EQ(verify(request), kInvalid);
}

TEST(SigV4, no_signed_part_can_be_changed) {
    const auto good = signed_request();
    const std::function<void(net::HttpRequest&)> changes[] = {
        [](auto& r) { r.method = "GET"; },
        [](auto& r) { r.target = r.path = "/x"; },
        [](auto& r) {
            r.query = "a=b";
            r.has_query = true;
            r.target = "/?a=b";
        },
        [](auto& r) { r.authority = "kms.us-east-2.amazonaws.com"; },
        [](auto& r) { header(r, "x-amz-target") = "TrentService.Encrypt"; },
        [](auto& r) { header(r, "content-type") = "application/x-amz-json-1.0"; },
        [](auto& r) { header(r, "x-amz-date") = "20260101T000001Z"; },
        [](auto& r) { r.body.push_back(' '); },
        [](auto& r) { r.body[0] ^= 1; },
        [](auto& r) { header(r, "x-amz-content-sha256") = "UNSIGNED-PAYLOAD"; },
        [](auto& r) { header(r, "x-amz-content-sha256").clear(); },
        [](auto& r) { header(r, "x-amz-content-sha256")[0] ^= 1; },
        [](auto& r) {
            r.body.push_back(' ');
            header(r, "x-amz-content-sha256") =
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        },
        [](auto& r) { replace(header(r, "authorization"), "us-east-1", "us-east-2"); },
        [](auto& r) { replace(header(r, "authorization"), "/kms/", "/s3/"); },
        [](auto& r) { erase_if(r.headers, [](auto& h) { return h.name == "x-amz-target"; }); },
        [](auto& r) {
            r.headers.push_back({"content-type", "text/plain"});
        },
    };
    for (std::size_t i = 0; i < std::size(changes); ++i) {
        auto request = good;
        changes[i](request);
        EXPECT_EQ(verify(request), kInvalid) << "change " << i;
    }
}

TEST(SigV4, no_digit_of_the_signature_can_be_changed) {
    const auto good = signed_request();
    const auto at = good.header("authorization").find("Signature=") + 10;
    for (std::size_t i = 0; i < 64; ++i) {
        auto request = good;
        char& digit = header(request, "authorization")[at + i];
        digit = digit == '0' ? '1' : '0';
        EXPECT_EQ(verify(request), kInvalid) << i;
    }
}

TEST(SigV4, every_amz_header_and_the_content_type_must_be_signed) {
    auto request = signed_request();
    request.headers.push_back({"x-amz-anything", "added on the way"});
    EXPECT_EQ(verify(request), kInvalid);

    auto options = make_options();
    options.omit_session_token = true;
    EXPECT_EQ(verify(signed_request(options)), kInvalid);

    // The same headers, signed without one of them: removed before signing, added after.
    for (const char* name : {"content-type", "x-amz-target"}) {
        auto one = make_request();
        const std::string value(one.header(name));
        erase_if(one.headers, [&](const net::Header& h) { return h.name == name; });
        one = signed_request(make_options(), kNow, one);
        EXPECT_EQ(verify(one), "ok");
        one.headers.push_back({name, value});
        EXPECT_EQ(verify(one), kInvalid) << name;
    }
}

TEST(SigV4, no_amz_header_may_come_twice) {
    for (const char* name : {"x-amz-date", "x-amz-target", "x-amz-security-token", "x-amz-content-sha256"}) {
        auto request = signed_request();
        request.headers.push_back({name, std::string(request.header(name))});
        EXPECT_EQ(verify(request), kInvalid) << name;
    }
    auto twice = make_request();
    twice.headers.push_back({"x-amz-target", "TrentService.Encrypt"});
    EXPECT_EQ(verify(signed_request(make_options(), kNow, twice)), kInvalid);
}

TEST(SigV4, the_authorization_header_is_read_strictly) {
    const auto good = signed_request();
    const std::string value(good.header("authorization"));
    auto with = [&](std::string text) {
        auto request = good;
        header(request, "authorization") = std::move(text);
        return verify(request);
    };
    const auto changed = [&](std::string_view what, std::string_view by) {
        std::string text = value;
        replace(text, what, by);
        return with(text);
    };
    EXPECT_EQ(with(value), "ok");
    EXPECT_EQ(changed(", SignedHeaders", ",SignedHeaders"), "ok");
    EXPECT_EQ(with(""), kIncomplete);
    EXPECT_EQ(with("Bearer x"), kIncomplete);
    EXPECT_EQ(with(value + ","), kIncomplete);
    EXPECT_EQ(with(value + ", Extra=1"), kIncomplete);
    EXPECT_EQ(with(value + value.substr(value.find(", Signature="))), kIncomplete);
    EXPECT_EQ(with(value.substr(0, value.find(", Signature="))), kIncomplete);
    EXPECT_EQ(with(std::string(9000, 'x')), kIncomplete);
    EXPECT_EQ(changed("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512"), kIncomplete);
    EXPECT_EQ(changed("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256"), kIncomplete);
    EXPECT_EQ(changed("Credential=", "credential="), kIncomplete);
    EXPECT_EQ(changed("/aws4_request", ""), kIncomplete);
    EXPECT_EQ(changed("/aws4_request", "/aws5_request"), kIncomplete);
    EXPECT_EQ(changed("/aws4_request", "/aws4_request/x"), kIncomplete);
    EXPECT_EQ(changed("/us-east-1/", "//"), kIncomplete);
    EXPECT_EQ(changed("SignedHeaders=content-type", "SignedHeaders=Content-Type"), kIncomplete);
    EXPECT_EQ(changed("content-type;host", "host;content-type"), kIncomplete);
    EXPECT_EQ(changed("content-type;host", "content-type;host;host"), kIncomplete);
    EXPECT_EQ(changed("content-type;host", "content-type;;host"), kIncomplete);
    EXPECT_EQ(changed("content-type;host", "content-type;host;missing"), kInvalid);
    EXPECT_EQ(changed("content-type;host", "content-type"), kInvalid);
    EXPECT_EQ(with(value + "0"), kIncomplete);
    EXPECT_EQ(with(value.substr(0, value.size() - 1)), kIncomplete);
    std::string capitals = value;
    for (std::size_t i = capitals.find("Signature="); i < capitals.size(); ++i)
        if (capitals[i] >= 'a' && capitals[i] <= 'f' && capitals[i - 1] != 'S')
            capitals[i] = static_cast<char>(capitals[i] - 'a' + 'A');
    EXPECT_EQ(with(capitals), kIncomplete);

    auto none = good;
    erase_if(none.headers, [](const net::Header& h) { return h.name == "authorization"; });
    EXPECT_EQ(verify(none), "MissingAuthenticationTokenException");
    auto two = good;
    two.headers.push_back({"authorization", value});
    EXPECT_EQ(verify(two), kIncomplete);
}

TEST(SigV4, the_date_may_be_five_minutes_off_and_no_more) {
    const auto request = signed_request();
    constexpr UnixMs kFive = 5 * 60 * 1000;
    EXPECT_EQ(verify(request, kNow + kFive), "ok");
    EXPECT_EQ(verify(request, kNow - kFive), "ok");
    EXPECT_EQ(verify(request, kNow + kFive + 1), kInvalid);
    EXPECT_EQ(verify(request, kNow - kFive - 1), kInvalid);
    const auto expired = verify_sigv4(request, look_up, kNow + kFive + 1000);
    ASSERT_FALSE(expired);
    EXPECT_EQ(
        expired.error().message,
        "Signature expired: 20260101T000000Z is now earlier than 20260101T000001Z (20260101T000501Z - 5 "
        "min.)");
    const auto early = verify_sigv4(request, look_up, kNow - kFive - 1000);
    ASSERT_FALSE(early);
    EXPECT_EQ(early.error().message,
              "Signature not yet current: 20260101T000000Z is still later than 20251231T235959Z "
              "(20251231T235459Z + 5 min.)");
}

TEST(SigV4, the_scopes_date_must_be_the_requests) {
    auto request = signed_request();
    replace(header(request, "authorization"), "/20260101/", "/20251231/");
    const auto identity = verify_sigv4(request, look_up, kNow);
    ASSERT_FALSE(identity);
    EXPECT_EQ(identity.error().type, kInvalid);
    EXPECT_NE(identity.error().message.find("'20251231' != '20260101'"), std::string::npos);
}

TEST(SigV4, a_date_must_be_there_and_well_formed) {
    for (const char* date : {"", "2026-01-01T00:00:00Z", "20260101T000000", "20261301T000000Z",
                             "Thu, 01 Jan 2026 00:00:00 GMT"}) {
        auto request = signed_request();
        header(request, "x-amz-date") = date;
        EXPECT_EQ(verify(request), kIncomplete) << date;
    }
}

// Clients in use send X-Amz-Date; a Date in the same form is as good, if it is signed.
TEST(SigV4, a_signed_date_header_stands_in_for_the_amz_date) {
    const Credentials credentials = test_credentials();
    const auto with_headers = [&](const std::string& signed_headers) {
        net::HttpRequest request = make_request();
        request.headers = {{"date", "20260101T000000Z"}};
        const std::string canonical = sigv4_canonical_request(request, signed_headers, make_options(),
                                                              to_hex(crypto::sha256(request.body)));
        const std::string scope = sigv4_scope("20260101", "us-east-1", "kms");
        const auto signature = sigv4_signature(credentials.secret_access_key, "20260101", "us-east-1", "kms",
                                               sigv4_string_to_sign("20260101T000000Z", scope, canonical));
        request.headers.push_back(
            {"authorization", "AWS4-HMAC-SHA256 Credential=" + credentials.access_key_id + "/" + scope +
                                  ", SignedHeaders=" + signed_headers + ", Signature=" + to_hex(signature)});
        return request;
    };
    EXPECT_EQ(verify(with_headers("date;host")), "ok");
    EXPECT_EQ(verify(with_headers("date;host"), kNow + 400'000), kInvalid);
    EXPECT_EQ(verify(with_headers("host")), kIncomplete);
    auto two = with_headers("date;host");
    two.headers.push_back({"date", "20260101T000000Z"});
    EXPECT_EQ(verify(two), kIncomplete);
}

TEST(SigV4, unknown_callers_are_told_what_the_look_up_says) {
    auto request = signed_request();
    replace(header(request, "authorization"), "ASIA", "AKIA");
    EXPECT_EQ(verify(request), "UnrecognizedClientException");
    auto other = signed_request();
    header(other, "x-amz-security-token") += "x";
    EXPECT_EQ(verify(other), "UnrecognizedClientException");
    const auto no_secret = verify_sigv4(
        signed_request(), [](const auto&, auto) -> std::expected<Secret, SigV4Failure> { return Secret(); },
        kNow);
    ASSERT_FALSE(no_secret);
    EXPECT_EQ(no_secret.error().type, "UnrecognizedClientException");
    const auto other_secret = verify_sigv4(
        signed_request(),
        [](const auto&, auto) -> std::expected<Secret, SigV4Failure> {
            return Secret::copy_of(as_bytes("another"));
        },
        kNow);
    ASSERT_FALSE(other_secret);
    EXPECT_EQ(other_secret.error().type, kInvalid);
}

TEST(SigV4, signing_refuses_what_cannot_be_signed_unambiguously) {
    const std::function<void(net::HttpRequest&)> changes[] = {
        [](auto& r) { r.method.clear(); },
        [](auto& r) { r.target = r.path = ""; },
        [](auto& r) { r.target = r.path = "x"; },
        [](auto& r) { r.target = "/other"; },
        [](auto& r) { r.query = "a=b"; },
        [](auto& r) { r.target = r.path = "/%"; },
        [](auto& r) { r.target = r.path = "/%2"; },
        [](auto& r) { r.target = r.path = "/%zz"; },
        [](auto& r) { r.authority.clear(); },
        [](auto& r) { r.authority = "a b"; },
        [](auto& r) { r.authority = "a\r\nx:y"; },
        [](auto& r) {
            r.headers.push_back({"Upper", "x"});
        },
        [](auto& r) {
            r.headers.push_back({"", "x"});
        },
        [](auto& r) {
            r.headers.push_back({"a b", "x"});
        },
        [](auto& r) {
            r.headers.push_back({"x", "a\nb"});
        },
        [](auto& r) {
            r.headers.push_back({"x-amz-date", "x"});
        },
        [](auto& r) {
            r.headers.push_back({"x-amz-content-sha256", "x"});
        },
        [](auto& r) {
            r.headers.push_back({"x-amz-security-token", "x"});
        },
        [](auto& r) {
            r.headers.push_back({"authorization", "x"});
        },
    };
    for (std::size_t i = 0; i < std::size(changes); ++i) {
        auto request = make_request();
        changes[i](request);
        const auto before = request.headers.size();
        const auto result = sign_sigv4(request, test_credentials(), make_options(), kNow);
        ASSERT_FALSE(result) << "change " << i;
        EXPECT_EQ(result.error().code, Code::InvalidField) << i;
        EXPECT_EQ(request.headers.size(), before) << i;
    }
    auto request = signed_request();
    EXPECT_FALSE(sign_sigv4(request, test_credentials(), make_options(), kNow)); // twice
}

TEST(SigV4, signing_refuses_credentials_and_scopes_that_could_be_mistaken) {
    const std::function<void(Credentials&, SigV4Options&)> changes[] = {
        [](auto& c, auto&) { c.access_key_id.clear(); },
        [](auto& c, auto&) { c.access_key_id = "A/B"; },
        [](auto& c, auto&) { c.access_key_id = "A, B"; },
        [](auto& c, auto&) { c.secret_access_key.wipe(); },
        [](auto& c, auto&) { c.session_token = Secret::copy_of(as_bytes("a\r\nx: y")); },
        [](auto&, auto& o) { o.region.clear(); },
        [](auto&, auto& o) { o.service = "a/b"; },
    };
    for (std::size_t i = 0; i < std::size(changes); ++i) {
        auto credentials = test_credentials();
        auto options = make_options();
        changes[i](credentials, options);
        auto request = make_request();
        const auto result = sign_sigv4(request, credentials, options, kNow);
        ASSERT_FALSE(result) << i;
        EXPECT_EQ(result.error().code, Code::InvalidField) << i;
    }
}

std::string canonical(const std::string& path, const std::string& query, bool normalise) {
    net::HttpRequest request;
    request.method = "GET";
    request.path = path;
    request.query = query;
    request.authority = "h";
    SigV4Options options;
    options.normalise_path = normalise;
    const std::string all = sigv4_canonical_request(request, "host", options, "-");
    return all.substr(4, all.find("\nhost:") - 4);
}

TEST(SigV4, a_path_is_normalised_and_encoded_again_except_for_s3) {
    EXPECT_EQ(canonical("/a%20b", "", true), "/a%2520b\n");
    EXPECT_EQ(canonical("/a%20b", "", false), "/a%20b\n");
    EXPECT_EQ(canonical("/a b", "", false), "/a%20b\n");
    EXPECT_EQ(canonical("/../..", "", true), "/\n");
    EXPECT_EQ(canonical("/a/../../b/./c//d/", "", true), "/b/c/d/\n");
    EXPECT_EQ(canonical("/a/../b//", "", false), "/a/../b//\n");
    EXPECT_EQ(canonical("/a:b*c", "", true), "/a%3Ab%2Ac\n");
}

TEST(SigV4, a_query_is_sorted_by_encoded_name_then_value) {
    EXPECT_EQ(canonical("/", "b=2&a=1", true), "/\na=1&b=2");
    EXPECT_EQ(canonical("/", "a=2&a=1&a", true), "/\na=&a=1&a=2");
    EXPECT_EQ(canonical("/", "a-b=1&a=2", true), "/\na=2&a-b=1"); // by name, not by "a=2" and "a-b=1"
    EXPECT_EQ(canonical("/", "%61=%7e&b=%2f", true), "/\na=~&b=%2F");
    EXPECT_EQ(canonical("/", "a=b=c&&", true), "/\na=b%3Dc");
    EXPECT_EQ(canonical("/", "a+b=c d", true), "/\na%2Bb=c%20d");
}

} // namespace
} // namespace redoubt::aws::tests
