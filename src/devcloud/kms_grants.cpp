// SPDX-License-Identifier: Apache-2.0
// CreateGrant, ListGrants, ListRetirableGrants, RevokeGrant, RetireGrant (AWS KMS developer guide, "Grants").
#include "devcloud/kms_operations.h"

#include <algorithm>
#include <array>

namespace redoubt::devcloud {

namespace {

constexpr Size kGrantIdSize = {1, 128};
constexpr Size kGrantTokenSize = {1, 8192};
constexpr std::size_t kMaxGrants = 50'000; // per key; AWS KMS developer guide, "Quotas"
constexpr std::size_t kMaxOperations = 17;

// What a symmetric key's grant can allow; the rest of the service model's names is for other kinds of key.
constexpr std::array<std::string_view, 11> kOperations = {"Decrypt",
                                                          "Encrypt",
                                                          "GenerateDataKey",
                                                          "GenerateDataKeyWithoutPlaintext",
                                                          "ReEncryptFrom",
                                                          "ReEncryptTo",
                                                          "CreateGrant",
                                                          "RetireGrant",
                                                          "DescribeKey",
                                                          "GenerateDataKeyPair",
                                                          "GenerateDataKeyPairWithoutPlaintext"};
constexpr std::array<std::string_view, 6> kOtherOperations = {
    "Sign", "Verify", "GetPublicKey", "GenerateMac", "VerifyMac", "DeriveSharedSecret"};

bool among(std::span<const std::string_view> names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

std::unexpected<ServiceError> invalid_grant_id() {
    return refuse("InvalidGrantIdException", "The grant ID is not valid.");
}

Reply<std::vector<std::string>> read_operations(const KmsCall& kms) {
    if (!kms.input.member("Operations"))
        return refuse_value("null", "Operations", "Member must not be null");
    REDOUBT_TRY(auto operations, kms.input.strings("Operations", {1, kMaxOperations}));
    for (const auto& name : operations) {
        if (among(kOtherOperations, name))
            return refuse_input("The operation " + name + " is not for keys of spec SYMMETRIC_DEFAULT.");
        if (!among(kOperations, name))
            return refuse_value(name, "Operations", "Member must satisfy enum value set of GrantOperation");
    }
    std::sort(operations.begin(), operations.end());
    operations.erase(std::unique(operations.begin(), operations.end()), operations.end());
    return operations;
}

Reply<void> read_constraints(const KmsCall& kms, Grant& grant) {
    REDOUBT_TRY(const auto constraints, kms.input.object("Constraints"));
    if (!constraints)
        return {};
    if (constraints->member("SourceArn"))
        return refuse_input("devcloud does not evaluate the grant constraint SourceArn.");
    for (const char* kind : {"EncryptionContextEquals", "EncryptionContextSubset"}) {
        if (!constraints->member(kind))
            continue;
        if (!grant.constraint.empty())
            return refuse_input("A grant has either EncryptionContextEquals or EncryptionContextSubset.");
        REDOUBT_TRY(grant.context, constraints->string_map(kind));
        grant.constraint = kind;
    }
    return {};
}

Reply<std::string> read_principal(const KmsCall& kms, std::string_view member) {
    REDOUBT_TRY(const auto text, kms.input.string(member, kPrincipalSize));
    if (!text)
        return "";
    if (!text->starts_with("arn:aws:iam::") && !text->starts_with("arn:aws:sts::"))
        return refuse("InvalidArnException", "ARN does not refer to a valid principal: " + *text);
    return *text;
}

Reply<void> refuse_service_principals(const KmsCall& kms, std::initializer_list<std::string_view> members) {
    for (const auto member : members)
        if (kms.input.member(member))
            return refuse_input("devcloud has no service principals: " + std::string(member));
    return {};
}

// A grant that allows CreateGrant allows only what it allows itself, under its own constraint.
bool can_be_parent(const Grant& parent, const Grant& child) {
    const bool operations =
        std::all_of(child.operations.begin(), child.operations.end(), [&](const auto& operation) {
            return std::find(parent.operations.begin(), parent.operations.end(), operation) !=
                   parent.operations.end();
        });
    if (!operations || parent.constraint.empty())
        return operations;
    if (parent.constraint == "EncryptionContextEquals")
        return child.constraint == parent.constraint && child.context == parent.context;
    return !child.constraint.empty() &&
           std::all_of(parent.context.begin(), parent.context.end(), [&](const auto& pair) {
               const auto found = child.context.find(pair.first);
               return found != child.context.end() && found->second == pair.second;
           });
}

bool same_request(const Grant& a, const Grant& b) {
    return !a.name.empty() && a.name == b.name && a.grantee == b.grantee && a.retiree == b.retiree &&
           a.operations == b.operations && a.constraint == b.constraint && a.context == b.context;
}

KeyQuestion question_about(const Grant& grant) {
    KeyQuestion question;
    question.other_accounts = question.grantable = true;
    question.values.add("kms:GranteePrincipal", grant.grantee);
    if (!grant.retiree.empty())
        question.values.add("kms:RetiringPrincipal", grant.retiree);
    for (const auto& operation : grant.operations)
        question.values.add("kms:GrantOperations", operation);
    if (!grant.constraint.empty())
        question.values.add("kms:GrantConstraintType", grant.constraint);
    question.values.add("kms:GrantIsForAWSResource", "false");
    question.grant_fits = [&grant](const Grant& parent) { return can_be_parent(parent, grant); };
    return question;
}

void write_grants(json::Writer& writer, const std::vector<Grant>& grants, const std::string& key_arn_prefix) {
    writer.begin_object().key("Grants").begin_array();
    for (const auto& grant : grants) {
        writer.begin_object().member("KeyId", key_arn_prefix + grant.key_id).member("GrantId", grant.id);
        if (!grant.name.empty())
            writer.member("Name", grant.name);
        writer.key("CreationDate")
            .raw(epoch_seconds(grant.created))
            .member("GranteePrincipal", grant.grantee);
        if (!grant.retiree.empty())
            writer.member("RetiringPrincipal", grant.retiree);
        writer.member("IssuingAccount", grant.issuer).key("Operations").begin_array();
        for (const auto& operation : grant.operations)
            writer.string(operation);
        writer.end_array();
        if (!grant.constraint.empty()) {
            writer.key("Constraints").begin_object().key(grant.constraint).begin_object();
            for (const auto& [name, value] : grant.context)
                writer.member(name, value);
            writer.end_object().end_object();
        }
        writer.end_object();
    }
    writer.end_array();
}

bool is_principal(const Principal& principal, std::string_view arn) {
    return !arn.empty() && (arn == principal.arn || arn == principal.role_arn);
}

// The retiring principal, the grantee where the grant says so, the account that made it; else by policy.
Reply<void> authorise_retiring(KmsCall& kms, const KeyRecord& key, const Grant& grant) {
    const auto& principal = kms.call.principal;
    const bool by_grantee =
        is_principal(principal, grant.grantee) &&
        std::find(grant.operations.begin(), grant.operations.end(), "RetireGrant") != grant.operations.end();
    if (is_principal(principal, grant.retiree) || by_grantee || principal.arn == grant.issuer)
        return {};
    KeyQuestion question;
    question.other_accounts = true;
    return authorise(kms, key, std::move(question));
}

} // namespace

Reply<std::string> create_grant(KmsCall& kms) {
    REDOUBT_CHECK(refuse_service_principals(kms, {"GranteeServicePrincipal", "RetiringServicePrincipal"}));
    REDOUBT_TRY(const auto key_id, kms.input.required_string("KeyId", kKeyIdSize));
    Grant grant;
    REDOUBT_TRY(grant.grantee, read_principal(kms, "GranteePrincipal"));
    if (grant.grantee.empty())
        return refuse_value("null", "GranteePrincipal", "Member must not be null");
    REDOUBT_TRY(grant.retiree, read_principal(kms, "RetiringPrincipal"));
    REDOUBT_TRY(grant.operations, read_operations(kms));
    REDOUBT_CHECK(read_constraints(kms, grant));
    REDOUBT_TRY(const auto name, kms.input.string("Name", {1, 256}));
    grant.name = name.value_or("");
    REDOUBT_TRY(const auto key, find_key(kms, key_id, Named::KeyOnly));
    REDOUBT_CHECK(authorise(kms, key, question_about(grant)));
    REDOUBT_CHECK(check_usable(key));
    REDOUBT_CHECK(check_dry_run(kms));

    auto& store = kms.cloud.state.grants;
    REDOUBT_TRY(const auto others, or_internal(store.of_key(key.id, {0, kMaxGrants})));
    const auto same = std::find_if(others.begin(), others.end(),
                                   [&](const Grant& other) { return same_request(grant, other); });
    if (same != others.end()) {
        grant = *same;
    } else {
        if (others.size() >= kMaxGrants)
            return refuse("LimitExceededException", "The key has the most grants that it can have.");
        grant.id = to_hex(kms.cloud.random.array<32>());
        grant.key_id = key.id;
        grant.token = to_base64(kms.cloud.random.array<96>());
        grant.created = kms.call.now;
        grant.issuer = "arn:aws:iam::" + kms.call.principal.account + ":root";
        REDOUBT_CHECK(or_internal(store.create(grant)));
    }
    std::string body;
    json::Writer(body)
        .begin_object()
        .member("GrantToken", grant.token)
        .member("GrantId", grant.id)
        .end_object();
    return body;
}

Reply<std::string> list_grants(KmsCall& kms) {
    REDOUBT_CHECK(refuse_service_principals(kms, {"GranteeServicePrincipal"}));
    REDOUBT_TRY(const auto page, read_page(kms, 50));
    REDOUBT_TRY(const auto grant_id, kms.input.string("GrantId", kGrantIdSize));
    REDOUBT_TRY(const auto grantee, kms.input.string("GranteePrincipal", kPrincipalSize));
    REDOUBT_TRY(const auto key_id, kms.input.required_string("KeyId", kKeyIdSize));
    REDOUBT_TRY(const auto key, find_key(kms, key_id, Named::KeyOnly));
    KeyQuestion question;
    question.other_accounts = true;
    REDOUBT_CHECK(authorise(kms, key, std::move(question)));

    REDOUBT_TRY(auto grants, or_internal(kms.cloud.state.grants.of_key(key.id, {page.after, kMaxGrants})));
    std::erase_if(grants, [&](const Grant& grant) {
        return (grant_id && grant.id != *grant_id) || (grantee && grant.grantee != *grantee);
    });
    const bool truncated = grants.size() > page.limit;
    if (truncated)
        grants.resize(page.limit);
    std::string body;
    json::Writer writer(body);
    write_grants(writer, grants, key.arn.substr(0, key.arn.size() - key.id.size()));
    write_page_end(writer, grants, truncated);
    return body;
}

Reply<std::string> list_retirable_grants(KmsCall& kms) {
    REDOUBT_CHECK(refuse_service_principals(kms, {"RetiringServicePrincipal"}));
    REDOUBT_CHECK(authorise_by_iam(kms));
    REDOUBT_TRY(const auto page, read_page(kms, 50));
    REDOUBT_TRY(const auto retiree, read_principal(kms, "RetiringPrincipal"));
    if (retiree.empty())
        return refuse_value("null", "RetiringPrincipal", "Member must not be null");
    REDOUBT_TRY(auto grants,
                or_internal(kms.cloud.state.grants.of_retiree(
                    retiree, kms.call.principal.account, kms.call.region, {page.after, page.limit + 1})));
    const bool truncated = cut_page(grants, page);
    std::string body;
    json::Writer writer(body);
    write_grants(writer, grants,
                 "arn:aws:kms:" + kms.call.region + ":" + kms.call.principal.account + ":key/");
    write_page_end(writer, grants, truncated);
    return body;
}

Reply<std::string> revoke_grant(KmsCall& kms) {
    REDOUBT_TRY(const auto grant_id, kms.input.required_string("GrantId", kGrantIdSize));
    REDOUBT_TRY(const auto key_id, kms.input.required_string("KeyId", kKeyIdSize));
    REDOUBT_TRY(const auto key, find_key(kms, key_id, Named::KeyOnly));
    KeyQuestion question;
    question.other_accounts = true;
    REDOUBT_CHECK(authorise(kms, key, std::move(question)));
    REDOUBT_TRY(const auto grant, or_internal(kms.cloud.state.grants.find(grant_id)));
    if (!grant || grant->key_id != key.id)
        return refuse("NotFoundException", "Grant ID " + grant_id + " not found");
    REDOUBT_CHECK(check_dry_run(kms));
    REDOUBT_CHECK(or_internal(kms.cloud.state.grants.remove(grant->id)));
    return "";
}

Reply<std::string> retire_grant(KmsCall& kms) {
    REDOUBT_TRY(const auto token, kms.input.string("GrantToken", kGrantTokenSize));
    REDOUBT_TRY(const auto key_id, kms.input.string("KeyId", kKeyIdSize));
    REDOUBT_TRY(const auto grant_id, kms.input.string("GrantId", kGrantIdSize));
    std::optional<Grant> grant;
    if (token) {
        if (key_id || grant_id)
            return refuse_input("Specify either a grant token, or a key ID and a grant ID.");
        REDOUBT_TRY(grant, or_internal(kms.cloud.state.grants.find_by_token(*token)));
        if (!grant)
            return refuse("InvalidGrantTokenException", "The grant token is not valid.");
    } else {
        if (!key_id || !grant_id)
            return refuse_input("Specify either a grant token, or a key ID and a grant ID.");
        REDOUBT_TRY(grant, or_internal(kms.cloud.state.grants.find(*grant_id)));
        if (!grant)
            return invalid_grant_id();
    }
    REDOUBT_TRY(const auto key, or_internal(kms.cloud.state.keys.find(grant->key_id)));
    if (!key || key->region != kms.call.region)
        return invalid_grant_id();
    if (key_id) {
        REDOUBT_TRY(const auto named, find_key(kms, *key_id, Named::KeyOnly));
        if (named.id != key->id)
            return invalid_grant_id();
    }
    kms.event.key_arn = key->arn;
    REDOUBT_CHECK(authorise_retiring(kms, *key, *grant));
    REDOUBT_CHECK(check_dry_run(kms));
    REDOUBT_CHECK(or_internal(kms.cloud.state.grants.remove(grant->id)));
    return "";
}

} // namespace redoubt::devcloud
