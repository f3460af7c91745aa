// SPDX-License-Identifier: Apache-2.0
// The JSON reader on any bytes: no crash, every accessor safe on what it accepts, and canonical form a fixed
// point. Seeds: corpus/json.
#include "base/json.h"

#include <cstdlib>

using namespace redoubt;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

// Touches every byte that the document hands out.
std::size_t walk(const json::Value& value) {
    std::size_t sum = value.raw().size();
    for (const char c : value.text())
        sum += static_cast<unsigned char>(c);
    for (const char c : value.name())
        sum += static_cast<unsigned char>(c);
    sum += static_cast<std::size_t>(value.u64().value_or(0));
    std::size_t children = 0;
    for (const json::Value child : value) {
        ++children;
        sum += walk(child);
        if (value.is_object()) {
            const auto found = value.get(child.name());
            require(found && found->raw().data() == child.raw().data()); // names are unique
        }
    }
    require(children == value.size());
    return sum;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static json::Document document;
    static json::Document second;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const json::Limits limits{.bytes = 1 << 16, .depth = 20, .values = 2000};
    const auto root = document.parse(text, limits);
    if (!root)
        return 0;
    (void)walk(*root);

    // What a value says it was written as is JSON of the same meaning.
    require(second.parse(root->raw(), limits).has_value());

    const auto canonical = json::canonical(*root);
    if (canonical) {
        const auto again = second.parse(*canonical, {.bytes = 1 << 20, .depth = 20, .values = 2000});
        require(again.has_value());
        const auto twice = json::canonical(*again);
        require(twice && *twice == *canonical);
    }

    std::string escaped;
    json::append_escaped(escaped, text);
    require(second.parse(escaped).has_value());
    return 0;
}
