// SPDX-License-Identifier: Apache-2.0
#include "devcloud/event_log.h"

#include "base/json.h"
#include "base/log.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <unistd.h>

namespace redoubt::devcloud {

namespace {

std::string encode(const Event& event) {
    std::string line;
    json::Writer writer(line);
    const auto member = [&](std::string_view name, const std::string& value) {
        writer.key(name);
        if (value.empty())
            writer.null();
        else
            writer.string(value);
    };
    writer.begin_object().member("eventTime", to_iso8601(event.time)).member("eventName", event.name);
    member("requestId", event.request_id);
    member("principal", event.principal);
    member("keyArn", event.key_arn);
    writer.key("encryptionContext").begin_object();
    for (const auto& [name, value] : event.encryption_context)
        writer.member(name, value);
    writer.end_object();
    member("moduleId", event.module_id);
    member("pcr0", event.pcr0);
    member("pcr16", event.pcr16);
    member("errorCode", event.error_code);
    writer.end_object();
    return line;
}

} // namespace

Result<EventLog> EventLog::open(const std::string& path) {
    std::deque<std::string> lines;
    bool torn = false;
    {
        std::ifstream in(path);
        json::Document document;
        for (std::string line; std::getline(in, line);) {
            torn = in.eof(); // the line ended with the file
            if (!document.parse(line))
                continue;
            lines.push_back(std::move(line));
            if (lines.size() > kRemembered)
                lines.pop_front();
        }
    }
    net::Fd file(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
    if (!file)
        return fail(Code::Io, "devcloud's event log cannot be opened; check the data folder", path);
    EventLog events(std::move(file));
    events.lines_ = std::move(lines);
    events.torn_ = torn;
    return events;
}

void EventLog::append(const Event& event) {
    auto line = encode(event);
    const std::string written = (torn_ ? "\n" : "") + line + "\n";
    const auto size = ::write(file_.get(), written.data(), written.size());
    if (size != static_cast<ssize_t>(written.size()))
        log(LogLevel::Warning, "devcloud_event_not_written",
            {{"error", size < 0 ? std::strerror(errno) : "written in part"}});
    // A write that failed left the file as it was.
    if (size >= 0)
        torn_ = size != static_cast<ssize_t>(written.size());
    lines_.push_back(std::move(line));
    if (lines_.size() > kRemembered)
        lines_.pop_front();
}

std::string EventLog::recent(std::size_t limit) const {
    std::string out = "[";
    const std::size_t first = lines_.size() > limit ? lines_.size() - limit : 0;
    for (std::size_t i = first; i < lines_.size(); ++i) {
        if (i > first)
            out.push_back(',');
        out += lines_[i];
    }
    return out + "]";
}

} // namespace redoubt::devcloud
