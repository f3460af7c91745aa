// SPDX-License-Identifier: Apache-2.0
// The step of devcloud.db's schema that belongs to Secrets Manager, STS and the container endpoint
// (schema.h).
#pragma once

namespace redoubt::devcloud {

// secrets.deletion: when the secret goes for good; 0: not to be deleted. secrets.accessed: the day of the
// last GetSecretValue. sessions.origin: "metadata" (IMDS, container endpoint) or "sts".
inline constexpr const char* kServicesSchema = R"sql(
ALTER TABLE secrets ADD COLUMN deletion INTEGER NOT NULL DEFAULT 0;
ALTER TABLE secrets ADD COLUMN accessed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE secrets ADD COLUMN policy TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN origin TEXT NOT NULL DEFAULT 'metadata';
ALTER TABLE sessions ADD COLUMN policy TEXT NOT NULL DEFAULT '';
CREATE TABLE container_credentials (
    id TEXT PRIMARY KEY,
    authorization BLOB NOT NULL,
    account TEXT NOT NULL,
    role TEXT NOT NULL,
    session_name TEXT NOT NULL
);
CREATE TABLE oidc_providers (
    account TEXT NOT NULL,
    issuer TEXT NOT NULL,
    audiences TEXT NOT NULL,
    jwks TEXT NOT NULL,
    PRIMARY KEY (account, issuer)
);
)sql";

} // namespace redoubt::devcloud
