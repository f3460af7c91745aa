// SPDX-License-Identifier: Apache-2.0
#include "cli/policy_review.h"

#include "base/json.h"

#include <algorithm>
#include <map>
#include <set>

namespace redoubt::cli {

namespace {

// A policy's canonical text, read again as JSON: what people wrote, member by member.
class PolicyTree {
  public:
    explicit PolicyTree(const policy::Document& policy) {
        if (const auto read = document_.parse(policy.canonical)) // parse_document gave it
            root = *read;
    }
    PolicyTree(const PolicyTree&) = delete;
    PolicyTree& operator=(const PolicyTree&) = delete;
    std::optional<json::Value> root;

  private:
    json::Document document_;
};

std::vector<json::Value> policy_list(const std::optional<json::Value>& of, std::string_view name) {
    std::vector<json::Value> out;
    if (const auto list = of ? of->get(name) : std::nullopt)
        for (const json::Value each : *list)
            out.push_back(each);
    return out;
}

std::string policy_text(const json::Value& of, std::string_view name) {
    const auto value = of.get(name);
    return value && value->is_string() ? std::string(value->text()) : std::string();
}

// "a, b and c" of a list of strings.
std::string joined(const std::vector<json::Value>& list) {
    std::string out;
    for (std::size_t i = 0; i < list.size(); ++i)
        (out += i == 0 ? "" : i + 1 == list.size() ? " and " : ", ") += list[i].text();
    return out;
}

std::string conditions_text(const json::Value& rule) {
    std::string out;
    const auto conditions = rule.get("conditions");
    if (!conditions)
        return out;
    for (const json::Value field : *conditions)
        for (const json::Value test : field)
            (((((out += out.empty() ? "" : " and ") += field.name()) += ' ') += test.name()) += ' ') +=
                test.raw();
    return out;
}

std::string limits_text(const std::vector<json::Value>& limits) {
    std::string out;
    for (const json::Value limit : limits) {
        const auto count = limit.get("count");
        ((out += out.empty() ? "" : ", ") += policy_text(limit, "name")) += " of ";
        if (count)
            (out += count->raw()) += " requests";
        else
            ((out += policy_text(limit, "amount")) += " of ") += policy_text(limit, "amount_of");
        if (const auto window = limit.get("window_seconds"))
            ((out += " in ") += window->raw()) += " s";
        if (const std::string function = policy_text(limit, "function"); !function.empty())
            (((out += " by ") += function) += " of ") += policy_text(limit, "contract");
        if (const std::string per = policy_text(limit, "per"); !per.empty())
            (out += " per ") += per;
    }
    return out;
}

struct RuleView {
    const policy::Rule& rule;
    json::Value text;

    std::string name() const { return rule.name; }
    bool speaks_of(policy::Operation operation) const {
        return (rule.operations >> static_cast<unsigned>(operation) & 1U) != 0;
    }
    // Is there a condition on this field, or on one below it ("transaction.authorizations")?
    bool looks_at(std::string_view field) const {
        const auto conditions = text.get("conditions");
        if (!conditions)
            return false;
        for (const json::Value condition : *conditions) {
            const std::string_view name = condition.name();
            if (name.starts_with(field) &&
                (name.size() == field.size() || name[field.size()] == '.' || name[field.size()] == '['))
                return true;
        }
        return false;
    }
    bool signs() const {
        constexpr unsigned kSigning = (1U << (static_cast<unsigned>(policy::Operation::SignData) + 1)) - 1;
        return (rule.operations & kSigning) != 0;
    }
};

class Warnings {
  public:
    std::vector<PolicyWarning> all;

    void say(std::string code, const std::string& rule, std::string text) {
        all.push_back({std::move(code), rule, std::move(text)});
    }

    void allow_rule(const RuleView& rule, bool document_limits) {
        using policy::Operation;
        const auto say = [&](std::string code, std::string text) {
            this->say(std::move(code), rule.name(), std::move(text));
        };
        if (rule.rule.anyone)
            say("anyone", "allows everybody who reaches the gateway, without a signature");
        if (rule.rule.any_host || !rule.rule.hosts.empty())
            say("host", "trusts the gateway's word for who asks: whoever owns the host can ask in its place");
        if (rule.speaks_of(Operation::SignHash) || rule.speaks_of(Operation::SignData))
            say("raw-signing", "allows sign-hash or sign-data: a digest can be anything, any transaction "
                               "included, and no condition sees what (only keys with raw_signing sign them)");
        if (rule.speaks_of(Operation::SignAuthorization) && !rule.looks_at("authorization.address"))
            say("delegation", "allows EIP-7702 authorizations without a condition on authorization.address: "
                              "any code may take the whole account over");
        if (rule.speaks_of(Operation::Export))
            say("export", "allows the key to leave the enclave, sealed to one of export_recipients");
        if (rule.speaks_of(Operation::SignTransaction))
            transaction_rule(rule);
        if (rule.speaks_of(Operation::SignTypedData) && !rule.looks_at("domain.verifying_contract"))
            say("typed-data", "allows typed data without a condition on domain.verifying_contract: permits "
                              "and orders of any contract");
        if (rule.speaks_of(Operation::SignMessage) && !rule.looks_at("message_text") &&
            !rule.looks_at("message_bytes"))
            say("message", "allows any message, logins to other sites included");
        if (rule.signs() && rule.rule.limits.empty() && !document_limits)
            say("no-limit", "signs without any limit of count or amount: whoever has the principal's key "
                            "uses it until somebody notices");
    }

  private:
    void transaction_rule(const RuleView& rule) {
        const auto say = [&](std::string code, std::string text) {
            this->say(std::move(code), rule.name(), std::move(text));
        };
        const bool to = rule.looks_at("transaction.to");
        if (!rule.looks_at("transaction.chain_id"))
            say("any-chain", "has no condition on transaction.chain_id: it holds on every chain");
        if (!to && rule.text.get("function"))
            say("any-contract",
                "names a function and no transaction.to: it holds for every contract that has "
                "a function of that name");
        else if (!to)
            say("any-recipient", "has no condition on transaction.to: it pays and calls anyone");
        if (!rule.looks_at("transaction.value") && !rule.looks_at("transaction.cost"))
            say("any-value", "has no condition on transaction.value or transaction.cost: the call may send "
                             "all of the account's ether along");
        if (!rule.looks_at("transaction.cost") && !rule.looks_at("transaction.fee_per_gas") &&
            !rule.looks_at("transaction.gas_price") && !rule.looks_at("transaction.max_fee_per_gas"))
            say("any-fee", "has no condition on transaction.fee_per_gas or transaction.cost: the account can "
                           "be emptied by fees");
    }
};

// Characters that other languages of patterns give a meaning, and this one does not.
bool looks_foreign(std::string_view pattern) noexcept {
    return pattern.starts_with('^') || pattern.ends_with('$') || pattern.contains('|') ||
           pattern.contains('(') || pattern.contains('{') || pattern.contains("\\d");
}

void pattern_warnings(const json::Value& rule, const std::string& name, Warnings& out) {
    const auto conditions = rule.get("conditions");
    if (!conditions)
        return;
    for (const json::Value field : *conditions)
        if (const auto pattern = field.get("matches"); pattern && looks_foreign(pattern->text()))
            out.say("pattern", name,
                    "a pattern of " + std::string(field.name()) +
                        " has ^ $ | ( or {, which mean themselves here: patterns match the whole value");
}

// Are principals and address books used?
void unused_warnings(const policy::Document& policy, const json::Value& root, Warnings& out) {
    std::uint64_t named = 0;
    for (const auto& rule : policy.rules)
        named |= rule.principals;
    for (std::size_t i = 0; i < policy.principals.size(); ++i)
        if ((named >> i & 1) == 0)
            out.say("unused", "", "no rule names the principal " + policy.principals[i].id);
    const auto rules = root.get("rules");
    const auto books = root.get("addresses");
    if (!rules || !books)
        return;
    for (const json::Value book : *books)
        if (!rules->raw().contains("\"@" + std::string(book.name()) + "\""))
            out.say("unused", "", "no rule names the address book " + std::string(book.name()));
}

// --- differences ---

std::string element_name(const json::Value& value) {
    for (const std::string_view key : {"name", "id"})
        if (const std::string text = policy_text(value, key); !text.empty())
            return text;
    return {};
}

class Differences {
  public:
    std::vector<PolicyChange> all;

    void compare(const std::string& path, const std::optional<json::Value>& before,
                 const std::optional<json::Value>& after) {
        if (!before && !after)
            return;
        if (!before || !after) {
            add(before ? PolicyChange::Kind::Removed : PolicyChange::Kind::Added, path, before, after);
            return;
        }
        if (before->raw() == after->raw())
            return;
        if (before->is_object() && after->is_object())
            members(path, *before, *after);
        else if (before->is_array() && after->is_array())
            elements(path, *before, *after);
        else
            add(PolicyChange::Kind::Changed, path, before, after);
    }

  private:
    void add(PolicyChange::Kind kind, const std::string& path, const std::optional<json::Value>& before,
             const std::optional<json::Value>& after) {
        all.push_back({kind, path, before ? std::string(before->raw()) : std::string(),
                       after ? std::string(after->raw()) : std::string()});
    }

    void members(const std::string& path, const json::Value& before, const json::Value& after) {
        std::set<std::string> names;
        for (const json::Value each : before)
            names.emplace(each.name());
        for (const json::Value each : after)
            names.emplace(each.name());
        for (const std::string& name : names)
            compare(path.empty() ? name : path + "." + name, before.get(name), after.get(name));
    }

    // By name or id; what has neither is told by its text, and by how often it stands there.
    void elements(const std::string& path, const json::Value& before, const json::Value& after) {
        std::vector<std::string> order;
        const auto index = [&](const json::Value& list) {
            std::map<std::string, json::Value> out;
            order.clear();
            for (const json::Value each : list) {
                const std::string name = element_name(each);
                std::string key =
                    name.empty() ? std::string(each.is_string() ? each.text() : each.raw()) : name;
                while (out.contains(key))
                    key += "'";
                order.push_back(key);
                out.emplace(key, each);
            }
            return out;
        };
        const auto old_elements = index(before);
        const auto old_order = order;
        const auto new_elements = index(after);
        const auto new_order = order;
        const auto find = [](const auto& map, const std::string& key) {
            const auto at = map.find(key);
            return at == map.end() ? std::nullopt : std::optional(at->second);
        };
        for (const std::string& key : old_order)
            compare(path + "[" + key + "]", find(old_elements, key), find(new_elements, key));
        for (const std::string& key : new_order)
            if (!old_elements.contains(key))
                compare(path + "[" + key + "]", std::nullopt, find(new_elements, key));
        const auto common = [](std::vector<std::string> list, const auto& other) {
            std::erase_if(list, [&](const std::string& key) { return !other.contains(key); });
            return list;
        };
        if (common(old_order, new_elements) != common(new_order, old_elements))
            all.push_back(
                {PolicyChange::Kind::Reordered, path, names_text(old_order), names_text(new_order)});
    }

    static std::string names_text(const std::vector<std::string>& names) {
        std::string out;
        json::Writer writer(out);
        writer.begin_array();
        for (const std::string& name : names)
            writer.string(name);
        writer.end_array();
        return out;
    }
};

} // namespace

std::vector<std::string> policy_rule_lines(const policy::Document& policy) {
    if (policy.open)
        return {"allow open: everything, to anyone"};
    const PolicyTree tree(policy);
    std::vector<std::string> out;
    for (const json::Value rule : policy_list(tree.root, "rules")) {
        std::string line = policy_text(rule, "effect") + " " + policy_text(rule, "name") + ": " +
                           joined(policy_list(rule, "operations"));
        if (const std::string function = policy_text(rule, "function"); !function.empty())
            line += " of " + function;
        line += " by " + joined(policy_list(rule, "principals"));
        if (const std::string conditions = conditions_text(rule); !conditions.empty())
            line += ", if " + conditions;
        if (const std::string limits = limits_text(policy_list(rule, "limits")); !limits.empty())
            line += "; limits: " + limits;
        out.push_back(std::move(line));
    }
    if (const std::string limits = limits_text(policy_list(tree.root, "limits")); !limits.empty())
        out.push_back("limits of the key: " + limits);
    return out;
}

std::vector<PolicyWarning> policy_warnings(const policy::Document& policy) {
    Warnings out;
    if (policy.open) {
        out.say("open", "open", "allows everything to everybody who reaches the gateway");
        return out.all;
    }
    const PolicyTree tree(policy);
    const auto rules = policy_list(tree.root, "rules");
    for (std::size_t i = 0; i < policy.rules.size() && i < rules.size(); ++i) {
        if (policy.rules[i].allow)
            out.allow_rule({policy.rules[i], rules[i]}, !policy.limits.empty());
        pattern_warnings(rules[i], policy.rules[i].name, out);
    }
    if (std::none_of(policy.rules.begin(), policy.rules.end(), [](const auto& rule) { return rule.allow; }))
        out.say("nothing-allowed", "", "no rule allows anything");
    if (policy.owners.empty())
        out.say("no-owners", "", "names no owners: nobody can ever change the policy of a key that has it");
    if (policy.not_after == 0)
        out.say("no-end", "",
                "has no not_after: a host that keeps an old record can have it obeyed for ever");
    if (tree.root)
        unused_warnings(policy, *tree.root, out);
    return out.all;
}

std::vector<PolicyChange> policy_changes(const policy::Document& before, const policy::Document& after) {
    const PolicyTree old_tree(before), new_tree(after);
    Differences out;
    out.compare("", old_tree.root, new_tree.root);
    return out.all;
}

} // namespace redoubt::cli
