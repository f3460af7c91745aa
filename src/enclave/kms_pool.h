// SPDX-License-Identifier: Apache-2.0
// KMS clients for the enclave's blocking workers: one each in use at a time, kept with its connection.
#pragma once

#include "aws/kms_client.h"

#include <memory>
#include <mutex>
#include <vector>

namespace redoubt::enclave {

class KmsPool {
  public:
    using Factory = std::function<std::unique_ptr<aws::KmsClient>()>;
    explicit KmsPool(Factory factory) : factory_(std::move(factory)) {}

    // Calls `use` with a client that nobody else uses meanwhile.
    template<class Use>
    auto with(Use use) {
        std::unique_ptr<aws::KmsClient> client = take();
        auto result = use(*client);
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
    std::mutex mutex_;
    std::vector<std::unique_ptr<aws::KmsClient>> idle_;
};

} // namespace redoubt::enclave
