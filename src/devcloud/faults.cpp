// SPDX-License-Identifier: Apache-2.0
#include "devcloud/faults.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace redoubt::devcloud {

namespace {

constexpr std::array<std::pair<std::string_view, Fault>, 10> kFaults = {{
    {"throttling", Fault::Throttling},
    {"server_error", Fault::ServerError},
    {"expired_credentials", Fault::ExpiredCredentials},
    {"region_down", Fault::RegionDown},
    {"cut", Fault::Cut},
    {"wrong_key_id", Fault::WrongKeyId},
    {"forged_reply", Fault::ForgedReply},
    {"failed_code", Fault::FailedCode},
    {"latency", Fault::Latency},
    {"clock_skew", Fault::ClockSkew},
}};

constexpr std::array<std::pair<std::string_view, Forgery>, 4> kForgeries = {{
    {"cms_altered", Forgery::CmsAltered},
    {"plaintext_present", Forgery::PlaintextPresent},
    {"ciphertext_altered", Forgery::CiphertextAltered},
    {"not_json", Forgery::NotJson},
}};

constexpr std::array<std::string_view, 6> kServices = {"kms",  "secretsmanager", "sts",
                                                       "imds", "container",      "*"};
constexpr std::size_t kLongestName = 128;
constexpr std::int64_t kMostLatencyMs = 600'000;
constexpr std::int64_t kMostSkewMs = 315'360'000'000; // ten years
constexpr std::uint64_t kMostCount = 1'000'000'000;

template<class Table, class T>
std::string_view name_in(const Table& table, T value) {
    return std::find_if(table.begin(), table.end(), [&](const auto& entry) { return entry.second == value; })
        ->first;
}

std::unexpected<Error> bad_rule(std::size_t number, std::string_view why) {
    return fail(Code::InvalidField, "a fault rule is wrong",
                "rule " + std::to_string(number) + ": " + std::string(why));
}

std::optional<std::int64_t> signed_number(const json::Value& value) {
    std::int64_t out = 0;
    const auto text = value.text();
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (!value.is_number() || error != std::errc{} || rest != text.data() + text.size())
        return std::nullopt;
    return out;
}

// The one member of its own that a fault takes, or none.
std::string_view own_member(Fault fault) {
    switch (fault) {
    case Fault::ServerError:
        return "status";
    case Fault::Cut:
        return "after_bytes";
    case Fault::ForgedReply:
        return "form";
    case Fault::Latency:
    case Fault::ClockSkew:
        return "ms";
    default:
        return {};
    }
}

Result<FaultRule> parse_rule(const json::Value& value, std::size_t number) {
    if (!value.is_object())
        return bad_rule(number, "it is no object");
    const auto fault = value.get("fault");
    const auto kind = std::find_if(kFaults.begin(), kFaults.end(),
                                   [&](const auto& entry) { return fault && fault->text() == entry.first; });
    if (kind == kFaults.end() || !fault->is_string())
        return bad_rule(number, "fault must name one of devcloud's faults");
    const auto own = own_member(kind->second);
    for (const auto member : value)
        if (const auto name = member.name(); name != "fault" && name != "service" && name != "operation" &&
                                             name != "region" && name != "count" &&
                                             (own.empty() || name != own))
            return bad_rule(number, "it has a member that this fault does not know: " +
                                        std::string(name.substr(0, kLongestName)));
    FaultRule rule{};
    rule.fault = kind->second;
    rule.operation = "*";

    const auto service = value.get("service");
    if (!service || !service->is_string() ||
        std::find(kServices.begin(), kServices.end(), service->text()) == kServices.end())
        return bad_rule(number, "service must be kms, secretsmanager, sts, imds, container or *");
    rule.service = service->text();
    const bool metadata = rule.service == "imds" || rule.service == "container";
    for (const auto& [name, into] : {std::pair{"operation", &rule.operation}, {"region", &rule.region}})
        if (const auto text = value.get(name)) {
            if (!text->is_string() || text->text().empty() || text->text().size() > kLongestName)
                return bad_rule(number, std::string(name) + " must be a string of 1 to 128 bytes");
            *into = text->text();
        }
    if (const auto count = value.get("count")) {
        rule.left = count->u64();
        if (!count->is_number() || !rule.left || *rule.left < 1 || *rule.left > kMostCount)
            return bad_rule(number, "count must be a whole number from 1 to 1,000,000,000");
    }

    switch (rule.fault) {
    case Fault::Throttling:
        break;
    case Fault::ServerError:
        if (const auto status = value.get("status")) {
            if (status->u64() != 500 && status->u64() != 503)
                return bad_rule(number, "status must be 500 or 503");
            rule.status = static_cast<int>(*status->u64());
        }
        break;
    case Fault::ExpiredCredentials:
        if (metadata)
            return bad_rule(number, "expired_credentials is for kms, secretsmanager and sts");
        break;
    case Fault::RegionDown:
        if (rule.region.empty() || metadata)
            return bad_rule(number, "region_down needs a region, and a service that has regions");
        break;
    case Fault::Cut:
        if (const auto bytes = value.get("after_bytes")) {
            if (!bytes->u64() || *bytes->u64() > (1u << 24))
                return bad_rule(number, "after_bytes must be a whole number of at most 16,777,216");
            rule.after_bytes = static_cast<std::size_t>(*bytes->u64());
        }
        break;
    case Fault::WrongKeyId:
    case Fault::ForgedReply: {
        if (rule.service != "kms")
            return bad_rule(number, "wrong_key_id and forged_reply are for kms");
        if (rule.fault == Fault::WrongKeyId)
            break;
        const auto form = value.get("form");
        const auto found = std::find_if(kForgeries.begin(), kForgeries.end(), [&](const auto& entry) {
            return form && form->text() == entry.first;
        });
        if (found == kForgeries.end())
            return bad_rule(number,
                            "form must be cms_altered, plaintext_present, ciphertext_altered or not_json");
        rule.forgery = found->second;
        break;
    }
    case Fault::FailedCode:
        if (rule.service != "imds")
            return bad_rule(number, "failed_code is for imds");
        break;
    case Fault::Latency:
    case Fault::ClockSkew: {
        const auto ms = value.get("ms");
        const auto amount = ms ? signed_number(*ms) : std::nullopt;
        const bool latency = rule.fault == Fault::Latency;
        const std::int64_t most = latency ? kMostLatencyMs : kMostSkewMs;
        if (!amount || *amount > most || *amount < (latency ? 1 : -most) || *amount == 0)
            return bad_rule(number, "ms must be a whole number: of latency 1 to 600,000, of clock_skew not 0 "
                                    "and at most ten years");
        rule.ms = *amount;
        break;
    }
    }
    return rule;
}

bool fits(const FaultRule& rule, const CallName& call) {
    const bool service = rule.service == "*" || rule.service == call.service;
    // What only an AWS service can suffer is not put on the metadata endpoints by a "*".
    const bool metadata = call.service == "imds" || call.service == "container";
    if (!service || (metadata && rule.fault == Fault::ExpiredCredentials))
        return false;
    return (rule.operation == "*" || rule.operation == call.operation) &&
           (rule.region.empty() || rule.region == call.region) && (!rule.left || *rule.left > 0);
}

} // namespace

Status FaultTable::replace(std::string_view text) {
    json::Document document;
    const auto root = document.parse(text);
    if (!root || !root->is_array() || root->size() > kMaxRules)
        return fail(Code::InvalidField, "the fault rules are wrong",
                    "they must be a JSON array of at most 64 objects");
    std::vector<FaultRule> rules;
    for (const auto value : *root) {
        REDOUBT_TRY(auto rule, parse_rule(value, rules.size() + 1));
        rules.push_back(std::move(rule));
    }
    rules_ = std::move(rules);
    return {};
}

std::string FaultTable::describe() const {
    std::string out;
    json::Writer writer(out);
    writer.begin_array();
    for (const auto& rule : rules_) {
        writer.begin_object()
            .member("service", rule.service)
            .member("operation", rule.operation)
            .member("fault", name_in(kFaults, rule.fault));
        if (!rule.region.empty())
            writer.member("region", rule.region);
        if (rule.fault == Fault::ServerError)
            writer.key("status").number(std::int64_t{rule.status});
        if (rule.after_bytes)
            writer.key("after_bytes").number(std::uint64_t{*rule.after_bytes});
        if (rule.fault == Fault::ForgedReply)
            writer.member("form", name_in(kForgeries, rule.forgery));
        if (rule.ms != 0)
            writer.key("ms").number(rule.ms);
        if (rule.left)
            writer.member("left", *rule.left);
        writer.member("met", rule.met).end_object();
    }
    writer.end_array();
    return out;
}

FaultEffects FaultTable::take(const CallName& call) {
    FaultEffects effects;
    for (auto& rule : rules_) {
        if (!fits(rule, call))
            continue;
        if (rule.fault == Fault::Latency) {
            if (effects.latency_ms != 0)
                continue;
            effects.latency_ms = static_cast<int>(rule.ms);
        } else if (rule.fault == Fault::ClockSkew) {
            if (effects.skew_ms != 0)
                continue;
            effects.skew_ms = rule.ms;
        } else {
            if (effects.outcome)
                continue;
            effects.outcome = rule;
        }
        ++rule.met;
        if (rule.left)
            --*rule.left;
    }
    return effects;
}

} // namespace redoubt::devcloud
