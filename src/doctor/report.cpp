// SPDX-License-Identifier: Apache-2.0
#include "doctor/report.h"

#include "base/json.h"

#include <algorithm>

namespace redoubt::doctor {

namespace {

constexpr std::size_t kShownHex = 16;
constexpr std::size_t kShownText = 300;

} // namespace

std::string_view level_name(Level level) noexcept {
    switch (level) {
    case Level::Ok:
        return "ok";
    case Level::Warn:
        return "warn";
    case Level::Fail:
        return "fail";
    case Level::Skipped:
        return "skipped";
    }
    return "fail";
}

void Report::add(Finding finding) {
    findings_.push_back(std::move(finding));
    if (found_)
        found_(findings_.back());
}

void Report::ok(std::string check, std::string subject, std::string sentence) {
    add({Level::Ok, std::move(check), std::move(subject), std::move(sentence), {}});
}

void Report::warn(std::string check, std::string subject, std::string sentence, std::string change) {
    add({Level::Warn, std::move(check), std::move(subject), std::move(sentence), std::move(change)});
}

void Report::fail(std::string check, std::string subject, std::string sentence, std::string change) {
    add({Level::Fail, std::move(check), std::move(subject), std::move(sentence), std::move(change)});
}

void Report::skipped(std::string check, std::string subject, std::string sentence) {
    add({Level::Skipped, std::move(check), std::move(subject), std::move(sentence), {}});
}

void Report::waiting(const std::string& what) const {
    if (progress_)
        progress_(what);
}

bool Report::fine() const noexcept {
    return std::ranges::none_of(findings_, [](const Finding& f) { return f.level == Level::Fail; });
}

std::string text_line(const Finding& finding) {
    std::string level(level_name(finding.level));
    level.resize(8, ' ');
    std::string check = finding.check;
    check.resize(std::max<std::size_t>(check.size(), 20), ' ');
    std::string out = level + " " + check + " ";
    if (!finding.subject.empty())
        out += finding.subject + ": ";
    out += finding.sentence;
    if (!finding.change.empty())
        out += "\n         to change: " + finding.change;
    return out;
}

std::string json_report(const Report& report) {
    std::string out;
    json::Writer writer(out);
    writer.begin_object().member("ok", report.fine()).key("checks").begin_array();
    for (const auto& finding : report.findings()) {
        writer.begin_object().member("check", finding.check);
        if (!finding.subject.empty())
            writer.member("subject", finding.subject);
        writer.member("status", level_name(finding.level)).member("sentence", finding.sentence);
        if (!finding.change.empty())
            writer.member("change", finding.change);
        writer.end_object();
    }
    writer.end_array().end_object();
    return out;
}

std::string short_hex(std::string_view hex) {
    return hex.size() <= kShownHex ? std::string(hex) : std::string(hex.substr(0, kShownHex)) + "…";
}

std::string short_hex(ByteView bytes) {
    return short_hex(to_hex(bytes));
}

std::string printable(std::string_view text) {
    std::string out;
    for (const char c : text.substr(0, kShownText))
        out += c >= 0x20 && c < 0x7f ? c : ' ';
    return out;
}

} // namespace redoubt::doctor
