// SPDX-License-Identifier: Apache-2.0
// redoubt key update|enable|disable|delete|cancel-deletion|export|unseal|adopt: what happens to a key after
// it was made. Each prints what the enclave attests, or nothing.
#include "cli/attested.h"
#include "cli/commands.h"
#include "crypto/bip32.h"
#include "crypto/hpke.h"
#include "crypto/secp256k1.h"
#include "ethereum/address.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include <cstdio>
#include <fcntl.h>
#include <unistd.h>

namespace redoubt::cli {

namespace {

struct LifecycleOptions {
    Connection connection;
    bool json = false;
    std::string key_id, label, secret_id, recipient, out_file, in_file, key_file, vault_id,
        authorization_file;
    std::vector<std::string> tags;
    bool no_tags = false;
    std::uint32_t wait_seconds = 0;
    bool has_wait = false, has_label = false;
};

std::string fresh_nonce() {
    return to_hex(crypto::SystemRandom().array<32>());
}

// POST /v1/keys/{id}/ACTION with the members that `write` adds; the answer is verified.
Result<trust::KeyStatement> change(const LifecycleOptions& options, const std::string& action,
                                   const std::function<void(json::Writer&)>& write) {
    REDOUBT_TRY(auto gateway, Gateway::connect(options.connection));
    const std::string nonce = fresh_nonce();
    std::string body;
    json::Writer writer(body);
    writer.begin_object().member("nonce", nonce);
    write(writer);
    writer.end_object();
    REDOUBT_TRY(const auto answer, gateway.post("/v1/keys/" + options.key_id + "/" + action, body));
    REDOUBT_TRY(auto statement, verified(options.connection, answer.body, *from_hex(nonce)));
    if (statement.key_id != options.key_id)
        return fail(Code::AttestationUntrusted, "the enclave attested another key than the one asked for");
    return statement;
}

int finish(const LifecycleOptions& options, const Result<trust::KeyStatement>& statement,
           std::string_view state) {
    if (!statement)
        return report(statement.error(), options.json);
    if (!state.empty() && statement->state != state)
        return report(
            Error{Code::AttestationUntrusted,
                  "the enclave attests another state than the one asked for; ask again with key show"},
            options.json);
    print(*statement, is_pinned(options.connection), options.json);
    return kExitOk;
}

// Seals the key to its recipient; prints the sealed key, which nobody else can open.
Status export_key(const LifecycleOptions& options) {
    REDOUBT_TRY(auto gateway, Gateway::connect(options.connection));
    const std::string nonce = fresh_nonce();
    std::string body;
    json::Writer(body)
        .begin_object()
        .member("recipient", options.recipient)
        .member("nonce", nonce)
        .end_object();
    REDOUBT_TRY(const auto answer, gateway.post("/v1/keys/" + options.key_id + "/export", body));
    json::Document document;
    REDOUBT_TRY(const auto root, document.parse(answer.body));
    REDOUBT_TRY(const auto parts, attested(options.connection, root, *from_hex(nonce)));
    const std::string text{as_text(parts.statement)};
    REDOUBT_TRY(const auto statement,
                trust::verify_export_statement(text, parts.document, parts.pins, system_time_ms()));
    if (statement.key_id != options.key_id || statement.recipient != options.recipient)
        return fail(Code::AttestationUntrusted,
                    "the enclave attested the export of another key, or to another recipient");
    if (options.out_file.empty()) {
        std::printf("%s\n", text.c_str());
        return {};
    }
    REDOUBT_CHECK(write_file_atomically(options.out_file, text + "\n", 0600));
    std::fprintf(stderr, "redoubt: wrote %s: %s, sealed to %s (attested%s)\n", options.out_file.c_str(),
                 statement.address.c_str(), statement.recipient.c_str(),
                 is_pinned(options.connection) ? "" : "; the PCRs are NOT pinned");
    return {};
}

// An X25519 private key, PKCS #8 PEM: as `openssl genpkey -algorithm X25519` makes it.
Result<Secret> read_recipient_key(const std::string& path) {
    Secret buffer(4096);
    const SecretAccess why("read an export recipient's private key");
    const auto bytes = buffer.mutable_view(why);
    REDOUBT_TRY(const std::size_t size, read_whole(path, bytes));
    const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_mem_buf(bytes.data(), static_cast<int>(size)),
                                                        &BIO_free);
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
        bio ? PEM_read_bio_PrivateKey(
                  bio.get(), nullptr, [](char*, int, int, void*) { return 0; }, nullptr)
            : nullptr,
        &EVP_PKEY_free);
    Secret out(32);
    std::size_t length = out.size();
    if (!key || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_X25519 ||
        EVP_PKEY_get_raw_private_key(key.get(), out.mutable_view(why).data(), &length) != 1 || length != 32)
        return fail(
            Code::KeyInvalid,
            "the recipient's key must be an unencrypted X25519 private key in PEM, as `openssl genpkey "
            "-algorithm X25519` makes it",
            path);
    return out;
}

// Opens what export_key() wrote, where the recipient's key is: no gateway is asked.
Status unseal(const LifecycleOptions& options) {
    REDOUBT_TRY(const std::string text, read_text_file(options.in_file));
    std::string_view line = text;
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r'))
        line.remove_suffix(1);
    REDOUBT_TRY(const auto statement, trust::parse_export_statement(line));
    REDOUBT_TRY(const Secret key, read_recipient_key(options.key_file));
    crypto::HpkeMessage message;
    const auto ciphertext = from_hex0x(statement.ciphertext);
    if (!ciphertext || !statement.encapsulated_key.starts_with("0x") ||
        !from_hex_exact(statement.encapsulated_key.substr(2), message.encapsulated))
        return fail(Code::InvalidField, "the sealed key's file is damaged");
    message.ciphertext = *ciphertext;
    REDOUBT_TRY(const Secret secret,
                crypto::hpke_open(key, message, as_bytes(trust::export_info(statement)), {}));
    // Is it the key of the address that the enclave attested?
    const crypto::Secp256k1 curve(crypto::SystemRandom().array<32>());
    Secret signing = secret.clone();
    if (statement.algorithm == "bip32-secp256k1") {
        REDOUBT_TRY(const auto path, crypto::parse_hd_path(crypto::kDefaultHdPath));
        REDOUBT_TRY(signing, crypto::derive_hd_key(curve, secret, path));
    }
    REDOUBT_TRY(const auto public_key, curve.public_key(signing));
    if (ethereum::to_checksum(ethereum::address_of(public_key)) != statement.address)
        return fail(Code::KeyInvalid,
                    "the sealed secret is not the key of the address that stands beside it");
    const int file = open(options.out_file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0)
        return fail(Code::Io, "the file for the key cannot be made; it must not exist yet", options.out_file);
    Secret digits(2 * secret.size() + 1);
    const auto into = digits.mutable_view(SecretAccess("write an exported key for its recipient"));
    constexpr std::string_view kHex = "0123456789abcdef";
    const auto bytes = secret.view(SecretAccess("write an exported key for its recipient"));
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        into[2 * i] = static_cast<std::uint8_t>(kHex[bytes[i] >> 4]);
        into[2 * i + 1] = static_cast<std::uint8_t>(kHex[bytes[i] & 15]);
    }
    into[2 * secret.size()] = '\n';
    const bool written =
        write(file, into.data(), into.size()) == static_cast<ssize_t>(into.size()) && fsync(file) == 0;
    close(file);
    if (!written)
        return fail(Code::Io, "the file for the key cannot be written", options.out_file);
    std::fprintf(stderr, "redoubt: wrote the %s of %s to %s, IN THE CLEAR\n",
                 statement.algorithm == "bip32-secp256k1" ? "seed" : "private key", statement.address.c_str(),
                 options.out_file.c_str());
    return {};
}

int adopt(const LifecycleOptions& options) {
    const auto adopted = [&]() -> Result<trust::KeyStatement> {
        REDOUBT_TRY(auto gateway, Gateway::connect(options.connection));
        const std::string nonce = fresh_nonce();
        std::string body;
        json::Writer writer(body);
        writer.begin_object().member("secret_id", options.secret_id).member("nonce", nonce);
        if (!options.label.empty())
            writer.member("label", options.label);
        if (!options.vault_id.empty())
            writer.member("vault_id", options.vault_id);
        if (!options.authorization_file.empty()) {
            REDOUBT_TRY(const std::string authorization, read_authorization(options.authorization_file));
            writer.key("authorization").raw(authorization);
        }
        writer.end_object();
        REDOUBT_TRY(const auto answer, gateway.post("/v1/keys/adopt", body));
        return verified(options.connection, answer.body, *from_hex(nonce));
    }();
    const int code = finish(options, adopted, "");
    if (code == kExitOk && !options.json)
        std::printf(
            "\nThe key now signs as %s. What it was still signs, too; once nobody uses it any more,\n"
            "  1. delete the secret %s in Secrets Manager (after its recovery window its copies end),\n"
            "  2. take %s out of the manifest's reference_keys, or set them to \"none\",\n"
            "  3. when no reference key is left: take the KMS key with the purpose \"reference\" out of "
            "the manifest\n     and disable it. Whoever could decrypt with it before may have copied the "
            "key; only new keys are free of that.\n",
            adopted->key_id.c_str(), options.secret_id.c_str(), adopted->address.c_str());
    return code;
}

using Shared = std::shared_ptr<LifecycleOptions>;

Shared add_command(CLI::App& key, const char* name, const char* about,
                   const std::function<int(const LifecycleOptions&)>& run, Context& context,
                   CLI::App** made) {
    auto* command = key.add_subcommand(name, about);
    auto options = std::make_shared<LifecycleOptions>();
    add_connection(*command, options->connection, options->json);
    command->callback([&context, options, run] {
        const auto status = complete(options->connection);
        context.exit_code = status ? run(*options) : report(status.error(), options->json);
    });
    *made = command;
    return options;
}

} // namespace

void add_key_lifecycle(CLI::App& key, Context& context) {
    CLI::App* command = nullptr;
    const auto with_key = [&](const Shared& options) {
        command->add_option("key", options->key_id, "key id, key-…")->required();
    };
    const auto nothing = [](json::Writer&) {};

    with_key(add_command(
        key, "disable", "let a key sign nothing until it is enabled again",
        [=](const LifecycleOptions& o) { return finish(o, change(o, "disable", nothing), "disabled"); },
        context, &command));
    with_key(add_command(
        key, "enable", "let a disabled key sign again",
        [=](const LifecycleOptions& o) { return finish(o, change(o, "enable", nothing), "enabled"); },
        context, &command));

    auto update = add_command(
        key, "update", "give a key another label, or other tags",
        [](const LifecycleOptions& o) {
            if (!o.has_label && o.tags.empty() && !o.no_tags)
                return report(Error{Code::Usage, "give --label, --tag or --no-tags"}, o.json);
            return finish(o,
                          change(o, "update",
                                 [&](json::Writer& writer) {
                                     if (o.has_label)
                                         writer.member("label", o.label);
                                     if (o.tags.empty() && !o.no_tags)
                                         return;
                                     writer.key("tags").begin_object();
                                     for (const auto& tag : o.tags)
                                         writer.member(tag.substr(0, tag.find('=')),
                                                       tag.substr(tag.find('=') + 1));
                                     writer.end_object();
                                 }),
                          "");
        },
        context, &command);
    with_key(update);
    command->add_option_function<std::string>(
        "--label",
        [update](const std::string& text) {
            update->label = text;
            update->has_label = true;
        },
        "the label from now on; \"\" for none");
    auto* tags =
        command->add_option("--tag", update->tags, "NAME=VALUE; the given ones replace all that there are");
    command->add_flag("--no-tags", update->no_tags, "no tags from now on")->excludes(tags);

    auto remove = add_command(
        key, "delete",
        "schedule a key's deletion: it signs nothing from now on, and is gone when the time comes",
        [](const LifecycleOptions& o) {
            return finish(o,
                          change(o, "schedule-deletion",
                                 [&](json::Writer& writer) {
                                     if (o.has_wait)
                                         writer.member("wait_seconds", std::uint64_t{o.wait_seconds});
                                 }),
                          "pending-deletion");
        },
        context, &command);
    with_key(remove);
    command->add_option_function<std::uint32_t>(
        "--wait-seconds",
        [remove](const std::uint32_t& seconds) {
            remove->wait_seconds = seconds;
            remove->has_wait = true;
        },
        "how long it waits (default and least: the manifest's deletion_wait_seconds, a week)");
    command->footer(
        "A deleted key cannot be restored but from a backup of the store. Until then: redoubt key "
        "cancel-deletion KEY");
    with_key(add_command(
        key, "cancel-deletion", "keep a key whose deletion is scheduled; it is disabled then",
        [=](const LifecycleOptions& o) { return finish(o, change(o, "cancel-deletion", nothing), ""); },
        context, &command));

    auto exported = add_command(
        key, "export", "seal an exportable key to a recipient that its policy names",
        [](const LifecycleOptions& o) {
            const auto status = export_key(o);
            return status ? kExitOk : report(status.error(), o.json);
        },
        context, &command);
    with_key(exported);
    command->add_option("--recipient", exported->recipient, "id in the policy's export_recipients")
        ->required();
    command->add_option("--out", exported->out_file, "file for the sealed key (default: standard output)");
    command->footer(
        "Example: redoubt key export key-… --recipient cold --out sealed.json\n"
        "Where the recipient's key is: redoubt key unseal sealed.json --key cold.pem --out key.hex");

    auto* unseal_command =
        key.add_subcommand("unseal", "open an exported key with its recipient's private key");
    auto unsealed = std::make_shared<LifecycleOptions>();
    unseal_command->add_option("file", unsealed->in_file, "what key export wrote")->required();
    unseal_command->add_option("--key", unsealed->key_file, "X25519 private key in PEM; - is standard input")
        ->required();
    unseal_command->add_option("--out", unsealed->out_file, "new file for the secret, in hexadecimal")
        ->required();
    unseal_command->add_flag("--json", unsealed->json, "errors as JSON");
    unseal_command->callback([&context, unsealed] {
        const auto status = unseal(*unsealed);
        context.exit_code = status ? kExitOk : report(status.error(), unsealed->json);
    });

    auto adopted =
        add_command(key, "adopt", "move a reference key, a KMS ciphertext in Secrets Manager, into a vault",
                    adopt, context, &command);
    command->add_option("--secret-id", adopted->secret_id, "the secret's name or ARN")->required();
    command->add_option("--label", adopted->label, "to find it again");
    command->add_option("--vault", adopted->vault_id, "the vault that seals it (default: the newest)");
    command->add_option("--authorization", adopted->authorization_file,
                        "owners' authorization of the open policy, where the manifest names owners");
    command->footer("The address stays the same, and the key may do what the manifest let it do before.");
}

} // namespace redoubt::cli
