// SPDX-License-Identifier: Apache-2.0
// devcloud.db's tables, as the steps that made them: step n takes a database of version n to n + 1. A new
// database takes every step, so that a migrated one cannot differ from a fresh one.
#pragma once

#include "devcloud/sqlite.h"

namespace redoubt::devcloud {

// Brings the database to this program's version. Errors: StoreFailed (also for a newer program's database).
Status migrate(Database& database);

} // namespace redoubt::devcloud
