// SPDX-License-Identifier: Apache-2.0
#include "aws/imds_credentials.h"

#include <algorithm>

namespace redoubt::aws {

namespace {

constexpr std::string_view kTokenPath = "/latest/api/token";
constexpr std::string_view kRolePath = "/latest/meta-data/iam/security-credentials/";
constexpr std::string_view kTtlHeader = "x-aws-ec2-metadata-token-ttl-seconds";
constexpr std::string_view kTokenHeader = "x-aws-ec2-metadata-token";
constexpr std::string_view kTtlSeconds = "60"; // for the two requests that follow

constexpr std::size_t kMaxToken = 4096;
constexpr std::size_t kMaxRole = 64; // IAM: role names

bool is_role_name(std::string_view text) noexcept {
    constexpr std::string_view kMarks = "_+=,.@-";
    return !text.empty() && text.size() <= kMaxRole && std::all_of(text.begin(), text.end(), [&](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               kMarks.find(c) != kMarks.npos;
    });
}

class Imds {
  public:
    Imds(const net::Url& url, int timeout_ms) : exchange_(url, nullptr, timeout_ms) {}
    ~Imds() { wipe(token_); }
    Imds(const Imds&) = delete;
    Imds& operator=(const Imds&) = delete;

    Status get_token() {
        REDOUBT_TRY(auto response,
                    send("PUT", std::string(kTokenPath), kTtlHeader, std::string(kTtlSeconds)));
        // No falling back to IMDSv1, which anything that can make the host send a GET could read.
        if (response.status != 200)
            return fail(Code::AwsRefused, "IMDS gives no IMDSv2 token; enable IMDSv2 on the instance",
                        status_context(response));
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
            return fail(Code::AwsRefused, refusal, status_context(response));
        return std::move(response.body);
    }

  private:
    Result<net::HttpResponse> send(std::string method, std::string path, std::string_view header,
                                   std::string value) {
        net::HttpRequest request;
        request.method = std::move(method);
        request.target = request.path = std::move(path);
        request.headers.push_back({std::string(header), std::move(value)});
        return exchange_.send(std::move(request));
    }

    CredentialExchange exchange_;
    std::string token_;
};

} // namespace

Result<Credentials> fetch_imds_credentials(const std::string& endpoint, int timeout_ms) {
    REDOUBT_TRY(const net::Url url, net::parse_url(endpoint));
    if (url.tls)
        return fail(Code::Usage, "IMDS is reached over http", endpoint);
    Imds imds(url, timeout_ms);
    REDOUBT_CHECK(imds.get_token());
    REDOUBT_TRY(const Bytes role,
                imds.get(std::string(kRolePath), "IMDS knows no role; attach an IAM role to the instance"));
    if (!is_role_name(as_text(role)))
        return fail(Code::AwsRefused, "IMDS's answer is not the name of a role");
    REDOUBT_TRY(Bytes body, imds.get(std::string(kRolePath).append(as_text(role)),
                                     "IMDS gives no credentials for the instance's role"));
    auto credentials = read_credentials_json(as_text(body), true, system_time_ms());
    wipe(body);
    return credentials;
}

} // namespace redoubt::aws
