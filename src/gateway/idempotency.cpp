// SPDX-License-Identifier: Apache-2.0
#include "gateway/idempotency.h"

#include "base/json.h"
#include "sealed/key_record.h"

namespace redoubt::gateway {

namespace {

constexpr std::string_view kHeader = "idempotency-key";

net::HttpResponse refused(Code code, std::string_view sentence) {
    return net::HttpResponse::error(code, sentence);
}

// A string of RFC 8941, as the draft has it, or the same without quotes, as most clients send it.
std::string_view unquoted(std::string_view value) noexcept {
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
        return value.substr(1, value.size() - 2);
    return value;
}

bool takes_token(std::string_view path) noexcept {
    return path == "/v1/keys" || path == "/v1/keys/import" || path == "/v1/vaults";
}

// Of a request that is signed the body is, too: by the digest that the signature covers.
bool is_signed(const net::HttpRequest& request) noexcept {
    return request.count("signature") + request.count("signature-input") + request.count("content-digest") !=
           0;
}

// `body` is a JSON object without the member.
Bytes with_token(std::string_view body, bool empty, std::string_view token) {
    std::string out = R"({"client_token":)";
    json::append_escaped(out, token);
    if (!empty)
        out += ',';
    out += body.substr(body.find('{') + 1);
    return to_bytes(out);
}

} // namespace

std::optional<net::HttpResponse> take_idempotency_key(net::HttpRequest& request) {
    const std::size_t count = request.count(kHeader);
    if (count == 0 || request.method != "POST" || !request.path.starts_with("/v1/") ||
        request.path == "/v1/transactions")
        return std::nullopt;
    if (!takes_token(request.path))
        return refused(Code::BadRequest,
                       "Idempotency-Key means nothing on this route: a repeat has no further effect, or is "
                       "refused; remove the header");
    const std::string token(unquoted(request.header(kHeader)));
    if (count > 1 || !sealed::valid_client_token(token))
        return refused(Code::InvalidField,
                       "Idempotency-Key must stand once, with 1 to 64 of the characters A-Z a-z 0-9 . _ : -, "
                       "as client_token");
    const bool no_body = request.body.empty();
    json::Document document;
    const auto root = document.parse(no_body ? std::string_view("{}") : as_text(request.body));
    if (!root || !root->is_object())
        return std::nullopt; // which is refused where it is read
    if (const auto own = root->get("client_token")) {
        if (own->is_string() && own->text() != token)
            return refused(Code::AmbiguousField, "Idempotency-Key and client_token differ; give one");
        return std::nullopt;
    }
    if (is_signed(request))
        return refused(Code::InvalidField,
                       "a signed request says client_token in its body, which the signature covers, and not "
                       "as Idempotency-Key");
    request.body =
        with_token(no_body ? std::string_view("{}") : as_text(request.body), root->size() == 0, token);
    if (no_body && request.count("content-type") == 0)
        request.headers.push_back({"content-type", "application/json"});
    return std::nullopt;
}

} // namespace redoubt::gateway
