// SPDX-License-Identifier: Apache-2.0
// redoubt client add-token|revoke|list|check: the gateway's clients document (docs/clients.md). None of these
// talks to a gateway: one that runs reads the document again on SIGHUP.
#include "gateway/clients.h"
#include "base/json.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "net/tls.h"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <filesystem>
#include <sys/stat.h>

namespace redoubt::cli {

namespace {

struct ClientOptions {
    std::string file, client, token_id, comment;
    std::vector<std::string> operations, keys;
    unsigned days = 0;
    bool json = false;
};

// What is changed in a document; its other members stay as they are.
struct ClientEdit {
    std::string add_client; // JSON
    std::string client, add_token;
    std::string revoke; // a token's id
    bool done = false;
};

constexpr json::Limits kClientLimits{.bytes = gateway::Clients::kMaxBytes, .depth = 8, .values = 1u << 19};
constexpr std::string_view kNoClients = R"({"version":1,"clients":[]})";

bool is_scalar(const json::Value& value) {
    return !value.is_object() && !value.is_array();
}

// For people: short arrays of scalars, and tokens, on a line of their own.
void print_pretty(std::string& out, const json::Value& value, std::size_t indent) {
    bool flat = is_scalar(value) || value.size() == 0;
    if (!flat && value.raw().size() <= (value.is_array() ? 90u : 260u)) {
        flat = true;
        for (const auto child : value)
            flat = flat && is_scalar(child) && (value.is_array() || value.get("sha256"));
    }
    if (is_scalar(value)) {
        out += value.raw();
        return;
    }
    const std::string inner = flat ? " " : "\n" + std::string(indent + 2, ' ');
    out += value.is_array() ? '[' : '{';
    bool first = true;
    for (const auto child : value) {
        if (!first)
            out += ',';
        if (!flat || !first)
            out += inner;
        first = false;
        if (value.is_object()) {
            json::append_escaped(out, child.name());
            out += ": ";
        }
        print_pretty(out, child, indent + 2);
    }
    if (!flat)
        out += "\n" + std::string(indent, ' ');
    out += value.is_array() ? ']' : '}';
}

void edit_token(json::Writer& writer, const json::Value& token, ClientEdit& edit) {
    const auto id = token.get("id");
    if (edit.revoke.empty() || !id || id->text() != edit.revoke) {
        writer.raw(token.raw());
        return;
    }
    writer.begin_object();
    for (const auto member : token)
        if (member.name() != "revoked")
            writer.key(member.name()).raw(member.raw());
    writer.member("revoked", true).end_object();
    edit.done = true;
}

void edit_client(json::Writer& writer, const json::Value& client, ClientEdit& edit) {
    const auto name = client.get("name");
    const bool meant = !edit.add_token.empty() && name && name->text() == edit.client;
    const auto tokens = client.get("tokens");
    writer.begin_object();
    for (const auto member : client)
        if (member.name() != "tokens")
            writer.key(member.name()).raw(member.raw());
    if (meant || tokens) {
        writer.key("tokens").begin_array();
        if (tokens)
            for (const auto token : *tokens)
                edit_token(writer, token, edit);
        if (meant) {
            writer.raw(edit.add_token);
            edit.done = true;
        }
        writer.end_array();
    }
    writer.end_object();
}

// The document as it shall be: valid, or an error.
Result<std::string> edited(std::string_view text, ClientEdit& edit) {
    REDOUBT_CHECK(gateway::Clients::parse(text));
    json::Document document;
    REDOUBT_TRY(const json::Value root, document.parse(text, kClientLimits));
    std::string compact;
    json::Writer writer(compact);
    writer.begin_object();
    for (const auto member : root) {
        writer.key(member.name());
        if (member.name() != "clients") {
            writer.raw(member.raw());
            continue;
        }
        writer.begin_array();
        for (const auto client : member)
            edit_client(writer, client, edit);
        if (!edit.add_client.empty()) {
            writer.raw(edit.add_client);
            edit.done = true;
        }
        writer.end_array();
    }
    writer.end_object();
    REDOUBT_CHECK(gateway::Clients::parse(compact));
    json::Document changed;
    REDOUBT_TRY(const json::Value out, changed.parse(compact, kClientLimits));
    std::string pretty;
    print_pretty(pretty, out, 0);
    return pretty + "\n";
}

// Readable by whoever could read it before; a new one by its owner.
Status write_clients(const std::string& path, const std::string& text) {
    struct stat there {};
    const unsigned mode = stat(path.c_str(), &there) == 0 ? there.st_mode & 0777U : 0600U;
    return write_file_atomically(path, text, mode);
}

void write_list(json::Writer& writer, std::string_view name, const std::vector<std::string>& items) {
    writer.key(name).begin_array();
    for (const auto& item : items)
        writer.string(item);
    writer.end_array();
}

std::string new_client_json(const ClientOptions& options, const std::string& token) {
    std::string out;
    json::Writer writer(out);
    writer.begin_object().member("name", options.client);
    write_list(writer, "keys", options.keys);
    write_list(writer, "operations", options.operations);
    writer.key("tokens").begin_array().raw(token).end_array().end_object();
    return out;
}

struct NewToken {
    std::string text, entry; // what the client sends; what the document holds
};

NewToken make_token(const ClientOptions& options) {
    crypto::SystemRandom random;
    NewToken out;
    const std::string id = to_hex(random.array<gateway::kTokenIdDigits / 2>());
    out.text = "rdt_" + id + "_" + to_hex(random.array<gateway::kTokenSecretDigits / 2>());
    json::Writer writer(out.entry);
    writer.begin_object().member("id", id).member("sha256", to_hex(crypto::sha256(as_bytes(out.text))));
    if (options.days != 0)
        writer.member("expires", to_iso8601(system_time_ms() + std::int64_t{options.days} * 86'400'000));
    if (!options.comment.empty())
        writer.member("comment", options.comment);
    writer.end_object();
    return out;
}

Status add_token(const ClientOptions& options) {
    std::string text(kNoClients);
    if (std::filesystem::exists(options.file)) {
        REDOUBT_TRY(text, read_text_file(options.file));
    }
    const NewToken token = make_token(options);
    ClientEdit edit;
    if (options.operations.empty() && options.keys.empty()) {
        edit.client = options.client;
        edit.add_token = token.entry;
    } else {
        if (options.operations.empty() || options.keys.empty())
            return fail(Code::Usage, "a new client needs --operation and --key, each once or more");
        edit.add_client = new_client_json(options, token.entry);
    }
    REDOUBT_TRY(const std::string changed, edited(text, edit));
    if (!edit.done)
        return fail(Code::Usage, "the document has no such client; a new one needs --operation and --key",
                    options.client);
    REDOUBT_CHECK(write_clients(options.file, changed));
    std::fprintf(stderr, "This is the token. It is shown once; the document holds its SHA-256.\n");
    std::printf("%s\n", token.text.c_str());
    return {};
}

Status revoke(const ClientOptions& options) {
    REDOUBT_TRY(const std::string text, read_text_file(options.file));
    ClientEdit edit;
    edit.revoke = options.token_id;
    REDOUBT_TRY(const std::string changed, edited(text, edit));
    if (!edit.done)
        return fail(Code::Usage, "the document has no token with this id; `redoubt client list` shows them",
                    options.token_id);
    REDOUBT_CHECK(write_clients(options.file, changed));
    std::printf("%s is revoked; send the gateway SIGHUP\n", options.token_id.c_str());
    return {};
}

std::string joined_texts(const json::Value& list) {
    std::string out;
    for (const auto item : list)
        out += (out.empty() ? "" : " ") + std::string(item.text());
    return out;
}

Status list_clients(const ClientOptions& options) {
    REDOUBT_TRY(const std::string text, read_text_file(options.file));
    REDOUBT_CHECK(gateway::Clients::parse(text));
    json::Document document;
    REDOUBT_TRY(const json::Value root, document.parse(text, kClientLimits));
    const auto clients = root.get("clients");
    if (options.json) {
        std::printf("%s\n", std::string(clients->raw()).c_str());
        return {};
    }
    for (const auto client : *clients) {
        std::printf(
            "%s\n  operations  %s\n  keys        %s\n", std::string(client.get("name")->text()).c_str(),
            joined_texts(*client.get("operations")).c_str(), joined_texts(*client.get("keys")).c_str());
        for (const std::string_view by : {"dns_name", "subject"})
            if (const auto value = client.get(by))
                std::printf("  %-11s %s\n", std::string(by).c_str(), std::string(value->text()).c_str());
        if (const auto prints = client.get("certificate_sha256"))
            std::printf("  certificate %s\n", joined_texts(*prints).c_str());
        const auto tokens = client.get("tokens");
        if (!tokens)
            continue;
        for (const auto token : *tokens) {
            const auto expires = token.get("expires"), revoked = token.get("revoked"),
                       comment = token.get("comment");
            std::string more;
            if (revoked && revoked->boolean())
                more += ", revoked";
            if (expires)
                more += (*from_iso8601(expires->text()) <= system_time_ms() ? ", expired " : ", expires ") +
                        std::string(expires->text());
            if (comment)
                more += ", " + std::string(comment->text());
            std::printf("  token       %s%s\n", std::string(token.get("id")->text()).c_str(), more.c_str());
        }
    }
    return {};
}

// As the gateway reads it, the CAs' files included; and what a careful reader would ask about.
Status check_clients(const ClientOptions& options) {
    REDOUBT_TRY(const std::string text, read_text_file(options.file));
    REDOUBT_TRY(const auto clients, gateway::Clients::parse(text));
    for (const auto& file : clients.ca_files()) {
        const auto path = (std::filesystem::path(options.file).parent_path() / file).string();
        REDOUBT_TRY(const std::string pem, read_text_file(path));
        const auto context = net::TlsContext::client(pem, {});
        if (!context)
            return fail(context.error().code, "a client_ca file holds no readable certificates", path);
    }
    json::Document document;
    REDOUBT_TRY(const json::Value root, document.parse(text, kClientLimits));
    std::vector<std::string> notes;
    if (!root.get("hosts"))
        notes.emplace_back(
            "no hosts: the gateway answers to every name, also one that an attacker's page gave it");
    if (root.get("anonymous"))
        notes.emplace_back("anonymous: whoever reaches the gateway may do what stands there");
    const auto list = root.get("clients");
    for (const auto client : *list) {
        const std::string name(client.get("name")->text());
        const auto tokens = client.get("tokens"), prints = client.get("certificate_sha256");
        if ((!tokens || tokens->size() == 0) && (!prints || prints->size() == 0) && !client.get("dns_name") &&
            !client.get("subject"))
            notes.push_back(name + " has neither token nor certificate: it can never be let in");
        if (tokens)
            for (const auto token : *tokens)
                if (!token.get("expires") && !token.get("revoked"))
                    notes.push_back(name + "'s token " + std::string(token.get("id")->text()) +
                                    " never expires");
    }
    for (const auto& grant : clients.grants()) {
        if (grant->every_key &&
            (grant->may(gateway::Operation::SignRaw) || grant->may(gateway::Operation::Export)))
            notes.push_back(grant->name +
                            " may sign raw digests with, or export, every key whose policy allows it");
        if (grant->limit == gateway::ClientLimit{})
            notes.push_back(grant->name + " has no limit: rate_per_second and concurrency would set one");
    }
    for (const auto& note : notes)
        std::printf("note: %s\n", note.c_str());
    std::printf("%zu clients: a gateway takes this document\n", clients.size());
    return {};
}

} // namespace

void add_clients(CLI::App& app, Context& context) {
    auto* client =
        app.add_subcommand("client", "who may use a gateway: its clients document (docs/clients.md)");
    client->require_subcommand(1);
    auto o = std::make_shared<ClientOptions>();
    const auto finish = [&context, o](const Status& status) {
        context.exit_code = status ? kExitOk : report(status.error(), o->json);
    };
    const auto with_file = [&o](CLI::App* command) {
        command->add_option("file", o->file, "the clients document, JSON")->required();
        return command;
    };
    auto* add = with_file(client->add_subcommand(
        "add-token",
        "make a bearer token for a client and print it; with --operation and --key the client is "
        "new, and so is the file if there is none"));
    add->add_option("client", o->client, "its name: 1 to 64 of A-Z a-z 0-9 . _ -; policies name it host:NAME")
        ->required();
    add->add_option("--operation", o->operations,
                    "of a new client: sign-transaction, sign-message …; repeat");
    add->add_option("--key", o->keys, "of a new client: key-…, an address, secret:ID, or \"*\"; repeat");
    add->add_option("--days", o->days, "until the token expires (default: never)")
        ->check(CLI::Range(1, 36'500));
    add->add_option("--comment", o->comment, "stands beside the token in the document");
    add->callback([=] { finish(add_token(*o)); });

    auto* gone =
        with_file(client->add_subcommand("revoke", "make a token worthless, once the gateway has reloaded"));
    gone->add_option("token-id", o->token_id, "16 hex digits, the token's middle part")->required();
    gone->callback([=] { finish(revoke(*o)); });

    auto* show =
        with_file(client->add_subcommand("list", "the clients, what they may do, and their tokens' ids"));
    show->add_flag("--json", o->json, "as it stands in the document");
    show->callback([=] { finish(list_clients(*o)); });

    auto* checked = with_file(client->add_subcommand("check", "would a gateway take it? What is careless?"));
    checked->callback([=] { finish(check_clients(*o)); });
}

} // namespace redoubt::cli
