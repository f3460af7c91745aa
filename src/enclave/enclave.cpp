// SPDX-License-Identifier: Apache-2.0
#include "enclave/enclave.h"

#include "crypto/hpke.h"
#include "enclave/tls_identity.h"
#include "trust/statement.h"

namespace redoubt::enclave {

Enclave::Enclave(std::unique_ptr<nitro::NsmTransport> transport, Options options)
    : options_(std::move(options)), nsm_(std::move(transport)), attestor_(nsm_), random_(nsm_),
      kms_([this] { return make_kms_client(); },
           [this](KmsCall call, const Error* error, std::int64_t ms) { counters_.kms(call, error, ms); }),
      tag_(salts_.array<8>()), challenges_(tag_, salts_), sessions_(tag_, salts_), limits_(tag_, salts_) {}

Enclave::~Enclave() = default;

Result<std::unique_ptr<Enclave>> Enclave::create(std::unique_ptr<nitro::NsmTransport> nsm, Options options) {
    std::unique_ptr<Enclave> out(new Enclave(std::move(nsm), std::move(options)));
    REDOUBT_CHECK(out->start());
    return out;
}

Status Enclave::start() {
    if (options_.image == Image::Production) {
        // Debug mode shows PCR0 as zero and lets the host read this memory: no production image works so.
        REDOUBT_TRY(const auto pcr0, nsm_.describe_pcr(0));
        if (pcr0.value == nitro::Pcr{})
            return fail(Code::Internal,
                        "this is a debug enclave (PCR0 is zero); a production image does not run in one");
    }
    REDOUBT_TRY(const auto description, nsm_.describe());
    module_id_ = description.module_id;
    REDOUBT_CHECK(clock_.refresh(attestor_));
    curve_ = std::make_unique<crypto::Secp256k1>(random_.array<32>());
    do
        probe_key_ = random_.secret(32);
    while (!curve_->valid_key(probe_key_));
    REDOUBT_TRY(probe_public_, curve_->public_key(probe_key_));
    session_private_ = random_.secret(32);
    REDOUBT_TRY(session_public_, crypto::x25519_public(session_private_));
    REDOUBT_TRY(tls_identity_, TlsIdentity::create(random_, clock_.now()));
    REDOUBT_TRY(auto recipient, options_.make_recipient());
    recipient_ = std::make_unique<crypto::RecipientKey>(std::move(recipient));
    REDOUBT_TRY(auto tls, net::TlsContext::client(options_.tls_roots_pem, {"http/1.1"},
                                                  [this] { return clock_.now(); }));
    tls_ = std::make_unique<net::TlsContext>(std::move(tls));
    return {};
}

// Each KMS call reaches its region through that region's byte proxy; TLS starts here and ends at KMS.
std::unique_ptr<aws::KmsClient> Enclave::make_kms_client() {
    aws::KmsClientOptions options;
    const auto proxy = options_.kms_proxies.find("");
    if (proxy != options_.kms_proxies.end())
        options.proxy = proxy->second;
    for (const auto& [region, endpoint] : options_.kms_proxies)
        if (!region.empty())
            options.proxies_by_region.emplace(region, endpoint);
    options.tls = tls_.get();
    options.endpoint_suffix = options_.endpoint_suffix;
    options.now = [this] { return clock_.now(); };
    options.attest = [this](ByteView public_key_der) {
        return attestor_.document(trust::kPurposeKms, crypto::sha256(public_key_der), {}, public_key_der);
    };
    return std::make_unique<aws::KmsClient>(std::move(options), *recipient_);
}

std::optional<wire::Reply> Enclave::handle(wire::Kind kind, ByteView payload, MayWait may_wait,
                                           std::int64_t waited_ms, const policy::PublicKey* connection) {
    const bool nsm = may_wait != MayWait::No, kms = may_wait == MayWait::ForKms;
    switch (kind) {
    case wire::Kind::Request:
        return request(payload, may_wait, waited_ms, connection);
    case wire::Kind::Probe:
        return probe();
    case wire::Kind::Credentials:
        return take_credentials(payload);
    case wire::Kind::Receipts:
        return receipts(payload);
    case wire::Kind::Hello:
        return nsm ? MaybeReply(hello()) : std::nullopt;
    case wire::Kind::Manifest:
        return nsm ? MaybeReply(take_manifest(payload)) : std::nullopt;
    case wire::Kind::VaultCreate:
        return kms ? MaybeReply(create_vault()) : std::nullopt;
    case wire::Kind::VaultOpen:
        return kms ? MaybeReply(open_vault_message(payload)) : std::nullopt;
    case wire::Kind::Forget:
        return forget(payload);
    case wire::Kind::Metrics:
        return metrics();
    case wire::Kind::StreamOpen: // the server's own business (tls_streams.h)
    case wire::Kind::StreamData:
    case wire::Kind::StreamTaken:
    case wire::Kind::StreamClose:
    case wire::Kind::StreamAsk:
    case wire::Kind::StreamItems:
    case wire::Kind::StreamSettled:
    case wire::Kind::Reply:
        break;
    }
    return refusal({Code::BadRequest, "the enclave does not take frames of this kind"});
}

} // namespace redoubt::enclave
