// SPDX-License-Identifier: Apache-2.0
// The certificate path of an attestation document (attestation_process.md, sections 3.2.3 and 3.2.4).
#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"

#include <vector>

namespace redoubt::nitro {

inline constexpr std::size_t kMaxBundle = 9; // hardware sends 4, the root included

struct VerifiedChain {
    ByteView leaf_point;          // the key that signs the document; views the leaf
    UnixMs not_before, not_after; // when all its certificates are valid, the root's included
};

// The bundle is root first; its root must be `root_der`, byte for byte. The time is left to the caller: a
// document is called expired only when nothing else is wrong with it. Error: AttestationUntrusted.
Result<VerifiedChain> verify_chain(const std::vector<Bytes>& bundle, ByteView leaf, ByteView root_der);

} // namespace redoubt::nitro
