// SPDX-License-Identifier: Apache-2.0
#include "aws/secrets_client.h"

#include "aws/error_type.h"
#include "aws/sigv4.h"
#include "base/json.h"

namespace redoubt::aws {

namespace {

// AWS Secrets Manager API Reference, GetSecretValue: SecretId 1 … 2048, SecretString and SecretBinary up to
// 65536 bytes; escaping a string can make it six times as long.
constexpr std::size_t kMaxSecretId = 2048;
constexpr std::size_t kMaxSecret = 65'536;
constexpr std::size_t kMaxReply = 6 * kMaxSecret + 8 * 1024;

constexpr net::HttpLimits kReplyLimits{
    .request_line = 1024, .header_bytes = 16 * 1024, .headers = 64, .body = kMaxReply};

std::unexpected<Error> connection_failed(Error error) {
    if (error.code == Code::BadRequest || error.code == Code::TooLarge || error.code == Code::HeadersTooLarge)
        return fail(Code::AwsRefused, "Secrets Manager's answer is malformed or too large",
                    std::move(error.context));
    return fail(Code::AwsUnavailable, "Secrets Manager cannot be reached", error.describe());
}

std::unexpected<Error> service_error(const net::HttpResponse& response) {
    std::string type = aws_error_type(response);
    switch (aws_error_kind(response, type)) {
    case ErrorKind::Missing:
        return fail(Code::SecretMissing, "Secrets Manager has no such secret", std::move(type));
    case ErrorKind::Expired:
        return fail(Code::CredentialsExpired, "the AWS credentials have expired or are no longer known",
                    std::move(type));
    case ErrorKind::Throttled:
        return fail(Code::AwsUnavailable, "Secrets Manager asks for fewer requests", std::move(type));
    case ErrorKind::Denied:
        return fail(Code::AwsRefused, "Secrets Manager denies access to the secret; check the role's policy",
                    std::move(type));
    case ErrorKind::Other:
        break;
    }
    if (response.status >= 500)
        return fail(Code::AwsUnavailable, "Secrets Manager has an internal failure", std::move(type));
    return fail(Code::AwsRefused, "Secrets Manager refused the request",
                "status " + std::to_string(response.status) + (type.empty() ? "" : ", " + type));
}

Result<Bytes> read_reply(const net::HttpResponse& response) {
    if (response.status != 200)
        return service_error(response);
    json::Document document;
    const auto root = document.parse(as_text(response.body), {.bytes = kMaxReply, .depth = 8, .values = 256});
    const auto string = root ? root->get("SecretString") : std::nullopt;
    const auto binary = root ? root->get("SecretBinary") : std::nullopt;
    const bool has_string = string && string->is_string();
    const bool has_binary = binary && binary->is_string();
    if (has_string == has_binary)
        return fail(Code::AwsRefused, "Secrets Manager's answer has not exactly one value");
    auto value = has_string ? std::optional(to_bytes(string->text())) : from_base64(binary->text());
    if (!value || value->empty() || value->size() > kMaxSecret)
        return fail(Code::AwsRefused, "Secrets Manager's answer has a value that it cannot have");
    return std::move(*value);
}

} // namespace

SecretsClient::SecretsClient(std::string endpoint, std::string region, const net::TlsContext* tls,
                             int timeout_ms)
    : endpoint_(std::move(endpoint)), region_(std::move(region)), tls_(tls), timeout_ms_(timeout_ms) {}

Result<Bytes> SecretsClient::get_secret_value(const std::string& secret_id, const Credentials& credentials) {
    if (secret_id.empty() || secret_id.size() > kMaxSecretId)
        return fail(Code::SecretMissing, "a secret's name has 1 to 2048 characters");
    REDOUBT_TRY(const net::Url url, net::parse_url(endpoint_));
    if (url.tls && tls_ == nullptr)
        return fail(Code::Usage, "an https endpoint needs roots to trust", endpoint_);
    const UnixMs now = system_time_ms();
    if (credentials.expires != 0 && credentials.expires <= now)
        return fail(Code::CredentialsExpired, "the AWS credentials have expired");

    net::HttpRequest request;
    request.method = "POST";
    request.target = request.path = url.path;
    request.authority = url.authority();
    request.headers = {{"content-type", "application/x-amz-json-1.1"},
                       {"x-amz-target", "secretsmanager.GetSecretValue"}};
    std::string body;
    json::Writer(body).begin_object().member("SecretId", std::string_view(secret_id)).end_object();
    request.body = to_bytes(body);
    SigV4Options signing;
    signing.region = region_;
    signing.service = "secretsmanager";
    REDOUBT_CHECK(sign_sigv4(request, credentials, signing, now));

    if (!connection_) {
        net::Endpoint endpoint;
        endpoint.kind = net::Endpoint::Kind::Tcp;
        endpoint.host = url.host;
        endpoint.port = url.port;
        connection_.emplace(endpoint, url.tls ? tls_ : nullptr, url.host, kReplyLimits);
    }
    auto response = connection_->send(request, timeout_ms_);
    for (auto& header : request.headers)
        wipe(header.value);
    if (!response) {
        connection_->close();
        return connection_failed(std::move(response).error());
    }
    auto value = read_reply(*response);
    wipe(response->body);
    return value;
}

} // namespace redoubt::aws
