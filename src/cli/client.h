// SPDX-License-Identifier: Apache-2.0
// How the command line reaches a gateway and whom it trusts: addresses, certificates and pins, from options
// or the ready file of `redoubt up`.
#pragma once

#include "cli/request_signing.h"
#include "net/http_client.h"
#include "trust/statement.h"

#include <memory>

namespace redoubt::cli {

// Exit codes of the whole command line; `redoubt --help` lists them.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitUntrusted = 3; // an attestation or statement did not verify

struct Connection {
    std::string ready_file;       // filled from --ready-file or REDOUBT_READY_FILE; the rest overrides it
    std::string gateway, ca_file; // URL, PEM
    std::string attestation_root; // PEM; empty: AWS's root, by its digest
    std::string pcr0, pcr16;      // hex
    bool allow_unpinned = false;
    std::string as; // ID:FILE: whose signature requests carry; empty: they are not signed
};

// Fills what is empty from the ready file, if there is one. Errors: Usage, Io.
Status complete(Connection& connection);

class Gateway {
  public:
    static Result<Gateway> connect(const Connection& connection); // Errors: Usage, Io, TlsFailed
    // A JSON exchange. Errors: what the gateway answered (its code), or why it could not be reached.
    struct Answer {
        int status;
        std::string body;
    };
    Result<Answer> get(const std::string& path);
    Result<Answer> post(const std::string& path, const std::string& json);

  private:
    Result<Answer> send(net::HttpRequest request);
    std::unique_ptr<net::TlsContext> tls_;
    std::unique_ptr<net::HttpClient> client_;
    std::string authority_;
    std::optional<RequestSigner> signer_;
};

// The pins for verifying `document`, which supplies AWS's root when no other is named. Errors: Usage,
// Attestation*.
Result<trust::Pins> pins_for(const Connection& connection, ByteView document, ByteView nonce);

// A root certificate's DER, from a PEM or DER file. Errors: Usage, Io.
Result<Bytes> read_root(const std::string& path);

Result<std::string> read_text_file(const std::string& path);                                    // Error: Io
Status write_file_atomically(const std::string& path, std::string_view content, unsigned mode); // Error: Io

// Prints an error for people or, with `json`, as {"error","code"}; gives the exit code that belongs to it.
int report(const Error& error, bool json);

} // namespace redoubt::cli
