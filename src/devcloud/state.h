// SPDX-License-Identifier: Apache-2.0
// Everything that devcloud remembers across restarts: one SQLite file, one store a kind of thing. What a
// mutating call acknowledged survives kill -9.
#pragma once

#include "devcloud/alias_store.h"
#include "devcloud/federation_store.h"
#include "devcloud/grant_store.h"
#include "devcloud/iam_store.h"
#include "devcloud/key_store.h"
#include "devcloud/secret_store.h"
#include "devcloud/session_store.h"
#include "devcloud/sqlite.h"

#include <memory>

namespace redoubt::devcloud {

class State {
  public:
    // DATA_DIR/devcloud.db; the folder is created (mode 0700) where absent, and an older version's database
    // is brought up to this one. Errors: Io, StoreFailed.
    static Result<std::unique_ptr<State>> open(const std::string& data_dir);

  private:
    explicit State(Database database) noexcept
        : database_(std::move(database)), keys(database_), aliases(database_), grants(database_),
          secrets(database_), sessions(database_), iam(database_), containers(database_), oidc(database_) {}
    Database database_;

  public:
    KeyStore keys;
    AliasStore aliases;
    GrantStore grants;
    SecretStore secrets;
    SessionStore sessions;
    IamStore iam;
    ContainerStore containers;
    OidcStore oidc;
};

} // namespace redoubt::devcloud
