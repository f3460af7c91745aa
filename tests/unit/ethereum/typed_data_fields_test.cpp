// SPDX-License-Identifier: Apache-2.0
#include "ethereum/typed_data_fields.h"

#include "crypto/keccak.h"
#include "ethereum/typed_data.h"
#include "ethereum/typed_data_types.h"

#include <gtest/gtest.h>

#include <chrono>

namespace redoubt::ethereum {
namespace {

// Every kind of type, arrays of arrays, a null struct and one that contains itself.
constexpr std::string_view kEverything = R"({
"types": {
  "Zoo": [{"name": "yes", "type": "bool"}, {"name": "owner", "type": "address"}, {"name": "text", "type": "string"},
          {"name": "data", "type": "bytes"}, {"name": "tag", "type": "bytes4"}, {"name": "small", "type": "uint8"},
          {"name": "big", "type": "uint256"}, {"name": "minus", "type": "int128"}, {"name": "grid", "type": "uint8[2][]"},
          {"name": "animals", "type": "Animal[]"}, {"name": "none", "type": "Animal"}],
  "Animal": [{"name": "name", "type": "string"}, {"name": "young", "type": "Animal[]"}]},
"primaryType": "Zoo",
"domain": {"name": "Zoo", "chainId": "0x5", "verifyingContract": "0xcccccccccccccccccccccccccccccccccccccccc"},
"message": {"yes": true, "owner": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826", "text": "caf\u00e9", "data": "0x0102",
            "tag": "0xa9059cbb", "small": "0x00ff",
            "big": "115792089237316195423570985008687907853269984665640564039457584007913129639935", "minus": -5,
            "grid": [[1, 2], [3, 4], [5, 6]],
            "animals": [{"name": "cat", "young": [{"name": "kitten", "young": []}]}, {"name": "dog", "young": []}],
            "none": null}})";

class Opened {
  public:
    explicit Opened(std::string text) : text_(std::move(text)) {
        const auto root = document_.parse(text_, {.bytes = 8 << 20, .depth = 64, .values = 1 << 20});
        EXPECT_TRUE(root && typed_data_digest(*root)) << text_.substr(0, 1000);
        if (!root)
            return;
        auto opened = TypedDataFields::open(*root);
        EXPECT_TRUE(opened) << opened.error().describe();
        if (opened)
            fields.emplace(std::move(*opened));
    }

    // Names and indices, as "animals.0.name".
    std::optional<TypedDataFields::Place> at(std::string_view path) const {
        auto place = fields->message();
        while (place && !path.empty()) {
            const std::string part(path.substr(0, path.find('.')));
            path.remove_prefix(std::min(path.size(), part.size() + 1));
            place = std::isdigit(static_cast<unsigned char>(part[0])) != 0
                        ? fields->element(*place, std::stoul(part))
                        : fields->member(*place, part);
        }
        return place;
    }
    TypedDataFields::Atom atom(std::string_view path) const {
        const auto place = at(path);
        const auto value = place ? fields->atom(*place) : std::nullopt;
        EXPECT_TRUE(value) << path;
        return value.value_or(TypedDataFields::Atom());
    }
    std::optional<TypedDataFields> fields;

  private:
    std::string text_;
    json::Document document_;
};

TEST(TypedDataFields, EncodesThePrimaryTypeAsTheEipDoes) {
    const Opened mail(R"({"types": {
      "Person": [{"name": "name", "type": "string"}, {"name": "wallet", "type": "address"}],
      "Mail": [{"name": "from", "type": "Person"}, {"name": "to", "type": "Person"}, {"name": "contents", "type": "string"},
               {"name": "seen", "type": "Asset[2]"}],
      "Asset": [{"name": "id", "type": "uint256"}]},
     "primaryType": "Mail", "domain": {},
     "message": {"from": null, "to": null, "contents": "", "seen": [{"id": 1}, {"id": 2}]}})");
    EXPECT_EQ(mail.fields->primary_type(), "Mail");
    EXPECT_EQ(mail.fields->encoded_type(), "Mail(Person from,Person to,string contents,Asset[2] seen)"
                                           "Asset(uint256 id)Person(string name,address wallet)");
}

TEST(TypedDataFields, EncodesWhatTheTypeHashIsOf) {
    json::Document document;
    const auto root = document.parse(kEverything);
    ASSERT_TRUE(root);
    const auto types = typed_data::read_types(*root->get("types"), "Zoo", *root->get("domain"));
    ASSERT_TRUE(types && types->primary);
    const Opened zoo{std::string(kEverything)};
    EXPECT_EQ(crypto::keccak256(as_bytes(zoo.fields->encoded_type())), types->structs[*types->primary].hash);
}

TEST(TypedDataFields, ReadsEveryKindOfValueExactly) {
    const Opened zoo{std::string(kEverything)};
    EXPECT_EQ(zoo.atom("yes").kind, abi::Kind::Bool);
    EXPECT_EQ(zoo.atom("yes").number, Uint256(1));
    EXPECT_EQ(zoo.atom("owner").kind, abi::Kind::Address);
    EXPECT_EQ(to_hex(to_big_endian(zoo.atom("owner").number)),
              "000000000000000000000000cd2a3d9f938e13cd947ec05abc7fe734df8dd826");
    EXPECT_EQ(zoo.atom("text").kind, abi::Kind::String);
    EXPECT_EQ(as_text(zoo.atom("text").bytes), "caf\xc3\xa9");
    EXPECT_EQ(zoo.atom("data").kind, abi::Kind::Bytes);
    EXPECT_EQ(to_hex(zoo.atom("data").bytes), "0102");
    EXPECT_EQ(zoo.atom("tag").kind, abi::Kind::FixedBytes);
    EXPECT_EQ(to_hex(zoo.atom("tag").bytes), "a9059cbb");
    EXPECT_EQ(zoo.atom("small").kind, abi::Kind::Uint);
    EXPECT_EQ(zoo.atom("small").number, Uint256(255));
    EXPECT_EQ(zoo.atom("big").number, negated(Uint256(1)));
    EXPECT_EQ(zoo.atom("minus").kind, abi::Kind::Int);
    EXPECT_EQ(zoo.atom("minus").number, negated(Uint256(5)));
}

TEST(TypedDataFields, GoesIntoArraysAndStructs) {
    const Opened zoo{std::string(kEverything)};
    EXPECT_EQ(zoo.fields->length(*zoo.at("grid")), 3U);
    EXPECT_EQ(zoo.fields->length(*zoo.at("grid.1")), 2U);
    EXPECT_EQ(zoo.atom("grid.0.0").number, Uint256(1));
    EXPECT_EQ(zoo.atom("grid.2.1").number, Uint256(6));
    EXPECT_EQ(as_text(zoo.atom("animals.1.name").bytes), "dog");
    EXPECT_EQ(as_text(zoo.atom("animals.0.young.0.name").bytes), "kitten");
    EXPECT_EQ(zoo.fields->length(*zoo.at("animals.1.young")), 0U);
}

TEST(TypedDataFields, HasNothingWhereThereIsNothing) {
    const Opened zoo{std::string(kEverything)};
    for (const auto* path : {"absent", "grid.3", "grid.0.2", "grid.x", "yes.x", "yes.0", "none.name",
                             "none.0", "animals.name", "animals.2", "animals.1.young.0", "Yes"})
        EXPECT_FALSE(zoo.at(path)) << path;
    for (const auto* path : {"grid", "grid.0", "animals", "animals.0", "none"})
        EXPECT_FALSE(zoo.fields->atom(*zoo.at(path))) << path;
    for (const auto* path : {"yes", "text", "animals.0", "none", "grid.0.0"})
        EXPECT_FALSE(zoo.fields->length(*zoo.at(path))) << path;
}

TEST(TypedDataFields, ReadsTheDomain) {
    const Opened zoo{std::string(kEverything)};
    const auto domain = [&](std::string_view name) { return zoo.fields->member(zoo.fields->domain(), name); };
    ASSERT_TRUE(domain("chainId") && domain("name") && domain("verifyingContract"));
    EXPECT_EQ(zoo.fields->atom(*domain("chainId"))->number, Uint256(5));
    EXPECT_EQ(as_text(zoo.fields->atom(*domain("name"))->bytes), "Zoo");
    EXPECT_EQ(zoo.fields->atom(*domain("verifyingContract"))->kind, abi::Kind::Address);
    EXPECT_FALSE(domain("salt"));
    EXPECT_FALSE(domain("version"));
}

TEST(TypedDataFields, HasNoMessageWhereTheDomainAloneIsSigned) {
    const Opened domain(R"({"types": {"EIP712Domain": [{"name": "name", "type": "string"}]},
                            "primaryType": "EIP712Domain", "domain": {"name": "x"}, "message": {}})");
    EXPECT_FALSE(domain.fields->message());
    EXPECT_EQ(domain.fields->primary_type(), "EIP712Domain");
    EXPECT_EQ(domain.fields->encoded_type(), "EIP712Domain(string name)");
}

TEST(TypedDataFields, RefusesWhatItsTypesDoNotSay) {
    const auto refused = [](std::string_view text) {
        json::Document document;
        const auto root = document.parse(text);
        EXPECT_TRUE(root);
        const auto opened = TypedDataFields::open(*root);
        return opened ? std::string("accepted") : std::string(code_name(opened.error().code));
    };
    EXPECT_EQ(refused(R"({"types": {}, "domain": {}})"), "missing_field");
    EXPECT_EQ(refused(R"({"types": {"A": []}, "primaryType": "A", "domain": {}})"), "missing_field");
    EXPECT_EQ(refused(R"({"types": {"A": []}, "primaryType": "B", "domain": {}, "message": {}})"),
              "invalid_field");
    EXPECT_EQ(refused(R"({"types": {"A": []}, "primaryType": 7, "domain": {}, "message": {}})"),
              "invalid_field");
}

// Looked at one after the other, 40,000 elements of a list would else take 800 million steps.
TEST(TypedDataFields, VisitsALongArrayInLinearTime) {
    constexpr std::size_t kMany = 40'000;
    std::string text =
        R"({"types": {"A": [{"name": "x", "type": "uint16[]"}]}, "primaryType": "A", "domain": {}, "message": {"x": [)";
    for (std::size_t i = 0; i < kMany; ++i)
        text += (i == 0 ? "" : ",") + std::to_string(i);
    const Opened opened(text + "]}}");
    const auto array = opened.at("x");
    ASSERT_TRUE(array);
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < kMany; ++i) {
        const auto element = opened.fields->element(*array, i);
        ASSERT_TRUE(element && opened.fields->atom(*element)->number == Uint256(i));
    }
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

} // namespace
} // namespace redoubt::ethereum
