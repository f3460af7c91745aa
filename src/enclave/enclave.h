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
#include "enclave/challenges.h"
#include "enclave/counters.h"
#include "enclave/key_cache.h"
#include "enclave/kms_pool.h"
#include "enclave/limit_table.h"
#include "enclave/mixed_random.h"
#include "enclave/policy_cache.h"
#include "enclave/receipt_chain.h"
#include "enclave/replay_table.h"
#include "enclave/revision_table.h"
#include "enclave/sessions.h"
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
struct NewKey;
struct CreateKey;
struct OfferImport;
struct ImportKey;
struct AdoptKey;
struct ChangeKey;
struct MoveKey;
struct ExportKey;
struct CreateVault;
struct GiveChallenge;
struct OfferSession;
struct OpenSession;
struct ShowPolicy;
struct ChangePolicy;
struct PutPolicy;
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
struct AttestTls;
struct MakeTlsRequest;
struct InstallTlsCertificate;
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

namespace redoubt::policy {
struct Asker;
struct Facts;
struct PublicKey;
} // namespace redoubt::policy

namespace redoubt::trust {
struct Authorization;
struct SignedAuthorization;
} // namespace redoubt::trust

namespace redoubt::enclave {

class TlsIdentity;

enum class Image { Production, Development };
enum class MayWait { No, ForNsm, ForKms };

struct Options {
    Image image = Image::Production;
    std::map<std::string, net::Endpoint> kms_proxies; // by region; "" stands for every other region
    std::string tls_roots_pem;                        // the image's CA roots
    std::string endpoint_suffix;                      // development images only; empty: AWS's by partition
    std::int64_t clock_refresh_ms = 60'000; // how long the NSM's time is carried on by this machine's clock
    // Where the recipient key comes from; tests give one that is made already, since that takes a while.
    std::function<Result<crypto::RecipientKey>()> make_recipient = crypto::RecipientKey::generate;
};

class Enclave {
  public:
    // Makes the recipient key (some 100 ms), reads the time. A production image in a debug enclave (PCR0 is
    // zero) is refused before anything else. Errors: NsmFailed, TlsFailed, Internal.
    static Result<std::unique_ptr<Enclave>> create(std::unique_ptr<nitro::NsmTransport> nsm, Options options);
    ~Enclave();

    // nullopt: it would have to wait longer than `may_wait` allows; never with ForKms. The frame's payload
    // need live only during the call. `waited_ms`: how long the frame waited for a worker; a request whose
    // deadline passed meanwhile is not begun.
    // `connection`: the key of the certificate that the client of a TLS connection to here proved; a
    // principal of that key asks where nobody has signed.
    std::optional<wire::Reply> handle(wire::Kind kind, ByteView payload, MayWait may_wait,
                                      std::int64_t waited_ms = 0,
                                      const policy::PublicKey* connection = nullptr);

    // Clients' requests, each as handle() takes them with MayWait::No; nullopt: it would have to wait. What
    // is alike is done for all of them before what comes next, so that the tables of the curve and all the
    // rest do not drive each other out of the processor's caches for every single one.
    struct Ask {
        wire::Kind kind = wire::Kind::Request; // or Probe
        ByteView payload;
        std::int64_t came = monotonic_ms(); // when the frame did
        const policy::PublicKey* connection = nullptr;
        std::optional<wire::Reply> reply; // the answer
    };
    void handle(std::span<Ask> asks);

    // The key of clients' TLS connections that end here, and its certificate. Thread-safe.
    const TlsIdentity& tls_identity() const noexcept { return *tls_identity_; }

    // Once a second, from a thread that may block: time, leases, the cache's age limit.
    void maintain();

    Counters& counters() noexcept { return counters_; } // for whoever has queues and connections

  private:
    using MaybeReply = std::optional<wire::Reply>;
    struct Asked; // one request: its message, and what it may wait for
    struct Note;  // what its receipt will say
    struct ToSign;
    struct Pass; // one request from its frame to its reply

    Enclave(std::unique_ptr<nitro::NsmTransport> transport, Options options);
    Status start();
    std::unique_ptr<aws::KmsClient> make_kms_client();

    // control.cpp, vaults.cpp: what the gateway asks on its own behalf
    wire::Reply hello();
    wire::Reply take_manifest(ByteView payload);
    Status install_manifest(ByteView payload);
    Status name_tls_certificate(const trust::Manifest& taken);
    wire::Reply take_credentials(ByteView payload);
    MaybeReply probe();
    wire::Reply forget(ByteView payload);
    wire::Reply create_vault();
    wire::Reply open_vault_message(ByteView payload);
    // Draws and wraps it. It is opened when its record comes back, and so is stored: nothing is sealed in a
    // vault that could be lost.
    Result<sealed::VaultRecord> make_vault(const sealed::VaultId& id, std::uint64_t epoch);
    // By the first of its regions that answers.
    Result<Secret> unwrap_by_kms(const trust::Manifest& m, const sealed::VaultRecord& record);
    Status open_vault(ByteView record_bytes);
    Status ask_for_vault(const trust::Manifest& m, sealed::VaultRecord record);
    void renew(OpenVault& vault, UnixMs now);

    // requests.cpp: a client's request, in four steps
    MaybeReply request(ByteView payload, MayWait may_wait, std::int64_t waited_ms,
                       const policy::PublicKey* connection);
    void begin(Pass& pass, ByteView payload, MayWait may_wait, std::int64_t waited_ms,
               const policy::PublicKey* connection);
    void sign(Pass& pass);
    void verify(Pass& pass);
    MaybeReply finish(Pass& pass);
    MaybeReply decide(Pass& pass, std::int64_t waited_ms);
    MaybeReply answer(Pass& pass);

    // What clients ask: operations.cpp, new_keys.cpp, lifecycle.cpp, vaults.cpp, signing.cpp,
    // reference_operations.cpp. Nothing and a key in asked.to_sign: signed_reply() comes next.
    MaybeReply run(const Asked& asked, const api::CreateKey& operation);
    MaybeReply run(const Asked& asked, const api::OfferImport& operation);
    MaybeReply run(const Asked& asked, const api::ImportKey& operation);
    MaybeReply run(const Asked& asked, const api::AdoptKey& operation);
    MaybeReply run(const Asked& asked, const api::ChangeKey& operation);
    MaybeReply run(const Asked& asked, const api::MoveKey& operation);
    MaybeReply run(const Asked& asked, const api::ExportKey& operation);
    MaybeReply run(const Asked& asked, const api::CreateVault& operation);
    MaybeReply run(const Asked& asked, const api::GiveChallenge& operation);
    MaybeReply run(const Asked& asked, const api::OfferSession& operation);
    MaybeReply run(const Asked& asked, const api::OpenSession& operation);
    MaybeReply run(const Asked& asked, const api::ShowPolicy& operation);
    MaybeReply run(const Asked& asked, const api::ChangePolicy& operation);
    MaybeReply run(const Asked& asked, const api::PutPolicy& operation);
    MaybeReply run(const Asked& asked, const api::DescribeKey& operation);
    MaybeReply run(const Asked& asked, const api::SignTransaction& operation);
    MaybeReply run(const Asked& asked, const api::SignMessage& operation);
    MaybeReply run(const Asked& asked, const api::SignTypedData& operation);
    MaybeReply run(const Asked& asked, const api::SignAuthorization& operation);
    MaybeReply run(const Asked& asked, const api::SignHash& operation);
    MaybeReply run(const Asked& asked, const api::SignData& operation);
    MaybeReply run(const Asked& asked, const api::DeriveAddresses& operation);
    MaybeReply run(const Asked& asked, const api::Attest& operation);
    MaybeReply run(const Asked& asked, const api::AttestTls& operation);
    MaybeReply run(const Asked& asked, const api::MakeTlsRequest& operation);
    MaybeReply run(const Asked& asked, const api::InstallTlsCertificate& operation);
    MaybeReply run(const Asked& asked, const api::ReferenceSignTransaction& operation);
    MaybeReply run(const Asked& asked, const api::ReferenceSignHash& operation);
    MaybeReply run(const Asked& asked, const api::ReferenceGenerateKey& operation);

    // decisions.cpp: who asks, and what the key's policy says to it
    struct Judged;  // an asker, and a verdict
    struct Permit { // may be acted on, unless there is a reply
        MaybeReply reply;
        wire::Reply::Records records; // to go along with the answer
    };
    Result<policy::Asker> authenticate(const Asked& asked, const policy::Document* document,
                                       std::shared_ptr<const Session>& session) const;
    // Looks only: nothing is used up.
    Result<Judged> judge(const Asked& asked, const OpenKey& key, policy::Facts facts) const;
    // The last step before the act: takes the challenge, and what the request needs of limits. Nothing that
    // follows may answer with a need.
    Permit permit(const Asked& asked, const OpenKey& key, const policy::Facts& facts);
    // Who makes keys, where the manifest says who may. `act`: as permit() does; else it looks only.
    Status admitted(const Asked& asked, bool act);
    wire::Reply denied(const Judged& judged, const policy::NoRoom* no_room) const;
    void add_receipt(const Hash32& digest, const Note& note, wire::Reply& reply);
    wire::Reply receipts(ByteView payload);

    // metrics.cpp
    wire::Reply metrics() const;
    void note_request(const wire::Request& message, const Note& note, const wire::Reply& reply,
                      MayWait may_wait, std::int64_t microseconds);
    void measure_memory();
    const Hash32& policy_in_force(const sealed::KeyHead& head, UnixMs now) const noexcept;

    // An opened key; or what to answer instead (an error, a need, or "may not block").
    struct KeyOrReply {
        std::shared_ptr<const OpenKey> key;
        MaybeReply reply;
    };
    struct VaultOrReply {
        std::shared_ptr<const OpenVault> vault;
        MaybeReply reply;
    };
    // An owner's authorization, where the manifest names owners: is it for this?
    Status authorised(const std::optional<trust::SignedAuthorization>& given, UnixMs now,
                      const std::function<bool(const trust::Authorization&)>& for_this) const;
    VaultOrReply vault_for_new_key(const Asked& asked, const api::NewKey& wanted,
                                   const Hash32& policy_digest);
    // One that is open or can be opened with what the gateway sent along.
    VaultOrReply vault(const Asked& asked, const sealed::VaultId& id);
    // In whatever state it is.
    KeyOrReply any_key(const Asked& asked, std::string_view key_id);
    // The key that a repeated request made before. Neither key nor reply: there is none.
    KeyOrReply prior_key(const Asked& asked, const sealed::KeyId& id);
    // `kind`: as what the record has to come again, where more is needed beside it.
    KeyOrReply open_record(const Asked& asked, const sealed::KeyId& id, ByteView record, wire::ItemKind kind);
    KeyOrReply policy_for(const Asked& asked, std::shared_ptr<OpenKey> key);
    // One that may sign.
    KeyOrReply vault_key(const Asked& asked, std::string_view key_id);
    KeyOrReply signing_key(const Asked& asked, const api::Signer& signer);
    Result<std::shared_ptr<const OpenKey>> derive(const OpenKey& seed, const crypto::HdPath& path) const;
    // Error: RecordInvalid (the address that the record names is another key's).
    Result<crypto::PublicKey> public_key_of(const OpenKey& key) const;
    Status may_sign_raw(const OpenKey& key) const;
    Result<std::shared_ptr<OpenKey>> open_sealed(const OpenVault& vault, const sealed::KeyId& id,
                                                 ByteView record, UnixMs now);
    KeyOrReply reference_key(const Asked& asked, std::string_view secret_id);
    KeyOrReply signing_reference_key(const Asked& asked, std::string_view secret_id);
    Hash32 reference_policy_digest(const ethereum::Address& address) const;
    Result<std::shared_ptr<const OpenKey>> open_reference(ByteView ciphertext, UnixMs now);
    Status reference_allowed(const ethereum::Address& address) const;
    bool reference_may_sign_raw(const ethereum::Address& address) const;
    Status readable(const sealed::KeyHead& head, UnixMs now) const;
    Status usable(const OpenKey& key, UnixMs now) const;
    // A new key from a private key or seed; seals, describes and attests it, as `head` says what it is.
    Result<wire::Reply> new_key(const OpenVault& vault, sealed::KeyHead head, Secret secret,
                                const api::NewKey& wanted);
    MaybeReply make_key(const Asked& asked, const api::NewKey& wanted, sealed::KeyHead head,
                        const std::function<Result<Secret>(const OpenVault&)>& secret);
    // The changed key takes the old one's place, here at once; its record goes into the reply. Under
    // changes_.
    Result<std::shared_ptr<const OpenKey>> change_key(const Asked& asked, const OpenKey& old,
                                                      sealed::KeyHead head, const OpenVault& vault,
                                                      wire::Reply& reply,
                                                      std::shared_ptr<const policy::Document> policy = {});
    // As it is now, under changes_; what waits for KMS has done so before.
    KeyOrReply key_to_change(const Asked& asked, std::string_view key_id);
    // Why a key cannot be changed now: its last change is not stored.
    MaybeReply not_stored_yet(const sealed::KeyId& id) const;
    MaybeReply changed_reply(const OpenKey& key, const OpenVault& vault, const Bytes& nonce,
                             wire::Reply change);
    Result<wire::Reply> described(const Asked& asked, const OpenKey& key, const Bytes& nonce);

    Result<crypto::Signature> sign(const OpenKey& key, const Hash32& digest) const;
    Status may_leave(const OpenKey& key, const Hash32& digest, const crypto::Signature& signature) const;
    // Has a digest signed, if the key's policy allows it; else says why not.
    template<class Digest> // a function that gives it
    MaybeReply to_sign(const Asked& asked, std::shared_ptr<const OpenKey> key, const policy::Facts& facts,
                       Digest&& digest);
    wire::Reply signed_digest(Pass& pass, const crypto::Signature& signature,
                              const std::function<void(json::Writer&)>& more = {});
    wire::Reply signed_reply(Pass& pass, const api::SignTransaction& operation,
                             const crypto::Signature& signature);
    wire::Reply signed_reply(Pass& pass, const api::SignMessage& operation,
                             const crypto::Signature& signature);
    wire::Reply signed_reply(Pass& pass, const api::SignTypedData& operation,
                             const crypto::Signature& signature);
    wire::Reply signed_reply(Pass& pass, const api::SignAuthorization& operation,
                             const crypto::Signature& signature);
    wire::Reply signed_reply(Pass& pass, const api::SignHash& operation, const crypto::Signature& signature);
    wire::Reply signed_reply(Pass& pass, const api::SignData& operation, const crypto::Signature& signature);
    Status check_transaction(const OpenKey& key, const ethereum::ParsedTransaction& parsed) const;
    Result<std::string> key_description(const OpenKey& key, const OpenVault& vault,
                                        const std::optional<Bytes>& nonce);

    std::shared_ptr<const aws::Credentials> credentials() const;
    const trust::Manifest* manifest() const noexcept { return manifest_.load(std::memory_order_acquire); }

    Options options_;
    const std::int64_t started_at_ = monotonic_ms();
    Counters counters_;
    RateLimit request_lines_{10, 20}; // in the log
    nitro::Nsm nsm_;
    Attestor attestor_;
    MixedRandom random_;
    TrustedClock clock_;
    std::unique_ptr<crypto::Secp256k1> curve_;
    std::unique_ptr<crypto::RecipientKey> recipient_;
    std::unique_ptr<net::TlsContext> tls_;
    std::unique_ptr<TlsIdentity> tls_identity_;
    KmsPool kms_;
    VaultTable vaults_;
    KeyCache keys_, references_;
    PolicyCache policies_;
    crypto::SystemRandom salts_; // for what is no key: the NSM gives its randomness slowly
    ByteArray<8> tag_;           // names this start of the enclave, in challenges, sessions and counters
    Challenges challenges_;
    Sessions sessions_;
    ReplayTable replays_;
    LimitTable limits_;
    std::unique_ptr<ReceiptChain> receipts_;
    Secret session_private_; // X25519
    ByteArray<32> session_public_{};
    RevisionTable revisions_;
    std::mutex changes_;                      // one key is changed at a time
    std::atomic<std::uint64_t> forgotten_{0}; // times that everything was forgotten
    static constexpr std::size_t kMaxDerivedKeys = 10'000;
    KeyCache derived_;     // below HD keys' seeds: of its own, so that new paths drive nobody's key out
    SingleFlight opening_; // vaults by their record's digest, reference keys by their ciphertext's
    std::atomic<int> generating_{0}, making_vaults_{0};
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
