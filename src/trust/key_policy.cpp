// SPDX-License-Identifier: Apache-2.0
#include "trust/key_policy.h"

#include "base/json.h"

#include <algorithm>

namespace redoubt::trust {

namespace {

using Strings = std::vector<std::string>;

constexpr std::string_view kImageKey = "kms:RecipientAttestation:ImageSha384"; // PCR0
constexpr std::string_view kManifestKey = "kms:RecipientAttestation:PCR16";
constexpr std::string_view kRoleKey = "kms:RecipientAttestation:PCR3";
constexpr std::string_view kInstanceKey = "kms:RecipientAttestation:PCR4";
constexpr std::string_view kSignerKey = "kms:RecipientAttestation:PCR8";

struct Arn {
    std::string_view account, name; // "role/path/NAME", "user/NAME", "root"
};

// "arn:PARTITION:iam::ACCOUNT:NAME" of a role, a user or an account's root. A session is none: it ends.
std::optional<Arn> split_iam_arn(std::string_view text) {
    std::array<std::string_view, 5> parts;
    for (auto& part : parts) {
        const auto colon = text.find(':');
        if (colon == text.npos)
            return std::nullopt;
        part = text.substr(0, colon);
        text.remove_prefix(colon + 1);
    }
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    if (parts[0] != "arn" || !parts[1].starts_with("aws") || parts[2] != "iam" || !parts[3].empty() ||
        parts[4].size() != 12 || !std::ranges::all_of(parts[4], digit))
        return std::nullopt;
    const auto named = [&](std::string_view prefix) {
        return text.starts_with(prefix) && text.size() > prefix.size();
    };
    if ((text != "root" && !named("role/") && !named("user/")) || text.find_first_of("*?$\" ") != text.npos)
        return std::nullopt;
    return Arn{parts[4], text};
}

bool is_root(const std::string& arn) {
    const auto split = split_iam_arn(arn);
    return split && split->name == "root";
}

Strings hex_of(const std::vector<crypto::Hash48>& values) {
    Strings out;
    for (const auto& value : values)
        out.push_back(to_hex(value));
    return out;
}

// Each once, in the order of the pairs.
template<class Get>
Strings values_of(const std::vector<MeasurementPair>& pairs, Get get) {
    Strings out;
    for (const auto& pair : pairs)
        if (auto text = to_hex(get(pair)); std::ranges::find(out, text) == out.end())
            out.push_back(std::move(text));
    return out;
}

class Renderer {
  public:
    explicit Renderer(const KeyPolicyInput& input) : input_(input), writer_(out_) {}

    std::string run() {
        writer_.begin_object().member("Version", "2012-10-17").key("Statement").begin_array();
        allowances();
        denials();
        writer_.end_array().end_object();
        return std::move(out_);
    }

  private:
    using Texts = std::initializer_list<std::string_view>;

    template<class List>
    void strings(std::string_view name, const List& values) {
        writer_.key(name).begin_array();
        for (const auto& value : values)
            writer_.string(value);
        writer_.end_array();
    }

    void begin(std::string_view sid, bool allow, Texts actions, const Strings& principals = {}) {
        writer_.begin_object().member("Sid", sid).member("Effect", allow ? "Allow" : "Deny");
        if (principals.empty()) {
            writer_.member("Principal", "*");
        } else {
            writer_.key("Principal").begin_object();
            if (principals.size() == 1)
                writer_.member("AWS", principals[0]);
            else
                strings("AWS", principals);
            writer_.end_object();
        }
        strings("Action", actions);
        writer_.member("Resource", "*");
    }

    void allowances() {
        begin("AdministerWithoutUse", true,
              {"kms:DescribeKey",       "kms:GetKeyPolicy",         "kms:PutKeyPolicy",
               "kms:ListKeyPolicies",   "kms:GetKeyRotationStatus", "kms:ListKeyRotations",
               "kms:EnableKeyRotation", "kms:DisableKeyRotation",   "kms:UpdateKeyDescription",
               "kms:TagResource",       "kms:UntagResource",        "kms:ListResourceTags",
               "kms:CreateAlias",       "kms:UpdateAlias",          "kms:DeleteAlias",
               "kms:ListGrants",        "kms:RevokeGrant",          "kms:EnableKey",
               "kms:DisableKey",        "kms:ScheduleKeyDeletion",  "kms:CancelKeyDeletion"},
              input_.administrators);
        writer_.end_object();
        if (!input_.auditors.empty()) {
            begin("ReadWithoutUse", true,
                  {"kms:DescribeKey", "kms:GetKeyPolicy", "kms:ListKeyPolicies", "kms:GetKeyRotationStatus",
                   "kms:ListKeyRotations", "kms:ListResourceTags", "kms:ListGrants"},
                  input_.auditors);
            writer_.end_object();
        }
        if (encrypts()) {
            begin("EncryptReferenceKeys", true, {"kms:Encrypt"}, input_.encryptors);
            writer_.end_object();
        }
        for (std::size_t i = 0; i < input_.pairs.size(); ++i)
            allow_pair(input_.pairs[i], i + 1);
    }

    void allow_pair(const MeasurementPair& pair, std::size_t number) {
        begin("UseByMeasuredEnclave" + std::to_string(number), true, {"kms:Decrypt", "kms:GenerateDataKey"},
              input_.users);
        writer_.key("Condition").begin_object().key("StringEqualsIgnoreCase").begin_object();
        writer_.member(kImageKey, to_hex(pair.pcr0)).member(kManifestKey, to_hex(pair.pcr16));
        if (!input_.pcr3.empty())
            strings(kRoleKey, hex_of(input_.pcr3));
        if (!input_.pcr4.empty())
            strings(kInstanceKey, hex_of(input_.pcr4));
        if (pair.pcr8)
            writer_.member(kSignerKey, to_hex(*pair.pcr8));
        writer_.end_object().end_object().end_object();
    }

    // Denies use wherever `key` is none of the pinned values; a request without an attestation has no such
    // key at all, and a negated operator matches then too. It strikes the account's root and what a grant
    // allows as well.
    void deny_unless_pinned(std::string_view sid, std::string_view key, const Strings& values) {
        begin(sid, false, {"kms:Decrypt", "kms:GenerateDataKey", "kms:DeriveSharedSecret"});
        writer_.key("Condition").begin_object().key("StringNotEqualsIgnoreCase").begin_object();
        strings(key, values);
        writer_.end_object().end_object().end_object();
    }

    // Denies the actions to whoever is none of these. An account's root stands for all its identities.
    void deny_others(std::string_view sid, Texts actions, const Strings& spared) {
        begin(sid, false, actions);
        writer_.key("Condition").begin_object().key("ArnNotEquals").begin_object();
        strings("aws:PrincipalArn", spared);
        writer_.end_object();
        Strings accounts;
        for (const auto& arn : spared)
            if (is_root(arn))
                accounts.emplace_back(split_iam_arn(arn)->account);
        if (!accounts.empty()) {
            writer_.key("StringNotEquals").begin_object();
            strings("aws:PrincipalAccount", accounts);
            writer_.end_object();
        }
        writer_.end_object().end_object();
    }

    void denials() {
        const auto& pairs = input_.pairs;
        if (pairs.empty()) {
            begin("DenyUse", false, {"kms:Decrypt", "kms:GenerateDataKey", "kms:DeriveSharedSecret"});
            writer_.end_object();
        } else {
            deny_unless_pinned("DenyOtherImages", kImageKey,
                               values_of(pairs, [](const auto& pair) { return pair.pcr0; }));
            deny_unless_pinned("DenyOtherManifests", kManifestKey,
                               values_of(pairs, [](const auto& pair) { return pair.pcr16; }));
            if (!input_.pcr3.empty())
                deny_unless_pinned("DenyOtherRoles", kRoleKey, hex_of(input_.pcr3));
            if (!input_.pcr4.empty())
                deny_unless_pinned("DenyOtherInstances", kInstanceKey, hex_of(input_.pcr4));
            if (std::ranges::all_of(pairs, [](const auto& pair) { return pair.pcr8.has_value(); }))
                deny_unless_pinned("DenyOtherSigners", kSignerKey,
                                   values_of(pairs, [](const auto& pair) { return *pair.pcr8; }));
            // Whom a grant from before this policy lets in, or an Allow that was added to it.
            deny_others("DenyUseByOthers", {"kms:Decrypt", "kms:GenerateDataKey", "kms:DeriveSharedSecret"},
                        input_.users);
        }
        // Nobody can plant a data key whose plaintext he knows, hand the key's use on, or have a copy of the
        // key under another policy or of known material.
        if (encrypts()) {
            begin("DenyPlantingAndGrants", false,
                  {"kms:ReEncrypt*", "kms:GenerateDataKeyWithoutPlaintext", "kms:GenerateDataKeyPair*",
                   "kms:CreateGrant", "kms:ReplicateKey", "kms:ImportKeyMaterial"});
            writer_.end_object();
            deny_others("DenyEncryptByOthers", {"kms:Encrypt"}, input_.encryptors);
        } else {
            begin("DenyPlantingAndGrants", false,
                  {"kms:Encrypt", "kms:ReEncrypt*", "kms:GenerateDataKeyWithoutPlaintext",
                   "kms:GenerateDataKeyPair*", "kms:CreateGrant", "kms:ReplicateKey",
                   "kms:ImportKeyMaterial"});
            writer_.end_object();
        }
        deny_others("DenyChangeByOthers", {"kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:DisableKey"},
                    input_.administrators);
    }

    bool encrypts() const { return input_.purpose == KmsPurpose::Reference && !input_.encryptors.empty(); }

    const KeyPolicyInput& input_;
    std::string out_;
    json::Writer writer_;
};

Status check_principals(const Strings& list, bool roots_allowed) {
    Strings seen;
    for (const auto& arn : list) {
        if (!split_iam_arn(arn))
            return fail(Code::Usage,
                        "a principal is the full ARN of a role, user or account root, without wildcards: "
                        "arn:aws:iam::111122223333:role/NAME",
                        arn);
        if (!roots_allowed && is_root(arn))
            return fail(Code::Usage,
                        "an account's root stands for everybody there whom IAM lets; name a role", arn);
        if (std::ranges::find(seen, arn) != seen.end())
            return fail(Code::Usage, "a principal is named twice", arn);
        seen.push_back(arn);
    }
    return {};
}

// A root is whoever of its account IAM lets be it. `one` may name the others' root all the same where
// `roots_allowed`: on one machine there is one person.
Status check_disjoint(const Strings& one, const Strings& other, FixedText why, bool roots_allowed = false) {
    for (const auto& arn : one) {
        const auto split = split_iam_arn(arn);
        for (const auto& second : other) {
            const auto split_second = split_iam_arn(second);
            const bool root = is_root(second) || (is_root(arn) && !roots_allowed);
            if (arn == second || (root && split->account == split_second->account))
                return fail(Code::Usage, why, arn);
        }
    }
    return {};
}

Status check_measured(const crypto::Hash48& value, bool development) {
    if (value == crypto::Hash48{} && !development)
        return fail(Code::Usage, "a measurement of zeros is a debug enclave's: it must never be pinned");
    return {};
}

} // namespace

Status check_key_policy(const KeyPolicyInput& input, bool development) {
    if (input.administrators.empty())
        return fail(Code::Usage, "a key without an administrator could never be changed: name one");
    REDOUBT_CHECK(check_principals(input.administrators, true));
    REDOUBT_CHECK(check_principals(input.users, development));
    REDOUBT_CHECK(check_principals(input.encryptors, development));
    REDOUBT_CHECK(check_principals(input.auditors, true));
    if (input.purpose == KmsPurpose::Vault && !input.encryptors.empty())
        return fail(Code::Usage, "nobody may encrypt under a vault's key: who could, would plant vaults");
    REDOUBT_CHECK(check_disjoint(input.administrators, input.users,
                                 "who administers the key must not use it: name two principals",
                                 development));
    if (!development) {
        REDOUBT_CHECK(
            check_disjoint(input.administrators, input.encryptors,
                           "who administers the key must not encrypt with it: name two principals"));
        REDOUBT_CHECK(check_disjoint(input.users, input.encryptors,
                                     "the hosts' role must not encrypt: it could plant keys that it knows"));
    }
    if (input.pairs.size() > kMaxPolicyPairs)
        return fail(Code::Usage, "at most 8 pairs of measurements fit a policy");
    if (!input.pairs.empty() && input.users.empty())
        return fail(Code::Usage, "pairs are for somebody: name the hosts' role as user");
    for (std::size_t i = 0; i < input.pairs.size(); ++i) {
        const auto& pair = input.pairs[i];
        REDOUBT_CHECK(check_measured(pair.pcr0, development));
        if (pair.pcr16 == crypto::Hash48{})
            return fail(Code::Usage, "a PCR16 of zeros is an enclave's that took no manifest");
        if (pair.pcr8)
            REDOUBT_CHECK(check_measured(*pair.pcr8, false));
        for (std::size_t j = 0; j < i; ++j)
            if (pair.pcr0 == input.pairs[j].pcr0 && pair.pcr16 == input.pairs[j].pcr16)
                return fail(Code::Usage, "a pair of measurements is named twice", to_hex(pair.pcr0));
    }
    for (const auto* list : {&input.pcr3, &input.pcr4})
        for (const auto& value : *list)
            REDOUBT_CHECK(check_measured(value, false));
    return {};
}

std::string render_key_policy(const KeyPolicyInput& input) {
    return Renderer(input).run();
}

} // namespace redoubt::trust
