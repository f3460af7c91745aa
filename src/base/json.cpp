// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include "base/json_plain.h"
#include "base/utf8.h"

#include <algorithm>
#include <charconv>

namespace redoubt::json {

namespace {

constexpr std::size_t kMostDigits = 320;   // of an integer that a double holds, and a sign
constexpr std::size_t kPairwiseNames = 12; // up to here comparing every pair beats sorting

bool is_space(char c) noexcept {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

// Any integer of so many characters is below 2^53.
constexpr std::size_t kSafeDigits = 15;

// Whether a reader whose numbers are doubles (JavaScript's, and many in other languages: RFC 8259, section 6)
// reads the same integer. A fraction or an exponent is for the caller to judge.
bool every_reader_reads(std::string_view integer) noexcept {
    if (integer.find_first_of(".eE") != std::string_view::npos)
        return true;
    double read = 0;
    const auto [end, error] = std::from_chars(integer.data(), integer.data() + integer.size(), read);
    if (error != std::errc())
        return false;
    char exact[kMostDigits];
    const auto written = std::to_chars(exact, exact + sizeof exact, read, std::chars_format::fixed, 0);
    return written.ec == std::errc() &&
           integer == std::string_view(exact, static_cast<std::size_t>(written.ptr - exact));
}

void append_utf8(std::string& out, std::uint32_t point) {
    if (point < 0x80) {
        out.push_back(static_cast<char>(point));
    } else if (point < 0x800) {
        out.push_back(static_cast<char>(0xc0 | point >> 6));
        out.push_back(static_cast<char>(0x80 | (point & 63)));
    } else if (point < 0x10000) {
        out.push_back(static_cast<char>(0xe0 | point >> 12));
        out.push_back(static_cast<char>(0x80 | (point >> 6 & 63)));
        out.push_back(static_cast<char>(0x80 | (point & 63)));
    } else {
        out.push_back(static_cast<char>(0xf0 | point >> 18));
        out.push_back(static_cast<char>(0x80 | (point >> 12 & 63)));
        out.push_back(static_cast<char>(0x80 | (point >> 6 & 63)));
        out.push_back(static_cast<char>(0x80 | (point & 63)));
    }
}

} // namespace

class Document::Parser {
  public:
    Parser(Document& document, const Limits& limits) noexcept
        : d_(document), text_(document.text_), limits_(limits) {}

    Result<std::uint32_t> run() {
        skip_space();
        const std::uint32_t root = value(0);
        skip_space();
        if (root != 0 && at_ != text_.size())
            bad("the body has something after the JSON value");
        if (error_)
            return std::unexpected(std::move(*error_));
        return root;
    }

  private:
    // Readers of values give the node's index, or 0, and the others false, once an error stands in error_: a
    // Result for each of them would cost more than what they do.
    std::uint32_t bad(FixedText text) { return bad(Code::BadJson, text); }
    std::uint32_t bad(Code code, FixedText text) {
        error_.emplace(Error{code, text});
        return 0;
    }

    struct Token {
        bool escaped;
        std::uint32_t at, size;
    };

    std::string_view token_text(const Token& token) const noexcept {
        return (token.escaped ? std::string_view(d_.unescaped_) : text_).substr(token.at, token.size);
    }

    void skip_space() noexcept {
        while (at_ < text_.size() && is_space(text_[at_]))
            ++at_;
    }

    bool eat(char c) noexcept {
        if (at_ < text_.size() && text_[at_] == c) {
            ++at_;
            return true;
        }
        return false;
    }

    std::uint32_t new_node(Type type) {
        if (d_.nodes_.size() > limits_.values) // the node at index 0 is no value
            return bad(Code::TooLarge, "the JSON body has too many values");
        d_.nodes_.push_back({type, false, false, 0, 0, 0, 0, 0, 0, 0, static_cast<std::uint32_t>(at_), 0, 0});
        return static_cast<std::uint32_t>(d_.nodes_.size() - 1);
    }

    std::uint32_t value(std::size_t depth) {
        if (at_ >= text_.size())
            return bad("the JSON body ends too early");
        const std::size_t start = at_;
        std::uint32_t index = 0;
        switch (text_[at_]) {
        case '{':
            index = object(depth);
            break;
        case '[':
            index = array(depth);
            break;
        case '"': {
            index = new_node(Type::String);
            Token token;
            if (index == 0 || !string(token))
                return 0;
            d_.nodes_[index].text_escaped = token.escaped;
            d_.nodes_[index].text_at = token.at;
            d_.nodes_[index].text_size = token.size;
            break;
        }
        case 't':
            index = literal("true", Type::True);
            break;
        case 'f':
            index = literal("false", Type::False);
            break;
        case 'n':
            index = literal("null", Type::Null);
            break;
        default:
            index = number();
        }
        if (index == 0)
            return 0;
        d_.nodes_[index].raw_at = static_cast<std::uint32_t>(start);
        d_.nodes_[index].raw_size = static_cast<std::uint32_t>(at_ - start);
        return index;
    }

    std::uint32_t literal(std::string_view word, Type type) {
        if (text_.substr(at_, word.size()) != word)
            return bad("the body is not valid JSON");
        at_ += word.size();
        return new_node(type);
    }

    std::uint32_t number() {
        const std::uint32_t index = new_node(Type::Number);
        if (index == 0)
            return 0;
        const std::size_t start = at_;
        eat('-');
        if (!eat('0') && !digits())
            return bad("the body is not valid JSON");
        if (eat('.') && !digits())
            return bad("a number in the JSON body is malformed");
        if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
            ++at_;
            if (!eat('+'))
                eat('-');
            if (!digits())
                return bad("a number in the JSON body is malformed");
        }
        const std::string_view token = text_.substr(start, at_ - start);
        if (token.size() > kSafeDigits && !every_reader_reads(token))
            return bad(Code::PrecisionLost, "the JSON has an integer beyond 2^53 that most readers round to "
                                            "another one; write it as a string");
        // "01", "1x" and the like end here, with a character that cannot follow a value.
        d_.nodes_[index].text_at = static_cast<std::uint32_t>(start);
        d_.nodes_[index].text_size = static_cast<std::uint32_t>(at_ - start);
        return index;
    }

    bool digits() noexcept {
        const std::size_t start = at_;
        while (at_ < text_.size() && is_digit(text_[at_]))
            ++at_;
        return at_ > start;
    }

    bool string(Token& out) {
        ++at_; // the quote
        const std::size_t start = at_;
        // Until the first escape the string is a view of the input.
        for (;;) {
            at_ += plain_length(text_.substr(at_));
            if (at_ >= text_.size() || text_[at_] == '"' || text_[at_] == '\\')
                break;
            if (!plain())
                return false;
        }
        if (at_ >= text_.size())
            return bad("a string in the JSON body is not closed");
        if (text_[at_] == '"') {
            out = {false, static_cast<std::uint32_t>(start), static_cast<std::uint32_t>(at_ - start)};
            ++at_;
            return true;
        }
        const std::size_t unescaped = d_.unescaped_.size();
        d_.unescaped_ += text_.substr(start, at_ - start);
        while (at_ < text_.size() && text_[at_] != '"') {
            if (text_[at_] == '\\') {
                if (!escape())
                    return false;
            } else {
                const std::size_t from = at_;
                if (!plain())
                    return false;
                d_.unescaped_ += text_.substr(from, at_ - from);
            }
        }
        if (!eat('"'))
            return bad("a string in the JSON body is not closed");
        out = {true, static_cast<std::uint32_t>(unescaped),
               static_cast<std::uint32_t>(d_.unescaped_.size() - unescaped)};
        return true;
    }

    bool plain() {
        if (static_cast<std::uint8_t>(text_[at_]) < 0x20)
            return bad("a string in the JSON body has an unescaped control character");
        const std::size_t length = utf8_length(text_, at_);
        if (length == 0)
            return bad("a string in the JSON body is not valid UTF-8");
        at_ += length;
        return true;
    }

    bool escape() {
        ++at_;
        if (at_ >= text_.size())
            return bad("a string in the JSON body is not closed");
        const char c = text_[at_++];
        switch (c) {
        case '"':
        case '\\':
        case '/':
            d_.unescaped_.push_back(c);
            return true;
        case 'b':
            d_.unescaped_.push_back('\b');
            return true;
        case 'f':
            d_.unescaped_.push_back('\f');
            return true;
        case 'n':
            d_.unescaped_.push_back('\n');
            return true;
        case 'r':
            d_.unescaped_.push_back('\r');
            return true;
        case 't':
            d_.unescaped_.push_back('\t');
            return true;
        case 'u':
            break;
        default:
            return bad("a string in the JSON body has an unknown escape");
        }
        std::uint32_t point = 0;
        if (!four_digits(point))
            return false;
        if (point >= 0xdc00 && point <= 0xdfff)
            return bad("a string in the JSON body has a lone surrogate");
        if (point >= 0xd800 && point <= 0xdbff) {
            if (!eat('\\') || !eat('u'))
                return bad("a string in the JSON body has a lone surrogate");
            std::uint32_t low = 0;
            if (!four_digits(low))
                return false;
            if (low < 0xdc00 || low > 0xdfff)
                return bad("a string in the JSON body has a lone surrogate");
            point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
        }
        append_utf8(d_.unescaped_, point);
        return true;
    }

    bool four_digits(std::uint32_t& out) {
        std::uint8_t bytes[2];
        if (at_ + 4 > text_.size() || !from_hex_exact(text_.substr(at_, 4), bytes))
            return bad("a string in the JSON body has a malformed \\u escape");
        at_ += 4;
        out = static_cast<std::uint32_t>(bytes[0] << 8 | bytes[1]);
        return true;
    }

    std::uint32_t array(std::size_t depth) {
        if (depth >= limits_.depth)
            return bad(Code::TooLarge, "the JSON body is nested too deeply");
        const std::uint32_t index = new_node(Type::Array);
        if (index == 0)
            return 0;
        ++at_;
        skip_space();
        if (eat(']'))
            return index;
        std::uint32_t last = 0;
        for (;;) {
            skip_space();
            const std::uint32_t child = value(depth + 1);
            if (child == 0)
                return 0;
            link(index, last, child);
            last = child;
            skip_space();
            if (eat(']'))
                return index;
            if (!eat(','))
                return bad("the body is not valid JSON");
        }
    }

    std::uint32_t object(std::size_t depth) {
        if (depth >= limits_.depth)
            return bad(Code::TooLarge, "the JSON body is nested too deeply");
        const std::uint32_t index = new_node(Type::Object);
        if (index == 0)
            return 0;
        ++at_;
        skip_space();
        if (eat('}'))
            return index;
        std::uint32_t last = 0;
        for (;;) {
            skip_space();
            if (at_ >= text_.size() || text_[at_] != '"')
                return bad("the body is not valid JSON");
            Token name;
            if (!string(name))
                return 0;
            skip_space();
            if (!eat(':'))
                return bad("the body is not valid JSON");
            skip_space();
            const std::uint32_t child = value(depth + 1);
            if (child == 0)
                return 0;
            Node& named = d_.nodes_[child];
            named.name_escaped = name.escaped;
            named.name_at = name.at;
            named.name_size = name.size;
            named.name_prefix = prefix_of(token_text(name));
            link(index, last, child);
            last = child;
            skip_space();
            if (eat('}'))
                break;
            if (!eat(','))
                return bad("the body is not valid JSON");
        }
        return no_duplicates(index) ? index : 0;
    }

    void link(std::uint32_t parent, std::uint32_t last, std::uint32_t child) noexcept {
        if (last == 0)
            d_.nodes_[parent].first = child;
        else
            d_.nodes_[last].next = child;
        ++d_.nodes_[parent].count;
    }

    std::string_view name_of(std::uint32_t index) const noexcept {
        const Node& node = d_.nodes_[index];
        return token_text({node.name_escaped, node.name_at, node.name_size});
    }

    bool same_name(const Node& a, const Node& b) const noexcept {
        return a.name_prefix == b.name_prefix && a.name_size == b.name_size &&
               token_text({a.name_escaped, a.name_at, a.name_size}) ==
                   token_text({b.name_escaped, b.name_at, b.name_size});
    }

    bool no_duplicates(std::uint32_t object_index) {
        const std::uint32_t first = d_.nodes_[object_index].first;
        bool duplicate = false;
        if (d_.nodes_[object_index].count <= kPairwiseNames) {
            const Node* const nodes = d_.nodes_.data();
            for (auto a = first; a != 0; a = nodes[a].next)
                for (auto b = nodes[a].next; b != 0; b = nodes[b].next)
                    duplicate |= same_name(nodes[a], nodes[b]);
        } else {
            d_.order_.clear();
            for (auto a = first; a != 0; a = d_.nodes_[a].next)
                d_.order_.push_back(a);
            std::sort(d_.order_.begin(), d_.order_.end(),
                      [&](std::uint32_t a, std::uint32_t b) { return name_of(a) < name_of(b); });
            for (std::size_t i = 1; i < d_.order_.size() && !duplicate; ++i)
                duplicate = name_of(d_.order_[i - 1]) == name_of(d_.order_[i]);
        }
        if (duplicate)
            return bad("an object in the JSON body names the same member twice") != 0;
        return true;
    }

    Document& d_;
    std::string_view text_;
    const Limits& limits_;
    std::size_t at_ = 0;
    std::optional<Error> error_;
};

Result<Value> Document::parse(std::string_view text, const Limits& limits) {
    if (text.size() > limits.bytes || text.size() > 0xffffffffu)
        return fail(Code::TooLarge, "the JSON body is too large");
    text_ = text;
    nodes_.clear();
    unescaped_.clear();
    // Index 0 means "none" in links, so the root is index 1.
    nodes_.push_back({Type::Null, false, false, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
    Parser parser(*this, limits);
    REDOUBT_TRY(const std::uint32_t root, parser.run());
    return Value(this, root);
}

std::string_view Value::text() const noexcept {
    const auto& node = document_->nodes_[index_];
    const std::string_view base =
        node.text_escaped ? std::string_view(document_->unescaped_) : document_->text_;
    return base.substr(node.text_at, node.text_size);
}

std::string_view Value::raw() const noexcept {
    const auto& node = document_->nodes_[index_];
    return document_->text_.substr(node.raw_at, node.raw_size);
}

std::string_view Value::name() const noexcept {
    const auto& node = document_->nodes_[index_];
    const std::string_view base =
        node.name_escaped ? std::string_view(document_->unescaped_) : document_->text_;
    return base.substr(node.name_at, node.name_size);
}

std::optional<std::uint64_t> Value::u64() const noexcept {
    if (!is_number())
        return std::nullopt;
    const std::string_view token = text();
    if (token.empty() || token.size() > 20 || (token.size() > 1 && token[0] == '0'))
        return std::nullopt;
    std::uint64_t value = 0;
    for (const char c : token) {
        if (!is_digit(c))
            return std::nullopt;
        std::uint64_t next = 0;
        if (__builtin_mul_overflow(value, std::uint64_t{10}, &next) ||
            __builtin_add_overflow(next, static_cast<std::uint64_t>(c - '0'), &value))
            return std::nullopt;
    }
    return value;
}

Status check_members(const Value& object, std::initializer_list<std::string_view> allowed) {
    if (!object.is_object())
        return fail(Code::InvalidField, "a JSON object is expected here");
    for (const Value member : object)
        if (std::find(allowed.begin(), allowed.end(), member.name()) == allowed.end())
            return fail(Code::UnknownField,
                        "the object has a member that this operation does not know; remove it");
    return {};
}

} // namespace redoubt::json
