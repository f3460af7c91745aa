// SPDX-License-Identifier: Apache-2.0
// Clients' requests as the enclave reads them: method, target, content type and body cut from the input at
// its line ends. No crash; whatever transaction is accepted is valid and signs as what it says. Seeds:
// corpus/operation.
#include "api/operation.h"

#include <cstdlib>
#include <variant>

using namespace redoubt;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

std::string_view cut(std::string_view& rest) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return line;
}

void check(const ethereum::ParsedTransaction& parsed) {
    require(ethereum::validate(parsed.transaction).has_value());
    crypto::Signature signature{};
    signature.r[31] = signature.s[31] = 1;
    const auto again = ethereum::parse_signed_transaction(ethereum::serialise(parsed.transaction, signature));
    require(again && again->transaction == parsed.transaction);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view rest = as_text(ByteView(data, size));
    api::Request request;
    request.method = cut(rest);
    std::string_view target = cut(rest);
    request.path = target.substr(0, target.find('?'));
    request.has_query = request.path.size() < target.size();
    if (request.has_query)
        request.query = target.substr(request.path.size() + 1);
    request.content_type = cut(rest);
    request.body = rest;
    json::Document scratch;
    const auto operation = api::parse_operation(request, scratch);
    if (!operation) {
        require(http_status(operation.error().code) >= 400 && http_status(operation.error().code) < 500);
        require(operation.error().context.empty());
        return 0;
    }
    if (const auto* sign = std::get_if<api::SignTransaction>(&*operation))
        check(sign->transaction);
    if (const auto* sign = std::get_if<api::ReferenceSignTransaction>(&*operation))
        check(sign->transaction);
    return 0;
}
