// SPDX-License-Identifier: Apache-2.0
#include "gateway/reference_secrets.h"

#include "wire/message.h"

#include <utility>

namespace redoubt::gateway {

ReferenceSecrets::ReferenceSecrets(net::EventLoop& loop, WorkerPool& workers, CredentialKeeper& credentials,
                                   Fetch fetch, int max_age_ms)
    : loop_(loop), workers_(workers), credentials_(credentials), fetch_(std::move(fetch)),
      max_age_ms_(max_age_ms) {}

void ReferenceSecrets::get(const std::string& secret_id, Callback callback) {
    Secret& secret = secrets_[secret_id];
    if (secret.kept && monotonic_ms() - secret.fetched_at < max_age_ms_)
        return callback(secret.kept);
    if (secret.fetching) {
        secret.next.push_back(std::move(callback));
        return;
    }
    secret.waiting.push_back(std::move(callback));
    secret.fetching = true;
    fetch(secret_id, true);
}

void ReferenceSecrets::fetch(const std::string& secret_id, bool may_refresh) {
    if (!credentials_.current() && may_refresh)
        return credentials_.refresh([this, alive = std::weak_ptr<Alive>(alive_), secret_id](const Status&) {
            if (!alive.expired())
                fetch(secret_id, false);
        });
    const auto credentials = credentials_.current();
    if (!credentials)
        return finish(secret_id,
                      fail(Code::CredentialsMissing, "the gateway has no AWS credentials; its log says why"));
    const bool taken = workers_.submit([this, alive = std::weak_ptr<Alive>(alive_), &loop = loop_,
                                        work = fetch_, secret_id, credentials, may_refresh] {
        auto bytes = work(secret_id, *credentials);
        auto result = std::make_shared<Result<Ciphertext>>();
        if (bytes)
            *result = std::make_shared<const Bytes>(std::move(*bytes));
        else
            *result = std::unexpected(std::move(bytes).error());
        loop.post([this, alive, secret_id, result, may_refresh] {
            if (!alive.expired())
                fetched(secret_id, std::move(*result), may_refresh);
        });
    });
    if (!taken)
        finish(secret_id,
               fail(Code::Overloaded, "the gateway has too much waiting work; try again in a second"));
}

void ReferenceSecrets::fetched(const std::string& secret_id, Result<Ciphertext> result, bool may_refresh) {
    if (!result && result.error().code == Code::CredentialsExpired && may_refresh)
        return credentials_.refresh([this, alive = std::weak_ptr<Alive>(alive_), secret_id](const Status&) {
            if (!alive.expired())
                fetch(secret_id, false);
        });
    if (result && (*result)->size() > wire::kMaxAttachment)
        result = fail(Code::TooLarge, "the secret is larger than a key's ciphertext can be");
    finish(secret_id, result);
}

void ReferenceSecrets::finish(const std::string& secret_id, const Result<Ciphertext>& result) {
    const auto found = secrets_.find(secret_id);
    if (found == secrets_.end())
        return;
    Secret& secret = found->second;
    const auto told = std::exchange(secret.waiting, {});
    secret.kept = result && max_age_ms_ > 0 ? *result : nullptr;
    secret.fetched_at = monotonic_ms();
    secret.fetching = !secret.next.empty();
    if (secret.fetching) {
        secret.waiting = std::exchange(secret.next, {});
        fetch(secret_id, true);
    } else if (!secret.kept || secrets_.size() > kMaxKept) {
        secrets_.erase(found);
    }
    for (const auto& callback : told)
        callback(result);
}

} // namespace redoubt::gateway
