// SPDX-License-Identifier: Apache-2.0
// ethers.js' vectors: 512 values as the Solidity compiler's own code returned them, and contracts' addresses.
#include "crypto/keccak.h"
#include "ethereum/abi.h"
#include "ethereum/create.h"
#include "support.h"

#include <deque>
#include <iostream>

namespace redoubt::ethereum {
namespace {

using abi::Kind;

Uint256 from_signed_decimal(std::string_view text) {
    if (!text.starts_with('-'))
        return from_decimal(text).value();
    Uint256 out = from_decimal(text.substr(1)).value();
    for (auto& limb : out.limbs)
        limb = ~limb;
    return add(out, 1).value();
}

// What a "verbose" value is called there.
std::string_view name_of(Kind kind) {
    switch (kind) {
    case Kind::Uint:
    case Kind::Int:
        return "number";
    case Kind::Bool:
        return "boolean";
    case Kind::Address:
        return "address";
    case Kind::FixedBytes:
    case Kind::Bytes:
        return "hexstring";
    case Kind::String:
        return "string";
    case Kind::Array:
    case Kind::FixedArray:
        return "array";
    case Kind::Tuple:
        return "object";
    case Kind::Function:
        break;
    }
    return "";
}

// The value that a case describes. What it views is kept in `storage`.
abi::Value value_of(const abi::Type& type, const json::Value& verbose, std::deque<Bytes>& storage) {
    if (text_of(verbose, "type") != name_of(type.kind))
        throw std::runtime_error(text_of(verbose, "type") + " for " + canonical(type));
    const json::Value given = verbose.get("value").value();
    abi::Value out;
    out.type = &type;
    switch (type.kind) {
    case Kind::Uint:
    case Kind::Int:
        out.number = from_signed_decimal(given.text());
        break;
    case Kind::Bool:
        out.number = given.boolean() ? 1 : 0;
        break;
    case Kind::Address:
        out.number = from_big_endian(parse_address(given.text()).value()).value();
        break;
    case Kind::FixedBytes:
    case Kind::Bytes:
        out.bytes = storage.emplace_back(bytes_of(given.text()));
        break;
    case Kind::String:
        out.bytes = storage.emplace_back(to_bytes(given.text()));
        break;
    default: {
        std::size_t i = 0;
        for (const json::Value child : given)
            out.children.push_back(
                value_of(type.children.at(type.kind == Kind::Tuple ? i++ : 0), child, storage));
    }
    }
    return out;
}

bool same(const std::vector<abi::Value>& a, const std::vector<abi::Value>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const abi::Value& x, const abi::Value& y) {
        return x.type == y.type && x.number == y.number && as_text(x.bytes) == as_text(y.bytes) &&
               same(x.children, y.children);
    });
}

// Is this what write_call_json should make of the case's value? Counts the values that are neither arrays nor
// tuples.
bool is_rendered(const json::Value& written, const json::Value& verbose, int& leaves) {
    const json::Value wanted = verbose.get("value").value();
    const std::string type = text_of(verbose, "type");
    if (type == "array" || type == "object") {
        if (!written.is_array() || written.size() != wanted.size())
            return false;
        auto next = written.begin();
        for (const json::Value child : wanted) {
            const json::Value element = *next;
            ++next;
            const auto value = type == "object" ? element.get("value") : std::optional(element);
            if (!value || !is_rendered(*value, child, leaves))
                return false;
        }
        return true;
    }
    ++leaves;
    return type == "boolean" ? written.type() == wanted.type()
                             : written.is_string() && written.text() == wanted.text();
}

TEST(AbiVectors, values_are_encoded_and_decoded_as_solidity_does) {
    REDOUBT_NEED_VECTORS(vectors);
    const VectorFile file(vectors / "ethereum" / "ethers" / "abi.json.gz");
    int cases = 0, leaves = 0;
    std::size_t bytes = 0;
    json::Document document;
    for (const json::Value test : file.root()) {
        const std::string name = text_of(test, "name");
        const auto function = abi::parse_function("test(" + text_of(test, "type") + ")");
        ASSERT_TRUE(function) << name << ": " << function.error().describe();
        std::deque<Bytes> storage;
        const json::Value verbose = test.get("verbose").value();
        std::vector<abi::Value> values;
        values.push_back(value_of(function->inputs.at(0), verbose, storage));
        const std::string wanted = text_of(test, "encoded");
        ASSERT_EQ(to_hex0x(abi::encode_arguments(values)), wanted) << name;

        Bytes calldata = to_bytes(function->selector());
        append(calldata, bytes_of(wanted));
        const auto decoded = abi::decode_call(*function, calldata);
        ASSERT_TRUE(decoded) << name << ": " << decoded.error().describe();
        ASSERT_TRUE(same(*decoded, values)) << name;

        std::string text;
        json::Writer writer(text);
        write_call_json(writer, *function, *decoded);
        const auto written = document.parse(text, kVectorLimits);
        ASSERT_TRUE(written) << text;
        const json::Value argument = *written->get("arguments")->begin();
        ASSERT_TRUE(is_rendered(argument.get("value").value(), verbose, leaves)) << name << ": " << text;
        bytes += calldata.size() - 4;
        ++cases;
    }
    std::cout << "ABI: " << cases << " cases, " << leaves << " values, " << bytes << " bytes\n";
    EXPECT_EQ(cases, 512);
    EXPECT_EQ(leaves, 5017);
}

// Every account's address as an argument.
TEST(AbiVectors, addresses_are_written_with_their_checksums) {
    REDOUBT_NEED_VECTORS(vectors);
    const VectorFile file(vectors / "ethereum" / "ethers" / "accounts.json.gz");
    const auto function = abi::parse_function("f(address)");
    ASSERT_TRUE(function);
    int cases = 0;
    for (const json::Value test : file.root()) {
        const std::string wanted = text_of(test, "address");
        Bytes calldata = to_bytes(function->selector());
        calldata.resize(4 + 12);
        append(calldata, bytes_of(wanted));
        const auto decoded = abi::decode_call(*function, calldata);
        ASSERT_TRUE(decoded);
        std::string text;
        json::Writer writer(text);
        write_call_json(writer, *function, *decoded);
        EXPECT_NE(text.find("\"value\":\"" + wanted + "\""), std::string::npos) << text;
        ++cases;
    }
    std::cout << "accounts: " << cases << " addresses\n";
    EXPECT_EQ(cases, 259);
}

TEST(CreateVectors, contracts_have_their_addresses) {
    REDOUBT_NEED_VECTORS(vectors);
    const VectorFile file(vectors / "ethereum" / "ethers" / "create.json.gz");
    int cases = 0;
    for (const json::Value test : file.root()) {
        const Address sender = parse_address(text_of(test, "sender")).value();
        const json::Value creates = test.get("creates").value();
        for (const json::Value created : creates) {
            const auto nonce = created.get("nonce").value().u64();
            ASSERT_TRUE(nonce);
            EXPECT_EQ(to_checksum(create_address(sender, *nonce)), text_of(created, "address"));
            ++cases;
        }
    }
    std::cout << "CREATE: " << cases << " addresses\n";
    EXPECT_EQ(cases, 160);
}

TEST(CreateVectors, contracts_with_salt_have_their_addresses) {
    REDOUBT_NEED_VECTORS(vectors);
    const VectorFile file(vectors / "ethereum" / "ethers" / "create2.json.gz");
    int cases = 0;
    for (const json::Value test : file.root()) {
        const Address deployer = parse_address(text_of(test, "sender")).value();
        const json::Value creates = test.get("creates").value();
        for (const json::Value created : creates) {
            const auto salt = to_array<32>(bytes_of(text_of(created, "salt")));
            ASSERT_TRUE(salt);
            const Hash32 hash = crypto::keccak256(bytes_of(text_of(created, "initCode")));
            EXPECT_EQ(to_hex0x(hash), text_of(created, "initCodeHash"));
            EXPECT_EQ(to_checksum(create2_address(deployer, *salt, hash)), text_of(created, "address"));
            ++cases;
        }
    }
    std::cout << "CREATE2: " << cases << " addresses\n";
    EXPECT_EQ(cases, 128);
}

} // namespace
} // namespace redoubt::ethereum
