// SPDX-License-Identifier: Apache-2.0
// What every emulated service shares: the account, the state, time and randomness. And what a service knows
// about one authenticated call.
#pragma once

#include "base/clock.h"
#include "crypto/random.h"
#include "devcloud/event_log.h"
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

struct Cloud {
    Settings settings;
    State& state;
    EventLog& events;
    crypto::Random& random;
    std::function<UnixMs()> now;
};

struct Call {
    const net::HttpRequest& request;
    const Principal& principal;
    std::string_view operation; // "Decrypt"
    const std::string& request_id;
    UnixMs now;
    bool tls; // arrived over TLS (aws:SecureTransport)
};

// A random version-4 UUID (RFC 9562).
std::string random_uuid(crypto::Random& random);
// `size` characters of an alphabet of at most 256, without bias.
std::string random_text(crypto::Random& random, std::size_t size, std::string_view alphabet);

} // namespace redoubt::devcloud
