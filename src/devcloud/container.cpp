// SPDX-License-Identifier: Apache-2.0
#include "devcloud/container.h"

#include "base/json.h"
#include "base/log.h"
#include "crypto/hash.h"
#include "devcloud/session_issue.h"

namespace redoubt::devcloud {

namespace {

constexpr std::string_view kEcsPath = "/v2/credentials/";
constexpr std::string_view kEksPath = "/v1/credentials";

net::HttpResponse eks_error(int status, std::string_view text) {
    return net::HttpResponse::text(status, std::string(text) + "\n");
}

// Without telling by its time how much of a token was right; lengths are public.
bool same_token(const Secret& wanted, std::string_view presented) {
    return equal_constant_time(wanted.view(SecretAccess("compare a container's authorization token")),
                               as_bytes(presented));
}

net::HttpResponse credentials(Cloud& cloud, const ContainerCredential& of, bool eks) {
    const SessionWanted wanted{of.account, of.role, of.session_name};
    const auto session = metadata_session(cloud, wanted, cloud.now());
    if (!session) {
        log(LogLevel::Error, "devcloud_failure", {{"error", session.error().describe()}});
        return container_error(500, "InternalServerError", "devcloud failed; its log says why");
    }
    std::string body;
    json::Writer writer(body);
    writer.begin_object();
    if (eks)
        writer.member("AccountId", of.account);
    else
        writer.member("RoleArn", "arn:aws:iam::" + of.account + ":role/" + of.role);
    writer.member("AccessKeyId", session->access_key_id)
        .member("SecretAccessKey",
                session->secret_access_key.text(SecretAccess("the container endpoint hands it out")))
        .member("Token", session->token.text(SecretAccess("the container endpoint hands it out")))
        .member("Expiration", to_iso8601(session->expires))
        .end_object();
    auto response = net::HttpResponse::json(200, body);
    wipe(body);
    return response;
}

net::HttpResponse store_failure(const Error& error) {
    log(LogLevel::Error, "devcloud_failure", {{"error", error.describe()}});
    return container_error(500, "InternalServerError", "devcloud failed; its log says why");
}

net::HttpResponse serve_ecs(Cloud& cloud, const net::HttpRequest& request) {
    const auto id = std::string_view(request.path).substr(kEcsPath.size());
    if (id.empty())
        return container_error(400, "NoIdInRequest", "CredentialsV2Request: No ID in the request");
    const auto found = cloud.state.containers.find(id);
    if (!found)
        return store_failure(found.error());
    if (!*found)
        return container_error(400, "InvalidIdInRequest", "CredentialsV2Request: Credentials not found");
    if (!(*found)->authorization.empty() &&
        (request.count("authorization") != 1 ||
         !same_token((*found)->authorization, request.header("authorization"))))
        return container_error(401, "Unauthorized", "CredentialsV2Request: wrong authorization token");
    return credentials(cloud, **found, false);
}

net::HttpResponse serve_eks(Cloud& cloud, const net::HttpRequest& request) {
    if (request.count("authorization") != 1 || request.header("authorization").empty())
        return eks_error(400, "Service account token cannot be empty");
    const auto all = cloud.state.containers.list();
    if (!all)
        return store_failure(all.error());
    const ContainerCredential* found = nullptr;
    for (const auto& entry : *all)
        if (!entry.authorization.empty() && same_token(entry.authorization, request.header("authorization")))
            found = &entry;
    if (found == nullptr)
        return eks_error(401, "(InvalidTokenException): the service account token is not registered, "
                              "fault: client");
    return credentials(cloud, *found, true);
}

} // namespace

bool is_container_path(std::string_view path) {
    return path.starts_with(kEcsPath) || path == kEksPath;
}

net::HttpResponse container_error(int status, std::string_view code, std::string_view message) {
    std::string body;
    json::Writer writer(body);
    writer.begin_object().member("code", code).member("message", message);
    writer.key("HTTPErrorCode").number(std::int64_t{status}).end_object();
    return net::HttpResponse::json(status, std::move(body));
}

net::HttpResponse serve_container(Cloud& cloud, const net::HttpRequest& request) {
    if (request.method != "GET")
        return container_error(405, "MethodNotAllowed", "Use GET.");
    return request.path == kEksPath ? serve_eks(cloud, request) : serve_ecs(cloud, request);
}

} // namespace redoubt::devcloud
