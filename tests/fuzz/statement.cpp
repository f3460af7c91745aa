// SPDX-License-Identifier: Apache-2.0
// Attested statements as the command line reads them from a gateway, on any text: no crash, and what is read
// has one spelling. Seeds: corpus/statement.
#include "trust/statement.h"
#include "base/json.h"

#include <cstdlib>

using namespace redoubt;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

template<class T>
void read_again(const T& parsed, Result<T> (*parse)(std::string_view)) {
    const std::string text = trust::encode_statement(parsed);
    const auto again = parse(text);
    require(again && trust::encode_statement(*again) == text);
    json::Document document;
    const auto root = document.parse(text);
    require(root && json::canonical(*root) == text);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto parsed = trust::parse_statement(text))
        read_again(*parsed, trust::parse_statement);
    if (const auto parsed = trust::parse_address_statement(text))
        read_again(*parsed, trust::parse_address_statement);
    if (const auto parsed = trust::parse_import_offer(text))
        read_again(*parsed, trust::parse_import_offer);
    if (const auto parsed = trust::parse_vault_statement(text))
        read_again(*parsed, trust::parse_vault_statement);
    if (const auto parsed = trust::parse_export_statement(text))
        read_again(*parsed, trust::parse_export_statement);
    return 0;
}
