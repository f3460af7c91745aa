// SPDX-License-Identifier: Apache-2.0
// Everything that devcloud.db remembers as one JSON document, to keep or to carry to another machine:
//
//   {"redoubt_devcloud":1,"schema":N,
//    "tables":{"keys":{"columns":["id",…],"rows":[[TEXT|NUMBER|null|{"base64":TEXT},…],…]},…}}
//
// It holds key material, secrets' values and live credentials in the clear, as the database does: whoever
// reads it has the cloud. Not in it: the event log, faults, and the files that devcloud is given (the root
// user's access key, certificates, the attestation root).
//
// `schema` is the database's version (schema.h); a document is imported by a program of the same one.
#pragma once

#include "base/result.h"
#include "base/secret.h"

#include <string>

namespace redoubt::devcloud {

inline constexpr std::size_t kMaxTransfer = 256 << 20; // bytes of the document

// The caller wipes the document. Errors: Conflict (a devcloud uses the folder), Io (there is no database),
// StoreFailed, TooLarge.
Result<std::string> export_state(const std::string& data_dir);

// Into a folder without a database, all or nothing. Errors: Conflict (in use, or there is one), InvalidField
// (not such a document; the context says why), TooLarge, Io, StoreFailed.
Status import_state(const std::string& data_dir, std::string_view document);

} // namespace redoubt::devcloud
