// SPDX-License-Identifier: Apache-2.0
#include "cli/request_signing.h"

#include "base/clock.h"
#include "crypto/hash.h"
#include "crypto/owner_signature.h"
#include "net/endpoint.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace redoubt::cli {

namespace {

constexpr std::size_t kMaxSignerKey = 16 * 1024; // bytes of a PEM file
constexpr std::int64_t kSignatureSeconds = 60;

} // namespace

Result<RequestSigner> read_signer(const std::string& text) {
    const std::size_t colon = text.find(':');
    if (colon == std::string::npos || colon == 0 || colon + 1 == text.size())
        return fail(Code::Usage, "--as takes ID:FILE: a principal's id, and its private key as a PEM file");
    const std::string path = text.substr(colon + 1);
    const net::Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file)
        return fail(Code::Io, "the principal's key cannot be read", path + ": " + std::strerror(errno));
    Secret buffer(kMaxSignerKey);
    const auto bytes = buffer.mutable_view(SecretAccess("read a principal's private key"));
    std::size_t size = 0;
    ssize_t n = 0;
    while (size < bytes.size() && (n = read(file.get(), bytes.data() + size, bytes.size() - size)) > 0)
        size += static_cast<std::size_t>(n);
    if (n < 0 || size == bytes.size())
        return fail(Code::Io, "the principal's key cannot be read, or is longer than a key's file can be",
                    path);
    return RequestSigner{text.substr(0, colon), Secret::copy_of(bytes.first(size))};
}

Status sign_request(net::HttpRequest& request, const RequestSigner& signer, std::string_view nonce) {
    const std::size_t question = request.target.find('?');
    const std::string path = request.target.substr(0, question);
    const std::string query = question == std::string::npos ? "?" : request.target.substr(question);
    std::string list = R"("@method" "@authority" "@path" "@query")";
    std::string base = "\"@method\": " + request.method + "\n\"@authority\": " + request.authority +
                       "\n\"@path\": " + path + "\n\"@query\": " + query + "\n";
    if (!request.body.empty()) {
        const std::string digest = "sha-256=:" + to_base64(crypto::sha256(request.body)) + ":";
        list += R"( "content-type" "content-digest")";
        base += "\"content-type\": " + std::string(request.header("content-type")) +
                "\n\"content-digest\": " + digest + "\n";
        request.headers.push_back({"content-digest", digest});
    }
    const std::int64_t now = system_time_ms() / 1000;
    const std::string parameters = "(" + list + ");created=" + std::to_string(now) +
                                   ";expires=" + std::to_string(now + kSignatureSeconds) + ";nonce=\"" +
                                   std::string(nonce) + "\";keyid=\"" + signer.id + "\";tag=\"redoubt\"";
    base += "\"@signature-params\": " + parameters;
    REDOUBT_TRY(const auto made, crypto::sign_with_pem(signer.pem, as_bytes(base)));
    request.headers.push_back({"signature-input", "sig=" + parameters});
    request.headers.push_back({"signature", "sig=:" + to_base64(made.signature) + ":"});
    return {};
}

} // namespace redoubt::cli
