// SPDX-License-Identifier: Apache-2.0
// The condition on `time`.
#include "policy/condition.h"

#include <algorithm>

namespace redoubt::policy {

namespace {

constexpr std::string_view kWeekdays[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

Result<std::uint64_t> read_time(const json::Value& value, const std::string& place) {
    return read_count(value, kLastTime,
                      "policy: a time is milliseconds since 1970, an integer from 1 to 2^53 - 1", place);
}

std::optional<std::uint16_t> parse_minute(const json::Value& value) noexcept { // "08:30"
    const std::string_view text = value.is_string() ? value.text() : std::string_view();
    if (text.size() != 5 || text[2] != ':')
        return std::nullopt;
    for (const std::size_t i : {0u, 1u, 3u, 4u})
        if (text[i] < '0' || text[i] > '9')
            return std::nullopt;
    const int hour = (text[0] - '0') * 10 + text[1] - '0', minute = (text[3] - '0') * 10 + text[4] - '0';
    if (hour > 23 || minute > 59)
        return std::nullopt;
    return static_cast<std::uint16_t>(hour * 60 + minute);
}

Status read_of_day(TimeTest& out, const json::Value& value, const std::string& place) {
    if (value.is_array() && value.size() == 2) {
        auto entry = value.begin();
        out.of_day_from = parse_minute(*entry);
        out.of_day_to = parse_minute(*++entry);
    }
    if (!out.of_day_from || !out.of_day_to || *out.of_day_from == *out.of_day_to)
        return refuse(
            "policy: of_day is a list of two different times of the day in UTC, [\"08:00\",\"18:30\"]",
            place);
    return {};
}

Status read_weekdays(TimeTest& out, const json::Value& value, const std::string& place) {
    constexpr FixedText text("policy: weekdays is a list of different ones of mon tue wed thu fri sat sun");
    REDOUBT_CHECK(check_list(value, std::size(kWeekdays), text, place));
    out.weekdays = 0;
    for (const auto entry : value) {
        const auto* const day = std::find(std::begin(kWeekdays), std::end(kWeekdays),
                                          entry.is_string() ? entry.text() : std::string_view());
        const auto bit = static_cast<std::uint8_t>(1u << (day - std::begin(kWeekdays)));
        if (day == std::end(kWeekdays) || (out.weekdays & bit) != 0)
            return refuse(text, place);
        out.weekdays |= bit;
    }
    return {};
}

} // namespace

Result<TimeTest> parse_time(const json::Value& value, const std::string& place) {
    REDOUBT_CHECK(only_members(value, {"from", "before", "of_day", "weekdays"}, place));
    if (value.size() == 0)
        return refuse("policy: a condition is an object of at least one operator", place);
    TimeTest out;
    if (const auto from = value.get("from")) {
        REDOUBT_TRY(out.from, read_time(*from, member_place(place, "from")));
    }
    if (const auto before = value.get("before")) {
        REDOUBT_TRY(out.before, read_time(*before, member_place(place, "before")));
    }
    if (out.from && out.before && *out.from >= *out.before)
        return refuse("policy: no time is from and before these: exchange them", place);
    if (const auto of_day = value.get("of_day")) {
        REDOUBT_CHECK(read_of_day(out, *of_day, member_place(place, "of_day")));
    }
    if (const auto weekdays = value.get("weekdays")) {
        REDOUBT_CHECK(read_weekdays(out, *weekdays, member_place(place, "weekdays")));
    }
    return out;
}

} // namespace redoubt::policy
