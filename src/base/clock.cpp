// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <chrono>
#include <cstdio>
#include <ctime>

namespace redoubt {

namespace {

std::int64_t read_clock_us(clockid_t id) noexcept {
    timespec now{};
    clock_gettime(id, &now);
    return static_cast<std::int64_t>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000;
}

struct Civil {
    int year, month, day, hour, minute, second;
};

Civil civil(UnixMs time) noexcept {
    using namespace std::chrono;
    const auto point = sys_time<milliseconds>(milliseconds(time));
    const auto days = floor<std::chrono::days>(point);
    const year_month_day date(days);
    const hh_mm_ss clock(floor<seconds>(point - days));
    return {int(date.year()),
            static_cast<int>(unsigned(date.month())),
            static_cast<int>(unsigned(date.day())),
            static_cast<int>(clock.hours().count()),
            static_cast<int>(clock.minutes().count()),
            static_cast<int>(clock.seconds().count())};
}

std::optional<int> digits(std::string_view text, std::size_t at, std::size_t n) noexcept {
    if (at + n > text.size())
        return std::nullopt;
    int value = 0;
    for (std::size_t i = at; i < at + n; ++i) {
        if (text[i] < '0' || text[i] > '9')
            return std::nullopt;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

std::optional<UnixMs> from_civil(std::optional<int> year, std::optional<int> month, std::optional<int> day,
                                 std::optional<int> hour, std::optional<int> minute,
                                 std::optional<int> second) noexcept {
    using namespace std::chrono;
    if (!year || !month || !day || !hour || !minute || !second)
        return std::nullopt;
    const year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                              std::chrono::day(static_cast<unsigned>(*day))};
    if (!date.ok() || *hour > 23 || *minute > 59 || *second > 60)
        return std::nullopt;
    const auto seconds_since =
        sys_days(date).time_since_epoch() + hours(*hour) + minutes(*minute) + seconds(*second);
    return duration_cast<milliseconds>(seconds_since).count();
}

} // namespace

UnixMs system_time_ms() noexcept {
    return read_clock_us(CLOCK_REALTIME) / 1000;
}

std::int64_t monotonic_ms() noexcept {
    return read_clock_us(CLOCK_BOOTTIME) / 1000;
}

std::int64_t monotonic_us() noexcept {
    return read_clock_us(CLOCK_BOOTTIME);
}

std::string to_iso8601(UnixMs time) {
    const Civil c = civil(time);
    char out[64];
    std::snprintf(out, sizeof out, "%04d-%02d-%02dT%02d:%02d:%02dZ", c.year, c.month, c.day, c.hour, c.minute,
                  c.second);
    return out;
}

std::string to_amz_date(UnixMs time) {
    const Civil c = civil(time);
    char out[64];
    std::snprintf(out, sizeof out, "%04d%02d%02dT%02d%02d%02dZ", c.year, c.month, c.day, c.hour, c.minute,
                  c.second);
    return out;
}

std::optional<UnixMs> from_iso8601(std::string_view text) noexcept {
    if (text.size() < 20 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' ||
        text[16] != ':' || text.back() != 'Z')
        return std::nullopt;
    UnixMs fraction = 0;
    if (text.size() > 20) {
        if (text[19] != '.' || text.size() < 22 || text.size() > 31)
            return std::nullopt;
        int scale = 100;
        for (const char c : text.substr(20, text.size() - 21)) {
            if (c < '0' || c > '9')
                return std::nullopt;
            fraction += (c - '0') * scale;
            scale /= 10;
        }
    }
    const auto whole = from_civil(digits(text, 0, 4), digits(text, 5, 2), digits(text, 8, 2),
                                  digits(text, 11, 2), digits(text, 14, 2), digits(text, 17, 2));
    if (!whole)
        return std::nullopt;
    return *whole + fraction;
}

std::optional<UnixMs> from_amz_date(std::string_view text) noexcept {
    if (text.size() != 16 || text[8] != 'T' || text[15] != 'Z')
        return std::nullopt;
    return from_civil(digits(text, 0, 4), digits(text, 4, 2), digits(text, 6, 2), digits(text, 9, 2),
                      digits(text, 11, 2), digits(text, 13, 2));
}

} // namespace redoubt
