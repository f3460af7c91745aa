// SPDX-License-Identifier: Apache-2.0
// redoubt key create|import|list|show|derive. All but list verify the enclave's attested statement before
// they print an address.
#include "cli/attested.h"
#include "cli/commands.h"
#include "crypto/bip32.h"
#include "crypto/hpke.h"
#include "ethereum/address.h"
#include "policy/document.h"
#include "policy/open_policy.h"
#include "sealed/key_record.h"
#include "wallet/keystore.h"
#include "wallet/mnemonic.h"

#include <cctype>
#include <cstdio>

namespace redoubt::cli {

namespace {

struct KeyOptions {
    Connection connection;
    bool json = false;
    bool exportable = false, hd = false, raw_signing = false;
    std::string key_id, after, path, account, hex_file, mnemonic_file, passphrase_file, keystore_file,
        password_file, client_token, vault_id, policy_file, authorization_file, label, address, state;
    std::vector<std::string> tags;
    unsigned limit = 100, first = 0, count = 1;
};

void add_connection(CLI::App& command, KeyOptions& options) {
    cli::add_connection(command, options.connection, options.json);
}

// What a new key can be given, however it comes to be.
void add_new_key(CLI::App& command, KeyOptions& options) {
    command.add_option("--client-token", options.client_token,
                       "names the request: a repeat with the same token makes no second key");
    command.add_option("--vault", options.vault_id, "the vault that seals it (default: the newest)");
    command.add_option("--label", options.label,
                       "to find it again; sealed with the key, readable by the host");
    command.add_option("--tag", options.tags, "NAME=VALUE, any number of times")
        ->check(CLI::Validator(
            [](const std::string& text) {
                const auto at = text.find('=');
                return at == 0 || at == std::string::npos ? std::string("a tag is NAME=VALUE")
                                                          : std::string();
            },
            "NAME=VALUE"));
    command.add_option("--policy", options.policy_file,
                       "policy document that the key is bound to (default: the open policy)");
    command.add_option("--authorization", options.authorization_file,
                       "owners' authorization of the policy, where the manifest names owners");
}

Result<policy::Document> policy_of(const KeyOptions& options) {
    if (options.policy_file.empty())
        return policy::parse_document(policy::kOpenPolicy);
    REDOUBT_TRY(const std::string text, read_text_file(options.policy_file));
    return policy::parse_document(text);
}

// The members of a request for a new key that add_new_key() and the flags give.
Status write_new_key(json::Writer& writer, const KeyOptions& options, const policy::Document& policy) {
    writer.member("exportable", options.exportable)
        .member("hd", options.hd)
        .member("raw_signing", options.raw_signing);
    if (!options.client_token.empty())
        writer.member("client_token", options.client_token);
    if (!options.vault_id.empty())
        writer.member("vault_id", options.vault_id);
    if (!options.label.empty())
        writer.member("label", options.label);
    if (!options.tags.empty()) {
        writer.key("tags").begin_object();
        for (const auto& tag : options.tags)
            writer.member(tag.substr(0, tag.find('=')), tag.substr(tag.find('=') + 1));
        writer.end_object();
    }
    if (!options.policy_file.empty())
        writer.key("policy").raw(policy.canonical);
    if (!options.authorization_file.empty()) {
        REDOUBT_TRY(const std::string authorization, read_authorization(options.authorization_file));
        writer.key("authorization").raw(authorization);
    }
    return {};
}

// Did the enclave make the kind of key that was asked for? A host could have asked for another.
Status check_kind(const KeyOptions& options, const policy::Document& policy,
                  const trust::KeyStatement& statement) {
    if (statement.policy_digest != to_hex(policy.digest) ||
        (!options.vault_id.empty() && statement.vault_id != options.vault_id) ||
        statement.exportable != options.exportable || statement.raw_signing != options.raw_signing ||
        (statement.algorithm == "bip32-secp256k1") != options.hd)
        return fail(Code::AttestationUntrusted,
                    "the enclave attested a key of another kind than the one asked for; do not use it");
    return {};
}

Result<trust::KeyStatement> create(const KeyOptions& options) {
    REDOUBT_TRY(auto gateway, Gateway::connect(options.connection));
    REDOUBT_TRY(const auto policy, policy_of(options));
    const auto nonce = crypto::SystemRandom().array<32>();
    std::string body;
    json::Writer writer(body);
    writer.begin_object().member("nonce", to_hex(nonce));
    REDOUBT_CHECK(write_new_key(writer, options, policy));
    writer.end_object();
    REDOUBT_TRY(const auto answer, gateway.post("/v1/keys", body));
    REDOUBT_TRY(auto statement, verified(options.connection, answer.body, nonce));
    REDOUBT_CHECK(check_kind(options, policy, statement));
    if (!options.client_token.empty() &&
        statement.key_id != sealed::key_id_text(sealed::key_id_of_token(options.client_token)))
        return fail(Code::AttestationUntrusted, "the enclave attested another key than the token's");
    return statement;
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
Result<Secret> secret_of_keystore(const KeyOptions& options) {
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
Result<Secret> secret_to_import(const KeyOptions& options) {
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
Result<trust::KeyStatement> import(KeyOptions options) {
    REDOUBT_TRY(const auto policy, policy_of(options));
    REDOUBT_TRY(const Secret secret, secret_to_import(options));
    REDOUBT_TRY(const std::string address, address_of_secret(secret, options.hd));
    REDOUBT_TRY(auto gateway, Gateway::connect(options.connection));
    crypto::SystemRandom random;
    const auto offer_nonce = random.array<32>();
    REDOUBT_TRY(const auto offered,
                gateway.get("/v1/import?nonce=" + to_hex(offer_nonce) +
                            (options.vault_id.empty() ? "" : "&vault_id=" + options.vault_id)));
    json::Document document;
    REDOUBT_TRY(const auto root, document.parse(offered.body));
    REDOUBT_TRY(const auto parts, attested(options.connection, root, offer_nonce));
    REDOUBT_TRY(const auto offer, trust::verify_import_offer(as_text(parts.statement), parts.document,
                                                             parts.pins, system_time_ms()));
    crypto::X25519Public recipient;
    if (!offer.public_key.starts_with("0x") || !from_hex_exact(offer.public_key.substr(2), recipient))
        return fail(Code::AttestationInvalid, "the import offer's key is malformed");
    if (!options.vault_id.empty() && offer.vault_id != options.vault_id)
        return fail(Code::AttestationUntrusted, "the enclave offers another vault than the one asked for");
    options.vault_id = offer.vault_id;
    // The key's id comes of the token, and the sealed secret is bound to it: a host that sends the request
    // again makes no second key.
    if (options.client_token.empty())
        options.client_token = to_hex(random.array<16>());
    trust::ImportInfo info;
    info.key_id = sealed::key_id_text(sealed::key_id_of_token(options.client_token));
    info.vault_id = offer.vault_id;
    info.policy_digest = to_hex(policy.digest);
    info.epoch = offer.epoch;
    info.hd = options.hd;
    info.exportable = options.exportable;
    info.raw_signing = options.raw_signing;
    REDOUBT_TRY(const auto message,
                crypto::hpke_seal(recipient, as_bytes(trust::import_info(info)), {}, secret, random));
    const auto nonce = random.array<32>();
    std::string body;
    json::Writer writer(body);
    writer.begin_object()
        .member("encapsulated_key", to_hex0x(message.encapsulated))
        .member("ciphertext", to_hex0x(message.ciphertext))
        .member("nonce", to_hex(nonce));
    REDOUBT_CHECK(write_new_key(writer, options, policy));
    writer.end_object();
    REDOUBT_TRY(const auto answer, gateway.post("/v1/keys/import", body));
    REDOUBT_TRY(auto statement, verified(options.connection, answer.body, nonce));
    REDOUBT_CHECK(check_kind(options, policy, statement));
    if (statement.address != address || statement.key_id != info.key_id)
        return fail(Code::AttestationUntrusted,
                    "the enclave attested another key than the one that was imported; do not use it");
    return statement;
}

Result<trust::KeyStatement> show(const KeyOptions& options) {
    REDOUBT_TRY(auto gateway, Gateway::connect(options.connection));
    const auto nonce = crypto::SystemRandom().array<32>();
    REDOUBT_TRY(const auto answer, gateway.get("/v1/keys/" + options.key_id + "?nonce=" + to_hex(nonce)));
    REDOUBT_TRY(auto statement, verified(options.connection, answer.body, nonce));
    if (statement.key_id != options.key_id)
        return fail(Code::AttestationUntrusted, "the enclave attested another key than the one asked for");
    return statement;
}

Status derive(const KeyOptions& options) {
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
        json.end_array()
            .member("attested", true)
            .member("pinned", is_pinned(options.connection))
            .end_object();
        std::printf("%s\n", out.c_str());
        return {};
    }
    for (const auto& [path, address] : statement.addresses)
        std::printf("%s  %s\n", address.c_str(), path.c_str());
    if (!is_pinned(options.connection))
        std::printf("The PCRs are NOT pinned: some enclave attested this, not a known image and manifest.\n");
    return {};
}

// RFC 3986: all but the unreserved characters.
std::string percent_encoded(const std::string& text) {
    std::string out;
    for (const char c : text) {
        if (std::isalnum(static_cast<unsigned char>(c)) != 0 ||
            std::string_view("-._~").find(c) != std::string_view::npos)
            out.push_back(c);
        else
            out += "%" + to_hex(ByteArray<1>{static_cast<std::uint8_t>(c)});
    }
    return out;
}

Status list(const KeyOptions& options) {
    REDOUBT_TRY(auto gateway, Gateway::connect(options.connection));
    std::string path = "/v1/keys?limit=" + std::to_string(options.limit);
    const auto filter = [&](const char* name, const std::string& value) {
        if (!value.empty())
            path += std::string("&") + name + "=" + percent_encoded(value);
    };
    filter("after", options.after);
    filter("vault_id", options.vault_id);
    filter("address", options.address);
    filter("state", options.state);
    filter("label", options.label);
    for (const auto& tag : options.tags)
        filter("tag", tag.substr(0, tag.find('=')) + ":" + tag.substr(tag.find('=') + 1));
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
        std::printf("%s  %s  %s  %s%s%s\n", text_of(key, "key_id").c_str(), text_of(key, "address").c_str(),
                    text_of(key, "created").c_str(), text_of(key, "state").c_str(),
                    text_of(key, "label").empty() ? "" : "  ", text_of(key, "label").c_str());
    if (const std::string next = text_of(root, "next"); !next.empty())
        std::printf("more: --after %s\n", next.c_str());
    std::printf("The list is the gateway's word; `redoubt key show KEY` asks the enclave and verifies.\n");
    return {};
}

int finish(const KeyOptions& options, const Result<trust::KeyStatement>& statement) {
    if (!statement)
        return report(statement.error(), options.json);
    print(*statement, is_pinned(options.connection), options.json);
    return kExitOk;
}

} // namespace

void add_keys(CLI::App& app, Context& context) {
    auto* key = app.add_subcommand("key", "create, import, list, show, change, export and delete keys");
    key->require_subcommand(1);

    auto* create_command =
        key->add_subcommand("create", "draw a key inside the enclave; prints the attested address");
    auto options = std::make_shared<KeyOptions>();
    add_connection(*create_command, *options);
    create_command->add_flag("--exportable", options->exportable,
                             "the key may later be exported (default: never)");
    create_command->add_flag("--hd", options->hd,
                             "draw a BIP-32 seed: one record, keys for any path (redoubt key derive)");
    create_command->add_flag("--raw-signing", options->raw_signing,
                             "the key may sign any digest: a grant of the whole account (default: never)");
    add_new_key(*create_command, *options);
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
    auto import_options = std::make_shared<KeyOptions>();
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
    add_new_key(*import_command, *import_options);
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
    auto derive_options = std::make_shared<KeyOptions>();
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
    auto list_options = std::make_shared<KeyOptions>();
    add_connection(*list_command, *list_options);
    list_command->add_option("--limit", list_options->limit, "at most this many")->check(CLI::Range(1, 1000));
    list_command->add_option("--after", list_options->after,
                             "go on from here: the `next` of the list before");
    list_command->add_option("--vault", list_options->vault_id, "only keys sealed in this vault");
    list_command->add_option("--address", list_options->address, "only the keys of this address");
    list_command->add_option("--state", list_options->state, "enabled, disabled or pending-deletion");
    list_command->add_option("--label", list_options->label, "only keys with this label");
    list_command->add_option("--tag", list_options->tags, "NAME=VALUE: only keys with all of these tags");
    list_command->callback([&context, list_options] {
        auto status = complete(list_options->connection);
        if (status)
            status = list(*list_options);
        context.exit_code = status ? kExitOk : report(status.error(), list_options->json);
    });

    auto* show_command = key->add_subcommand("show", "show one key, as the enclave attests it");
    auto show_options = std::make_shared<KeyOptions>();
    add_connection(*show_command, *show_options);
    show_command->add_option("key", show_options->key_id, "key id, key-…")->required();
    show_command->callback([&context, show_options] {
        if (const auto status = complete(show_options->connection); !status)
            context.exit_code = report(status.error(), show_options->json);
        else
            context.exit_code = finish(*show_options, show(*show_options));
    });
    add_key_lifecycle(*key, context);
}

} // namespace redoubt::cli
