// SPDX-License-Identifier: Apache-2.0
#include "doctor/key_policy_check.h"

#include "doctor/policy_statement.h"
#include "doctor/report.h"

#include <algorithm>
#include <array>

namespace redoubt::doctor {

namespace {

constexpr const char* kPut =
    "put the policy for this pair on the key (docs/doctor.md shows it; one Allow a pair)";

// One of the two measurements, with the condition keys that name it (AWS KMS Developer Guide, "Condition keys
// for AWS Nitro Enclaves").
struct Measured {
    const char* name;                     // "PCR0"
    const char* what;                     // what it measures
    std::array<std::string_view, 2> keys; // lower-case
    std::string expected;                 // lower-case hex: what the enclave measures
    const char* negative_sid;
};

std::array<Measured, 2> measurements(const trust::MeasurementPair& pair) {
    return {{{"PCR0",
              "image",
              {"kms:recipientattestation:imagesha384", "kms:recipientattestation:pcr0"},
              to_hex(pair.pcr0),
              "other images"},
             {"PCR16",
              "manifest",
              {"kms:recipientattestation:pcr16", "kms:recipientattestation:pcr16"},
              to_hex(pair.pcr16),
              "other manifests"}}};
}

bool names(const PolicyCondition& condition, const Measured& measured) {
    return condition.key == measured.keys[0] || condition.key == measured.keys[1];
}

// Operators that a request without the key passes: the Deny then strikes it too.
bool is_negative(const PolicyCondition& condition) {
    return condition.op == "stringnotequals" || condition.op == "stringnotequalsignorecase" ||
           condition.op == "stringnotlike";
}

bool holds(const PolicyCondition& condition, const std::string& expected) {
    const bool any_case = condition.op.ends_with("ignorecase");
    const bool pattern = condition.op.ends_with("like");
    return std::ranges::any_of(condition.values, [&](const std::string& value) {
        if (pattern)
            return lower_case(value) == value && matches_pattern(value, expected);
        return any_case ? lower_case(value) == expected : value == expected;
    });
}

std::string list_values(const PolicyCondition& condition) {
    std::string out;
    for (const auto& value : condition.values)
        out += (out.empty() ? "" : ", ") + short_hex(value);
    return out.empty() ? "nothing" : out;
}

// "PCR0 aa…, but the enclave measures bb…"
std::string difference(const PolicyCondition& condition, const Measured& measured) {
    const bool only_case = std::ranges::any_of(
        condition.values, [&](const auto& v) { return lower_case(v) == measured.expected; });
    return std::string(measured.name) + " " + list_values(condition) +
           (only_case ? ", which differs from the enclave's only in the case of its letters; use "
                        "StringEqualsIgnoreCase"
                      : ", but the enclave measures " + short_hex(measured.expected));
}

std::string change_for(const Measured& measured) {
    return std::string(kPut) + ", or run the " + measured.what + " that the policy names";
}

const PolicyCondition* find(const PolicyStatement& statement, const Measured& measured, bool positive) {
    for (const auto& condition : statement.conditions)
        if (names(condition, measured) && (positive ? condition.needs_key() : is_negative(condition)))
            return &condition;
    return nullptr;
}

class Examination {
  public:
    Examination(std::vector<PolicyStatement> statements, const PolicyQuestion& question)
        : statements_(std::move(statements)), question_(question), measured_(measurements(question.pair)) {}

    std::vector<PolicyProblem> run() {
        flat_denials();
        const bool image = denial(measured_[0]);
        const bool manifest = denial(measured_[1]);
        denied_elsewhere_ = {image, manifest};
        allow("kms:Decrypt");
        if (question_.purpose == trust::KmsPurpose::Vault)
            allow("kms:GenerateDataKey");
        planting();
        return std::move(problems_);
    }

  private:
    void problem(bool fails, std::string sentence, std::string change) {
        // Both operations often fail for one reason; it is said once.
        const bool known =
            std::ranges::any_of(problems_, [&](const auto& p) { return p.sentence == sentence; });
        if (!known)
            problems_.push_back({fails, std::move(sentence), std::move(change)});
    }

    void flat_denials() {
        for (const auto& statement : statements_)
            if (!statement.allow && statement.conditions.empty() && statement.covers("kms:Decrypt") &&
                (statement.for_everybody() ||
                 (!question_.caller.empty() && statement.for_caller(question_.caller))))
                problem(true, "statement " + statement.name + " denies kms:Decrypt whatever is measured",
                        "remove that statement, or kms:Decrypt from it");
    }

    // Whether every request without the right measurement is denied.
    bool denial(const Measured& measured) {
        bool found = false;
        for (const auto& statement : statements_) {
            if (statement.allow || !statement.for_everybody() || !statement.covers("kms:Decrypt") ||
                !statement.covers("kms:GenerateDataKey") || statement.conditions.size() != 1)
                continue;
            const auto* condition = find(statement, measured, false);
            if (condition == nullptr)
                continue;
            found = true;
            if (!holds(*condition, measured.expected))
                problem(true,
                        "statement " + statement.name + " denies this enclave: it spares " +
                            difference(*condition, measured),
                        change_for(measured));
        }
        if (!found)
            problem(true,
                    std::string("no statement denies ") + measured.negative_sid +
                        ": a Deny of kms:Decrypt and kms:GenerateDataKey for everybody, where " +
                        measured.name + " is not the pinned one, is missing",
                    kPut);
        return found;
    }

    struct Candidate {
        const PolicyStatement* statement;
        int right = 0; // of principal, PCR0 and PCR16
        std::string why;
        std::string change;
    };

    Candidate judge(const PolicyStatement& statement) const {
        Candidate out{&statement, 0, {}, {}};
        if (question_.caller.empty() || statement.for_caller(question_.caller)) {
            ++out.right;
        } else {
            out.why = "it is for " + (statement.principals.empty() ? "nobody" : statement.principals[0]) +
                      ", but the credentials are those of " + question_.caller;
            out.change =
                "name the gateway's role in the statement's Principal, or give the gateway that role";
        }
        for (std::size_t i = 0; i < measured_.size(); ++i) {
            const auto& measured = measured_[i];
            const auto* condition = find(statement, measured, true);
            const bool fits =
                condition == nullptr ? denied_elsewhere_[i] : holds(*condition, measured.expected);
            if (fits) {
                ++out.right;
                continue;
            }
            out.why += (out.why.empty() ? "" : "; ") + (condition == nullptr
                                                            ? "it does not name " + std::string(measured.name)
                                                            : "it names " + difference(*condition, measured));
            if (out.change.empty())
                out.change = condition == nullptr ? kPut : change_for(measured);
        }
        return out;
    }

    void allow(const char* operation) {
        std::optional<Candidate> best;
        for (const auto& statement : statements_) {
            if (!statement.allow || !statement.covers(operation))
                continue;
            auto candidate = judge(statement);
            if (!best || candidate.right > best->right)
                best = std::move(candidate);
        }
        if (!best)
            return problem(true, std::string("no statement allows ") + operation, kPut);
        if (best->right < 3)
            return problem(true,
                           "no statement allows " + std::string(operation) +
                               " to this pair; the nearest is " + best->statement->name + ": " + best->why,
                           best->change);
        for (const auto& condition : best->statement->conditions)
            if (!condition.about_attestation() ||
                (!names(condition, measured_[0]) && !names(condition, measured_[1])))
                problem(false,
                        "statement " + best->statement->name + " also demands " + printable(condition.key) +
                            ", which is not checked here",
                        "see that the enclave's calls meet it, or remove it");
    }

    void planting() {
        std::vector<std::string_view> actions = {"kms:ReEncryptFrom",
                                                 "kms:ReEncryptTo",
                                                 "kms:GenerateDataKeyWithoutPlaintext",
                                                 "kms:GenerateDataKeyPair",
                                                 "kms:GenerateDataKeyPairWithoutPlaintext",
                                                 "kms:CreateGrant"};
        if (question_.purpose == trust::KmsPurpose::Vault)
            actions.insert(actions.begin(), "kms:Encrypt");
        std::string missing;
        for (const auto action : actions) {
            const bool denied = std::ranges::any_of(statements_, [&](const PolicyStatement& statement) {
                return !statement.allow && statement.for_everybody() && statement.conditions.empty() &&
                       statement.covers(action);
            });
            if (!denied)
                missing += (missing.empty() ? "" : ", ") + std::string(action);
        }
        if (!missing.empty())
            problem(true,
                    "no statement denies everybody " + missing +
                        ": whoever may do that can plant keys that he knows, or hand the key's use on",
                    kPut);
    }

    std::vector<PolicyStatement> statements_;
    const PolicyQuestion& question_;
    std::array<Measured, 2> measured_;
    std::array<bool, 2> denied_elsewhere_{};
    std::vector<PolicyProblem> problems_;
};

} // namespace

Result<std::vector<PolicyProblem>> examine_key_policy(std::string_view policy,
                                                      const PolicyQuestion& question) {
    REDOUBT_TRY(auto statements, read_policy(policy));
    return Examination(std::move(statements), question).run();
}

} // namespace redoubt::doctor
