// SPDX-License-Identifier: Apache-2.0
#include "cli/attested.h"

#include <cstdio>
#include <fcntl.h>
#include <unistd.h>

namespace redoubt::cli {

void add_connection(CLI::App& command, Connection& c, bool& json) {
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
    command.add_option(
        "--as", c.as,
        "ID:FILE: sign requests as this principal of the key's policy or of the manifest, with "
        "its private key, a PEM file");
    command.add_flag("--json", json, "machine-readable output");
}

bool is_pinned(const Connection& connection) {
    return !connection.pcr0.empty() && !connection.pcr16.empty();
}

std::string text_of(const json::Value& object, std::string_view name) {
    const auto value = object.get(name);
    return value && value->is_string() ? std::string(value->text()) : std::string();
}

Result<Attested> attested(const Connection& connection, const json::Value& root, ByteView nonce) {
    auto statement = from_base64(text_of(root, "statement"));
    auto document = from_base64(text_of(root, "attestation"));
    if (!statement || !document || statement->empty() || document->empty())
        return fail(Code::AttestationInvalid, "the answer has no attested statement");
    REDOUBT_TRY(auto pins, pins_for(connection, *document, nonce));
    return Attested{std::move(*statement), std::move(*document), std::move(pins)};
}

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
            .member("state", statement.state)
            .member("revision", statement.revision)
            .member("attested", true)
            .member("pinned", pinned)
            .end_object();
        std::printf("%s\n", out.c_str());
        return;
    }
    std::printf(
        "key         %s\naddress     %s\nalgorithm   %s\nvault       %s\ncommitment  %s\npolicy      %s\n"
        "exportable  %s\nraw signing %s\nstate       %s (revision %llu)\n"
        "attested    yes: the enclave's statement, its nonce and %s verify\n",
        statement.key_id.c_str(), statement.address.c_str(), statement.algorithm.c_str(),
        statement.vault_id.c_str(), statement.vault_commitment.c_str(), statement.policy_digest.c_str(),
        statement.exportable ? "yes" : "no",
        statement.raw_signing ? "YES: signs any digest, a grant of the whole account" : "no",
        statement.state.c_str(), static_cast<unsigned long long>(statement.revision),
        pinned ? "the pinned PCR0 and PCR16" : "the root (PCRs are NOT pinned)");
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

Result<std::string> read_authorization(const std::string& path) {
    REDOUBT_TRY(const std::string text, read_text_file(path));
    json::Document document;
    const auto root = document.parse(text);
    if (!root)
        return fail(Code::Unauthorized, "the authorization file is not what `redoubt authorize` writes",
                    path);
    REDOUBT_TRY(const auto parsed, trust::parse_signed_authorization(*root));
    return trust::encode_signed_authorization(parsed);
}

} // namespace redoubt::cli
