// SPDX-License-Identifier: Apache-2.0
// Certificates in the shape of the Nitro attestation PKI, issued from a development root. Validities, names,
// extensions and serial numbers are those measured on hardware's documents of 2021 to 2026; the organisation
// is not Amazon.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"
#include "crypto/openssl.h"
#include "nitro/p384.h"

#include <array>
#include <vector>

namespace redoubt::nitro {

// Errors of this file: Internal.

Result<crypto::Pkey> make_p384_key();
Result<crypto::Pkey> p384_key_from_pkcs8(const Secret& der);
Secret p384_key_to_pkcs8(const crypto::Pkey& key);
Result<ByteArray<kP384PointSize>> p384_point(const crypto::Pkey& key);
Result<Es384Signature> sign_es384(const crypto::Pkey& key, ByteView message);

Result<Bytes> make_root_certificate(const crypto::Pkey& key);

// Root, regional, zonal, instance and leaf. Not thread-safe.
class CertificateChain {
  public:
    // Takes a module id "i-<17 hex>-enc<16 hex>" and a region's name of at most 20 characters: the caller has
    // looked at both. The root must be an authority, and the key its own.
    static Result<CertificateChain> create(Bytes root_der, const Secret& root_key, std::string module_id,
                                           std::string region);

    // Issues what is missing, about to run out or not yet valid at `now`, and what stands below it.
    Status renew(UnixMs now);

    std::vector<Bytes> bundle() const; // root first, without the leaf
    const Bytes& leaf() const noexcept { return issued_.back().certificate; }
    Result<Es384Signature> sign(ByteView message) const { return sign_es384(issued_.back().key, message); }

  private:
    struct Issued {
        Bytes certificate, subject;
        crypto::Pkey key;
        UnixMs not_before = 0, not_after = 0;
    };
    enum Level : std::size_t { Root, Regional, Zonal, Instance, Leaf, Levels };

    CertificateChain() = default;
    Status issue(std::size_t level, UnixMs now);

    std::string module_id_, region_;
    std::array<Issued, Levels> issued_;
};

} // namespace redoubt::nitro
