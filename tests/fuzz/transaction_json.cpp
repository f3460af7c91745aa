// SPDX-License-Identifier: Apache-2.0
// Both JSON dialects of transactions on any text: no crash, what is accepted is valid, survives the raw form,
// and reads back the same after it is written as JSON. Seeds: corpus/transaction_json.
#include "ethereum/transaction_json.h"

#include <cstdlib>

using namespace redoubt;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

void check(const ethereum::Transaction& transaction) {
    require(ethereum::validate(transaction).has_value());
    crypto::Signature signature{};
    signature.r[31] = signature.s[31] = signature.y_parity = 1;
    const auto parsed = ethereum::parse_signed_transaction(ethereum::serialise(transaction, signature));
    require(parsed && parsed->transaction == transaction && parsed->signature == signature);

    static json::Document document;
    std::string text;
    json::Writer writer(text);
    ethereum::write_transaction_json(writer, transaction, ethereum::Address{});
    const auto value = document.parse(text);
    require(value.has_value());
    const auto back = ethereum::transaction_from_json(*value);
    if (!transaction.to && transaction.data.empty()) // the reference dialect alone takes these
        require(!back && back.error().code == Code::MissingField);
    else
        require(back && back->transaction == transaction && back->from == ethereum::Address{});
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static json::Document document;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto root = document.parse(text, {.bytes = 1 << 16, .depth = 16, .values = 2000});
    if (!root)
        return 0;
    if (const auto parsed = ethereum::transaction_from_json(*root))
        check(parsed->transaction);
    if (const auto parsed = ethereum::transaction_from_reference_json(*root))
        check(parsed->transaction);
    return 0;
}
