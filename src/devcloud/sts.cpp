// SPDX-License-Identifier: Apache-2.0
#include "devcloud/sts.h"

#include <array>

namespace redoubt::devcloud {

namespace {

std::string xml_escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
        case '&':
            out += "&amp;";
            break;
        case '<':
            out += "&lt;";
            break;
        case '>':
            out += "&gt;";
            break;
        case '"':
            out += "&quot;";
            break;
        default:
            out.push_back(c);
        }
    }
    return out;
}

// application/x-www-form-urlencoded, one component.
std::optional<std::string> form_decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+') {
            out.push_back(' ');
        } else if (text[i] == '%') {
            ByteArray<1> byte{};
            if (i + 2 >= text.size() || !from_hex_exact(text.substr(i + 1, 2), byte))
                return std::nullopt;
            out.push_back(static_cast<char>(byte[0]));
            i += 2;
        } else {
            out.push_back(text[i]);
        }
    }
    return out;
}

net::HttpResponse xml_reply(int status, const std::string& body) {
    net::HttpResponse response;
    response.status = status;
    response.headers.push_back({"content-type", "text/xml"});
    response.body = to_bytes(body);
    return response;
}

// The JSON protocol's name, the query protocol's, its status.
struct QueryName {
    std::string_view json, query;
    int status;
};
constexpr std::array<QueryName, 5> kQueryNames = {{
    {"InvalidSignatureException", "SignatureDoesNotMatch", 403},
    {"UnrecognizedClientException", "InvalidClientTokenId", 403},
    {"ExpiredTokenException", "ExpiredToken", 403},
    {"MissingAuthenticationTokenException", "MissingAuthenticationToken", 403},
    {"IncompleteSignatureException", "IncompleteSignature", 400},
}};

} // namespace

std::optional<std::string> query_action(const net::HttpRequest& request) {
    std::optional<std::string> action;
    std::string_view rest = as_text(request.body);
    while (!rest.empty()) {
        const auto end = rest.find('&');
        const auto pair = rest.substr(0, end);
        rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
        const auto equals = pair.find('=');
        const auto name = form_decoded(pair.substr(0, equals));
        const auto value =
            form_decoded(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1));
        if (!name || !value)
            return std::nullopt;
        if (*name != "Action")
            continue;
        if (action)
            return std::nullopt;
        action = value;
    }
    return action;
}

net::HttpResponse xml_error(const ServiceError& error, const std::string& request_id) {
    std::string_view code = error.type;
    int status = error.status;
    for (const auto& name : kQueryNames)
        if (name.json == error.type) {
            code = name.query;
            status = name.status;
        }
    return xml_reply(status,
                     "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <Error>\n"
                     "    <Type>" +
                         std::string(status >= 500 ? "Receiver" : "Sender") + "</Type>\n    <Code>" +
                         xml_escaped(code) + "</Code>\n    <Message>" + xml_escaped(error.message) +
                         "</Message>\n  </Error>\n  <RequestId>" + request_id +
                         "</RequestId>\n</ErrorResponse>\n");
}

net::HttpResponse serve_sts(Cloud&, const Call& call) {
    if (call.operation != "GetCallerIdentity") {
        ServiceError error;
        error.type = "InvalidAction";
        error.message = "Could not find operation " + std::string(call.operation) + " in devcloud";
        return xml_error(error, call.request_id);
    }
    // IAM asks no permission for this operation.
    return xml_reply(200, "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n"
                          "  <GetCallerIdentityResult>\n    <Arn>" +
                              xml_escaped(call.principal.arn) + "</Arn>\n    <UserId>" +
                              xml_escaped(call.principal.user_id) + "</UserId>\n    <Account>" +
                              xml_escaped(call.principal.account) +
                              "</Account>\n  </GetCallerIdentityResult>\n  <ResponseMetadata>\n    "
                              "<RequestId>" +
                              call.request_id +
                              "</RequestId>\n  </ResponseMetadata>\n</GetCallerIdentityResponse>\n");
}

} // namespace redoubt::devcloud
