// SPDX-License-Identifier: Apache-2.0
#include "gateway/trace_context.h"

#include "crypto/random.h"
#include "wire/message.h"

#include <algorithm>
#include <type_traits>

namespace redoubt::gateway {

namespace {

constexpr std::size_t kVersion00 = 55; // its whole length
constexpr std::size_t kMaxValue = 512; // of a later version

bool is_lower_hex(std::string_view text) noexcept {
    return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_id(std::string_view text) noexcept {
    return is_lower_hex(text) && std::ranges::any_of(text, [](char c) { return c != '0'; });
}

int digit(char c) noexcept {
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

// Ids tell requests apart and protect nothing, so the kernel is asked for many at once.
template<std::size_t N>
InlineText<2 * N> random_hex() {
    thread_local ByteArray<4096> some;
    thread_local std::size_t at = some.size();
    if (some.size() - at < N) {
        crypto::SystemRandom().fill(some);
        at = 0;
    }
    const auto one = ByteView(some).subspan(at, N);
    at += N;
    std::array<char, 2 * N> digits;
    write_hex(one, digits.data());
    return std::string_view(digits.data(), digits.size());
}

} // namespace

// version "-" trace-id "-" parent-id "-" trace-flags [ "-" … ]
std::optional<TraceParent> parse_trace_parent(std::string_view value) noexcept {
    if (value.size() < kVersion00 || value.size() > kMaxValue)
        return std::nullopt;
    const auto version = value.substr(0, 2), trace = value.substr(3, 32), parent = value.substr(36, 16),
               flags = value.substr(53, 2);
    if (!is_lower_hex(version) || version == "ff" || value[2] != '-' || value[35] != '-' || value[52] != '-')
        return std::nullopt;
    if (!is_id(trace) || !is_id(parent) || !is_lower_hex(flags))
        return std::nullopt;
    if (value.size() > kVersion00 && (version == "00" || value[kVersion00] != '-'))
        return std::nullopt;
    return TraceParent{std::string(trace), std::string(parent),
                       static_cast<std::uint8_t>(digit(flags[0]) << 4 | digit(flags[1]))};
}

std::string next_trace_parent(const TraceParent& from) {
    InlineText<16> parent;
    do
        parent = random_hex<8>();
    while (!is_id(parent));
    return "00-" + from.trace_id + "-" + std::string(parent) + (from.sampled() ? "-01" : "-00");
}

std::string trace_parent_for(const net::HttpRequest& request) {
    if (request.count("traceparent") != 1)
        return {};
    const auto parsed = parse_trace_parent(request.header("traceparent"));
    return parsed ? next_trace_parent(*parsed) : std::string();
}

static_assert(std::is_same_v<RequestId, InlineText<wire::kMaxRequestId>>);

RequestId request_id_for(const net::HttpRequest& request) {
    const auto given = request.header("x-request-id");
    if (request.count("x-request-id") == 1 && wire::is_request_id(given))
        return given;
    return random_hex<16>().view();
}

} // namespace redoubt::gateway
