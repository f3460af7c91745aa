// SPDX-License-Identifier: Apache-2.0
// redoubt authorize vault-create|vault-move|key-policy|add-signature|check: what owners, whom the manifest
// names, allow by their signatures. None of these talks to anybody; a private key is read here and nowhere
// else.
#include "cli/client.h"
#include "cli/commands.h"
#include "crypto/owner_signature.h"
#include "policy/document.h"
#include "policy/open_policy.h"
#include "sealed/key_record.h"
#include "trust/authorization.h"

#include <CLI/CLI.hpp>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace redoubt::cli {

namespace {

constexpr std::size_t kMaxOwnerKey = 16 * 1024;    // bytes of a PEM file
constexpr std::uint32_t kMaxValidHours = 24 * 366; // an authorization can be shown again as long as it holds

struct AuthorizeOptions {
    std::string file, manifest, owner, owner_key, out;
    std::string token, vault_id, from, to, policy;
    std::optional<std::uint64_t> epoch;
    std::uint32_t valid_hours = 0;
    bool open = false, json = false;
};

Result<trust::Manifest> manifest_with_owners(const AuthorizeOptions& options) {
    REDOUBT_TRY(const std::string text, read_text_file(options.manifest));
    REDOUBT_TRY(auto manifest, trust::parse_manifest(text));
    if (manifest.owners.empty())
        return fail(Code::Usage, "the manifest names no owners, so nothing needs or takes an authorization");
    return manifest;
}

Result<Secret> read_owner_key(const std::string& path) {
    Secret buffer(kMaxOwnerKey + 1);
    const auto bytes = buffer.mutable_view(SecretAccess("read an owner's private key"));
    const int file = path == "-" ? STDIN_FILENO : open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return fail(Code::Io, "the owner's key cannot be read", path + ": " + std::strerror(errno));
    std::size_t size = 0;
    ssize_t n = 0;
    while (size < bytes.size() && (n = read(file, bytes.data() + size, bytes.size() - size)) > 0)
        size += static_cast<std::size_t>(n);
    if (file != STDIN_FILENO)
        close(file);
    if (n < 0 || size == bytes.size())
        return fail(Code::Io, "the owner's key cannot be read, or is longer than a key's file can be", path);
    return Secret::copy_of(bytes.first(size));
}

// Signs as an owner whom the manifest names, with the private key of the public one that it has: nobody signs
// under another's name, or with a key that no enclave knows.
Result<trust::OwnerSignature> owner_signature(const AuthorizeOptions& options,
                                              const trust::Manifest& manifest, std::string_view document) {
    const auto owner = std::find_if(manifest.owners.begin(), manifest.owners.end(),
                                    [&](const auto& known) { return known.id == options.owner; });
    if (owner == manifest.owners.end())
        return fail(Code::Usage, "the manifest names no such owner: --owner takes one of its owners' ids",
                    options.owner);
    REDOUBT_TRY(const Secret pem, read_owner_key(options.owner_key));
    const std::string message = std::string(trust::kAuthorizationContext) + std::string(document);
    REDOUBT_TRY(const auto made, crypto::sign_with_pem(pem, as_bytes(message)));
    if (made.ed25519 != (owner->algorithm == trust::OwnerAlgorithm::Ed25519) ||
        made.public_key != owner->public_key)
        return fail(Code::KeyInvalid,
                    "the private key is not this owner's: the manifest has another public key for the id",
                    "the file's public key is " + to_hex(made.public_key));
    return trust::OwnerSignature{owner->id, made.signature};
}

std::string allowed_text(const trust::Authorization& a) {
    if (a.operation == "vault-create")
        return "creating the vault " + a.vault_id + " under epoch " + std::to_string(a.epoch);
    if (a.operation == "vault-move")
        return "moving keys from " + a.from + " to " + a.to;
    return "creating keys with the policy " + a.policy_digest +
           (a.policy_digest == to_hex(policy::open_policy_digest()) ? " (the open policy)" : "");
}

void print_authorization(const trust::Authorization& a, const trust::SignedAuthorization& signed_document,
                         bool as_json) {
    if (as_json) {
        std::string out;
        json::Writer writer(out);
        writer.begin_object()
            .member("valid", true)
            .member("allows", allowed_text(a))
            .key("authorization")
            .raw(signed_document.document)
            .key("signed_by")
            .begin_array();
        for (const auto& signature : signed_document.signatures)
            writer.string(signature.owner);
        writer.end_array().member("valid_until", to_iso8601(a.not_after)).end_object();
        std::printf("%s\n", out.c_str());
        return;
    }
    std::string people;
    for (const auto& signature : signed_document.signatures)
        people += (people.empty() ? "" : ", ") + signature.owner;
    std::printf("allows     %s\nmanifest   %s\nsigned by  %s\nuntil      %s\n", allowed_text(a).c_str(),
                to_hex(a.manifest).c_str(), people.c_str(), to_iso8601(a.not_after).c_str());
}

// Only what an enclave takes now is written.
Status write_authorization(const AuthorizeOptions& options, const std::string& path,
                           const trust::Manifest& manifest, const trust::SignedAuthorization& made) {
    REDOUBT_TRY(const auto checked, trust::check_authorization(manifest, made, system_time_ms()));
    const std::string text = trust::encode_signed_authorization(made) + "\n";
    if (path.empty()) {
        std::fputs(text.c_str(), stdout);
        return {};
    }
    REDOUBT_CHECK(write_file_atomically(path, text, 0644));
    print_authorization(checked, made, options.json);
    return {};
}

Status authorize(const AuthorizeOptions& options, trust::Authorization what,
                 const trust::Manifest& manifest) {
    what.manifest = manifest.digest();
    what.not_after = system_time_ms() + std::int64_t{options.valid_hours} * 3'600'000;
    trust::SignedAuthorization made{trust::encode_authorization(what), {}};
    REDOUBT_TRY(auto signature, owner_signature(options, manifest, made.document));
    made.signatures.push_back(std::move(signature));
    return write_authorization(options, options.out, manifest, made);
}

Result<std::string> vault_named(const std::string& text) {
    const auto id = sealed::parse_vault_id(text);
    if (!id)
        return fail(Code::Usage, "a vault's id is vault- and 32 hex digits", text);
    return sealed::vault_id_text(*id);
}

Status authorize_vault_create(const AuthorizeOptions& options) {
    REDOUBT_TRY(const auto manifest, manifest_with_owners(options));
    trust::Authorization what;
    what.operation = "vault-create";
    what.epoch = options.epoch.value_or(manifest.min_epoch);
    if (what.epoch < manifest.min_epoch)
        return fail(Code::Usage, "the epoch is below the manifest's min_epoch: the vault would never open");
    if (options.vault_id.empty()) {
        if (!sealed::valid_client_token(options.token))
            return fail(Code::Usage, "a token is 1 to 64 of A-Z a-z 0-9 . _ : -", options.token);
        what.vault_id = sealed::vault_id_text(sealed::vault_id_of_token(options.token, what.epoch));
    } else {
        REDOUBT_TRY(what.vault_id, vault_named(options.vault_id));
    }
    return authorize(options, std::move(what), manifest);
}

Status authorize_vault_move(const AuthorizeOptions& options) {
    REDOUBT_TRY(const auto manifest, manifest_with_owners(options));
    trust::Authorization what;
    what.operation = "vault-move";
    REDOUBT_TRY(what.from, vault_named(options.from));
    REDOUBT_TRY(what.to, vault_named(options.to));
    if (what.from == what.to)
        return fail(Code::Usage, "--from and --to name the same vault: keys stay where they are without it");
    return authorize(options, std::move(what), manifest);
}

Status authorize_key_policy(const AuthorizeOptions& options) {
    REDOUBT_TRY(const auto manifest, manifest_with_owners(options));
    trust::Authorization what;
    what.operation = "key-policy";
    what.policy_digest = to_hex(policy::open_policy_digest());
    if (!options.open) {
        REDOUBT_TRY(const std::string text, read_text_file(options.policy));
        REDOUBT_TRY(const auto document, policy::parse_document(text));
        what.policy_digest = to_hex(document.digest);
    }
    return authorize(options, std::move(what), manifest);
}

Result<trust::SignedAuthorization> read_authorization(const std::string& path) {
    REDOUBT_TRY(const std::string text, read_text_file(path));
    json::Document document;
    const auto root = document.parse(text);
    if (!root)
        return fail(Code::Unauthorized, "the file holds no authorization: it is not JSON", path);
    return trust::parse_signed_authorization(*root);
}

Status add_signature(const AuthorizeOptions& options) {
    REDOUBT_TRY(const auto manifest, manifest_with_owners(options));
    REDOUBT_TRY(auto made, read_authorization(options.file));
    // Nobody signs what would not be taken anyway.
    if (const auto taken = trust::check_authorization(manifest, made, system_time_ms()); !taken)
        return std::unexpected(taken.error());
    for (const auto& signature : made.signatures)
        if (signature.owner == options.owner)
            return fail(Code::Conflict, "this owner has signed the authorization already", options.owner);
    REDOUBT_TRY(auto signature, owner_signature(options, manifest, made.document));
    made.signatures.push_back(std::move(signature));
    return write_authorization(options, options.out.empty() ? options.file : options.out, manifest, made);
}

Status check_authorization_file(const AuthorizeOptions& options) {
    REDOUBT_TRY(const auto manifest, manifest_with_owners(options));
    REDOUBT_TRY(const auto made, read_authorization(options.file));
    REDOUBT_TRY(const auto checked, trust::check_authorization(manifest, made, system_time_ms()));
    print_authorization(checked, made, options.json);
    return {};
}

} // namespace

void add_authorize(CLI::App& app, Context& context) {
    auto* group = app.add_subcommand("authorize", "sign, as an owner, what the manifest leaves to owners");
    group->require_subcommand(1);
    auto o = std::make_shared<AuthorizeOptions>();
    const auto finish = [&context, o](const Status& status) {
        context.exit_code = status ? kExitOk : report(status.error(), o->json);
    };
    const auto common = [&](CLI::App* command) {
        command->add_option("--manifest", o->manifest, "manifest file that names the owners")->required();
        command->add_flag("--json", o->json, "machine-readable output");
    };
    const auto signer = [&](CLI::App* command) {
        common(command);
        command->add_option("--owner", o->owner, "who signs: an owner's id in the manifest")->required();
        command
            ->add_option("--owner-key", o->owner_key,
                         "PEM file: that owner's private key, PKCS #8, not encrypted; -: standard input")
            ->required();
    };
    const auto maker = [&](CLI::App* command) {
        signer(command);
        command->add_option("--valid-hours", o->valid_hours, "how long it holds from now on")
            ->required()
            ->check(CLI::Range(std::uint32_t{1}, kMaxValidHours));
        command->add_option("--out", o->out, "file to write (default: standard output)");
    };

    auto* create = group->add_subcommand("vault-create", "allow one vault to be created");
    auto* which = create->add_option_group("vault", "which vault");
    which->add_option("--token", o->token, "the client's token that the vault is created with");
    which->add_option("--vault-id", o->vault_id, "vault- and 32 hex digits");
    which->require_option(1);
    create->add_option("--epoch", o->epoch, "what it is sealed under (default: the manifest's min_epoch)")
        ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{9007199254740991}));
    maker(create);
    create->footer(
        "Example: redoubt authorize vault-create --token first --manifest manifest.json --owner ada "
        "--owner-key ada.pem --valid-hours 24 --out vault.json");
    create->callback([=] { finish(authorize_vault_create(*o)); });

    auto* move = group->add_subcommand("vault-move", "allow keys to be moved from one vault to another");
    move->add_option("--from", o->from, "the vault that the keys are in")->required();
    move->add_option("--to", o->to, "the vault that they are moved to")->required();
    maker(move);
    move->footer("Example: redoubt authorize vault-move --from vault-… --to vault-… --manifest manifest.json "
                 "--owner ada --owner-key ada.pem --valid-hours 8 --out move.json");
    move->callback([=] { finish(authorize_vault_move(*o)); });

    auto* policy = group->add_subcommand("key-policy", "allow keys to be created with one policy");
    auto* document = policy->add_option_group("policy", "which policy");
    document->add_option("--policy", o->policy, "policy file");
    document->add_flag("--open", o->open, "the open policy, which keys without one have");
    document->require_option(1);
    maker(policy);
    policy->footer(
        "Example: redoubt authorize key-policy --policy policy.json --manifest manifest.json --owner "
        "ada --owner-key ada.pem --valid-hours 24 --out policy-authorization.json");
    policy->callback([=] { finish(authorize_key_policy(*o)); });

    auto* add = group->add_subcommand("add-signature", "a further owner signs the same document");
    add->add_option("authorization", o->file, "file of another owner's; the signature is added to it")
        ->required();
    signer(add);
    add->add_option("--out", o->out, "file to write instead");
    add->footer("Example: redoubt authorize add-signature vault.json --manifest manifest.json --owner bob "
                "--owner-key bob.pem");
    add->callback([=] { finish(add_signature(*o)); });

    auto* check = group->add_subcommand("check", "what it allows, who signed it, and until when it holds");
    check->add_option("authorization", o->file, "file to check")->required();
    common(check);
    check->footer("Exit code 0: an enclave with this manifest takes it now; 1: refused, and why.\n"
                  "Example: redoubt authorize check vault.json --manifest manifest.json");
    check->callback([=] { finish(check_authorization_file(*o)); });
}

} // namespace redoubt::cli
