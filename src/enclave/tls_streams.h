// SPDX-License-Identifier: Apache-2.0
// Clients' TLS connections that end here, of one connection to a gateway: frames in, frames out. A request
// that comes out of one goes the way of a Request frame, vouched for by nobody; what it needs of the store
// and makes for it goes to the gateway beside the stream, and its answer into the stream when the gateway
// says that this is stored. docs/tls-in-the-enclave.md, docs/formats/wire.md.
//
// Bounds: kMaxStreams of all connections, kMaxHandshakes a second, kMaxStreamBytes of bodies and answers held
// by all (beyond: who holds much gets 503), one request in work for each stream, wire::kStreamWindow bytes on
// their way, and the times below, by this machine's monotonic clock. Not thread-safe; what is shared is.
#pragma once

#include "enclave/attestor.h"
#include "enclave/tls_identity.h"
#include "policy/principal.h"
#include "wire/stream.h"

#include <atomic>
#include <functional>
#include <map>
#include <memory>

namespace redoubt::enclave {

inline constexpr std::size_t kMaxStreamBytes = 64 * 1024 * 1024;
inline constexpr std::size_t kFairStreamBytes = 128 * 1024; // held by one that is refused nothing
inline constexpr int kHandshakeRate = 500, kHandshakeBurst = 1'000;

struct StreamTimes {
    std::int64_t handshake_ms = 10'000;
    std::int64_t request_ms = 15'000; // from a request's first byte to its last
    std::int64_t idle_ms = 120'000;
    std::int64_t stuck_ms = 30'000;    // bytes for the client that the gateway does not take
    std::int64_t deadline_ms = 10'000; // of a request: no work is begun after it
    std::int64_t settle_ms =
        15'000; // from a request's arrival; then the client is told that it took too long
};

// Of all connections.
struct StreamLoad {
    std::atomic<std::size_t> streams{0}, bytes{0};
    RateLimit handshakes{kHandshakeRate, kHandshakeBurst};
};

using ClientKey = std::shared_ptr<const policy::PublicKey>;

class TlsStreams {
  public:
    struct Hooks {
        // Appends a frame for the gateway; `encode` its payload.
        std::function<void(wire::Kind kind, std::uint64_t stream, const std::function<void(Bytes&)>& encode)>
            send;
        // Has a Request frame's payload worked on; `client` is the key that its connection was made with, if
        // any. nullopt: the reply comes later, to replied().
        std::function<std::optional<wire::Reply>(std::uint64_t stream, std::uint32_t number,
                                                 const Bytes& payload, const ClientKey& client)>
            run;
    };

    // The identity outlives it.
    TlsStreams(const TlsIdentity& identity, std::shared_ptr<StreamLoad> load, Hooks hooks,
               StreamTimes times = {});
    ~TlsStreams();
    TlsStreams(const TlsStreams&) = delete;
    TlsStreams& operator=(const TlsStreams&) = delete;

    // A frame of a stream's kinds. Error: BadRequest (the gateway breaks the rules: the connection must end).
    Status take(const wire::Frame& frame, std::int64_t now);
    void replied(std::uint64_t stream, std::uint32_t number, wire::Reply reply, std::int64_t now);
    // Now and then: ends what takes too long.
    void sweep(std::int64_t now);
    std::size_t count() const noexcept { return streams_.size(); }

  private:
    struct Stream;
    struct Work;

    Status open(std::uint64_t id, std::int64_t now);
    Status take(Stream& stream, const wire::Frame& frame, std::int64_t now);
    void pump(Stream& stream, std::int64_t now);
    void begin(Stream& stream, std::int64_t now);
    void run(Stream& stream, std::int64_t now);
    void judge(Stream& stream, wire::Reply reply, std::int64_t now);
    void respond(Stream& stream, const wire::Reply& reply, std::int64_t now);
    void refuse(Stream& stream, const Error& error, std::int64_t now);
    void reject(Stream& stream, const Error& error, std::int64_t now);
    void flush(Stream& stream, std::int64_t now);
    void account(Stream& stream);
    // After anything that was done to it: what there is for the client goes out, and it goes if it is over.
    void settle(Stream& stream, std::int64_t now);

    const TlsIdentity& identity_;
    std::shared_ptr<StreamLoad> load_;
    Hooks hooks_;
    StreamTimes times_;
    std::map<std::uint64_t, std::unique_ptr<Stream>> streams_;
};

} // namespace redoubt::enclave
