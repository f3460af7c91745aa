// SPDX-License-Identifier: Apache-2.0
// One client request as the operations see it.
#pragma once

#include "enclave/enclave.h"

namespace redoubt::enclave {

struct Enclave::Asked {
    const wire::Request& message;
    MayWait may_wait;
    UnixMs now; // trusted

    // What the gateway sent along, or nullopt.
    std::optional<ByteView> item(wire::ItemKind kind, std::string_view name) const noexcept {
        for (const auto& item : message.items)
            if (item.kind == kind && item.name == name)
                return item.bytes;
        return std::nullopt;
    }
};

inline wire::Reply need(wire::ItemKind kind, std::string_view name) {
    wire::Reply reply;
    reply.status = wire::kNeeds;
    reply.needs.push_back({kind, std::string(name)});
    return reply;
}

} // namespace redoubt::enclave
