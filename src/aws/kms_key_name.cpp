// SPDX-License-Identifier: Apache-2.0
#include "aws/kms_key_name.h"

#include "aws/arn.h"

#include <algorithm>

namespace redoubt::aws {

namespace {

constexpr std::string_view kAlias = "alias/";
constexpr std::size_t kMaxAlias = 256; // CreateAlias: AliasName, "alias/" included

bool is_alias(std::string_view text) noexcept {
    return text.size() > kAlias.size() && text.size() <= kMaxAlias && text.starts_with(kAlias) &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '/' || c == '_' || c == '-';
           });
}

// A key id stands in a key ARN of any region and account.
Result<KmsKeyArn> arn_with(std::string_view key_id) {
    return parse_kms_key_arn("arn:aws:kms:us-east-1:000000000000:key/" + std::string(key_id));
}

} // namespace

Result<KmsKeyName> parse_kms_key_name(std::string_view text) {
    using Kind = KmsKeyName::Kind;
    KmsKeyName out;
    out.text = text;
    const auto take_arn = [&](const KmsKeyArn& arn) {
        out.partition = arn.partition;
        out.region = arn.region;
        out.account = arn.account;
    };
    if (auto arn = parse_kms_key_arn(text)) {
        out.kind = Kind::KeyArn;
        take_arn(*arn);
        out.key_id = std::move(arn->key_id);
        return out;
    }
    if (const auto arn = arn_with(text); arn && arn->key_id == text) {
        out.kind = Kind::KeyId;
        out.key_id = text;
        return out;
    }
    if (is_alias(text)) {
        out.kind = Kind::Alias;
        return out;
    }
    // An alias ARN is a key ARN with another last part.
    if (const auto last = text.rfind(':'); last != text.npos && is_alias(text.substr(last + 1))) {
        constexpr std::string_view kAnyKey = "key/00000000-0000-0000-0000-000000000000";
        if (const auto arn =
                parse_kms_key_arn(std::string(text.substr(0, last + 1)) + std::string(kAnyKey))) {
            out.kind = Kind::AliasArn;
            take_arn(*arn);
            return out;
        }
    }
    return fail(Code::InvalidField, "not a KMS key: give its ARN, its id, alias/NAME or an alias's ARN");
}

bool may_be_key(std::string_view answered_arn, const KmsKeyName* name, std::string_view region) {
    const auto answered = parse_kms_key_arn(answered_arn);
    if (!answered || answered->region != region || answered->partition != partition_of_region(region))
        return false;
    if (name == nullptr)
        return true;
    if (name->kind == KmsKeyName::Kind::KeyArn)
        return answered_arn == name->text;
    return (name->key_id.empty() || answered->key_id == name->key_id) &&
           (name->account.empty() || answered->account == name->account);
}

} // namespace redoubt::aws
