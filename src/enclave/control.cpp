// SPDX-License-Identifier: Apache-2.0
// What the gateway asks of the enclave on its own behalf: description, manifest, credentials, probe, and what
// to forget.
#include "enclave/asked.h"

#include "base/json.h"
#include "base/log.h"
#include "base/version.h"
#include "nitro/attestation.h"
#include "trust/statement.h"

namespace redoubt::enclave {

namespace {

constexpr std::uint16_t kManifestPcr = 16;

wire::Reply ok() {
    wire::Reply reply;
    reply.body = R"({"ok":true})";
    return reply;
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
        .member("version", version())
        .member("tag", to_hex(tag_))
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
    REDOUBT_CHECK(name_tls_certificate(parsed));
    // After PCR16 is locked: the chain's document names the manifest, too.
    REDOUBT_TRY(receipts_, ReceiptChain::create(attestor_, random_, module_id_));
    trust::Receipt started;
    started.time = clock_.now();
    started.decision = trust::Decision::Started;
    started.policy_digest = crypto::sha256(as_bytes(parsed.canonical));
    (void)receipts_->append(started, true);
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
    // Changes of keys whose record the store did not take, or whose answer was lost, go along until they are
    // stored.
    constexpr std::size_t kUnstoredAtOnce = 4;
    for (auto& unstored : revisions_.some_unstored(kUnstoredAtOnce))
        add_unstored(reply, std::move(unstored));
    json::Writer writer(reply.body);
    writer.begin_object()
        .member("ok", true)
        .member("module_id", module_id_)
        .member("tag", to_hex(tag_))
        .member("manifest_taken", manifest() != nullptr)
        .member("vaults_open", std::uint64_t{vaults_.count(clock_.now())})
        .key("vaults")
        .begin_array();
    for (const auto& vault : vaults_.all())
        if (vault->lease->valid(clock_.now()))
            writer.string(sealed::vault_id_text(vault->record.id));
    writer.end_array()
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

// Cheap, and on the loop's thread: it is answered before the client of the change is.
wire::Reply Enclave::forget(ByteView payload) {
    const auto message = wire::decode_forget(payload);
    if (!message)
        return refusal(message.error());
    if (message->key_id) {
        // First the revision: whoever opens an older record meanwhile looks again after he put it into the
        // cache.
        (void)revisions_.raise(*message->key_id, message->revision);
        revisions_.stored(*message->key_id, message->revision);
        keys_.remove(cache_id(*message->key_id));
    } else {
        ++forgotten_; // first: see open_record()
        keys_.clear();
        derived_.clear();
        references_.clear();
    }
    return ok();
}

void Enclave::maintain() {
    measure_memory();
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
    sessions_.remove_ended(clock_.now());
    for (const auto& vault : vaults_.all())
        renew(*vault, clock_.now());
    keys_.remove_ended(clock_.now());
    derived_.remove_ended(clock_.now());
}

} // namespace redoubt::enclave
