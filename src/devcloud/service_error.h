// SPDX-License-Identifier: Apache-2.0
// How an emulated service says no: AWS's own error type, status and wording. This is devcloud's expected
// failure; base's Error stays for what goes wrong in devcloud itself (the database).
#pragma once

#include "base/result.h"
#include "net/http.h"

#include <expected>
#include <string>

namespace redoubt::devcloud {

struct ServiceError {
    int status = 400;
    std::string type;    // "NotFoundException"
    std::string message; // AWS's wording where it is known; empty: left out, as KMS does for some
    // IAM's denials, and everything of Secrets Manager, spell the member "Message".
    bool capital_message = false;
    std::string detail{}; // "RedoubtDetail": ours, to help a developer; empty: left out
};

template<class T>
using Reply = std::expected<T, ServiceError>;

std::unexpected<ServiceError> refuse(std::string type, std::string message);
// Input that violates the service model.
std::unexpected<ServiceError> refuse_input(std::string message); // ValidationException

// A failure of devcloud's own: logged, and a 500 without its text for the client.
ServiceError internal_failure(const Error& error);
template<class T>
Reply<T> or_internal(Result<T> result) {
    if (!result)
        return std::unexpected(internal_failure(result.error()));
    if constexpr (std::is_void_v<T>)
        return {};
    else
        return std::move(*result);
}

// x-amz-json-1.1: {"__type": …, "message": …}.
net::HttpResponse json_error(const ServiceError& error);
net::HttpResponse json_reply(std::string body);

} // namespace redoubt::devcloud
