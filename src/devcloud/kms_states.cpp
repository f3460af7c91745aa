// SPDX-License-Identifier: Apache-2.0
// EnableKey, DisableKey, ScheduleKeyDeletion, CancelKeyDeletion (AWS KMS developer guide, "Key states").
#include "devcloud/kms_operations.h"

namespace redoubt::devcloud {

namespace {

constexpr std::uint64_t kMinDays = 7, kMaxDays = 30;
constexpr UnixMs kDayMs = 24LL * 60 * 60 * 1000;

Reply<std::string> set_enabled(KmsCall& kms, bool enabled) {
    REDOUBT_TRY(auto key, authorised_key(kms));
    REDOUBT_CHECK(check_not_pending(key));
    key.enabled = enabled;
    REDOUBT_CHECK(or_internal(kms.cloud.state.keys.update(key)));
    return "";
}

} // namespace

Reply<std::string> enable_key(KmsCall& kms) {
    return set_enabled(kms, true);
}

Reply<std::string> disable_key(KmsCall& kms) {
    return set_enabled(kms, false);
}

Reply<std::string> schedule_key_deletion(KmsCall& kms) {
    // The service model allows 1 to 365; KMS itself 7 to 30 (API reference).
    REDOUBT_TRY(const auto days, kms.input.integer("PendingWindowInDays", kMinDays, kMaxDays));
    REDOUBT_TRY(const auto key_id, kms.input.required_string("KeyId", kKeyIdSize));
    REDOUBT_TRY(auto key, find_key(kms, key_id, Named::KeyOnly));
    KeyQuestion question;
    question.values.add("kms:ScheduleKeyDeletionPendingWindowInDays",
                        std::to_string(days.value_or(kMaxDays)));
    REDOUBT_CHECK(authorise(kms, key, std::move(question)));
    REDOUBT_CHECK(check_not_pending(key));
    key.pending_days = static_cast<std::int64_t>(days.value_or(kMaxDays));
    key.deletion = kms.call.now + key.pending_days * kDayMs;
    key.enabled = false; // a deletion that is cancelled leaves the key disabled
    REDOUBT_CHECK(or_internal(kms.cloud.state.keys.update(key)));
    std::string body;
    json::Writer(body)
        .begin_object()
        .member("KeyId", key.arn)
        .key("DeletionDate")
        .raw(epoch_seconds(key.deletion))
        .member("KeyState", "PendingDeletion")
        .member("PendingWindowInDays", static_cast<std::uint64_t>(key.pending_days))
        .end_object();
    return body;
}

Reply<std::string> cancel_key_deletion(KmsCall& kms) {
    REDOUBT_TRY(auto key, authorised_key(kms));
    if (!key.pending_deletion())
        return refuse("KMSInvalidStateException", key.arn + " is not pending deletion.");
    key.deletion = key.pending_days = 0;
    REDOUBT_CHECK(or_internal(kms.cloud.state.keys.update(key)));
    std::string body;
    json::Writer(body).begin_object().member("KeyId", key.arn).end_object();
    return body;
}

} // namespace redoubt::devcloud
