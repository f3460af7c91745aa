// SPDX-License-Identifier: Apache-2.0
// A strict JSON reader (RFC 8259) and a writer. The reader refuses what two parsers could read differently:
// duplicate names (compared after unescaping), invalid UTF-8, lone surrogates, a byte order mark, control
// characters, anything after the value, comments, NaN, integers beyond 2^53 that a double does not hold.
// Numbers stay tokens: the caller decides exactly, nothing becomes a double. Depth, size and the number of
// values are bounded.
//
// A Document owns flat storage that clear() keeps, so a warmed-up reader allocates nothing. Values are
// indices into their Document and are invalid after its next parse. Not thread-safe; one Document per thread.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

#include <concepts>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace redoubt::json {

struct Limits {
    std::size_t bytes = 1 << 20;  // of the whole text
    std::size_t depth = 32;       // arrays and objects around a value
    std::size_t values = 1 << 16; // values in all, a member and its name counting as one
};

enum class Type : std::uint8_t { Null, False, True, Number, String, Array, Object };

class Document;

class Value {
  public:
    Type type() const noexcept;
    bool is_null() const noexcept { return type() == Type::Null; }
    bool is_bool() const noexcept { return type() == Type::True || type() == Type::False; }
    bool is_number() const noexcept { return type() == Type::Number; }
    bool is_string() const noexcept { return type() == Type::String; }
    bool is_array() const noexcept { return type() == Type::Array; }
    bool is_object() const noexcept { return type() == Type::Object; }

    bool boolean() const noexcept { return type() == Type::True; }
    // The unescaped string, or a number's token exactly as written ("1e3", "-0"); empty for the other types.
    std::string_view text() const noexcept;
    // The value as it stands in the input, for digests of what was received.
    std::string_view raw() const noexcept;
    // A number token that is a plain non-negative integer ("0" or no leading zero, no sign, point or
    // exponent) and fits.
    std::optional<std::uint64_t> u64() const noexcept;

    // Members of an object or elements of an array.
    std::size_t size() const noexcept;
    // The named member of an object. nullopt where absent or where this is no object. Keep the result in a
    // variable to iterate over it: `for (auto v : *o.get("x"))` would iterate over a dead temporary.
    std::optional<Value> get(std::string_view name) const noexcept;

    class Iterator;
    Iterator begin() const noexcept;
    Iterator end() const noexcept;
    // The member's name, when this value was reached by iterating over an object or by get().
    std::string_view name() const noexcept;

  private:
    friend class Document;
    friend class Iterator;
    Value(const Document* document, std::uint32_t index) noexcept : document_(document), index_(index) {}
    const Document* document_;
    std::uint32_t index_;
};

class Value::Iterator {
  public:
    Value operator*() const noexcept { return Value(document_, index_); }
    Iterator& operator++() noexcept;
    bool operator==(const Iterator& other) const noexcept { return index_ == other.index_; }

  private:
    friend class Value;
    Iterator(const Document* document, std::uint32_t index) noexcept : document_(document), index_(index) {}
    const Document* document_;
    std::uint32_t index_;
};

class Document {
  public:
    // Replaces the content. The text must outlive the values that view it (strings without escapes, numbers,
    // raw()). Errors: BadJson, TooLarge, PrecisionLost.
    Result<Value> parse(std::string_view text, const Limits& limits = {});

  private:
    friend class Value;
    friend class Value::Iterator;
    struct Node {
        Type type;
        bool name_escaped; // the name lies in unescaped_
        bool text_escaped;
        std::uint32_t next;  // index of the next sibling, or 0
        std::uint32_t first; // first child, or 0
        std::uint32_t count; // children
        std::uint32_t name_at, name_size;
        std::uint32_t text_at, text_size; // string content or number token
        std::uint32_t raw_at, raw_size;
        std::uint64_t name_prefix; // prefix_of(name)
    };
    class Parser;

    // The first eight characters, with zeros behind fewer: most names are told apart by it.
    static std::uint64_t prefix_of(std::string_view name) noexcept {
        std::uint64_t out = 0;
        if (name.size() >= sizeof out)
            std::memcpy(&out, name.data(), sizeof out);
        else if (!name.empty())
            std::memcpy(&out, name.data(), name.size());
        return out;
    }

    std::string_view text_;
    std::vector<Node> nodes_;
    std::string unescaped_;
    std::vector<std::uint32_t> order_; // scratch for the duplicate check
};

inline Type Value::type() const noexcept {
    return document_->nodes_[index_].type;
}

inline std::size_t Value::size() const noexcept {
    return document_->nodes_[index_].count;
}

inline std::optional<Value> Value::get(std::string_view wanted) const noexcept {
    const auto& nodes = document_->nodes_;
    if (nodes[index_].type != Type::Object)
        return std::nullopt;
    const std::uint64_t prefix = Document::prefix_of(wanted);
    for (std::uint32_t i = nodes[index_].first; i != 0; i = nodes[i].next)
        if (nodes[i].name_prefix == prefix && nodes[i].name_size == wanted.size() &&
            (wanted.size() <= sizeof prefix || Value(document_, i).name() == wanted))
            return Value(document_, i);
    return std::nullopt;
}

inline Value::Iterator Value::begin() const noexcept {
    return Iterator(document_, document_->nodes_[index_].first);
}

inline Value::Iterator Value::end() const noexcept {
    return Iterator(document_, 0);
}

inline Value::Iterator& Value::Iterator::operator++() noexcept {
    index_ = document_->nodes_[index_].next;
    return *this;
}

// Refuses members other than those allowed: `check_members(v, {"to", "value"})`. Error: UnknownField (with
// the fixed text), or InvalidField when v is no object.
Status check_members(const Value& object, std::initializer_list<std::string_view> allowed);

// Appends JSON to a string. Keys and structure are the caller's; strings are escaped, the rest is written as
// it is.
class Writer {
  public:
    explicit Writer(std::string& out) noexcept : out_(out) {}

    Writer& begin_object();
    Writer& end_object();
    Writer& begin_array();
    Writer& end_array();
    // A member's name, which stands for itself in JSON: checked where it is compiled.
    class Name {
      public:
        consteval Name(const char* text) : text_(text) { // NOLINT: a literal is one
            for (const char c : text_)
                if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
                    throw "a name that has to be escaped is given as std::string_view";
        }
        constexpr std::string_view text() const noexcept { return text_; }

      private:
        std::string_view text_;
    };
    template<class T>
    static constexpr bool kIsText = std::same_as<T, std::string> || std::same_as<T, std::string_view>;

    Writer& key(Name name);
    template<class Text>
    requires kIsText<Text> Writer& key(const Text& name) { return escaped_key(name); }
    Writer& string(std::string_view value);
    // As string(), for what needs no escapes and is not looked at: digits, addresses.
    Writer& plain(std::string_view value);
    Writer& hex(ByteView bytes); // a string: 0x and lower-case digits
    Writer& number(std::uint64_t value);
    Writer& number(std::int64_t value);
    Writer& boolean(bool value);
    Writer& null();
    Writer& raw(std::string_view json); // already JSON

    Writer& member(Name name, std::string_view value) { return key(name).string(value); }
    Writer& member(Name name, const char* value) { return key(name).string(value); }
    Writer& member(Name name, std::uint64_t value) { return key(name).number(value); }
    Writer& member(Name name, bool value) { return key(name).boolean(value); }
    template<class Text>
    requires kIsText<Text> Writer& member(const Text& name, std::string_view value) {
        return key(name).string(value);
    }
    template<class Text>
    requires kIsText<Text> Writer& member(const Text& name, std::uint64_t value) {
        return key(name).number(value);
    }
    Writer& plain(Name name, std::string_view value) { return key(name).plain(value); }
    template<std::size_t N>
    Writer& plain(Name name, const std::array<char, N>& value) {
        return key(name).plain(std::string_view(value.data(), N));
    }
    Writer& hex(Name name, ByteView value) { return key(name).hex(value); }
    template<class Text>
    requires kIsText<Text> Writer& hex(const Text& name, ByteView value) { return key(name).hex(value); }

  private:
    Writer& escaped_key(std::string_view name);
    void separate();
    std::string& out_;
    bool first_ = true;
};

// With quotes. What is not UTF-8 (a host's error text, say) becomes U+FFFD, so that the output is always
// JSON.
void append_escaped(std::string& out, std::string_view text);

// Canonical form (RFC 8785, restricted): names sorted by their bytes, no white space. Only what the project's
// own formats use is accepted: strings, booleans, null, arrays, objects, and integers up to 2^53 − 1; another
// number is BadJson.
Result<std::string> canonical(const Value& value);

} // namespace redoubt::json
