// SPDX-License-Identifier: Apache-2.0
// The query of a list of keys, as the gateway reads it: whatever is accepted is within its bounds. Seeds:
// corpus/key_list.
#include "gateway/key_list.h"

#include <cstdlib>

using namespace redoubt;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto listing = gateway::parse_key_listing(as_text(ByteView(data, size)));
    if (!listing) {
        require(http_status(listing.error().code) == 400 && listing.error().context.empty());
        return 0;
    }
    require(listing->limit >= 1 && listing->limit <= 1'000);
    require(!listing->after || listing->after->created >= 0);
    require(!listing->filter.label || sealed::valid_label(*listing->filter.label));
    require(listing->filter.tags.size() <= sealed::kMaxTags);
    for (const auto& tag : listing->filter.tags)
        require(!tag.name.empty() && sealed::valid_label(tag.name, sealed::kMaxTagName) &&
                sealed::valid_label(tag.value, sealed::kMaxTagValue));
    // A page's `next` is read as it was written.
    store::KeyPage page;
    page.next = listing->after;
    const std::string json = gateway::key_page_json(page);
    if (page.next) {
        const std::size_t at = json.find("\"next\":\"") + 8;
        const auto again = gateway::parse_key_listing("after=" + json.substr(at, json.find('"', at) - at));
        require(again && again->after == page.next);
    }
    return 0;
}
