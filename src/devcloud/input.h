// SPDX-License-Identifier: Apache-2.0
// Reads the members of an operation's input as AWS's JSON services do: null counts as absent, members that
// the operation does not know are ignored, another JSON type is a SerializationException, a value outside the
// service model's limits a ValidationException.
#pragma once

#include "base/json.h"
#include "base/secret.h"
#include "devcloud/key_store.h"
#include "devcloud/service_error.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace redoubt::devcloud {

struct Size {
    std::size_t min, max; // of characters, bytes or elements
};

class Input {
  public:
    explicit Input(json::Value object) noexcept : object_(object) {}

    std::optional<json::Value> member(std::string_view name) const;
    Reply<std::optional<Input>> object(std::string_view name) const;
    Reply<std::optional<std::string>> string(std::string_view name, Size size) const;
    Reply<std::string> required_string(std::string_view name, Size size) const;
    // Base64. The decoded bytes, in a Secret because some are plaintexts.
    Reply<std::optional<Secret>> blob(std::string_view name, Size size) const;
    Reply<Secret> required_blob(std::string_view name, Size size) const;
    Reply<std::optional<std::uint64_t>> integer(std::string_view name, std::uint64_t min,
                                                std::uint64_t max) const;
    Reply<bool> boolean(std::string_view name) const;                                  // absent: false
    Reply<std::map<std::string, std::string>> string_map(std::string_view name) const; // absent: empty
    Reply<std::vector<std::string>> strings(std::string_view name, Size count) const;  // absent: empty
    // A list of objects with two members; `duplicate_type` is the error for a name given twice.
    Reply<Tags> tags(std::string_view name, std::string_view key_member, std::string_view value_member,
                     std::string_view duplicate_type) const;

  private:
    json::Value object_;
};

// "1 validation error detected: Value 'V' at 'member' failed to satisfy constraint: …"; the member's first
// letter is made small, as AWS does.
std::unexpected<ServiceError> refuse_value(std::string_view value, std::string_view member,
                                           std::string_view constraint);

// Seconds since 1970 with milliseconds, as x-amz-json-1.1 writes a timestamp.
std::string epoch_seconds(UnixMs time);

} // namespace redoubt::devcloud
