// SPDX-License-Identifier: Apache-2.0
// The clients document on any bytes, and what is taken asked about requests made of the same bytes: no crash,
// and nobody is let in without a credential that stands in the document. Seeds: corpus/clients.
#include "gateway/clients.h"

#include <cstdlib>

using namespace redoubt;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto clients = gateway::Clients::parse(text);
    if (!clients)
        return 0;
    for (const auto& grant : clients->grants()) {
        require(gateway::valid_client_name(grant->name));
        require(grant->limit.rate_per_second <= gateway::ClientLimit::kMaxRate);
        for (const auto& id : grant->key_ids)
            require(grant->may_use(id, std::nullopt));
        for (const auto& address : grant->addresses)
            require(grant->may_use({}, address));
        for (const auto& secret : grant->secrets)
            require(grant->may_use_secret(secret));
    }
    net::HttpRequest request;
    const auto nobody = clients->identify(request, 0);
    require(!nobody || (*nobody)->name.empty());
    // The document's own text, in pieces, as a token: the hash in it opens nothing.
    request.headers.push_back({"authorization", ""});
    for (std::size_t at = 0; at + 85 <= size && at < 4'096; ++at) {
        request.headers[0].value = "Bearer " + std::string(text.substr(at, 85));
        require(!clients->identify(request, 0));
    }
    (void)clients->serves_host(text.substr(0, 300));
    return 0;
}
