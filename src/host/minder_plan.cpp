// SPDX-License-Identifier: Apache-2.0
#include "host/minder_plan.h"

#include "base/json.h"

#include <array>

namespace redoubt::host {

namespace {

constexpr FixedText kUnreadable =
    "what a watchdog and the minder of an enclave tell each other cannot be read: end both, they are of "
    "different versions";

constexpr std::array<std::string_view, 5> kStates = {"starting", "running", "ending", "ended", "failed"};
constexpr std::array<std::string_view, 4> kFailures = {"", "sockets_late", "not_started", "ended_at_once"};

void write_strings(json::Writer& writer, std::string_view name, const std::vector<std::string>& strings) {
    writer.key(name).begin_array();
    for (const std::string& one : strings)
        writer.string(one);
    writer.end_array();
}

void write_enclave(json::Writer& writer, const RunningEnclave& enclave) {
    writer.key("enclave")
        .begin_object()
        .member("id", enclave.id)
        .member("name", enclave.name)
        .member("cid", std::uint64_t{enclave.cid})
        .member("endpoint", enclave.endpoint.text())
        .member("pcr0", enclave.pcr0)
        .member("debug", enclave.debug)
        .end_object();
}

// Reads the members of one object; after the first that is not as expected, none.
class Reader {
  public:
    Reader(json::Value object, std::initializer_list<std::string_view> members) : object_(object) {
        good_ = json::check_members(object, members).has_value();
    }
    bool good() const noexcept { return good_; }
    std::string string(std::string_view name) {
        const auto value = member(name, json::Type::String);
        return value ? std::string(value->text()) : std::string();
    }
    bool boolean(std::string_view name) {
        const auto value = object_.get(name);
        good_ = good_ && value && value->is_bool();
        return good_ && value->boolean();
    }
    std::uint32_t u32(std::string_view name) {
        const auto value = member(name, json::Type::Number);
        const auto number = value ? value->u64() : std::nullopt;
        good_ = good_ && number && *number <= UINT32_MAX;
        return good_ ? static_cast<std::uint32_t>(*number) : 0;
    }
    std::vector<std::string> strings(std::string_view name) {
        std::vector<std::string> out;
        const auto list = member(name, json::Type::Array);
        if (!list)
            return out;
        for (const auto one : *list) {
            good_ = good_ && one.is_string();
            out.emplace_back(one.text());
        }
        return out;
    }
    // The place of a name in a table.
    template<std::size_t n>
    std::size_t one_of(std::string_view name, const std::array<std::string_view, n>& table) {
        const std::string text = string(name);
        for (std::size_t i = 0; i < n; ++i)
            if (good_ && table[i] == text)
                return i;
        good_ = false;
        return 0;
    }
    std::optional<json::Value> member(std::string_view name, json::Type type) {
        const auto value = object_.get(name);
        good_ = good_ && value && value->type() == type;
        return good_ ? value : std::nullopt;
    }

  private:
    json::Value object_;
    bool good_ = false;
};

bool read_enclave(Reader& from, RunningEnclave& out) {
    const auto object = from.member("enclave", json::Type::Object);
    if (!object)
        return false;
    Reader reader(*object, {"id", "name", "cid", "endpoint", "pcr0", "debug"});
    out.id = reader.string("id");
    out.name = reader.string("name");
    out.cid = reader.u32("cid");
    const auto endpoint = net::parse_endpoint(reader.string("endpoint"));
    out.pcr0 = reader.string("pcr0");
    out.debug = reader.boolean("debug");
    if (!reader.good() || !endpoint)
        return false;
    out.endpoint = *endpoint;
    return true;
}

} // namespace

std::string to_json(const MinderPlan& plan) {
    std::string out;
    json::Writer writer(out);
    writer.begin_object().member("kind", plan.kind);
    write_enclave(writer, plan.enclave);
    writer.member("console", plan.console_file);
    write_strings(writer, "logs", plan.logs);
    writer.key("bridge");
    if (plan.bridge)
        writer.begin_object()
            .member("vsock", plan.bridge->vsock)
            .member("port", std::uint64_t{plan.bridge->port})
            .end_object();
    else
        writer.null();
    writer.key("parts").begin_array();
    for (const auto& part : plan.parts) {
        writer.begin_object();
        write_strings(writer, "arguments", part.arguments);
        write_strings(writer, "environment", part.environment);
        writer.member("log", part.log_file);
        write_strings(writer, "after", part.after);
        writer.end_object();
    }
    writer.end_array().end_object();
    return out;
}

std::string to_json(const MinderReport& report) {
    std::string out;
    json::Writer writer(out);
    writer.begin_object()
        .member("state", kStates[static_cast<std::size_t>(report.state)])
        .member("failure", kFailures[static_cast<std::size_t>(report.failure)])
        .member("console", report.console_file)
        .member("why", report.why);
    write_enclave(writer, report.enclave);
    writer.end_object();
    return out;
}

std::string to_json(StopHow how) {
    return how == StopHow::AtOnce ? R"({"stop":"at_once"})" : R"({"stop":"orderly"})";
}

Result<MinderPlan> parse_minder_plan(std::string_view text) {
    json::Document document;
    const auto root = document.parse(text);
    if (!root)
        return fail(Code::RunnerFailed, kUnreadable, root.error().describe());
    Reader reader(*root, {"kind", "enclave", "console", "logs", "bridge", "parts"});
    MinderPlan out;
    out.kind = reader.string("kind");
    out.console_file = reader.string("console");
    out.logs = reader.strings("logs");
    if (!read_enclave(reader, out.enclave))
        return fail(Code::RunnerFailed, kUnreadable);
    const auto bridge = root->get("bridge");
    if (!bridge)
        return fail(Code::RunnerFailed, kUnreadable);
    if (!bridge->is_null()) {
        Reader inner(*bridge, {"vsock", "port"});
        out.bridge = MinderPlan::Bridge{inner.string("vsock"), inner.u32("port")};
        if (!inner.good())
            return fail(Code::RunnerFailed, kUnreadable);
    }
    const auto parts = reader.member("parts", json::Type::Array);
    if (!parts || parts->size() == 0)
        return fail(Code::RunnerFailed, kUnreadable);
    for (const auto one : *parts) {
        Reader inner(one, {"arguments", "environment", "log", "after"});
        out.parts.push_back({inner.strings("arguments"), inner.strings("environment"), inner.string("log"),
                             inner.strings("after")});
        if (!inner.good() || out.parts.back().arguments.empty())
            return fail(Code::RunnerFailed, kUnreadable);
    }
    if (!reader.good())
        return fail(Code::RunnerFailed, kUnreadable);
    return out;
}

Result<MinderReport> parse_minder_report(std::string_view text) {
    json::Document document;
    const auto root = document.parse(text);
    if (!root)
        return fail(Code::RunnerFailed, kUnreadable, root.error().describe());
    Reader reader(*root, {"state", "failure", "console", "why", "enclave"});
    MinderReport out;
    out.state = static_cast<MinderReport::State>(reader.one_of("state", kStates));
    out.failure = static_cast<MinderReport::Failure>(reader.one_of("failure", kFailures));
    out.console_file = reader.string("console");
    out.why = reader.string("why");
    if (!read_enclave(reader, out.enclave) || !reader.good())
        return fail(Code::RunnerFailed, kUnreadable);
    out.enclave.ending = out.state == MinderReport::State::Ending;
    return out;
}

Result<StopHow> parse_minder_stop(std::string_view text) {
    json::Document document;
    const auto root = document.parse(text);
    if (!root)
        return fail(Code::RunnerFailed, kUnreadable, root.error().describe());
    Reader reader(*root, {"stop"});
    const auto how = reader.one_of("stop", std::array<std::string_view, 2>{"orderly", "at_once"});
    if (!reader.good())
        return fail(Code::RunnerFailed, kUnreadable);
    return how == 0 ? StopHow::Orderly : StopHow::AtOnce;
}

Error error_of(const MinderReport& report) {
    switch (report.failure) {
    case MinderReport::Failure::SocketsLate:
        return {Code::RunnerFailed,
                "a program of the enclave did not make its sockets in time: its log says why", report.why};
    case MinderReport::Failure::NotStarted:
        return {Code::RunnerFailed, "a program of the enclave cannot be started: check its path and rights",
                report.why};
    case MinderReport::Failure::EndedAtOnce:
        return {Code::RunnerFailed, "a program of the enclave ended at once: its log says why", report.why};
    case MinderReport::Failure::None:
        break;
    }
    return {Code::RunnerFailed, "the enclave was ended while it started", report.why};
}

} // namespace redoubt::host
