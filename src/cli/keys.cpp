// SPDX-License-Identifier: Apache-2.0
// redoubt key create|import|list|show|derive. All but list verify the enclave's attested statement before
// they print an address.
#include "base/json.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "crypto/bip32.h"
#include "crypto/hpke.h"
#include "ethereum/address.h"
#include "wallet/keystore.h"
#include "wallet/mnemonic.h"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <fcntl.h>
#include <unistd.h>

namespace redoubt::cli {

namespace {

struct Options {
    Connection connection;
    bool json = false;
    bool exportable = false, hd = false, raw_signing = false;
    std::string key_id, after, path, account, hex_file, mnemonic_file, passphrase_file, keystore_file,
        password_file;
    unsigned limit = 100, first = 0, count = 1;
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

struct Attested {
    Bytes statement, document;
    trust::Pins pins;
};

Result<Attested> attested(const Connection& connection, const json::Value& root, ByteView nonce) {
    auto statement = from_base64(text_of(root, "statement"));
    auto document = from_base64(text_of(root, "attestation"));
    if (!statement || !document || statement->empty() || document->empty())
        return fail(Code::AttestationInvalid, "the answer has no attested statement");
    REDOUBT_TRY(auto pins, pins_for(connection, *document, nonce));
    return Attested{std::move(*statement), std::move(*document), std::move(pins)};
}

// Checks the answer's statement; what is printed comes from the statement alone.
Result<trust::KeyStatement> verified(const Connection& connection, const std::string& body, ByteView nonce) {
    json::Document document;
    REDOUBT_TRY(const auto root, document.parse(body));
    REDOUBT_TRY(const auto parts, attested(connection, root, nonce));
    REDOUBT_TRY(auto parsed, trust::verify_key_statement(as_text(parts.statement), parts.document, parts.pins,
                                                         system_time_ms()));
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
            .member("raw_signing", statement.raw_signing)
            .member("attested", true)
            .member("pinned", pinned)
            .end_object();
        std::printf("%s\n", out.c_str());
        return;
    }
    std::printf(
        "key         %s\naddress     %s\nalgorithm   %s\nvault       %s\ncommitment  %s\npolicy      %s\n"
        "exportable  %s\nraw signing %s\n"
        "attested    yes: the enclave's statement, its nonce and %s verify\n",
        statement.key_id.c_str(), statement.address.c_str(), statement.algorithm.c_str(),
        statement.vault_id.c_str(), statement.vault_commitment.c_str(), statement.policy_digest.c_str(),
        statement.exportable ? "yes" : "no",
        statement.raw_signing ? "YES: signs any digest, a grant of the whole account" : "no",
        pinned ? "the pinned PCR0 and PCR16" : "the root (PCRs are NOT pinned)");
}

// Did the enclave make the kind of key that was asked for? A host could have asked for another.
Status check_kind(const Options& options, const trust::KeyStatement& statement) {
    if (statement.exportable != options.exportable || statement.raw_signing != options.raw_signing ||
        (statement.algorithm == "bip32-secp256k1") != options.hd)
        return fail(Code::AttestationUntrusted,
                    "the enclave attested a key of another kind than the one asked for; do not use it");
    return {};
}

Result<trust::KeyStatement> create(const Options& options) {
    REDOUBT_TRY(auto gateway, Gateway::connect(options.connection));
    const auto nonce = crypto::SystemRandom().array<32>();
    std::string body;
    json::Writer(body)
        .begin_object()
        .member("exportable", options.exportable)
        .member("hd", options.hd)
        .member("raw_signing", options.raw_signing)
        .member("nonce", to_hex(nonce))
        .end_object();
    REDOUBT_TRY(const auto answer, gateway.post("/v1/keys", body));
    REDOUBT_TRY(auto statement, verified(options.connection, answer.body, nonce));
    REDOUBT_CHECK(check_kind(options, statement));
    return statement;
}

// The whole of a file or, for "-", of standard input. It must be shorter than `into`; gives its size.
Result<std::size_t> read_whole(const std::string& path, std::span<std::uint8_t> into) {
    const int file = path == "-" ? STDIN_FILENO : open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return fail(Code::Io, "the file with the secret cannot be read", path);
    std::size_t size = 0;
    ssize_t n = 0;
    while (size < into.size() && (n = read(file, into.data() + size, into.size() - size)) > 0)
        size += static_cast<std::size_t>(n);
    if (file != STDIN_FILENO)
        close(file);
    if (n < 0 || size == into.size())
        return fail(Code::Io, "the file with the secret cannot be read, or is longer than such a file can be",
                    path);
    return size;
}

// One line of a file or, for "-", of standard input; its end is not part of it.
Result<Secret> read_secret_line(const std::string& path) {
    Secret buffer(4096);
    const auto bytes = buffer.mutable_view(SecretAccess("read a secret to be imported"));
    REDOUBT_TRY(std::size_t size, read_whole(path, bytes));
    while (size > 0 && (bytes[size - 1] == '\n' || bytes[size - 1] == '\r'))
        --size;
    return Secret::copy_of(bytes.first(size));
}

// The address that the imported key must have.
Result<std::string> address_of_secret(const Secret& secret, bool hd) {
    const crypto::Secp256k1 curve(crypto::SystemRandom().array<32>());
    Secret key = secret.clone();
    if (hd) {
        REDOUBT_TRY(const auto path, crypto::parse_hd_path(crypto::kDefaultHdPath));
        REDOUBT_TRY(key, crypto::derive_hd_key(curve, secret, path));
    }
    REDOUBT_TRY(const auto public_key, curve.public_key(key));
    return ethereum::to_checksum(ethereum::address_of(public_key));
}

// The private key of a keystore file. The file's password does not protect the address that it names: a
// person would read the one and import the other.
Result<Secret> secret_of_keystore(const Options& options) {
    Bytes file(wallet::kMaxKeystore + 1);
    REDOUBT_TRY(const std::size_t size, read_whole(options.keystore_file, file));
    REDOUBT_TRY(const auto keystore, wallet::parse_keystore(as_text(ByteView(file).first(size))));
    REDOUBT_TRY(const Secret password, read_secret_line(options.password_file));
    REDOUBT_TRY(auto opened, wallet::decrypt_keystore(keystore, password));
    REDOUBT_TRY(const std::string address, address_of_secret(opened.key, false));
    if (opened.address && ethereum::to_checksum(*opened.address) != address)
        return fail(Code::KeyInvalid,
                    "the keystore names another address than its key has; find out which one is meant, and "
                    "remove or correct the file's address",
                    "the key's is " + address);
    return std::move(opened.key);
}

// What is sealed: a private key or seed in hexadecimal, the key of a keystore, or the seed behind a mnemonic.
Result<Secret> secret_to_import(const Options& options) {
    if (!options.keystore_file.empty())
        return secret_of_keystore(options);
    if (!options.mnemonic_file.empty()) {
        REDOUBT_TRY(const Secret words, read_secret_line(options.mnemonic_file));
        Secret passphrase;
        if (!options.passphrase_file.empty()) {
            REDOUBT_TRY(passphrase, read_secret_line(options.passphrase_file));
        }
        return wallet::mnemonic_seed(words, passphrase);
    }
    REDOUBT_TRY(const Secret digits, read_secret_line(options.hex_file));
    std::string_view text = digits.text(SecretAccess("decode a secret to be imported"));
    if (text.starts_with("0x"))
        text.remove_prefix(2);
    Secret out(text.size() / 2);
    if (text.size() % 2 != 0 || !from_hex_exact(text, out.mutable_view(SecretAccess("decode a secret"))))
        return fail(Code::Usage,
                    "the secret must be an even number of hexadecimal digits, with or without 0x");
    return out;
}

// The secret is sealed to a key that the enclave attests, together with what the key shall be; the host sees
// neither, and cannot change either.
Result<trust::KeyStatement> import(const Options& options) {
    REDOUBT_TRY(const Secret secret, secret_to_import(options));
    REDOUBT_TRY(const std::string address, address_of_secret(secret, options.hd));
    REDOUBT_TRY(auto gateway, Gateway::connect(options.connection));
    crypto::SystemRandom random;
    const auto offer_nonce = random.array<32>();
    REDOUBT_TRY(const auto offered, gateway.get("/v1/import?nonce=" + to_hex(offer_nonce)));
    json::Document document;
    REDOUBT_TRY(const auto root, document.parse(offered.body));
    REDOUBT_TRY(const auto parts, attested(options.connection, root, offer_nonce));
    REDOUBT_TRY(const auto offer, trust::verify_import_offer(as_text(parts.statement), parts.document,
                                                             parts.pins, system_time_ms()));
    crypto::X25519Public recipient;
    if (!offer.public_key.starts_with("0x") || !from_hex_exact(offer.public_key.substr(2), recipient))
        return fail(Code::AttestationInvalid, "the import offer's key is malformed");
    const std::string info = trust::import_info(offer, options.hd, options.exportable, options.raw_signing);
    REDOUBT_TRY(const auto sealed, crypto::hpke_seal(recipient, as_bytes(info), {}, secret, random));
    const auto nonce = random.array<32>();
    std::string body;
    json::Writer(body)
        .begin_object()
        .member("vault_id", offer.vault_id)
        .member("encapsulated_key", to_hex0x(sealed.encapsulated))
        .member("ciphertext", to_hex0x(sealed.ciphertext))
        .member("exportable", options.exportable)
        .member("hd", options.hd)
        .member("raw_signing", options.raw_signing)
        .member("nonce", to_hex(nonce))
        .end_object();
    REDOUBT_TRY(const auto answer, gateway.post("/v1/keys/import", body));
    REDOUBT_TRY(auto statement, verified(options.connection, answer.body, nonce));
    REDOUBT_CHECK(check_kind(options, statement));
    if (statement.address != address || statement.vault_id != offer.vault_id)
        return fail(Code::AttestationUntrusted,
                    "the enclave attested another key than the one that was imported; do not use it");
    return statement;
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

bool is_pinned(const Options& options) {
    return !options.connection.pcr0.empty() && !options.connection.pcr16.empty();
}

Status derive(const Options& options) {
    REDOUBT_TRY(auto gateway, Gateway::connect(options.connection));
    const auto nonce = crypto::SystemRandom().array<32>();
    std::vector<std::string> paths;
    std::string body;
    json::Writer writer(body);
    writer.begin_object().member("nonce", to_hex(nonce));
    if (!options.path.empty()) {
        writer.member("path", options.path);
        paths.push_back(options.path);
    } else {
        writer.member("account", options.account)
            .member("first", std::uint64_t{options.first})
            .member("count", std::uint64_t{options.count});
        for (unsigned i = 0; i < options.count; ++i)
            paths.push_back(options.account + "/" + std::to_string(options.first + i));
    }
    writer.end_object();
    REDOUBT_TRY(const auto answer, gateway.post("/v1/keys/" + options.key_id + "/derive", body));
    json::Document document;
    REDOUBT_TRY(const auto root, document.parse(answer.body));
    REDOUBT_TRY(const auto parts, attested(options.connection, root, nonce));
    REDOUBT_TRY(const auto statement,
                trust::verify_address_statement(as_text(parts.statement), parts.document, parts.pins,
                                                system_time_ms()));
    bool as_asked = statement.key_id == options.key_id && statement.addresses.size() == paths.size();
    for (std::size_t i = 0; as_asked && i < paths.size(); ++i) {
        const auto asked = crypto::parse_hd_path(paths[i]);
        as_asked = asked && crypto::hd_path_text(*asked) == statement.addresses[i].path;
    }
    if (!as_asked)
        return fail(Code::AttestationUntrusted,
                    "the enclave attested other addresses than the ones asked for");
    if (options.json) {
        std::string out;
        json::Writer json(out);
        json.begin_object().member("key_id", statement.key_id).key("addresses").begin_array();
        for (const auto& [path, address] : statement.addresses)
            json.begin_object().member("path", path).member("address", address).end_object();
        json.end_array().member("attested", true).member("pinned", is_pinned(options)).end_object();
        std::printf("%s\n", out.c_str());
        return {};
    }
    for (const auto& [path, address] : statement.addresses)
        std::printf("%s  %s\n", address.c_str(), path.c_str());
    if (!is_pinned(options))
        std::printf("The PCRs are NOT pinned: some enclave attested this, not a known image and manifest.\n");
    return {};
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
    print(*statement, is_pinned(options), options.json);
    return kExitOk;
}

} // namespace

void add_keys(CLI::App& app, Context& context) {
    auto* key = app.add_subcommand("key", "create, import, list, show and derive keys");
    key->require_subcommand(1);

    auto* create_command =
        key->add_subcommand("create", "draw a key inside the enclave; prints the attested address");
    auto options = std::make_shared<Options>();
    add_connection(*create_command, *options);
    create_command->add_flag("--exportable", options->exportable,
                             "the key may later be exported (default: never)");
    create_command->add_flag("--hd", options->hd,
                             "draw a BIP-32 seed: one record, keys for any path (redoubt key derive)");
    create_command->add_flag("--raw-signing", options->raw_signing,
                             "the key may sign any digest: a grant of the whole account (default: never)");
    create_command->footer(
        "Example: redoubt key create --ready-file ready.json\n"
        "The address is shown only if the enclave's statement verifies against the pinned PCR0 and PCR16.");
    create_command->callback([&context, options] {
        if (const auto status = complete(options->connection); !status)
            context.exit_code = report(status.error(), options->json);
        else
            context.exit_code = finish(*options, create(*options));
    });

    auto* import_command = key->add_subcommand(
        "import", "seal a private key, seed or mnemonic to the attested enclave; the host never sees it");
    auto import_options = std::make_shared<Options>();
    add_connection(*import_command, *import_options);
    auto* hex =
        import_command->add_option("--hex", import_options->hex_file,
                                   "file with the private key (or with --hd the seed) in hexadecimal; - is "
                                   "standard input");
    auto* words =
        import_command->add_option("--mnemonic", import_options->mnemonic_file,
                                   "file with a BIP-39 mnemonic in English, on one line; implies --hd");
    hex->excludes(words);
    import_command
        ->add_option("--passphrase-file", import_options->passphrase_file, "the mnemonic's passphrase")
        ->needs(words);
    auto* keystore = import_command->add_option(
        "--keystore", import_options->keystore_file,
        "keystore file (version 3: geth, ethers, Foundry and others); - is standard input");
    auto* password =
        import_command->add_option("--password-file", import_options->password_file,
                                   "file with the keystore's password, on one line; - is standard input");
    keystore->excludes(hex)->excludes(words)->needs(password);
    password->needs(keystore);
    import_command->add_flag("--hd", import_options->hd, "the secret is a BIP-32 seed of 16 to 64 bytes")
        ->excludes(keystore);
    import_command->add_flag("--exportable", import_options->exportable, "the key may later be exported");
    import_command->add_flag("--raw-signing", import_options->raw_signing, "the key may sign any digest");
    import_command->footer("Examples: redoubt key import --ready-file ready.json --mnemonic words.txt\n"
                           "          redoubt key import --ready-file ready.json --keystore UTC--… "
                           "--password-file password.txt\n"
                           "Secrets are read from files or standard input, never from the command line.");
    import_command->callback([&context, import_options] {
        auto status = complete(import_options->connection);
        if (status && import_options->hex_file.empty() && import_options->mnemonic_file.empty() &&
            import_options->keystore_file.empty())
            status = fail(Code::Usage, "give --hex, --mnemonic or --keystore");
        if (status && import_options->keystore_file == "-" && import_options->password_file == "-")
            status = fail(Code::Usage, "only one of --keystore and --password-file can be standard input");
        import_options->hd = import_options->hd || !import_options->mnemonic_file.empty();
        context.exit_code = status ? finish(*import_options, import(*import_options))
                                   : report(status.error(), import_options->json);
    });

    auto* derive_command =
        key->add_subcommand("derive", "show addresses below an HD key, as the enclave attests them");
    auto derive_options = std::make_shared<Options>();
    add_connection(*derive_command, *derive_options);
    derive_command->add_option("key", derive_options->key_id, "key id, key-…")->required();
    auto* path = derive_command->add_option("--path", derive_options->path, "one path, m/44'/60'/0'/0/7");
    auto* account = derive_command->add_option("--account", derive_options->account,
                                               "a range below this path, m/44'/60'/0'/0");
    path->excludes(account);
    derive_command->add_option("--first", derive_options->first, "first index of the range")
        ->needs(account)
        ->check(CLI::Range(0u, 2'147'483'647u));
    derive_command->add_option("--count", derive_options->count, "how many")
        ->needs(account)
        ->check(CLI::Range(1u, 1000u));
    derive_command->footer("Example: redoubt key derive key-… --account \"m/44'/60'/0'/0\" --count 10");
    derive_command->callback([&context, derive_options] {
        auto status = complete(derive_options->connection);
        if (status && derive_options->path.empty() && derive_options->account.empty())
            status = fail(Code::Usage, "give --path or --account");
        if (status)
            status = derive(*derive_options);
        context.exit_code = status ? kExitOk : report(status.error(), derive_options->json);
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
