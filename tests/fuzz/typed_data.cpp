// SPDX-License-Identifier: Apache-2.0
// EIP-712 typed data on any text: no crash; the same document gives the same digest, which is that of its
// parts; with one more member in the message or the domain it is refused. Seeds: corpus/typed_data.
#include "ethereum/typed_data.h"
#include "crypto/keccak.h"

#include <cstdlib>

using namespace redoubt;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

// `text` with a member added to the object that `object` is in it. No type has a field of that name.
std::string with_member(std::string_view text, const json::Value& object) {
    const auto at = static_cast<std::size_t>(object.raw().data() - text.data()) + 1;
    std::string out(text);
    out.insert(at, object.size() > 0 ? "\"no name\":0," : "\"no name\":0");
    return out;
}

bool refused_with_member(std::string_view text, const json::Value& object) {
    static json::Document document;
    const std::string changed = with_member(text, object);
    const auto root = document.parse(changed, {.bytes = 1 << 17, .depth = 64, .values = 4096});
    require(root.has_value());
    return !ethereum::typed_data_digest(*root);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static json::Document first, second;
    const json::Limits limits{.bytes = 1 << 16, .depth = 64, .values = 4000};
    const std::string text(reinterpret_cast<const char*>(data), size);
    const auto root = first.parse(text, limits);
    if (!root)
        return 0;
    const auto digest = ethereum::typed_data_digest(*root);
    const std::string copy = text;
    const auto again = second.parse(copy, limits);
    require(again.has_value());
    const auto same = ethereum::typed_data_digest(*again);
    require(digest.has_value() == same.has_value());
    if (!digest) {
        require(digest.error().code == same.error().code && digest.error().code != Code::Internal);
        return 0;
    }
    require(digest->digest == same->digest && digest->struct_hash == same->struct_hash &&
            digest->domain_separator == same->domain_separator && digest->primary_type == same->primary_type);
    const ByteArray<2> prefix = {0x19, 0x01};
    const bool domain_alone = digest->primary_type == "EIP712Domain";
    require(digest->digest ==
            (domain_alone ? crypto::keccak256({prefix, digest->domain_separator})
                          : crypto::keccak256({prefix, digest->domain_separator, digest->struct_hash})));
    require(refused_with_member(text, root->get("domain").value()));
    require(domain_alone || root->get("message"));
    if (const auto message = root->get("message"))
        require(refused_with_member(text, *message));
    return 0;
}
