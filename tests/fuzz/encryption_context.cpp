// SPDX-License-Identifier: Apache-2.0
// redoubt-kmstool's --encryption-context on any texts, one a line: what is accepted is a context that KMS's
// JSON can carry. Seeds: corpus/encryption_context.
#include "kmstool/encryption_context.h"
#include "base/utf8.h"

#include <cstdlib>

using namespace redoubt;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    aws::EncryptionContext context;
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        if (!kmstool::add_encryption_context(rest.substr(0, end), context))
            return 0;
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    std::size_t bytes = 0;
    aws::EncryptionContext again;
    for (const auto& [name, value] : context) {
        require(!name.empty() && is_utf8(name) && is_utf8(value));
        bytes += name.size() + value.size();
        // Each pair alone is the same pair again, where it can be written so.
        if (name.find_first_of(",={") == name.npos && value.find(',') == value.npos)
            require(kmstool::add_encryption_context(name + "=" + value, again).has_value() &&
                    again.at(name) == value);
    }
    require(bytes <= kmstool::kMaxContextBytes);
    return 0;
}
