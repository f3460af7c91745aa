// SPDX-License-Identifier: Apache-2.0
#include "aws/arn.h"
#include "aws/sts_client.h"
#include "doctor/checks.h"

#include <array>
#include <cstdio>
#include <fstream>
#include <iterator>

namespace redoubt::doctor {

namespace {

constexpr std::size_t kMaxRoots = 16 << 20;

} // namespace

void run_checks(const Inputs& inputs, Report& report) {
    Knowledge known;
    check_manifest(inputs, known, report);
    check_nitro_host(inputs, known, report);
    check_gateway(inputs, known, report);
    check_proxy(inputs, known, report);
    check_network(inputs, known, report);
    check_credentials(inputs, known, report);
    check_keys(inputs, known, report);
    check_store(inputs, known, report);
}

std::string kms_url(const Inputs& inputs, const aws::KmsKeyArn& key) {
    if (!inputs.kms_endpoint.empty())
        return inputs.kms_endpoint;
    return "https://" +
           aws::kms_host(key, aws::partition_suffix(key.partition).value_or(std::string("amazonaws.com")));
}

std::string secretsmanager_url(const Inputs& inputs) {
    if (!inputs.secretsmanager_endpoint.empty())
        return inputs.secretsmanager_endpoint;
    return "https://secretsmanager." + inputs.region + "." +
           aws::partition_suffix(aws::partition_of_region(inputs.region))
               .value_or(std::string("amazonaws.com"));
}

std::string sts_endpoint_url(const Inputs& inputs) {
    return inputs.sts_endpoint.empty() ? aws::sts_url(inputs.region) : inputs.sts_endpoint;
}

Result<std::string> read_file(const std::string& path, std::size_t limit) {
    std::ifstream in(path, std::ios::binary);
    if (!in)
        return redoubt::fail(Code::Io, "a file cannot be read", path);
    std::string text(limit + 1, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
    if (in.bad() || text.size() > limit)
        return redoubt::fail(Code::Io, "a file cannot be read, or is too large", path);
    return text;
}

Result<const net::TlsContext*> tls_for(const std::string& url, const Inputs& inputs, Knowledge& known) {
    if (!url.starts_with("https:"))
        return nullptr;
    if (!known.tls) {
        REDOUBT_TRY(const std::string pem, read_file(inputs.roots_file, kMaxRoots));
        REDOUBT_TRY(auto context, net::TlsContext::client(pem, {"http/1.1"}));
        known.tls = std::move(context);
    }
    return &*known.tls;
}

Result<net::HttpResponse> http_get(const std::string& url, const std::string& target,
                                   const net::TlsContext* tls, int timeout_ms) {
    REDOUBT_TRY(const net::Url parsed, net::parse_url(url));
    if (parsed.tls && tls == nullptr)
        return redoubt::fail(Code::Usage, "an https endpoint needs roots to trust", url);
    net::Endpoint endpoint;
    endpoint.kind = net::Endpoint::Kind::Tcp;
    endpoint.host = parsed.host;
    endpoint.port = parsed.port;
    net::HttpRequest request;
    request.method = "GET";
    request.target = target;
    request.authority = parsed.authority();
    net::HttpClient client(endpoint, parsed.tls ? tls : nullptr, parsed.host);
    return client.send(request, timeout_ms);
}

std::optional<UnixMs> parse_http_date(std::string_view text) {
    constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    // "Tue, 24 Nov 2026 23:29:02 GMT"
    if (text.size() != 29 || text.substr(3, 2) != ", " || text.substr(25) != " GMT" || text[7] != ' ' ||
        text[11] != ' ' || text[16] != ' ')
        return std::nullopt;
    for (std::size_t month = 0; month < kMonths.size(); ++month)
        if (text.substr(8, 3) == kMonths[month]) {
            const std::string number = (month < 9 ? "0" : "") + std::to_string(month + 1);
            return from_iso8601(std::string(text.substr(12, 4)) + "-" + number + "-" +
                                std::string(text.substr(5, 2)) + "T" + std::string(text.substr(17, 8)) + "Z");
        }
    return std::nullopt;
}

} // namespace redoubt::doctor
