// SPDX-License-Identifier: Apache-2.0
#include "gateway/key_guard.h"

#include "base/json.h"

#include <utility>

namespace redoubt::gateway {

namespace {

constexpr std::string_view kAdopt = "/v1/keys/adopt";

net::HttpResponse key_forbidden() {
    return net::HttpResponse::error(
        Code::Forbidden, "this client may not use that key: its keys in the clients document lack it");
}

// The reference key that a body names, read as the enclave reads it; empty: none, and the enclave says so.
std::string secret_of(ByteView body) {
    json::Document document;
    const auto root = document.parse(as_text(body));
    const auto id = root ? root->get("secret_id") : std::nullopt;
    return id && id->is_string() ? std::string(id->text()) : std::string();
}

bool names_secret(const Route& route, std::string_view path) noexcept {
    return path == kAdopt || path == "/" || path == "/sign_transaction" || path == "/sign_hash" ||
           route.pattern == "/{any}";
}

} // namespace

KeyGuard::KeyGuard(net::EventLoop& loop, WorkerPool& workers, store::Store& store,
                   const Gatekeeper& gatekeeper, Serve next)
    : loop_(loop), workers_(workers), store_(store), gatekeeper_(gatekeeper), next_(std::move(next)) {}

void KeyGuard::serve(Call&& call) {
    const Grant* const grant = call.caller.grant.get();
    if (grant == nullptr) // health, or a gateway that knows no clients
        return next_(std::move(call));
    const auto& request = call.request;
    const Route* const route = route_of(call);
    if (route == nullptr)
        return call.respond(
            net::HttpResponse::error(Code::NotFound, "there is no such route; docs/api.md lists them"));
    if (route->access == Route::Access::Open)
        return next_(std::move(call));
    if (auto refusal = gatekeeper_.charge(call.caller))
        return call.respond(std::move(*refusal));
    // What comes to an enclave at "/" is the AWS sample's.
    const Operation operation =
        route->access == Route::Access::Client ? Operation::SignTransaction : route->operation;
    if (!grant->may(operation))
        return call.respond(operation_missing(operation));
    if (grant->every_key)
        return next_(std::move(call));
    if (names_secret(*route, request.path)) {
        if (!grant->may_use_secret(secret_of(request.body)))
            return call.respond(key_forbidden());
        return next_(std::move(call));
    }
    const std::string key(key_of_path(request.path));
    if (key.empty())
        return next_(std::move(call));
    const auto id = sealed::parse_key_id(key);
    if (!id)
        return call.respond(net::HttpResponse::error(Code::UnknownKey, "there is no such key"));
    if (grant->may_use(*id, std::nullopt))
        return next_(std::move(call));
    if (grant->addresses.empty())
        return call.respond(key_forbidden());
    if (const auto known = addresses_.find(key); known != addresses_.end())
        return settle(std::move(call), *id, known->second);
    look_up(std::move(call), *id);
}

void KeyGuard::look_up(Call call, const sealed::KeyId& id) {
    auto found = std::make_shared<Result<std::optional<Bytes>>>();
    auto kept = std::make_shared<Call>(std::move(call));
    const bool taken = workers_.submit([this, alive = std::weak_ptr<Alive>(alive_), &loop = loop_,
                                        &store = store_, id, found, kept]() mutable {
        *found = store.get_key(id);
        loop.post([this, alive = std::move(alive), id, found = std::move(found), kept = std::move(kept)] {
            if (alive.expired())
                return;
            if (!*found) {
                auto response = net::HttpResponse::error((*found).error());
                response.headers.push_back({"retry-after", "1"});
                return kept->respond(std::move(response));
            }
            const auto head = *found && **found ? sealed::read_key_head(***found)
                                                : fail(Code::UnknownKey, "there is no such key");
            if (!head)
                return kept->respond(net::HttpResponse::error(Code::UnknownKey, "there is no such key"));
            if (addresses_.size() >= kMaxKept)
                addresses_.clear();
            addresses_[sealed::key_id_text(id)] = head->address;
            settle(std::move(*kept), id, head->address);
        });
    });
    if (!taken) {
        auto response = net::HttpResponse::error(
            Code::Overloaded, "the store has too much waiting work; try again in a second");
        response.headers.push_back({"retry-after", "1"});
        kept->respond(std::move(response));
    }
}

void KeyGuard::settle(Call call, const sealed::KeyId& id, const Grant::Address& address) {
    if (!call.caller.grant->may_use(id, address))
        return call.respond(key_forbidden());
    next_(std::move(call));
}

} // namespace redoubt::gateway
