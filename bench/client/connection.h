// SPDX-License-Identifier: Apache-2.0
// One connection of the load generator. Requests are handed over as they are due and leave with flush(), once
// a turn of the loop; what is read at once is handled at once.
#pragma once

#include "client/requests.h"
#include "net/tls.h"

#include <memory>

namespace redoubt::bench {

struct InFlight {
    std::int64_t due = 0, sent = 0; // µs, monotonic
    std::uint32_t request = 0;
};

class Connection;

class AnswerSink {
  public:
    virtual void answered(Connection& connection, const InFlight& request, int status, std::string_view body,
                          std::int64_t at) = 0;
    // It has something to say that is no request.
    virtual void has_to_write(Connection& connection) = 0;

  protected:
    ~AnswerSink() = default;
};

class Connection {
  public:
    explicit Connection(net::Stream stream) : stream_(std::move(stream)) {}
    virtual ~Connection() = default;
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    int fd() const noexcept { return stream_.fd(); }
    std::size_t in_flight() const noexcept { return in_flight_; }
    virtual std::size_t room() const noexcept = 0; // requests that may be in flight beside those that are
    virtual void submit(const InFlight& request) = 0;
    // Writes what is to be written. False: the socket takes no more for now; flush again when it does.
    virtual bool flush() = 0;
    // Reads all that has come; the sink may submit meanwhile. A connection that ended ends the program.
    void readable(AnswerSink& sink);

    bool waits_to_write = false; // the loop's note
    bool listed = false;         // the loop's note: to be flushed in this turn

  protected:
    virtual void received(ByteView bytes, std::int64_t at, AnswerSink& sink) = 0;
    bool write(std::string& out, std::size_t& written); // clears both when all is written

    net::Stream stream_;
    std::size_t in_flight_ = 0;
};

std::unique_ptr<Connection> make_http1(net::Stream stream, const Requests& requests);
std::unique_ptr<Connection> make_http2(net::Stream stream, const Requests& requests, std::size_t streams);

// To the specification's server, through the handshake.
net::TlsContext make_context(const Spec& spec);
net::Stream connect(const Spec& spec, const net::TlsContext& tls);

} // namespace redoubt::bench
