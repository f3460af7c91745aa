// SPDX-License-Identifier: Apache-2.0
// Blobs (EIP-4844) never enter the enclave: a request to sign a blob transaction may carry them in a member
// `sidecar` beside `transaction`. The gateway takes it out before it forwards the body, and puts the signed
// transaction into the form that a node's eth_sendRawTransaction takes. docs/api.md.
//
// A client that signs its requests (their digest covers the whole body) leaves the sidecar out and wraps the
// transaction itself.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace redoubt::gateway {

// A body with six blobs in hexadecimal, their cell proofs and what else a request holds.
inline constexpr std::size_t kMaxBodyWithBlobs = 2u << 20;

struct BlobSidecar {
    bool cell_proofs = false; // version 1 (EIP-7594): 128 proofs a blob; version 0 has one
    std::vector<Bytes> blobs, commitments, proofs;

    std::vector<Hash32> versioned_hashes() const; // 0x01 ‖ sha256(commitment)[1:]
};

// Might this body have a sidecar? Cheap; split_sidecar() decides.
bool may_have_sidecar(std::string_view path, std::string_view body) noexcept;

struct SplitBody {
    std::string body; // without the sidecar, otherwise as it was
    std::optional<BlobSidecar> sidecar;
};
// `sidecar`: {"version": 0 or 1, "blobs": […], "commitments": […], "proofs": […]}, each 0x-hex: as many
// commitments as blobs (1 … 6), one proof a blob or 128. Errors: BadJson, MissingField, UnknownField,
// InvalidField, TooLarge.
Result<SplitBody> split_sidecar(std::string_view body);

// The enclave's reply with a member `network_transaction` more: 0x03 ‖ rlp([transaction, blobs, commitments,
// proofs]), or with version 1 0x03 ‖ rlp([transaction, 1, blobs, commitments, proofs]). Error: InvalidField,
// where the transaction is none with these blobs.
Result<std::string> with_network_transaction(std::string_view reply_body, const BlobSidecar& sidecar);

} // namespace redoubt::gateway
