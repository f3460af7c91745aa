// SPDX-License-Identifier: Apache-2.0
// The Nitro Secure Module behind one interface: a transport that carries CBOR, and typed commands over it.
// Wire: aws-nitro-enclaves-nsm-api, src/api/mod.rs and src/driver/mod.rs.
#pragma once

#include "base/result.h"
#include "crypto/hash.h"

#include <memory>
#include <string>
#include <vector>

namespace redoubt::nitro {

inline constexpr std::size_t kNsmMaxRequest = 0x1000;
inline constexpr std::size_t kNsmMaxResponse = 0x3000;
inline constexpr std::uint16_t kPcrCount = 32;
using Pcr = crypto::Hash48;

// Thread-safe; one request at a time reaches the device.
class NsmTransport {
  public:
    virtual ~NsmTransport() = default;
    // One CBOR request, one CBOR response. Error: NsmFailed.
    virtual Result<Bytes> exchange(ByteView request) = 0;
};

struct NsmDescription {
    std::uint16_t version_major, version_minor, version_patch;
    std::string module_id;
    std::uint16_t max_pcrs;
    std::vector<std::uint16_t> locked_pcrs;
};

struct PcrState {
    bool locked;
    Pcr value;
};

// Absent parts are CBOR null. Limits: 512 bytes each for user_data and nonce, 1024 for public_key.
struct AttestationRequest {
    std::optional<Bytes> user_data, nonce, public_key;
};

class Nsm {
  public:
    explicit Nsm(std::unique_ptr<NsmTransport> transport);
    // All: error NsmFailed (the fixed text names the NSM's own error where it gave one).
    Result<NsmDescription> describe();
    Result<PcrState> describe_pcr(std::uint16_t index);
    Result<Pcr> extend_pcr(std::uint16_t index, ByteView data); // new = SHA384(old ‖ data)
    Status lock_pcr(std::uint16_t index);
    Status lock_pcrs(std::uint16_t range);                   // [0, range)
    Result<Secret> random();                                 // what one GetRandom gives: non-empty
    Result<Bytes> attest(const AttestationRequest& request); // the COSE_Sign1 document

  private:
    std::unique_ptr<NsmTransport> transport_;
};

// /dev/nsm by ioctl. Error: NsmFailed when it cannot be opened.
Result<std::unique_ptr<NsmTransport>> open_nsm_device(const char* path = "/dev/nsm");

// What a PCR shows after one extension of a fresh one: SHA384(0^48 ‖ data).
Pcr pcr_of(ByteView data) noexcept;

} // namespace redoubt::nitro
