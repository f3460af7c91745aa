// SPDX-License-Identifier: Apache-2.0
#include "devcloud/serving.h"

#include "devcloud/container.h"
#include "devcloud/forgery.h"
#include "devcloud/imds.h"
#include "devcloud/service_error.h"
#include "devcloud/sts.h"

#include "base/json.h"

namespace redoubt::devcloud {

namespace {

constexpr std::string_view kKmsTarget = "TrentService.";
constexpr std::string_view kSecretsTarget = "secretsmanager.";

// "Credential=AKID/DATE/REGION/SERVICE/aws4_request", not verified.
std::string_view scope_region(const net::HttpRequest& request) {
    std::string_view rest = request.header("authorization");
    constexpr std::string_view kCredential = "Credential=";
    const auto at = rest.find(kCredential);
    if (at == std::string_view::npos)
        return {};
    rest.remove_prefix(at + kCredential.size());
    for (int i = 0; i < 2; ++i) {
        const auto slash = rest.find('/');
        if (slash == std::string_view::npos)
            return {};
        rest.remove_prefix(slash + 1);
    }
    return rest.substr(0, rest.find('/'));
}

std::string_view imds_operation(const net::HttpRequest& request) {
    if (request.path == "/latest/api/token")
        return "PutToken";
    constexpr std::string_view kCredentials = "/latest/meta-data/iam/security-credentials";
    std::string_view path = request.path;
    if (!path.starts_with(kCredentials))
        return "Get";
    path.remove_prefix(kCredentials.size());
    return path.empty() || path == "/" ? "GetRole" : "GetCredentials";
}

net::HttpResponse refusal(const CallName& call, const ServiceError& error, const std::string& request_id) {
    if (call.service == "sts")
        return xml_error(error, request_id);
    if (call.service == "imds")
        return imds_error(error.status);
    if (call.service == "container")
        return container_error(error.status, error.type, error.message);
    return json_error(error);
}

// The refusals that a fault puts in a service's mouth.
ServiceError fault_error(const CallName& call, const FaultRule& rule) {
    ServiceError error;
    error.capital_message = call.service == "secretsmanager";
    switch (rule.fault) {
    case Fault::Throttling:
        error.type = call.service == "sts" ? "Throttling" : "ThrottlingException";
        error.message = "Rate exceeded";
        if (call.service == "imds" || call.service == "container")
            error.status = 429;
        break;
    case Fault::ExpiredCredentials:
        error.type = "ExpiredTokenException";
        error.message = "The security token included in the request is expired";
        error.capital_message = false;
        break;
    default:
        error.status = rule.status;
        error.message = "devcloud fails on demand";
        if (rule.status == 503)
            error.type = call.service == "sts" ? "ServiceUnavailable" : "ServiceUnavailableException";
        else if (call.service == "kms")
            error.type = "KMSInternalException";
        else
            error.type = call.service == "secretsmanager" ? "InternalServiceError" : "InternalFailure";
        break;
    }
    return error;
}

// Moves devcloud's clock while one call is served; the loop serves one at a time.
class SkewedClock {
  public:
    SkewedClock(Cloud& cloud, std::int64_t ms) : cloud_(cloud), before_(cloud.now) {
        if (ms != 0)
            cloud_.now = [before = before_, ms] { return before() + ms; };
    }
    ~SkewedClock() { cloud_.now = std::move(before_); }
    SkewedClock(const SkewedClock&) = delete;
    SkewedClock& operator=(const SkewedClock&) = delete;

  private:
    Cloud& cloud_;
    std::function<UnixMs()> before_;
};

bool token_is_undeliverable(const Cloud& cloud, const CallName& call) {
    return call.service == "imds" && call.operation == "PutToken" &&
           cloud.metadata_path.hops > cloud.metadata_path.hop_limit;
}

} // namespace

std::optional<CallName> name_call(const Cloud& cloud, const net::HttpRequest& request, Listener listener) {
    CallName call;
    const bool plain = listener == Listener::Plain;
    if (plain && request.path.starts_with("/latest/")) {
        call.service = "imds";
        call.operation = imds_operation(request);
        return call;
    }
    if (plain && is_container_path(request.path)) {
        call.service = "container";
        call.operation = "GetCredentials";
        return call;
    }
    if (request.method != "POST" || request.path != "/")
        return std::nullopt;
    const auto target = request.header("x-amz-target");
    if (target.starts_with(kKmsTarget)) {
        call.service = "kms";
        call.operation = target.substr(kKmsTarget.size());
    } else if (plain && target.starts_with(kSecretsTarget)) {
        call.service = "secretsmanager";
        call.operation = target.substr(kSecretsTarget.size());
    } else if (plain && target.empty()) {
        call.service = "sts";
        call.operation = query_action(request).value_or("");
    } else {
        return std::nullopt;
    }
    const auto region = scope_region(request);
    call.region = region.empty() ? cloud.settings.region : region; // AssumeRoleWithWebIdentity is unsigned
    return call;
}

Outcome answer(Cloud& cloud, net::HttpRequest& request, Listener listener) {
    Outcome outcome;
    const auto call = name_call(cloud, request, listener);
    if (!call) {
        outcome.response = dispatch(cloud, request, listener);
        return outcome;
    }
    const auto effects = cloud.faults.take(*call);
    outcome.delay_ms = effects.latency_ms;
    const auto& rule = effects.outcome;
    if (rule) {
        switch (rule->fault) {
        case Fault::RegionDown:
            outcome.cut_after = 0;
            break;
        case Fault::Cut:
            outcome.cut_after = rule->after_bytes.value_or(0);
            if (!rule->after_bytes)
                break;
            [[fallthrough]];
        case Fault::WrongKeyId:
        case Fault::ForgedReply:
        case Fault::FailedCode:
        case Fault::Latency:
        case Fault::ClockSkew: {
            const SkewedClock clock(cloud, effects.skew_ms);
            outcome.response = dispatch(cloud, request, listener);
            if (rule->fault == Fault::WrongKeyId)
                name_another_key(outcome.response);
            if (rule->fault == Fault::ForgedReply)
                forge_reply(outcome.response, rule->forgery);
            if (rule->fault == Fault::FailedCode && call->operation == "GetCredentials" &&
                outcome.response.status == 200)
                outcome.response = imds_failed_code(cloud.now());
            break;
        }
        case Fault::Throttling:
        case Fault::ServerError:
        case Fault::ExpiredCredentials: {
            const auto request_id = random_uuid(cloud.random);
            outcome.response = refusal(*call, fault_error(*call, *rule), request_id);
            outcome.response.headers.push_back({"x-amzn-requestid", request_id});
            break;
        }
        }
    } else {
        const SkewedClock clock(cloud, effects.skew_ms);
        outcome.response = dispatch(cloud, request, listener);
    }
    if (token_is_undeliverable(cloud, *call))
        outcome.cut_after = 0;
    wipe(request.body);
    return outcome;
}

} // namespace redoubt::devcloud
