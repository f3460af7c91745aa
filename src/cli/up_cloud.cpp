// SPDX-License-Identifier: Apache-2.0
#include "cli/up_cloud.h"

#include "aws/sigv4.h"
#include "base/json.h"
#include "crypto/random.h"
#include "net/http_client.h"

namespace redoubt::cli {

Result<std::string> Cloud::call(const std::string& service, const std::string& target,
                                const std::string& body) {
    REDOUBT_TRY(const auto url, net::parse_url(url_));
    net::Endpoint endpoint;
    endpoint.kind = net::Endpoint::Kind::Tcp;
    endpoint.host = url.host;
    endpoint.port = url.port;
    net::HttpRequest request;
    request.method = "POST";
    request.target = request.path = "/";
    request.authority = url.authority();
    request.headers = {{"content-type", "application/x-amz-json-1.1"}, {"x-amz-target", target}};
    request.body = to_bytes(body);
    aws::Credentials credentials;
    credentials.access_key_id = key_.id;
    credentials.secret_access_key = Secret::copy_of(as_bytes(key_.secret));
    aws::SigV4Options options;
    options.region = region_;
    options.service = service;
    REDOUBT_CHECK(aws::sign_sigv4(request, credentials, options, system_time_ms()));
    net::HttpClient client(endpoint, nullptr, url.host);
    REDOUBT_TRY(const auto response, client.send(request, 10'000));
    std::string answer(as_text(response.body));
    if (response.status != 200)
        return fail(Code::AwsRefused, "devcloud refused", target + ": " + answer);
    return answer;
}

Result<std::string> Cloud::create_kms_key(const std::string& description) {
    std::string body;
    json::Writer(body).begin_object().member("Description", description).end_object();
    REDOUBT_TRY(const std::string answer, call("kms", "TrentService.CreateKey", body));
    json::Document document;
    REDOUBT_TRY(const auto root, document.parse(answer));
    const auto metadata = root.get("KeyMetadata");
    const auto arn = metadata ? metadata->get("Arn") : std::nullopt;
    if (!arn)
        return fail(Code::AwsRefused, "devcloud created a key without telling its ARN");
    return std::string(arn->text());
}

Status Cloud::put_key_policy(const std::string& arn, const std::string& policy) {
    std::string body;
    json::Writer(body)
        .begin_object()
        .member("KeyId", arn)
        .member("PolicyName", "default")
        .member("Policy", policy)
        .end_object();
    const auto answer = call("kms", "TrentService.PutKeyPolicy", body);
    if (!answer)
        return std::unexpected(answer.error());
    return {};
}

Status Cloud::allow_secrets_store(const std::string& account, const std::string& role,
                                  const std::string& prefix) {
    REDOUBT_TRY(const auto url, net::parse_url(url_));
    net::Endpoint endpoint;
    endpoint.kind = net::Endpoint::Kind::Tcp;
    endpoint.host = url.host;
    endpoint.port = url.port;
    net::HttpClient client(endpoint, nullptr, url.host);
    net::HttpRequest request;
    request.method = "GET";
    request.target = request.path = "/redoubt/iam/accounts/" + account + "/roles/" + role;
    request.authority = url.authority();
    REDOUBT_TRY(const auto found, client.send(request, 10'000));
    json::Document document;
    const std::string is(as_text(found.body));
    const auto root = document.parse(is);
    const auto trust = root ? root->get("trust_policy") : std::nullopt;
    const auto policies = root ? root->get("policies") : std::nullopt;
    const auto session = root ? root->get("max_session_seconds") : std::nullopt;
    if (found.status != 200 || !trust || !policies || !policies->is_object() || !session)
        return fail(Code::AwsRefused, "devcloud does not tell the instance's role", is);
    std::string body;
    json::Writer writer(body);
    writer.begin_object()
        .key("trust_policy")
        .raw(trust->raw())
        .key("max_session_seconds")
        .raw(session->raw());
    writer.key("policies").begin_object();
    for (const auto policy : *policies)
        if (policy.name() != "store")
            writer.key(policy.name()).raw(policy.raw());
    // Secrets Manager ends a secret's ARN with a hyphen and six characters of its own.
    writer.key("store").raw(
        R"({"Version":"2012-10-17","Statement":[{"Sid":"Records","Effect":"Allow","Action":["secretsmanager:CreateSecret",)"
        R"("secretsmanager:GetSecretValue","secretsmanager:PutSecretValue","secretsmanager:DescribeSecret",)"
        R"("secretsmanager:UpdateSecretVersionStage","secretsmanager:DeleteSecret"],"Resource":"arn:aws:secretsmanager:*:)" +
        account + ":secret:" + prefix +
        R"(/*"},{"Sid":"List","Effect":"Allow","Action":["secretsmanager:ListSecrets",)"
        R"("secretsmanager:BatchGetSecretValue"],"Resource":"*"}]})");
    writer.end_object().end_object();
    request.method = "PUT";
    request.headers = {{"content-type", "application/json"}};
    request.body = to_bytes(body);
    REDOUBT_TRY(const auto answer, client.send(request, 10'000));
    if (answer.status != 204)
        return fail(Code::AwsRefused, "devcloud does not take the instance's role",
                    std::string(as_text(answer.body)));
    return {};
}

Result<std::string> Cloud::create_secret(const std::string& name, const std::string& value) {
    std::string body;
    // The token makes the call idempotent: 32 to 64 characters.
    json::Writer(body)
        .begin_object()
        .member("Name", name)
        .member("SecretString", value)
        .member("ClientRequestToken", to_hex(crypto::SystemRandom().array<16>()))
        .end_object();
    const auto answer = call("secretsmanager", "secretsmanager.CreateSecret", body);
    if (!answer)
        return std::unexpected(answer.error());
    return name;
}

} // namespace redoubt::cli
