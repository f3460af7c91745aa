// SPDX-License-Identifier: Apache-2.0
// Answers as fields and frames. Names and values are libnghttp2's to read until the frame is written, and
// stay where they are: in the exchange. A body is copied once, into what the connection sends.
#include "base/clock.h"
#include "http2/session.h"
#include "net/http_grammar.h"

#include <algorithm>
#include <charconv>

// libnghttp2 asks this how long a text would be in Huffman's code, and takes the code where that is shorter.
// HTTP/2 leaves it to the sender (RFC 7541, section 5.2), libnghttp2 has no option for it, and to code each
// answer's receipt was the dearest of all that it does for one: so no text is shorter. The linker puts this
// in the library's place (src/CMakeLists.txt).
// NOLINTBEGIN(bugprone-reserved-identifier): the linker's name for it
extern "C" std::size_t __wrap_nghttp2_hd_huff_encode_count(const std::uint8_t* text, std::size_t size);
extern "C" std::size_t __wrap_nghttp2_hd_huff_encode_count(const std::uint8_t*, std::size_t size) {
    return size;
}
// NOLINTEND(bugprone-reserved-identifier)

namespace redoubt::http2 {

namespace {

std::uint8_t* pointer(std::string_view text) noexcept {
    return const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(text.data()));
}

nghttp2_nv field(std::string_view name, std::string_view value, unsigned flags) noexcept {
    return {pointer(name), pointer(value), name.size(), value.size(),
            static_cast<std::uint8_t>(NGHTTP2_NV_FLAG_NO_COPY_NAME | flags)};
}

// Fields that answers share are worth a place in the table of either side, others would push them out.
bool is_common(std::string_view name) noexcept {
    static constexpr std::string_view kCommon[] = {
        "content-type", "cache-control",    "retry-after",     "vary",
        "allow",        "www-authenticate", "redoubt-enclave", "redoubt-receipt-head"};
    return std::ranges::find(kCommon, name) != std::end(kCommon);
}

// What this server says itself, or what HTTP/2 has no place for (RFC 9113, section 8.2.2).
bool is_ours(std::string_view name) noexcept {
    static constexpr std::string_view kOurs[] = {"content-length", "transfer-encoding", "connection", "date",
                                                 "keep-alive",     "proxy-connection",  "upgrade",    "te"};
    return std::ranges::find(kOurs, name) != std::end(kOurs);
}

ssize_t read_body(nghttp2_session*, std::int32_t, std::uint8_t*, std::size_t length, std::uint32_t* flags,
                  nghttp2_data_source* source, void*) {
    const auto& exchange = *static_cast<const Exchange*>(source->ptr);
    const std::size_t left = exchange.response.body.size() - exchange.at;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (left <= length)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(std::min(left, length));
}

} // namespace

void Session::respond(Exchange& exchange, net::HttpResponse response) {
    const bool known = response.status >= 200 && response.status <= 599;
    if (!known)
        response.status = 500;
    const bool bodiless = response.status == 204 || response.status == 304; // RFC 9110, section 6.4.1
    exchange.response = std::move(response);
    if (bodiless)
        exchange.response.body = Bytes();
    enter(exchange, Exchange::State::Answering);
    exchange.at = 0;
    exchange.mark_ms = monotonic_ms();
    exchange.mark_at = 0;
    exchange.mark_sent = body_sent_;
    add_fields(exchange);
    if (exchange.to_head)
        exchange.response.body = Bytes();
    const std::size_t size = exchange.response.body.size();
    (void)hold(exchange, size);
    unanswered_bytes_ += size;
    nghttp2_data_provider provider{};
    provider.source.ptr = &exchange;
    provider.read_callback = read_body;
    const auto& fields = shared_->fields;
    if (nghttp2_submit_response(session_, exchange.id, fields.data(), fields.size(),
                                size == 0 ? nullptr : &provider) != 0)
        (void)nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, exchange.id, NGHTTP2_INTERNAL_ERROR);
}

void Session::add_fields(Exchange& exchange) {
    auto& out = shared_->fields;
    auto& response = exchange.response;
    const auto number = [](auto& digits, std::size_t value) {
        const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
        return std::string_view(digits.data(), static_cast<std::size_t>(end - digits.data()));
    };
    out.clear();
    out.push_back(field(":status", number(exchange.status, static_cast<std::size_t>(response.status)),
                        NGHTTP2_NV_FLAG_NO_COPY_VALUE));
    for (auto& [name, value] : response.headers) {
        std::ranges::transform(name, name.begin(), net::to_lower);
        if (is_ours(name) || !net::is_token(name) || !net::is_field_value(value))
            continue;
        const unsigned index = is_common(name) ? NGHTTP2_NV_FLAG_NONE : NGHTTP2_NV_FLAG_NO_INDEX;
        out.push_back(field(name, net::trimmed(value), NGHTTP2_NV_FLAG_NO_COPY_VALUE | index));
    }
    out.push_back(field("date", carrier_.date(), NGHTTP2_NV_FLAG_NONE)); // it changes, so it is copied
    if (const auto& server = carrier_.options().server_name; !server.empty())
        out.push_back(field("server", server, NGHTTP2_NV_FLAG_NO_COPY_VALUE));
    if (response.status != 204 && response.status != 304)
        out.push_back(field("content-length", number(exchange.length, response.body.size()),
                            NGHTTP2_NV_FLAG_NO_COPY_VALUE));
}

// RFC 9110, section 10.1.1.
void Session::offer_continue(Exchange& exchange) {
    const nghttp2_nv status = field(":status", "100", NGHTTP2_NV_FLAG_NO_COPY_VALUE);
    (void)nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, exchange.id, nullptr, &status, 1, nullptr);
    exchange.since_ms = now_;
}

} // namespace redoubt::http2
