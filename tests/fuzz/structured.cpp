// SPDX-License-Identifier: Apache-2.0
// Transactions, authorizations and typed data made up from the input: decode(encode(x)) is x, and every
// digest is the one that a second implementation (tests/support/second_opinion.h) computes from the same
// values.
#include "base/json.h"
#include "ethereum/message.h"
#include "ethereum/transaction_json.h"
#include "ethereum/typed_data.h"
#include "support/second_opinion.h"

#include <cstdlib>

using namespace redoubt;
namespace second = redoubt::tests::second;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

// Choices from the input; zeros when it ends.
class Choices {
  public:
    explicit Choices(ByteView bytes) : bytes_(bytes) {}

    std::uint8_t byte() {
        if (bytes_.empty())
            return 0;
        const std::uint8_t out = bytes_[0];
        bytes_ = bytes_.subspan(1);
        return out;
    }
    std::size_t below(std::size_t bound) { return (byte() | std::size_t{byte()} << 8) % bound; }
    Bytes some(std::size_t size) {
        Bytes out(size);
        for (auto& one : out)
            one = byte();
        return out;
    }
    ethereum::Uint256 number(std::size_t most) { return *ethereum::from_big_endian(some(below(most + 1))); }
    ethereum::Address address() { return *to_array<20>(some(20)); }
    Hash32 word() { return *to_array<32>(some(32)); }

  private:
    ByteView bytes_;
};

second::Blob blob(ByteView bytes) {
    return {bytes.begin(), bytes.end()};
}

second::Blob integer(const ethereum::Uint256& value) {
    return second::rlp_integer(blob(ethereum::to_big_endian(value)));
}

crypto::Signature signature(Choices& in) {
    crypto::Signature out{};
    out.r = to_big_endian(in.number(31));
    out.s = to_big_endian(in.number(31));
    out.r[31] |= 1;
    out.s[31] |= 1;
    out.y_parity = in.byte() & 1;
    return out;
}

ethereum::Transaction transaction(Choices& in) {
    using ethereum::TransactionType;
    ethereum::Transaction t;
    t.type = static_cast<TransactionType>(in.below(ethereum::kLastTransactionType + 1));
    if (t.type != TransactionType::Legacy || in.byte() % 2 == 0) {
        t.chain_id = in.number(31);
        t.chain_id->limbs[0] |= 1;
    }
    t.nonce = in.number(7).limbs[0];
    t.gas = in.number(8).limbs[0];
    if (t.type >= TransactionType::DynamicFee) {
        t.max_fee_per_gas = in.number(23);
        t.max_priority_fee_per_gas = in.number(23);
        if (t.max_priority_fee_per_gas > t.max_fee_per_gas)
            std::swap(t.max_priority_fee_per_gas, t.max_fee_per_gas);
    } else {
        t.gas_price = in.number(23);
    }
    t.value = in.number(32);
    t.data = in.some(in.below(300));
    if (in.byte() % 4 != 0 || t.data.empty() || t.type >= TransactionType::Blob)
        t.to = in.address();
    if (t.type != TransactionType::Legacy)
        for (std::size_t i = in.below(4); i > 0; --i) {
            auto& entry = t.access_list.emplace_back();
            entry.address = in.address();
            for (std::size_t k = in.below(4); k > 0; --k)
                entry.storage_keys.push_back(in.word());
        }
    if (t.type == TransactionType::Blob) {
        t.max_fee_per_blob_gas = in.number(23);
        for (std::size_t i = in.below(ethereum::kMostBlobs) + 1; i > 0; --i) {
            t.blob_versioned_hashes.push_back(in.word());
            t.blob_versioned_hashes.back()[0] = 1;
        }
    }
    if (t.type == TransactionType::SetCode)
        for (std::size_t i = in.below(3) + 1; i > 0; --i)
            t.authorization_list.push_back(
                {{in.number(32), in.address(), in.number(7).limbs[0]}, signature(in)});
    return t;
}

std::vector<second::Blob> members_of(const ethereum::Transaction& t) {
    using ethereum::TransactionType;
    std::vector<second::Blob> out;
    if (t.type != TransactionType::Legacy)
        out.push_back(integer(*t.chain_id));
    out.push_back(integer(t.nonce));
    if (t.type >= TransactionType::DynamicFee) {
        out.push_back(integer(t.max_priority_fee_per_gas));
        out.push_back(integer(t.max_fee_per_gas));
    } else {
        out.push_back(integer(t.gas_price));
    }
    out.push_back(integer(t.gas));
    out.push_back(second::rlp_string(t.to ? blob(*t.to) : second::Blob{}));
    out.push_back(integer(t.value));
    out.push_back(second::rlp_string(blob(t.data)));
    if (t.type != TransactionType::Legacy) {
        std::vector<second::Blob> list;
        for (const auto& entry : t.access_list) {
            std::vector<second::Blob> keys;
            for (const auto& key : entry.storage_keys)
                keys.push_back(second::rlp_string(blob(key)));
            list.push_back(
                second::rlp_list({second::rlp_string(blob(entry.address)), second::rlp_list(keys)}));
        }
        out.push_back(second::rlp_list(list));
    }
    if (t.type == TransactionType::Blob) {
        std::vector<second::Blob> hashes;
        for (const auto& hash : t.blob_versioned_hashes)
            hashes.push_back(second::rlp_string(blob(hash)));
        out.push_back(integer(t.max_fee_per_blob_gas));
        out.push_back(second::rlp_list(hashes));
    }
    if (t.type == TransactionType::SetCode) {
        std::vector<second::Blob> list;
        for (const auto& [authorization, made] : t.authorization_list)
            list.push_back(second::rlp_list(
                {integer(authorization.chain_id), second::rlp_string(blob(authorization.address)),
                 integer(authorization.nonce), integer(made.y_parity), second::rlp_integer(blob(made.r)),
                 second::rlp_integer(blob(made.s))}));
        out.push_back(second::rlp_list(list));
    }
    return out;
}

second::Blob enveloped(const ethereum::Transaction& t, const std::vector<second::Blob>& members) {
    second::Blob out;
    if (t.type != ethereum::TransactionType::Legacy)
        out.push_back(static_cast<std::uint8_t>(t.type));
    second::append(out, second::rlp_list(members));
    return out;
}

void compare_transaction(Choices& in) {
    const ethereum::Transaction t = transaction(in);
    if (!ethereum::validate(t))
        return;
    const crypto::Signature made = signature(in);
    // What is signed.
    auto members = members_of(t);
    if (t.type == ethereum::TransactionType::Legacy && t.chain_id) {
        members.push_back(integer(*t.chain_id));
        members.push_back(integer(0));
        members.push_back(integer(0));
    }
    const second::Blob unsigned_bytes = enveloped(t, members);
    const Bytes ours = ethereum::serialise_unsigned(t);
    require(blob(ours) == unsigned_bytes);
    require(blob(ethereum::signing_hash(t)) == second::keccak256(unsigned_bytes));
    const auto back = ethereum::parse_unsigned_transaction(ours, true);
    require(back && *back == t);
    require(ethereum::is_ethereum_payload(ours));
    // What is sent.
    members = members_of(t);
    if (t.type != ethereum::TransactionType::Legacy)
        members.push_back(integer(made.y_parity));
    else
        members.push_back(integer(ethereum::v_of(t, made.y_parity)));
    members.push_back(second::rlp_integer(blob(made.r)));
    members.push_back(second::rlp_integer(blob(made.s)));
    const Bytes raw = ethereum::serialise(t, made);
    require(blob(raw) == enveloped(t, members));
    const auto parsed = ethereum::parse_signed_transaction(raw);
    require(parsed && parsed->transaction == t && parsed->signature == made);
    // As JSON.
    static json::Document document;
    std::string text;
    json::Writer writer(text);
    ethereum::write_transaction_json(writer, t, ethereum::Address{});
    const auto value = document.parse(text);
    require(value.has_value());
    const auto from_json = ethereum::transaction_from_json(*value);
    require(from_json && from_json->transaction == t);
    for (const auto& [authorization, unused] : t.authorization_list) {
        second::Blob preimage{0x05};
        second::append(preimage, second::rlp_list({integer(authorization.chain_id),
                                                   second::rlp_string(blob(authorization.address)),
                                                   integer(authorization.nonce)}));
        require(blob(ethereum::authorization_digest(authorization)) == second::keccak256(preimage));
    }
}

void compare_message(Choices& in) {
    const Bytes message = in.some(in.below(1200));
    second::Blob preimage = second::text_bytes("\x19"
                                               "Ethereum Signed Message:\n" +
                                               std::to_string(message.size()));
    second::append(preimage, blob(message));
    require(blob(ethereum::personal_message_digest(message)) == second::keccak256(preimage));
}

// Typed data: up to five struct types, each with fields of atomic types, of later structs, and arrays of
// them.
class TypedDataMaker {
  public:
    explicit TypedDataMaker(Choices& in) : in_(in) {
        const std::size_t count = in_.below(5) + 1;
        for (std::size_t i = 0; i < count; ++i)
            types_.push_back({"T" + std::to_string(i), {}});
        for (std::size_t i = 0; i < count; ++i) {
            // Each type is reached: the one before it has a field of it.
            if (i + 1 < count)
                types_[i].fields.emplace_back(types_[i + 1].name + suffix(false), "next");
            for (std::size_t k = in_.below(4); k > 0; --k)
                add_field(i, "f" + std::to_string(k));
        }
    }

    void compare() {
        std::string text = "{\"types\":{";
        for (std::size_t i = 0; i < types_.size(); ++i) {
            text += (i > 0 ? ",\"" : "\"") + types_[i].name + "\":[";
            for (std::size_t k = 0; k < types_[i].fields.size(); ++k)
                text += std::string(k > 0 ? "," : "") + "{\"name\":\"" + types_[i].fields[k].second +
                        "\",\"type\":\"" + types_[i].fields[k].first + "\"}";
            text += "]";
        }
        second::Typed message;
        std::string message_text;
        make_struct(0, message, message_text);
        text +=
            "},\"primaryType\":\"T0\",\"domain\":{\"name\":\"D\",\"chainId\":7},\"message\":" + message_text +
            "}";
        static json::Document document;
        const auto root = document.parse(text, {.bytes = 1 << 20, .depth = 64, .values = 1 << 16});
        if (!root) {
            require(root.error().code == Code::TooLarge);
            return;
        }
        const auto digest = ethereum::typed_data_digest(*root);
        if (!digest) {
            require(digest.error().code == Code::TooLarge);
            return;
        }
        const std::vector<second::StructType> domain_types{
            {"EIP712Domain", {{"string", "name"}, {"uint256", "chainId"}}}};
        second::Typed domain;
        domain.structure = 0;
        domain.elements.resize(2);
        domain.elements[0].type = "string";
        domain.elements[0].bytes = {'D'};
        domain.elements[1].type = "uint256";
        domain.elements[1].word = second::Blob(32, 0);
        domain.elements[1].word[31] = 7;
        require(blob(digest->domain_separator) == second::hash_struct(domain_types, domain));
        require(blob(digest->struct_hash) == second::hash_struct(types_, message));
        second::Blob preimage{0x19, 0x01};
        second::append(preimage, second::hash_struct(domain_types, domain));
        second::append(preimage, second::hash_struct(types_, message));
        require(blob(digest->digest) == second::keccak256(preimage));
    }

  private:
    std::string base(std::size_t within) {
        switch (in_.below(8)) {
        case 0:
            return "bool";
        case 1:
            return "address";
        case 2:
            return "string";
        case 3:
            return "bytes";
        case 4:
            return "bytes" + std::to_string(in_.below(32) + 1);
        case 5:
            return "uint" + std::to_string(8 * (in_.below(32) + 1));
        case 6:
            return "int" + std::to_string(8 * (in_.below(32) + 1));
        default:
            return within + 1 < types_.size()
                       ? types_[within + 1 + in_.below(types_.size() - within - 1)].name
                       : "uint256";
        }
    }
    void add_field(std::size_t within, const std::string& name) {
        const std::string type = base(within);
        types_[within].fields.emplace_back(type + suffix(!type.starts_with("T")), name);
    }
    // Arrays of structs are of the lengths that the input gives, so that no few bytes make a large document.
    std::string suffix(bool may_be_fixed) {
        std::string out;
        for (std::size_t i = in_.below(8); i > 5; --i)
            out += in_.byte() % 2 == 0 || !may_be_fixed ? "[]" : "[" + std::to_string(in_.below(3) + 1) + "]";
        return out;
    }

    void make_struct(std::size_t index, second::Typed& out, std::string& text) {
        out.structure = static_cast<int>(index);
        text += "{";
        const auto fields = types_[index].fields;
        for (std::size_t i = 0; i < fields.size(); ++i) {
            text += (i > 0 ? ",\"" : "\"") + fields[i].second + "\":";
            make_value(fields[i].first, out.elements.emplace_back(), text);
        }
        text += "}";
    }

    void make_value(const std::string& type, second::Typed& out, std::string& text) {
        out.type = type;
        if (type.ends_with("]")) {
            const std::size_t open = type.rfind('[');
            const std::string length = type.substr(open + 1, type.size() - open - 2);
            const std::size_t count = length.empty() ? in_.below(3) : std::stoul(length);
            text += "[";
            for (std::size_t i = 0; i < count; ++i) {
                if (i > 0)
                    text += ",";
                make_value(type.substr(0, open), out.elements.emplace_back(), text);
            }
            text += "]";
            return;
        }
        for (std::size_t i = 0; i < types_.size(); ++i)
            if (types_[i].name == type)
                return make_struct(i, out, text);
        if (type == "string") {
            const std::size_t size = in_.below(40);
            for (std::size_t i = 0; i < size; ++i)
                out.bytes.push_back(static_cast<std::uint8_t>('a' + in_.byte() % 26));
            text += "\"" + std::string(out.bytes.begin(), out.bytes.end()) + "\"";
        } else if (type == "bytes") {
            const Bytes bytes = in_.some(in_.below(40));
            out.bytes = blob(bytes);
            text += "\"" + to_hex0x(bytes) + "\"";
        } else if (type.starts_with("bytes")) {
            const Bytes bytes = in_.some(std::stoul(type.substr(5)));
            out.word = blob(bytes);
            out.word.resize(32, 0);
            text += "\"" + to_hex0x(bytes) + "\"";
        } else if (type == "bool") {
            const bool value = in_.byte() % 2 == 0;
            out.word = second::Blob(32, 0);
            out.word[31] = value;
            text += value ? "true" : "false";
        } else if (type == "address") {
            const ethereum::Address address = in_.address();
            out.word = second::Blob(12, 0);
            second::append(out.word, blob(address));
            text += "\"" + ethereum::to_checksum(address) + "\"";
        } else {
            make_integer(type, out, text);
        }
    }

    // Magnitudes of one bit less than the type has, so that both signs fit.
    void make_integer(const std::string& type, second::Typed& out, std::string& text) {
        const bool is_signed = type.starts_with("int");
        const std::size_t bits = std::stoul(type.substr(is_signed ? 3 : 4));
        Bytes magnitude = in_.some(bits / 8);
        magnitude[0] &= 0x7f;
        const ethereum::Uint256 number = *ethereum::from_big_endian(magnitude);
        const bool negative = is_signed && !number.is_zero() && in_.byte() % 2 == 0;
        Hash32 word = ethereum::to_big_endian(number);
        if (negative) { // two's complement: not x, plus one
            for (auto& one : word)
                one = static_cast<std::uint8_t>(~one);
            for (std::size_t i = 32; i > 0 && ++word[i - 1] == 0; --i) {
            }
        }
        out.word = blob(word);
        const std::string digits = ethereum::to_decimal(number);
        // As a number only where every reader reads the same one (base/json.h).
        if (in_.byte() % 2 == 0 && digits.size() < 16)
            text += (negative ? "-" : "") + digits;
        else
            text += std::string("\"") + (negative ? "-" : "") + digits + "\"";
    }

    Choices& in_;
    std::vector<second::StructType> types_;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Choices in(ByteView(data, size));
    switch (in.below(3)) {
    case 0:
        compare_transaction(in);
        break;
    case 1:
        compare_message(in);
        break;
    default:
        TypedDataMaker(in).compare();
    }
    return 0;
}
