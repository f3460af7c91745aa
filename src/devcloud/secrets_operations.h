// SPDX-License-Identifier: Apache-2.0
// Private to Secrets Manager: one function an operation, and what they share. Each returns the reply's JSON.
#pragma once

#include "devcloud/access.h"
#include "devcloud/cloud.h"
#include "devcloud/input.h"

namespace redoubt::devcloud {

struct SecretsCall {
    Cloud& cloud;
    const Call& call;
    const Input& input;

    SecretStore& store() const { return cloud.state.secrets; }
    // Of the caller's own account, in the region called.
    std::string arn_prefix() const;
};

using SecretsOperation = Reply<std::string> (*)(SecretsCall& secrets);

// secrets_values.cpp
Reply<std::string> create_secret(SecretsCall& secrets);
Reply<std::string> get_secret_value(SecretsCall& secrets);
Reply<std::string> put_secret_value(SecretsCall& secrets);
Reply<std::string> update_secret(SecretsCall& secrets);
Reply<std::string> update_secret_version_stage(SecretsCall& secrets);
Reply<std::string> get_random_password(SecretsCall& secrets);

// secrets_records.cpp
Reply<std::string> delete_secret(SecretsCall& secrets);
Reply<std::string> restore_secret(SecretsCall& secrets);
Reply<std::string> tag_resource(SecretsCall& secrets);
Reply<std::string> untag_resource(SecretsCall& secrets);
Reply<std::string> put_resource_policy(SecretsCall& secrets);
Reply<std::string> get_resource_policy(SecretsCall& secrets);
Reply<std::string> delete_resource_policy(SecretsCall& secrets);
Reply<std::string> validate_resource_policy(SecretsCall& secrets);

// secrets_listing.cpp
Reply<std::string> describe_secret(SecretsCall& secrets);
Reply<std::string> list_secrets(SecretsCall& secrets);
Reply<std::string> list_secret_version_ids(SecretsCall& secrets);

// secrets_shared.cpp

// Limits: the Secrets Manager service model.
inline constexpr Size kSecretIdSize = {1, 2048};
inline constexpr Size kVersionIdSize = {32, 64};
inline constexpr Size kStageSize = {1, 256};
inline constexpr std::size_t kMaxStages = 20;
inline constexpr std::size_t kMaxSecretTags = 50;
// The alphabet of the six characters after a secret's name in its ARN.
inline constexpr std::string_view kAlphanumeric =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

enum class Deleted { Refused, Allowed }; // of a secret in its recovery window
// The secret of SecretId (its name, its ARN, or its ARN without the random end), when the caller may do the
// called operation on it. Errors: ResourceNotFoundException, AccessDeniedException, InvalidRequestException.
Reply<SecretRecord> find_secret(SecretsCall& secrets, Deleted deleted = Deleted::Refused);
// For operations on no secret that exists: identity policies alone decide.
Reply<void> authorise_by_identity(SecretsCall& secrets, std::string_view arn);
std::unexpected<ServiceError> no_such_secret();

void write_strings(json::Writer& writer, const std::vector<std::string>& values);
// {"ARN": …, "Name": …} with the version and its stages where they are given.
std::string write_identity(const SecretRecord& secret, const std::string* version_id = nullptr,
                           const std::vector<std::string>* stages = nullptr);

} // namespace redoubt::devcloud
