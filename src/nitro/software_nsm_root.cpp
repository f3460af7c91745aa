// SPDX-License-Identifier: Apache-2.0
// The development root's files: PEM (RFC 7468), as other tools read them.
#include "nitro/certificate.h"
#include "nitro/software_nsm.h"
#include "nitro/software_nsm_certificates.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace redoubt::nitro {

namespace {

constexpr std::size_t kMaxFile = 16384;
constexpr std::size_t kLine = 64;
constexpr std::string_view kCertificateLabel = "CERTIFICATE", kKeyLabel = "PRIVATE KEY";

class File {
  public:
    explicit File(int fd) noexcept : fd_(fd) {}
    ~File() { (void)close(); }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    int fd() const noexcept { return fd_; }
    bool close() noexcept {
        const int fd = fd_;
        fd_ = -1;
        return fd < 0 || ::close(fd) == 0;
    }

  private:
    int fd_;
};

// The encoded text, which for a key is itself a secret.
Secret to_pem(std::string_view label, ByteView der) {
    std::string base64 = to_base64(der);
    std::string out;
    out.reserve(base64.size() + base64.size() / kLine + 2 * label.size() + 64); // never moved: it is wiped
    out.append("-----BEGIN ").append(label).append("-----\n");
    for (std::size_t at = 0; at < base64.size(); at += kLine)
        out.append(base64, at, kLine).append("\n");
    out.append("-----END ").append(label).append("-----\n");
    wipe(base64);
    return Secret::take(out);
}

// One block of that label and nothing else.
std::optional<Secret> from_pem(std::string_view label, std::string_view text) {
    const std::string begin = "-----BEGIN " + std::string(label) + "-----\n";
    const std::string end = "-----END " + std::string(label) + "-----";
    if (!text.starts_with(begin))
        return std::nullopt;
    text.remove_prefix(begin.size());
    if (text.ends_with('\n'))
        text.remove_suffix(1);
    if (!text.ends_with(end))
        return std::nullopt;
    text.remove_suffix(end.size());
    std::string base64;
    base64.reserve(text.size());
    std::copy_if(text.begin(), text.end(), std::back_inserter(base64), [](char c) { return c != '\n'; });
    auto der = from_base64(base64);
    wipe(base64);
    if (!der)
        return std::nullopt;
    return Secret::take(*der);
}

// By way of a fresh file of its own, so that neither a link in the folder nor a crash half-way matters.
Status replace_file(const std::string& path, const Secret& text, mode_t mode) {
    const auto failed = [&](FixedText what) {
        return fail(Code::Io, what, path + ": " + std::strerror(errno));
    };
    const std::string fresh = path + ".new";
    if (::unlink(fresh.c_str()) != 0 && errno != ENOENT)
        return failed("an old file of the development attestation root cannot be removed");
    File file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
    if (file.fd() < 0)
        return failed("a file of the development attestation root cannot be made");
    ByteView rest = text.view(SecretAccess("save a development attestation root"));
    while (!rest.empty()) {
        const ssize_t n = ::write(file.fd(), rest.data(), rest.size());
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return failed("a file of the development attestation root cannot be written");
        rest = rest.subspan(static_cast<std::size_t>(n));
    }
    if (::fsync(file.fd()) != 0 || !file.close() || ::rename(fresh.c_str(), path.c_str()) != 0)
        return failed("a file of the development attestation root cannot be saved");
    return {};
}

Result<Secret> read_file(const std::string& path) {
    const auto failed = [&](FixedText what) {
        return fail(Code::Io, what, path + ": " + std::strerror(errno));
    };
    const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.fd() < 0)
        return failed("a file of the development attestation root cannot be opened");
    Secret buffer(kMaxFile);
    const auto out = buffer.mutable_view(SecretAccess("load a development attestation root"));
    std::size_t size = 0;
    for (;;) {
        const ssize_t n = ::read(file.fd(), out.data() + size, out.size() - size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed("a file of the development attestation root cannot be read");
        if (n == 0)
            break;
        size += static_cast<std::size_t>(n);
        if (size == out.size())
            return fail(Code::Io, "a file of the development attestation root is too large", path);
    }
    return Secret::copy_of(out.first(size));
}

} // namespace

Result<DevelopmentRoot> make_development_root() {
    REDOUBT_TRY(const crypto::Pkey key, make_p384_key());
    DevelopmentRoot out;
    REDOUBT_TRY(out.certificate_der, make_root_certificate(key));
    out.private_key_der = p384_key_to_pkcs8(key);
    return out;
}

// The key comes last: where it is, both are.
Status save_development_root(const DevelopmentRoot& root, const std::string& folder) {
    REDOUBT_CHECK(replace_file(folder + "/root.pem", to_pem(kCertificateLabel, root.certificate_der), 0644));
    return replace_file(
        folder + "/root.key",
        to_pem(kKeyLabel, root.private_key_der.view(SecretAccess("save a development attestation root"))),
        0600);
}

Result<DevelopmentRoot> load_development_root(const std::string& folder) {
    REDOUBT_TRY(const Secret certificate_text, read_file(folder + "/root.pem"));
    REDOUBT_TRY(const Secret key_text, read_file(folder + "/root.key"));
    const SecretAccess access("load a development attestation root");
    const auto certificate = from_pem(kCertificateLabel, certificate_text.text(access));
    auto key = from_pem(kKeyLabel, key_text.text(access));
    if (!certificate || !key)
        return fail(Code::Io, "a file of the development attestation root is not PEM", folder);
    DevelopmentRoot out;
    out.certificate_der = to_bytes(certificate->view(access));
    out.private_key_der = std::move(*key);
    // What cannot be used is told here, with the folder's name.
    if (!CertificateChain::create(out.certificate_der, out.private_key_der, "", ""))
        return fail(Code::Io, "the development attestation root's certificate and key cannot be used",
                    folder);
    return out;
}

} // namespace redoubt::nitro
