// SPDX-License-Identifier: Apache-2.0
// What bench_client is told to do: one JSON file, described in bench/bench_client.cpp. What is wrong with it
// ends the program.
#pragma once

#include "base/bytes.h"
#include "net/http_client.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace redoubt::bench {

enum class Protocol { Http1, Http2 };
enum class Operation { SignTransaction, Rpc, RpcBatch, CreateKeys };
enum class Pick { First, Uniform, Zipf };
enum class Mode { Closed, Open, Handshakes, Create };

// Who asks: the gateway's word, a key that signs each request, or sessions that such a key agrees.
struct PrincipalSpec {
    enum class Kind { Host, Session, Key } kind = Kind::Host;
    std::string key_id, key_file; // its id in the policy; PKCS #8, PEM
    std::size_t sessions = 1;     // requests take turns; an enclave knows those that it agreed
};

struct StepSpec {
    Mode mode = Mode::Closed;
    double warmup_s = 0, seconds = 0;
    std::size_t trials = 1;
    double rate = 0;            // open: requests a second; 0: times × the closed steps' median
    double times = 0;           //
    std::int64_t turn_us = 250; // open: what is due and what has come in this time is handled together
    bool poisson = false;       // open: due at random times of that mean rate, else evenly spaced
    bool resumed = false;       // handshakes
    std::size_t count = 0;      // create: keys
};

struct Spec {
    net::Url url;
    std::string ca_pem;
    std::vector<Hash32> pins; // SHA-256 of SubjectPublicKeyInfo; not empty: these keys and no others
    Protocol protocol = Protocol::Http1;
    std::size_t connections = 1, streams = 1;
    Operation operation = Operation::SignTransaction;
    std::size_t batch = 1;          // signatures that one request asks for
    std::string keys_file;          // is written where keys are made
    std::string create_body = "{}"; // of POST /v1/keys
    Pick pick = Pick::First;
    std::uint64_t seed = 1;
    PrincipalSpec principal;
    std::vector<std::pair<std::string, std::string>> headers; // more of them, lower-case: authorization, say
    std::vector<std::pair<std::string, std::string>> allocations; // a name and a counters' file each
    std::size_t prepare_per_s = 0; // requests made ready for each second of a closed trial; 0: we say
    std::vector<StepSpec> steps;
};

[[noreturn]] void die(const std::string& what);
std::string read_file(const std::string& path);
Spec read_spec(const std::string& path);

} // namespace redoubt::bench
