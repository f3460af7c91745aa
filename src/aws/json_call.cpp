// SPDX-License-Identifier: Apache-2.0
#include "aws/json_call.h"

#include "aws/sigv4.h"

namespace redoubt::aws {

namespace {

constexpr net::HttpLimits kAnswerLimits{
    .request_line = 1024, .header_bytes = 16 * 1024, .headers = 64, .body = 256 * 1024};

} // namespace

Result<net::HttpResponse> call_json_service(const JsonService& service, const std::string& target,
                                            const std::string& body, const Credentials& credentials) {
    REDOUBT_TRY(const net::Url url, net::parse_url(service.url));
    if (url.tls && service.tls == nullptr)
        return fail(Code::Usage, "an https endpoint needs roots to trust", service.url);
    net::HttpRequest request;
    request.method = "POST";
    request.target = request.path = url.path;
    request.authority = url.authority();
    request.headers = {{"content-type", "application/x-amz-json-1.1"}, {"x-amz-target", target}};
    request.body = to_bytes(body);
    SigV4Options signing;
    signing.region = service.region;
    signing.service = service.name;
    REDOUBT_CHECK(sign_sigv4(request, credentials, signing, system_time_ms()));
    net::Endpoint endpoint;
    endpoint.kind = net::Endpoint::Kind::Tcp;
    endpoint.host = url.host;
    endpoint.port = url.port;
    net::HttpClient client(endpoint, url.tls ? service.tls : nullptr, url.host, kAnswerLimits);
    auto response = client.send(request, service.timeout_ms);
    for (auto& header : request.headers)
        wipe(header.value);
    return response;
}

} // namespace redoubt::aws
