// SPDX-License-Identifier: Apache-2.0
// redoubt policy init|check|test|diff|show|sign|apply: a policy from its first draft to the key that it
// decides for. Only show and apply talk to a gateway.
#include "cli/attested.h"
#include "cli/commands.h"
#include "cli/policy_rehearsal.h"
#include "cli/policy_review.h"
#include "cli/policy_start.h"
#include "crypto/owner_signature.h"
#include "crypto/random.h"

#include <cstdio>

namespace redoubt::cli {

namespace {

constexpr std::size_t kMaxPolicyOwnerKey = 16 * 1024;    // bytes of a PEM file
constexpr std::uint32_t kMaxPolicyValidHours = 24 * 366; // an authorization can be shown again so long

struct PolicyOptions {
    Connection connection;
    PolicyStart start;
    std::string file, other, out, key_id, manifest, owner, owner_key, authorization;
    std::uint32_t valid_hours = 0;
    bool json = false, strict = false;
};

Result<policy::Document> load_policy(const std::string& path) {
    REDOUBT_TRY(const std::string text, read_text_file(path));
    auto document = policy::parse_document(text);
    if (!document)
        return std::unexpected(
            Error{document.error().code, document.error().text,
                  path + (document.error().context.empty() ? "" : ": " + document.error().context)});
    return document;
}

Status write_out(const PolicyOptions& options, const std::string& text) {
    if (!options.out.empty())
        return write_file_atomically(options.out, text, 0644);
    std::fputs(text.c_str(), stdout);
    return {};
}

Status init_policy(const PolicyOptions& options) {
    REDOUBT_TRY(const std::string text, start_policy(options.start));
    REDOUBT_TRY(const auto document, policy::parse_document(text));
    REDOUBT_CHECK(write_out(options, text));
    std::fprintf(stderr, "redoubt: a policy to start from; it says:\n");
    for (const std::string& line : policy_rule_lines(document))
        std::fprintf(stderr, "  %s\n", line.c_str());
    std::fprintf(stderr,
                 "  everything else is denied. docs/policy.md has the language; `redoubt policy check` "
                 "and `redoubt policy test` try it out.\n");
    return {};
}

std::string people_text(const std::vector<policy::Principal>& people) {
    std::string out;
    for (const auto& person : people)
        ((((out += out.empty() ? "" : ", ") += person.id) += " (") +=
         policy::algorithm_name(person.key.algorithm)) += ")";
    return out.empty() ? "nobody" : out;
}

std::string owners_line(const policy::Document& document) {
    if (document.owners.empty())
        return "nobody: the policy stays as it is";
    std::string out =
        std::to_string(document.threshold) + " of " + people_text(document.owners) + " may change the policy";
    if (document.time_lock_seconds != 0)
        out += ", " + std::to_string(document.time_lock_seconds) + " s before it holds";
    return out;
}

void print_check(const policy::Document& document, const std::vector<PolicyWarning>& warnings) {
    std::printf("valid\ndigest      %s\nversion     %llu\n", to_hex(document.digest).c_str(),
                static_cast<unsigned long long>(document.version));
    std::printf("until       %s\n",
                document.not_after == 0 ? "no end" : to_iso8601(document.not_after).c_str());
    std::printf("principals  %s\nowners      %s\n", people_text(document.principals).c_str(),
                owners_line(document).c_str());
    for (const std::string& line : policy_rule_lines(document))
        std::printf("  %s\n", line.c_str());
    for (const PolicyWarning& warning : warnings)
        std::printf("warning: %s%s [%s]\n", warning.rule.empty() ? "" : (warning.rule + ": ").c_str(),
                    warning.text.c_str(), warning.code.c_str());
}

void print_check_json(const policy::Document& document, const std::vector<PolicyWarning>& warnings) {
    std::string out;
    json::Writer writer(out);
    writer.begin_object()
        .member("valid", true)
        .member("digest", to_hex(document.digest))
        .member("version", document.version)
        .member("open", document.open);
    if (document.not_after != 0)
        writer.member("not_after", to_iso8601(document.not_after));
    const auto people = [&](std::string_view name, const std::vector<policy::Principal>& list) {
        writer.key(name).begin_array();
        for (const auto& person : list)
            writer.string(person.id);
        writer.end_array();
    };
    people("principals", document.principals);
    people("owners", document.owners);
    writer.member("threshold", std::uint64_t{document.threshold})
        .member("time_lock_seconds", std::uint64_t{document.time_lock_seconds})
        .key("rules")
        .begin_array();
    for (const std::string& line : policy_rule_lines(document))
        writer.string(line);
    writer.end_array().key("warnings").begin_array();
    for (const PolicyWarning& warning : warnings)
        writer.begin_object()
            .member("code", warning.code)
            .member("rule", warning.rule)
            .member("text", warning.text)
            .end_object();
    writer.end_array().end_object();
    std::printf("%s\n", out.c_str());
}

// True: nothing to complain of.
Result<bool> check_policy(const PolicyOptions& options) {
    REDOUBT_TRY(const auto document, load_policy(options.file));
    const auto warnings = policy_warnings(document);
    if (options.json)
        print_check_json(document, warnings);
    else
        print_check(document, warnings);
    return warnings.empty() || !options.strict;
}

void write_rehearsed(json::Writer& writer, const RehearsedRequest& request) {
    writer.begin_object()
        .member("name", request.name)
        .member("operation", request.operation)
        .member("as", request.as)
        .member("at", to_iso8601(request.at))
        .member("decision", request.allowed ? "allow" : "deny")
        .member("rule", request.decided_by)
        .key("because")
        .begin_array();
    for (const std::string& line : request.because)
        writer.string(line);
    writer.end_array()
        .member("expected", request.expected_allow ? "allow" : "deny")
        .member("expected_rule", request.expected_rule)
        .member("as_expected", request.as_expected())
        .end_object();
}

void print_rehearsed(const RehearsedRequest& request) {
    std::printf("%s  %s: %s", request.as_expected() ? "ok  " : "FAIL", request.name.c_str(),
                request.allowed ? "allowed" : "denied");
    if (!request.decided_by.empty())
        std::printf(" by rule %s", request.decided_by.c_str());
    if (!request.as_expected())
        std::printf("; expected: %s%s", request.expected_allow ? "allowed" : "denied",
                    request.expected_rule.empty() ? "" : (" by rule " + request.expected_rule).c_str());
    std::printf("\n");
    for (const std::string& line : request.because)
        std::printf("        %s\n", line.c_str());
}

// True: every request was decided as the file expects.
Result<bool> test_policy(const PolicyOptions& options) {
    REDOUBT_TRY(const auto document, load_policy(options.file));
    REDOUBT_TRY(const std::string text, read_text_file(options.other));
    json::Document file;
    REDOUBT_TRY(const auto root, file.parse(text, {.bytes = 16 << 20, .depth = 64, .values = 1 << 20}));
    REDOUBT_TRY(const auto requests, rehearse(document, root));
    const auto failed = static_cast<std::size_t>(std::count_if(
        requests.begin(), requests.end(), [](const auto& request) { return !request.as_expected(); }));
    if (options.json) {
        std::string out;
        json::Writer writer(out);
        writer.begin_object().member("policy_digest", to_hex(document.digest)).key("requests").begin_array();
        for (const auto& request : requests)
            write_rehearsed(writer, request);
        writer.end_array()
            .member("passed", std::uint64_t{requests.size() - failed})
            .member("failed", std::uint64_t{failed})
            .end_object();
        std::printf("%s\n", out.c_str());
        return failed == 0;
    }
    for (const auto& request : requests)
        print_rehearsed(request);
    std::printf("%zu of %zu requests decided as expected\n", requests.size() - failed, requests.size());
    return failed == 0;
}

std::string_view change_name(PolicyChange::Kind kind) noexcept {
    switch (kind) {
    case PolicyChange::Kind::Added:
        return "added";
    case PolicyChange::Kind::Removed:
        return "removed";
    case PolicyChange::Kind::Reordered:
        return "reordered";
    case PolicyChange::Kind::Changed:
        break;
    }
    return "changed";
}

// What stands in the way of the change, if anything does.
std::string change_obstacle(const policy::Document& before, const policy::Document& after) {
    if (before.digest == after.digest)
        return {};
    if (before.owners.empty())
        return "the old policy names no owners: a key that has it keeps it";
    if (after.version <= before.version)
        return "the new version must be above " + std::to_string(before.version) + ": enclaves refuse it";
    return {};
}

// True: the same.
Result<bool> diff_policies(const PolicyOptions& options) {
    REDOUBT_TRY(const auto before, load_policy(options.file));
    REDOUBT_TRY(const auto after, load_policy(options.other));
    const auto changes = policy_changes(before, after);
    const std::string obstacle = change_obstacle(before, after);
    if (options.json) {
        std::string out;
        json::Writer writer(out);
        writer.begin_object()
            .member("same", changes.empty())
            .member("from", to_hex(before.digest))
            .member("to", to_hex(after.digest))
            .key("changes")
            .begin_array();
        for (const auto& change : changes)
            writer.begin_object()
                .member("kind", change_name(change.kind))
                .member("path", change.path)
                .member("before", change.before)
                .member("after", change.after)
                .end_object();
        writer.end_array()
            .member("threshold", std::uint64_t{before.threshold})
            .member("time_lock_seconds", std::uint64_t{before.time_lock_seconds})
            .member("obstacle", obstacle)
            .end_object();
        std::printf("%s\n", out.c_str());
        return changes.empty();
    }
    for (const auto& change : changes) {
        if (change.kind == PolicyChange::Kind::Reordered)
            std::printf("~ %s: another order\n", change.path.c_str());
        if (!change.before.empty())
            std::printf("- %s: %s\n", change.path.c_str(), change.before.c_str());
        if (!change.after.empty())
            std::printf("+ %s: %s\n", change.path.c_str(), change.after.c_str());
    }
    if (changes.empty())
        std::printf("the same: %s\n", to_hex(after.digest).c_str());
    else if (!obstacle.empty())
        std::printf("%s\n", obstacle.c_str());
    else
        std::printf("%s\n", owners_line(before).c_str());
    return changes.empty();
}

// --- a change of a key's policy: the owners' signatures, and what is done with them ---

std::vector<trust::ManifestOwner> policy_owners(const policy::Document& document) {
    std::vector<trust::ManifestOwner> out;
    for (const auto& owner : document.owners)
        out.push_back({owner.id,
                       owner.key.algorithm == policy::KeyAlgorithm::Ed25519
                           ? trust::OwnerAlgorithm::Ed25519
                           : trust::OwnerAlgorithm::EcdsaP256,
                       owner.key.bytes});
    return out;
}

Result<trust::OwnerSignature> policy_signature(const PolicyOptions& options, const policy::Document& before,
                                               const std::string& document) {
    const auto owner = std::find_if(before.owners.begin(), before.owners.end(),
                                    [&](const auto& known) { return known.id == options.owner; });
    if (owner == before.owners.end())
        return fail(Code::Usage, "the old policy names no such owner: --owner takes one of its owners' ids",
                    options.owner);
    Secret buffer(kMaxPolicyOwnerKey + 1);
    const auto bytes = buffer.mutable_view(SecretAccess("read an owner's private key"));
    REDOUBT_TRY(const std::size_t size, read_whole(options.owner_key, bytes));
    const std::string message = std::string(trust::kAuthorizationContext) + document;
    REDOUBT_TRY(const auto made,
                crypto::sign_with_pem(Secret::copy_of(ByteView(bytes.data(), size)), as_bytes(message)));
    if (made.ed25519 != (owner->key.algorithm == policy::KeyAlgorithm::Ed25519) ||
        made.public_key != owner->key.bytes)
        return fail(Code::KeyInvalid,
                    "the private key is not this owner's: the old policy has another public key for the id",
                    "the file's public key is " + to_hex(made.public_key));
    return trust::OwnerSignature{owner->id, made.signature};
}

Result<trust::SignedAuthorization> signed_so_far(const PolicyOptions& options,
                                                 const trust::Authorization& what) {
    trust::SignedAuthorization made{trust::encode_authorization(what), {}};
    if (options.authorization.empty())
        return made;
    REDOUBT_TRY(const std::string text, read_text_file(options.authorization));
    json::Document document;
    REDOUBT_TRY(const auto root, document.parse(text));
    REDOUBT_TRY(made, trust::parse_signed_authorization(root));
    // Nobody signs another change than the one that the options name.
    REDOUBT_TRY(auto given, trust::parse_authorization(made.document));
    given.not_after = what.not_after;
    if (given != what)
        return fail(Code::Conflict, "the authorization is for another key, manifest or change of policy than "
                                    "the one that you name");
    return made;
}

Status sign_change(const PolicyOptions& options) {
    REDOUBT_TRY(const auto before, load_policy(options.other));
    REDOUBT_TRY(const auto after, load_policy(options.file));
    REDOUBT_TRY(const std::string manifest_text, read_text_file(options.manifest));
    REDOUBT_TRY(const auto manifest, trust::parse_manifest(manifest_text));
    if (const std::string obstacle = change_obstacle(before, after); !obstacle.empty())
        return fail(Code::Usage, "no enclave takes this change of policy", obstacle);
    if (before.digest == after.digest)
        return fail(Code::Usage, "the two policies are the same: there is nothing to sign");
    if (options.authorization.empty() && options.valid_hours == 0)
        return fail(Code::Usage, "--valid-hours says how long the authorization holds");
    trust::Authorization what;
    what.operation = "policy-change";
    what.manifest = manifest.digest();
    what.not_after = system_time_ms() + std::int64_t{options.valid_hours} * 3'600'000;
    what.key_id = options.key_id;
    what.from_policy = to_hex(before.digest);
    what.to_policy = to_hex(after.digest);
    REDOUBT_TRY(auto made, signed_so_far(options, what));
    for (const auto& signature : made.signatures)
        if (signature.owner == options.owner)
            return fail(Code::Conflict, "this owner has signed the authorization already", options.owner);
    REDOUBT_TRY(auto signature, policy_signature(options, before, made.document));
    made.signatures.push_back(std::move(signature));
    REDOUBT_TRY(const auto checked,
                trust::check_authorization(manifest, made, system_time_ms(), policy_owners(before), 1));
    const std::string text = trust::encode_signed_authorization(made) + "\n";
    PolicyOptions target = options;
    if (target.out.empty())
        target.out = options.authorization;
    REDOUBT_CHECK(write_out(target, text));
    const std::size_t missing =
        before.threshold > made.signatures.size() ? before.threshold - made.signatures.size() : 0;
    std::fprintf(stderr,
                 "redoubt: changes the policy of %s from version %llu to %llu; signed by %zu of %u%s; "
                 "holds until %s\n",
                 what.key_id.c_str(), static_cast<unsigned long long>(before.version),
                 static_cast<unsigned long long>(after.version), made.signatures.size(), before.threshold,
                 missing == 0 ? "" : ", more signatures are needed", to_iso8601(checked.not_after).c_str());
    return {};
}

// What is printed comes from the attested statement alone.
Status apply_change(const PolicyOptions& options) {
    REDOUBT_TRY(const auto after, load_policy(options.file));
    REDOUBT_TRY(const std::string authorization, read_authorization(options.authorization));
    REDOUBT_TRY(auto gateway, Gateway::connect(options.connection));
    const auto nonce = crypto::SystemRandom().array<32>();
    std::string body;
    json::Writer(body)
        .begin_object()
        .key("authorization")
        .raw(authorization)
        .member("nonce", to_hex(nonce))
        .key("policy")
        .raw(after.canonical)
        .end_object();
    REDOUBT_TRY(const auto answer, gateway.post("/v1/keys/" + options.key_id + "/policy", body));
    REDOUBT_TRY(const auto statement, verified(options.connection, answer.body, nonce));
    const std::string wanted = to_hex(after.digest);
    if (statement.key_id != options.key_id ||
        (statement.policy_digest != wanted && statement.pending_policy != wanted))
        return fail(Code::AttestationUntrusted,
                    "the enclave attests another key, or another policy than the one given; ask again with "
                    "key show");
    const bool waits = statement.policy_digest != wanted;
    const std::string from = waits ? to_iso8601(static_cast<UnixMs>(statement.pending_from)) : std::string();
    if (options.json) {
        std::string out;
        json::Writer writer(out);
        writer.begin_object()
            .member("key_id", statement.key_id)
            .member("policy_digest", statement.policy_digest)
            .member("revision", statement.revision);
        if (waits)
            writer.member("pending_policy", statement.pending_policy).member("pending_from", from);
        writer.member("attested", true).member("pinned", is_pinned(options.connection)).end_object();
        std::printf("%s\n", out.c_str());
        return {};
    }
    std::printf("key         %s\npolicy      %s\n", statement.key_id.c_str(),
                statement.policy_digest.c_str());
    if (waits)
        std::printf("from        %s on: %s\n", from.c_str(), statement.pending_policy.c_str());
    std::printf("attested    yes%s\n", is_pinned(options.connection) ? "" : " (PCRs are NOT pinned)");
    return {};
}

// The document that the gateway gives is the one whose digest the enclave attests, or none is shown.
Status show_policy(const PolicyOptions& options) {
    REDOUBT_TRY(auto gateway, Gateway::connect(options.connection));
    const auto nonce = crypto::SystemRandom().array<32>();
    const std::string path = "/v1/keys/" + options.key_id;
    REDOUBT_TRY(const auto key, gateway.get(path + "?nonce=" + to_hex(nonce)));
    REDOUBT_TRY(const auto statement, verified(options.connection, key.body, nonce));
    REDOUBT_TRY(const auto answer, gateway.get(path + "/policy"));
    json::Document document;
    REDOUBT_TRY(const auto root, document.parse(answer.body));
    const auto given = root.get("policy");
    if (!given)
        return fail(Code::AttestationUntrusted, "the answer has no policy");
    REDOUBT_TRY(const auto policy, policy::parse_document(given->raw()));
    if (statement.key_id != options.key_id || to_hex(policy.digest) != statement.policy_digest)
        return fail(Code::AttestationUntrusted,
                    "the gateway shows another policy than the one whose digest the enclave attests");
    if (options.json)
        std::printf("%s\n", policy.canonical.c_str());
    else
        std::printf("%s", pretty_json(*given).c_str());
    if (!statement.pending_policy.empty())
        std::fprintf(stderr, "redoubt: from %s on another policy decides: %s\n",
                     to_iso8601(static_cast<UnixMs>(statement.pending_from)).c_str(),
                     statement.pending_policy.c_str());
    return {};
}

} // namespace

void add_policies(CLI::App& app, Context& context) {
    auto* group = app.add_subcommand("policy", "write, try out and change the policies of keys");
    group->require_subcommand(1);
    auto o = std::make_shared<PolicyOptions>();
    const auto finish = [&context, o](const Status& status) {
        context.exit_code = status ? kExitOk : report(status.error(), o->json);
    };
    const auto judge = [&context, o](const Result<bool>& good) {
        context.exit_code = !good ? report(good.error(), o->json) : *good ? kExitOk : kExitFailed;
    };
    const auto with_json = [&](CLI::App* command) {
        command->add_flag("--json", o->json, "machine-readable output");
    };

    auto* init = group->add_subcommand("init", "print a policy to start from");
    o->start.kind = "payments";
    o->start.most = "1000000000000000000";
    o->start.most_a_day = "10000000000000000000";
    o->start.most_fee = "100000000000";
    init->add_option("--template", o->start.kind,
                     "payments (of ether), payouts (of an ERC-20 token) or batcher (a rollup's)")
        ->check(CLI::IsMember({"payments", "payouts", "batcher"}));
    init->add_option("--principal", o->start.principals,
                     "ID:FILE, who may ask: a PEM file with an Ed25519 or P-256 key, either half; repeatable")
        ->required();
    init->add_option("--owner", o->start.owners, "ID:FILE, who may change the policy; repeatable");
    init->add_option("--threshold", o->start.threshold, "how many owners must sign (default: 1)");
    init->add_option("--chain-id", o->start.chain_id, "default: 1, Ethereum");
    init->add_option("--to", o->start.to, "who may be paid, or the batcher's inbox; repeatable")->required();
    init->add_option("--token", o->start.token, "payouts: the token's contract");
    init->add_option("--most", o->start.most,
                     "the most of one transaction, in wei or the token's smallest unit");
    init->add_option("--most-a-day", o->start.most_a_day, "the most of any 24 hours");
    init->add_option("--most-fee", o->start.most_fee, "the most wei for a unit of gas");
    init->add_option("--out", o->out, "file to write (default: standard output)");
    init->footer("Example: redoubt policy init --principal payroll:payroll.pem --owner ada:ada.pem --to 0x… "
                 "--out payments.policy.json");
    init->callback([=] { finish(init_policy(*o)); });

    auto* check =
        group->add_subcommand("check", "is it a policy; its digest, what it says, what it leaves open");
    check->add_option("policy", o->file, "policy file")->required();
    check->add_flag("--strict", o->strict, "exit code 1 if there are warnings");
    with_json(check);
    check->footer("Example: redoubt policy check payments.policy.json");
    check->callback([=] { judge(check_policy(*o)); });

    auto* test = group->add_subcommand("test", "what a policy says to requests, without an enclave or a key");
    test->add_option("policy", o->file, "policy file")->required();
    test->add_option("requests", o->other, "file of requests; examples/policies/README.md describes it")
        ->required();
    with_json(test);
    test->footer("Exit code 0: each was decided as the file expects; 1: one was not.\n"
                 "Example: redoubt policy test payments.policy.json payments.requests.json");
    test->callback([=] { judge(test_policy(*o)); });

    auto* diff = group->add_subcommand("diff", "what a change of policy changes");
    diff->add_option("old", o->file, "policy file")->required();
    diff->add_option("new", o->other, "policy file")->required();
    with_json(diff);
    diff->footer("Exit code 0: the same; 1: different.\nExample: redoubt policy diff old.json new.json");
    diff->callback([=] { judge(diff_policies(*o)); });

    auto* show = group->add_subcommand("show", "a key's policy; checked against the digest that is attested");
    show->add_option("key-id", o->key_id, "the key")->required();
    add_connection(*show, o->connection, o->json);
    show->callback([=] {
        const auto status = complete(o->connection);
        finish(status ? show_policy(*o) : status);
    });

    auto* sign = group->add_subcommand("sign", "allow, as an owner, a key to have a new policy");
    sign->add_option("policy", o->file, "the new policy")->required();
    sign->add_option("--from", o->other, "the policy that the key has now, which names the owners")
        ->required();
    sign->add_option("--key-id", o->key_id, "the key")->required();
    sign->add_option("--manifest", o->manifest, "manifest file of the enclaves that have the key")
        ->required();
    sign->add_option("--owner", o->owner, "who signs: an owner's id in the old policy")->required();
    sign->add_option("--owner-key", o->owner_key,
                     "PEM file: that owner's private key, PKCS #8, not encrypted; -: standard input")
        ->required();
    sign->add_option("--valid-hours", o->valid_hours, "how long it holds from now on")
        ->check(CLI::Range(std::uint32_t{1}, kMaxPolicyValidHours));
    sign->add_option("--add-to", o->authorization,
                     "file of another owner's authorization; the signature is added to it");
    sign->add_option("--out", o->out, "file to write (default: standard output, or the file of --add-to)");
    sign->footer(
        "Example: redoubt policy sign new.json --from old.json --key-id key-… --manifest manifest.json "
        "--owner ada --owner-key ada.pem --valid-hours 24 --out change.json");
    sign->callback([=] { finish(sign_change(*o)); });

    auto* apply = group->add_subcommand("apply", "give a key its new policy");
    apply->add_option("key-id", o->key_id, "the key")->required();
    apply->add_option("policy", o->file, "the new policy")->required();
    apply->add_option("--authorization", o->authorization, "the file that `redoubt policy sign` wrote")
        ->required();
    add_connection(*apply, o->connection, o->json);
    apply->footer("Example: redoubt policy apply key-… new.json --authorization change.json");
    apply->callback([=] {
        const auto status = complete(o->connection);
        finish(status ? apply_change(*o) : status);
    });
}

} // namespace redoubt::cli
