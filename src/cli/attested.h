// SPDX-License-Identifier: Apache-2.0
// What the commands share that ask a gateway for attested statements: the options for whom to ask and whom to
// trust, and checking an answer before anything of it is shown.
#pragma once

#include "base/json.h"
#include "cli/client.h"
#include "trust/authorization.h"

#include <CLI/CLI.hpp>

#include <span>

namespace redoubt::cli {

// --gateway, --ready-file, the pins and --json.
void add_connection(CLI::App& command, Connection& connection, bool& json);
bool is_pinned(const Connection& connection);

std::string text_of(const json::Value& object, std::string_view name); // empty: not there, or no string

struct Attested {
    Bytes statement, document;
    trust::Pins pins;
};
// The members "statement" and "attestation" of an answer. Error: AttestationInvalid, Usage.
Result<Attested> attested(const Connection& connection, const json::Value& root, ByteView nonce);

// Checks a key's answer; what is printed comes from the statement alone. Errors: Attestation*, Usage.
Result<trust::KeyStatement> verified(const Connection& connection, const std::string& body, ByteView nonce);
// For people, or as JSON.
void print(const trust::KeyStatement& statement, bool pinned, bool json);

// The whole of a file or, for "-", of standard input. It must be shorter than `into`; gives its size. Error:
// Io.
Result<std::size_t> read_whole(const std::string& path, std::span<std::uint8_t> into);
// The file that `redoubt authorize` writes, as the member "authorization" of a request. Errors: Io,
// Unauthorized.
Result<std::string> read_authorization(const std::string& path);

} // namespace redoubt::cli
