// SPDX-License-Identifier: Apache-2.0
// GET /v1/keys: the store's heads, page by page. The gateway's word; nothing in it is attested.
#pragma once

#include "store/store.h"

#include <string>
#include <string_view>

namespace redoubt::gateway {

struct KeyPage {
    std::size_t limit; // 1 … 1,000
    std::optional<sealed::KeyId> after;
};

// "limit=N" and "after=key-…", each at most once. Errors: UnknownField, InvalidField.
Result<KeyPage> parse_key_page(std::string_view query);

// {"keys":[…],"next"?: id}. `keys` holds one more than the limit where there are more.
std::string key_page_json(const std::vector<store::StoredKey>& keys, std::size_t limit);

} // namespace redoubt::gateway
