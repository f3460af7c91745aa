// SPDX-License-Identifier: Apache-2.0
#include "cli/policy_rehearsal.h"

#include "api/facts.h"

#include <algorithm>

namespace redoubt::cli {

namespace {

constexpr std::string_view kRehearsedKey = "/v1/keys/key-00000000000000000000000000000000/";

// A request of the file, and what it stands in for when something is wrong with it.
struct RehearsalError {
    std::string name;
    std::unexpected<Error> operator()(const Error& error) const {
        return std::unexpected(
            Error{error.code, error.text,
                  "request " + name + (error.context.empty() ? std::string() : ": " + error.context)});
    }
    std::unexpected<Error> operator()(FixedText text) const { return (*this)({Code::Usage, text}); }
};

std::string member_text(const json::Value& of, std::string_view name) {
    const auto value = of.get(name);
    return value && value->is_string() ? std::string(value->text()) : std::string();
}

Result<UnixMs> rehearsal_time(const json::Value& value, const RehearsalError& wrong) {
    if (const auto ms = value.u64(); ms && *ms <= policy::kLastTime)
        return static_cast<UnixMs>(*ms);
    if (const auto time = value.is_string() ? from_iso8601(value.text()) : std::nullopt)
        return *time;
    return wrong("at is a time like 2026-01-31T12:00:00Z, or milliseconds since 1970");
}

std::string because_text(const policy::Miss& miss) {
    const std::string field(miss.field);
    switch (miss.why) {
    case policy::Miss::Why::Principal:
        return "it is for other principals";
    case policy::Miss::Why::Condition:
        if (field == "function")
            return "the calldata is not a call of its function";
        return "a condition does not hold: " + field;
    case policy::Miss::Why::Amount:
        break;
    }
    return "the amount of a limit is not there or cannot be read: " + field;
}

std::string most_text(const policy::Limit& limit) {
    if (limit.most_count)
        return std::to_string(*limit.most_count);
    return limit.most_amount ? ethereum::to_decimal(*limit.most_amount) : std::string();
}

std::string limit_text(const policy::NoRoom& no_room) {
    const policy::Limit& limit = *no_room.limit;
    std::string out =
        "the limit " + limit.name + (limit.rule.empty() ? " of the key" : " of rule " + limit.rule);
    out += " has no room: " + ethereum::to_decimal(no_room.used) + " of " + most_text(limit) + " used in " +
           std::to_string(limit.window_seconds) + " s";
    if (no_room.retry_ms > 0)
        out += "; room again in " + std::to_string((no_room.retry_ms + 999) / 1000) + " s at the earliest";
    return out;
}

class Rehearsal {
  public:
    Rehearsal(const policy::Document& policy, bool hd) : policy_(policy), hd_(hd) {}

    Result<RehearsedRequest> run(const json::Value& request) {
        RehearsedRequest out;
        out.name = member_text(request, "name");
        const RehearsalError wrong{out.name};
        if (const auto known =
                json::check_members(request, {"name", "as", "at", "path_and_body", "expect", "rule"});
            !known)
            return wrong(known.error());
        if (out.name.empty())
            return wrong("each request of the file has a name");
        REDOUBT_CHECK(read_expectation(request, out, wrong));
        if (const auto at = request.get("at")) {
            REDOUBT_TRY(now_, rehearsal_time(*at, wrong));
        }
        out.at = now_;
        policy::Asker asker;
        REDOUBT_CHECK(read_asker(request, out, asker, wrong));
        return ask(request, std::move(out), asker, wrong);
    }

  private:
    Status read_expectation(const json::Value& request, RehearsedRequest& out, const RehearsalError& wrong) {
        const std::string expect = member_text(request, "expect");
        if (expect != "allow" && expect != "deny")
            return wrong("expect is \"allow\" or \"deny\"");
        out.expected_allow = expect == "allow";
        out.expected_rule = member_text(request, "rule");
        const auto& rules = policy_.rules;
        if (request.get("rule") && std::none_of(rules.begin(), rules.end(), [&](const policy::Rule& rule) {
                return rule.name == out.expected_rule;
            }))
            return wrong("rule is the name of a rule of the policy");
        return {};
    }

    Status read_asker(const json::Value& request, RehearsedRequest& out, policy::Asker& asker,
                      const RehearsalError& wrong) {
        constexpr std::string_view kHost = "host:";
        if (!request.get("as"))
            return {};
        out.as = member_text(request, "as");
        if (out.as.starts_with(kHost) && out.as.size() > kHost.size()) {
            host_name_ = out.as.substr(kHost.size());
            asker.host_name = host_name_;
            return {};
        }
        const policy::Principal* principal = policy_.find_principal(out.as);
        if (principal == nullptr)
            return wrong("as is an id of the policy's principals, or host: and a name; leave it out for "
                         "somebody unknown");
        asker.key = &principal->key;
        return {};
    }

    Result<RehearsedRequest> ask(const json::Value& request, RehearsedRequest out, const policy::Asker& asker,
                                 const RehearsalError& wrong) {
        const auto asked = request.get("path_and_body");
        const auto body = asked ? asked->get("body") : std::nullopt;
        if (!asked || !asked->is_object() || asked->size() != 2 || !body ||
            member_text(*asked, "operation").empty())
            return wrong("path_and_body is {\"operation\": \"sign-transaction\" or another, \"body\": the "
                         "request's}");
        out.operation = member_text(*asked, "operation");
        const std::string path = std::string(kRehearsedKey) + out.operation;
        const auto operation =
            api::parse_operation({"POST", path, {}, false, "application/json", body->raw()}, scratch_);
        if (!operation)
            return wrong(operation.error());
        auto facts = api::facts_of(*operation);
        if (!facts)
            return wrong("no rule speaks of this operation");
        facts->asker = asker;
        facts->now = now_;
        if (api::signs(facts->operation) && facts->path == nullptr && hd_)
            facts->path = &default_path_;
        decide(*facts, out);
        return out;
    }

    // Rules for others are of interest only where there is no other.
    static void explain(const std::vector<policy::Miss>& misses, RehearsedRequest& out) {
        const auto others = [](const policy::Miss& miss) { return miss.why == policy::Miss::Why::Principal; };
        const bool all = std::all_of(misses.begin(), misses.end(), others);
        for (const policy::Miss& miss : misses)
            if (all || !others(miss))
                out.because.push_back("rule " + miss.rule->name + ": " + because_text(miss));
    }

    void decide(const policy::Facts& facts, RehearsedRequest& out) {
        if (policy_.not_after != 0 && now_ >= policy_.not_after &&
            (api::signs(facts.operation) || facts.operation == policy::Operation::Export)) {
            out.because.emplace_back("the policy's not_after has passed");
            return;
        }
        if (facts.operation == policy::Operation::Export &&
            policy_.find_recipient(facts.recipient) == nullptr) {
            out.because.emplace_back("export_recipients names no such recipient");
            return;
        }
        if (policy_.open) {
            out.allowed = true;
            out.decided_by = "open";
            return;
        }
        const policy::Verdict verdict = policy::evaluate(policy_, facts);
        if (verdict.denied_by != nullptr) {
            out.decided_by = verdict.denied_by->name;
            out.because.push_back("rule " + out.decided_by + " denies it");
            return;
        }
        explain(verdict.misses, out);
        if (verdict.candidates.empty() && verdict.misses.empty())
            out.because.emplace_back("no rule allows this operation");
        // The first whose limits have room decides. What changes a key takes from none.
        for (const policy::Candidate& candidate : verdict.candidates) {
            const bool counts = api::signs(facts.operation) || facts.operation == policy::Operation::Derive;
            const auto no_room = counts ? usage_.reserve(candidate.charges, now_) : std::nullopt;
            if (!no_room) {
                out.allowed = true;
                out.decided_by = candidate.rule->name;
                return;
            }
            out.because.push_back(limit_text(*no_room));
        }
    }

    const policy::Document& policy_;
    bool hd_;
    crypto::HdPath default_path_ = *crypto::parse_hd_path(crypto::kDefaultHdPath);
    UnixMs now_ = system_time_ms();
    policy::Usage usage_;
    json::Document scratch_;
    std::string host_name_; // what the request's Asker views
};

} // namespace

Result<std::vector<RehearsedRequest>> rehearse(const policy::Document& policy, const json::Value& file) {
    REDOUBT_CHECK(json::check_members(file, {"hd", "requests"}));
    const auto hd = file.get("hd");
    const auto requests = file.get("requests");
    if ((hd && !hd->is_bool()) || !requests || !requests->is_array() || requests->size() == 0)
        return fail(Code::Usage,
                    "a file of requests is {\"requests\": [ … ]}, and \"hd\": true for an HD key");
    Rehearsal rehearsal(policy, hd && hd->boolean());
    std::vector<RehearsedRequest> out;
    for (const json::Value request : *requests) {
        REDOUBT_TRY(auto outcome, rehearsal.run(request));
        out.push_back(std::move(outcome));
    }
    return out;
}

} // namespace redoubt::cli
