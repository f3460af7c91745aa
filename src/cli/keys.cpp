// SPDX-License-Identifier: Apache-2.0
// redoubt key create|list|show. Create and show verify the enclave's attested statement before they print an
// address.
#include "base/json.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "crypto/random.h"

#include <CLI/CLI.hpp>

#include <cstdio>

namespace redoubt::cli {

namespace {

struct Options {
    Connection connection;
    bool json = false;
    bool exportable = false;
    std::string key_id, after;
    unsigned limit = 100;
};

void add_connection(CLI::App& command, Options& options) {
    Connection& c = options.connection;
    command
        .add_option("--ready-file", c.ready_file, "ready file of redoubt up: fills in all of the following")
        ->envname("REDOUBT_READY_FILE");
    command.add_option("--gateway", c.gateway, "the gateway's URL, https://host:port");
    command.add_option("--ca", c.ca_file,
                       "PEM file: the CA of the gateway's certificate (default: the system's)");
    command.add_option("--attestation-root", c.attestation_root,
                       "PEM file: the attestation root (default: AWS's, by its digest)");
    command.add_option("--pcr0", c.pcr0, "the image's measurement, 96 hex digits");
    command.add_option("--pcr16", c.pcr16, "the manifest's measurement, 96 hex digits");
    command.add_flag("--allow-unpinned", c.allow_unpinned,
                     "accept any image and manifest: proves only that some enclave answers");
    command.add_flag("--json", options.json, "machine-readable output");
}

std::string text_of(const json::Value& object, std::string_view name) {
    const auto value = object.get(name);
    return value && value->is_string() ? std::string(value->text()) : std::string();
}

// Checks the answer's statement; what is printed comes from the statement alone.
Result<trust::KeyStatement> verified(const Connection& connection, const std::string& body, ByteView nonce) {
    json::Document document;
    REDOUBT_TRY(const auto root, document.parse(body));
    const auto statement = from_base64(text_of(root, "statement"));
    const auto attestation = from_base64(text_of(root, "attestation"));
    if (!statement || !attestation || statement->empty() || attestation->empty())
        return fail(Code::AttestationInvalid, "the answer has no attested statement");
    REDOUBT_TRY(const trust::Pins pins, pins_for(connection, *attestation, nonce));
    REDOUBT_TRY(auto parsed,
                trust::verify_key_statement(as_text(*statement), *attestation, pins, system_time_ms()));
    if (text_of(root, "address") != parsed.address || text_of(root, "key_id") != parsed.key_id)
        return fail(Code::AttestationUntrusted,
                    "the answer names another address or key than the enclave attested");
    return parsed;
}

void print(const trust::KeyStatement& statement, bool pinned, bool json) {
    if (json) {
        std::string out;
        json::Writer(out)
            .begin_object()
            .member("key_id", statement.key_id)
            .member("address", statement.address)
            .member("public_key", statement.public_key)
            .member("algorithm", statement.algorithm)
            .member("vault_id", statement.vault_id)
            .member("vault_commitment", statement.vault_commitment)
            .member("policy_digest", statement.policy_digest)
            .member("epoch", statement.epoch)
            .member("exportable", statement.exportable)
            .member("attested", true)
            .member("pinned", pinned)
            .end_object();
        std::printf("%s\n", out.c_str());
        return;
    }
    std::printf(
        "key         %s\naddress     %s\nvault       %s\ncommitment  %s\npolicy      %s\nexportable  %s\n"
        "attested    yes: the enclave's statement, its nonce and %s verify\n",
        statement.key_id.c_str(), statement.address.c_str(), statement.vault_id.c_str(),
        statement.vault_commitment.c_str(), statement.policy_digest.c_str(),
        statement.exportable ? "yes" : "no",
        pinned ? "the pinned PCR0 and PCR16" : "the root (PCRs are NOT pinned)");
}

Result<trust::KeyStatement> create(const Options& options) {
    REDOUBT_TRY(auto gateway, Gateway::connect(options.connection));
    const auto nonce = crypto::SystemRandom().array<32>();
    std::string body;
    json::Writer(body)
        .begin_object()
        .member("exportable", options.exportable)
        .member("nonce", to_hex(nonce))
        .end_object();
    REDOUBT_TRY(const auto answer, gateway.post("/v1/keys", body));
    return verified(options.connection, answer.body, nonce);
}

Result<trust::KeyStatement> show(const Options& options) {
    REDOUBT_TRY(auto gateway, Gateway::connect(options.connection));
    const auto nonce = crypto::SystemRandom().array<32>();
    REDOUBT_TRY(const auto answer, gateway.get("/v1/keys/" + options.key_id + "?nonce=" + to_hex(nonce)));
    REDOUBT_TRY(auto statement, verified(options.connection, answer.body, nonce));
    if (statement.key_id != options.key_id)
        return fail(Code::AttestationUntrusted, "the enclave attested another key than the one asked for");
    return statement;
}

Status list(const Options& options) {
    REDOUBT_TRY(auto gateway, Gateway::connect(options.connection));
    std::string path = "/v1/keys?limit=" + std::to_string(options.limit);
    if (!options.after.empty())
        path += "&after=" + options.after;
    REDOUBT_TRY(const auto answer, gateway.get(path));
    if (options.json) {
        std::printf("%s\n", answer.body.c_str());
        return {};
    }
    json::Document document;
    REDOUBT_TRY(const auto root, document.parse(answer.body));
    const auto keys = root.get("keys");
    if (!keys || !keys->is_array())
        return fail(Code::BadRequest, "the gateway's list is malformed");
    for (const auto key : *keys)
        std::printf("%s  %s  %s\n", text_of(key, "key_id").c_str(), text_of(key, "address").c_str(),
                    text_of(key, "created").c_str());
    if (const std::string next = text_of(root, "next"); !next.empty())
        std::printf("more: --after %s\n", next.c_str());
    std::printf("The list is the gateway's word; `redoubt key show KEY` asks the enclave and verifies.\n");
    return {};
}

int finish(const Options& options, const Result<trust::KeyStatement>& statement) {
    if (!statement)
        return report(statement.error(), options.json);
    print(*statement, !options.connection.pcr0.empty() && !options.connection.pcr16.empty(), options.json);
    return kExitOk;
}

} // namespace

void add_keys(CLI::App& app, Context& context) {
    auto* key = app.add_subcommand("key", "create, list and show keys");
    key->require_subcommand(1);

    auto* create_command =
        key->add_subcommand("create", "draw a key inside the enclave; prints the attested address");
    auto options = std::make_shared<Options>();
    add_connection(*create_command, *options);
    create_command->add_flag("--exportable", options->exportable,
                             "the key may later be exported (default: never)");
    create_command->footer(
        "Example: redoubt key create --ready-file ready.json\n"
        "The address is shown only if the enclave's statement verifies against the pinned PCR0 and PCR16.");
    create_command->callback([&context, options] {
        if (const auto status = complete(options->connection); !status)
            context.exit_code = report(status.error(), options->json);
        else
            context.exit_code = finish(*options, create(*options));
    });

    auto* list_command = key->add_subcommand("list", "list the keys in the gateway's store");
    auto list_options = std::make_shared<Options>();
    add_connection(*list_command, *list_options);
    list_command->add_option("--limit", list_options->limit, "at most this many")->check(CLI::Range(1, 1000));
    list_command->add_option("--after", list_options->after, "continue after this key");
    list_command->callback([&context, list_options] {
        auto status = complete(list_options->connection);
        if (status)
            status = list(*list_options);
        context.exit_code = status ? kExitOk : report(status.error(), list_options->json);
    });

    auto* show_command = key->add_subcommand("show", "show one key, as the enclave attests it");
    auto show_options = std::make_shared<Options>();
    add_connection(*show_command, *show_options);
    show_command->add_option("key", show_options->key_id, "key id, key-…")->required();
    show_command->callback([&context, show_options] {
        if (const auto status = complete(show_options->connection); !status)
            context.exit_code = report(status.error(), show_options->json);
        else
            context.exit_code = finish(*show_options, show(*show_options));
    });
}

} // namespace redoubt::cli
