// SPDX-License-Identifier: Apache-2.0
// The software NSM on any request: it always answers with one CBOR item within the device's limit. The typed
// commands on any reply: no crash. Seeds: corpus/nsm.
#include "nitro/attestation.h"
#include "nitro/cbor.h"
#include "nitro/software_nsm.h"

#include <cstdlib>

using namespace redoubt;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

class Replies final : public nitro::NsmTransport {
  public:
    explicit Replies(ByteView reply) : reply_(reply) {}
    Result<Bytes> exchange(ByteView) override { return to_bytes(reply_); }

  private:
    ByteView reply_;
};

const nitro::DevelopmentRoot& root() {
    static const nitro::DevelopmentRoot instance = nitro::make_development_root().value();
    return instance;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const auto device = nitro::make_software_nsm(root(), {}).value();
    const ByteView input(data, size);

    const auto reply = device->exchange(input);
    require(reply && !reply->empty() && reply->size() <= nitro::kNsmMaxResponse);
    nitro::cbor::Reader in(*reply);
    require(in.skip() && in.finished());

    nitro::Nsm nsm(std::make_unique<Replies>(input));
    (void)nsm.describe();
    (void)nsm.describe_pcr(0);
    (void)nsm.extend_pcr(16, {});
    (void)nsm.lock_pcr(16);
    const auto random = nsm.random();
    require(!random || !random->empty());
    const auto document = nsm.attest({});
    require(!document || !document->empty());
    return 0;
}
