// SPDX-License-Identifier: Apache-2.0
// What the enclave does, without its sockets: takes frames' contents, gives replies. Design:
// docs/architecture.md.
//
// Thread-safe. handle() either answers at once (microseconds: signing with opened keys) or, where it would
// have to wait, says so, and the caller repeats the call on a thread that may: for the NSM (milliseconds), or
// for KMS (a network). The two never share a thread, so that a slow KMS delays neither the gateway's own
// frames nor attestations.
#pragma once

#include "base/result.h"
#include "enclave/attestor.h"
#include "enclave/key_cache.h"
#include "enclave/kms_pool.h"
#include "enclave/mixed_random.h"
#include "enclave/single_flight.h"
#include "enclave/trusted_clock.h"
#include "enclave/vault_table.h"
#include "trust/manifest.h"
#include "wire/message.h"

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace redoubt::api {
struct CreateKey;
struct OfferImport;
struct ImportKey;
struct DescribeKey;
struct Signer;
struct SignTransaction;
struct SignMessage;
struct SignTypedData;
struct SignAuthorization;
struct SignHash;
struct SignData;
struct DeriveAddresses;
struct Attest;
struct ReferenceSignTransaction;
struct ReferenceSignHash;
struct ReferenceGenerateKey;
} // namespace redoubt::api

namespace redoubt::ethereum {
struct ParsedTransaction;
}

namespace redoubt::json {
class Writer;
}

namespace redoubt::enclave {

enum class Image { Production, Development };
enum class MayWait { No, ForNsm, ForKms };

struct Options {
    Image image = Image::Production;
    std::map<std::string, net::Endpoint> kms_proxies; // by region; "" stands for every other region
    std::string tls_roots_pem;                        // the image's CA roots
    std::string endpoint_suffix;                      // development images only; empty: AWS's by partition
    std::int64_t clock_refresh_ms = 60'000; // how long the NSM's time is carried on by this machine's clock
};

class Enclave {
  public:
    // Makes the recipient key (some 100 ms), reads the time. Errors: NsmFailed, TlsFailed, Internal.
    static Result<std::unique_ptr<Enclave>> create(std::unique_ptr<nitro::NsmTransport> nsm, Options options);
    ~Enclave();

    // nullopt: it would have to wait longer than `may_wait` allows; never with ForKms. The frame's payload
    // need live only during the call. `waited_ms`: how long the frame waited for a worker; a request whose
    // deadline passed meanwhile is not begun.
    std::optional<wire::Reply> handle(wire::Kind kind, ByteView payload, MayWait may_wait,
                                      std::int64_t waited_ms = 0);

    // Once a second, from a thread that may block: time, leases, the cache's age limit.
    void maintain();

  private:
    using MaybeReply = std::optional<wire::Reply>;
    struct Asked; // one request: its message, and what it may wait for

    Enclave(std::unique_ptr<nitro::NsmTransport> transport, Options options);
    Status start();
    std::unique_ptr<aws::KmsClient> make_kms_client();

    // control.cpp: what the gateway asks on its own behalf
    wire::Reply hello();
    wire::Reply take_manifest(ByteView payload);
    Status install_manifest(ByteView payload);
    wire::Reply take_credentials(ByteView payload);
    MaybeReply probe();
    wire::Reply create_vault();
    wire::Reply open_vault_message(ByteView payload);
    Result<sealed::VaultRecord> make_vault();
    Status open_vault(ByteView record_bytes);
    Status ask_for_vault(const trust::Manifest& m, sealed::VaultRecord record);
    void renew(OpenVault& vault, UnixMs now);

    // operations.cpp, signing.cpp, reference_operations.cpp: what clients ask
    MaybeReply request(ByteView payload, MayWait may_wait, std::int64_t waited_ms);
    MaybeReply run(const Asked& asked, const api::CreateKey& operation);
    MaybeReply run(const Asked& asked, const api::OfferImport& operation);
    MaybeReply run(const Asked& asked, const api::ImportKey& operation);
    MaybeReply run(const Asked& asked, const api::DescribeKey& operation);
    MaybeReply run(const Asked& asked, const api::SignTransaction& operation);
    MaybeReply run(const Asked& asked, const api::SignMessage& operation);
    MaybeReply run(const Asked& asked, const api::SignTypedData& operation);
    MaybeReply run(const Asked& asked, const api::SignAuthorization& operation);
    MaybeReply run(const Asked& asked, const api::SignHash& operation);
    MaybeReply run(const Asked& asked, const api::SignData& operation);
    MaybeReply run(const Asked& asked, const api::DeriveAddresses& operation);
    MaybeReply run(const Asked& asked, const api::Attest& operation);
    MaybeReply run(const Asked& asked, const api::ReferenceSignTransaction& operation);
    MaybeReply run(const Asked& asked, const api::ReferenceSignHash& operation);
    MaybeReply run(const Asked& asked, const api::ReferenceGenerateKey& operation);

    // An opened key; or what to answer instead (an error, a need, or "may not block").
    struct KeyOrReply {
        std::shared_ptr<const OpenKey> key;
        MaybeReply reply;
    };
    struct VaultOrReply {
        std::shared_ptr<const OpenVault> vault;
        MaybeReply reply;
    };
    VaultOrReply vault_for_new_key(const Asked& asked, bool attested);
    KeyOrReply vault_key(const Asked& asked, std::string_view key_id);
    KeyOrReply signing_key(const Asked& asked, const api::Signer& signer);
    Result<std::shared_ptr<const OpenKey>> derive(const OpenKey& seed, const crypto::HdPath& path) const;
    Status may_sign_raw(const OpenKey& key) const;
    Result<std::shared_ptr<const OpenKey>> open_sealed(const OpenVault& vault, const sealed::KeyId& id,
                                                       ByteView record, UnixMs now);
    KeyOrReply reference_key(const Asked& asked, std::string_view secret_id);
    Result<std::shared_ptr<const OpenKey>> open_reference(ByteView ciphertext, UnixMs now);
    Status reference_allowed(const ethereum::Address& address) const;
    Status usable(const sealed::KeyHead& head) const;
    // A new key of the vault from a private key or seed; seals, describes and attests it. `flags`:
    // sealed::kFlag….
    Result<wire::Reply> new_key(const OpenVault& vault, sealed::Algorithm algorithm, Secret secret,
                                std::uint32_t flags, const Bytes& nonce, UnixMs now);

    Result<crypto::Signature> sign(const OpenKey& key, const Hash32& digest) const;
    wire::Reply signed_digest(const OpenKey& key, const Hash32& digest,
                              const std::function<void(json::Writer&)>& more = {}) const;
    Status check_transaction(const OpenKey& key, const ethereum::ParsedTransaction& parsed) const;
    Result<std::string> key_description(const OpenKey& key, const OpenVault& vault,
                                        const std::optional<Bytes>& nonce);

    std::shared_ptr<const aws::Credentials> credentials() const;
    const trust::Manifest* manifest() const noexcept { return manifest_.load(std::memory_order_acquire); }

    Options options_;
    nitro::Nsm nsm_;
    Attestor attestor_;
    MixedRandom random_;
    TrustedClock clock_;
    std::unique_ptr<crypto::Secp256k1> curve_;
    std::unique_ptr<crypto::RecipientKey> recipient_;
    std::unique_ptr<net::TlsContext> tls_;
    KmsPool kms_;
    VaultTable vaults_;
    KeyCache keys_, references_;
    static constexpr std::size_t kMaxDerivedKeys = 10'000;
    KeyCache derived_;     // below HD keys' seeds: of its own, so that new paths drive nobody's key out
    SingleFlight opening_; // vaults by their record's digest, reference keys by their ciphertext's
    std::atomic<int> generating_{0};
    std::string module_id_;
    crypto::PublicKey probe_public_{};
    Secret probe_key_;

    std::mutex manifest_mutex_; // serialises taking it
    std::unique_ptr<trust::Manifest> manifest_owner_;
    std::atomic<const trust::Manifest*> manifest_{nullptr};
    mutable std::mutex credentials_mutex_;
    std::shared_ptr<const aws::Credentials> credentials_;
};

// The reply to an error: CredentialsMissing and CredentialsExpired become a need, so that the gateway fetches
// new ones.
wire::Reply refusal(const Error& error);

} // namespace redoubt::enclave
