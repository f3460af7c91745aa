// SPDX-License-Identifier: Apache-2.0
// Operators and their operands.
#include "policy/condition.h"

#include <algorithm>

namespace redoubt::policy {

namespace {

constexpr std::uint64_t kLastJsonInteger = 9'007'199'254'740'991; // 2^53 - 1

bool is_digits(std::string_view text) noexcept {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// "0", "17", "-5": no leading zero, no "-0".
std::optional<Number> parse_number(std::string_view text) noexcept {
    const bool negative = text.starts_with('-');
    const auto magnitude = is_digits(text.substr(negative ? 1 : 0))
                               ? ethereum::from_decimal(text.substr(negative ? 1 : 0))
                               : std::nullopt;
    if (!magnitude || (negative && magnitude->is_zero()))
        return std::nullopt;
    const ethereum::Uint256 bits = negative ? ethereum::negated(*magnitude) : *magnitude;
    // A negative number has the top bit set, unless it is below -2^255.
    if (negative && bits.limbs[3] >> 63 == 0)
        return std::nullopt;
    return Number{negative, bits};
}

bool is_hex(std::string_view text) noexcept { // whole bytes, either case
    return text.starts_with("0x") && text.size() % 2 == 0 &&
           std::all_of(text.begin() + 2, text.end(), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
           });
}

// What a value of message.… must be for this operand to be compared with it. Numbers are Int.
ValueType type_of_operand(const json::Value& operand) noexcept {
    if (operand.is_bool())
        return ValueType::Bool;
    if (operand.is_number())
        return ValueType::Int;
    if (!operand.is_string())
        return ValueType::None;
    const std::string_view text = operand.text();
    if (text.starts_with('@'))
        return ValueType::Address;
    if (is_hex(text))
        return text.size() == 42 ? ValueType::Address : ValueType::Bytes;
    return parse_number(text) ? ValueType::Int : ValueType::Text;
}

class Reader {
  public:
    Reader(const Field& field, const Books& books) noexcept : field_(field), books_(books) {}

    Result<Test> read(const json::Value& value, const std::string& place) {
        if (!value.is_object() || value.size() == 0)
            return refuse("policy: a condition is an object of at least one operator", place);
        for (const auto operand : value)
            REDOUBT_CHECK(read_operator(operand.name(), operand, member_place(place, operand.name())));
        if (test_.at_least && test_.at_most && *test_.at_least > *test_.at_most)
            return refuse("policy: no number is at_least and at_most these: exchange them", place);
        return std::move(test_);
    }

  private:
    Status read_operator(std::string_view name, const json::Value& operand, const std::string& place) {
        if (name == "is" || name == "in" || name == "not_in")
            return read_member(name, operand, place);
        if (name == "at_least" || name == "at_most") {
            REDOUBT_CHECK(settle(ValueType::Int, place));
            auto& bound = name == "at_least" ? test_.at_least : test_.at_most;
            REDOUBT_TRY(bound, read_number(operand, place));
            return {};
        }
        if (name == "starts_with")
            return read_beginning(operand, place);
        if (name == "matches") {
            REDOUBT_CHECK(settle(ValueType::Text, place));
            if (!operand.is_string())
                return refuse("policy: matches takes a pattern, a string", place);
            auto pattern = Pattern::parse(operand.text());
            if (!pattern)
                return refuse(pattern.error().text, place);
            test_.matches = std::make_unique<const Pattern>(*pattern);
            return {};
        }
        if (name == "under") {
            REDOUBT_CHECK(settle(ValueType::Path, place));
            REDOUBT_TRY(test_.under, read_path(operand, place));
            return {};
        }
        return refuse("policy: there is no such operator: docs/policy.md lists them", place);
    }

    // The operator takes values of this type: is the field one of those?
    Status settle(ValueType type, const std::string& place) {
        const ValueType field = field_.type == ValueType::Uint ? ValueType::Int : field_.type;
        if (field == ValueType::ByOperand && test_.type == ValueType::None && type != ValueType::Path)
            test_.type = type;
        else if (field != ValueType::ByOperand && field == type)
            test_.type = type;
        else if (field != ValueType::ByOperand || test_.type != type)
            return refuse(
                field == ValueType::ByOperand
                    ? FixedText("policy: the condition's operands are of different types: a value of "
                                "message.… has one")
                    : FixedText("policy: fields of this type do not have this operator: docs/policy.md "
                                "lists which do"),
                place);
        return {};
    }

    Status read_member(std::string_view name, const json::Value& operand, const std::string& place) {
        if (name != "is") {
            REDOUBT_CHECK(check_list(operand, kMaxList,
                                     "policy: this operator takes a list of 1 to 4096 values", place));
        }
        const json::Value first = name == "is" || operand.size() == 0 ? operand : *operand.begin();
        const ValueType type = field_.type == ValueType::ByOperand ? type_of_operand(first)
                               : field_.type == ValueType::Uint    ? ValueType::Int
                                                                   : field_.type;
        if (type == ValueType::None || type == ValueType::Time || (name != "is" && type == ValueType::Bool) ||
            (name == "not_in" && type == ValueType::Path))
            return refuse(
                "policy: fields of this type do not have this operator, or the operand is of no type "
                "that can be compared: docs/policy.md lists which do",
                place);
        REDOUBT_CHECK(settle(type, place));
        if (type == ValueType::Bool) {
            if (!operand.is_bool())
                return refuse("policy: the value is true or false", place);
            test_.boolean = operand.boolean();
            return {};
        }
        Member member{new_set(), name != "not_in"};
        if (name == "is") {
            REDOUBT_CHECK(add(member.set, operand, place));
        } else {
            std::size_t i = 0;
            for (const auto entry : operand)
                REDOUBT_CHECK(add(member.set, entry, entry_place(place, i++)));
        }
        if (!sort(member.set))
            return refuse("policy: the list has a value twice: once is enough", place);
        test_.members.push_back(std::move(member));
        return {};
    }

    Set new_set() const {
        switch (test_.type) {
        case ValueType::Address:
            return AddressSet{};
        case ValueType::Bytes:
        case ValueType::Text:
            return std::vector<std::string>{};
        case ValueType::Path:
            return std::vector<crypto::HdPath>{};
        default:
            return std::vector<Number>{};
        }
    }

    Status add(Set& set, const json::Value& value, const std::string& place) const {
        if (field_.type == ValueType::ByOperand && type_of_operand(value) != test_.type)
            return refuse("policy: the condition's operands are of different types; a text that looks like a "
                          "number, an address or bytes is compared by starts_with or matches",
                          place);
        if (auto* numbers = std::get_if<std::vector<Number>>(&set)) {
            REDOUBT_TRY(const Number number, read_number(value, place));
            numbers->push_back(number);
        } else if (auto* addresses = std::get_if<AddressSet>(&set)) {
            return add_address(*addresses, value, place);
        } else if (auto* paths = std::get_if<std::vector<crypto::HdPath>>(&set)) {
            REDOUBT_TRY(const auto path, read_path(value, place));
            paths->push_back(path);
        } else {
            REDOUBT_TRY(auto text, read_text(value, place));
            if (field_.size != 0 && text.size() != field_.size)
                return refuse("policy: the field has another number of bytes", place);
            std::get_if<std::vector<std::string>>(&set)->push_back(std::move(text));
        }
        return {};
    }

    Status add_address(AddressSet& set, const json::Value& value, const std::string& place) const {
        if (!value.is_string() || !value.text().starts_with('@')) {
            REDOUBT_TRY(const auto address, read_address(value, place));
            set.own.push_back(address);
            return {};
        }
        const auto book = books_.find(value.text().substr(1));
        if (book == books_.end())
            return refuse("policy: there is no such book in addresses", place);
        set.books.push_back(book->second);
        return {};
    }

    // Sorts; false where a value is there twice.
    static bool sort(Set& set) {
        const auto distinct = [](auto& list) {
            std::sort(list.begin(), list.end());
            return std::adjacent_find(list.begin(), list.end()) == list.end();
        };
        if (auto* addresses = std::get_if<AddressSet>(&set))
            return distinct(addresses->own) && distinct(addresses->books);
        if (auto* numbers = std::get_if<std::vector<Number>>(&set))
            return distinct(*numbers);
        if (auto* paths = std::get_if<std::vector<crypto::HdPath>>(&set))
            return distinct(*paths);
        return distinct(*std::get_if<std::vector<std::string>>(&set));
    }

    Result<Number> read_number(const json::Value& value, const std::string& place) const {
        std::optional<Number> number;
        if (value.is_string()) {
            number = parse_number(value.text());
        } else if (const auto integer = value.u64(); integer && *integer <= kLastJsonInteger) {
            number = Number{false, *integer};
        }
        if (!number)
            return refuse("policy: a number is a decimal string (\"1000000000000000000\"), or a JSON integer "
                          "from 0 to 2^53 - 1",
                          place);
        if (field_.type == ValueType::Uint && number->negative)
            return refuse("policy: the field is never negative", place);
        if (field_.type == ValueType::Int && !number->negative && number->bits.limbs[3] >> 63 != 0)
            return refuse("policy: the field is always below 2^255", place);
        return *number;
    }

    // Bytes as they are, or a text.
    Result<std::string> read_text(const json::Value& value, const std::string& place) const {
        if (test_.type == ValueType::Text) {
            if (!value.is_string())
                return refuse("policy: this must be a string", place);
            return std::string(value.text());
        }
        const auto bytes = value.is_string() ? read_hex(value.text()) : std::nullopt;
        if (!bytes)
            return refuse("policy: bytes are 0x and an even number of hex digits in lower case", place);
        return std::string(as_text(*bytes));
    }

    Result<crypto::HdPath> read_path(const json::Value& value, const std::string& place) const {
        auto path = crypto::parse_hd_path(value.is_string() ? value.text() : std::string_view());
        if (!path || crypto::hd_path_text(*path) != value.text())
            return refuse("policy: a path is written as \"m/44'/60'/0'/0\", with ' for hardened indices",
                          place);
        return std::move(*path);
    }

    Status read_beginning(const json::Value& operand, const std::string& place) {
        REDOUBT_CHECK(settle(field_.type == ValueType::Bytes ? ValueType::Bytes : ValueType::Text, place));
        if (test_.type == ValueType::Bytes) {
            REDOUBT_TRY(test_.starts_with, read_text(operand, place));
            if (field_.size != 0 && test_.starts_with->size() > field_.size)
                return refuse("policy: the field has fewer bytes than that", place);
        } else if (operand.is_string()) {
            test_.starts_with = std::string(operand.text());
        }
        if (!test_.starts_with || test_.starts_with->empty())
            return refuse(
                "policy: starts_with takes a string that is not empty, or bytes for a field of bytes", place);
        return {};
    }

    const Field& field_;
    const Books& books_;
    Test test_;
};

} // namespace

Result<Test> parse_test(const json::Value& value, const Field& field, const Books& books,
                        const std::string& place) {
    if (field.type == ValueType::Time) {
        REDOUBT_TRY(const TimeTest time, parse_time(value, place));
        Test out;
        out.type = ValueType::Time;
        out.time = std::make_unique<const TimeTest>(time);
        return out;
    }
    return Reader(field, books).read(value, place);
}

} // namespace redoubt::policy
