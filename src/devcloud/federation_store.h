// SPDX-License-Identifier: Apache-2.0
// What is registered for the container endpoint and for web identities: role credentials by id or token, and
// OpenID Connect providers.
#pragma once

#include "devcloud/sqlite.h"

#include <optional>
#include <vector>

namespace redoubt::devcloud {

struct ContainerCredential {
    std::string id;
    Secret authorization; // empty: none is asked for (ECS), or not for EKS
    std::string account, role, session_name;
};

// Errors of all: StoreFailed.
class ContainerStore {
  public:
    explicit ContainerStore(Database& database) noexcept : database_(database) {}

    Status replace(const std::vector<ContainerCredential>& all); // all or nothing
    Result<std::optional<ContainerCredential>> find(std::string_view id);
    Result<std::vector<ContainerCredential>> list();

  private:
    Database& database_;
};

struct OidcProvider {
    std::string account, issuer; // "https://…", as tokens say it
    std::string audiences;       // JSON array of strings
    std::string jwks;            // JSON: {"keys": […]}
};

class OidcStore {
  public:
    explicit OidcStore(Database& database) noexcept : database_(database) {}

    Status replace(const std::vector<OidcProvider>& all);
    Result<std::optional<OidcProvider>> find(std::string_view account, std::string_view issuer);
    Result<std::vector<OidcProvider>> list();

  private:
    Database& database_;
};

} // namespace redoubt::devcloud
