// SPDX-License-Identifier: Apache-2.0
#include "doctor/checks.h"
#include "host/resolver.h"
#include "host/vsock_proxy.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <future>
#include <thread>

namespace redoubt::doctor {

namespace {

constexpr std::size_t kMaxYaml = 1 << 20;
constexpr std::uint16_t kHttps = 443;
constexpr int kDnsMs = 5'000;
// SigV4 allows five minutes; a minute of that is kept for what is still to come.
constexpr std::int64_t kSkewFailsMs = 4 * 60'000;
constexpr std::int64_t kSkewWarnsMs = 30'000;

// The look-up may take longer than anybody waits; it then ends on its own.
std::optional<host::Addresses> look_up(const std::string& name) {
    auto promise = std::make_shared<std::promise<host::Addresses>>();
    auto result = promise->get_future();
    std::thread([promise, name] { promise->set_value(host::look_up(name, 0)); }).detach();
    if (result.wait_for(std::chrono::milliseconds(kDnsMs)) != std::future_status::ready)
        return std::nullopt;
    return result.get();
}

bool check_dns(const std::string& name, Report& report) {
    if (host::is_numeric_address(name) || name == "localhost")
        return true;
    report.waiting("looking up " + name);
    const auto addresses = look_up(name);
    if (!addresses || addresses->empty()) {
        report.fail(
            "dns", name, addresses ? "the name has no address" : "no name server answers within 5 seconds",
            "see /etc/resolv.conf and the VPC's DNS settings; for a VPC endpoint, its private DNS name");
        return false;
    }
    report.ok("dns", name, "it has " + std::to_string(addresses->size()) + " addresses");
    return true;
}

void check_clock(const net::HttpResponse& response, UnixMs before, UnixMs after, const std::string& url,
                 Report& report) {
    constexpr const char* kCheck = "clock";
    const auto date = parse_http_date(response.header("date"));
    if (!date)
        return report.warn(kCheck, url, "the answer has no Date to compare the clock with",
                           "see that nothing between this host and AWS removes headers");
    // The header has whole seconds, so half a second is its own error.
    const std::int64_t skew = before + (after - before) / 2 - (*date + 500);
    const std::string seconds = std::to_string(std::llabs(skew) / 1000) + " s";
    const std::string sentence = "this machine's clock is " + seconds + (skew < 0 ? " behind" : " ahead");
    constexpr const char* kChange = "synchronise the clock (chronyc makestep; on EC2 from 169.254.169.123)";
    if (std::llabs(skew) > kSkewFailsMs)
        report.fail(kCheck, url, sentence + "; AWS refuses signatures that are 5 minutes off", kChange);
    else if (std::llabs(skew) > kSkewWarnsMs)
        report.warn(kCheck, url, sentence, kChange);
    else
        report.ok(kCheck, url,
                  "this machine's clock agrees within " + std::to_string(kSkewWarnsMs / 1000) + " s");
}

// One unsigned request: whatever its answer, there is one.
void check_service(const char* check, const std::string& url, const char* without, const Inputs& inputs,
                   Knowledge& known, bool& clock_checked, Report& report) {
    const auto parsed = net::parse_url(url);
    if (!parsed)
        return report.fail(check, url, "it is no URL", "http://HOST:PORT or https://HOST");
    if (!check_dns(parsed->host, report))
        return report.skipped(check, url, "not asked: its name has no address");
    const auto tls = tls_for(url, inputs, known);
    if (!tls)
        return report.fail(check, url, printable(tls.error().describe()),
                           "install the package ca-certificates");
    report.waiting("asking " + url);
    const UnixMs before = system_time_ms();
    const auto response = http_get(url, "/", *tls, inputs.timeout_ms);
    if (!response) {
        std::string sentence = "it cannot be reached";
        std::string change =
            std::string("allow outgoing TCP to it (security group, network ACL, route or VPC "
                        "endpoint); ") +
            without;
        if (response.error().code == Code::Timeout)
            sentence = "it takes no connection or gives no answer within " +
                       std::to_string(inputs.timeout_ms / 1000) + " s";
        if (response.error().code == Code::TlsFailed) {
            sentence = "the TLS handshake fails";
            change = "see that nothing intercepts TLS on the way, and that ca-certificates is up to date";
        }
        return report.fail(check, url, sentence + ": " + printable(response.error().describe()), change);
    }
    known.reachable.insert(url);
    report.ok(check, url, parsed->tls ? "it answers over TLS" : "it answers");
    if (!std::exchange(clock_checked, true))
        check_clock(*response, before, system_time_ms(), url, report);
}

} // namespace

void check_proxy(const Inputs& inputs, const Knowledge& known, Report& report) {
    constexpr const char* kCheck = "vsock-proxy";
    const std::string path = inputs.system_root + inputs.vsock_proxy_config;
    const auto text = read_file(path, kMaxYaml);
    const auto list = text ? host::parse_allowlist(*text)
                           : Result<std::vector<host::AllowEntry>>(std::unexpected(text.error()));
    if (!list)
        return report.fail(kCheck, path,
                           "the proxy's allow-list cannot be used: " + printable(list.error().describe()),
                           "`allowlist:` with one `- {address: HOST, port: 443}` for each KMS host");
    if (!known.manifest)
        return report.skipped(kCheck, path, "without a manifest no KMS host is known that it should hold");
    std::set<std::string> hosts;
    for (const auto& key : known.manifest->kms_keys)
        if (const auto arn = aws::parse_kms_key_arn(key.arn)) {
            const auto suffix = inputs.development_suffix.empty()
                                    ? aws::partition_suffix(arn->partition)
                                    : Result<std::string>(inputs.development_suffix);
            if (suffix)
                hosts.insert(aws::kms_host(*arn, *suffix));
        }
    for (const auto& host_name : hosts) {
        if (!inputs.development_suffix.empty()) {
            // The stand-in has one address for all, and a certificate for the name.
            if (list->empty()) {
                report.fail(kCheck, host_name, "the allow-list is empty", "start `redoubt up` again");
                continue;
            }
            report.waiting("asking devcloud's TLS port");
            const auto pem = read_file(inputs.gateway_ca_file, kMaxYaml);
            const auto tls = pem ? net::TlsContext::client(*pem, {"http/1.1"})
                                 : Result<net::TlsContext>(std::unexpected(pem.error()));
            net::Endpoint endpoint;
            endpoint.kind = net::Endpoint::Kind::Tcp;
            endpoint.host = list->front().address;
            endpoint.port = list->front().port;
            net::HttpRequest request;
            request.method = "GET";
            request.target = "/";
            request.authority = host_name;
            const auto response =
                tls ? net::HttpClient(endpoint, &*tls, host_name).send(request, inputs.timeout_ms)
                    : Result<net::HttpResponse>(std::unexpected(tls.error()));
            if (response)
                report.ok(kCheck, host_name, "the enclave's way to KMS answers over TLS");
            else
                report.fail(kCheck, host_name,
                            "the enclave's way to KMS does not answer: " +
                                printable(response.error().describe()),
                            "see that devcloud runs; its log is in the data folder");
            continue;
        }
        const bool listed = std::ranges::any_of(*list, [&](const host::AllowEntry& entry) {
            return entry.address == host_name && entry.port == kHttps;
        });
        if (listed)
            report.ok(kCheck, host_name, "the proxy's allow-list holds it");
        else
            report.fail(kCheck, host_name, "the proxy's allow-list " + path + " does not hold it",
                        "add `- {address: " + host_name + ", port: 443}` and restart vsock-proxy");
    }
}

void check_network(const Inputs& inputs, Knowledge& known, Report& report) {
    bool clock_checked = false;
    std::set<std::string> asked;
    if (known.manifest)
        for (const auto& key : known.manifest->kms_keys)
            if (const auto arn = aws::parse_kms_key_arn(key.arn))
                if (const std::string url = kms_url(inputs, *arn); asked.insert(url).second)
                    check_service("kms-reachable", url, "without it no vault opens", inputs, known,
                                  clock_checked, report);
    if (!known.manifest)
        report.skipped("kms-reachable", {}, "without a manifest no KMS host is known");
    const bool wants_secrets =
        !known.manifest || known.manifest->reference_keys.mode != trust::ReferenceKeys::Mode::None;
    if (wants_secrets)
        check_service("secrets-reachable", secretsmanager_url(inputs), "without it no reference key signs",
                      inputs, known, clock_checked, report);
    else
        report.skipped("secrets-reachable", {}, "the manifest allows no reference keys");
}

} // namespace redoubt::doctor
