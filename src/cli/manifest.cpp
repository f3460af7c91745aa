// SPDX-License-Identifier: Apache-2.0
// redoubt manifest init|check|digest|diff: the document that everything trusted hangs on, as its
// owners write, review and pin it. None of these talks to anybody.
#include "trust/manifest.h"
#include "base/json.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/kms_policy.h"
#include "nitro/nsm.h"
#include "trust/manifest_review.h"

#include <CLI/CLI.hpp>

#include <cstdio>

namespace redoubt::cli {

namespace {

struct ManifestOptions {
    std::string file, other, out;
    std::vector<std::string> kms_keys, reference_kms_keys, owners, principals, authorities, reference_keys;
    std::uint64_t min_epoch = 1;
    unsigned lease_seconds = 3600;
    bool require_policy = false, json = false;
};

Result<trust::Manifest> load(const std::string& path) {
    REDOUBT_TRY(const std::string text, read_text_file(path));
    return trust::parse_manifest(text);
}

std::string pcr16_hex(const trust::Manifest& manifest) {
    return to_hex(nitro::pcr_of(manifest.digest()));
}

// One member a line for people; the canonical form is what is measured.
Result<std::string> write_manifest(const ManifestOptions& options) {
    std::string text;
    json::Writer writer(text);
    writer.begin_object().member("redoubt_manifest", std::uint64_t{1}).key("kms_keys").begin_array();
    const auto keys = [&](const std::vector<std::string>& arns, std::string_view purpose) {
        for (const auto& arn : arns)
            writer.begin_object().member("arn", arn).member("purpose", purpose).end_object();
    };
    keys(options.kms_keys, "vault");
    keys(options.reference_kms_keys, "reference");
    writer.end_array();
    // ID:ALGORITHM:HEX; an id may hold colons.
    const auto people = [&](std::string_view member, const std::vector<std::string>& list) -> Status {
        writer.key(member).begin_array();
        for (const auto& person : list) {
            const std::size_t last = person.rfind(':');
            const std::size_t middle =
                last == std::string::npos || last == 0 ? last : person.rfind(':', last - 1);
            if (middle == std::string::npos || middle == last)
                return fail(Code::Usage,
                            "--owner and --principal take ID:ed25519:HEX or ID:ecdsa-p256-sha256:HEX",
                            person);
            writer.begin_object()
                .member("id", person.substr(0, middle))
                .member("algorithm", person.substr(middle + 1, last - middle - 1))
                .member("public_key", person.substr(last + 1))
                .end_object();
        }
        writer.end_array();
        return {};
    };
    REDOUBT_CHECK(people("owners", options.owners));
    if (!options.principals.empty())
        REDOUBT_CHECK(people("principals", options.principals));
    writer.member("min_epoch", options.min_epoch)
        .key("vault_commitments")
        .begin_object()
        .end_object()
        .key("reference_keys");
    if (options.reference_keys.empty()) {
        writer.string("none");
    } else if (options.reference_keys.size() == 1 && options.reference_keys[0] == "any") {
        writer.string("any");
    } else {
        writer.begin_array();
        for (const auto& entry : options.reference_keys) {
            const std::size_t equals = entry.find('=');
            if (equals == std::string::npos)
                return fail(Code::Usage, "--reference-key takes any, or ADDRESS=POLICY_DIGEST", entry);
            writer.begin_object()
                .member("address", entry.substr(0, equals))
                .member("policy_digest", entry.substr(equals + 1))
                .end_object();
        }
        writer.end_array();
    }
    writer.member("require_policy", options.require_policy)
        .key("limits")
        .begin_object()
        .member("vault_lease_seconds", std::uint64_t{options.lease_seconds})
        .end_object()
        .key("authorities")
        .begin_array();
    for (const auto& authority : options.authorities)
        writer.string(authority);
    writer.end_array().end_object();
    REDOUBT_TRY(const auto parsed, trust::parse_manifest(text)); // what we write, an enclave takes
    (void)parsed;
    text.push_back('\n');
    return text;
}

Status init(const ManifestOptions& options) {
    REDOUBT_TRY(const std::string text, write_manifest(options));
    if (options.out.empty()) {
        std::fputs(text.c_str(), stdout);
        return {};
    }
    return write_file_atomically(options.out, text, 0644);
}

Status check(const ManifestOptions& options) {
    REDOUBT_TRY(const auto manifest, load(options.file));
    const auto warnings = trust::manifest_warnings(manifest);
    if (options.json) {
        std::string out;
        json::Writer writer(out);
        writer.begin_object()
            .member("valid", true)
            .member("digest", to_hex(manifest.digest()))
            .member("pcr16", pcr16_hex(manifest))
            .key("warnings")
            .begin_array();
        for (const auto& warning : warnings)
            writer.string(warning);
        writer.end_array().end_object();
        std::printf("%s\n", out.c_str());
        return {};
    }
    std::printf("valid\ndigest  %s\nPCR16   %s\n", to_hex(manifest.digest()).c_str(),
                pcr16_hex(manifest).c_str());
    for (const auto& warning : warnings)
        std::printf("warning: %s\n", warning.c_str());
    return {};
}

Status digest(const ManifestOptions& options) {
    REDOUBT_TRY(const auto manifest, load(options.file));
    if (options.json)
        std::printf("{\"digest\":\"%s\",\"pcr16\":\"%s\"}\n", to_hex(manifest.digest()).c_str(),
                    pcr16_hex(manifest).c_str());
    else
        std::printf("digest  %s\nPCR16   %s\n", to_hex(manifest.digest()).c_str(),
                    pcr16_hex(manifest).c_str());
    return {};
}

std::string_view kind_name(trust::ManifestChange::Kind kind) {
    using Kind = trust::ManifestChange::Kind;
    return kind == Kind::Added ? "added" : kind == Kind::Removed ? "removed" : "changed";
}

// True: the same.
Result<bool> diff(const ManifestOptions& options) {
    REDOUBT_TRY(const auto before, load(options.file));
    REDOUBT_TRY(const auto after, load(options.other));
    const auto changes = trust::manifest_changes(before, after);
    if (options.json) {
        std::string out;
        json::Writer writer(out);
        writer.begin_object().member("same", changes.empty()).key("changes").begin_array();
        for (const auto& change : changes)
            writer.begin_object()
                .member("kind", kind_name(change.kind))
                .member("path", change.path)
                .member("before", change.before)
                .member("after", change.after)
                .end_object();
        writer.end_array()
            .member("pcr16_before", pcr16_hex(before))
            .member("pcr16_after", pcr16_hex(after))
            .end_object();
        std::printf("%s\n", out.c_str());
        return changes.empty();
    }
    for (const auto& change : changes) {
        if (!change.before.empty())
            std::printf("- %s: %s\n", change.path.c_str(), change.before.c_str());
        if (!change.after.empty())
            std::printf("+ %s: %s\n", change.path.c_str(), change.after.c_str());
    }
    if (changes.empty())
        std::printf("the same: PCR16 %s\n", pcr16_hex(after).c_str());
    else
        std::printf("PCR16 %s\n   -> %s\n", pcr16_hex(before).c_str(), pcr16_hex(after).c_str());
    return changes.empty();
}

} // namespace

void add_manifest(CLI::App& app, Context& context) {
    auto* manifest = app.add_subcommand("manifest", "write, check, compare and pin a manifest");
    manifest->require_subcommand(1);
    auto o = std::make_shared<ManifestOptions>();
    const auto finish = [&context, o](const Status& status) {
        context.exit_code = status ? kExitOk : report(status.error(), o->json);
    };
    const auto file = [&](CLI::App* command) {
        command->add_option("manifest", o->file, "manifest file")->required();
        command->add_flag("--json", o->json, "machine-readable output");
    };

    auto* init_command = manifest->add_subcommand("init", "write a new manifest");
    init_command->add_option("--kms-key", o->kms_keys, "KMS key ARN for vaults; one for each region")
        ->required()
        ->allow_extra_args(false);
    init_command->add_option("--reference-kms-key", o->reference_kms_keys, "KMS key ARN for reference keys")
        ->allow_extra_args(false);
    init_command->add_option("--principal", o->principals,
                             "who may make, import and adopt keys, by signed requests: ID:ed25519:HEX or "
                             "ID:ecdsa-p256-sha256:HEX; with none, whoever reaches the enclave");
    init_command->add_option("--owner", o->owners, "ID:ed25519:HEX or ID:ecdsa-p256-sha256:HEX")
        ->allow_extra_args(false);
    init_command->add_option("--reference-key", o->reference_keys, "any, or ADDRESS=POLICY_DIGEST")
        ->allow_extra_args(false);
    init_command->add_option("--authority", o->authorities, "host[:port] that clients address")
        ->allow_extra_args(false);
    init_command->add_option("--min-epoch", o->min_epoch, "records below it are refused");
    init_command->add_option("--vault-lease", o->lease_seconds, "seconds")->check(CLI::Range(10u, 86'400u));
    init_command->add_flag("--require-policy", o->require_policy, "refuse keys without a policy");
    init_command->add_option("--out", o->out, "file to write (default: standard output)");
    init_command->footer("Example: redoubt manifest init --kms-key arn:aws:kms:eu-west-1:111122223333:key/… "
                         "--require-policy --out manifest.json");
    init_command->callback([=] { finish(init(*o)); });

    auto* check_command = manifest->add_subcommand("check", "is it one that an enclave takes? What is weak?");
    file(check_command);
    check_command->footer("Exit code 0: valid, with warnings or without; 1: refused, and why.");
    check_command->callback([=] { finish(check(*o)); });

    auto* digest_command = manifest->add_subcommand("digest", "its SHA-384, and PCR16 of an enclave with it");
    file(digest_command);
    digest_command->callback([=] { finish(digest(*o)); });

    auto* diff_command = manifest->add_subcommand("diff", "what a change changes, member by member");
    file(diff_command);
    diff_command->add_option("other", o->other, "the new manifest")->required();
    diff_command->footer("Exit code 0: the same for an enclave; 1: they differ.");
    diff_command->callback([&context, o] {
        const auto same = diff(*o);
        context.exit_code = !same ? report(same.error(), o->json) : *same ? kExitOk : kExitFailed;
    });

    add_kms_policy(*manifest, context);
}

} // namespace redoubt::cli
