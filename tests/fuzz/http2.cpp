// SPDX-License-Identifier: Apache-2.0
// A client's bytes into an HTTP/2 session. Whatever they are: what is handed on is a request as HTTP/1.1
// could have carried it, no more of them at once than is allowed, what is sent back is whole frames, and when
// the connection has ended no memory is held for it. The first byte chooses whether the preface is there
// already, in what pieces the bytes come, and when answers are given. Seeds: corpus/http2.
#include "base/clock.h"
#include "http2/session.h"
#include "net/http_head.h"

#include <algorithm>
#include <cstdlib>
#include <random>

using namespace redoubt;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

constexpr std::size_t kBody = 2'000;

class Carrier final : public net::HttpCarrier {
  public:
    Carrier() {
        options_.limits = {.request_line = 200, .header_bytes = 1'000, .headers = 10, .body = kBody};
        options_.max_streams = 8;
        options_.max_held_bytes = 10'000;
    }
    const net::HttpServerOptions& options() const noexcept override { return options_; }
    net::HttpServer::Counts& counts() noexcept override { return counts_; }
    bool draining() const noexcept override { return draining_; }
    bool open() const noexcept override { return open_; }
    bool secure() const noexcept override { return true; }
    const std::string& common_lines() override { return date_; }
    const std::string& date() override { return date_; }
    void hand_on(net::HttpRequest&& request, std::uint64_t sequence) override {
        net::HttpRequest again;
        require(net::take_request_line(again, request.method, request.target, options_.limits.request_line)
                    .has_value());
        require(again.path == request.path && again.query == request.query);
        require(net::take_host(again, request.authority).has_value());
        require(request.count("host") == 1 && request.header("host") == request.authority);
        require(request.body.size() <= kBody && request.headers.size() <= 11);
        for (const auto& [name, value] : request.headers) {
            require(!name.starts_with(':') && name != "connection" && name != "transfer-encoding");
            require(std::ranges::none_of(name, [](char c) { return c >= 'A' && c <= 'Z'; }));
            for (const char c : name + value)
                require((static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) || c == '\t');
        }
        if (const auto length = request.header("content-length"); !length.empty())
            require(length == std::to_string(request.body.size()));
        waiting.push_back(sequence);
        require(waiting.size() <= options_.max_streams);
    }
    bool hold(std::size_t bytes) noexcept override {
        held = bytes;
        return bytes <= options_.max_held_bytes;
    }
    void want_flush() override {}

    // Reads what was sent: frames, each whole and none too large.
    void check_output() {
        std::size_t at = 0;
        while (out.size() - at >= 9) {
            const std::size_t size = std::size_t{out[at]} << 16 | std::size_t{out[at + 1]} << 8 | out[at + 2];
            require(size <= 16'384 && out[at + 3] <= NGHTTP2_CONTINUATION);
            require(out.size() - at - 9 >= size);
            at += 9 + size;
        }
        require(at == out.size());
        out.clear();
        sent = 0;
    }

    std::vector<std::uint64_t> waiting; // for answers
    std::size_t held = 0;
    bool open_ = true, draining_ = false;

  private:
    net::HttpServerOptions options_;
    net::HttpServer::Counts counts_;
    std::string date_ = "Sun, 06 Nov 1994 08:49:37 GMT";
};

void answer(http2::Session& session, Carrier& carrier, std::minstd_rand& random) {
    const std::size_t at = random() % carrier.waiting.size();
    const std::uint64_t sequence = carrier.waiting[at];
    carrier.waiting.erase(carrier.waiting.begin() + static_cast<std::ptrdiff_t>(at));
    (void)session.gone(sequence);
    net::HttpResponse response;
    response.status = random() % 8 == 0 ? 204 : 200;
    response.body = Bytes(random() % 4 == 0 ? 40'000 : random() % 100, 'x');
    response.headers.push_back({"x-request-id", "abc"});
    session.answer(sequence, std::move(response), std::nullopt);
    require(session.gone(sequence) || session.working());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0)
        return 0;
    const auto shared = std::make_shared<http2::Shared>();
    Carrier carrier;
    std::minstd_rand random(data[0]);
    {
        http2::Session session(shared, carrier);
        if ((data[0] & 1) == 0) {
            constexpr std::uint8_t kSettings[] = {0, 0, 0, 4, 0, 0, 0, 0, 0};
            session.take(as_bytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
            session.take(kSettings);
        }
        ByteView rest(data + 1, size - 1);
        while (!rest.empty() && !carrier.no_more) {
            const std::size_t n =
                (data[0] & 2) == 0 ? rest.size() : std::min<std::size_t>(rest.size(), random() % 40 + 1);
            session.take(rest.first(n));
            rest = rest.subspan(n);
            if ((data[0] & 4) == 0 && !carrier.waiting.empty())
                answer(session, carrier, random);
            if ((data[0] & 8) != 0 && random() % 8 == 0 && !carrier.draining_) {
                carrier.draining_ = true;
                session.drain();
            }
            session.fill();
            carrier.check_output();
            session.resume();
        }
        while (!carrier.waiting.empty())
            answer(session, carrier, random);
        (void)session.check_time(monotonic_ms() + 1'000'000, false);
        (void)session.farewell();
        for (int i = 0; i < 100; ++i) {
            session.fill();
            const bool done = carrier.out.empty();
            carrier.check_output();
            if (done)
                break;
        }
        carrier.open_ = false;
        session.ended();
        require(carrier.held == 0 && !session.working());
    }
    return 0;
}
