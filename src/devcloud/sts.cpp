// SPDX-License-Identifier: Apache-2.0
#include "devcloud/sts.h"

#include "devcloud/sts_operations.h"

#include <array>

namespace redoubt::devcloud {

namespace {

constexpr std::string_view kNamespace = "xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"";

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
constexpr std::array<QueryName, 9> kQueryNames = {{
    {"InvalidSignatureException", "SignatureDoesNotMatch", 403},
    {"UnrecognizedClientException", "InvalidClientTokenId", 403},
    {"ExpiredTokenException", "ExpiredToken", 403},
    {"MissingAuthenticationTokenException", "MissingAuthenticationToken", 403},
    {"IncompleteSignatureException", "IncompleteSignature", 400},
    {"AccessDeniedException", "AccessDenied", 403},
    {"ValidationException", "ValidationError", 400},
    {"MalformedPolicyDocumentException", "MalformedPolicyDocument", 400},
    {"ExpiredWebIdentityToken", "ExpiredTokenException", 400},
}};

// The result is written without white space: it is the elements of <OPERATIONResult>.
net::HttpResponse xml_result(std::string_view operation, const std::string& result,
                             const std::string& request_id) {
    const std::string name(operation);
    return xml_reply(200, "<" + name + "Response " + std::string(kNamespace) + ">\n  <" + name + "Result>" +
                              result + "</" + name + "Result>\n  <ResponseMetadata>\n    " +
                              xml_element("RequestId", request_id) + "\n  </ResponseMetadata>\n</" + name +
                              "Response>\n");
}

ServiceError malformed_form() {
    ServiceError error;
    error.type = "MalformedQueryString";
    error.message = "The form is malformed, or has a parameter twice.";
    return error;
}

} // namespace

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
            out.push_back(c >= ' ' && c <= '~' ? c : '?');
        }
    }
    return out;
}

std::string xml_element(std::string_view name, std::string_view text) {
    const std::string tag(name);
    return "<" + tag + ">" + xml_escaped(text) + "</" + tag + ">";
}

namespace {

// A GET, presigned as a rule, carries the form in its query (how EKS and Vault prove who somebody is).
std::optional<Form> form_of(const net::HttpRequest& request) {
    return Form::parse(request.method == "GET" ? std::string_view(request.query) : as_text(request.body));
}

} // namespace

std::optional<std::string> query_action(const net::HttpRequest& request) {
    const auto form = form_of(request);
    const auto* action = form ? form->find("Action") : nullptr;
    return action == nullptr ? std::nullopt : std::optional(*action);
}

net::HttpResponse xml_error(const ServiceError& error, const std::string& request_id) {
    std::string_view code = error.type;
    int status = error.status;
    for (const auto& name : kQueryNames)
        if (name.json == error.type) {
            code = name.query;
            status = name.status;
        }
    const std::string detail =
        error.detail.empty() ? "" : "    " + xml_element("RedoubtDetail", error.detail) + "\n";
    return xml_reply(status, "<ErrorResponse " + std::string(kNamespace) + ">\n  <Error>\n    " +
                                 xml_element("Type", status >= 500 ? "Receiver" : "Sender") + "\n    " +
                                 xml_element("Code", code) + "\n    " +
                                 xml_element("Message", error.message) + "\n" + detail + "  </Error>\n  " +
                                 xml_element("RequestId", request_id) + "\n</ErrorResponse>\n");
}

net::HttpResponse serve_sts(Cloud& cloud, const Call& call) {
    if (call.operation == "GetCallerIdentity") // IAM asks no permission for it
        return xml_result(call.operation,
                          xml_element("Arn", call.principal.arn) +
                              xml_element("UserId", call.principal.user_id) +
                              xml_element("Account", call.principal.account),
                          call.request_id);
    if (call.operation == "AssumeRole") {
        const auto form = form_of(call.request);
        if (!form)
            return xml_error(malformed_form(), call.request_id);
        StsCall sts{cloud, call, *form};
        const auto result = assume_role(sts);
        return result ? xml_result(call.operation, *result, call.request_id)
                      : xml_error(result.error(), call.request_id);
    }
    ServiceError error;
    error.type = "InvalidAction";
    error.message = "Could not find operation " + std::string(call.operation) + " in devcloud";
    return xml_error(error, call.request_id);
}

net::HttpResponse serve_web_identity(Cloud& cloud, const net::HttpRequest& request,
                                     const std::string& request_id, bool tls) {
    const auto form = form_of(request);
    if (!form)
        return xml_error(malformed_form(), request_id);
    const Principal nobody;
    const Call call{request, nobody, kWebIdentityAction, cloud.settings.region, request_id, cloud.now(), tls};
    StsCall sts{cloud, call, *form};
    const auto result = assume_role_with_web_identity(sts);
    return result ? xml_result(kWebIdentityAction, *result, request_id)
                  : xml_error(result.error(), request_id);
}

} // namespace redoubt::devcloud
