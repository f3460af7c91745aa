// SPDX-License-Identifier: Apache-2.0
// Temporary credentials that devcloud handed out, so that they stay good across a restart until they expire.
#pragma once

#include "base/clock.h"
#include "devcloud/sqlite.h"

#include <optional>

namespace redoubt::devcloud {

// Who handed them out: IMDS and the container endpoint hand the same ones out again, STS never does.
inline constexpr std::string_view kMetadataOrigin = "metadata";
inline constexpr std::string_view kStsOrigin = "sts";

struct Session {
    std::string access_key_id; // ASIA…
    Secret secret_access_key, token;
    std::string account; // empty: devcloud's own (sessions of an older database)
    std::string role, session_name;
    UnixMs created = 0, expires = 0;
    std::string policy; // AssumeRole's Policy parameter; empty: none
    std::string origin{kMetadataOrigin};
};

// Errors of all: StoreFailed.
class SessionStore {
  public:
    explicit SessionStore(Database& database) noexcept : database_(database) {}

    // Also forgets sessions that expired more than a day ago; until then they are told apart from unknown
    // ones.
    Status add(const Session& session);
    Result<std::optional<Session>> find(std::string_view access_key_id);
    // The metadata endpoints' newest of a role session that lives at least until `until`.
    Result<std::optional<Session>> newest(std::string_view account, std::string_view role,
                                          std::string_view session_name, UnixMs until);

  private:
    Database& database_;
};

} // namespace redoubt::devcloud
