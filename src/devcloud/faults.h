// SPDX-License-Identifier: Apache-2.0
// Faults on demand: rules that say which calls fail, and how. PUT /redoubt/faults replaces them all, GET
// tells them, DELETE lifts them; on the plain listener only. They are not kept across a restart.
//
//   [{"service":"kms","operation":"Decrypt","region":"us-east-1","fault":"throttling","count":3}, …]
//
//   service    "kms", "secretsmanager", "sts", "imds", "container", or "*"
//   operation  by name; absent or "*": each. IMDS has "PutToken", "GetRole", "GetCredentials" and "Get" (the
//              rest), the container endpoint "GetCredentials"
//   region     of the credential scope; absent: each. IMDS and the container endpoint have no region: a rule
//              with one never meets them
//   count      how many calls it meets; absent: each, until it is lifted
//   fault      with its own members:
//     throttling                        refused as over the limit; nothing is done
//     server_error   status 500 or 503  refused; nothing is done
//     expired_credentials               refused as ExpiredTokenException (not of imds, container)
//     region_down                       the connection is dropped, nothing is done; needs "region"
//     cut            after_bytes        absent: dropped and nothing is done; else the call is done and its
//                                       answer ends after so many bytes
//     wrong_key_id                      the reply's KeyId names another key (kms)
//     forged_reply   form               "cms_altered", "plaintext_present", "ciphertext_altered", "not_json"
//                                       (kms)
//     failed_code                       200 and {"Code":"Failed"} in place of role credentials (imds)
//     latency        ms                 1 … 600,000: the call is done at once, its answer comes later
//     clock_skew     ms                 ±1 … 315,360,000,000: devcloud's clock for this call
// A call meets the first rule of latency, the first of clock_skew, and the first of the others that fit it.
#pragma once

#include "base/json.h"
#include "base/result.h"

#include <optional>
#include <string>
#include <vector>

namespace redoubt::devcloud {

// What a request asks, before anybody verified anything.
struct CallName {
    std::string service, operation;
    std::string region; // empty: the service has none
};

enum class Fault {
    Throttling,
    ServerError,
    ExpiredCredentials,
    RegionDown,
    Cut,
    WrongKeyId,
    ForgedReply,
    FailedCode,
    Latency,
    ClockSkew,
};

enum class Forgery { CmsAltered, PlaintextPresent, CiphertextAltered, NotJson };

struct FaultRule {
    Fault fault;
    std::string service, operation = "*", region; // region empty: each
    std::optional<std::uint64_t> left;            // calls; none: without end
    std::uint64_t met = 0;
    std::optional<std::size_t> after_bytes;
    int status = 500;
    Forgery forgery = Forgery::CmsAltered;
    std::int64_t ms = 0;
};

// What happens to one call.
struct FaultEffects {
    std::optional<FaultRule> outcome;
    int latency_ms = 0;
    std::int64_t skew_ms = 0;
};

class FaultTable {
  public:
    static constexpr std::size_t kMaxRules = 64;

    // Replaces the rules, or changes nothing. Error: InvalidField (the context says what is wrong with which
    // rule).
    Status replace(std::string_view json);
    void clear() noexcept { rules_.clear(); }
    std::string describe() const; // the JSON array, each rule with "met" and, where counted, "left"
    // Takes what meets this call, and counts it.
    FaultEffects take(const CallName& call);

  private:
    std::vector<FaultRule> rules_;
};

} // namespace redoubt::devcloud
