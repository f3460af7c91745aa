// SPDX-License-Identifier: Apache-2.0
// Fresh temporary credentials, for whoever hands them out: IMDS, the container endpoint, STS.
#pragma once

#include "devcloud/cloud.h"

namespace redoubt::devcloud {

inline constexpr UnixMs kSessionLifeMs = 6LL * 60 * 60 * 1000; // of metadata credentials
inline constexpr UnixMs kSessionRenewMs = 60LL * 60 * 1000;    // they are renewed while so much is left

struct SessionWanted {
    std::string account, role, session_name;
    UnixMs life_ms = kSessionLifeMs;
    std::string session_policy{};
    bool sts = false; // else of the metadata endpoints
};

// Stored before it is returned. `created` is a whole second. Error: StoreFailed.
Result<Session> issue_session(Cloud& cloud, const SessionWanted& wanted, UnixMs now);
// The metadata endpoints' credentials of a role: the newest ones, or new ones. Error: StoreFailed.
Result<Session> metadata_session(Cloud& cloud, const SessionWanted& wanted, UnixMs now);

} // namespace redoubt::devcloud
