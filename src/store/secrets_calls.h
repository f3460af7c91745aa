// SPDX-License-Identifier: Apache-2.0
// Calls of Secrets Manager from any thread: a client for each caller, current credentials for each attempt,
// and patience with a service that throttles, fails or is not reached.
#pragma once

#include "aws/secrets_client.h"
#include "store/store.h"

#include <memory>
#include <mutex>
#include <vector>

namespace redoubt::store {

class SecretsCalls {
  public:
    static constexpr int kPatienceMs = 3'000;
    explicit SecretsCalls(SecretsStoreOptions options, int patience_ms = kPatienceMs)
        : options_(std::move(options)), patience_ms_(patience_ms) {}

    // Calls `operation(client, credentials)`, again after a pause while that can help (AwsUnavailable,
    // CredentialsExpired) and less than its patience has gone. What is called must bear repetition. Error:
    // Conflict and SecretMissing as they are, StoreFailed for all others; its context is what AWS answered.
    template<class Operation>
    auto run(Operation operation)
        -> std::invoke_result_t<Operation, aws::SecretsClient&, const aws::Credentials&> {
        Pauses pauses(patience_ms_);
        for (;;) {
            auto credentials = options_.credentials();
            if (!credentials)
                return failed(credentials.error());
            auto client = take();
            auto result = operation(*client, **credentials);
            give_back(std::move(client));
            if (result || is_answer(result.error().code))
                return result;
            if (!may_help(result.error().code) || !pauses.next())
                return failed(result.error());
        }
    }

  private:
    // 50, 100, 200, … ms, each longer by up to as much again, so that many callers do not come back at once.
    class Pauses {
      public:
        explicit Pauses(int patience_ms) noexcept : patience_ms_(patience_ms) {}
        bool next(); // false: patience has ended
      private:
        int patience_ms_;
        std::int64_t began_ = monotonic_ms();
        int ms_ = 50;
    };

    static bool is_answer(Code code) noexcept {
        return code == Code::Conflict || code == Code::SecretMissing;
    }
    static bool may_help(Code code) noexcept {
        return code == Code::AwsUnavailable || code == Code::CredentialsExpired;
    }
    static std::unexpected<Error> failed(const Error& error);
    std::unique_ptr<aws::SecretsClient> take();
    void give_back(std::unique_ptr<aws::SecretsClient> client);

    SecretsStoreOptions options_;
    int patience_ms_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<aws::SecretsClient>> idle_;
};

} // namespace redoubt::store
