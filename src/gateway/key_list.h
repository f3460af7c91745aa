// SPDX-License-Identifier: Apache-2.0
// GET /v1/keys: the store's heads, page by page. The gateway's word; nothing in it is attested.
#pragma once

#include "store/store.h"

#include <string>
#include <string_view>

namespace redoubt::gateway {

struct KeyListing {
    std::size_t limit; // 1 … 1,000
    std::optional<store::Position> after;
    store::KeyFilter filter;
};

// "limit=N", "after=PLACE" as the page before gave it, and filters: "vault_id=", "address=", "state=",
// "label=", each at most once, and "tag=NAME:VALUE" up to sealed::kMaxTags times, all percent-encoded.
// Errors: UnknownField, InvalidField.
Result<KeyListing> parse_key_listing(std::string_view query);

// {"keys":[…],"next"?: PLACE}. A page may be short, or empty, and yet have a next one: a filter that has no
// index looks at a bounded number of keys at once.
std::string key_page_json(const store::KeyPage& page);

} // namespace redoubt::gateway
