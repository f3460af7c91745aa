// SPDX-License-Identifier: Apache-2.0
// redoubt manifest kms-policy --who-can: devcloud's evaluator over principals × actions × attestations.
#include "base/json.h"
#include "cli/client.h"
#include "cli/kms_policy.h"
#include "devcloud/access.h"
#include "doctor/policy_statement.h"
#include "doctor/report.h"

#include <algorithm>
#include <cstdio>
#include <map>

namespace redoubt::cli {

namespace {

using devcloud::Principal;

// What a request says of the enclave that makes it: registers by their condition key's end, in lower case.
struct Attested {
    std::string name, means;
    std::map<std::string, std::string> registers;
};

struct KeyAction {
    std::string name;
    bool recipient = false;      // takes an attestation document
    bool other_accounts = false; // AWS KMS API reference, "Cross-account use: Yes"
};
const std::vector<KeyAction>& key_actions() {
    static const std::vector<KeyAction> all = {{"kms:Decrypt", true, true},
                                               {"kms:GenerateDataKey", true, true},
                                               {"kms:GenerateDataKeyPair", true, true},
                                               {"kms:GenerateDataKeyWithoutPlaintext", false, true},
                                               {"kms:Encrypt", false, true},
                                               {"kms:ReEncryptFrom", false, true},
                                               {"kms:ReEncryptTo", false, true},
                                               {"kms:CreateGrant", false, true},
                                               {"kms:RevokeGrant", false, true},
                                               {"kms:PutKeyPolicy"},
                                               {"kms:GetKeyPolicy"},
                                               {"kms:DescribeKey", false, true},
                                               {"kms:DisableKey"},
                                               {"kms:ScheduleKeyDeletion"},
                                               {"kms:ReplicateKey"}};
    return all;
}

struct Asker {
    std::string arn, is;
    Principal principal;
};

// "arn:PARTITION:iam::ACCOUNT:NAME", or an account's number.
std::optional<Principal> principal_of(const std::string& arn) {
    if (devcloud::is_account_id(arn))
        return devcloud::root_principal(arn);
    std::vector<std::string> parts;
    std::size_t at = 0;
    for (int i = 0; i < 5; ++i) {
        const auto colon = arn.find(':', at);
        if (colon == arn.npos)
            return std::nullopt;
        parts.push_back(arn.substr(at, colon - at));
        at = colon + 1;
    }
    const std::string name = arn.substr(at);
    const auto& account = parts[4];
    if (parts[0] != "arn" || parts[2] != "iam" || !devcloud::is_account_id(account))
        return std::nullopt;
    const auto last = name.substr(name.rfind('/') + 1);
    Principal out;
    if (name == "root") {
        out = devcloud::root_principal(account);
        out.arn = arn;
    } else if (name.starts_with("user/")) {
        out = devcloud::user_principal(account, last, "AIDAEXAMPLE");
        out.arn = arn;
    } else if (name.starts_with("role/")) {
        out = devcloud::session_principal(account, last, "AROAEXAMPLE", "session");
        out.role_arn = arn;
    } else {
        return std::nullopt;
    }
    return out;
}

// What an Allow of the policy pins, and what is near it.
std::vector<Attested> attestations_of(const std::vector<doctor::PolicyStatement>& statements) {
    constexpr std::string_view kPrefix = "kms:recipientattestation:";
    std::vector<Attested> out = {{"none", "no attestation", {}}};
    std::vector<std::map<std::string, std::string>> pinned;
    for (const auto& statement : statements) {
        if (!statement.allow)
            continue;
        std::vector<std::map<std::string, std::string>> made(1);
        for (const auto& condition : statement.conditions) {
            if (!condition.key.starts_with(kPrefix) || condition.values.empty())
                continue;
            auto name = condition.key.substr(kPrefix.size());
            if (name == "imagesha384")
                name = "pcr0";
            std::vector<std::map<std::string, std::string>> next;
            for (const auto& one : made)
                for (const auto& value : condition.values) {
                    auto more = one;
                    more[name] = doctor::lower_case(value);
                    next.push_back(std::move(more));
                }
            made = std::move(next);
            made.resize(std::min<std::size_t>(made.size(), 16)); // enough to show what several values do
        }
        for (auto& one : made)
            if (!one.empty() && std::ranges::find(pinned, one) == pinned.end())
                pinned.push_back(std::move(one));
    }
    const auto describe = [](const std::map<std::string, std::string>& registers) {
        std::string text;
        for (const auto& [name, value] : registers)
            text += (text.empty() ? "" : ", ") + name + " " + doctor::short_hex(value);
        return text;
    };
    for (const auto& one : pinned)
        out.push_back({"pair" + std::to_string(out.size()), describe(one), one});
    if (pinned.empty())
        pinned.push_back({{"pcr0", std::string(96, 'a')}, {"pcr16", std::string(96, 'b')}});
    const auto changed = [&](const char* name, std::string means, const std::string& which,
                             std::string value) {
        auto registers = pinned.front();
        if (registers[which] == value)
            value.front() = 'd';
        registers[which] = std::move(value);
        out.push_back({name, std::move(means), std::move(registers)});
    };
    for (const auto& other : pinned) {
        auto mixed = pinned.front();
        mixed["pcr16"] = other.contains("pcr16") ? other.at("pcr16") : "";
        if (std::ranges::find(pinned, mixed) == pinned.end()) {
            out.push_back({"mixed", "image of one pair, manifest of another: " + describe(mixed), mixed});
            break;
        }
    }
    changed("image", "another image, the first pair's manifest", "pcr0", std::string(96, 'c'));
    changed("manifest", "the first pair's image, another manifest", "pcr16", std::string(96, 'c'));
    std::map<std::string, std::string> zeros;
    for (const auto& [name, value] : pinned.front())
        zeros[name] = std::string(value.size(), '0');
    out.push_back({"debug", "a debug enclave: zeros", std::move(zeros)});
    return out;
}

class WhoCan {
  public:
    WhoCan(const std::string& policy, std::vector<doctor::PolicyStatement> statements, std::string account)
        : policy_(policy), account_(std::move(account)),
          key_("arn:aws:kms:us-east-1:" + account_ + ":key/00000000-0000-0000-0000-000000000000"),
          states_(attestations_of(statements)) {}

    struct Row {
        const Asker* asker;
        const KeyAction* action;
        std::vector<std::optional<devcloud::Access>> cells; // by state; empty: does not arise
        bool any = false;
    };

    Result<Row> ask(const Asker& asker, const KeyAction& action) const {
        Row row{&asker, &action, {}, false};
        for (const auto& state : states_) {
            row.cells.emplace_back();
            if (!action.recipient && !state.registers.empty())
                continue;
            if (!action.other_accounts && asker.principal.account != account_) {
                row.cells.back() = devcloud::Access{devcloud::Access::Verdict::NotAllowedByResource,
                                                    "KMS takes this from no other account"};
                continue;
            }
            net::HttpRequest request;
            const std::string region = "us-east-1", id;
            const devcloud::Call call{request, asker.principal,  action.name, region,
                                      id,      system_time_ms(), true};
            devcloud::ConditionValues values;
            add_caller_values(call, values);
            values.add("kms:CallerAccount", asker.principal.account);
            values.add("aws:ResourceAccount", account_);
            for (const auto& [name, value] : state.registers) {
                values.add("kms:RecipientAttestation:" + name, value);
                if (name == "pcr0")
                    values.add("kms:RecipientAttestation:ImageSha384", value);
            }
            const devcloud::Resource resource{key_, account_, devcloud::ResourceRule::Delegating,
                                              devcloud::PolicyKind::Key, policy_};
            auto access = decide_access(asker.principal, action.name, resource, values);
            if (!access)
                return fail(Code::BadJson, "devcloud's evaluator does not take this policy",
                            access.error().message);
            row.any |= access->allowed();
            row.cells.back() = std::move(*access);
        }
        return row;
    }

    const std::vector<Attested>& states() const { return states_; }

  private:
    const std::string& policy_;
    std::string account_, key_;
    std::vector<Attested> states_;
};

// Whoever the policy names, and people whom no policy should let in.
Result<std::vector<Asker>> askers(const std::vector<doctor::PolicyStatement>& statements,
                                  const std::string& account, const std::vector<std::string>& more) {
    std::vector<Asker> out;
    const auto add = [&](const std::string& arn, const char* is) {
        auto principal = principal_of(arn);
        if (!principal || std::ranges::any_of(
                              out, [&](const auto& known) { return known.principal.arn == principal->arn; }))
            return principal.has_value();
        // As if IAM allowed everything: the key's policy is what is asked about.
        principal->identity_policies.push_back(
            {"everything",
             R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]})"});
        out.push_back({arn, is, std::move(*principal)});
        return true;
    };
    for (const auto& statement : statements)
        if (statement.allow)
            for (const auto& principal : statement.principals)
                add(principal, "named in the policy");
    for (const auto& arn : more)
        if (!add(arn, "asked about"))
            return fail(Code::Usage, "--principal takes the ARN of a role, a user or an account's root", arn);
    add("arn:aws:iam::" + account + ":root", "the key's account's root user");
    add("arn:aws:iam::" + account + ":role/somebody-else", "a role of the key's account that nobody named");
    const std::string other = account == "999999999999" ? "888888888888" : "999999999999";
    add("arn:aws:iam::" + other + ":root", "the root user of another account");
    add("arn:aws:iam::" + other + ":role/somebody-else", "a role of another account");
    return out;
}

// Of the first administrator that the policy names.
std::string account_of(const std::vector<doctor::PolicyStatement>& statements) {
    for (const auto& statement : statements)
        if (statement.allow && statement.covers("kms:PutKeyPolicy"))
            for (const auto& name : statement.principals)
                if (const auto principal = principal_of(name))
                    return principal->account;
    return {};
}

const char* cell_text(const std::optional<devcloud::Access>& cell) {
    return !cell ? "" : cell->allowed() ? "yes" : "no";
}

void print_rows(const WhoCan& who, const std::vector<Asker>& everybody, const std::vector<WhoCan::Row>& rows,
                bool all) {
    std::printf("As if everybody's IAM policies allowed everything:\n");
    for (const auto& asker : everybody) {
        std::printf("\n%s (%s)\n", asker.arn.c_str(), asker.is.c_str());
        const bool any =
            std::ranges::any_of(rows, [&](const auto& row) { return row.asker == &asker && row.any; });
        if (!any && !all) {
            std::printf("  nothing\n");
            continue;
        }
        std::printf("  %-36s", "");
        for (const auto& state : who.states())
            std::printf("%-10s", state.name.c_str());
        std::printf("\n");
        for (const auto& row : rows) {
            if (row.asker != &asker || (!row.any && !all))
                continue;
            std::printf("  %-36s", row.action->name.c_str());
            for (const auto& cell : row.cells)
                std::printf("%-10s", cell_text(cell));
            std::printf("\n");
        }
    }
    std::printf("\nThe enclave that asks:\n");
    for (const auto& state : who.states())
        std::printf("  %-10s%s\n", state.name.c_str(), state.means.c_str());
}

std::string rows_as_json(const WhoCan& who, const std::vector<WhoCan::Row>& rows, const std::string& account,
                         bool all) {
    std::string out;
    json::Writer writer(out);
    writer.begin_object().member("key_account", account).key("attestations").begin_array();
    for (const auto& state : who.states()) {
        writer.begin_object()
            .member("name", state.name)
            .member("means", state.means)
            .key("registers")
            .begin_object();
        for (const auto& [name, value] : state.registers)
            writer.member(name, value);
        writer.end_object().end_object();
    }
    writer.end_array().key("rows").begin_array();
    for (const auto& row : rows) {
        if (!row.any && !all)
            continue;
        writer.begin_object()
            .member("principal", row.asker->arn)
            .member("is", row.asker->is)
            .member("action", row.action->name)
            .key("by_attestation")
            .begin_object();
        for (std::size_t i = 0; i < row.cells.size(); ++i)
            if (row.cells[i])
                writer.key(who.states()[i].name)
                    .begin_object()
                    .member("allowed", row.cells[i]->allowed())
                    .member("why", row.cells[i]->detail)
                    .end_object();
        writer.end_object().end_object();
    }
    writer.end_array().end_object();
    return out;
}

} // namespace

Status print_who_can(const std::string& policy, const WhoCanOptions& options, bool json) {
    REDOUBT_TRY(const auto statements, doctor::read_policy(policy));
    const std::string account = options.account.empty() ? account_of(statements) : options.account;
    if (!devcloud::is_account_id(account))
        return fail(Code::Usage,
                    "the key's account cannot be told from the policy: name it, --key-account 111122223333");
    std::vector<KeyAction> actions;
    for (const auto& name : options.actions) {
        const auto known = std::ranges::find(key_actions(), name, &KeyAction::name);
        actions.push_back(known != key_actions().end() ? *known : KeyAction{name, false, false});
        if (!name.starts_with("kms:") || name.size() < 5)
            return fail(Code::Usage, "--action takes a KMS action: kms:Decrypt", name);
    }
    if (actions.empty())
        actions = key_actions();
    REDOUBT_TRY(const auto everybody, askers(statements, account, options.principals));
    const WhoCan who(policy, statements, account);
    std::vector<WhoCan::Row> rows;
    for (const auto& asker : everybody)
        for (const auto& action : actions) {
            REDOUBT_TRY(auto row, who.ask(asker, action));
            rows.push_back(std::move(row));
        }
    if (json)
        std::printf("%s\n", rows_as_json(who, rows, account, options.all).c_str());
    else
        print_rows(who, everybody, rows, options.all);
    return {};
}

} // namespace redoubt::cli
