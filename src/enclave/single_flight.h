// SPDX-License-Identifier: Apache-2.0
// What clients can make the enclave ask of KMS again and again: one call at a time for each thing, and a
// refusal is believed for a second, so that no client spends the account's KMS quota (a throttled renewal
// would end a vault's lease). Thread-safe.
#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"

#include <map>
#include <memory>
#include <mutex>

namespace redoubt::enclave {

class SingleFlight {
  public:
    static constexpr std::int64_t kBelievedMs = 1'000;
    static constexpr std::size_t kMaxRemembered = 4'096;

    // A refusal that is still believed.
    std::optional<Error> refused(const Hash32& id) {
        const std::lock_guard lock(mutex_);
        const auto found = refusals_.find(id);
        if (found == refusals_.end())
            return std::nullopt;
        if (found->second.until > monotonic_ms())
            return found->second.error;
        refusals_.erase(found);
        return std::nullopt;
    }
    // Held while one thread asks; others wait, and then look again whether it is done or refused.
    std::shared_ptr<std::mutex> turn(const Hash32& id) {
        const std::lock_guard lock(mutex_);
        std::erase_if(turns_, [](const auto& entry) { return entry.second.expired(); });
        auto turn = turns_[id].lock();
        if (!turn)
            turns_[id] = turn = std::make_shared<std::mutex>();
        return turn;
    }
    // Only what would be refused again: the service saying no, or a plaintext that is no key.
    void remember(const Hash32& id, const Error& error) {
        switch (error.code) {
        case Code::KmsDenied:
        case Code::KmsRefused:
        case Code::KmsReplyInvalid:
        case Code::KeyInvalid:
        case Code::ReferenceKeyRefused:
        case Code::RecordInvalid:
            break;
        default:
            return;
        }
        const std::lock_guard lock(mutex_);
        if (refusals_.size() >= kMaxRemembered)
            refusals_.clear();
        refusals_.insert_or_assign(id, Refusal{{error.code, error.text, {}}, monotonic_ms() + kBelievedMs});
    }

  private:
    struct Refusal {
        Error error;
        std::int64_t until;
    };
    std::mutex mutex_;
    std::map<Hash32, Refusal> refusals_;
    std::map<Hash32, std::weak_ptr<std::mutex>> turns_;
};

} // namespace redoubt::enclave
