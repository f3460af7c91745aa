// SPDX-License-Identifier: Apache-2.0
// Reading the vectors' files, and signing with their published keys.
#pragma once

#include "base/json.h"
#include "ethereum/transaction_json.h"
#include "support/vectors.h"

#include <gtest/gtest.h>
#include <map>
#include <stdexcept>
#include <zlib.h>

namespace redoubt::ethereum {

inline constexpr json::Limits kVectorLimits{.bytes = 1 << 28, .depth = 64, .values = 1 << 24};

inline std::string read_gzip(const std::filesystem::path& path) {
    std::string out;
    gzFile file = gzopen(path.c_str(), "rb");
    if (file == nullptr)
        throw std::runtime_error("cannot read " + path.string());
    char buffer[1 << 16];
    int n = 0;
    while ((n = gzread(file, buffer, sizeof(buffer))) > 0)
        out.append(buffer, static_cast<std::size_t>(n));
    gzclose(file);
    if (n < 0)
        throw std::runtime_error("damaged " + path.string());
    return out;
}

// A document with the text that its values view.
class VectorFile {
  public:
    explicit VectorFile(const std::filesystem::path& path)
        : text_(path.extension() == ".gz" ? read_gzip(path) : tests::read_file(path)) {
        auto root = document_.parse(text_, kVectorLimits);
        if (!root)
            throw std::runtime_error(path.string() + ": " + root.error().describe());
        root_.emplace(*root);
    }
    VectorFile(const VectorFile&) = delete;
    const json::Value& root() const { return *root_; }

  private:
    std::string text_;
    json::Document document_;
    std::optional<json::Value> root_;
};

inline std::string text_of(const json::Value& object, std::string_view name) {
    const auto found = object.get(name);
    return found ? std::string(found->text()) : std::string();
}

// Hexadecimal with or without "0x".
inline Bytes bytes_of(std::string_view text) {
    auto out = text.starts_with("0x") ? from_hex0x(text) : from_hex(text);
    if (!out)
        throw std::runtime_error("no hexadecimal: " + std::string(text.substr(0, 40)));
    return std::move(*out);
}

// Members of a transaction as JSON tokens, brought to the form that this project takes: quantities without
// leading zeros ("0x05" is in some vectors), and data with "0x".
using Members = std::map<std::string, std::string>;

inline std::string in_quotes(std::string_view text) {
    return "\"" + std::string(text) + "\"";
}

inline std::string plain_quantity(const json::Value& value) {
    std::string_view digits = value.text();
    if (!value.is_string() || !digits.starts_with("0x"))
        return std::string(value.raw());
    digits.remove_prefix(2);
    while (digits.size() > 1 && digits[0] == '0')
        digits.remove_prefix(1);
    return in_quotes("0x" + std::string(digits));
}

inline Members members_of(const json::Value& transaction, const std::vector<std::string_view>& names) {
    Members out;
    for (const auto name : names) {
        const auto value = transaction.get(name);
        if (!value)
            continue;
        auto& token = out[std::string(name)];
        if (name == "to" || name == "accessList")
            token = value->text().empty() && value->is_string() ? "null" : std::string(value->raw());
        else if (name == "data")
            token = in_quotes(to_hex0x(bytes_of(value->text())));
        else
            token = plain_quantity(*value);
    }
    return out;
}

inline std::string json_of(const Members& members) {
    std::string out = "{";
    for (const auto& [name, token] : members)
        out += (out.size() > 1 ? "," : "") + in_quotes(name) + ":" + token;
    return out + "}";
}

// 10^18 wei to the ETH, for the reference dialect.
inline std::string ether_of(const Uint256& wei) {
    std::string digits = to_decimal(wei);
    if (digits.size() < 19)
        digits.insert(0, 19 - digits.size(), '0');
    digits.insert(digits.size() - 18, ".");
    return digits;
}

template<class Parse>
Result<ParsedTransaction> parse_json(Parse parse, const std::string& text) {
    json::Document document;
    const auto value = document.parse(text, kVectorLimits);
    if (!value)
        return std::unexpected(value.error());
    return parse(*value);
}

inline Bytes sign(const crypto::Secp256k1& curve, ByteView key, const Transaction& transaction) {
    const auto signature = curve.sign(Secret::copy_of(key), signing_hash(transaction));
    if (!signature)
        throw std::runtime_error(signature.error().describe());
    return serialise(transaction, *signature);
}

inline std::optional<Address> sender_of(const crypto::Secp256k1& curve, const SignedTransaction& parsed) {
    const auto key = curve.recover(signing_hash(parsed.transaction), parsed.signature);
    return key ? std::optional(address_of(*key)) : std::nullopt;
}

} // namespace redoubt::ethereum
