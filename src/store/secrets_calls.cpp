// SPDX-License-Identifier: Apache-2.0
#include "store/secrets_calls.h"

#include <chrono>
#include <random>
#include <thread>

namespace redoubt::store {

bool SecretsCalls::Pauses::next() {
    thread_local std::minstd_rand generator{std::random_device{}()};
    const int pause = ms_ + static_cast<int>(generator() % static_cast<unsigned>(ms_));
    if (monotonic_ms() - began_ + pause > patience_ms_)
        return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(pause));
    ms_ *= 2;
    return true;
}

std::unexpected<Error> SecretsCalls::failed(const Error& error) {
    return fail(Code::StoreFailed,
                "the store in Secrets Manager failed; check the endpoint, the role's policy and AWS's quotas",
                error.describe());
}

std::unique_ptr<aws::SecretsClient> SecretsCalls::take() {
    {
        const std::lock_guard lock(mutex_);
        if (!idle_.empty()) {
            auto client = std::move(idle_.back());
            idle_.pop_back();
            return client;
        }
    }
    return std::make_unique<aws::SecretsClient>(options_.endpoint, options_.region, options_.tls);
}

void SecretsCalls::give_back(std::unique_ptr<aws::SecretsClient> client) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(client));
}

} // namespace redoubt::store
