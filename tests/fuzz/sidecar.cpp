// SPDX-License-Identifier: Apache-2.0
// The gateway's reading of bodies with blobs on any text: no crash; what goes on to the enclave is JSON
// without the sidecar and with every other member as it was. Seeds: corpus/sidecar.
#include "base/json.h"
#include "gateway/blob_sidecar.h"

#include <cstdlib>

using namespace redoubt;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    (void)gateway::with_network_transaction(text, gateway::BlobSidecar{});
    const auto split = gateway::split_sidecar(text);
    if (!split)
        return 0;
    static json::Document before, after;
    const auto was = before.parse(text);
    const auto is = after.parse(split->body);
    require(was && is);
    if (!split->sidecar) {
        require(split->body == text);
        return 0;
    }
    require(!is->get("sidecar") && is->size() + 1 == was->size());
    for (const json::Value member : *is)
        require(was->get(member.name())->raw() == member.raw());
    return 0;
}
