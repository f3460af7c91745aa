// SPDX-License-Identifier: Apache-2.0
#include "devcloud/iam_admin.h"

#include "base/json.h"
#include "base/log.h"
#include "devcloud/policy.h"

#include <algorithm>

namespace redoubt::devcloud {

namespace {

constexpr std::string_view kBase32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
constexpr std::size_t kMaxAccessKeys = 2;       // as IAM's quota for a user
constexpr std::size_t kMaxPolicies = 10;        // of devcloud
constexpr std::size_t kMaxPolicyBytes = 10'240; // as IAM's quota for a role's inline policies

constexpr const char* kInstancePolicy =
    R"({"Version":"2012-10-17","Statement":[{"Sid":"Instance","Effect":"Allow","Action":["kms:Decrypt",)"
    R"("kms:GenerateDataKey","kms:Encrypt","kms:DescribeKey","secretsmanager:GetSecretValue"],)"
    R"("Resource":"*"}]})";
constexpr const char* kInstanceTrust =
    R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},)"
    R"("Action":"sts:AssumeRole"}]})";

// What an operation here comes to: a body (empty: 204), or a refusal.
using Answer = Result<std::string>;

std::unexpected<Error> bad(FixedText text) {
    return fail(Code::InvalidField, text);
}

// The service model's userNameType and roleNameType: letters, digits and +=,.@_-
bool is_name(std::string_view text) {
    return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("+=,.@_-").find(c) != std::string_view::npos;
    });
}

// accessKeyIdType: 16 to 128 word characters.
bool is_access_key_id(std::string_view text) {
    return text.size() >= 16 && text.size() <= 128 && std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
           });
}

std::string unique_id(Cloud& cloud, std::string_view prefix) {
    return std::string(prefix) + random_text(cloud.random, 17, kBase32);
}

struct Where {
    Cloud& cloud;
    std::string account, name; // name: of the user or role
};

Result<std::vector<IamAccessKey>> read_keys(Where& where, const json::Value& body) {
    std::vector<IamAccessKey> keys;
    const auto list = body.get("access_keys");
    if (!list)
        return keys;
    if (!list->is_array() || list->size() > kMaxAccessKeys)
        return bad("access_keys must be an array of at most two keys");
    for (const auto element : *list) {
        REDOUBT_CHECK(json::check_members(element, {"access_key_id", "secret_access_key"}));
        const auto id = element.get("access_key_id"), secret = element.get("secret_access_key");
        if (!id || !id->is_string() || !is_access_key_id(id->text()))
            return bad("access_key_id must have 16 to 128 letters and digits");
        if (!secret || !secret->is_string() || secret->text().size() < 16 || secret->text().size() > 128)
            return bad("secret_access_key must have 16 to 128 characters");
        IamAccessKey key{std::string(id->text()), where.account, where.name,
                         Secret::copy_of(as_bytes(secret->text())), where.cloud.now()};
        REDOUBT_TRY(const auto taken, where.cloud.state.iam.access_key(key.id));
        REDOUBT_TRY(const auto session, where.cloud.state.sessions.find(key.id));
        const bool elsewhere = taken && (taken->account != key.account || taken->user != key.user);
        const bool twice =
            std::any_of(keys.begin(), keys.end(), [&](const auto& k) { return k.id == key.id; });
        if (elsewhere || twice || session || key.id == where.cloud.settings.access_key_id)
            return fail(Code::Conflict, "an access_key_id is already in use");
        keys.push_back(std::move(key));
    }
    return keys;
}

// A policy as an object, or as its text.
Result<std::string> read_policy(const json::Value& value, PolicyKind kind) {
    std::string text(value.is_string() ? value.text() : value.raw());
    if (text.size() > kMaxPolicyBytes)
        return bad("a policy is longer than 10,240 bytes");
    if (const auto parsed = Policy::parse(text, kind); !parsed)
        return fail(Code::InvalidField, "a policy was refused", parsed.error().message);
    return text;
}

Result<std::vector<NamedPolicy>> read_policies(const json::Value& body) {
    std::vector<NamedPolicy> out;
    const auto object = body.get("policies");
    if (!object)
        return out;
    if (!object->is_object() || object->size() > kMaxPolicies)
        return bad("policies must be an object of at most ten policies");
    for (const auto member : *object) {
        if (!is_name(member.name()))
            return bad("a policy's name must have 1 to 64 letters, digits and +=,.@_-");
        REDOUBT_TRY(auto text, read_policy(member, PolicyKind::Identity));
        out.push_back({std::string(member.name()), std::move(text)});
    }
    return out;
}

void write_keys(json::Writer& writer, const std::vector<IamAccessKey>& keys) {
    writer.key("access_keys").begin_array();
    for (const auto& key : keys)
        writer.begin_object()
            .member("access_key_id", key.id)
            .member("created", to_iso8601(key.created))
            .end_object();
    writer.end_array();
}

void write_policies(json::Writer& writer, const std::vector<NamedPolicy>& policies) {
    writer.key("policies").begin_object();
    for (const auto& policy : policies)
        writer.key(policy.name).raw(policy.text);
    writer.end_object();
}

void write_names(json::Writer& writer, std::string_view member, const std::vector<std::string>& names) {
    writer.key(member).begin_array();
    for (const auto& name : names)
        writer.string(name);
    writer.end_array();
}

Answer found_or(Result<bool> removed) {
    REDOUBT_TRY(const bool was_there, std::move(removed));
    if (!was_there)
        return fail(Code::NotFound, "there is no such record");
    return "";
}

Answer list_accounts(Where& where) {
    REDOUBT_TRY(const auto accounts, where.cloud.state.iam.accounts());
    std::string out;
    json::Writer writer(out);
    writer.begin_object();
    write_names(writer, "accounts", accounts);
    writer.end_object();
    return out;
}

Answer put_account(Where& where, const json::Value& body) {
    REDOUBT_CHECK(json::check_members(body, {"access_keys"}));
    where.name.clear();
    REDOUBT_TRY(const auto keys, read_keys(where, body));
    REDOUBT_CHECK(where.cloud.state.iam.put_account(where.account, where.cloud.now()));
    REDOUBT_CHECK(where.cloud.state.iam.put_root_keys(where.account, keys));
    return "";
}

Answer get_account(Where& where) {
    auto& iam = where.cloud.state.iam;
    REDOUBT_TRY(const bool there, iam.has_account(where.account));
    if (!there)
        return fail(Code::NotFound, "there is no such account");
    REDOUBT_TRY(const auto keys, iam.access_keys(where.account, ""));
    REDOUBT_TRY(const auto users, iam.users(where.account));
    REDOUBT_TRY(const auto roles, iam.roles(where.account));
    std::string out;
    json::Writer writer(out);
    writer.begin_object().member("account", where.account);
    write_keys(writer, keys);
    write_names(writer, "users", users);
    write_names(writer, "roles", roles);
    writer.end_object();
    return out;
}

Answer delete_account(Where& where) {
    if (where.account == where.cloud.settings.account)
        return fail(Code::Conflict, "the default account cannot be deleted");
    return found_or(where.cloud.state.iam.remove_account(where.account));
}

Answer put_user(Where& where, const json::Value& body) {
    REDOUBT_CHECK(json::check_members(body, {"access_keys", "policies"}));
    REDOUBT_TRY(const auto keys, read_keys(where, body));
    IamUser user{where.account, where.name, unique_id(where.cloud, "AIDA"), where.cloud.now(), {}};
    REDOUBT_TRY(user.policies, read_policies(body));
    REDOUBT_CHECK(where.cloud.state.iam.put_user(user, keys));
    return "";
}

Answer get_user(Where& where) {
    REDOUBT_TRY(const auto user, where.cloud.state.iam.user(where.account, where.name));
    if (!user)
        return fail(Code::NotFound, "there is no such user");
    REDOUBT_TRY(const auto keys, where.cloud.state.iam.access_keys(where.account, where.name));
    std::string out;
    json::Writer writer(out);
    writer.begin_object()
        .member("name", user->name)
        .member("id", user->id)
        .member("arn", "arn:aws:iam::" + user->account + ":user/" + user->name)
        .member("created", to_iso8601(user->created));
    write_keys(writer, keys);
    write_policies(writer, user->policies);
    writer.end_object();
    return out;
}

Answer put_role(Where& where, const json::Value& body) {
    REDOUBT_CHECK(json::check_members(body, {"trust_policy", "policies", "max_session_seconds"}));
    IamRole role{where.account, where.name, unique_id(where.cloud, "AROA"), where.cloud.now(), "", 3600, {}};
    const auto trust = body.get("trust_policy");
    if (!trust)
        return fail(Code::MissingField, "a role needs a trust_policy");
    REDOUBT_TRY(role.trust_policy, read_policy(*trust, PolicyKind::Trust));
    REDOUBT_TRY(role.policies, read_policies(body));
    if (const auto seconds = body.get("max_session_seconds")) {
        const auto value = seconds->u64();
        // The service model's roleMaxSessionDurationType.
        if (!value || *value < 3'600 || *value > 43'200)
            return bad("max_session_seconds must be a number from 3600 to 43200");
        role.max_session_seconds = static_cast<std::int64_t>(*value);
    }
    REDOUBT_CHECK(where.cloud.state.iam.put_role(role));
    return "";
}

Answer get_role(Where& where) {
    REDOUBT_TRY(const auto role, where.cloud.state.iam.role(where.account, where.name));
    if (!role)
        return fail(Code::NotFound, "there is no such role");
    std::string out;
    json::Writer writer(out);
    writer.begin_object()
        .member("name", role->name)
        .member("id", role->id)
        .member("arn", "arn:aws:iam::" + role->account + ":role/" + role->name)
        .member("created", to_iso8601(role->created))
        .member("max_session_seconds", static_cast<std::uint64_t>(role->max_session_seconds))
        .key("trust_policy")
        .raw(role->trust_policy);
    write_policies(writer, role->policies);
    writer.end_object();
    return out;
}

// PATH is what follows "/redoubt/iam/".
Answer route(Cloud& cloud, const net::HttpRequest& request, std::string_view path) {
    Where where{cloud, {}, {}};
    const auto next = [&path]() {
        const auto slash = path.find('/');
        const auto part = path.substr(0, slash);
        path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
        return part;
    };
    if (path == "accounts" && request.method == "GET")
        return list_accounts(where);
    if (next() != "accounts")
        return fail(Code::NotFound, "see docs/devcloud.md for the paths of IAM records");
    where.account = next();
    if (!is_account_id(where.account))
        return bad("an account id has 12 digits");
    const std::string kind(next());
    where.name = next();
    if (!path.empty() || (kind != "" && kind != "users" && kind != "roles"))
        return fail(Code::NotFound, "see docs/devcloud.md for the paths of IAM records");
    if (!kind.empty()) {
        if (!is_name(where.name))
            return bad("a name has 1 to 64 letters, digits and +=,.@_-");
        REDOUBT_TRY(const bool there, cloud.state.iam.has_account(where.account));
        if (!there)
            return fail(Code::NotFound, "there is no such account");
    }

    if (request.method == "GET")
        return kind.empty() ? get_account(where) : kind == "users" ? get_user(where) : get_role(where);
    if (request.method == "DELETE") {
        if (kind.empty())
            return delete_account(where);
        return found_or(kind == "users" ? cloud.state.iam.remove_user(where.account, where.name)
                                        : cloud.state.iam.remove_role(where.account, where.name));
    }
    if (request.method != "PUT")
        return fail(Code::MethodNotAllowed, "use PUT, GET or DELETE");
    json::Document document;
    const auto text = as_text(request.body);
    REDOUBT_TRY(const auto body, document.parse(text.empty() ? "{}" : text));
    return kind.empty()      ? put_account(where, body)
           : kind == "users" ? put_user(where, body)
                             : put_role(where, body);
}

} // namespace

net::HttpResponse serve_iam(Cloud& cloud, const net::HttpRequest& request) {
    auto answer = route(cloud, request, std::string_view(request.path).substr(kIamPath.size()));
    if (answer) {
        if (!answer->empty())
            return net::HttpResponse::json(200, std::move(*answer));
        net::HttpResponse response;
        response.status = 204;
        return response;
    }
    const auto& error = answer.error();
    if (http_status(error.code) >= 500) {
        log(LogLevel::Error, "devcloud_failure", {{"error", error.describe()}});
        return net::HttpResponse::error(Code::Internal, "devcloud failed; its log says why");
    }
    // Host side only, so the context may be told: it says what is wrong with a policy.
    std::string body;
    json::Writer writer(body);
    writer.begin_object().key("error").begin_object().member("code", code_name(error.code));
    writer.member("message",
                  std::string(error.text.view()) + (error.context.empty() ? "" : ": " + error.context));
    writer.end_object().end_object();
    return net::HttpResponse::json(http_status(error.code), std::move(body));
}

Status prepare_iam(Cloud& cloud) {
    auto& iam = cloud.state.iam;
    REDOUBT_CHECK(iam.put_account(cloud.settings.account, cloud.now()));
    REDOUBT_TRY(const auto there, iam.role(cloud.settings.account, cloud.settings.instance_role));
    if (there)
        return {};
    IamRole role{cloud.settings.account,
                 cloud.settings.instance_role,
                 unique_id(cloud, "AROA"),
                 cloud.now(),
                 kInstanceTrust,
                 3600,
                 {{"instance", kInstancePolicy}}};
    return iam.put_role(role);
}

} // namespace redoubt::devcloud
