// SPDX-License-Identifier: Apache-2.0
#include "aws/container_credentials.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <thread>

namespace redoubt::aws {

namespace {

constexpr std::size_t kMaxUri = 2048;
constexpr std::size_t kMaxToken = 16 * 1024; // a service account's token has about 1 KiB

struct Where {
    net::Url url;
    std::string target; // path and query
};

// What plain http may go to: nothing that leaves the machine, so that no token travels in the clear.
bool may_be_plain(const std::string& host) noexcept {
    constexpr std::array<std::string_view, 5> kHosts = {"localhost", "169.254.170.2", "169.254.170.23",
                                                        "fd00:ec2::23", "::1"};
    if (std::ranges::find(kHosts, host) != kHosts.end())
        return true;
    // 127.0.0.0/8 in numbers; a name that begins so ("127.0.0.1.example.com") is no number.
    return host.starts_with("127.") && std::ranges::count(host, '.') == 3 &&
           std::ranges::all_of(host, [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
}

Result<Where> find_endpoint(const ContainerOptions& options) {
    const auto relative = options.environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const auto full = options.environment("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (relative.empty() && full.empty())
        return fail(Code::CredentialsMissing, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and "
                                              "AWS_CONTAINER_CREDENTIALS_FULL_URI are not set");
    if (!relative.empty() && (relative[0] != '/' || !is_visible(relative, kMaxUri)))
        return fail(Code::Usage, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not a path that begins with /");
    const std::string uri = relative.empty() ? std::string(full) : options.endpoint + std::string(relative);
    const auto query = uri.find('?');
    const auto url = net::parse_url(std::string_view(uri).substr(0, query));
    // Without the URI as the context: its query may hold a secret.
    if (!is_visible(uri, kMaxUri) || !url)
        return fail(Code::Usage, "AWS_CONTAINER_CREDENTIALS_FULL_URI is not an http or https URL");
    if (relative.empty() && !url->tls && !may_be_plain(url->host))
        return fail(Code::Usage,
                    "AWS_CONTAINER_CREDENTIALS_FULL_URI is plain http to a host that is neither this machine "
                    "nor the ECS or EKS endpoint; use https",
                    url->authority());
    return Where{*url, url->path + (query == std::string::npos ? "" : uri.substr(query))};
}

// Empty: none is configured.
Result<Secret> find_token(const EnvironmentLookup& environment) {
    Secret token;
    if (const auto file = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); !file.empty()) {
        REDOUBT_TRY(token, read_secret_file(std::string(file), kMaxToken));
    } else {
        token = Secret::copy_of(as_bytes(environment("AWS_CONTAINER_AUTHORIZATION_TOKEN")));
    }
    const auto text = token.text(SecretAccess("check that a token is one header line"));
    // A line break would let the token's writer add headers of his own.
    if (std::ranges::any_of(text, [](char c) { return c == '\r' || c == '\n'; }))
        return fail(Code::Usage, "the container's authorization token holds a line break");
    if (text.size() > kMaxToken || std::ranges::any_of(text, [](char c) { return c < 0x20 || c > 0x7e; }))
        return fail(Code::Usage, "the container's authorization token cannot stand in a header");
    return token;
}

Result<Credentials> ask(const Where& where, const Secret& token, const net::TlsContext* tls, int timeout_ms,
                        int& status) {
    net::HttpRequest request;
    request.method = "GET";
    request.target = request.path = where.target;
    request.headers.push_back({"accept", "application/json"});
    if (!token.empty())
        request.headers.push_back(
            {"authorization", std::string(token.text(SecretAccess("authorise at the container endpoint")))});
    CredentialExchange exchange(where.url, tls, timeout_ms);
    REDOUBT_TRY(auto response, exchange.send(std::move(request)));
    status = response.status;
    if (response.status != 200)
        return fail(Code::AwsRefused, "the container endpoint gives no credentials",
                    status_context(response));
    auto credentials = read_credentials_json(as_text(response.body), false, system_time_ms());
    wipe(response.body);
    return credentials;
}

} // namespace

Result<Credentials> fetch_container_credentials(const ContainerOptions& options) {
    REDOUBT_TRY(const Where where, find_endpoint(options));
    const net::TlsContext* tls = nullptr;
    if (where.url.tls) {
        if (!options.tls)
            return fail(Code::Usage, "an https endpoint needs roots to trust");
        REDOUBT_TRY(tls, options.tls());
    }
    for (int attempt = 1;; ++attempt) {
        REDOUBT_TRY(const Secret token, find_token(options.environment));
        int status = 0;
        auto credentials = ask(where, token, tls, options.timeout_ms, status);
        const bool again =
            !credentials && (credentials.error().code == Code::AwsUnavailable || status >= 500);
        if (!again || attempt >= options.tries)
            return credentials;
        std::this_thread::sleep_for(std::chrono::milliseconds(options.pause_ms));
    }
}

} // namespace redoubt::aws
