// SPDX-License-Identifier: Apache-2.0
#include "doctor/key_policy_lint.h"

#include "doctor/policy_statement.h"
#include "doctor/report.h"

#include <algorithm>
#include <array>
#include <set>

namespace redoubt::doctor {

namespace {

constexpr const char* kWrite = "put the policy that redoubt manifest kms-policy writes";
// AWS KMS Developer Guide, "Resource quotas".
constexpr std::size_t kMaxPolicyBytes = 32'768;

// What opens or makes keys in the clear, what plants one that is known, and what decides over the key.
constexpr std::string_view kEncrypt = "kms:Encrypt";
constexpr std::array<std::string_view, 3> kOpening = {"kms:Decrypt", "kms:GenerateDataKey",
                                                      "kms:DeriveSharedSecret"};
constexpr std::array<std::string_view, 5> kChanges = {
    "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:DisableKey", "kms:CreateGrant", "kms:ReplicateKey"};
constexpr std::array<std::string_view, 5> kPlanting = {
    "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:GenerateDataKeyWithoutPlaintext", "kms:GenerateDataKeyPair",
    "kms:GenerateDataKeyPairWithoutPlaintext"};

struct Register {
    const char* name;
    const char* code; // "image": image-not-pinned, image-not-denied
    std::array<std::string_view, 2> keys;
};
constexpr std::array<Register, 2> kPinned = {
    {{"PCR0", "image", {"kms:recipientattestation:imagesha384", "kms:recipientattestation:pcr0"}},
     {"PCR16", "manifest", {"kms:recipientattestation:pcr16", "kms:recipientattestation:pcr16"}}}};

bool about(const PolicyCondition& condition, const Register& pinned) {
    return condition.key == pinned.keys[0] || condition.key == pinned.keys[1];
}

bool excludes(const PolicyCondition& condition) {
    return condition.op == "stringnotequals" || condition.op == "stringnotequalsignorecase";
}

bool is_hex48(std::string_view text) {
    return text.size() == 96 && lower_case(text).find_first_not_of("0123456789abcdef") == std::string::npos;
}

// An account's number or root: every identity there whom IAM lets.
bool is_account(std::string_view principal) {
    return principal.ends_with(":root") ||
           (principal.size() == 12 && principal.find_first_not_of("0123456789") == principal.npos);
}

class Lint {
  public:
    Lint(std::vector<PolicyStatement> statements, const LintOptions& options)
        : statements_(std::move(statements)), vault_(options.purpose == trust::KmsPurpose::Vault) {}

    std::vector<LintFinding> run(std::size_t bytes) {
        if (bytes > kMaxPolicyBytes)
            find("too-long", {}, "the policy is longer than the 32,768 bytes that KMS takes",
                 "take pairs out that nothing runs any more");
        for (const auto& statement : statements_) {
            shape(statement);
            if (statement.allow) {
                allowance(statement);
                if (covers_any(statement, kOpening))
                    pins(statement);
            }
        }
        roles();
        for (const auto& pinned : kPinned)
            denial(pinned);
        everybody_denied();
        others_denied();
        return std::move(findings_);
    }

  private:
    void find(const char* code, const std::string& statement, std::string sentence, std::string change) {
        for (const auto& known : findings_)
            if (known.code == code && known.statement == statement && known.sentence == sentence)
                return;
        findings_.push_back({code, printable(statement), std::move(sentence), std::move(change)});
    }

    template<class Actions>
    static bool covers_any(const PolicyStatement& statement, const Actions& actions) {
        return std::ranges::any_of(actions, [&](std::string_view a) { return statement.covers(a); });
    }

    // Whether the key itself is what the statement is about: in a key policy "*" is this key.
    static bool on_the_key(const PolicyStatement& statement) {
        return !statement.not_resources &&
               std::ranges::find(statement.resources, "*") != statement.resources.end();
    }

    // Strikes whoever asks, under no condition beyond those that the caller looks at.
    static bool denies_everybody(const PolicyStatement& statement) {
        return !statement.allow && !statement.not_principals && statement.for_everybody() &&
               on_the_key(statement);
    }

    bool denied_flat(std::string_view action) const {
        return std::ranges::any_of(statements_, [&](const auto& statement) {
            return denies_everybody(statement) && statement.conditions.empty() && statement.covers(action);
        });
    }

    void shape(const PolicyStatement& statement) {
        if ((statement.actions.empty() && statement.not_actions.empty()) ||
            (statement.resources.empty() && !statement.not_resources))
            find("no-effect", statement.name,
                 "it has no Action or no Resource: KMS stores it, and it does nothing",
                 "complete it, or take it out");
        else if (!on_the_key(statement))
            find("resource-not-the-key", statement.name,
                 "its Resource is not \"*\", which in a key policy is this key", "write \"Resource\": \"*\"");
        if (statement.not_principals)
            find("not-principal", statement.name,
                 "NotPrincipal means whoever is not listed, sessions of listed roles among them",
                 statement.allow ? "name who may, in Principal"
                                 : "deny everybody (\"*\") under a condition on aws:PrincipalArn");
    }

    void allowance(const PolicyStatement& statement) {
        if (statement.for_everybody())
            find("allow-everybody", statement.name, "it allows everybody, of every account", "name roles");
        for (const auto& other : statement.others)
            find("allow-service", statement.name,
                 "it allows a service or an identity provider: " + printable(other),
                 "take it out: enclaves use the key by the hosts' role");
        for (const auto& principal : statement.principals) {
            if (principal == "*")
                continue;
            if (!principal.starts_with("arn:") && !is_account(principal))
                find("principal-gone", statement.name,
                     printable(principal) + " is no ARN: KMS shows a deleted role or user so",
                     "take it out; a role made anew under the old name is another one");
            else if (is_account(principal))
                account(statement, principal);
        }
        if (!statement.not_actions.empty())
            find("not-action", statement.name,
                 "NotAction allows whatever is not listed, and what AWS adds later", "list the actions");
        for (const auto& action : statement.actions)
            if (action.find_first_of("*?") != action.npos)
                find("wildcard-action", statement.name,
                     printable(action) + " allows more than it names, and what AWS adds later",
                     "list the actions");
        std::string planting;
        for (const auto action : planting_actions())
            if (statement.covers(action) && !denied_flat(action))
                planting += (planting.empty() ? "" : ", ") + std::string(action);
        if (!planting.empty())
            find("allow-planting", statement.name,
                 "it allows " + planting +
                     ": whoever may that can plant keys that he knows, or carry keys off",
                 "take them out");
        if (statement.covers("kms:CreateGrant") && !denied_flat("kms:CreateGrant"))
            find("allow-grants", statement.name,
                 "it allows kms:CreateGrant, by which the key's use is handed on beside this policy",
                 "take it out");
    }

    void account(const PolicyStatement& statement, const std::string& principal) {
        if (covers_any(statement, kOpening) || statement.covers(kEncrypt))
            find("account-uses", statement.name,
                 printable(principal) +
                     " leaves the key's use to the account's IAM policies: whoever writes those",
                 "name the hosts' role");
        if (covers_any(statement, kChanges))
            find("account-administers", statement.name,
                 printable(principal) +
                     " leaves the policy's change to the account's IAM policies: whoever writes those",
                 "name the administrators' roles");
    }

    std::vector<std::string_view> planting_actions() const {
        std::vector<std::string_view> out(kPlanting.begin(), kPlanting.end());
        if (vault_)
            out.insert(out.begin(), kEncrypt);
        return out;
    }

    void pins(const PolicyStatement& statement) {
        for (const auto& pinned : kPinned) {
            const PolicyCondition* found = nullptr;
            for (const auto& condition : statement.conditions)
                if (about(condition, pinned) && condition.needs_key())
                    found = &condition;
            if (found == nullptr)
                find((std::string(pinned.code) + "-not-pinned").c_str(), statement.name,
                     std::string("it allows use whatever ") + pinned.name + " is, or without an attestation",
                     kWrite);
            else if (found->values.size() != 1)
                find("pairs-mixed", statement.name,
                     std::string("it names several values of ") + pinned.name +
                         ": each goes with each of the other register",
                     "write one Allow for each pair of PCR0 and PCR16");
        }
        for (const auto& condition : statement.conditions)
            if (condition.about_attestation())
                values(statement, condition);
    }

    void values(const PolicyStatement& statement, const PolicyCondition& condition) {
        if (condition.op.ends_with("ifexists") || condition.op.starts_with("forallvalues:"))
            return find("pin-optional", statement.name,
                        condition.op + " lets requests pass that have no attestation",
                        "use StringEqualsIgnoreCase");
        for (const auto& value : condition.values) {
            if (is_hex48(value) && value.find_first_not_of('0') == value.npos)
                find("pin-debug", statement.name,
                     printable(condition.key) +
                         " of zeros is any debug enclave: the host reads all that is in it",
                     "take it out");
            else if (condition.op.ends_with("like") && value.find_first_of("*?") != value.npos)
                find("pin-wildcard", statement.name, printable(condition.key) + " is compared with a pattern",
                     "name the measurement in full, with StringEqualsIgnoreCase");
            else if (!is_hex48(value))
                find("pin-malformed", statement.name,
                     printable(condition.key) +
                         " is compared with what is no measurement: " + short_hex(value),
                     "96 hexadecimal digits");
            else if (!condition.op.ends_with("ignorecase") && lower_case(value) != value)
                find("pin-case", statement.name,
                     printable(condition.key) + " in upper case fits no attestation: KMS writes lower case",
                     "use StringEqualsIgnoreCase");
        }
    }

    // Nobody both administers and uses the key, nor both encrypts under it and uses it.
    void roles() {
        std::set<std::string> users, encryptors, administrators;
        for (const auto& statement : statements_) {
            if (!statement.allow)
                continue;
            const auto allows = [&](std::string_view action) {
                return statement.covers(action) && !denied_flat(action);
            };
            if (std::ranges::any_of(kOpening, allows))
                users.insert(statement.principals.begin(), statement.principals.end());
            if (allows(kEncrypt))
                encryptors.insert(statement.principals.begin(), statement.principals.end());
            if (std::ranges::any_of(kChanges, allows))
                administrators.insert(statement.principals.begin(), statement.principals.end());
        }
        for (const auto& principal : administrators)
            if (users.contains(principal) || encryptors.contains(principal))
                find("administers-and-uses", {},
                     printable(principal) + " may use the key and change its policy",
                     "give the one to another role");
        if (vault_)
            return; // allow-planting names it
        for (const auto& principal : encryptors)
            if (users.contains(principal))
                find("encrypts-and-uses", {},
                     printable(principal) +
                         " may use the key and encrypt under it: it can plant keys that it knows",
                     "let another role encrypt");
    }

    // Every request without a pinned value is denied, whoever makes it.
    void denial(const Register& pinned) {
        std::set<std::string> spared, allowed;
        bool found = false;
        for (const auto& statement : statements_) {
            if (statement.allow) {
                for (const auto& condition : statement.conditions)
                    if (about(condition, pinned) && condition.needs_key())
                        for (const auto& value : condition.values)
                            allowed.insert(lower_case(value));
                continue;
            }
            if (!denies_everybody(statement) || !statement.covers(kOpening[0]) ||
                !statement.covers(kOpening[1]))
                continue;
            if (statement.conditions.empty()) {
                found = true;
                continue;
            }
            if (statement.conditions.size() == 1 && about(statement.conditions[0], pinned) &&
                excludes(statement.conditions[0])) {
                found = true;
                for (const auto& value : statement.conditions[0].values)
                    spared.insert(lower_case(value));
            }
        }
        if (!found)
            return find(
                (std::string(pinned.code) + "-not-denied").c_str(), {},
                std::string("no statement denies everybody kms:Decrypt and kms:GenerateDataKey where ") +
                    pinned.name +
                    " is none of the pinned values: a grant, or an Allow added later, opens the key",
                kWrite);
        for (const auto& value : spared)
            if (!allowed.contains(value))
                find("stale-pin", {},
                     std::string("the denial of other values spares ") + pinned.name + " " +
                         short_hex(value) + ", which no Allow names any more",
                     "take it out");
    }

    void everybody_denied() {
        std::string planting, copies;
        for (const auto action : planting_actions())
            if (!denied_flat(action))
                planting += (planting.empty() ? "" : ", ") + std::string(action);
        if (!planting.empty())
            find("planting-not-denied", {}, "no statement denies everybody " + planting, kWrite);
        if (!denied_flat("kms:CreateGrant"))
            find("grants-not-denied", {}, "no statement denies everybody kms:CreateGrant", kWrite);
        for (const std::string_view action : {"kms:ReplicateKey", "kms:ImportKeyMaterial"})
            if (!denied_flat(action))
                copies += (copies.empty() ? "" : ", ") + std::string(action);
        if (!copies.empty())
            find("copies-not-denied", {},
                 "no statement denies everybody " + copies +
                     ": a copy in another region has a policy of its own, imported material is known to "
                     "somebody",
                 kWrite);
    }

    // A denial of `action` to whoever is not among some callers. A pattern or a variable is no caller: it
    // spares whoever fits, and "${aws:PrincipalArn}" fits everybody.
    bool denied_to_others(std::string_view action) const {
        const auto by_caller = [](const PolicyCondition& condition) {
            const bool negated = condition.op == "arnnotequals" || condition.op == "arnnotlike" ||
                                 condition.op == "stringnotequals" || condition.op == "stringnotlike";
            return negated &&
                   (condition.key == "aws:principalarn" || condition.key == "aws:principalaccount") &&
                   std::ranges::none_of(condition.values, [](std::string_view value) {
                       return value.find_first_of("*?$") != value.npos;
                   });
        };
        return std::ranges::any_of(statements_, [&](const auto& statement) {
            return denies_everybody(statement) && statement.covers(action) &&
                   std::ranges::all_of(statement.conditions, by_caller);
        });
    }

    void others_denied() {
        if (!denied_to_others(kOpening[0]) || !denied_to_others(kOpening[1]))
            find("use-not-limited", {},
                 "no statement denies kms:Decrypt and kms:GenerateDataKey to whoever is no named user: a "
                 "grant "
                 "from before this policy still counts",
                 kWrite);
        if (!vault_ && !denied_to_others(kEncrypt))
            find("encrypt-not-limited", {},
                 "no statement denies kms:Encrypt to whoever is no named encryptor: a grant, or an "
                 "Allow added later, plants keys",
                 kWrite);
        constexpr std::string_view kPut = "kms:PutKeyPolicy";
        const bool changeable = std::ranges::any_of(statements_, [&](const auto& statement) {
            return statement.allow && on_the_key(statement) && statement.covers(kPut);
        });
        if (!changeable || denied_flat(kPut))
            find("locked", {},
                 "nobody may change the policy: no pair can be added or taken out, and only AWS's support "
                 "helps",
                 "allow an administrator kms:PutKeyPolicy");
        else if (!denied_to_others(kPut))
            find("change-not-denied", {},
                 "no statement denies kms:PutKeyPolicy to whoever is no named administrator", kWrite);
    }

    std::vector<PolicyStatement> statements_;
    bool vault_;
    std::vector<LintFinding> findings_;
};

} // namespace

Result<std::vector<LintFinding>> lint_key_policy(std::string_view policy, const LintOptions& options) {
    REDOUBT_TRY(auto statements, read_policy(policy));
    return Lint(std::move(statements), options).run(policy.size());
}

} // namespace redoubt::doctor
