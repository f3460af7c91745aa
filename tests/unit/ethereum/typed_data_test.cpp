// SPDX-License-Identifier: Apache-2.0
#include "ethereum/typed_data.h"

#include "crypto/keccak.h"

#include <gtest/gtest.h>

namespace redoubt::ethereum {
namespace {

// The example of EIP-712.
constexpr std::string_view kMail = R"({
"types": {
  "EIP712Domain": [{"name": "name", "type": "string"}, {"name": "version", "type": "string"},
                   {"name": "chainId", "type": "uint256"}, {"name": "verifyingContract", "type": "address"}],
  "Person": [{"name": "name", "type": "string"}, {"name": "wallet", "type": "address"}],
  "Mail": [{"name": "from", "type": "Person"}, {"name": "to", "type": "Person"},
           {"name": "contents", "type": "string"}]},
"primaryType": "Mail",
"domain": {"name": "Ether Mail", "version": "1", "chainId": 1,
           "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC"},
"message": {"from": {"name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"},
            "to": {"name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"},
            "contents": "Hello, Bob!"}})";
constexpr std::string_view kMailDigest = "be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2";

// Wide enough for what these tests refuse for other reasons.
constexpr json::Limits kLimits{.bytes = 8 << 20, .depth = 128, .values = 1 << 20};

Result<TypedDataDigest> digest_of(std::string_view text) {
    json::Document document;
    const auto root = document.parse(text, kLimits);
    EXPECT_TRUE(root) << root.error().describe() << "\n" << text.substr(0, 2000);
    if (!root)
        return std::unexpected(root.error());
    return typed_data_digest(*root);
}

std::string changed(std::string_view text, std::string_view from, std::string_view to) {
    std::string out(text);
    const std::size_t at = out.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    if (at != std::string::npos)
        out.replace(at, from.size(), to);
    return out;
}

// What a document is refused with; "accepted" otherwise.
std::string refusal(std::string_view text) {
    const auto digest = digest_of(text);
    return digest ? "accepted" : digest.error().describe();
}

#define EXPECT_REFUSED(text, code, sentence)                                                                 \
    do {                                                                                                     \
        const std::string refused_with = refusal(text);                                                      \
        EXPECT_EQ(refused_with.substr(0, refused_with.find(':')), code_name(code)) << refused_with;          \
        EXPECT_TRUE(refused_with.contains(sentence)) << refused_with;                                        \
    } while (false)

std::string document(std::string_view types, std::string_view primary, std::string_view message) {
    return R"({"types":{)" + std::string(types) + R"(},"primaryType":")" + std::string(primary) +
           R"(","domain":{"name":"D"},"message":)" + std::string(message) + "}";
}

// A struct M with one field x.
std::string one_field(std::string_view type, std::string_view value) {
    return document(R"("M":[{"name":"x","type":")" + std::string(type) + R"("}])", "M",
                    R"({"x":)" + std::string(value) + "}");
}

Hash32 keccak(std::string_view text) {
    return crypto::keccak256(as_bytes(text));
}

// hashStruct by hand: the hash of a type's text and words.
Hash32 hash_struct(std::string_view type, std::initializer_list<Hash32> words) {
    Bytes data = to_bytes(keccak(type));
    for (const Hash32& word : words)
        append(data, word);
    return crypto::keccak256(data);
}

Hash32 word_of(std::string_view hexadecimal) {
    Hash32 out;
    EXPECT_TRUE(from_hex_exact(hexadecimal, out)) << hexadecimal;
    return out;
}

// The word of a single number, hexadecimal, right-aligned.
Hash32 number(std::string_view digits) {
    return word_of(std::string(64 - digits.size(), '0') + std::string(digits));
}

void expect_word(std::string_view type, std::string_view value, const Hash32& word) {
    const auto digest = digest_of(one_field(type, value));
    ASSERT_TRUE(digest) << type << " " << value << " " << digest.error().describe();
    EXPECT_EQ(digest->struct_hash, hash_struct("M(" + std::string(type) + " x)", {word}))
        << type << " " << value;
}

TEST(TypedData, the_example_of_eip_712_has_its_hashes) {
    const auto digest = digest_of(kMail);
    ASSERT_TRUE(digest) << digest.error().describe();
    EXPECT_EQ(digest->primary_type, "Mail");
    EXPECT_EQ(to_hex(digest->domain_separator),
              "f2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f");
    EXPECT_EQ(to_hex(digest->struct_hash),
              "c52c0ee5d84264471806290a3f2c4cecfc5490626bf912d01f240d7a274b371e");
    EXPECT_EQ(to_hex(digest->digest), kMailDigest);
}

// The expected digest is ethers 6.17's and viem 2.57's.
TEST(TypedData, every_kind_of_type_is_hashed_as_ethers_and_viem_do) {
    const std::string text = R"({"types":{"EIP712Domain":[{"name":"name","type":"string"},
{"name":"version","type":"string"},{"name":"chainId","type":"uint256"},
{"name":"verifyingContract","type":"address"},{"name":"salt","type":"bytes32"}],
"Order":[{"name":"maker","type":"address"},{"name":"amounts","type":"int256[][2]"},
{"name":"legs","type":"Leg[]"},{"name":"blob","type":"bytes"},{"name":"tag","type":"bytes3"},
{"name":"ok","type":"bool"},{"name":"note","type":"string"},{"name":"small","type":"int8"},
{"name":"limit","type":"uint256"}],
"Leg":[{"name":"token","type":"Asset"},{"name":"quantity","type":"uint96"}],
"Asset":[{"name":"id","type":"uint64"}]},"primaryType":"Order",
"domain":{"name":"Redoubt","version":"1","chainId":1,
"verifyingContract":"0x1111111111111111111111111111111111111111",
"salt":"0x2222222222222222222222222222222222222222222222222222222222222222"},
"message":{"maker":"0xabababababababababababababababababababab",
"amounts":[["-1","57896044618658097711785492504343953926634992332820282019728792003956564819967"],
["-57896044618658097711785492504343953926634992332820282019728792003956564819968"]],
"legs":[{"token":{"id":7},"quantity":"0x0a"},{"token":{"id":8},"quantity":5}],"blob":"0x00ff10",
"tag":"0xABCDEF","ok":true,"note":"naïve ☃","small":-128,
"limit":"115792089237316195423570985008687907853269984665640564039457584007913129639935"}})";
    const auto digest = digest_of(text);
    ASSERT_TRUE(digest) << digest.error().describe();
    EXPECT_EQ(to_hex(digest->domain_separator),
              "0abcb62e58cd03ee561b45913e3d200d1253918568abee3415374561a77d4393");
    EXPECT_EQ(to_hex(digest->digest), "cb9a426aab5ae9301b95e2948178a4f5404d8cb83f6c1253975936dda4c5f87b");
}

TEST(TypedData, the_order_of_members_does_not_matter) {
    const std::string contents = ",\n            \"contents\": \"Hello, Bob!\"";
    std::string text = changed(kMail, contents, "");
    text = changed(text, R"("message": {)", R"("message": {"contents": "Hello, Bob!", )");
    text = changed(text, R"("name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826")",
                   R"("wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826", "name": "Cow")");
    text = changed(text, R"("version": "1", "chainId": 1)", R"("chainId": 1, "version": "1")");
    const auto digest = digest_of(text);
    ASSERT_TRUE(digest) << digest.error().describe();
    EXPECT_EQ(to_hex(digest->digest), kMailDigest);
}

TEST(TypedData, a_domain_that_types_do_not_describe_is_described_by_its_members) {
    const std::size_t from = kMail.find("\"EIP712Domain\""), to = kMail.find("\"Person\"");
    const std::string text(kMail.substr(from, to - from));
    const auto digest = digest_of(changed(kMail, text, ""));
    ASSERT_TRUE(digest) << digest.error().describe();
    EXPECT_EQ(to_hex(digest->digest), kMailDigest);
    const auto empty = digest_of(
        R"({"types":{"M":[{"name":"a","type":"bool"}]},"primaryType":"M","domain":{},"message":{"a":true}})");
    ASSERT_TRUE(empty);
    EXPECT_EQ(to_hex(empty->digest), "87ea1bf031ba5d8028aad2889627b3338531c8019f5f18a354a59f96f830c830");
}

TEST(TypedData, the_domain_alone_can_be_signed) {
    const std::string text = R"({"types":{"EIP712Domain":[{"name":"name","type":"string"}]},
"primaryType":"EIP712Domain","domain":{"name":"D"},"message":{}})";
    const auto digest = digest_of(text);
    ASSERT_TRUE(digest) << digest.error().describe();
    EXPECT_EQ(digest->primary_type, "EIP712Domain");
    EXPECT_EQ(digest->domain_separator, hash_struct("EIP712Domain(string name)", {keccak("D")}));
    EXPECT_EQ(digest->struct_hash, Hash32{});
    Bytes signed_data{0x19, 0x01};
    append(signed_data, digest->domain_separator);
    EXPECT_EQ(digest->digest, crypto::keccak256(signed_data));
    const auto without = digest_of(changed(text, R"(,"message":{})", ""));
    ASSERT_TRUE(without) << without.error().describe();
    EXPECT_EQ(without->digest, digest->digest);

    EXPECT_REFUSED(changed(text, R"("message":{})", R"("message":{"name":"D"})"), Code::AmbiguousField, "{}");
    EXPECT_REFUSED(changed(text, R"("message":{})", R"("message":null)"), Code::AmbiguousField, "{}");
    EXPECT_REFUSED(changed(text, R"("types":{)", R"("types":{"M":[],)"), Code::AmbiguousField,
                   "does not use");
    EXPECT_REFUSED(changed(text, R"("EIP712Domain":[{"name":"name","type":"string"}])", ""),
                   Code::InvalidField, "primaryType");
}

TEST(TypedData, a_struct_may_be_null_and_may_contain_itself) {
    const std::string types = R"("P":[{"name":"n","type":"string"},{"name":"next","type":"P"}])";
    const std::string_view type = "P(string n,P next)";
    const auto digest = digest_of(document(types, "P", R"({"n":"a","next":{"n":"b","next":null}})"));
    ASSERT_TRUE(digest) << digest.error().describe();
    EXPECT_EQ(digest->struct_hash,
              hash_struct(type, {keccak("a"), hash_struct(type, {keccak("b"), Hash32{}})}));
    // Not a struct without fields, and not one whose fields are zero.
    EXPECT_REFUSED(document(types, "P", R"({"n":"a","next":{}})"), Code::MissingField, "lacks");
    EXPECT_REFUSED(document(types, "P", R"({"n":"a"})"), Code::MissingField, "lacks");
    EXPECT_REFUSED(document(types, "P", R"({"n":null,"next":null})"), Code::InvalidField, "may be null");
    EXPECT_REFUSED(document(types, "P", "null"), Code::InvalidField, "JSON object");

    const std::string tree = R"("T":[{"name":"id","type":"uint8"},{"name":"of","type":"T[]"}])";
    const auto nested = digest_of(document(tree, "T", R"({"id":1,"of":[{"id":2,"of":[]}]})"));
    ASSERT_TRUE(nested) << nested.error().describe();
    const auto leaf = hash_struct("T(uint8 id,T[] of)", {number("02"), keccak("")});
    EXPECT_EQ(nested->struct_hash,
              hash_struct("T(uint8 id,T[] of)", {number("01"), crypto::keccak256(leaf)}));
    EXPECT_REFUSED(document(tree, "T", R"({"id":1,"of":[null]})"), Code::InvalidField, "has a null");
    EXPECT_REFUSED(document(tree, "T", R"({"id":1,"of":null})"), Code::InvalidField, "JSON array");
}

TEST(TypedData, a_type_s_text_names_each_type_that_it_reaches_once_and_in_order) {
    const std::string types = R"("M":[{"name":"z","type":"Zeta"},{"name":"b","type":"Beta[2]"}],
"Zeta":[{"name":"b","type":"Beta"},{"name":"a","type":"Alpha[]"}],
"Beta":[{"name":"a","type":"Alpha"}],"Alpha":[{"name":"v","type":"bytes1"}])";
    const std::string_view alpha = "Alpha(bytes1 v)", beta = "Beta(Alpha a)Alpha(bytes1 v)",
                           zeta = "Zeta(Beta b,Alpha[] a)Alpha(bytes1 v)Beta(Alpha a)",
                           m = "M(Zeta z,Beta[2] b)Alpha(bytes1 v)Beta(Alpha a)Zeta(Beta b,Alpha[] a)";
    const auto digest = digest_of(document(
        types, "M",
        R"({"b":[{"a":{"v":"0x01"}},{"a":{"v":"0x02"}}],"z":{"a":[{"v":"0x03"}],"b":{"a":{"v":"0x04"}}}})"));
    ASSERT_TRUE(digest) << digest.error().describe();
    const auto a = [&](const char* v) {
        return hash_struct(alpha, {word_of(std::string(v) + std::string(62, '0'))});
    };
    const Hash32 first = hash_struct(beta, {a("01")}), second = hash_struct(beta, {a("02")});
    const Hash32 z = hash_struct(zeta, {hash_struct(beta, {a("04")}), crypto::keccak256(a("03"))});
    EXPECT_EQ(digest->struct_hash, hash_struct(m, {z, crypto::keccak256({first, second})}));
}

TEST(TypedData, integers_are_taken_to_the_ends_of_their_types) {
    const std::string f64(64, 'f');
    for (const std::string_view one : {"1", R"("1")", R"("0x1")", R"("0x01")"}) {
        expect_word("uint8", one, number("01"));
        expect_word("int8", one, number("01"));
    }
    expect_word("uint8", R"("0x0000000000000000000000000000000000000000000000000000000000000007")",
                number("07"));
    expect_word("uint8", "255", number("ff"));
    expect_word("uint8", R"("0xfF")", number("ff"));
    expect_word("uint16", "65535", number("ffff"));
    expect_word("uint96", R"("79228162514264337593543950335")", number(std::string(24, 'f')));
    expect_word("uint256", R"("9007199254740993")", number("20000000000001")); // 2^53 + 1
    expect_word("uint256", "9007199254740994", number("20000000000002"));
    expect_word("uint256",
                R"("115792089237316195423570985008687907853269984665640564039457584007913129639935")",
                word_of(f64));
    expect_word("uint256", R"("0x)" + f64 + "\"", word_of(f64));
    expect_word("int8", "127", number("7f"));
    expect_word("int8", R"("0x7f")", number("7f"));
    expect_word("int8", "-128", word_of(f64.substr(2) + "80"));
    expect_word("int8", R"("-128")", word_of(f64.substr(2) + "80"));
    expect_word("int64", "-1", word_of(f64));
    expect_word("int64", "-9223372036854775808", word_of(f64.substr(16) + "8000000000000000"));
    expect_word("int72", R"("-18446744073709551616")", word_of(f64.substr(16) + std::string(16, '0')));
    expect_word("int256",
                R"("-57896044618658097711785492504343953926634992332820282019728792003956564819968")",
                word_of("8" + std::string(63, '0')));
    expect_word("int256", R"("0x7)" + f64.substr(1) + "\"", word_of("7" + f64.substr(1)));
}

TEST(TypedData, integers_beyond_their_types_are_refused) {
    for (const auto& [type, value] : std::initializer_list<std::pair<std::string_view, std::string>>{
             {"uint8", "256"},
             {"uint8", "-1"},
             {"uint8", R"("0x100")"},
             {"uint256", "-1"},
             {"int8", "128"},
             {"int8", "-129"},
             {"int8", "255"},
             {"int8", R"("0xff")"},
             {"int8", R"("0x80")"},
             {"int64", "9223372036854775808"},
             {"int64", R"("-9223372036854775809")"},
             {"int256", R"("0x8)" + std::string(63, '0') + "\""},
             {"int256",
              R"("-57896044618658097711785492504343953926634992332820282019728792003956564819969")"},
             {"int256",
              R"("-115792089237316195423570985008687907853269984665640564039457584007913129639935")"}})
        EXPECT_REFUSED(one_field(type, value), Code::InvalidField, "out of its type's range");
    for (const std::string& value :
         {std::string("1.0"), std::string("1e2"), std::string("-0"), std::string(R"("")"),
          std::string(R"("-")"), std::string(R"("-0")"), std::string(R"("+1")"), std::string(R"("01")"),
          std::string(R"(" 1")"), std::string(R"("1 ")"), std::string(R"("1.0")"), std::string(R"("0x")"),
          std::string(R"("-0x1")"), std::string(R"("0X1")"), std::string(R"("0xg")"), std::string(R"("ff")"),
          std::string(R"("0b1")"), std::string(R"("--1")"), std::string("true"), std::string("[]"),
          std::string("{}"), R"("0x)" + std::string(65, '0') + "\"",
          // 2^256, and more digits than any value has
          std::string(R"("115792089237316195423570985008687907853269984665640564039457584007913129639936")"),
          "\"" + std::string(500, '9') + "\""})
        for (const std::string_view type : {"uint256", "int256"})
            EXPECT_REFUSED(one_field(type, value), Code::InvalidField, "an integer is");
}

TEST(TypedData, other_values_are_taken_in_one_form) {
    const std::string twenty(40, 'a');
    expect_word("bool", "true", number("01"));
    expect_word("bool", "false", Hash32{});
    expect_word("address", "\"0x" + twenty + "\"", number(twenty));
    expect_word("address", R"("0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826")",
                number("cd2a3d9f938e13cd947ec05abc7fe734df8dd826"));
    expect_word("bytes", R"("0x")", keccak(""));
    expect_word("bytes", R"("0x6162")", keccak("ab"));
    expect_word("bytes1", R"("0xFf")", word_of("ff" + std::string(62, '0')));
    expect_word("bytes31", "\"0x" + std::string(62, '1') + "\"", word_of(std::string(62, '1') + "00"));
    expect_word("bytes32", "\"0x" + std::string(64, '1') + "\"", word_of(std::string(64, '1')));
    expect_word("string", R"("")", keccak(""));
    expect_word("string", R"("0x6162")", keccak("0x6162"));
    expect_word("string", R"("\u00e9\u0000")", keccak(std::string_view("\xc3\xa9\0", 3)));
    for (const std::string_view value : {R"("true")", R"("false")", "0", "1", "-1", "null", R"("")", "[]"})
        EXPECT_REFUSED(one_field("bool", value), Code::InvalidField, value == "null" ? "null" : "bool");
    for (const std::string_view value : {"0", "true", "null", "[]", "{}"})
        EXPECT_REFUSED(one_field("string", value), Code::InvalidField, "");
    for (const std::string_view value : {R"("")", R"("6162")", R"("0x1")", R"("0x0g")", R"("0X11")", "1",
                                         "null", "[1]", R"(" 0x11")", R"("0x11 ")"}) {
        EXPECT_REFUSED(one_field("bytes", value), Code::InvalidField, "");
        EXPECT_REFUSED(one_field("bytes1", value), Code::InvalidField, "");
    }
    EXPECT_REFUSED(one_field("bytes2", R"("0x11")"), Code::InvalidField, "exactly");
    EXPECT_REFUSED(one_field("bytes2", R"("0x111111")"), Code::InvalidField, "exactly");
    EXPECT_REFUSED(one_field("bytes2", R"("0x")"), Code::InvalidField, "exactly");
    for (const std::string& value : {twenty, "0x" + twenty.substr(1), "0x" + twenty + "a", "0X" + twenty,
                                     "0xA" + twenty.substr(1), std::string()})
        EXPECT_REFUSED(one_field("address", "\"" + value + "\""), Code::InvalidField, "an address");
    EXPECT_REFUSED(one_field("address", "0"), Code::InvalidField, "an address");
}

TEST(TypedData, arrays_have_the_length_that_their_type_says) {
    const Hash32 one = number("01"), two = number("02");
    expect_word("uint8[]", "[]", keccak(""));
    expect_word("uint8[]", "[1,2]", crypto::keccak256({one, two}));
    expect_word("uint8[2]", "[1,2]", crypto::keccak256({one, two}));
    // The outer array is the one written last.
    expect_word("uint8[][2]", "[[],[1,2]]", crypto::keccak256({keccak(""), crypto::keccak256({one, two})}));
    expect_word("uint8[2][]", "[[1,2]]", crypto::keccak256(crypto::keccak256({one, two})));
    EXPECT_REFUSED(one_field("uint8[2]", "[1]"), Code::InvalidField, "n elements");
    EXPECT_REFUSED(one_field("uint8[2]", "[1,2,3]"), Code::InvalidField, "n elements");
    EXPECT_REFUSED(one_field("uint8[2][]", "[[1,2],[1]]"), Code::InvalidField, "n elements");
    EXPECT_REFUSED(one_field("uint8[][2]", "[[1,2]]"), Code::InvalidField, "n elements");
    EXPECT_REFUSED(one_field("uint8[]", "1"), Code::InvalidField, "JSON array");
    EXPECT_REFUSED(one_field("uint8[]", "null"), Code::InvalidField, "JSON array");
    EXPECT_REFUSED(one_field("uint8[][]", "[1]"), Code::InvalidField, "JSON array");
    EXPECT_REFUSED(one_field("uint8[]", "[[1]]"), Code::InvalidField, "an integer is");
    EXPECT_REFUSED(one_field("uint8[]", R"({"0":1})"), Code::InvalidField, "JSON array");
    EXPECT_REFUSED(one_field("uint8[]", "[null]"), Code::InvalidField, "null");
    EXPECT_REFUSED(one_field("uint8[]", R"("0x01")"), Code::InvalidField, "JSON array");
}

TEST(TypedData, types_that_eip_712_does_not_have_are_refused) {
    for (const std::string_view type : {"uint7",
                                        "uint0",
                                        "uint08",
                                        "uint264",
                                        "uint25689",
                                        "int12",
                                        "int1000000000000",
                                        "bytes0",
                                        "bytes33",
                                        "bytes032",
                                        "byte",
                                        "function",
                                        "fixed",
                                        "ufixed128x18",
                                        "Uint8",
                                        "uint8 ",
                                        " uint8",
                                        "",
                                        "N",
                                        "M ",
                                        "tuple",
                                        "address payable",
                                        "string,uint8 y",
                                        "uint8)",
                                        "boolean",
                                        "constructor",
                                        "toString"})
        EXPECT_REFUSED(one_field(type, "1"), Code::InvalidField, "neither");
    for (const std::string_view type : {"uint", "int", "uint[]", "int[2][]"})
        EXPECT_REFUSED(one_field(type, "1"), Code::AmbiguousField, "write uint256 or int256");
    for (const std::string_view type : {"uint8[", "uint8]", "uint8[]]", "uint8[][", "uint8[] ", "uint8[]x"})
        EXPECT_EQ(refusal(one_field(type, "[]")).substr(0, 13), "invalid_field") << type;
    for (const std::string_view type :
         {"uint8[0]", "uint8[01]", "uint8[-1]", "uint8[ 1]", "uint8[1000000000]", "uint8[x]", "uint8[[]]"})
        EXPECT_REFUSED(one_field(type, "[]"), Code::InvalidField, "positive number");
    EXPECT_REFUSED(one_field("EIP712Domain", "{}"), Code::AmbiguousField, "no field's");
}

TEST(TypedData, names_that_clients_read_differently_are_refused) {
    const auto type_named = [](std::string_view name) {
        return document("\"" + std::string(name) + R"(":[{"name":"x","type":"bool"}])", name,
                        R"({"x":true})");
    };
    const auto field_named = [](std::string_view name) {
        return document(R"("M":[{"name":")" + std::string(name) + R"(","type":"bool"}])", "M",
                        "{\"" + std::string(name) + "\":true}");
    };
    for (const std::string_view name : {"M", "_", "m1", "Uint8", "uint8s", "bytes_", "tuple", "constructor"})
        EXPECT_EQ(refusal(type_named(name)), "accepted") << name;
    for (const std::string_view name :
         {"x", "_", "$", "x$1", "uint256", "X", "constructor", "toString", "from"})
        EXPECT_EQ(refusal(field_named(name)), "accepted") << name;
    for (const std::string_view name :
         {"", "1x", "a b", "a-b", "a.b", "é", "a,b", "a)", "a\\u0000", "a[]", "(a"}) {
        EXPECT_REFUSED(type_named(name), Code::InvalidField, "a name in types");
        EXPECT_REFUSED(field_named(name), Code::InvalidField, "a name in types");
    }
    EXPECT_REFUSED(type_named("__proto__"), Code::AmbiguousField, "JavaScript");
    EXPECT_REFUSED(field_named("__proto__"), Code::AmbiguousField, "JavaScript");
    EXPECT_REFUSED(type_named("A$"), Code::AmbiguousField, "$");
    for (const std::string_view name :
         {"bool", "address", "string", "bytes", "bytes1", "bytes32", "bytes99", "uint", "uint8", "uint7",
          "int", "int256", "byte", "function", "fixed", "fixed128x18", "ufixed"})
        EXPECT_REFUSED(type_named(name), Code::AmbiguousField, "own types");
}

TEST(TypedData, unused_types_and_fields_named_twice_are_refused) {
    EXPECT_REFUSED(changed(kMail, R"("Person": [)", R"("Unused": [], "Person": [)"), Code::AmbiguousField,
                   "does not use");
    // Reaching the primary type is not being reached.
    EXPECT_REFUSED(
        changed(kMail, R"("Person": [)", R"("Outer": [{"name": "mail", "type": "Mail"}], "Person": [)"),
        Code::AmbiguousField, "does not use");
    EXPECT_REFUSED(document(R"("M":[{"name":"x","type":"bool"},{"name":"y","type":"bool"},
{"name":"x","type":"uint8"}])",
                            "M", R"({"x":true,"y":true})"),
                   Code::AmbiguousField, "twice");
}

TEST(TypedData, a_message_has_each_field_of_its_type_and_no_other) {
    EXPECT_REFUSED(changed(kMail, R"("contents": "Hello, Bob!")", R"("contents": "Hello, Bob!", "cc": null)"),
                   Code::UnknownField, "does not have");
    EXPECT_REFUSED(changed(kMail, R"("name": "Cow", )", R"("name": "Cow", "Name": "Cow", )"),
                   Code::UnknownField, "does not have");
    EXPECT_REFUSED(changed(kMail, R"("name": "Cow", )", ""), Code::MissingField, "lacks");
    EXPECT_REFUSED(changed(kMail, R"("message": {)", R"("message": 1, "x": {)"), Code::UnknownField, "");
    for (const std::string_view value : {"[]", "\"\"", "1", "true"})
        EXPECT_REFUSED(document(R"("M":[])", "M", value), Code::InvalidField, "JSON object");
    EXPECT_EQ(refusal(document(R"("M":[])", "M", "{}")), "accepted");
}

TEST(TypedData, the_domain_is_what_types_say_it_is) {
    constexpr std::string_view kSentence = "EIP712Domain of `types` must list";
    // Another order, one field more or less, another type.
    EXPECT_REFUSED(changed(kMail,
                           R"({"name": "name", "type": "string"}, {"name": "version", "type": "string"},
                   )",
                           R"({"name": "version", "type": "string"}, {"name": "name", "type": "string"},)"),
                   Code::AmbiguousField, kSentence);
    EXPECT_REFUSED(changed(kMail, R"({"name": "name", "type": "string"}, )", ""), Code::AmbiguousField,
                   kSentence);
    EXPECT_REFUSED(changed(kMail, R"("version": "1", )", ""), Code::AmbiguousField, kSentence);
    EXPECT_REFUSED(changed(kMail, R"("chainId", "type": "uint256")", R"("chainId", "type": "uint")"),
                   Code::AmbiguousField, kSentence);
    EXPECT_REFUSED(
        changed(kMail, R"("EIP712Domain": [)", R"("EIP712Domain": [{"name": "owner", "type": "address"}, )"),
        Code::AmbiguousField, kSentence);
    EXPECT_REFUSED(
        changed(kMail, R"("EIP712Domain": [)", R"("EIP712Domain": [{"name": "name", "type": "string"}, )"),
        Code::AmbiguousField, kSentence);
    EXPECT_REFUSED(changed(kMail, R"("version": "1", )", R"("version": "1", "owner": "me", )"),
                   Code::UnknownField, "and no other");
    EXPECT_REFUSED(changed(kMail, R"("version": "1", )", R"("version": null, )"), Code::InvalidField, "null");
    EXPECT_REFUSED(changed(kMail, R"("version": "1", )", R"("version": 1, )"), Code::InvalidField, "string");
    EXPECT_REFUSED(changed(kMail, R"("chainId": 1)", R"("chainId": -1)"), Code::InvalidField, "range");
    EXPECT_REFUSED(changed(kMail, R"("chainId": 1)", R"("chainId": "mainnet")"), Code::InvalidField,
                   "an integer is");
    EXPECT_REFUSED(changed(kMail, "0xCcCC", "0xcCCC"), Code::InvalidField, "checksum");
    EXPECT_EQ(to_hex(digest_of(changed(kMail, R"("chainId": 1)", R"("chainId": "0x1")"))->digest),
              kMailDigest);
}

TEST(TypedData, the_document_has_four_members) {
    for (const std::string_view name : {"types", "primaryType", "domain", "message"}) {
        const std::string misspelt = changed(kMail, "\"" + std::string(name) + "\":", "\"other\":");
        EXPECT_REFUSED(misspelt, Code::UnknownField, "does not know");
        EXPECT_EQ(refusal(changed(kMail, "\"" + std::string(name) + "\": ",
                                  "\"" + std::string(name) + "\": [], \"x\": "))
                      .substr(0, 13),
                  "unknown_field");
    }
    EXPECT_REFUSED("{}", Code::MissingField, "needs types");
    EXPECT_REFUSED("[]", Code::InvalidField, "JSON object");
    EXPECT_REFUSED(R"({"types":{"M":[]},"primaryType":"M","domain":{}})", Code::MissingField, "message");
    EXPECT_REFUSED(R"({"types":{"M":[]},"primaryType":"M","message":{}})", Code::MissingField, "domain");
    EXPECT_REFUSED(R"({"types":{"M":[]},"domain":{},"message":{}})", Code::MissingField, "primaryType");
    EXPECT_REFUSED(R"({"primaryType":"M","domain":{},"message":{}})", Code::MissingField, "types");
    EXPECT_REFUSED(R"({"types":[],"primaryType":"M","domain":{},"message":{}})", Code::InvalidField, "types");
    EXPECT_REFUSED(R"({"types":{"M":[]},"primaryType":1,"domain":{},"message":{}})", Code::InvalidField,
                   "primaryType");
    EXPECT_REFUSED(R"({"types":{"M":[]},"primaryType":"M","domain":[],"message":{}})", Code::InvalidField,
                   "domain");
    EXPECT_REFUSED(R"({"types":{"M":[]},"primaryType":"N","domain":{},"message":{}})", Code::InvalidField,
                   "primaryType");
    EXPECT_REFUSED(R"({"types":{"M":[]},"primaryType":"M[]","domain":{},"message":[]})", Code::InvalidField,
                   "primaryType");
}

TEST(TypedData, a_field_of_a_type_is_a_name_and_a_type) {
    const auto with_fields = [](std::string_view fields) {
        return document("\"M\":" + std::string(fields), "M", "{}");
    };
    EXPECT_REFUSED(with_fields("{}"), Code::InvalidField, "an array of {name, type}");
    EXPECT_REFUSED(with_fields("null"), Code::InvalidField, "an array of {name, type}");
    EXPECT_REFUSED(with_fields("[1]"), Code::InvalidField, "an array of {name, type}");
    EXPECT_REFUSED(with_fields(R"([{"name":"x"}])"), Code::MissingField, "needs name and type");
    EXPECT_REFUSED(with_fields(R"([{"type":"bool"}])"), Code::MissingField, "needs name and type");
    EXPECT_REFUSED(with_fields(R"([{"name":"x","type":"bool","indexed":true}])"), Code::UnknownField,
                   "nothing else");
    EXPECT_REFUSED(with_fields(R"([{"name":1,"type":"bool"}])"), Code::InvalidField, "are strings");
    EXPECT_REFUSED(with_fields(R"([{"name":"x","type":null}])"), Code::InvalidField, "are strings");
}

// Types T0 … T(n−1), each with a field of the next one's type and one with a name of so many characters.
std::string chain(std::size_t count, std::size_t name_size) {
    std::string types;
    for (std::size_t i = 0; i < count; ++i) {
        types += (i > 0 ? ",\"T" : "\"T") + std::to_string(i) + R"(":[{"name":")" +
                 std::string(name_size, 'n') + R"(","type":"bool"})";
        if (i + 1 < count)
            types += R"(,{"name":"x","type":"T)" + std::to_string(i + 1) + R"("})";
        types += "]";
    }
    const std::string n = "\"" + std::string(name_size, 'n') + "\"";
    return document(types, "T0", count > 1 ? "{" + n + ":true,\"x\":null}" : "{" + n + ":true}");
}

TEST(TypedData, types_are_bounded_in_number_and_in_what_they_take_to_hash) {
    EXPECT_EQ(refusal(chain(128, 20)), "accepted");
    EXPECT_REFUSED(chain(129, 20), Code::TooLarge, "128 types");
    EXPECT_EQ(refusal(chain(40, 200)), "accepted");
    EXPECT_REFUSED(chain(128, 200), Code::TooLarge, "1 MiB");
    EXPECT_EQ(refusal(chain(1, 256)), "accepted");
    EXPECT_REFUSED(chain(1, 257), Code::TooLarge, "256 characters");
    const std::string long_type(257, 'T');
    EXPECT_REFUSED(one_field(long_type, "1"), Code::TooLarge, "256 characters");
    EXPECT_REFUSED(document("\"" + long_type + "\":[]", long_type, "{}"), Code::TooLarge, "256 characters");
}

// A struct of so many fields, with its members in the type's order or in the opposite one.
std::string many_fields(int count, bool reversed) {
    std::string fields, members;
    for (int i = 0; i < count; ++i) {
        const std::string name = "\"f" + std::to_string(i) + "\"", comma = i > 0 ? "," : "";
        fields += comma + "{\"name\":" + name + R"(,"type":"uint8"})";
        const std::string member = name + ":" + std::to_string(i);
        members = reversed ? member + comma + members : members + comma + member;
    }
    return document("\"M\":[" + fields + "]", "M", "{" + members + "}");
}

TEST(TypedData, fields_are_bounded_in_number) {
    const auto digest = digest_of(many_fields(128, false));
    ASSERT_TRUE(digest) << digest.error().describe();
    EXPECT_EQ(digest_of(many_fields(128, true))->struct_hash, digest->struct_hash);
    EXPECT_REFUSED(many_fields(129, false), Code::TooLarge, "128 fields");
}

TEST(TypedData, nesting_is_bounded) {
    const auto arrays = [](std::size_t depth) {
        std::string type = "bool";
        for (std::size_t i = 0; i < depth; ++i)
            type += "[]";
        return one_field(type, std::string(depth, '[') + std::string(depth, ']'));
    };
    const auto structs = [](std::size_t depth) {
        std::string value = "null";
        for (std::size_t i = 0; i < depth; ++i)
            value = R"({"next":)" + value + "}";
        return document(R"("P":[{"name":"next","type":"P"}])", "P", value);
    };
    EXPECT_EQ(refusal(arrays(15)), "accepted"); // and the message around them
    EXPECT_REFUSED(arrays(16), Code::TooLarge, "16 deep");
    EXPECT_REFUSED(arrays(17), Code::TooLarge, "16 deep");
    EXPECT_EQ(refusal(structs(16)), "accepted");
    EXPECT_REFUSED(structs(17), Code::TooLarge, "16 deep");
    EXPECT_REFUSED(structs(100), Code::TooLarge, "16 deep");
}

TEST(TypedData, a_long_array_is_hashed_whole) {
    std::string value = "[0";
    Bytes words(32);
    for (int i = 1; i < 60000; ++i) {
        value += ",1";
        words.resize(words.size() + 31);
        words.push_back(1);
    }
    expect_word("uint8[]", value + "]", crypto::keccak256(words));
    expect_word("uint8[60000]", value + "]", crypto::keccak256(words));
}

} // namespace
} // namespace redoubt::ethereum
