// SPDX-License-Identifier: Apache-2.0
#include "aws/host_credentials.h"

#include "base/json.h"

#include <algorithm>
#include <cstdlib>

namespace redoubt::aws {

namespace {

constexpr std::string_view kTokenPath = "/latest/api/token";
constexpr std::string_view kRolePath = "/latest/meta-data/iam/security-credentials/";
constexpr std::string_view kTtlHeader = "x-aws-ec2-metadata-token-ttl-seconds";
constexpr std::string_view kTokenHeader = "x-aws-ec2-metadata-token";
constexpr std::string_view kTtlSeconds = "60"; // for the two requests that follow

constexpr std::size_t kMaxToken = 4096;
constexpr std::size_t kMaxRole = 64; // IAM: role names
constexpr std::size_t kMaxKeyId = 128;
constexpr std::size_t kMaxSecretKey = 1024;
constexpr std::size_t kMaxSessionToken = 16 * 1024; // AWS gives no limit; today's have about 1 KiB
constexpr std::size_t kMaxQuoted = 256;

constexpr net::HttpLimits kReplyLimits{
    .request_line = 1024, .header_bytes = 16 * 1024, .headers = 64, .body = 32 * 1024};

// Visible ASCII: what may stand in a header.
bool is_visible(std::string_view text, std::size_t limit) noexcept {
    return !text.empty() && text.size() <= limit &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

bool is_role_name(std::string_view text) noexcept {
    constexpr std::string_view kMarks = "_+=,.@-";
    return !text.empty() && text.size() <= kMaxRole && std::all_of(text.begin(), text.end(), [&](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               kMarks.find(c) != kMarks.npos;
    });
}

// A refusal's status and the beginning of its body, for the log.
std::string quote(const net::HttpResponse& response) {
    std::string out = "status " + std::to_string(response.status);
    const auto body = as_text(response.body).substr(0, kMaxQuoted);
    if (!body.empty())
        out += ": ";
    for (const char c : body)
        out += c >= 0x20 && c < 0x7f ? c : ' ';
    return out;
}

// The requests of one exchange, on one connection and under one deadline.
class Exchange {
  public:
    Exchange(const net::Url& url, int timeout_ms)
        : authority_(url.authority()), client_(endpoint_of(url), nullptr, url.host, kReplyLimits),
          deadline_(monotonic_ms() + timeout_ms) {}
    ~Exchange() { wipe(token_); }
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;

    Status get_token() {
        REDOUBT_TRY(auto response,
                    send("PUT", std::string(kTokenPath), kTtlHeader, std::string(kTtlSeconds)));
        // No falling back to IMDSv1, which anything that can make the host send a GET could read.
        if (response.status != 200)
            return fail(Code::AwsRefused, "IMDS gives no IMDSv2 token; enable IMDSv2 on the instance",
                        quote(response));
        token_ = as_text(response.body);
        wipe(response.body);
        if (!is_visible(token_, kMaxToken))
            return fail(Code::AwsRefused, "IMDS's token is not well formed");
        return {};
    }
    // The body of a 200 answer; the caller wipes it.
    Result<Bytes> get(std::string path, FixedText refusal) {
        REDOUBT_TRY(auto response, send("GET", std::move(path), kTokenHeader, token_));
        if (response.status != 200)
            return fail(Code::AwsRefused, refusal, quote(response));
        return std::move(response.body);
    }

  private:
    static net::Endpoint endpoint_of(const net::Url& url) {
        net::Endpoint endpoint;
        endpoint.kind = net::Endpoint::Kind::Tcp;
        endpoint.host = url.host;
        endpoint.port = url.port;
        return endpoint;
    }
    Result<net::HttpResponse> send(std::string method, std::string path, std::string_view header,
                                   std::string value) {
        const auto left = deadline_ - monotonic_ms();
        if (left <= 0)
            return fail(Code::AwsUnavailable, "IMDS did not answer in time");
        net::HttpRequest request;
        request.method = std::move(method);
        request.target = request.path = std::move(path);
        request.authority = authority_;
        request.headers.push_back({std::string(header), std::move(value)});
        auto response = client_.send(request, static_cast<int>(left));
        wipe(request.headers.front().value);
        if (response)
            return response;
        client_.close();
        return fail(Code::AwsUnavailable, "IMDS cannot be reached", response.error().describe());
    }

    std::string authority_;
    net::HttpClient client_;
    std::int64_t deadline_;
    std::string token_;
};

Result<Credentials> read_credentials(std::string_view body, UnixMs now) {
    json::Document document;
    const auto root = document.parse(body, {.bytes = 32 * 1024, .depth = 4, .values = 64});
    if (!root || !root->is_object())
        return fail(Code::AwsRefused, "IMDS's credentials are not the JSON object that they should be");
    const auto text = [&](std::string_view name) {
        const auto value = root->get(name);
        return value && value->is_string() ? value->text() : std::string_view();
    };
    if (const auto code = text("Code"); code != "Success")
        return fail(Code::AwsRefused, "IMDS has no credentials for the role",
                    is_visible(code, kMaxQuoted) ? "Code " + std::string(code) : "");
    const auto key_id = text("AccessKeyId"), secret = text("SecretAccessKey"), token = text("Token");
    const auto expires = from_iso8601(text("Expiration"));
    if (!is_visible(key_id, kMaxKeyId) || !is_visible(secret, kMaxSecretKey) ||
        !is_visible(token, kMaxSessionToken) || !expires)
        return fail(Code::AwsRefused, "IMDS's credentials are not complete");
    if (*expires <= now)
        return fail(Code::AwsRefused, "IMDS gave credentials that have expired",
                    "Expiration " + to_iso8601(*expires));
    Credentials out;
    out.access_key_id = key_id;
    out.secret_access_key = Secret::copy_of(as_bytes(secret));
    out.session_token = Secret::copy_of(as_bytes(token));
    out.expires = *expires;
    return out;
}

std::string_view from_environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string_view() : std::string_view(value);
}

} // namespace

Result<Credentials> fetch_imds_credentials(const std::string& endpoint, int timeout_ms) {
    REDOUBT_TRY(const net::Url url, net::parse_url(endpoint));
    if (url.tls)
        return fail(Code::Usage, "IMDS is reached over http", endpoint);
    Exchange exchange(url, timeout_ms);
    REDOUBT_CHECK(exchange.get_token());
    REDOUBT_TRY(const Bytes role, exchange.get(std::string(kRolePath),
                                               "IMDS knows no role; attach an IAM role to the instance"));
    if (!is_role_name(as_text(role)))
        return fail(Code::AwsRefused, "IMDS's answer is not the name of a role");
    REDOUBT_TRY(Bytes body, exchange.get(std::string(kRolePath).append(as_text(role)),
                                         "IMDS gives no credentials for the instance's role"));
    auto credentials = read_credentials(as_text(body), system_time_ms());
    wipe(body);
    return credentials;
}

Result<Credentials> credentials_from_environment() {
    const auto key_id = from_environment("AWS_ACCESS_KEY_ID");
    const auto secret = from_environment("AWS_SECRET_ACCESS_KEY");
    const auto token = from_environment("AWS_SESSION_TOKEN");
    if (!is_visible(key_id, kMaxKeyId) || !is_visible(secret, kMaxSecretKey) ||
        (!token.empty() && !is_visible(token, kMaxSessionToken)))
        return fail(Code::CredentialsMissing,
                    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN for a role)");
    Credentials out;
    out.access_key_id = key_id;
    out.secret_access_key = Secret::copy_of(as_bytes(secret));
    out.session_token = Secret::copy_of(as_bytes(token));
    return out;
}

} // namespace redoubt::aws
