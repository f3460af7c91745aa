// SPDX-License-Identifier: Apache-2.0
// What every emulated service shares: the account, the state, time and randomness. And what a service knows
// about one authenticated call.
#pragma once

#include "base/clock.h"
#include "crypto/random.h"
#include "devcloud/event_log.h"
#include "devcloud/faults.h"
#include "devcloud/principal.h"
#include "devcloud/state.h"
#include "net/http.h"

#include <functional>
#include <string>

namespace redoubt::devcloud {

struct Settings {
    std::string region = "us-east-1";
    std::string account = "000000000000";
    std::string access_key_id; // the account's root user
    Secret secret_access_key;
    std::string instance_role = "redoubt-instance";
    Bytes attestation_root_der;
    Hash32 imds_token_key{}; // fresh for each process: tokens end with it, as with an instance's restart
};

// The one instance that IMDS speaks for; its id is the session name of its role's credentials.
inline constexpr std::string_view kInstanceId = "i-0123456789abcdef0";

// Between IMDS and who asks it: the answer to a token request crosses at most `hop_limit` hops. An instance's
// own processes are 1 hop away, a container on a bridge network 2.
struct MetadataPath {
    unsigned hop_limit = 1, hops = 1;
};

struct Cloud {
    Settings settings;
    State& state;
    EventLog& events;
    crypto::Random& random;
    std::function<UnixMs()> now;
    FaultTable faults{};
    MetadataPath metadata_path{};
};

struct Call {
    const net::HttpRequest& request;
    const Principal& principal;
    std::string_view operation; // "Decrypt"
    const std::string& region;  // of the signature's scope: the one called
    const std::string& request_id;
    UnixMs now;
    bool tls; // arrived over TLS (aws:SecureTransport)
};

// A random version-4 UUID (RFC 9562).
std::string random_uuid(crypto::Random& random);
// `size` characters of an alphabet of at most 256, without bias.
std::string random_text(crypto::Random& random, std::size_t size, std::string_view alphabet);

} // namespace redoubt::devcloud
