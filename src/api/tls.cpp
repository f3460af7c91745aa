// SPDX-License-Identifier: Apache-2.0
#include "api/operation_parts.h"

namespace redoubt::api {

Result<Operation> tls_route(const Request& request, json::Document& scratch) {
    if (request.path == "/v1/attestation/tls") {
        REDOUBT_CHECK(need_method(request, "GET", "an attestation is asked for with GET"));
        REDOUBT_CHECK(no_body(request));
        REDOUBT_TRY(auto nonce, nonce_query(request));
        if (!nonce)
            return fail(Code::MissingField,
                        "the query needs nonce=HEX, so that the document is shown to be fresh");
        return AttestTls{std::move(*nonce)};
    }
    if (request.path == "/v1/tls/csr") {
        REDOUBT_CHECK(need_method(request, "GET", "a certificate request is asked for with GET"));
        REDOUBT_CHECK(no_query(request));
        REDOUBT_CHECK(no_body(request));
        return MakeTlsRequest{};
    }
    if (request.path == "/v1/tls/certificate") {
        REDOUBT_CHECK(need_method(request, "POST", "a certificate is installed with POST"));
        REDOUBT_CHECK(no_query(request));
        REDOUBT_CHECK(need_json(request.content_type, false));
        REDOUBT_TRY(const json::Value body, parse_body(request, scratch));
        REDOUBT_CHECK(json::check_members(body, {"chain"}));
        const auto chain = body.get("chain");
        if (!chain || !chain->is_string() || chain->text().empty() || chain->text().size() > kMaxTlsChain)
            return fail(Code::InvalidField,
                        "chain must be the certificates as PEM text of at most 32 KiB, the key's own first");
        return InstallTlsCertificate{chain->text()};
    }
    return fail(Code::NotFound, "there is no such route; docs/api.md lists them");
}

} // namespace redoubt::api
