// SPDX-License-Identifier: Apache-2.0
#include "kmstool/kmstool.h"

#include "kmstool/secret_base64.h"
#include "nitro/attestation.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <unistd.h>

namespace redoubt::kmstool {

namespace {

constexpr std::uint32_t kParentCid = 3;            // AWS Nitro Enclaves: the parent instance
constexpr std::size_t kMaxRoots = 4 * 1024 * 1024; // today's bundles have 0.2 MiB
constexpr std::array<const char*, 3> kUsualRoots{
    "/etc/ssl/certs/ca-certificates.crt", // Debian, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",   // Amazon Linux
    "/etc/ssl/cert.pem",
};

constexpr std::string_view kCiphertext = "CIPHERTEXT: ", kPlaintext = "PLAINTEXT: ";

// The recipient key of one call, and the document that attests it. The document tells the time, too: the
// host's clock is not asked (design invariant 8).
struct Attested {
    crypto::RecipientKey key;
    Bytes document;
    std::int64_t offset; // the NSM's time − monotonic time
};

Result<Attested> attest(nitro::Nsm& nsm) {
    REDOUBT_TRY(auto key, crypto::RecipientKey::generate());
    const std::int64_t before = monotonic_ms();
    nitro::AttestationRequest request;
    request.public_key = key.public_der();
    REDOUBT_TRY(Bytes document, nsm.attest(request));
    const std::int64_t after = monotonic_ms();
    // The document comes from the device itself, so its signature need not be checked here.
    const auto parsed = nitro::parse_attestation(document);
    if (!parsed)
        return fail(Code::NsmFailed, "the NSM gave an attestation document that cannot be read");
    return Attested{std::move(key), std::move(document), parsed->timestamp - (before + after) / 2};
}

// Lines for stdout, made where secrets may be.
class Lines {
  public:
    explicit Lines(std::size_t size) : text_(size) {}
    void add(std::string_view name, ByteView value) {
        append(as_bytes(name));
        const std::size_t size = base64_size(value.size());
        encode_base64(value, space().subspan(at_, size));
        at_ += size;
        append(as_bytes("\n"));
    }
    static std::size_t size_of(std::string_view name, std::size_t bytes) noexcept {
        return name.size() + base64_size(bytes) + 1;
    }
    Secret take() { return std::move(text_); }

  private:
    std::span<std::uint8_t> space() { return text_.mutable_view(SecretAccess("write the plaintext's line")); }
    void append(ByteView bytes) {
        std::memcpy(space().data() + at_, bytes.data(), bytes.size());
        at_ += bytes.size();
    }
    Secret text_;
    std::size_t at_ = 0;
};

Secret plaintext_line(const Secret& plaintext) {
    Lines lines(Lines::size_of(kPlaintext, plaintext.size()));
    lines.add(kPlaintext, plaintext.view(SecretAccess("write the plaintext's line")));
    return lines.take();
}

Secret data_key_lines(const aws::DataKey& key) {
    Lines lines(Lines::size_of(kCiphertext, key.ciphertext_blob.size()) +
                Lines::size_of(kPlaintext, key.plaintext.size()));
    lines.add(kCiphertext, key.ciphertext_blob);
    lines.add(kPlaintext, key.plaintext.view(SecretAccess("write the plaintext's line")));
    return lines.take();
}

Result<std::string> read_file(const char* path) {
    std::ifstream in(path, std::ios::binary);
    std::string text;
    std::array<char, 16 * 1024> part;
    while (in && text.size() <= kMaxRoots) {
        in.read(part.data(), part.size());
        text.append(part.data(), static_cast<std::size_t>(in.gcount()));
    }
    if (!in.eof() || text.empty())
        return fail(Code::Io, "the file of CA roots cannot be read, is empty or larger than 4 MiB", path);
    return text;
}

Result<std::string> read_roots(const std::string& file) {
    if (!file.empty())
        return read_file(file.c_str());
    for (const char* path : kUsualRoots)
        if (access(path, R_OK) == 0)
            return read_file(path);
    return fail(Code::Io, "there are no CA roots: install the package ca-certificates, or give --tls-roots");
}

bool write_all(int fd, std::string_view text) noexcept {
    while (!text.empty()) {
        const ssize_t n = write(fd, text.data(), text.size());
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        text.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

// The last lines that AWS's tool writes, whose users look for them.
std::string_view could_not(Command command) noexcept {
    switch (command) {
    case Command::Decrypt:
        return "Could not decrypt ciphertext\nCould not decrypt\n";
    case Command::GenerateKey:
        return "Could not generate data key\n";
    case Command::GenerateRandom:
        return "Could not generate random bytes\n";
    }
    return {};
}

Result<Secret> open_and_ask(const Options& options, const OpenNsm& open_nsm) {
    REDOUBT_TRY(auto transport, open_nsm(options));
    nitro::Nsm nsm(std::move(transport));
    Path path{.nsm = nsm, .proxy = {}, .tls_roots_pem = {}, .endpoint_suffix = options.endpoint_suffix};
    REDOUBT_TRY(path.tls_roots_pem, read_roots(options.tls_roots));
    if (options.kms_proxy) {
        path.proxy = *options.kms_proxy;
    } else {
        path.proxy.kind = net::Endpoint::Kind::Vsock;
        path.proxy.cid = kParentCid;
        path.proxy.port = options.proxy_port;
    }
    return ask(options, path);
}

} // namespace

Result<Secret> ask(const Options& options, const Path& path) {
    Bytes blob;
    if (options.command == Command::Decrypt) {
        auto decoded = from_base64(options.ciphertext);
        if (!decoded)
            return fail(Code::Usage, "Ciphertext not a base64 string");
        blob = std::move(*decoded);
    }
    REDOUBT_TRY(auto attested, attest(path.nsm));
    const auto now = [&] { return monotonic_ms() + attested.offset; };
    REDOUBT_TRY(const auto tls, net::TlsContext::client(path.tls_roots_pem, {"http/1.1"}, now));
    aws::KmsClientOptions client_options;
    client_options.proxy = path.proxy;
    client_options.tls = &tls;
    client_options.endpoint_suffix = path.endpoint_suffix;
    client_options.timeout_ms = path.timeout_ms;
    client_options.now = now;
    client_options.attest = [&](ByteView) -> Result<Bytes> { return std::move(attested.document); };
    aws::KmsClient client(std::move(client_options), attested.key);

    switch (options.command) {
    case Command::Decrypt: {
        REDOUBT_TRY(const Secret plaintext, client.decrypt({.region = options.region,
                                                            .key = options.key,
                                                            .algorithm = options.algorithm,
                                                            .ciphertext_blob = std::move(blob),
                                                            .context = options.context},
                                                           options.credentials));
        return plaintext_line(plaintext);
    }
    case Command::GenerateKey: {
        if (!options.key)
            return fail(Code::Usage, "--key-id must be set");
        REDOUBT_TRY(const aws::DataKey key, client.generate_data_key({.region = options.region,
                                                                      .key = *options.key,
                                                                      .size = options.key_size,
                                                                      .context = options.context},
                                                                     options.credentials));
        return data_key_lines(key);
    }
    case Command::GenerateRandom: {
        REDOUBT_TRY(const Secret plaintext,
                    client.generate_random(options.region, options.length, options.credentials));
        return plaintext_line(plaintext);
    }
    }
    return fail(Code::Internal, "there is no such command");
}

int run(std::span<char* const> arguments, const Variables& variables, Program program,
        const OpenNsm& open_nsm, int out, int err) {
    const auto options = read_options(arguments, variables, program);
    if (!options) {
        (void)write_all(options.error().exit_code == 0 ? out : err, options.error().text);
        return options.error().exit_code;
    }
    const auto lines = open_and_ask(*options, open_nsm);
    if (!lines) {
        const Error& error = lines.error();
        (void)write_all(err, (error.code == Code::Usage ? std::string(error.text.view()) : error.describe()) +
                                 "\n");
        (void)write_all(err, could_not(options->command));
        return kFailureExit;
    }
    if (!write_all(out, lines->text(SecretAccess("print what was asked for")))) {
        (void)write_all(err, "the result could not be written\n");
        return kFailureExit;
    }
    return 0;
}

} // namespace redoubt::kmstool
