// SPDX-License-Identifier: Apache-2.0
// One client request as the operations see it.
#pragma once

#include "enclave/enclave.h"

namespace redoubt::enclave {

struct Enclave::Asked {
    const wire::Request& message;
    MayWait may_wait;
    UnixMs now;              // trusted
    std::uint64_t forgotten; // as it was when the request came

    // What the gateway sent along, or nullopt.
    std::optional<ByteView> item(wire::ItemKind kind, std::string_view name) const noexcept {
        for (const auto& item : message.items)
            if (item.kind == kind && item.name == name)
                return item.bytes;
        return std::nullopt;
    }
};

// What the sample's stores hold: base64 text (perhaps with a line end), or the blob itself.
inline Bytes ciphertext_of(ByteView stored) {
    std::string_view text = as_text(stored);
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' '))
        text.remove_suffix(1);
    if (auto decoded = from_base64(text); decoded && !decoded->empty())
        return std::move(*decoded);
    return to_bytes(stored);
}

inline wire::Reply need(wire::ItemKind kind, std::string_view name) {
    wire::Reply reply;
    reply.status = wire::kNeeds;
    reply.needs.push_back({kind, std::string(name)});
    return reply;
}

} // namespace redoubt::enclave
