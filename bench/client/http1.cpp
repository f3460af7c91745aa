// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 with keep-alive, one request at a time. Of an answer's head only the status and the length are
// read: how well the server speaks HTTP is for its tests to say, and these cycles are the server's.
#include "client/connection.h"

#include <charconv>

namespace redoubt::bench {

namespace {

constexpr std::string_view kStatusLine = "HTTP/1.1 ";
constexpr std::string_view kLength = "content-length:";
constexpr std::size_t kMostHead = 64 * 1024;

bool begins_with(std::string_view line, std::string_view lower_case) noexcept {
    if (line.size() < lower_case.size())
        return false;
    for (std::size_t i = 0; i < lower_case.size(); ++i)
        if ((line[i] >= 'A' && line[i] <= 'Z' ? line[i] + 32 : line[i]) != lower_case[i])
            return false;
    return true;
}

std::size_t number_in(std::string_view text) {
    std::size_t out = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error != std::errc() || end != text.data() + text.size())
        die("an answer's head has no number where one belongs");
    return out;
}

// The length of the body that follows.
std::size_t length_in(std::string_view head) {
    for (std::size_t at = head.find("\r\n"); at != std::string_view::npos;) {
        at += 2;
        const std::size_t end = head.find("\r\n", at);
        std::string_view line = head.substr(at, end == std::string_view::npos ? end : end - at);
        if (begins_with(line, kLength)) {
            line.remove_prefix(kLength.size());
            return number_in(line.substr(std::min(line.find_first_not_of(' '), line.size())));
        }
        at = end;
    }
    die("an answer tells no content-length");
}

class Http1 final : public Connection {
  public:
    Http1(net::Stream stream, const Requests& requests)
        : Connection(std::move(stream)), requests_(requests) {}

    std::size_t room() const noexcept override { return 1 - in_flight_; }

    void submit(const InFlight& request) override {
        asked_ = request;
        in_flight_ = 1;
        requests_.append_http1(out_, request.request);
    }

    bool flush() override { return write(out_, written_); }

  private:
    void received(ByteView bytes, std::int64_t at, AnswerSink& sink) override {
        // Nearly always the whole answer comes at once.
        std::string_view text = as_text(bytes);
        if (!in_.empty())
            text = in_.append(text);
        const std::size_t head = text.find("\r\n\r\n");
        if (head != std::string_view::npos) {
            const std::size_t begin = head + 4, length = length_in(text.substr(0, head));
            if (in_flight_ == 0 || !text.starts_with(kStatusLine) || text.size() > begin + length)
                die("what came is not one answer to one request");
            if (text.size() == begin + length) {
                const auto status = static_cast<int>(number_in(text.substr(kStatusLine.size(), 3)));
                in_flight_ = 0;
                sink.answered(*this, asked_, status, text.substr(begin), at);
                in_.clear();
                return;
            }
        } else if (text.size() > kMostHead) {
            die("an answer's head is too long");
        }
        if (in_.empty())
            in_ = text;
    }

    const Requests& requests_;
    InFlight asked_;
    std::string out_, in_;
    std::size_t written_ = 0;
};

} // namespace

std::unique_ptr<Connection> make_http1(net::Stream stream, const Requests& requests) {
    return std::make_unique<Http1>(std::move(stream), requests);
}

} // namespace redoubt::bench
