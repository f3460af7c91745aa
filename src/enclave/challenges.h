// SPDX-License-Identifier: Apache-2.0
// Nonces of this enclave's own, for requests that must not be repeated or shown to another enclave: whoever
// signs one of those asks for a challenge first and signs it as his nonce. Issuing costs no memory (a MAC
// says that it is ours); what was used is remembered until it would have ended. Thread-safe.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"

#include <mutex>
#include <set>
#include <string>
#include <utility>

namespace redoubt::crypto {
class Random;
}

namespace redoubt::enclave {

class Challenges {
  public:
    static constexpr UnixMs kLifeMs = 300'000;
    static constexpr std::size_t kMaxUsed = 65'536;

    Challenges(const ByteArray<8>& tag, crypto::Random& random);
    // "<16 hex of the tag>-<32 hex, random>-<16 hex: its end, in ms>-<32 hex of a MAC over all before>": 99
    // characters.
    std::string issue(UnixMs now);
    // Once, and only after whoever shows it has been authenticated. Errors: ChallengeInvalid (not this
    // enclave's, ended, or used before); Overloaded.
    Status take(std::string_view challenge, UnixMs now);

  private:
    ByteArray<8> tag_;
    crypto::Random& random_;
    Secret key_;
    std::string sealed(std::string head) const;
    std::mutex mutex_;
    std::set<std::pair<UnixMs, std::string>> used_; // its end, and its random part
};

} // namespace redoubt::enclave
