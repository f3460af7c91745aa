// SPDX-License-Identifier: Apache-2.0
// redoubt manifest kms-policy: writes the policy that a KMS key must have, finds the weaknesses of any key
// policy (--lint), and tells who can do what under one (--who-can). Talks to nobody.
#include "cli/kms_policy.h"
#include "base/json.h"
#include "cli/client.h"
#include "doctor/key_policy_lint.h"
#include "nitro/nsm.h"
#include "trust/key_policy.h"

#include <CLI/CLI.hpp>

#include <cstdio>

namespace redoubt::cli {

namespace {

struct KmsPolicyOptions {
    std::string file, purpose = "vault", pcr0, pcr8, out, lint, who_can;
    std::vector<std::string> also, pairs, measurements, manifests, administrators, users, encryptors,
        auditors, pcr3, pcr4, instances;
    bool pin_user_role = false, pin_signer = false, closed = false, development = false, json = false;
    WhoCanOptions who;
};

Result<crypto::Hash48> kms_measurement(std::string_view text) {
    crypto::Hash48 out;
    if (!from_hex_exact(text, out))
        return fail(Code::Usage, "a measurement is 96 hexadecimal digits", std::string(text));
    return out;
}

Result<trust::Manifest> kms_manifest(const std::string& path) {
    REDOUBT_TRY(const std::string text, read_text_file(path));
    return trust::parse_manifest(text);
}

// "PCR0<mark>PCR16"; without a mark, the PCR16 of the manifest.
Result<trust::MeasurementPair> kms_pair(const std::string& text, char mark,
                                        const std::optional<trust::Manifest>& manifest) {
    trust::MeasurementPair out{};
    const auto at = text.find(mark);
    REDOUBT_TRY(out.pcr0, kms_measurement(std::string_view(text).substr(0, at)));
    if (at != text.npos) {
        REDOUBT_TRY(out.pcr16, kms_measurement(std::string_view(text).substr(at + 1)));
    } else if (manifest) {
        out.pcr16 = nitro::pcr_of(manifest->digest());
    } else {
        return fail(Code::Usage, "name the pair as PCR0,PCR16, or name the manifest file, too", text);
    }
    return out;
}

struct ImageMeasurements {
    crypto::Hash48 pcr0;
    std::optional<crypto::Hash48> pcr8;
};

// What `redoubt eif build` and describe print, and nitro-cli's build-enclave and describe-eif: the member
// Measurements, or its value alone.
Result<ImageMeasurements> kms_image(const std::string& path) {
    REDOUBT_TRY(const std::string text, read_text_file(path));
    json::Document document;
    const auto root = document.parse(text);
    if (!root || !root->is_object())
        return fail(Code::Usage, "the file of measurements is not a JSON object", path);
    const auto inner = root->get("Measurements");
    const auto& from = inner ? *inner : *root;
    const auto pcr0 = from.get("PCR0"), pcr8 = from.get("PCR8");
    if (!pcr0 || !pcr0->is_string())
        return fail(Code::Usage, "the file of measurements names no PCR0", path);
    ImageMeasurements out{};
    REDOUBT_TRY(out.pcr0, kms_measurement(pcr0->text()));
    if (pcr8 && pcr8->is_string()) {
        REDOUBT_TRY(const auto signer, kms_measurement(pcr8->text()));
        out.pcr8 = signer;
    }
    return out;
}

Status add_measured_images(const KmsPolicyOptions& o, const std::optional<trust::Manifest>& manifest,
                           std::vector<trust::MeasurementPair>& pairs) {
    if (!o.manifests.empty() && o.manifests.size() != o.measurements.size())
        return fail(Code::Usage, "with --manifest, name one for each --measurements, in the same order");
    for (std::size_t i = 0; i < o.measurements.size(); ++i) {
        REDOUBT_TRY(const auto image, kms_image(o.measurements[i]));
        trust::MeasurementPair pair{};
        pair.pcr0 = image.pcr0;
        if (!o.manifests.empty()) {
            REDOUBT_TRY(const auto own, kms_manifest(o.manifests[i]));
            pair.pcr16 = nitro::pcr_of(own.digest());
        } else if (manifest) {
            pair.pcr16 = nitro::pcr_of(manifest->digest());
        } else {
            return fail(Code::Usage, "an image is pinned together with a manifest: name its file");
        }
        if (o.pin_signer) {
            if (!image.pcr8)
                return fail(Code::Usage, "--pin-signer needs a signed image: this one has no PCR8",
                            o.measurements[i]);
            pair.pcr8 = image.pcr8;
        }
        pairs.push_back(pair);
    }
    return {};
}

// KMS lets no principal of another account change a key's policy ("Cross-account use: No").
Status check_administrators(const trust::Manifest& manifest, const trust::KeyPolicyInput& input) {
    const auto account = [](std::string_view arn) {
        for (int skipped = 0; skipped < 4; ++skipped)
            arn.remove_prefix(std::min(arn.find(':'), arn.size() - 1) + 1);
        return arn.substr(0, arn.find(':'));
    };
    bool found = false;
    for (const auto& key : manifest.kms_keys) {
        if (key.purpose != input.purpose)
            continue;
        found = true;
        for (const auto& administrator : input.administrators)
            if (account(key.arn) != account(administrator))
                return fail(Code::Usage,
                            "an administrator must be of the key's own account: KMS lets no other account "
                            "change a key's policy. Have people of another account assume a role in it",
                            administrator + " for " + key.arn);
    }
    if (!found)
        return fail(Code::Usage, "the manifest has no KMS key with this purpose");
    return {};
}

Status write_kms_policy(const KmsPolicyOptions& o) {
    trust::KeyPolicyInput input;
    input.purpose = o.purpose == "reference" ? trust::KmsPurpose::Reference : trust::KmsPurpose::Vault;
    input.administrators = o.administrators;
    input.users = o.users;
    input.encryptors = o.encryptors;
    input.auditors = o.auditors;
    std::optional<trust::Manifest> manifest;
    if (!o.file.empty()) {
        REDOUBT_TRY(manifest, kms_manifest(o.file));
    }
    const bool pins = !o.pcr0.empty() || !o.also.empty() || !o.pairs.empty() || !o.measurements.empty();
    if (o.closed == pins)
        return fail(Code::Usage,
                    o.closed ? FixedText("a closed key has no pairs: leave --closed or the measurements out")
                             : FixedText("name who may use the key by --pair, --measurements or --pcr0; "
                                         "--closed before there is a manifest"));
    if (!o.pcr0.empty()) {
        REDOUBT_TRY(auto pair, kms_pair(o.pcr0, ',', manifest));
        input.pairs.push_back(std::move(pair));
    }
    for (const auto& text : o.also) {
        if (text.find(':') == text.npos)
            return fail(Code::Usage, "--also takes PCR0:PCR16", text);
        REDOUBT_TRY(auto pair, kms_pair(text, ':', manifest));
        input.pairs.push_back(std::move(pair));
    }
    for (const auto& text : o.pairs) {
        REDOUBT_TRY(auto pair, kms_pair(text, ',', manifest));
        input.pairs.push_back(std::move(pair));
    }
    REDOUBT_CHECK(add_measured_images(o, manifest, input.pairs));
    if (!o.pcr8.empty()) {
        REDOUBT_TRY(const auto signer, kms_measurement(o.pcr8));
        for (auto& pair : input.pairs)
            if (!pair.pcr8)
                pair.pcr8 = signer;
    }
    for (const auto& [texts, values] : {std::pair(&o.pcr3, &input.pcr3), std::pair(&o.pcr4, &input.pcr4)})
        for (const auto& text : *texts) {
            REDOUBT_TRY(auto value, kms_measurement(text));
            values->push_back(value);
        }
    if (o.pin_user_role)
        for (const auto& arn : o.users)
            input.pcr3.push_back(nitro::pcr_of(as_bytes(arn)));
    for (const auto& id : o.instances) {
        if (!id.starts_with("i-") || id.size() < 10 || id.find_first_not_of("i-0123456789abcdef") != id.npos)
            return fail(Code::Usage, "--instance takes an instance's id: i-0123456789abcdef0", id);
        input.pcr4.push_back(nitro::pcr_of(as_bytes(id)));
    }
    REDOUBT_CHECK(trust::check_key_policy(input, o.development));
    if (manifest)
        REDOUBT_CHECK(check_administrators(*manifest, input));
    const std::string policy = trust::render_key_policy(input) + "\n";
    if (!o.out.empty())
        return write_file_atomically(o.out, policy, 0644);
    std::fputs(policy.c_str(), stdout);
    return {};
}

Result<std::string> read_policy_file(const std::string& path) {
    return read_text_file(path == "-" ? "/dev/stdin" : path);
}

// True: nothing found.
Result<bool> lint_kms_policy(const KmsPolicyOptions& o) {
    REDOUBT_TRY(const std::string text, read_policy_file(o.lint));
    doctor::LintOptions options;
    options.purpose = o.purpose == "reference" ? trust::KmsPurpose::Reference : trust::KmsPurpose::Vault;
    REDOUBT_TRY(const auto findings, doctor::lint_key_policy(text, options));
    if (o.json) {
        std::string out;
        json::Writer writer(out);
        writer.begin_object().member("clean", findings.empty()).key("findings").begin_array();
        for (const auto& finding : findings)
            writer.begin_object()
                .member("code", finding.code)
                .member("statement", finding.statement)
                .member("weakness", finding.sentence)
                .member("change", finding.change)
                .end_object();
        writer.end_array().end_object();
        std::printf("%s\n", out.c_str());
        return findings.empty();
    }
    for (const auto& finding : findings)
        std::printf("%s%s%s: %s\n    -> %s\n", finding.code.c_str(), finding.statement.empty() ? "" : "  ",
                    finding.statement.c_str(), finding.sentence.c_str(), finding.change.c_str());
    if (findings.empty())
        std::printf("nothing found: use is pinned, planting, copies and grants are denied, and only named "
                    "administrators change the policy\n");
    return findings.empty();
}

void add_writing_options(CLI::App& command, KmsPolicyOptions& o) {
    const auto list = [&](const char* name, std::vector<std::string>& into, const char* what) {
        command.add_option(name, into, what)->allow_extra_args(false);
    };
    command.add_option("manifest", o.file, "manifest file: its PCR16 is pinned where a pair names none");
    list("--pair", o.pairs,
         "PCR0,PCR16 that may use the key, or PCR0 with the manifest's PCR16; repeat it for each pair");
    list("--measurements", o.measurements,
         "JSON that redoubt eif build, describe or nitro-cli wrote: the image's PCR0; repeat it for each "
         "image");
    list("--manifest", o.manifests,
         "manifest of each --measurements, in order, where they differ from the first");
    command.add_option("--pcr0", o.pcr0, "the image's measurement; the same as --pair PCR0");
    list("--also", o.also, "PCR0:PCR16 of another image or manifest; the same as --pair");
    list("--administrator", o.administrators, "ARN that manages the key and its policy and never uses it");
    list("--user", o.users, "ARN of the hosts' role, whose credentials the enclaves use");
    list("--encryptor", o.encryptors,
         "purpose reference: ARN that may encrypt keys for the enclaves (a Lambda's role)");
    list("--auditor", o.auditors, "ARN that may read the key's policy, state and grants");
    command.add_flag("--pin-user-role", o.pin_user_role, "also pin PCR3: the instance's role is a --user");
    list("--pcr3", o.pcr3, "also pin PCR3, by value");
    list("--instance", o.instances, "also pin PCR4: the instance with this id");
    list("--pcr4", o.pcr4, "also pin PCR4, by value");
    command.add_flag("--pin-signer", o.pin_signer,
                     "also pin PCR8 of the --measurements: who signed the image");
    command.add_option("--pcr8", o.pcr8, "also pin PCR8, by value");
    command.add_flag("--closed", o.closed, "nobody may use the key yet: for a key that no manifest names");
    command.add_flag("--development", o.development,
                     "let a debug PCR0 of zeros, an account's root as user or as administrator of its own "
                     "roles, and an administrator who encrypts pass");
    command.add_option("--out", o.out, "file to write (default: standard output)");
}

void add_reading_options(CLI::App& command, KmsPolicyOptions& o) {
    command.add_option("--lint", o.lint,
                       "list what is weak in this key policy (JSON file, - for standard input)");
    command.add_option("--who-can", o.who_can, "tell who can do what under this key policy, as a table");
    command.add_option("--key-account", o.who.account,
                       "--who-can: account of the key (default: of the administrators)");
    command
        .add_option("--principal", o.who.principals,
                    "--who-can: ARNs to ask about, beside those that the policy names")
        ->allow_extra_args(false);
    command.add_option("--action", o.who.actions, "--who-can: only these, as kms:Decrypt")
        ->allow_extra_args(false);
    command.add_flag("--all", o.who.all, "--who-can: rows where nothing is allowed, too");
    command.add_flag("--json", o.json, "--lint, --who-can and errors: machine-readable output");
}

} // namespace

void add_kms_policy(CLI::App& manifest, Context& context) {
    auto* command = manifest.add_subcommand(
        "kms-policy", "write a KMS key's policy, find what is weak in one, tell who can do what under it");
    auto o = std::make_shared<KmsPolicyOptions>();
    command->add_option("--purpose", o->purpose, "what the key is for: vault or reference")
        ->check(CLI::IsMember({"vault", "reference"}));
    add_writing_options(*command, *o);
    add_reading_options(*command, *o);
    command->footer("Write one:    redoubt manifest kms-policy manifest.json --measurements image.json\n"
                    "                --administrator arn:aws:iam::111122223333:role/KeyAdmin --user "
                    "arn:aws:iam::444455556666:role/Signer\n"
                    "While an image is replaced:  … --measurements old.json --measurements new.json\n"
                    "A new key:    redoubt manifest kms-policy --closed --administrator ARN   (its ARN then "
                    "goes into the manifest)\n"
                    "Check one:    aws kms get-key-policy --key-id ARN --query Policy --output text | "
                    "redoubt manifest kms-policy --lint -\n"
                    "Who can what: redoubt manifest kms-policy --who-can policy.json\n"
                    "Exit code 1: --lint found something. Each statement, and what an administrator can "
                    "still do: docs/kms-policy.md");
    command->callback([&context, o] {
        if (!o->lint.empty()) {
            const auto clean = lint_kms_policy(*o);
            context.exit_code = !clean ? report(clean.error(), o->json) : *clean ? kExitOk : kExitFailed;
            return;
        }
        const auto status = o->who_can.empty() ? write_kms_policy(*o) : [&]() -> Status {
            REDOUBT_TRY(const std::string text, read_policy_file(o->who_can));
            return print_who_can(text, o->who, o->json);
        }();
        context.exit_code = status ? kExitOk : report(status.error(), o->json);
    });
}

} // namespace redoubt::cli
