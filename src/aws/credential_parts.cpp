// SPDX-License-Identifier: Apache-2.0
#include "aws/credential_parts.h"

#include "base/json.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace redoubt::aws {

namespace {

constexpr std::size_t kMaxAnswer = 32 * 1024;
constexpr std::size_t kMaxCode = 64;

constexpr net::HttpLimits kAnswerLimits{
    .request_line = 1024, .header_bytes = 16 * 1024, .headers = 64, .body = kMaxAnswer};

net::Endpoint endpoint_of(const net::Url& url) {
    net::Endpoint endpoint;
    endpoint.kind = net::Endpoint::Kind::Tcp;
    endpoint.host = url.host;
    endpoint.port = url.port;
    return endpoint;
}

bool is_name(std::string_view text) noexcept {
    return !text.empty() && text.size() <= kMaxCode && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    });
}

} // namespace

std::string_view process_environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string_view() : std::string_view(value);
}

bool is_visible(std::string_view text, std::size_t limit) noexcept {
    return !text.empty() && text.size() <= limit &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

std::string status_context(const net::HttpResponse& response) {
    return "status " + std::to_string(response.status);
}

Result<Secret> read_secret_file(const std::string& path, std::size_t limit) {
    const net::Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!fd)
        return fail(Code::Io, "a token file cannot be read", path + ": " + std::strerror(errno));
    Secret buffer(limit + 1);
    const auto space = buffer.mutable_view(SecretAccess("read a token from its file"));
    std::size_t size = 0;
    while (size < space.size()) {
        const ssize_t n = read(fd.get(), space.data() + size, space.size() - size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(Code::Io, "a token file cannot be read", path + ": " + std::strerror(errno));
        if (n == 0)
            break;
        size += static_cast<std::size_t>(n);
    }
    if (size == 0 || size > limit)
        return fail(Code::Io, "a token file is empty or too large", path);
    return Secret::copy_of(ByteView(space).first(size));
}

CredentialExchange::CredentialExchange(const net::Url& url, const net::TlsContext* tls, int timeout_ms)
    : authority_(url.authority()),
      client_(endpoint_of(url), url.tls ? tls : nullptr, url.host, kAnswerLimits),
      deadline_(monotonic_ms() + timeout_ms) {}

Result<net::HttpResponse> CredentialExchange::send(net::HttpRequest request) {
    request.authority = authority_;
    const auto left = std::max<std::int64_t>(deadline_ - monotonic_ms(), 0);
    auto response = client_.send(request, static_cast<int>(left));
    for (auto& header : request.headers)
        wipe(header.value);
    wipe(request.body);
    if (response)
        return response;
    client_.close();
    switch (response.error().code) {
    case Code::BadRequest:
    case Code::TooLarge:
    case Code::HeadersTooLarge:
        return fail(Code::AwsRefused, "the answer is malformed or too large", std::string(authority_));
    case Code::Timeout:
        return fail(Code::AwsUnavailable, "there is no answer in time", std::string(authority_));
    default:
        return fail(Code::AwsUnavailable, "it cannot be reached", response.error().describe());
    }
}

Result<Credentials> read_credentials_json(std::string_view body, bool needs_code, UnixMs now) {
    json::Document document;
    const auto root = document.parse(body, {.bytes = kMaxAnswer, .depth = 4, .values = 64});
    if (!root || !root->is_object())
        return fail(Code::AwsRefused, "the credentials are not the JSON object that they should be");
    const auto text = [&](std::string_view name) {
        const auto value = root->get(name);
        return value && value->is_string() ? value->text() : std::string_view();
    };
    if (const auto code = text("Code"); needs_code && code != "Success")
        return fail(Code::AwsRefused, "there are no credentials for the role",
                    is_name(code) ? "Code " + std::string(code) : "");
    const auto key_id = text("AccessKeyId"), secret = text("SecretAccessKey"), token = text("Token");
    const auto expires = from_iso8601(text("Expiration"));
    if (!is_visible(key_id, kMaxAccessKeyId) || !is_visible(secret, kMaxSecretAccessKey) ||
        !is_visible(token, kMaxSessionToken) || !expires)
        return fail(Code::AwsRefused, "the credentials are not complete");
    if (*expires <= now)
        return fail(Code::AwsRefused, "the credentials given have expired",
                    "Expiration " + to_iso8601(*expires));
    Credentials out;
    out.access_key_id = key_id;
    out.secret_access_key = Secret::copy_of(as_bytes(secret));
    out.session_token = Secret::copy_of(as_bytes(token));
    out.expires = *expires;
    return out;
}

} // namespace redoubt::aws
