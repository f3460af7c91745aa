// SPDX-License-Identifier: Apache-2.0
#include "devcloud/imds.h"

#include "base/cursor.h"
#include "base/json.h"
#include "base/log.h"
#include "crypto/hash.h"
#include "devcloud/session_issue.h"

#include <charconv>

namespace redoubt::devcloud {

namespace {

constexpr std::string_view kTokenPath = "/latest/api/token";
constexpr std::string_view kMetadata = "/latest/meta-data/";
constexpr std::string_view kCredentials = "iam/security-credentials";
constexpr std::string_view kTtlHeader = "x-aws-ec2-metadata-token-ttl-seconds";
constexpr std::string_view kTokenHeader = "x-aws-ec2-metadata-token";
constexpr int kMaxTtlSeconds = 21'600;

// IMDS answers its errors with an XHTML page.
net::HttpResponse page(int status, std::string_view title) {
    net::HttpResponse response;
    response.status = status;
    response.headers.push_back({"content-type", "text/html"});
    const std::string text(title);
    response.body =
        to_bytes("<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n<html "
                 "xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\" lang=\"en\">\n <head>\n  "
                 "<title>" +
                 std::to_string(status) + " - " + text + "</title>\n </head>\n <body>\n  <h1>" +
                 std::to_string(status) + " - " + text + "</h1>\n </body>\n</html>\n");
    return response;
}

net::HttpResponse plain(std::string_view body) {
    net::HttpResponse response;
    response.headers.push_back({"content-type", "text/plain"});
    response.body = to_bytes(body);
    return response;
}

// A token is base64(expiry in ms, 8 bytes ‖ 16 random bytes ‖ HMAC-SHA-256 of both): nothing to remember.
std::string make_token(Cloud& cloud, UnixMs expires) {
    Bytes token;
    Writer(token).u64(static_cast<std::uint64_t>(expires)).bytes(cloud.random.array<16>());
    append(token, crypto::hmac_sha256(cloud.settings.imds_token_key, token));
    return to_base64(token);
}

bool token_is_good(const Cloud& cloud, std::string_view text, UnixMs now) {
    const auto token = from_base64(text);
    if (!token || token->size() != 8 + 16 + 32)
        return false;
    const auto signed_part = ByteView(*token).first(24);
    if (!equal_constant_time(crypto::hmac_sha256(cloud.settings.imds_token_key, signed_part),
                             ByteView(*token).subspan(24)))
        return false;
    return static_cast<UnixMs>(Cursor(signed_part).u64()) > now;
}

net::HttpResponse put_token(Cloud& cloud, const net::HttpRequest& request) {
    // A request that a proxy or a browser forwarded gets no token (AWS, "How IMDSv2 works").
    if (request.count("x-forwarded-for") > 0)
        return page(403, "Forbidden");
    const auto text = request.header(kTtlHeader);
    int ttl = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), ttl);
    if (request.count(kTtlHeader) != 1 || error != std::errc{} || rest != text.data() + text.size() ||
        ttl < 1 || ttl > kMaxTtlSeconds)
        return page(400, "Bad Request");
    auto response = plain(make_token(cloud, cloud.now() + ttl * UnixMs{1000}));
    response.headers.push_back({std::string(kTtlHeader), std::to_string(ttl)});
    return response;
}

net::HttpResponse role_credentials(Cloud& cloud, UnixMs now) {
    const auto& settings = cloud.settings;
    const auto session =
        metadata_session(cloud, {settings.account, settings.instance_role, std::string(kInstanceId)}, now);
    if (!session) {
        log(LogLevel::Error, "devcloud_failure", {{"error", session.error().describe()}});
        return page(500, "Internal Server Error");
    }
    std::string body;
    json::Writer(body)
        .begin_object()
        .member("Code", "Success")
        .member("LastUpdated", to_iso8601(session->created))
        .member("Type", "AWS-HMAC")
        .member("AccessKeyId", session->access_key_id)
        .member("SecretAccessKey", session->secret_access_key.text(SecretAccess("IMDS hands it out")))
        .member("Token", session->token.text(SecretAccess("IMDS hands it out")))
        .member("Expiration", to_iso8601(session->expires))
        .end_object();
    auto response = plain(body);
    wipe(body);
    return response;
}

std::string_view title_of(int status) {
    switch (status) {
    case 429:
        return "Too Many Requests";
    case 503:
        return "Service Unavailable";
    default:
        return "Internal Server Error";
    }
}

} // namespace

net::HttpResponse imds_error(int status) {
    return page(status, title_of(status));
}

net::HttpResponse imds_failed_code(UnixMs now) {
    std::string body;
    json::Writer(body)
        .begin_object()
        .member("Code", "Failed")
        .member("Message", "devcloud fails on demand")
        .member("LastUpdated", to_iso8601(now))
        .end_object();
    return plain(body);
}

net::HttpResponse serve_imds(Cloud& cloud, const net::HttpRequest& request) {
    if (request.path == kTokenPath)
        return request.method == "PUT" ? put_token(cloud, request) : page(405, "Not Allowed");
    if (request.method != "GET")
        return page(405, "Not Allowed");
    const auto now = cloud.now();
    if (request.count(kTokenHeader) != 1 || !token_is_good(cloud, request.header(kTokenHeader), now))
        return page(401, "Unauthorized");

    std::string_view path = request.path;
    if (!path.starts_with(kMetadata))
        return page(404, "Not Found");
    path.remove_prefix(kMetadata.size());
    if (path == "instance-id")
        return plain(kInstanceId);
    if (path == "placement/region")
        return plain(cloud.settings.region);
    if (!path.starts_with(kCredentials))
        return page(404, "Not Found");
    path.remove_prefix(kCredentials.size());
    if (path.empty() || path == "/")
        return plain(cloud.settings.instance_role);
    if (path.substr(1) == cloud.settings.instance_role && path[0] == '/')
        return role_credentials(cloud, now);
    return page(404, "Not Found");
}

} // namespace redoubt::devcloud
