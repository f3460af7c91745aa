// SPDX-License-Identifier: Apache-2.0
// EnableKeyRotation, DisableKeyRotation, GetKeyRotationStatus, RotateKeyOnDemand, ListKeyRotations, and what
// comes due by itself. A rotation takes effect at once (AWS takes minutes); older materials go on decrypting.
#include "devcloud/kms_operations.h"

#include <algorithm>

namespace redoubt::devcloud {

namespace {

constexpr UnixMs kDayMs = 24LL * 60 * 60 * 1000;
constexpr std::uint64_t kUsualDays = 365;
constexpr std::size_t kMaxOnDemand = 25; // AWS KMS developer guide, "Perform on-demand key rotation"
constexpr const char* kAutomatic = "AUTOMATIC";
constexpr const char* kOnDemand = "ON_DEMAND";

Reply<void> rotate(Cloud& cloud, const KeyRecord& key, const char* type, UnixMs now) {
    return or_internal(
        cloud.state.keys.rotate(key, {to_hex(cloud.random.array<32>()), now, type}, cloud.random.secret(32)));
}

} // namespace

Reply<std::string> enable_key_rotation(KmsCall& kms) {
    REDOUBT_TRY(const auto days, kms.input.integer("RotationPeriodInDays", 90, 2560));
    REDOUBT_TRY(const auto key_id, kms.input.required_string("KeyId", kKeyIdSize));
    REDOUBT_TRY(auto key, find_key(kms, key_id, Named::KeyOnly));
    KeyQuestion question;
    question.values.add("kms:RotationPeriodInDays", std::to_string(days.value_or(kUsualDays)));
    REDOUBT_CHECK(authorise(kms, key, std::move(question)));
    REDOUBT_CHECK(check_usable(key));
    // Without a period, one that is enabled already keeps its own.
    if (!days && key.rotation_days != 0)
        return "";
    key.rotation_days = static_cast<std::int64_t>(days.value_or(kUsualDays));
    key.next_rotation = kms.call.now + key.rotation_days * kDayMs;
    REDOUBT_CHECK(or_internal(kms.cloud.state.keys.update(key)));
    return "";
}

Reply<std::string> disable_key_rotation(KmsCall& kms) {
    REDOUBT_TRY(auto key, authorised_key(kms));
    REDOUBT_CHECK(check_usable(key));
    key.rotation_days = key.next_rotation = 0;
    REDOUBT_CHECK(or_internal(kms.cloud.state.keys.update(key)));
    return "";
}

Reply<std::string> get_key_rotation_status(KmsCall& kms) {
    REDOUBT_TRY(const auto key_id, kms.input.required_string("KeyId", kKeyIdSize));
    REDOUBT_TRY(const auto key, find_key(kms, key_id, Named::KeyOnly));
    KeyQuestion question;
    question.other_accounts = true;
    REDOUBT_CHECK(authorise(kms, key, std::move(question)));
    REDOUBT_CHECK(check_not_pending(key));
    const bool on = key.rotation_days != 0;
    std::string body;
    json::Writer writer(body);
    writer.begin_object().member("KeyId", key.arn).member("KeyRotationEnabled", on);
    if (on)
        writer.member("RotationPeriodInDays", static_cast<std::uint64_t>(key.rotation_days))
            .key("NextRotationDate")
            .raw(epoch_seconds(key.next_rotation));
    writer.end_object();
    return body;
}

Reply<std::string> rotate_key_on_demand(KmsCall& kms) {
    REDOUBT_TRY(const auto key, authorised_key(kms));
    REDOUBT_CHECK(check_usable(key));
    REDOUBT_TRY(const auto rotations, or_internal(kms.cloud.state.keys.rotations(key.id)));
    const auto done = std::count_if(rotations.begin(), rotations.end(),
                                    [](const auto& rotation) { return rotation.type == kOnDemand; });
    if (static_cast<std::size_t>(done) >= kMaxOnDemand)
        return refuse("LimitExceededException", "A key can be rotated on demand at most 25 times.");
    REDOUBT_CHECK(rotate(kms.cloud, key, kOnDemand, kms.call.now));
    std::string body;
    json::Writer(body).begin_object().member("KeyId", key.arn).end_object();
    return body;
}

Reply<std::string> list_key_rotations(KmsCall& kms) {
    REDOUBT_TRY(const auto page, read_page(kms, 100));
    REDOUBT_TRY(const auto include, kms.input.string("IncludeKeyMaterial", {1, 64}));
    if (include && *include != "ALL_KEY_MATERIAL" && *include != "ROTATIONS_ONLY")
        return refuse_value(*include, "IncludeKeyMaterial",
                            "Member must satisfy enum value set: [ALL_KEY_MATERIAL, ROTATIONS_ONLY]");
    REDOUBT_TRY(const auto key, authorised_key(kms));
    REDOUBT_CHECK(check_not_pending(key));
    REDOUBT_TRY(const auto rotations, or_internal(kms.cloud.state.keys.rotations(key.id)));

    struct Numbered {
        std::int64_t sequence;
        KeyRotation rotation;
    };
    std::vector<Numbered> told;
    std::int64_t number = 0;
    for (const auto& rotation : rotations) {
        if (rotation.type.empty() && include.value_or("") != "ALL_KEY_MATERIAL")
            continue; // the first material came by no rotation
        if (++number > page.after && told.size() <= page.limit)
            told.push_back({number, rotation});
    }
    const bool truncated = cut_page(told, page);
    std::string body;
    json::Writer writer(body);
    writer.begin_object().key("Rotations").begin_array();
    for (const auto& [sequence, rotation] : told) {
        writer.begin_object().member("KeyId", key.arn).member("KeyMaterialId", rotation.material_id);
        writer.member("KeyMaterialState",
                      rotation.material_id == key.material_id ? "CURRENT" : "NON_CURRENT");
        if (!rotation.type.empty())
            writer.key("RotationDate")
                .raw(epoch_seconds(rotation.time))
                .member("RotationType", rotation.type);
        writer.end_object();
    }
    writer.end_array();
    write_page_end(writer, told, truncated);
    return body;
}

Reply<void> do_what_is_due(Cloud& cloud, UnixMs now) {
    REDOUBT_CHECK(or_internal(cloud.state.keys.delete_due(now)));
    REDOUBT_TRY(auto due, or_internal(cloud.state.keys.rotation_due(now)));
    for (auto& key : due) {
        // Once, however many periods nobody called.
        const auto period = key.rotation_days * kDayMs;
        key.next_rotation += ((now - key.next_rotation) / period + 1) * period;
        REDOUBT_CHECK(rotate(cloud, key, kAutomatic, now));
    }
    return {};
}

} // namespace redoubt::devcloud
