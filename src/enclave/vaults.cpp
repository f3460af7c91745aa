// SPDX-License-Identifier: Apache-2.0
// Vaults: made, opened, kept open by asking KMS again, and closed.
#include "api/operation.h"
#include "base/log.h"
#include "crypto/hash.h"
#include "enclave/asked.h"
#include "trust/statement.h"

#include <algorithm>

namespace redoubt::enclave {

namespace {

constexpr std::string_view kVaultContext = "redoubt:vault"; // KMS encryption context, design.md "Keys"
constexpr std::size_t kVaultKeySize = 32;

constexpr int kMaxMaking = 1;

// One of so many that may be at it at a time.
struct Place {
    std::atomic<int>& count;
    bool free;
    Place(std::atomic<int>& taken, int most) : count(taken), free(++taken <= most) {}
    ~Place() { --count; }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
};

aws::EncryptionContext context_of(const sealed::VaultId& id) {
    return {{std::string(kVaultContext), sealed::vault_id_text(id)}};
}

wire::Reply ok() {
    wire::Reply reply;
    reply.body = R"({"ok":true})";
    return reply;
}

} // namespace

wire::Reply Enclave::create_vault() {
    const trust::Manifest* m = manifest();
    if (m == nullptr)
        return refusal({Code::ManifestMissing, "the enclave has no manifest yet"});
    if (!m->owners.empty())
        return refusal({Code::Forbidden,
                        "the manifest names owners: a vault is made with their signatures, by "
                        "`redoubt vault create --authorization FILE`"});
    if (!m->vault_commitments.empty())
        return refusal({Code::Forbidden, "the manifest lists its vaults; a new one would never open"});
    const auto record = make_vault(random_.array<16>(), m->min_epoch);
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

Result<sealed::VaultRecord> Enclave::make_vault(const sealed::VaultId& id, std::uint64_t epoch) {
    const trust::Manifest* m = manifest();
    const auto credentials_now = credentials();
    if (!credentials_now)
        return fail(Code::CredentialsMissing, "the enclave has no AWS credentials yet");
    const Secret key = random_.secret(kVaultKeySize);
    sealed::VaultRecord record;
    record.id = id;
    record.epoch = epoch;
    record.created = clock_.now();
    record.commitment = sealed::vault_commitment(key, record.id);
    std::vector<sealed::VaultWrap> wraps;
    for (const auto& kms_key : m->kms_keys) {
        if (kms_key.purpose != trust::KmsPurpose::Vault)
            continue;
        REDOUBT_TRY(const auto arn, aws::parse_kms_key_arn(kms_key.arn));
        REDOUBT_TRY(auto data_key, kms_.with(KmsCall::GenerateDataKey, [&](aws::KmsClient& kms) {
            return kms.generate_data_key(arn, context_of(record.id), *credentials_now);
        }));
        wraps.push_back(sealed::wrap_vault_key(key, data_key.plaintext, record, kms_key.arn,
                                               std::move(data_key.ciphertext_blob), random_));
    }
    if (wraps.empty())
        return fail(Code::KmsKeyRefused, "the manifest names no KMS key with the purpose vault");
    record.wraps = std::move(wraps);
    return record;
}

// A vault's id comes of the client's token and the epoch: a repeat finds the vault that is there.
std::optional<wire::Reply> Enclave::run(const Asked& asked, const api::CreateVault& operation) {
    asked.note.operation = "create-vault";
    const trust::Manifest* m = manifest();
    const std::uint64_t epoch = operation.epoch.value_or(m->min_epoch);
    const sealed::VaultId id = sealed::vault_id_of_token(operation.client_token, epoch);
    const std::string name = sealed::vault_id_text(id);
    if (epoch < m->min_epoch)
        return refusal(
            {Code::InvalidField, "the epoch is below the manifest's min_epoch: the vault would never open"});
    if (const auto status = authorised(operation.authorization, asked.now,
                                       [&](const trust::Authorization& a) {
                                           return a.operation == "vault-create" && a.vault_id == name &&
                                                  a.epoch == epoch;
                                       });
        !status)
        return refusal(status.error());
    // No challenge: the same vault is not made twice.
    if (m->owners.empty())
        if (const auto status = admitted(asked, false); !status)
            return refusal(status.error());
    if (m->owners.empty() && !m->vault_commitments.empty())
        return refusal({Code::Forbidden, "the manifest lists its vaults; a new one would never open"});
    // New keys go into the highest epoch: nobody but an owner is to jump there.
    const auto newest = vaults_.newest(asked.now);
    if (m->owners.empty() && epoch > std::max(m->min_epoch, newest ? newest->record.epoch : 0) + 1)
        return refusal({Code::InvalidField,
                        "the epoch is more than one above the newest vault's and the manifest's min_epoch"});
    const auto stored = asked.item(wire::ItemKind::VaultIfAny, name);
    if (!stored)
        return need(wire::ItemKind::VaultIfAny, name);
    if (asked.may_wait == MayWait::No)
        return std::nullopt;
    Result<sealed::VaultRecord> record =
        stored->empty() ? Result<sealed::VaultRecord>() : sealed::decode_vault(*stored);
    const auto open = vaults_.find(id, asked.now);
    const bool is_open = !stored->empty() && record && open && open->record.commitment == record->commitment;
    if (!is_open && asked.may_wait != MayWait::ForKms)
        return std::nullopt;
    // Calls of KMS, and nothing that could be remembered: no more than leaves workers for others.
    std::optional<Place> place;
    if (!is_open && !place.emplace(making_vaults_, kMaxMaking).free)
        return refusal({Code::TooManyRequests, "a vault is being made; try again in a second"});
    if (!operation.nonce.empty())
        if (const auto status = attestor_.allow_statement(); !status)
            return refusal(status.error());
    wire::Reply reply;
    if (stored->empty())
        record = make_vault(id, epoch);
    else if (record && !is_open) {
        // Only a vault that KMS opens for this enclave is vouched for; one for the next manifest, too, which
        // stays closed.
        if (record->id != id || record->epoch != epoch)
            record = fail(Code::RecordInvalid, "the vault's record is another vault's");
        else if (const auto opened = unwrap_by_kms(*m, *record); !opened)
            record = std::unexpected(opened.error());
    }
    if (!record) {
        reply = refusal(record.error());
        if (reply.status == wire::kNeeds)
            reply.needs.push_back({wire::ItemKind::VaultIfAny, name});
        return reply;
    }
    if (stored->empty()) {
        reply.status = 201;
        reply.records.push_back({wire::ItemKind::VaultRecord, name, sealed::encode_vault(*record)});
    }
    trust::VaultStatement statement;
    statement.vault_id = name;
    statement.vault_commitment = to_hex(record->commitment);
    statement.epoch = record->epoch;
    json::Writer writer(reply.body);
    writer.begin_object()
        .member("vault_id", name)
        .member("vault_commitment", statement.vault_commitment)
        .member("epoch", record->epoch)
        .member("created", to_iso8601(record->created));
    if (!operation.nonce.empty()) {
        statement.nonce = to_hex(operation.nonce);
        const std::string text = trust::encode_statement(statement);
        const auto document =
            attestor_.document(trust::kPurposeVault, crypto::sha256(as_bytes(text)), operation.nonce, {});
        if (!document)
            return refusal(document.error());
        writer.member("statement", to_base64(as_bytes(text))).member("attestation", to_base64(*document));
    }
    writer.end_object();
    return reply;
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
    if (const auto open = vaults_.find(record.id, clock_.now())) {
        if (open->record.commitment == record.commitment)
            return {};
        return fail(Code::RecordInvalid, "another vault is open under this vault's id");
    }
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
    REDOUBT_TRY(auto key, unwrap_by_kms(m, record));
    auto vault = std::make_shared<OpenVault>();
    vault->key = std::move(key);
    vault->record = std::move(record);
    return vaults_.put(std::move(vault), clock_.now() + std::int64_t{1000} * m.limits.vault_lease_seconds);
}

Result<Secret> Enclave::unwrap_by_kms(const trust::Manifest& m, const sealed::VaultRecord& record) {
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
        auto data_key = kms_.with(KmsCall::Decrypt, [&](aws::KmsClient& kms) {
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
        return vault_key;
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
        counters_.renewal(Renewal::Ended);
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
        const auto data_key = kms_.with(KmsCall::Decrypt, [&](aws::KmsClient& kms) {
            return kms.decrypt(*arn, wrap.data_key_blob, context_of(vault.record.id), *credentials_now);
        });
        if (data_key && sealed::unwrap_vault_key(vault.record, wrap, *data_key)) {
            vault.lease->until = clock_.now() + lease;
            counters_.renewal(Renewal::Renewed);
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
    const bool denied = denials > 0 && others == 0 && vaults_.close(vault.record.id, until);
    counters_.renewal(denied ? Renewal::Denied : Renewal::Failed);
    if (denied) {
        log(LogLevel::Error, "KMS denies the vault; its keys are wiped",
            {{"vault", sealed::vault_id_text(vault.record.id)}});
    }
}

} // namespace redoubt::enclave
