// SPDX-License-Identifier: Apache-2.0
#include "devcloud/dispatcher.h"

#include "devcloud/admin.h"
#include "devcloud/container.h"
#include "devcloud/iam_admin.h"
#include "devcloud/imds.h"
#include "devcloud/kms.h"
#include "devcloud/request.h"
#include "devcloud/secrets_manager.h"
#include "devcloud/sts.h"

#include <charconv>

namespace redoubt::devcloud {

namespace {

constexpr std::string_view kKmsTarget = "TrentService.";
constexpr std::string_view kSecretsTarget = "secretsmanager.";
constexpr std::string_view kFormType = "application/x-www-form-urlencoded";
constexpr std::string_view kEventsPath = "/redoubt/events";

net::HttpResponse serve_events(const Cloud& cloud, const net::HttpRequest& request) {
    if (request.method != "GET")
        return net::HttpResponse::error(Code::MethodNotAllowed, "Use GET.");
    std::size_t limit = 100;
    if (request.has_query) {
        std::string_view query = request.query;
        constexpr std::string_view kLimit = "limit=";
        if (query.starts_with(kLimit))
            query.remove_prefix(kLimit.size());
        const auto [rest, error] = std::from_chars(query.data(), query.data() + query.size(), limit);
        if (query.size() == request.query.size() || error != std::errc{} ||
            rest != query.data() + query.size() || limit < 1 || limit > EventLog::kRemembered)
            return net::HttpResponse::error(Code::InvalidField, "limit must be a number from 1 to 1000.");
    }
    return net::HttpResponse::json(200, cloud.events.recent(limit));
}

Call make_call(const net::HttpRequest& request, const Caller& caller, std::string_view operation,
               const std::string& request_id, const Cloud& cloud, Listener listener) {
    return {request,     caller.principal,         operation, caller.region, request_id,
            cloud.now(), listener == Listener::Tls};
}

net::HttpResponse call_kms(Cloud& cloud, const net::HttpRequest& request, const std::string& request_id,
                           Listener listener) {
    const auto operation = request.header("x-amz-target").substr(kKmsTarget.size());
    const auto caller = authenticate(cloud, request, "kms");
    if (!caller) {
        Event event;
        event.time = cloud.now();
        // Unauthenticated text: only its beginning, and only what a name could hold.
        for (const char c : operation.substr(0, 64))
            event.name.push_back((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ? c : '?');
        event.request_id = request_id;
        event.error_code = caller.error().type;
        cloud.events.append(event);
        return json_error(caller.error());
    }
    return serve_kms(cloud, make_call(request, *caller, operation, request_id, cloud, listener));
}

net::HttpResponse call_secrets(Cloud& cloud, const net::HttpRequest& request, const std::string& request_id,
                               Listener listener) {
    const auto operation = request.header("x-amz-target").substr(kSecretsTarget.size());
    const auto caller = authenticate(cloud, request, "secretsmanager");
    if (!caller)
        return json_error(caller.error());
    return serve_secrets_manager(cloud, make_call(request, *caller, operation, request_id, cloud, listener));
}

net::HttpResponse call_sts(Cloud& cloud, const net::HttpRequest& request, const std::string& request_id,
                           Listener listener) {
    if (query_action(request) == kWebIdentityAction)
        return serve_web_identity(cloud, request, request_id, listener == Listener::Tls);
    const auto caller = authenticate(cloud, request, "sts");
    if (!caller)
        return xml_error(caller.error(), request_id);
    const auto action = query_action(request);
    if (!action) {
        ServiceError error;
        error.type = "MissingAction";
        error.message = "The form must have one Action.";
        return xml_error(error, request_id);
    }
    return serve_sts(cloud, make_call(request, *caller, *action, request_id, cloud, listener));
}

net::HttpResponse route(Cloud& cloud, const net::HttpRequest& request, const std::string& request_id,
                        Listener listener) {
    const bool plain = listener == Listener::Plain;
    if (plain && request.path.starts_with("/latest/"))
        return serve_imds(cloud, request);
    if (plain && is_container_path(request.path))
        return serve_container(cloud, request);
    if (plain)
        if (auto page = serve_admin(cloud, request))
            return std::move(*page);
    if (plain && request.path == kEventsPath)
        return serve_events(cloud, request);
    if (plain && request.path.starts_with(kIamPath))
        return serve_iam(cloud, request);

    if (plain && request.method == "GET" && request.path == "/" && query_action(request))
        return call_sts(cloud, request, request_id, listener);
    ServiceError error;
    if (request.method != "POST" || request.path != "/") {
        error.status = 404;
        error.type = "UnknownOperationException";
        error.message = "devcloud serves POST / of AWS's JSON and query protocols";
        return json_error(error);
    }
    const auto target = request.header("x-amz-target");
    if (target.starts_with(kKmsTarget))
        return call_kms(cloud, request, request_id, listener);
    if (plain && target.starts_with(kSecretsTarget))
        return call_secrets(cloud, request, request_id, listener);
    if (plain && target.empty() && request.header("content-type").starts_with(kFormType))
        return call_sts(cloud, request, request_id, listener);
    error.type = "UnknownOperationException";
    error.message = "devcloud has no such service here";
    return json_error(error);
}

} // namespace

net::HttpResponse dispatch(Cloud& cloud, net::HttpRequest& request, Listener listener) {
    const auto request_id = random_uuid(cloud.random);
    auto response = route(cloud, request, request_id, listener);
    response.headers.push_back({"x-amzn-requestid", request_id});
    wipe(request.body);
    return response;
}

} // namespace redoubt::devcloud
