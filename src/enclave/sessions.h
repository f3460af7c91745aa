// SPDX-License-Identifier: Apache-2.0
// Session keys: HMAC keys that principals have agreed with this enclave over HPKE (docs/signing-requests.md).
// A session is its principal's: what a policy allows that key it allows the session. It ends with its time or
// the enclave. Thread-safe.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/text_hash.h"
#include "policy/principal.h"

#include <memory>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>

namespace redoubt::crypto {
class Random;
}

namespace redoubt::enclave {

struct Session {
    policy::PublicKey principal;
    Secret key; // 32 bytes
    UnixMs expires = 0;
};

class Sessions {
  public:
    static constexpr std::size_t kMaxSessions = 4'096, kMaxOfOne = 64; // of one principal
    static constexpr UnixMs kLongestMs = 24 * 3'600'000;

    Sessions(const ByteArray<8>& tag, crypto::Random& random) : tag_(tag), random_(random) {}
    // "session-<16 hex of the tag><32 hex>". Errors: InvalidField (a key that is not of 32 bytes, a time that
    // is past or further away than kLongestMs); TooManyRequests (of this principal, or of all).
    Result<std::string> add(Session session, UnixMs now);
    std::shared_ptr<const Session> find(std::string_view id, UnixMs now) const; // nullptr: none, or ended
    void remove_ended(UnixMs now);
    std::size_t size() const;

  private:
    ByteArray<8> tag_;
    crypto::Random& random_;
    mutable std::shared_mutex mutex_;
    std::unordered_map<std::string, std::shared_ptr<const Session>, TextHash, std::equal_to<>> sessions_;
};

// HPKE's info for a session: canonical JSON {"enclave":"<64 hex: the offered public key>","expires":<ms>,
// "principal":"<64 hex: principal_digest>","redoubt_session":1}.
std::string session_info(const ByteArray<32>& enclave_key, const policy::PublicKey& principal,
                         UnixMs expires);

} // namespace redoubt::enclave
