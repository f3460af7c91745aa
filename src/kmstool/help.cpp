// SPDX-License-Identifier: Apache-2.0
#include "kmstool/options.h"

namespace redoubt::kmstool {

namespace {

constexpr const char* kCommon =
    R"(  -h, --help                        shows this and exits
  -r, --region REGION               AWS region whose KMS is asked; default us-east-1
  -x, --proxy-port PORT             vsock port of the byte proxy on the parent instance (CID 3); default 8000
  -k, --aws-access-key-id ID        else the environment variable AWS_ACCESS_KEY_ID
  -s, --aws-secret-access-key KEY   else AWS_SECRET_ACCESS_KEY
  -t, --aws-session-token TOKEN     else AWS_SESSION_TOKEN; '' for a user's long-term credentials
                                    Prefer the variables: every process of the machine can read a command
                                    line in /proc. It is overwritten once read, which leaves a moment before.
      --tls-roots FILE              PEM: the CA roots that KMS's certificate must lead to; default
                                    /etc/ssl/certs/ca-certificates.crt, /etc/pki/tls/certs/ca-bundle.crt or
                                    /etc/ssl/cert.pem
)";
constexpr const char* kContext =
    R"(      --encryption-context KEY=VALUE[,KEY=VALUE]
                                    symmetric keys' encryption context; may be repeated; a JSON object of
                                    strings where it begins with {
)";
constexpr const char* kDecrypt =
    R"(  -c, --ciphertext BASE64           what to decrypt
  -K, --key-id KEY                  its key: ARN, id, alias/NAME or alias ARN; may be left out for symmetric
                                    keys
  -a, --encryption-algorithm NAME   with --key-id: SYMMETRIC_DEFAULT, RSAES_OAEP_SHA_1, RSAES_OAEP_SHA_256
)";
constexpr const char* kGenerateKey =
    R"(  -K, --key-id KEY                  the key to encrypt the data key under: ARN, id, alias/NAME or alias ARN
  -p, --key-spec SPEC               AES-256 or AES-128
)";
constexpr const char* kGenerateRandom =
    R"(  -l, --length BYTES                1 to 1024
)";
constexpr const char* kDevelopment =
    R"(Development only:
      --nsm-root FOLDER             root.pem and root.key of the development attestation root
      --kms-proxy ENDPOINT          unix:PATH or tcp:HOST:PORT instead of vsock
      --endpoint-suffix NAME        DNS suffix of the KMS host name (kms.REGION.SUFFIX)
)";

std::string name_of(Program program) {
    return program == Program::Production ? "redoubt-kmstool" : "redoubt-kmstool-dev";
}

} // namespace

std::string commands_text(Program program) {
    return "usage: " + name_of(program) + R"( COMMAND [options]

AWS KMS from inside a Nitro Enclave, attested; a drop-in for kmstool_enclave_cli.
  decrypt     decrypts a ciphertext; prints PLAINTEXT: BASE64
  genkey      makes a data key; prints CIPHERTEXT: BASE64 and PLAINTEXT: BASE64
  genrandom   random bytes of KMS's; prints PLAINTEXT: BASE64
)" + "`" + name_of(program) +
           R"( COMMAND --help` lists a command's options. Exit codes: 0 done, 1 usage, 255 failure.
)";
}

std::string options_text(Command command, Program program) {
    std::string out = "usage: " + name_of(program);
    switch (command) {
    case Command::Decrypt:
        out += std::string(" decrypt [options]\n\n") + kDecrypt + kContext;
        break;
    case Command::GenerateKey:
        out += std::string(" genkey [options]\n\n") + kGenerateKey + kContext;
        break;
    case Command::GenerateRandom:
        out += std::string(" genrandom [options]\n\n") + kGenerateRandom;
        break;
    }
    out += kCommon;
    if (program == Program::Development)
        out += kDevelopment;
    return out;
}

} // namespace redoubt::kmstool
