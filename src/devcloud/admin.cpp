// SPDX-License-Identifier: Apache-2.0
#include "devcloud/admin.h"

#include "base/json.h"
#include "base/log.h"
#include "devcloud/jwt.h"

#include <algorithm>
#include <array>
#include <set>

namespace redoubt::devcloud {

namespace {

constexpr std::size_t kMostEntries = 64;
constexpr unsigned kMostHops = 64;

net::HttpResponse bad(std::string_view why) {
    return net::HttpResponse::error(Code::InvalidField, why);
}

net::HttpResponse failed(const Error& error) {
    if (error.code == Code::InvalidField)
        return bad(error.context.empty() ? error.text.view() : std::string_view(error.context));
    log(LogLevel::Error, "devcloud_failure", {{"error", error.describe()}});
    return net::HttpResponse::error(error);
}

bool is_account(std::string_view text) {
    return text.size() == 12 &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// [\w+=,.@-]{min,64}: names of roles and sessions.
bool is_name(std::string_view text, std::size_t min) {
    return text.size() >= min && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      std::string_view("_+=,.@-").find(c) != std::string_view::npos;
           });
}

std::unexpected<Error> wrong(std::size_t number, std::string_view why) {
    return fail(Code::InvalidField, "an entry is wrong",
                "entry " + std::to_string(number) + ": " + std::string(why));
}

// A string member, or the default where it is absent. nullopt: another type, or longer than `most`.
std::optional<std::string> text_member(const json::Value& value, std::string_view name, std::string fallback,
                                       std::size_t most = 2048) {
    const auto member = value.get(name);
    if (!member)
        return fallback;
    if (!member->is_string() || member->text().size() > most)
        return std::nullopt;
    return std::string(member->text());
}

Status only(const json::Value& value, std::initializer_list<std::string_view> names, std::size_t number) {
    return check_members(value, names) ? Status{}
                                       : Status(wrong(number, "it is no object, or has an unknown member"));
}

Result<ContainerCredential> parse_container(const Cloud& cloud, const json::Value& value,
                                            std::size_t number) {
    REDOUBT_CHECK(only(value, {"id", "authorization", "account", "role", "session_name"}, number));
    ContainerCredential out;
    const auto id = text_member(value, "id", "", 128);
    const bool id_good = id && !id->empty() && std::all_of(id->begin(), id->end(), [](char c) {
                             return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                                    (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
                         });
    if (!id_good)
        return wrong(number, "id must be 1 to 128 letters, digits, '-', '_' or '.'");
    out.id = *id;
    auto authorization = text_member(value, "authorization", "", 8192);
    if (!authorization || (value.get("authorization") && authorization->empty()))
        return wrong(number, "authorization must be a string of 1 to 8192 bytes, or absent");
    out.authorization = Secret::take(*authorization);
    const auto account = text_member(value, "account", cloud.settings.account);
    if (!account || !is_account(*account))
        return wrong(number, "account must be 12 digits");
    out.account = *account;
    const auto role = text_member(value, "role", "");
    const auto session = text_member(value, "session_name", out.id.substr(0, 64));
    if (!role || !is_name(*role, 1))
        return wrong(number, "role must be the name of a role");
    if (!session || !is_name(*session, 2))
        return wrong(number, "session_name must be 2 to 64 of the characters of role session names");
    out.role = *role;
    out.session_name = *session;
    return out;
}

Result<OidcProvider> parse_provider(const Cloud& cloud, const json::Value& value, std::size_t number) {
    REDOUBT_CHECK(only(value, {"account", "issuer", "audiences", "jwks"}, number));
    OidcProvider out;
    const auto account = text_member(value, "account", cloud.settings.account);
    if (!account || !is_account(*account))
        return wrong(number, "account must be 12 digits");
    out.account = *account;
    const auto issuer = text_member(value, "issuer", "");
    if (!issuer || !issuer->starts_with("https://") || issuer->size() < 10 || issuer->size() > 255)
        return wrong(number, "issuer must be a URL that begins with https://, of at most 255 bytes");
    out.issuer = *issuer;
    const auto audiences = value.get("audiences");
    const auto good = [](const json::Value& list) {
        if (!list.is_array() || list.size() < 1 || list.size() > 100)
            return false;
        for (const auto audience : list)
            if (!audience.is_string() || audience.text().empty() || audience.text().size() > 255)
                return false;
        return true;
    };
    if (!audiences || !good(*audiences))
        return wrong(number, "audiences must be an array of 1 to 100 strings");
    out.audiences = audiences->raw();
    const auto jwks = value.get("jwks");
    const auto keys = jwks ? parse_jwks(*jwks) : fail(Code::InvalidField, "no jwks", "jwks is missing");
    if (!keys)
        return wrong(number, keys.error().context);
    out.jwks = jwks->raw();
    return out;
}

// Reads a body that is an array of at most kMostEntries objects.
template<class T, class Parse>
Result<std::vector<T>> parse_all(const net::HttpRequest& request, Parse parse) {
    json::Document document;
    const auto root = document.parse(as_text(request.body));
    if (!root || !root->is_array() || root->size() > kMostEntries)
        return fail(Code::InvalidField, "the body is wrong",
                    "the body must be a JSON array of at most 64 objects");
    std::vector<T> all;
    for (const auto value : *root) {
        REDOUBT_TRY(auto entry, parse(value, all.size() + 1));
        all.push_back(std::move(entry));
    }
    return all;
}

net::HttpResponse faults(Cloud& cloud, const net::HttpRequest& request) {
    if (request.method == "PUT") {
        if (const auto status = cloud.faults.replace(as_text(request.body)); !status)
            return failed(status.error());
    } else if (request.method == "DELETE") {
        cloud.faults.clear();
    }
    return net::HttpResponse::json(200, cloud.faults.describe());
}

net::HttpResponse imds(Cloud& cloud, const net::HttpRequest& request) {
    auto& path = cloud.metadata_path;
    if (request.method == "DELETE")
        path = {};
    if (request.method == "PUT") {
        json::Document document;
        const auto root = document.parse(as_text(request.body));
        if (!root || !check_members(*root, {"hop_limit", "hops"}))
            return bad("the body must be {\"hop_limit\":N,\"hops\":N}");
        auto wanted = path;
        for (const auto& [name, into] : {std::pair{"hop_limit", &wanted.hop_limit}, {"hops", &wanted.hops}})
            if (const auto value = root->get(name)) {
                if (!value->u64() || *value->u64() < 1 || *value->u64() > kMostHops)
                    return bad("hop_limit and hops are whole numbers from 1 to 64");
                *into = static_cast<unsigned>(*value->u64());
            }
        path = wanted;
    }
    std::string body;
    json::Writer(body)
        .begin_object()
        .member("hop_limit", std::uint64_t{path.hop_limit})
        .member("hops", std::uint64_t{path.hops})
        .end_object();
    return net::HttpResponse::json(200, std::move(body));
}

net::HttpResponse containers(Cloud& cloud, const net::HttpRequest& request) {
    auto& store = cloud.state.containers;
    if (request.method == "PUT" || request.method == "DELETE") {
        std::vector<ContainerCredential> all;
        if (request.method == "PUT") {
            auto parsed = parse_all<ContainerCredential>(
                request, [&](const auto& value, std::size_t n) { return parse_container(cloud, value, n); });
            if (!parsed)
                return failed(parsed.error());
            all = std::move(*parsed);
            std::set<std::string_view> ids;
            for (const auto& entry : all)
                if (!ids.insert(entry.id).second)
                    return bad("two entries have the id " + entry.id);
        }
        if (const auto status = store.replace(all); !status)
            return failed(status.error());
    }
    const auto all = store.list();
    if (!all)
        return failed(all.error());
    std::string body;
    json::Writer writer(body);
    writer.begin_array();
    for (const auto& entry : *all)
        writer.begin_object()
            .member("id", entry.id)
            .member("authorization_asked", !entry.authorization.empty())
            .member("account", entry.account)
            .member("role", entry.role)
            .member("session_name", entry.session_name)
            .end_object();
    writer.end_array();
    return net::HttpResponse::json(200, std::move(body));
}

net::HttpResponse providers(Cloud& cloud, const net::HttpRequest& request) {
    auto& store = cloud.state.oidc;
    if (request.method == "PUT" || request.method == "DELETE") {
        std::vector<OidcProvider> all;
        if (request.method == "PUT") {
            auto parsed = parse_all<OidcProvider>(
                request, [&](const auto& value, std::size_t n) { return parse_provider(cloud, value, n); });
            if (!parsed)
                return failed(parsed.error());
            all = std::move(*parsed);
            std::set<std::pair<std::string_view, std::string_view>> names;
            for (const auto& entry : all)
                if (!names.emplace(entry.account, entry.issuer).second)
                    return bad("two entries have the issuer " + entry.issuer);
        }
        if (const auto status = store.replace(all); !status)
            return failed(status.error());
    }
    const auto all = store.list();
    if (!all)
        return failed(all.error());
    std::string body;
    json::Writer writer(body);
    writer.begin_array();
    for (const auto& entry : *all) {
        writer.begin_object().member("account", entry.account).member("issuer", entry.issuer);
        writer.key("audiences").raw(entry.audiences).key("jwks").raw(entry.jwks).end_object();
    }
    writer.end_array();
    return net::HttpResponse::json(200, std::move(body));
}

using Page = net::HttpResponse (*)(Cloud& cloud, const net::HttpRequest& request);
constexpr std::array<std::pair<std::string_view, Page>, 4> kPages = {{
    {"/redoubt/faults", faults},
    {"/redoubt/imds", imds},
    {"/redoubt/container-credentials", containers},
    {"/redoubt/oidc-providers", providers},
}};

} // namespace

std::optional<net::HttpResponse> serve_admin(Cloud& cloud, const net::HttpRequest& request) {
    for (const auto& [path, page] : kPages) {
        if (request.path != path)
            continue;
        if (request.has_query)
            return bad("this page takes no query");
        if (request.method != "PUT" && request.method != "GET" && request.method != "DELETE")
            return net::HttpResponse::error(Code::MethodNotAllowed, "Use PUT, GET or DELETE.");
        return page(cloud, request);
    }
    return std::nullopt;
}

} // namespace redoubt::devcloud
