// SPDX-License-Identifier: Apache-2.0
// One stream, and a request of it; internal to tls_streams.cpp.
#pragma once

#include "enclave/tls_session.h"
#include "enclave/tls_streams.h"
#include "net/http.h"

#include <optional>

namespace redoubt::enclave {

// A request between its last byte and its answer.
struct TlsStreams::Work {
    std::uint32_t number = 0;
    net::HttpRequest request;
    std::vector<std::pair<wire::Reply::Need, Bytes>> items;
    int rounds = 0;
    std::int64_t since = 0;
    bool asked = false; // the gateway, whose answer is awaited
    wire::Reply held;   // to be given when the gateway says so
};

struct TlsStreams::Stream {
    Stream(std::uint64_t its_id, TlsSession its_session, std::int64_t now)
        : id(its_id), session(std::move(its_session)), since(now), moved(now) {}

    const std::uint64_t id;
    TlsSession session;
    ClientKey client{}; // known once hands are shaken
    net::HttpParser parser{net::HttpParser::Kind::Request, {}};
    Bytes in{}; // plaintext that no request took yet
    std::optional<Work> work{};
    std::uint32_t last_number = 0;
    std::size_t window = wire::kStreamWindow; // that the gateway will take
    std::size_t fed = 0, told = 0;            // bytes from the client, and those that it was told were taken
    std::size_t accounted = 0;
    std::int64_t since;             // the handshake began, or the last answer was given
    std::int64_t request_since = 0; // a request's first byte came
    std::int64_t moved;             // the gateway last took something
    bool input_ended = false;
    bool continued = false; // "100 Continue" was sent
    bool closing = false;   // nothing more is read; what is unsent goes out, and then it is over
    bool dead = false;      // over now
};

} // namespace redoubt::enclave
