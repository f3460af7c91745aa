// SPDX-License-Identifier: Apache-2.0
// Ciphertexts of reference keys from Secrets Manager. With no age allowed, a request gets what was fetched
// after it came: requests that wait for one secret share a fetch, those that come while it is under way share
// the next. Loop thread only; fetches run on workers.
#pragma once

#include "aws/secrets_client.h"
#include "gateway/credential_keeper.h"

#include <unordered_map>

namespace redoubt::gateway {

class ReferenceSecrets {
  public:
    using Ciphertext = std::shared_ptr<const Bytes>;
    // Errors: SecretMissing, AwsRefused, AwsUnavailable, CredentialsMissing, TooLarge, Overloaded.
    using Callback = std::function<void(Result<Ciphertext>)>;
    // Blocking, called on a worker.
    using Fetch = std::function<Result<Bytes>(const std::string& secret_id, const aws::Credentials&)>;

    // `max_age_ms`: how old a ciphertext may be when a request gets it.
    ReferenceSecrets(net::EventLoop& loop, WorkerPool& workers, CredentialKeeper& credentials, Fetch fetch,
                     int max_age_ms);

    void get(const std::string& secret_id, Callback callback);

    static constexpr std::size_t kMaxKept = 10'000; // secrets; only with an age allowed

  private:
    struct Secret {
        std::vector<Callback> waiting, next; // for the fetch under way, and for the one after it
        bool fetching = false;
        Ciphertext kept;
        std::int64_t fetched_at = 0;
    };
    struct Alive {};
    void fetch(const std::string& secret_id, bool may_refresh);
    void fetched(const std::string& secret_id, Result<Ciphertext> result, bool may_refresh);
    void finish(const std::string& secret_id, const Result<Ciphertext>& result);

    net::EventLoop& loop_;
    WorkerPool& workers_;
    CredentialKeeper& credentials_;
    Fetch fetch_;
    int max_age_ms_;
    std::unordered_map<std::string, Secret> secrets_;
    std::shared_ptr<Alive> alive_ = std::make_shared<Alive>();
};

} // namespace redoubt::gateway
