// SPDX-License-Identifier: Apache-2.0
#include "net/endpoint.h"
#include "net/http_client.h"
#include "net/http_grammar.h"

#include <algorithm>

namespace redoubt::net {

std::string Url::authority() const {
    std::string out = host.find(':') != std::string::npos ? "[" + host + "]" : host;
    if (port != (tls ? 443 : 80))
        out += ":" + std::to_string(port);
    return out;
}

Result<Url> parse_url(std::string_view text) {
    Url out;
    std::string_view rest = text;
    if (rest.starts_with("https://")) {
        out.tls = true;
        rest.remove_prefix(8);
    } else if (rest.starts_with("http://")) {
        rest.remove_prefix(7);
    } else {
        return fail(Code::Usage, "a URL begins with http:// or https://", std::string(text));
    }
    const auto slash = rest.find('/');
    const std::string_view authority = rest.substr(0, slash);
    out.path = slash == std::string_view::npos ? "/" : std::string(rest.substr(slash));
    if (!is_authority(authority) || !is_origin_form(out.path) || out.path.find('?') != std::string::npos)
        return fail(Code::Usage,
                    "a URL is http://HOST:PORT/PATH or https://…, without user, query or fragment",
                    std::string(text));
    // What follows the host and its brackets is a colon and a port, or nothing.
    const bool has_port =
        authority.find(':', authority.starts_with('[') ? authority.find(']') : 0) != std::string_view::npos;
    const auto endpoint = parse_endpoint("tcp:" + std::string(authority) +
                                         (has_port  ? ""
                                          : out.tls ? ":443"
                                                    : ":80"));
    if (!endpoint || endpoint->port == 0)
        return fail(Code::Usage, "a URL's host or port is not valid", std::string(text));
    out.host = endpoint->host;
    std::ranges::transform(out.host, out.host.begin(), to_lower);
    out.port = static_cast<std::uint16_t>(endpoint->port);
    return out;
}

} // namespace redoubt::net
