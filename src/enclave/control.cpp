// SPDX-License-Identifier: Apache-2.0
// What the gateway asks of the enclave on its own behalf: description, manifest, credentials, vaults, probe.
#include "enclave/enclave.h"

#include "base/json.h"
#include "base/log.h"
#include "nitro/attestation.h"
#include "trust/statement.h"

namespace redoubt::enclave {

namespace {

constexpr std::uint16_t kManifestPcr = 16;
constexpr std::string_view kVaultContext = "redoubt:vault"; // KMS encryption context, design.md "Keys"
constexpr std::size_t kVaultKeySize = 32;

wire::Reply ok() {
    wire::Reply reply;
    reply.body = R"({"ok":true})";
    return reply;
}

aws::EncryptionContext context_of(const sealed::VaultId& id) {
    return {{std::string(kVaultContext), sealed::vault_id_text(id)}};
}

} // namespace

wire::Reply refusal(const Error& error) {
    if (error.code == Code::CredentialsMissing || error.code == Code::CredentialsExpired) {
        wire::Reply reply;
        reply.status = wire::kNeeds;
        reply.needs.push_back({wire::ItemKind::Credentials, std::string(code_name(error.code))});
        return reply;
    }
    return wire::error_reply(error);
}

wire::Reply Enclave::hello() {
    wire::Reply reply;
    const auto pcr0 = nsm_.describe_pcr(0);
    const auto pcr16 = nsm_.describe_pcr(kManifestPcr);
    if (!pcr0 || !pcr16)
        return wire::error_reply(Error{Code::NsmFailed, "the NSM does not describe its PCRs"});
    const trust::Manifest* taken = manifest();
    json::Writer writer(reply.body);
    writer.begin_object()
        .member("protocol", std::uint64_t{1})
        .member("module_id", module_id_)
        .member("image", options_.image == Image::Development ? "development" : "production")
        .member("manifest", taken != nullptr ? to_hex(taken->digest()) : std::string())
        .member("pcr0", to_hex(pcr0->value))
        .member("pcr16", to_hex(pcr16->value))
        .member("time", static_cast<std::uint64_t>(clock_.now()))
        .key("vaults")
        .begin_array();
    for (const auto& vault : vaults_.all())
        writer.string(sealed::vault_id_text(vault->record.id));
    writer.end_array().end_object();
    return reply;
}

wire::Reply Enclave::take_manifest(ByteView payload) {
    if (const auto status = install_manifest(payload); !status)
        return refusal(status.error());
    return ok();
}

// Everything that can fail on the manifest's content comes before PCR16 is touched: PCR16 is extended once
// for good.
Status Enclave::install_manifest(ByteView payload) {
    const std::lock_guard lock(manifest_mutex_);
    REDOUBT_TRY(auto parsed, trust::parse_manifest(as_text(payload)));
    for (const auto& key : parsed.kms_keys)
        if (!aws::parse_kms_key_arn(key.arn))
            return fail(Code::ManifestInvalid, "manifest: kms_keys[].arn must be a KMS key's full ARN");
    if (!parsed.verify_before_release && options_.image == Image::Production)
        return fail(Code::ManifestInvalid,
                    "manifest: a production image verifies each signature before release");
    const crypto::Hash48 digest = parsed.digest();
    if (const trust::Manifest* taken = manifest()) {
        if (taken->digest() == digest)
            return {};
        return fail(Code::ManifestRefused, "this enclave has taken another manifest; start a new enclave");
    }
    const nitro::Pcr wanted = nitro::pcr_of(digest);
    REDOUBT_TRY(nitro::PcrState state, nsm_.describe_pcr(kManifestPcr));
    if (!state.locked && state.value == nitro::Pcr{}) {
        REDOUBT_TRY([[maybe_unused]] const auto extended, nsm_.extend_pcr(kManifestPcr, digest));
        REDOUBT_CHECK(nsm_.lock_pcr(kManifestPcr));
        REDOUBT_TRY(state, nsm_.describe_pcr(kManifestPcr));
    }
    // Locked with this manifest's value already: the same enclave, after its server process was started
    // again.
    if (!state.locked || state.value != wanted)
        return fail(Code::ManifestRefused, "PCR16 holds something else; start a new enclave");
    derived_.set_limits(std::min<std::size_t>(parsed.limits.key_cache_entries, kMaxDerivedKeys),
                        std::int64_t{1000} * parsed.limits.key_cache_seconds);
    keys_.set_limits(parsed.limits.key_cache_entries, std::int64_t{1000} * parsed.limits.key_cache_seconds);
    references_.set_limits(parsed.limits.key_cache_entries,
                           std::int64_t{1000} * parsed.limits.key_cache_seconds);
    manifest_owner_ = std::make_unique<trust::Manifest>(std::move(parsed));
    manifest_.store(manifest_owner_.get(), std::memory_order_release);
    log(LogLevel::Info, "manifest taken", {{"digest", to_hex(digest)}, {"pcr16", to_hex(wanted)}});
    return {};
}

wire::Reply Enclave::take_credentials(ByteView payload) {
    auto message = wire::decode_credentials(payload);
    if (!message)
        return refusal(message.error());
    auto fresh = std::make_shared<aws::Credentials>();
    fresh->access_key_id = std::move(message->access_key_id);
    fresh->secret_access_key = std::move(message->secret_access_key);
    fresh->session_token = std::move(message->session_token);
    fresh->expires = message->expires;
    const std::lock_guard lock(credentials_mutex_);
    credentials_ = std::move(fresh);
    return ok();
}

std::shared_ptr<const aws::Credentials> Enclave::credentials() const {
    const std::lock_guard lock(credentials_mutex_);
    return credentials_;
}

// Signs and verifies with a key of this enclave's own: proves that the whole signing path works.
std::optional<wire::Reply> Enclave::probe() {
    const Hash32 digest = crypto::sha256(as_bytes(module_id_));
    const auto signature = curve_->sign(probe_key_, digest);
    if (!signature || !curve_->verify(probe_public_, digest, *signature))
        return refusal({Code::SigningFailed, "the enclave's probe signature is wrong"});
    const auto drift = clock_.drift();
    wire::Reply reply;
    json::Writer(reply.body)
        .begin_object()
        .member("ok", true)
        .member("module_id", module_id_)
        .member("manifest_taken", manifest() != nullptr)
        .member("vaults_open", std::uint64_t{vaults_.count(clock_.now())})
        .key("clock")
        .begin_object()
        .key("age_ms")
        .number(clock_.age_ms())
        .key("step_ms")
        .number(drift.step_ms)
        .key("over_ms")
        .number(drift.over_ms)
        .end_object()
        .end_object();
    return reply;
}

wire::Reply Enclave::create_vault() {
    auto record = make_vault();
    if (!record)
        return refusal(record.error());
    wire::Reply reply;
    reply.records.push_back(
        {wire::ItemKind::VaultRecord, sealed::vault_id_text(record->id), sealed::encode_vault(*record)});
    json::Writer(reply.body)
        .begin_object()
        .member("vault_id", sealed::vault_id_text(record->id))
        .member("commitment", to_hex(record->commitment))
        .end_object();
    return reply;
}

Result<sealed::VaultRecord> Enclave::make_vault() {
    const trust::Manifest* m = manifest();
    if (m == nullptr)
        return fail(Code::ManifestMissing, "the enclave has no manifest yet");
    if (!m->owners.empty())
        return fail(Code::Forbidden,
                    "the manifest names owners, and creating a vault needs their signatures, which "
                    "this version does not take");
    if (!m->vault_commitments.empty())
        return fail(Code::Forbidden, "the manifest lists its vaults; a new one would never open");
    const auto credentials_now = credentials();
    if (!credentials_now)
        return fail(Code::CredentialsMissing, "the enclave has no AWS credentials yet");
    auto vault = std::make_shared<OpenVault>();
    vault->key = random_.secret(kVaultKeySize);
    sealed::VaultRecord& record = vault->record;
    record.id = random_.array<16>();
    record.epoch = m->min_epoch;
    record.created = clock_.now();
    record.commitment = sealed::vault_commitment(vault->key, record.id);
    std::vector<sealed::VaultWrap> wraps;
    for (const auto& key : m->kms_keys) {
        if (key.purpose != trust::KmsPurpose::Vault)
            continue;
        REDOUBT_TRY(const auto arn, aws::parse_kms_key_arn(key.arn));
        REDOUBT_TRY(auto data_key, kms_.with([&](aws::KmsClient& kms) {
            return kms.generate_data_key(arn, context_of(record.id), *credentials_now);
        }));
        wraps.push_back(sealed::wrap_vault_key(vault->key, data_key.plaintext, record, key.arn,
                                               std::move(data_key.ciphertext_blob), random_));
    }
    if (wraps.empty())
        return fail(Code::KmsKeyRefused, "the manifest names no KMS key with the purpose vault");
    record.wraps = std::move(wraps);
    sealed::VaultRecord out = record;
    REDOUBT_CHECK(
        vaults_.put(std::move(vault), clock_.now() + std::int64_t{1000} * m->limits.vault_lease_seconds));
    return out;
}

wire::Reply Enclave::open_vault_message(ByteView payload) {
    if (const auto status = open_vault(payload); !status)
        return refusal(status.error());
    return ok();
}

Status Enclave::open_vault(ByteView record_bytes) {
    const trust::Manifest* m = manifest();
    if (m == nullptr)
        return fail(Code::ManifestMissing, "the enclave has no manifest yet");
    REDOUBT_TRY(auto record, sealed::decode_vault(record_bytes));
    // The record is part of the name: a forged one must not make the real one refused.
    const Hash32 id = crypto::sha256(record_bytes);
    const auto turn = opening_.turn(id);
    const std::lock_guard lock(*turn);
    if (vaults_.find(record.id, clock_.now()))
        return {};
    if (auto refused = opening_.refused(id))
        return std::unexpected(std::move(*refused));
    const auto status = ask_for_vault(*m, std::move(record));
    if (!status)
        opening_.remember(id, status.error());
    return status;
}

Status Enclave::ask_for_vault(const trust::Manifest& m, sealed::VaultRecord record) {
    if (record.epoch < m.min_epoch)
        return fail(Code::RecordStale, "the vault record is older than the manifest's min_epoch allows");
    if (!m.vault_commitments.empty()) {
        const auto found = m.vault_commitments.find(record.id);
        if (found == m.vault_commitments.end() || found->second != record.commitment)
            return fail(Code::VaultUnknown, "the manifest does not list this vault with this commitment");
    }
    const auto credentials_now = credentials();
    if (!credentials_now)
        return fail(Code::CredentialsMissing, "the enclave has no AWS credentials yet");
    // A region that is down is no reason to stay closed: the first wrap that opens is enough.
    Error last{Code::KmsKeyRefused,
               "no wrap of the vault is under a KMS key that the manifest names for vaults"};
    for (const auto& wrap : record.wraps) {
        const trust::ManifestKmsKey* key = m.find_kms_key(wrap.kms_key_arn);
        if (key == nullptr || key->purpose != trust::KmsPurpose::Vault)
            continue;
        REDOUBT_TRY(const auto arn, aws::parse_kms_key_arn(wrap.kms_key_arn));
        auto data_key = kms_.with([&](aws::KmsClient& kms) {
            return kms.decrypt(arn, wrap.data_key_blob, context_of(record.id), *credentials_now);
        });
        if (!data_key) {
            last = data_key.error();
            continue;
        }
        auto vault_key = sealed::unwrap_vault_key(record, wrap, *data_key);
        if (!vault_key) {
            last = vault_key.error();
            continue;
        }
        auto vault = std::make_shared<OpenVault>();
        vault->key = std::move(*vault_key);
        vault->record = std::move(record);
        return vaults_.put(std::move(vault),
                           clock_.now() + std::int64_t{1000} * m.limits.vault_lease_seconds);
    }
    return std::unexpected(std::move(last));
}

// From a quarter of the lease before its end, once a second: asks KMS again. A denial ends the lease at once.
void Enclave::renew(OpenVault& vault, UnixMs now) {
    const trust::Manifest* m = manifest();
    const auto credentials_now = credentials();
    const std::int64_t lease = std::int64_t{1000} * m->limits.vault_lease_seconds;
    const UnixMs until = vault.lease->until;
    if (now >= until) {
        // Unless a worker has opened it again meanwhile.
        if (!vaults_.close(vault.record.id, until))
            return;
        log(LogLevel::Error, "a vault's lease has ended; its keys are wiped",
            {{"vault", sealed::vault_id_text(vault.record.id)}});
        return;
    }
    if (until - now > lease / 4 || !credentials_now)
        return;
    // The record's list of wraps is the host's; only keys that the manifest names are asked, as when opening.
    // Denied: at least one answered, and each that answered said no.
    int denials = 0, others = 0;
    for (const auto& wrap : vault.record.wraps) {
        const trust::ManifestKmsKey* key = m->find_kms_key(wrap.kms_key_arn);
        const auto arn = aws::parse_kms_key_arn(wrap.kms_key_arn);
        if (key == nullptr || key->purpose != trust::KmsPurpose::Vault || !arn)
            continue;
        const auto data_key = kms_.with([&](aws::KmsClient& kms) {
            return kms.decrypt(*arn, wrap.data_key_blob, context_of(vault.record.id), *credentials_now);
        });
        if (data_key && sealed::unwrap_vault_key(vault.record, wrap, *data_key)) {
            vault.lease->until = clock_.now() + lease;
            return;
        }
        const Code code = data_key ? Code::RecordInvalid : data_key.error().code;
        if (code == Code::KmsDenied || code == Code::KmsRefused)
            ++denials;
        else if (code != Code::KmsUnavailable && code != Code::KmsTimeout)
            ++others; // throttled, expired credentials, a broken reply: no answer to the question
        log(LogLevel::Warning, "a vault's lease was not renewed",
            {{"vault", sealed::vault_id_text(vault.record.id)}, {"code", code_name(code)}});
    }
    if (denials > 0 && others == 0 && vaults_.close(vault.record.id, until)) {
        log(LogLevel::Error, "KMS denies the vault; its keys are wiped",
            {{"vault", sealed::vault_id_text(vault.record.id)}});
    }
}

void Enclave::maintain() {
    if (clock_.age_ms() >= options_.clock_refresh_ms)
        if (const auto status = clock_.refresh(attestor_); !status)
            log(LogLevel::Error, "the trusted time cannot be refreshed",
                {{"code", code_name(status.error().code)}});
    if (manifest() == nullptr)
        return;
    // First what must not wait for a region that hangs.
    keys_.remove_ended(clock_.now());
    derived_.remove_ended(clock_.now());
    references_.remove_ended(clock_.now());
    for (const auto& vault : vaults_.all())
        renew(*vault, clock_.now());
    keys_.remove_ended(clock_.now());
    derived_.remove_ended(clock_.now());
}

} // namespace redoubt::enclave
