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
constexpr std::size_t kMaxValueReply = 6 * kMaxSecret + 8 * 1024;
// ListSecrets: MaxResults up to 100, NextToken up to 4096. A secret listed has up to 50 tags of 384
// characters, a description of 2048, and some of its versions.
constexpr std::uint64_t kListed = 100;
constexpr std::size_t kMaxToken = 4096;
constexpr std::size_t kMaxListReply = 8 * 1024 * 1024;
constexpr std::size_t kMinVersionId = 32, kMaxVersionId = 64;
constexpr std::string_view kCurrentStage = "AWSCURRENT";

constexpr net::HttpLimits kReplyLimits{
    .request_line = 1024, .header_bytes = 16 * 1024, .headers = 64, .body = kMaxListReply};

// Also an answer that is malformed or too large: it cannot be told from one that a broken connection cut
// short.
std::unexpected<Error> connection_failed(const Error& error) {
    return fail(Code::AwsUnavailable, "Secrets Manager cannot be reached, or gives no whole answer",
                error.describe());
}

// `conflict`: the exception by which the operation says that something else stands in its place, if it does.
std::unexpected<Error> service_error(const net::HttpResponse& response, std::string_view conflict) {
    std::string type = aws_error_type(response);
    if (!conflict.empty() && type == conflict)
        return fail(Code::Conflict, "Secrets Manager has another secret or version in its place",
                    std::move(type));
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

bool is_version_id(std::string_view text) noexcept {
    return text.size() >= kMinVersionId && text.size() <= kMaxVersionId;
}

std::string body_with_id(std::string_view member, const std::string& id) {
    std::string body;
    json::Writer(body).begin_object().member(member, std::string_view(id)).end_object();
    return body;
}

// A reply about one secret, `read` from the JSON and wiped: it may hold a secret value.
template<class T>
Result<T> read_reply(Bytes reply, Result<T> (*read)(const json::Value& root)) {
    json::Document document;
    const auto root = document.parse(as_text(reply), {.bytes = kMaxValueReply, .depth = 8, .values = 256});
    Result<T> out = fail(Code::AwsRefused, "Secrets Manager's answer is malformed");
    if (root)
        out = read(*root);
    wipe(reply);
    return out;
}

Result<std::string> read_version_id(const json::Value& root) {
    const auto id = root.get("VersionId");
    if (!id || !id->is_string() || !is_version_id(id->text()))
        return fail(Code::AwsRefused, "Secrets Manager's answer names no version");
    return std::string(id->text());
}

Result<Bytes> read_value(const json::Value& root) {
    const auto string = root.get("SecretString"), binary = root.get("SecretBinary");
    const bool has_string = string && string->is_string();
    const bool has_binary = binary && binary->is_string();
    if (has_string == has_binary)
        return fail(Code::AwsRefused, "Secrets Manager's answer has not exactly one value");
    auto value = has_string ? std::optional(to_bytes(string->text())) : from_base64(binary->text());
    if (!value || value->empty() || value->size() > kMaxSecret)
        return fail(Code::AwsRefused, "Secrets Manager's answer has a value that it cannot have");
    return std::move(*value);
}

Result<SecretVersion> read_version(const json::Value& root) {
    SecretVersion out;
    REDOUBT_TRY(out.id, read_version_id(root));
    REDOUBT_TRY(out.value, read_value(root));
    return out;
}

std::unexpected<Error> bad_list() {
    return fail(Code::AwsRefused, "Secrets Manager's answer is no list of secrets");
}

// The version that AWSCURRENT stands on, in {"VERSION": ["STAGE", …], …}.
Result<std::string> read_current(const std::optional<json::Value>& versions) {
    std::string current;
    if (!versions || versions->is_null())
        return current;
    if (!versions->is_object())
        return bad_list();
    for (const auto stages : *versions) {
        if (!stages.is_array())
            return bad_list();
        for (const auto stage : stages)
            if (stage.text() == kCurrentStage) {
                if (!current.empty() || !is_version_id(stages.name()))
                    return bad_list();
                current = stages.name();
            }
    }
    return current;
}

Result<SecretsPage> read_page(std::string_view body) {
    json::Document document;
    const auto root = document.parse(body, {.bytes = kMaxListReply, .depth = 8, .values = 1 << 18});
    const auto list = root ? root->get("SecretList") : std::nullopt;
    if (!list || !list->is_array() || list->size() > kListed)
        return bad_list();
    SecretsPage page;
    for (const auto secret : *list) {
        const auto name = secret.get("Name");
        if (!name || !name->is_string())
            return bad_list();
        REDOUBT_TRY(auto current, read_current(secret.get("SecretVersionsToStages")));
        page.secrets.push_back({std::string(name->text()), std::move(current)});
    }
    const auto next = root->get("NextToken");
    if (next && !next->is_null()) {
        if (!next->is_string() || next->text().empty() || next->text().size() > kMaxToken)
            return bad_list();
        page.next = next->text();
    }
    return page;
}

Status check_id(const std::string& secret_id) {
    if (secret_id.empty() || secret_id.size() > kMaxSecretId)
        return fail(Code::SecretMissing, "a secret's name has 1 to 2048 characters");
    return {};
}

} // namespace

SecretsClient::SecretsClient(std::string endpoint, std::string region, const net::TlsContext* tls,
                             int timeout_ms)
    : endpoint_(std::move(endpoint)), region_(std::move(region)), tls_(tls), timeout_ms_(timeout_ms) {}

Result<Bytes> SecretsClient::call(std::string_view operation, const std::string& body,
                                  const Credentials& credentials, std::string_view conflict) {
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
                       {"x-amz-target", "secretsmanager." + std::string(operation)}};
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
        return connection_failed(response.error());
    }
    if (response->status != 200) {
        auto error = service_error(*response, conflict);
        wipe(response->body);
        return error;
    }
    return std::move(response->body);
}

Result<Bytes> SecretsClient::get_secret_value(const std::string& secret_id, const Credentials& credentials) {
    REDOUBT_CHECK(check_id(secret_id));
    REDOUBT_TRY(Bytes reply, call("GetSecretValue", body_with_id("SecretId", secret_id), credentials));
    return read_reply(std::move(reply), read_value);
}

Result<SecretVersion> SecretsClient::get_current_version(const std::string& secret_id,
                                                         const Credentials& credentials) {
    REDOUBT_CHECK(check_id(secret_id));
    auto reply = call("GetSecretValue", body_with_id("SecretId", secret_id), credentials);
    // GetSecretValue's InvalidRequestException: the secret is scheduled for deletion.
    if (!reply && reply.error().context.ends_with("InvalidRequestException"))
        return fail(Code::SecretMissing, "the secret is scheduled for deletion", reply.error().context);
    REDOUBT_CHECK(reply);
    return read_reply(std::move(*reply), read_version);
}

Status SecretsClient::put(const char* operation, const std::string& body, const std::string& token,
                          const Credentials& credentials) {
    REDOUBT_TRY(Bytes reply, call(operation, body, credentials, "ResourceExistsException"));
    REDOUBT_TRY(const auto version, read_reply(std::move(reply), read_version_id));
    if (version != token)
        return fail(Code::AwsRefused, "Secrets Manager's answer names another version");
    return {};
}

Status SecretsClient::create_secret(const std::string& name, ByteView value, const std::string& token,
                                    const Credentials& credentials) {
    REDOUBT_CHECK(check_id(name));
    std::string body;
    json::Writer(body)
        .begin_object()
        .member("Name", std::string_view(name))
        .member("ClientRequestToken", std::string_view(token))
        .member("SecretBinary", std::string_view(to_base64(value)))
        .end_object();
    return put("CreateSecret", body, token, credentials);
}

Status SecretsClient::put_secret_value(const std::string& secret_id, ByteView value, const std::string& token,
                                       const std::string& stage, const Credentials& credentials) {
    REDOUBT_CHECK(check_id(secret_id));
    std::string body;
    json::Writer writer(body);
    writer.begin_object()
        .member("SecretId", std::string_view(secret_id))
        .member("ClientRequestToken", std::string_view(token))
        .member("SecretBinary", std::string_view(to_base64(value)));
    writer.key("VersionStages").begin_array().string(stage).end_array().end_object();
    return put("PutSecretValue", body, token, credentials);
}

Status SecretsClient::move_stage(const std::string& secret_id, const std::string& stage,
                                 const std::string& from, const std::string& to,
                                 const Credentials& credentials) {
    REDOUBT_CHECK(check_id(secret_id));
    std::string body;
    json::Writer(body)
        .begin_object()
        .member("SecretId", std::string_view(secret_id))
        .member("VersionStage", std::string_view(stage))
        .member("RemoveFromVersionId", std::string_view(from))
        .member("MoveToVersionId", std::string_view(to))
        .end_object();
    REDOUBT_CHECK(call("UpdateSecretVersionStage", body, credentials, "InvalidParameterException"));
    return {};
}

Status SecretsClient::delete_secret(const std::string& secret_id, const Credentials& credentials) {
    REDOUBT_CHECK(check_id(secret_id));
    std::string body;
    json::Writer(body)
        .begin_object()
        .member("SecretId", std::string_view(secret_id))
        .member("ForceDeleteWithoutRecovery", true)
        .end_object();
    const auto reply = call("DeleteSecret", body, credentials);
    if (!reply && reply.error().code != Code::SecretMissing)
        return std::unexpected(reply.error());
    return {};
}

Result<SecretsPage> SecretsClient::list_secrets(const std::string& prefix, const std::string& next,
                                                const Credentials& credentials) {
    std::string body;
    json::Writer writer(body);
    writer.begin_object().member("MaxResults", kListed);
    writer.key("Filters").begin_array().begin_object().member("Key", "name");
    writer.key("Values").begin_array().string(prefix).end_array().end_object().end_array();
    if (!next.empty())
        writer.member("NextToken", std::string_view(next));
    writer.end_object();
    REDOUBT_TRY(const Bytes reply, call("ListSecrets", body, credentials));
    return read_page(as_text(reply));
}

} // namespace redoubt::aws
