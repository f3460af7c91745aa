// SPDX-License-Identifier: Apache-2.0
// Everything that devcloud remembers across restarts: one SQLite file, one store a kind of thing. What a
// mutating call acknowledged survives kill -9.
#pragma once

#include "devcloud/key_store.h"
#include "devcloud/secret_store.h"
#include "devcloud/session_store.h"
#include "devcloud/sqlite.h"

#include <memory>

namespace redoubt::devcloud {

class State {
  public:
    // DATA_DIR/devcloud.db; the folder is created (mode 0700) where absent. Errors: Io, StoreFailed.
    static Result<std::unique_ptr<State>> open(const std::string& data_dir);

  private:
    explicit State(Database database) noexcept
        : database_(std::move(database)), keys(database_), secrets(database_), sessions(database_) {}
    Database database_;

  public:
    KeyStore keys;
    SecretStore secrets;
    SessionStore sessions;
};

} // namespace redoubt::devcloud
