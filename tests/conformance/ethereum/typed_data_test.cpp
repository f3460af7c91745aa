// SPDX-License-Identifier: Apache-2.0
// EIP-712 and EIP-191 by the vectors of ethers.js, MetaMask's eth-sig-util and eth-account.
#include "crypto/keccak.h"
#include "ethereum/message.h"
#include "ethereum/typed_data.h"
#include "support.h"

#include <iostream>

namespace redoubt::ethereum {
namespace {

Result<TypedDataDigest> digest_of(const std::string& text) {
    json::Document document;
    const auto root = document.parse(text);
    if (!root)
        return std::unexpected(root.error());
    return typed_data_digest(*root);
}

// The members of a case of ethers, named as JSON-RPC names them.
std::string document_of(const json::Value& test) {
    std::string out;
    json::Writer writer(out);
    writer.begin_object();
    writer.key("types").raw(test.get("types")->raw());
    writer.key("primaryType").raw(test.get("primaryType")->raw());
    writer.key("domain").raw(test.get("domain")->raw());
    writer.key("message").raw(test.get("data")->raw());
    writer.end_object();
    return out;
}

// r ‖ s ‖ v
Bytes signature_bytes(const crypto::Signature& signature) {
    Bytes out(signature.r.begin(), signature.r.end());
    append(out, signature.s);
    out.push_back(static_cast<std::uint8_t>(27 + signature.y_parity));
    return out;
}

Bytes sign_digest(ByteView key, const Hash32& digest) {
    const crypto::Secp256k1 curve(Hash32{});
    const auto signature = curve.sign(Secret::copy_of(key), digest);
    EXPECT_TRUE(signature);
    return signature ? signature_bytes(*signature) : Bytes();
}

std::optional<Address> signer_of(const Hash32& digest, ByteView bytes) {
    if (bytes.size() != 65)
        return std::nullopt;
    crypto::Signature signature{};
    std::copy_n(bytes.begin(), 32, signature.r.begin());
    std::copy_n(bytes.begin() + 32, 32, signature.s.begin());
    signature.y_parity = static_cast<std::uint8_t>(bytes[64] - 27);
    const crypto::Secp256k1 curve(Hash32{});
    const auto key = curve.recover(digest, signature);
    return key ? std::optional(address_of(*key)) : std::nullopt;
}

TEST(TypedDataVectors, documents_of_ethers_have_their_digests) {
    REDOUBT_NEED_VECTORS(vectors);
    const VectorFile file(vectors / "ethereum" / "ethers" / "typed-data.json.gz");
    int count = 0, signatures = 0;
    for (const json::Value test : file.root()) {
        const std::string name = text_of(test, "name");
        const auto digest = digest_of(document_of(test));
        ASSERT_TRUE(digest) << name << " " << digest.error().describe();
        EXPECT_EQ(to_hex0x(digest->digest), text_of(test, "digest")) << name;
        EXPECT_EQ(digest->struct_hash, crypto::keccak256(bytes_of(text_of(test, "encoded")))) << name;
        EXPECT_EQ(digest->primary_type, text_of(test, "primaryType"));
        ++count;
        if (!test.get("signature"))
            continue;
        EXPECT_EQ(sign_digest(bytes_of(text_of(test, "privateKey")), digest->digest),
                  bytes_of(text_of(test, "signature")));
        ++signatures;
    }
    EXPECT_EQ(count, 65);
    EXPECT_EQ(signatures, 1);
    std::cout << "typed data of ethers: " << count << " of 65\n";
}

// What both clients hash alike and is refused all the same.
std::string_view reason_to_refuse(const json::Value& test) {
    const std::string type = text_of(test, "type");
    const auto input = test.get("input").value();
    if (type == "bool" && !input.is_bool())
        return "both go by JavaScript's truth, so that \"false\" is true";
    if (input.is_object())
        return "a Buffer of Node.js is no JSON";
    return {};
}

TEST(TypedDataVectors, fields_that_metamask_and_ethers_hash_alike_are_hashed_so_and_no_others) {
    REDOUBT_NEED_VECTORS(vectors);
    const VectorFile file(vectors / "ethereum" / "eip712" / "metamask-eth-sig-util-field-encoding.json");
    int same = 0, strict = 0, different = 0, invalid = 0;
    for (const json::Value test : file.root()) {
        const std::string type = text_of(test, "type"), input(test.get("input")->raw());
        const auto digest = digest_of(
            R"({"types":{"Message":[{"name":"data","type":")" + type +
            R"("}]},"primaryType":"Message","domain":{"name":"D"},"message":{"data":)" + input + "}}");
        const std::string metamask = text_of(test, "metamask_V4_hashStruct"),
                          ethers = text_of(test, "ethers_hashStruct");
        const bool agree = !metamask.empty() && metamask == ethers;
        if (agree && reason_to_refuse(test).empty()) {
            ASSERT_TRUE(digest) << type << " " << input << " " << digest.error().describe();
            EXPECT_EQ(to_hex0x(digest->struct_hash), metamask) << type << " " << input;
            EXPECT_EQ(digest->struct_hash,
                      crypto::keccak256(bytes_of(text_of(test, "metamask_V4_encodeData"))));
            ++same;
            continue;
        }
        ASSERT_FALSE(digest) << type << " " << input;
        EXPECT_EQ(digest.error().code,
                  type == "int" || type == "uint" ? Code::AmbiguousField : Code::InvalidField);
        ++(agree ? strict : metamask.empty() && ethers.empty() ? invalid : different);
    }
    EXPECT_EQ(same, 31);
    EXPECT_EQ(strict, 7);
    EXPECT_EQ(different, 43);
    EXPECT_EQ(invalid, 9);
    std::cout << "fields of eth-sig-util: " << same << " hashed as MetaMask and ethers do, " << different
              << " refused on which they differ, " << invalid << " refused by both, " << strict
              << " refused though they agree, of 90\n";
}

constexpr std::string_view kMail = "0xbe609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2";
constexpr std::string_view kWithArray = "0x1780e7e042fa9ec126ccb68cd707d61580d00601b3eff8a5ec05116b46007fdb";
constexpr std::string_view kMultiArray = "0xda275374c3a0790d389b6490d6fdf499f39c72105423f09d7b9be62d2fc08671";
constexpr std::string_view kNested = "0x0c9b68928afbff5af30e99ae29fcdf1cc36974f7ba4a6e4336cc98daa4f0c2af";

// The files of eth-account say what is valid, and not what the digest is: those here were made with ethers
// 6.17 and viem 2.57, which agree (on the recursive ones: viem).
const std::map<std::string, std::string_view> kDigests = {
    {"valid_eip712_example", kMail},
    {"valid_eip712_example.json", kMail},
    {"valid_eip712_example_addresses_not_checksummed", kMail},
    {"valid_missing_eip712_type_metamask_ignores_domain_data_if_domain_types_not_present", kMail},
    {"valid_eip712_example_with_array", kWithArray},
    {"valid_eip712_example_with_array.json", kWithArray},
    {"valid_multi_array", kMultiArray},
    {"valid_eip712_example_with_multi_array.json", kMultiArray},
    {"valid_nested_structs_ethers_does_not_accept_recursive_custom_type_arrays", kNested},
    {"valid_message_nested_structs.json", kNested},
    {"valid_multi_no_fixed_len_array", "0x9d4ed1abf83bd225db7e2023022a780ab06ef130800e9cc8f4550f73e027a5ca"},
    {"valid_issue_201_with_array", "0x3251bee8474b58a5df1adab9be78e2b18462d7a5ddf423389dcf98042188bef3"},
    {"valid_issue_201_no_array", "0x09eb75cfd1cd5661523c7a3e681f07d57b108a6aff997658939c4dff0006e74a"}};

// Valid to eth-account, and refused here.
const std::map<std::string, std::pair<Code, std::string_view>> kRefused = {
    {"valid_space_in_custom_type_fieldname", {Code::InvalidField, "a name in types"}},
    {"valid_primary_type_is_empty_string", {Code::InvalidField, "a name in types"}},
    {"valid_space_in_custom_type_metamask_returns_empty_string_if_non_alphanum_in_custom_type",
     {Code::InvalidField, "a name in types"}},
    {"valid_missing_primary_type_key_metamask_requires_primary_type_key",
     {Code::MissingField, "primaryType"}},
    {"valid_missing_primary_type_key_and_eip712domain_type_metamask_needs_primarytype",
     {Code::MissingField, "primaryType"}},
    {"valid_int_value_for_string_type_ethers_handles_mismatched_type_and_value_differently",
     {Code::InvalidField, "type string"}},
    // `friend` is absent, which eth-account and MetaMask take for null.
    {"valid_eip712_example_ethers_does_not_accept_recursive_custom_types", {Code::MissingField, "lacks"}}};

constexpr std::string_view kNullStruct = "valid_null_value_for_custom_type_ethers_requires_non_null";

struct Counts {
    int accepted = 0, refused = 0, invalid = 0;
};

void check(const std::string& name, const json::Value& document, Counts& counts) {
    const auto digest = typed_data_digest(document);
    if (name.contains("invalid")) {
        EXPECT_FALSE(digest) << name;
        ++counts.invalid;
    } else if (const auto refused = kRefused.find(name); refused != kRefused.end()) {
        ASSERT_FALSE(digest) << name;
        EXPECT_EQ(digest.error().code, refused->second.first) << name;
        EXPECT_TRUE(digest.error().text.view().contains(refused->second.second)) << digest.error().describe();
        ++counts.refused;
    } else {
        ASSERT_TRUE(digest) << name << " " << digest.error().describe();
        ++counts.accepted;
        if (name == kNullStruct) // no client's answer is stated; the unit tests check what it means
            return;
        const auto wanted = kDigests.find(name);
        ASSERT_NE(wanted, kDigests.end()) << name;
        EXPECT_EQ(to_hex0x(digest->digest), wanted->second) << name;
    }
}

TEST(TypedDataVectors, documents_of_eth_account_are_hashed_or_refused) {
    REDOUBT_NEED_VECTORS(vectors);
    Counts counts;
    for (const std::string name :
         {"valid_for_all", "valid_py_and_ethers", "valid_py_and_metamask", "invalid", "one_arg_invalid"}) {
        const VectorFile file(vectors / "ethereum" / "eip712" / "eth-account" / "eip712_messages" /
                              (name + ".json"));
        for (const json::Value test : file.root())
            check(std::string(test.name()), test, counts);
    }
    const auto fixtures = vectors / "ethereum" / "eip712" / "eth-account" / "fixtures";
    for (const auto& entry : std::filesystem::directory_iterator(fixtures)) {
        const VectorFile file(entry.path());
        check(entry.path().filename().string(), file.root(), counts);
    }
    EXPECT_EQ(counts.accepted, 14);
    EXPECT_EQ(counts.refused, 7);
    EXPECT_EQ(counts.invalid, 19);
    std::cout << "typed data of eth-account: " << counts.accepted << " of 21 valid hashed, " << counts.refused
              << " refused for a stated reason; " << counts.invalid << " of 19 invalid refused\n";
}

std::vector<json::Value> elements_of(const json::Value& array) {
    std::vector<json::Value> out;
    for (const json::Value element : array)
        out.push_back(element);
    return out;
}

TEST(TypedDataVectors, signatures_of_eth_account_over_typed_data_are_by_one_key) {
    REDOUBT_NEED_VECTORS(vectors);
    const VectorFile file(vectors / "ethereum" / "eth-account" / "inline_vectors.json");
    const auto accounts = file.root().get("tests/core/test_accounts.py").value();
    const auto cases =
        accounts.get("param:test_sign_typed_data_produces_expected_hash")->get("cases").value();
    std::optional<Address> signer;
    int count = 0;
    for (const json::Value test : cases) {
        const auto values = elements_of(test); // domain, types, message, signature
        ASSERT_EQ(values.size(), 4u);
        const auto digest = digest_of(R"({"domain":)" + std::string(values[0].raw()) + R"(,"types":)" +
                                      std::string(values[1].raw()) + R"(,"primaryType":"Mail","message":)" +
                                      std::string(values[2].raw()) + "}");
        ASSERT_TRUE(digest) << digest.error().describe();
        const auto recovered = signer_of(digest->digest, bytes_of(values[3].text()));
        ASSERT_TRUE(recovered);
        if (count++ > 0) {
            EXPECT_EQ(*recovered, *signer);
        }
        signer = recovered;
    }
    EXPECT_EQ(count, 2);
    std::cout << "signed typed data of eth-account: " << count << " of 2\n";
}

TEST(MessageVectors, personal_messages_have_the_digests_and_signatures_of_ethers_and_metamask) {
    REDOUBT_NEED_VECTORS(vectors);
    const VectorFile file(vectors / "ethereum" / "eip191" / "personal_sign_crosschecked.json");
    const Bytes key = bytes_of(text_of(file.root(), "privateKey"));
    const auto cases = file.root().get("cases").value();
    int count = 0;
    for (const json::Value test : cases) {
        const Hash32 digest = personal_message_digest(bytes_of(text_of(test, "message_hex")));
        EXPECT_EQ(to_hex0x(digest), text_of(test, "hash"));
        EXPECT_EQ(sign_digest(key, digest), bytes_of(text_of(test, "signature")));
        if (const auto text = test.get("message_utf8")) {
            EXPECT_EQ(personal_message_digest(as_bytes(text->text())), digest);
        }
        ++count;
    }
    EXPECT_EQ(count, 20);
    std::cout << "personal messages, cross-checked: " << count << " of 20\n";
}

TEST(MessageVectors, personal_messages_of_eth_account_have_their_digests) {
    REDOUBT_NEED_VECTORS(vectors);
    const VectorFile file(vectors / "ethereum" / "eth-account" / "inline_vectors.json");
    const auto accounts = file.root().get("tests/core/test_accounts.py").value();
    int count = 0, signatures = 0;
    const auto cases_of = [&](std::string_view name) {
        return elements_of(accounts.get(name)->get("cases").value());
    };
    for (const json::Value test : cases_of("param:test_eth_account_hash_message_text")) {
        const auto values = elements_of(test);
        EXPECT_EQ(to_hex0x(personal_message_digest(as_bytes(values.at(0).text()))), values.at(1).text());
        ++count;
    }
    for (const json::Value test : cases_of("param:test_eth_account_hash_message_hexstr")) {
        const auto values = elements_of(test);
        EXPECT_EQ(to_hex0x(personal_message_digest(bytes_of(values.at(0).text()))), values.at(1).text());
        ++count;
    }
    for (const json::Value test : cases_of("param:test_eth_account_sign")) {
        const auto values = elements_of(test); // text, key, bytes, digest, v, r, s, signature
        ASSERT_EQ(values.size(), 8u);
        const Hash32 digest = personal_message_digest(as_bytes(values[0].text()));
        EXPECT_EQ(to_bytes(values[0].text()), bytes_of(values[2].text()));
        EXPECT_EQ(to_hex0x(digest), values[3].text());
        ++count;
        // The key stands as hexadecimal or within an expression of Python.
        const std::string_view key = values[1].text();
        const std::size_t at = key.find("0x");
        ASSERT_NE(at, std::string_view::npos);
        EXPECT_EQ(sign_digest(bytes_of(key.substr(at, 66)), digest), bytes_of(values[7].text()));
        ++signatures;
    }
    EXPECT_EQ(count, 8);
    EXPECT_EQ(signatures, 3);
    std::cout << "personal messages of eth-account: " << count << " of 8, signed: " << signatures
              << " of 3\n";
}

TEST(MessageVectors, transactions_of_ethers_are_ethereum_payloads) {
    REDOUBT_NEED_VECTORS(vectors);
    const VectorFile file(vectors / "ethereum" / "ethers" / "transactions.json.gz");
    int count = 0;
    for (const json::Value test : file.root())
        for (const std::string_view form : {"Legacy", "Eip155", "Berlin", "London", "Cancun"}) {
            const Bytes unsigned_form = bytes_of(text_of(test, "unsigned" + std::string(form)));
            if (unsigned_form.empty())
                continue;
            EXPECT_TRUE(is_ethereum_payload(unsigned_form)) << text_of(test, "name") << " " << form;
            ++count;
        }
    EXPECT_EQ(count, 5696); // not every transaction has every form
    std::cout << "unsigned transactions of ethers barred from raw signing: " << count << " of 5696\n";
}

} // namespace
} // namespace redoubt::ethereum
