// SPDX-License-Identifier: Apache-2.0
// Functions and calldata: a line with a signature or a JSON ABI's entry, then the bytes after the selector.
// No crash, what is accepted encodes to the same bytes, and what is written of it is JSON. Seeds: corpus/abi.
#include "ethereum/abi.h"

#include <algorithm>
#include <cstdlib>

using namespace redoubt;
namespace abi = ethereum::abi;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

// The text's depth is bounded by the header, the other limits leave room for all that decode_call accepts.
constexpr json::Limits kLimits{.bytes = 1 << 26, .depth = 2 * abi::kMaxDepth + 3, .values = 1 << 20};

Result<abi::Function> function_of(std::string_view line) {
    static json::Document document;
    if (!line.starts_with('{') && !line.starts_with('['))
        return abi::parse_function(line);
    const auto value = document.parse(line, {.bytes = 1 << 16, .depth = 40, .values = 4000});
    if (!value)
        return std::unexpected(value.error());
    if (!value->is_array())
        return abi::parse_function(*value);
    auto functions = abi::parse_abi(*value);
    if (!functions)
        return std::unexpected(functions.error());
    if (functions->empty())
        return fail(Code::InvalidField, "no function");
    return std::move(functions->back());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static json::Document document;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::string_view line = text.substr(0, text.find('\n'));
    const ByteView rest = ByteView(data, size).subspan(std::min(line.size() + 1, size));

    const auto function = function_of(line);
    if (!function)
        return 0;
    const std::string signature = function->signature();
    require(signature.size() <= abi::kMaxSignature);
    const auto again = abi::parse_function(signature);
    require(again && again->signature() == signature);

    (void)abi::decode_call(*function, rest);
    Bytes calldata = to_bytes(function->selector());
    append(calldata, rest);
    const auto values = abi::decode_call(*function, calldata);
    if (!values) {
        require(values.error().code == Code::InvalidField || values.error().code == Code::TooLarge);
        return 0;
    }
    require(std::ranges::equal(abi::encode_arguments(*values), rest));

    std::string written;
    json::Writer writer(written);
    abi::write_call_json(writer, *function, *values);
    const auto root = document.parse(written, kLimits);
    require(root && root->get("arguments")->size() == function->inputs.size());
    return 0;
}
