// SPDX-License-Identifier: Apache-2.0
#include "devcloud/session_issue.h"

namespace redoubt::devcloud {

namespace {

constexpr std::string_view kBase32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

Secret random_base64(Cloud& cloud, std::size_t bytes) {
    auto text =
        to_base64(cloud.random.secret(bytes).view(SecretAccess("write fresh session credentials as text")));
    return Secret::take(text);
}

} // namespace

Result<Session> issue_session(Cloud& cloud, const SessionWanted& wanted, UnixMs now) {
    Session session;
    session.access_key_id = "ASIA" + random_text(cloud.random, 16, kBase32);
    session.secret_access_key = random_base64(cloud, 30);
    session.token = random_base64(cloud, 192);
    session.account = wanted.account;
    session.role = wanted.role;
    session.session_name = wanted.session_name;
    session.policy = wanted.session_policy;
    session.origin = wanted.sts ? kStsOrigin : kMetadataOrigin;
    // Whole seconds, so that Expiration says exactly when.
    session.created = now / 1000 * 1000;
    session.expires = session.created + wanted.life_ms;
    REDOUBT_CHECK(cloud.state.sessions.add(session));
    return session;
}

Result<Session> metadata_session(Cloud& cloud, const SessionWanted& wanted, UnixMs now) {
    REDOUBT_TRY(auto newest, cloud.state.sessions.newest(wanted.account, wanted.role, wanted.session_name,
                                                         now + kSessionRenewMs));
    if (newest)
        return std::move(*newest);
    return issue_session(cloud, wanted, now);
}

} // namespace redoubt::devcloud
