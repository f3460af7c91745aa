// SPDX-License-Identifier: Apache-2.0
// What a node may answer with, as any bytes: no crash, and what is accepted is bounded and JSON. The first
// byte chooses HTTP's status. Seeds: corpus/node_reply.
#include "gateway/node_reply.h"
#include "base/json.h"
#include "base/utf8.h"
#include "gateway/sender_account.h"
#include "gateway/sender_fees.h"

#include <cstdlib>

using namespace redoubt;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0)
        return 0;
    constexpr int kStatuses[] = {200, 400, 401, 429, 500, 302};
    const int status = kStatuses[data[0] % 6];
    const std::string_view body = as_text(ByteView(data, size).subspan(1));
    const auto reply = gateway::read_node_reply(status, body, 1);
    if (!reply) {
        require(reply.error().code == Code::NodeUnavailable || reply.error().code == Code::NodeRefused);
        // A node's address and words stay out of the sentence.
        require(reply.error().context.empty() || reply.error().context.starts_with("HTTP status "));
        return 0;
    }
    json::Document document;
    const json::Limits limits{16u << 20, 64, 1u << 20};
    if (reply->error) {
        require(reply->result.empty());
        require(reply->error->message.size() <= 1'024 && is_utf8(reply->error->message));
        require(reply->error->data.empty() || document.parse(reply->error->data, limits));
        (void)gateway::verdict_of(reply->error->code, reply->error->message);
        return 0;
    }
    require(status == 200 && document.parse(reply->result, limits));
    if (const auto count = gateway::read_count(reply->result))
        require(*count <= INT64_MAX);
    if (const auto quantity = gateway::read_quantity(reply->result)) {
        const auto more = gateway::raised(*quantity, 15);
        require(more >= *quantity);
        if (const auto gas = gateway::gas_with_margin(*quantity))
            require(*gas <= ethereum::kTransactionGasCap);
    }
    (void)gateway::read_base_fee(reply->result);
    return 0;
}
