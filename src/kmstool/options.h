// SPDX-License-Identifier: Apache-2.0
// The command line of AWS's kmstool_enclave_cli (aws-nitro-enclaves-sdk-c, bin/kmstool-enclave-cli), and what
// redoubt-kmstool adds to it (docs/kmstool.md). As there, an option's value is the next argument, and of an
// option that is repeated the last one counts.
#pragma once

#include "aws/kms_client.h"

#include <expected>
#include <functional>
#include <optional>
#include <span>

namespace redoubt::kmstool {

inline constexpr std::uint32_t kDefaultProxyPort = 8000;
inline constexpr int kUsageExit = 1;     // as AWS's tool
inline constexpr int kFailureExit = 255; // likewise: it returns AWS_OP_ERR, −1

enum class Command { Decrypt, GenerateKey, GenerateRandom };
enum class Program { Production, Development }; // the latter has options that name stand-ins

struct Options {
    Command command = Command::Decrypt;
    std::string region = "us-east-1";
    std::uint32_t proxy_port = kDefaultProxyPort; // vsock, on the parent instance
    aws::Credentials credentials;
    std::string tls_roots; // a file; empty: the usual places

    std::string ciphertext; // base64, as given
    std::optional<aws::KmsKeyName> key;
    aws::KmsAlgorithm algorithm = aws::KmsAlgorithm::SymmetricDefault;
    aws::EncryptionContext context;
    std::size_t key_size = 0; // bytes
    std::size_t length = 0;   // bytes, 1 to 1024

    // Development only.
    std::optional<net::Endpoint> kms_proxy;
    std::string endpoint_suffix, nsm_root;
};

// What to say instead of doing anything: exit code 0 on stdout, others on stderr.
struct Saying {
    int exit_code;
    std::string text;
};

// As getenv(3): null where the variable is not set. The text is overwritten once it is read.
using Variables = std::function<char*(const char* name)>;

// `arguments` are argv without the program's name. The values of the three credential options are overwritten
// with zeros as they are read, so that /proc/PID/cmdline soon no longer shows them. No text quotes an
// argument that could be a secret out of place.
std::expected<Options, Saying> read_options(std::span<char* const> arguments, const Variables& variables,
                                            Program program);

// help.cpp
std::string commands_text(Program program);
std::string options_text(Command command, Program program);

} // namespace redoubt::kmstool
