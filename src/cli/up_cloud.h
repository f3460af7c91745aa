// SPDX-License-Identifier: Apache-2.0
// What `redoubt up` asks of devcloud, as an administrator would ask AWS: keys, key policies, a secret.
#pragma once

#include "cli/up_files.h"

namespace redoubt::cli {

class Cloud {
  public:
    Cloud(std::string url, std::string region, AccessKey key)
        : url_(std::move(url)), region_(std::move(region)), key_(std::move(key)) {}

    Result<std::string> create_kms_key(const std::string& description); // ARN
    Status put_key_policy(const std::string& arn, const std::string& policy);
    // The secret's name, ready for secret_id.
    Result<std::string> create_secret(const std::string& name, const std::string& value);

    // Lets the instance's role keep a store of secrets below this prefix (docs/store.md), beside what it may
    // do already.
    Status allow_secrets_store(const std::string& account, const std::string& role,
                               const std::string& prefix);

  private:
    Result<std::string> call(const std::string& service, const std::string& target, const std::string& body);
    std::string url_, region_;
    AccessKey key_;
};

} // namespace redoubt::cli
