// SPDX-License-Identifier: Apache-2.0
// redoubt attestation verify: what an outsider, an auditor say, checks of an enclave, without trusting the
// host that hands the document over.
#include "base/json.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/tls_attestation.h"
#include "crypto/random.h"
#include "nitro/nsm.h"
#include "trust/attestation_report.h"
#include "trust/manifest.h"

#include <CLI/CLI.hpp>

#include <charconv>
#include <cstdio>
#include <iostream>
#include <iterator>

namespace redoubt::cli {

namespace {

constexpr int kTlsTimeoutMs = 10'000;
constexpr std::size_t kMaxDocumentText = 64 * 1024; // base64 of the longest document, and white space

struct VerifyOptions {
    Connection connection;
    std::string source, root_file, manifest_file, nonce, purpose;
    std::string tls; // HOST:PORT of connections that end inside an enclave
    std::vector<std::string> pcrs;
    std::int64_t at = -1, max_age_seconds = -1;
    bool json = false, allow_debug = false, allow_unpinned = false, allow_any_nonce = false,
         allow_other_root = false;
};

// "16=HEX"
Status add_pin(const std::string& text, std::map<std::uint16_t, Bytes>& pins) {
    const std::size_t equals = text.find('=');
    std::uint16_t index = 0;
    const char* const end = text.data() + (equals == std::string::npos ? 0 : equals);
    const auto [stop, error] = std::from_chars(text.data(), end, index);
    const auto value = equals == std::string::npos ? std::nullopt : from_hex(text.substr(equals + 1));
    if (error != std::errc() || stop != end || index >= 32 || !value || value->size() != 48)
        return fail(Code::Usage, "a pin is N=HEX: an index from 0 to 31 and 96 hexadecimal digits", text);
    const auto [found, inserted] = pins.emplace(index, *value);
    if (!inserted && found->second != *value)
        return fail(Code::Usage, "two different values are given for one PCR", std::to_string(index));
    return {};
}

Result<trust::AttestationDemands> demands_of(const VerifyOptions& options) {
    trust::AttestationDemands out;
    out.at = options.at >= 0 ? options.at : system_time_ms();
    out.allow_debug = options.allow_debug;
    out.allow_unpinned = options.allow_unpinned;
    out.allow_any_nonce = options.allow_any_nonce;
    out.allow_other_root = options.allow_other_root;
    if (options.max_age_seconds >= 0)
        out.max_age_ms = options.max_age_seconds * 1000;
    if (!options.purpose.empty())
        out.purpose = options.purpose;
    for (const auto& pin : options.pcrs)
        REDOUBT_CHECK(add_pin(pin, out.pcrs));
    if (!options.connection.pcr0.empty() && !out.pcrs.contains(0))
        REDOUBT_CHECK(add_pin("0=" + options.connection.pcr0, out.pcrs));
    if (!options.manifest_file.empty()) {
        REDOUBT_TRY(const std::string text, read_text_file(options.manifest_file));
        REDOUBT_TRY(const auto manifest, trust::parse_manifest(text));
        REDOUBT_CHECK(add_pin("16=" + to_hex(nitro::pcr_of(manifest.digest())), out.pcrs));
    } else if (!options.connection.pcr16.empty() && !out.pcrs.contains(16)) {
        REDOUBT_CHECK(add_pin("16=" + options.connection.pcr16, out.pcrs));
    }
    const std::string root =
        options.root_file.empty() ? options.connection.attestation_root : options.root_file;
    if (!root.empty()) {
        REDOUBT_TRY(const Bytes der, read_root(root));
        out.root_sha256 = crypto::sha256(der);
    }
    if (!options.nonce.empty()) {
        auto nonce = from_hex(options.nonce);
        if (!nonce)
            return fail(Code::Usage, "--nonce takes hexadecimal digits");
        out.nonce = std::move(*nonce);
    }
    return out;
}

// Binary, or base64 with any white space. A document's first byte is no base64 digit.
Result<Bytes> decode(std::string text) {
    if (text.size() > kMaxDocumentText)
        return fail(Code::AttestationInvalid, "the file is longer than any attestation document");
    const auto first = text.empty() ? 0u : static_cast<unsigned char>(text[0]);
    if (first >= 0x80)
        return to_bytes(text);
    std::erase_if(text, [](char c) { return c == '\n' || c == '\r' || c == ' ' || c == '\t'; });
    auto bytes = from_base64(text);
    if (!bytes || bytes->empty())
        return fail(Code::AttestationInvalid, "the input is neither an attestation document nor its base64");
    return std::move(*bytes);
}

Result<Bytes> fetch(const VerifyOptions& options, trust::AttestationDemands& demands) {
    if (options.source == "-") {
        std::string text;
        text.resize(kMaxDocumentText + 1);
        std::cin.read(text.data(), static_cast<std::streamsize>(text.size()));
        text.resize(static_cast<std::size_t>(std::cin.gcount()));
        return decode(std::move(text));
    }
    if (!options.source.empty()) {
        REDOUBT_TRY(std::string text, read_text_file(options.source));
        return decode(std::move(text));
    }
    REDOUBT_TRY(auto gateway, Gateway::connect(options.connection));
    if (!demands.nonce)
        demands.nonce = to_bytes(crypto::SystemRandom().array<32>());
    if (!demands.purpose)
        demands.purpose = trust::kPurposeIdentity;
    REDOUBT_TRY(const auto answer, gateway.get("/v1/attestation?nonce=" + to_hex(*demands.nonce)));
    if (options.at < 0)
        demands.at = system_time_ms();
    json::Document document;
    REDOUBT_TRY(const auto root, document.parse(answer.body));
    const auto encoded = root.get("attestation");
    auto bytes = encoded && encoded->is_string() ? from_base64(encoded->text()) : std::nullopt;
    if (!bytes)
        return fail(Code::AttestationInvalid, "the gateway answered without an attestation document");
    return std::move(*bytes);
}

// Over the connection that is to be judged, and so of its own enclave.
Result<TlsAttestation> fetch_tls(const VerifyOptions& options, trust::AttestationDemands& demands) {
    if (!demands.nonce)
        demands.nonce = to_bytes(crypto::SystemRandom().array<32>());
    if (!demands.purpose)
        demands.purpose = trust::kPurposeTls;
    auto fetched = fetch_tls_attestation(options.tls, *demands.nonce, kTlsTimeoutMs);
    if (options.at < 0)
        demands.at = system_time_ms();
    return fetched;
}

// Whoever passes on an enclave's document over a connection of his own is found out here.
void check_tls(const TlsAttestation& connection, trust::AttestationReport& report) {
    const auto expected = nitro::encode_user_data(trust::kPurposeTls, connection.spki_sha256);
    const bool known = report.attestation && report.attestation->user_data;
    const bool same = known && *report.attestation->user_data == expected;
    const std::string digest = to_hex(connection.spki_sha256);
    report.checks.push_back(
        {"tls",
         same    ? trust::CheckResult::Ok
         : known ? trust::CheckResult::Failed
                 : trust::CheckResult::Skipped,
         same ? "the connection (" + connection.protocol +
                    ") ends in this enclave: its key is the attested "
                    "one, SHA-256 " +
                    digest
         : known ? "the connection's key, SHA-256 " + digest +
                       ", is NOT the one that the enclave attests: somebody else ends the connection"
                 : ""});
    if (!same && report.ok) {
        report.ok = false;
        report.code = Code::AttestationUntrusted;
    }
}

void print_json(const trust::AttestationReport& report, const trust::AttestationDemands& demands) {
    std::string out;
    json::Writer writer(out);
    writer.begin_object().member("ok", report.ok);
    if (!report.ok)
        writer.member("code", code_name(report.code));
    writer.key("checks").begin_array();
    for (const auto& check : report.checks)
        writer.begin_object()
            .member("name", check.name)
            .member("result", trust::check_result_name(check.result))
            .member("detail", check.detail)
            .end_object();
    writer.end_array().key("exceptions").begin_array();
    for (const auto exception : report.exceptions)
        writer.string(exception);
    writer.end_array().member("at", to_iso8601(demands.at));
    if (report.attestation) {
        const auto& a = *report.attestation;
        writer.member("module_id", a.module_id).member("timestamp", to_iso8601(a.timestamp));
        writer.key("pcrs").begin_object();
        for (const auto& [index, value] : a.pcrs)
            writer.member(std::to_string(index), to_hex(value));
        writer.end_object();
        const auto optional = [&](std::string_view name, const std::optional<Bytes>& value) {
            if (value)
                writer.member(name, to_hex(*value));
        };
        optional("public_key", a.public_key);
        optional("user_data", a.user_data);
        optional("nonce", a.nonce);
    }
    writer.end_object();
    std::printf("%s\n", out.c_str());
}

// The document's own texts may hold anything, also what a terminal would obey.
std::string printable(std::string text) {
    for (char& c : text)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
            c = '?';
    return text;
}

void print_table(const trust::AttestationReport& report) {
    if (report.attestation) {
        const auto& a = *report.attestation;
        std::printf("module     %s\nmade       %s\n", printable(a.module_id).c_str(),
                    to_iso8601(a.timestamp).c_str());
        for (const std::uint16_t index : std::initializer_list<std::uint16_t>{0, 1, 2, 16})
            if (const auto found = a.pcrs.find(index); found != a.pcrs.end())
                std::printf("PCR%-7u %s\n", unsigned{index}, to_hex(found->second).c_str());
        std::printf("\n");
    }
    for (const auto& check : report.checks)
        std::printf("%-10s %-8s %s\n", std::string(check.name).c_str(),
                    std::string(trust::check_result_name(check.result)).c_str(),
                    printable(check.detail).c_str());
    std::printf("\n");
    for (const auto exception : report.exceptions)
        std::printf("EXCEPTION  --allow-%s\n", std::string(exception).c_str());
    std::printf("%s\n", report.ok ? report.exceptions.empty() ? "verified" : "verified, with exceptions"
                                  : "NOT verified");
}

int verify(VerifyOptions options) {
    if (!options.tls.empty() && !options.source.empty())
        return report({Code::Usage, "name a file or --tls HOST:PORT, not both"}, options.json);
    const bool from_gateway = options.source.empty() && options.tls.empty();
    if (from_gateway || !options.connection.ready_file.empty()) {
        if (const auto status = complete(options.connection); !status)
            return report(from_gateway && options.connection.gateway.empty()
                              ? Error{Code::Usage,
                                      "name a file, - for standard input, or --gateway URL (or --ready-file)",
                                      {}}
                              : status.error(),
                          options.json);
    }
    auto demands = demands_of(options);
    if (!demands)
        return report(demands.error(), options.json);
    std::optional<TlsAttestation> connection;
    Bytes document;
    if (options.tls.empty()) {
        auto fetched = fetch(options, *demands);
        if (!fetched)
            return report(fetched.error(), options.json);
        document = std::move(*fetched);
    } else {
        auto fetched = fetch_tls(options, *demands);
        if (!fetched)
            return report(fetched.error(), options.json);
        document = fetched->document;
        connection = std::move(*fetched);
    }
    auto checked = trust::check_attestation(document, *demands);
    if (connection)
        check_tls(*connection, checked);
    if (options.json)
        print_json(checked, *demands);
    else
        print_table(checked);
    return checked.ok ? kExitOk : kExitUntrusted;
}

} // namespace

void add_attestation(CLI::App& app, Context& context) {
    auto* attestation = app.add_subcommand("attestation", "verify an enclave's attestation document");
    attestation->require_subcommand(1);
    auto* command = attestation->add_subcommand(
        "verify", "check a document from a file, standard input or a gateway; prints which check failed");
    auto o = std::make_shared<VerifyOptions>();
    command->add_option("document", o->source,
                        "file with a document, binary or base64; - is standard input; left out: ask the "
                        "gateway, with a fresh nonce");
    command->add_option("--ready-file", o->connection.ready_file,
                        "ready file of redoubt up: gateway, CA, root, PCR0 and PCR16");
    command->add_option("--gateway", o->connection.gateway, "the gateway's URL, https://host:port");
    command->add_option("--ca", o->connection.ca_file,
                        "PEM file: the CA of the gateway's certificate (default: the system's)");
    command->add_option(
        "--tls", o->tls,
        "HOST:PORT of a gateway's --tls-enclave: checks that a connection to it ends inside the "
        "attested enclave");
    command->add_option("--root", o->root_file,
                        "root certificate, PEM or DER (default: AWS's G1, by the SHA-256 of its DER)");
    command->add_option("--at", o->at, "verify for this time, milliseconds since 1970 (default: now)")
        ->check(CLI::Range(std::int64_t{0}, std::int64_t{253'402'300'799'999}));
    command->add_option("--pcr", o->pcrs, "N=HEX: a measurement that must be as given; may be repeated")
        ->allow_extra_args(false);
    command->add_option("--manifest", o->manifest_file, "manifest file: pins PCR16");
    command->add_option("--nonce", o->nonce, "hexadecimal: the nonce that the document must carry");
    command->add_option("--max-age", o->max_age_seconds, "seconds: the document may be no older")
        ->check(CLI::Range(0, 1'000'000'000));
    command->add_option("--purpose", o->purpose,
                        "purpose that user_data must name (identity, key-statement, import-offer …)");
    command->add_flag("--allow-debug", o->allow_debug, "accept a debug enclave, which protects nothing");
    command->add_flag("--allow-unpinned", o->allow_unpinned, "accept any image or manifest");
    command->add_flag("--allow-any-nonce", o->allow_any_nonce,
                      "accept a document of any age for any request");
    command->add_flag("--allow-other-root", o->allow_other_root,
                      "accept --root even if it is not AWS's: a development system");
    command->add_flag("--json", o->json, "machine-readable output");
    command->footer(
        "Exit code 0 needs: a document that leads to AWS's root and is valid at the time; not a debug\n"
        "enclave; PCR0 pinned (--pcr 0=HEX); PCR16 pinned (--pcr 16=HEX or --manifest); a nonce or "
        "--max-age.\n"
        "Each exception is a flag and is printed. Exit code 3: not verified; the table says which check "
        "failed.\n"
        "Examples: redoubt attestation verify --gateway https://signer:8443 --pcr 0=… --manifest "
        "manifest.json\n"
        "          redoubt attestation verify --ready-file ready.json --allow-other-root\n"
        "          redoubt attestation verify --tls signer:8444 --pcr 0=… --manifest manifest.json\n"
        "          redoubt attestation verify stored.bin --at 1614963709526 --allow-unpinned "
        "--allow-any-nonce");
    command->callback([&context, o] { context.exit_code = verify(*o); });
}

} // namespace redoubt::cli
