// SPDX-License-Identifier: Apache-2.0
#include "kmstool/options.h"

#include "aws/credential_parts.h"
#include "kmstool/encryption_context.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace redoubt::kmstool {

namespace {

enum class Name {
    Help,
    Region,
    ProxyPort,
    AccessKeyId,
    SecretAccessKey,
    SessionToken,
    TlsRoots,
    Ciphertext,
    KeyId,
    KeySpec,
    EncryptionAlgorithm,
    EncryptionContext,
    Length,
    KmsProxy,
    EndpointSuffix,
    NsmRoot,
};
constexpr std::size_t kNames = 16;
static_assert(static_cast<std::size_t>(Name::NsmRoot) + 1 == kNames);

// Which commands have an option.
constexpr unsigned kDecrypt = 1, kGenerateKey = 2, kGenerateRandom = 4, kEvery = 7;

struct Option {
    Name name;
    std::string_view text;
    char letter; // '\0': none
    unsigned commands;
    bool development = false;
};
constexpr std::array<Option, kNames> kOptions{{
    {Name::Help, "help", 'h', kEvery},
    {Name::Region, "region", 'r', kEvery},
    {Name::ProxyPort, "proxy-port", 'x', kEvery},
    {Name::AccessKeyId, "aws-access-key-id", 'k', kEvery},
    {Name::SecretAccessKey, "aws-secret-access-key", 's', kEvery},
    {Name::SessionToken, "aws-session-token", 't', kEvery},
    {Name::TlsRoots, "tls-roots", '\0', kEvery},
    {Name::Ciphertext, "ciphertext", 'c', kDecrypt},
    {Name::KeyId, "key-id", 'K', kDecrypt | kGenerateKey},
    {Name::KeySpec, "key-spec", 'p', kGenerateKey},
    {Name::EncryptionAlgorithm, "encryption-algorithm", 'a', kDecrypt},
    {Name::EncryptionContext, "encryption-context", '\0', kDecrypt | kGenerateKey},
    {Name::Length, "length", 'l', kGenerateRandom},
    {Name::KmsProxy, "kms-proxy", '\0', kEvery, true},
    {Name::EndpointSuffix, "endpoint-suffix", '\0', kEvery, true},
    {Name::NsmRoot, "nsm-root", '\0', kEvery, true},
}};

struct CommandName {
    std::string_view text;
    Command command;
    unsigned bit;
};
constexpr std::array<CommandName, 3> kCommands{{
    {"decrypt", Command::Decrypt, kDecrypt},
    {"genkey", Command::GenerateKey, kGenerateKey},
    {"genrandom", Command::GenerateRandom, kGenerateRandom},
}};

using Refusal = std::unexpected<Saying>;
using Checked = std::expected<void, Saying>;

Refusal refuse(std::string text) {
    return std::unexpected(Saying{kUsageExit, std::move(text) + "\n"});
}

const Option* find_option(std::string_view argument, unsigned command, Program program) {
    for (const Option& option : kOptions) {
        const bool fits = argument.starts_with("--") ? argument.substr(2) == option.text
                                                     : argument.size() == 2 && option.letter != '\0' &&
                                                           argument == std::string{'-', option.letter};
        if (fits && (option.commands & command) != 0 &&
            (!option.development || program == Program::Development))
            return &option;
    }
    return nullptr;
}

// An argument as a message may show it: whatever could be a piece of a secret is not.
std::string shown(std::string_view argument) {
    const auto lower = [](char c) { return c >= 'a' && c <= 'z'; };
    const bool letter =
        argument.size() == 2 && (lower(argument[1]) || (argument[1] >= 'A' && argument[1] <= 'Z'));
    const bool word =
        argument.size() <= 32 && std::ranges::all_of(argument, [&](char c) { return lower(c) || c == '-'; });
    const bool harmless = argument.starts_with('-') && (letter || word);
    return harmless ? std::string(argument) : "an argument that is no option's name";
}

void wipe_text(char* text) noexcept {
    wipe({reinterpret_cast<std::uint8_t*>(text), std::strlen(text)});
}

// What was given, before it is understood.
struct Given {
    std::array<std::optional<std::string>, kNames> texts;
    std::optional<Secret> access_key_id, secret_access_key, session_token;
    std::vector<std::string> contexts;

    const std::optional<std::string>& text(Name name) const { return texts[static_cast<std::size_t>(name)]; }
    std::optional<Secret>* secret(Name name) noexcept {
        switch (name) {
        case Name::AccessKeyId:
            return &access_key_id;
        case Name::SecretAccessKey:
            return &secret_access_key;
        case Name::SessionToken:
            return &session_token;
        default:
            return nullptr;
        }
    }
};

std::expected<Given, Saying> take_arguments(std::span<char* const> arguments, const CommandName& command,
                                            Program program) {
    Given given;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string_view argument = arguments[i];
        const Option* const option = find_option(argument, command.bit, program);
        if (option == nullptr)
            return refuse("Unknown option: " + shown(argument) + "\n" +
                          options_text(command.command, program));
        if (option->name == Name::Help)
            return refuse(options_text(command.command, program));
        if (++i == arguments.size())
            return refuse("--" + std::string(option->text) + " lacks its value\n" +
                          options_text(command.command, program));
        if (auto* const secret = given.secret(option->name)) {
            *secret = Secret::copy_of(as_bytes(arguments[i]));
            wipe_text(arguments[i]);
        } else if (option->name == Name::EncryptionContext) {
            given.contexts.emplace_back(arguments[i]);
        } else {
            given.texts[static_cast<std::size_t>(option->name)] = arguments[i];
        }
    }
    return given;
}

// A variable stands in for an option that is absent. One that is set to nothing says "no session token", and
// else counts as not set.
void take_variables(Given& given, const Variables& variables) {
    const auto take = [&](const char* name, std::optional<Secret>& secret) {
        char* const value = variables(name);
        if (value == nullptr)
            return;
        if (!secret)
            secret = Secret::copy_of(as_bytes(value));
        wipe_text(value);
    };
    take("AWS_ACCESS_KEY_ID", given.access_key_id);
    take("AWS_SECRET_ACCESS_KEY", given.secret_access_key);
    take("AWS_SESSION_TOKEN", given.session_token);
}

Checked take_credentials(Given& given, aws::Credentials& credentials) {
    constexpr SecretAccess kAccess("check credentials that were given");
    if (!given.access_key_id || given.access_key_id->empty())
        return refuse("--aws-access-key-id must be set");
    if (!given.secret_access_key || given.secret_access_key->empty())
        return refuse("--aws-secret-access-key must be set");
    if (!given.session_token)
        return refuse("--aws-session-token must be set");
    const auto check = [&](const Secret& secret, std::size_t limit) {
        return aws::is_visible(secret.text(kAccess), limit);
    };
    if (!check(*given.access_key_id, aws::kMaxAccessKeyId) ||
        !check(*given.secret_access_key, aws::kMaxSecretAccessKey) ||
        (!given.session_token->empty() && !check(*given.session_token, aws::kMaxSessionToken)))
        return refuse("the AWS credentials hold a space, a control character or too much");
    credentials.access_key_id = given.access_key_id->text(kAccess);
    credentials.secret_access_key = std::move(*given.secret_access_key);
    credentials.session_token = std::move(*given.session_token);
    return {};
}

// A decimal number, all of the text, with a sign perhaps.
std::optional<std::int64_t> number(std::string_view text) noexcept {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

Checked take_common(const Given& given, Options& options) {
    if (const auto& region = given.text(Name::Region)) {
        if (!aws::is_region(*region))
            return refuse("--region is not like us-east-1");
        options.region = *region;
    }
    if (const auto& port = given.text(Name::ProxyPort)) {
        constexpr std::int64_t kAnyPort = 0xffffffff; // VMADDR_PORT_ANY
        const auto value = number(*port);
        if (!value || *value <= 0 || *value >= kAnyPort)
            return refuse("--proxy-port is not a vsock port");
        options.proxy_port = static_cast<std::uint32_t>(*value);
    }
    options.tls_roots = given.text(Name::TlsRoots).value_or("");
    options.endpoint_suffix = given.text(Name::EndpointSuffix).value_or("");
    options.nsm_root = given.text(Name::NsmRoot).value_or("");
    if (const auto& proxy = given.text(Name::KmsProxy)) {
        auto endpoint = net::parse_endpoint(*proxy);
        if (!endpoint)
            return refuse("--kms-proxy takes unix:PATH or tcp:HOST:PORT");
        options.kms_proxy = std::move(*endpoint);
    }
    return {};
}

Checked take_key(const Given& given, Options& options) {
    const auto& text = given.text(Name::KeyId);
    if (!text)
        return {};
    auto key = aws::parse_kms_key_name(*text);
    if (!key)
        return refuse("--key-id is not a KMS key's ARN, id, alias/NAME or alias ARN");
    if (!key->region.empty() &&
        (key->region != options.region || key->partition != aws::partition_of_region(options.region)))
        return refuse("--key-id is of another region than --region");
    options.key = std::move(*key);
    return {};
}

Checked take_context(const Given& given, Options& options) {
    for (const auto& text : given.contexts)
        if (const auto added = add_encryption_context(text, options.context); !added)
            return refuse(std::string(added.error().text.view()));
    return {};
}

Checked take_algorithm(const Given& given, Options& options) {
    const auto& text = given.text(Name::EncryptionAlgorithm);
    if (options.key && !text)
        return refuse("--encryption-algorithm must be set where --key-id is");
    if (!text)
        return {};
    using aws::KmsAlgorithm;
    constexpr std::array kAll{KmsAlgorithm::SymmetricDefault, KmsAlgorithm::RsaesOaepSha1,
                              KmsAlgorithm::RsaesOaepSha256};
    const auto* const found = std::ranges::find(kAll, std::string_view(*text), aws::kms_algorithm_name);
    if (found == kAll.end())
        return refuse("--encryption-algorithm is none of SYMMETRIC_DEFAULT, RSAES_OAEP_SHA_1, "
                      "RSAES_OAEP_SHA_256");
    options.algorithm = *found;
    if (options.algorithm == KmsAlgorithm::SymmetricDefault)
        return {};
    if (!options.key)
        return refuse("--key-id must be set: a ciphertext of an asymmetric key does not name it");
    if (!options.context.empty())
        return refuse("--encryption-context is for SYMMETRIC_DEFAULT only");
    return {};
}

Checked take_decrypt(const Given& given, Options& options) {
    if (!given.text(Name::Ciphertext))
        return refuse("--ciphertext must be set");
    options.ciphertext = *given.text(Name::Ciphertext);
    if (auto taken = take_key(given, options); !taken)
        return taken;
    if (auto taken = take_context(given, options); !taken)
        return taken;
    return take_algorithm(given, options);
}

Checked take_generate_key(const Given& given, Options& options, Program program) {
    const auto& spec = given.text(Name::KeySpec);
    if (spec && *spec != "AES-256" && *spec != "AES-128")
        return refuse("Unknown key spec: neither AES-256 nor AES-128\n" +
                      options_text(Command::GenerateKey, program));
    if (!given.text(Name::KeyId))
        return refuse("--key-id must be set");
    if (!spec)
        return refuse("--key-spec must be set");
    options.key_size = *spec == "AES-256" ? 32 : 16;
    if (auto taken = take_key(given, options); !taken)
        return taken;
    return take_context(given, options);
}

Checked take_generate_random(const Given& given, Options& options) {
    const auto& text = given.text(Name::Length);
    if (!text)
        return refuse("--length must be set");
    const auto length = number(*text);
    if (!length)
        return refuse("--length is not a number of bytes");
    if (*length <= 0)
        return refuse("--length must be greater than 0");
    if (*length > 1024)
        return refuse("--length must be smaller or equal to 1024");
    options.length = static_cast<std::size_t>(*length);
    return {};
}

Checked take_command(const Given& given, Options& options, Program program) {
    switch (options.command) {
    case Command::Decrypt:
        return take_decrypt(given, options);
    case Command::GenerateKey:
        return take_generate_key(given, options, program);
    case Command::GenerateRandom:
        return take_generate_random(given, options);
    }
    return {};
}

} // namespace

std::expected<Options, Saying> read_options(std::span<char* const> arguments, const Variables& variables,
                                            Program program) {
    if (arguments.empty())
        return refuse(commands_text(program));
    const std::string_view word = arguments[0];
    if (word == "--help" || word == "-h")
        return std::unexpected(Saying{0, commands_text(program)});
    const auto* const command = std::ranges::find(kCommands, word, &CommandName::text);
    if (command == kCommands.end())
        return refuse("Unknown command\n" + commands_text(program));

    auto given = take_arguments(arguments.subspan(1), *command, program);
    if (!given)
        return std::unexpected(std::move(given).error());
    take_variables(*given, variables);

    Options options;
    options.command = command->command;
    Checked taken = take_credentials(*given, options.credentials);
    if (taken)
        taken = take_common(*given, options);
    if (taken)
        taken = take_command(*given, options, program);
    if (!taken)
        return std::unexpected(std::move(taken).error());
    if (program == Program::Development && (options.nsm_root.empty() || !options.kms_proxy))
        return refuse("--nsm-root and --kms-proxy must be set");
    return options;
}

} // namespace redoubt::kmstool
