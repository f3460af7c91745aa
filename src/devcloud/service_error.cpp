// SPDX-License-Identifier: Apache-2.0
#include "devcloud/service_error.h"

#include "base/json.h"
#include "base/log.h"
#include "base/secret.h"

namespace redoubt::devcloud {

std::unexpected<ServiceError> refuse(std::string type, std::string message) {
    ServiceError error;
    error.type = std::move(type);
    error.message = std::move(message);
    return std::unexpected(std::move(error));
}

std::unexpected<ServiceError> refuse_input(std::string message) {
    return refuse("ValidationException", std::move(message));
}

ServiceError internal_failure(const Error& error) {
    log(LogLevel::Error, "devcloud_failure", {{"error", error.describe()}});
    ServiceError failure;
    failure.status = 500;
    failure.type = "InternalFailure";
    failure.message = "devcloud failed; its log says why";
    return failure;
}

net::HttpResponse json_error(const ServiceError& error) {
    std::string body;
    json::Writer writer(body);
    writer.begin_object().member("__type", error.type);
    if (!error.message.empty())
        writer.member(std::string_view(error.capital_message ? "Message" : "message"), error.message);
    if (!error.detail.empty())
        writer.member("RedoubtDetail", error.detail);
    writer.end_object();
    auto response = json_reply(std::move(body));
    response.status = error.status;
    return response;
}

net::HttpResponse json_reply(std::string body) {
    net::HttpResponse response;
    response.headers.push_back({"content-type", "application/x-amz-json-1.1"});
    response.body = to_bytes(body);
    wipe(body); // it may hold a plaintext
    return response;
}

} // namespace redoubt::devcloud
