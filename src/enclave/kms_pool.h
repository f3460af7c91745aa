// SPDX-License-Identifier: Apache-2.0
// KMS clients for the enclave's blocking workers: one each in use at a time, kept with its connection.
#pragma once

#include "aws/kms_client.h"
#include "base/clock.h"
#include "enclave/counters.h"

#include <memory>
#include <mutex>
#include <vector>

namespace redoubt::enclave {

class KmsPool {
  public:
    using Factory = std::function<std::unique_ptr<aws::KmsClient>()>;
    // Told of each use: its error, or nullptr, and how long it took.
    using Observer = std::function<void(KmsCall call, const Error* error, std::int64_t milliseconds)>;
    KmsPool(Factory factory, Observer observer)
        : factory_(std::move(factory)), observer_(std::move(observer)) {}

    // Calls `use`, which gives a Result, with a client that nobody else uses meanwhile.
    template<class Use>
    auto with(KmsCall call, Use use) {
        std::unique_ptr<aws::KmsClient> client = take();
        const std::int64_t began = monotonic_ms();
        auto result = use(*client);
        observer_(call, result ? nullptr : &result.error(), monotonic_ms() - began);
        give_back(std::move(client));
        return result;
    }

  private:
    std::unique_ptr<aws::KmsClient> take() {
        {
            const std::lock_guard lock(mutex_);
            if (!idle_.empty()) {
                auto client = std::move(idle_.back());
                idle_.pop_back();
                return client;
            }
        }
        return factory_();
    }
    void give_back(std::unique_ptr<aws::KmsClient> client) {
        const std::lock_guard lock(mutex_);
        idle_.push_back(std::move(client));
    }

    Factory factory_;
    Observer observer_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<aws::KmsClient>> idle_;
};

} // namespace redoubt::enclave
