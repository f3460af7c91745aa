// SPDX-License-Identifier: Apache-2.0
#include "ethereum/typed_data.h"

#include "crypto/keccak.h"
#include "ethereum/typed_data_values.h"

#include <algorithm>

namespace redoubt::ethereum {

namespace {

using namespace typed_data;

constexpr std::size_t kWord = 32;
constexpr ByteArray<2> kPrefix = {0x19, 0x01}; // EIP-191, version 0x01

// hashStruct, value by value. Each value of the document is visited once.
class Encoder {
  public:
    explicit Encoder(const Types& types) noexcept : types_(types) {}

    // `around`: structs and arrays around this one.
    Result<Hash32> hash_struct(const StructType& type, const json::Value& object, std::size_t around = 0) {
        if (!object.is_object())
            return fail(Code::InvalidField, "a struct's value is a JSON object");
        REDOUBT_TRY(const std::size_t start, open(1 + type.fields.size(), around));
        put(start, type.hash);
        std::size_t next = 0;
        for (const json::Value member : object) {
            const auto index = type.find(member.name(), next);
            if (!index)
                return fail(Code::UnknownField, "a struct has a member that its type does not have");
            const FieldType& field = type.fields[*index].type;
            REDOUBT_TRY(const Hash32 word, encode(field, field.lengths.size(), member, around + 1));
            put(start + kWord * (1 + *index), word);
            next = *index + 1;
        }
        // The JSON reader refuses duplicates, so as many members as fields are all of them.
        if (object.size() != type.fields.size())
            return fail(Code::MissingField, "a struct lacks a field of its type");
        return close(start);
    }

  private:
    // The word of a value around which the type says `arrays` arrays.
    Result<Hash32> encode(const FieldType& type, std::size_t arrays, const json::Value& value,
                          std::size_t around) {
        if (arrays > 0)
            return hash_array(type, arrays, value, around);
        if (type.kind != Kind::Struct)
            return encode_value(type, value);
        if (value.is_null()) {
            // As MetaMask does it. In an array MetaMask takes a null, too, but there it says nothing.
            if (!type.lengths.empty())
                return fail(Code::InvalidField, "an array of structs has a null");
            return Hash32{};
        }
        return hash_struct(types_.structs[type.size], value, around);
    }

    Result<Hash32> hash_array(const FieldType& type, std::size_t arrays, const json::Value& array,
                              std::size_t around) {
        if (!array.is_array())
            return fail(Code::InvalidField, "the value of an array type is a JSON array");
        const std::uint32_t length = type.lengths[arrays - 1];
        if (length != 0 && array.size() != length)
            return fail(Code::InvalidField, "a value of type T[n] has n elements");
        REDOUBT_TRY(const std::size_t start, open(array.size(), around));
        std::size_t at = start;
        for (const json::Value element : array) {
            REDOUBT_TRY(const Hash32 word, encode(type, arrays - 1, element, around + 1));
            put(at, word);
            at += kWord;
        }
        return close(start);
    }

    // Room for the words of one struct or array, after those of the ones around it. All that is ever open is
    // at most one word for each value of the document and for each field of 16 structs.
    Result<std::size_t> open(std::size_t count, std::size_t around) {
        if (around >= kMaxDepth)
            return fail(Code::TooLarge, "the typed data is nested more than 16 deep");
        const std::size_t start = words_.size();
        words_.resize(start + kWord * count);
        return start;
    }

    void put(std::size_t at, const Hash32& word) noexcept {
        std::copy(word.begin(), word.end(), words_.begin() + static_cast<std::ptrdiff_t>(at));
    }

    Hash32 close(std::size_t start) {
        const Hash32 out = crypto::keccak256(ByteView(words_).subspan(start));
        words_.resize(start);
        return out;
    }

    const Types& types_;
    Bytes words_;
};

} // namespace

Result<TypedDataDigest> typed_data_digest(const json::Value& document) {
    REDOUBT_CHECK(json::check_members(document, {"types", "primaryType", "domain", "message"}));
    const auto types_member = document.get("types");
    const auto primary = document.get("primaryType");
    const auto domain = document.get("domain");
    const auto message = document.get("message");
    if (!types_member || !primary || !domain)
        return fail(Code::MissingField, "typed data needs types, primaryType, domain and message");
    if (!primary->is_string())
        return fail(Code::InvalidField, "primaryType must be a string");
    REDOUBT_TRY(const Types types, read_types(*types_member, primary->text(), *domain));

    TypedDataDigest out;
    out.primary_type = primary->text();
    Encoder encoder(types);
    REDOUBT_TRY(out.domain_separator, encoder.hash_struct(types.domain, *domain));
    if (!types.primary) {
        // MetaMask and viem sign the domain alone, ethers a message of the domain's type beside it.
        if (message && (!message->is_object() || message->size() != 0))
            return fail(Code::AmbiguousField, "where primaryType is EIP712Domain, message is absent or {}");
        out.digest = crypto::keccak256({kPrefix, out.domain_separator});
        return out;
    }
    if (!message)
        return fail(Code::MissingField, "typed data needs types, primaryType, domain and message");
    REDOUBT_TRY(out.struct_hash, encoder.hash_struct(types.structs[*types.primary], *message));
    out.digest = crypto::keccak256({kPrefix, out.domain_separator, out.struct_hash});
    return out;
}

} // namespace redoubt::ethereum
