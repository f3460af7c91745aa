// SPDX-License-Identifier: Apache-2.0
// JSON as this project writes it: the Writer, and the canonical form.
#include "base/json.h"
#include "base/json_plain.h"
#include "base/utf8.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace redoubt::json {

namespace {

// Appends so many characters, which `write` writes: without zeros first, as resize() would.
template<class Write>
void append_room(std::string& out, std::size_t size, Write&& write) {
    const std::size_t before = out.size();
    const auto fill = [&](char* data, std::size_t whole) noexcept {
        write(data + before);
        return whole;
    };
    if (before + size <= out.capacity())
        out.resize_and_overwrite(before + size, fill);
    else {
        out.reserve(std::max(before + size, 2 * out.capacity()));
        out.resize_and_overwrite(before + size, fill);
    }
}

} // namespace

void Writer::separate() {
    if (!first_)
        out_.push_back(',');
    first_ = false;
}

Writer& Writer::begin_object() {
    separate();
    out_.push_back('{');
    first_ = true;
    return *this;
}

Writer& Writer::end_object() {
    out_.push_back('}');
    first_ = false;
    return *this;
}

Writer& Writer::begin_array() {
    separate();
    out_.push_back('[');
    first_ = true;
    return *this;
}

Writer& Writer::end_array() {
    out_.push_back(']');
    first_ = false;
    return *this;
}

Writer& Writer::key(Name name) {
    const std::string_view text = name.text();
    const bool comma = !std::exchange(first_, true); // the value that follows needs none
    append_room(out_, comma + text.size() + 3, [&](char* room) {
        if (comma)
            *room++ = ',';
        room[0] = '"';
        std::memcpy(room + 1, text.data(), text.size());
        std::memcpy(room + 1 + text.size(), "\":", 2);
    });
    return *this;
}

Writer& Writer::escaped_key(std::string_view name) {
    separate();
    append_escaped(out_, name);
    out_.push_back(':');
    first_ = true;
    return *this;
}

Writer& Writer::plain(std::string_view value) {
    const bool comma = !std::exchange(first_, false);
    append_room(out_, comma + value.size() + 2, [&](char* room) {
        if (comma)
            *room++ = ',';
        room[0] = room[1 + value.size()] = '"';
        value.copy(room + 1, value.size());
    });
    return *this;
}

Writer& Writer::string(std::string_view value) {
    separate();
    append_escaped(out_, value);
    return *this;
}

Writer& Writer::hex(ByteView bytes) {
    const bool comma = !std::exchange(first_, false);
    append_room(out_, comma + 4 + 2 * bytes.size(), [&](char* room) {
        if (comma)
            *room++ = ',';
        std::memcpy(room, "\"0x", 3);
        write_hex(bytes, room + 3);
        room[3 + 2 * bytes.size()] = '"';
    });
    return *this;
}

Writer& Writer::number(std::uint64_t value) {
    separate();
    out_ += std::to_string(value);
    return *this;
}

Writer& Writer::number(std::int64_t value) {
    separate();
    out_ += std::to_string(value);
    return *this;
}

Writer& Writer::boolean(bool value) {
    separate();
    out_ += value ? "true" : "false";
    return *this;
}

Writer& Writer::null() {
    separate();
    out_ += "null";
    return *this;
}

Writer& Writer::raw(std::string_view json) {
    separate();
    out_ += json;
    return *this;
}

void append_escaped(std::string& out, std::string_view text) {
    static constexpr char kHex[] = "0123456789abcdef";
    const std::size_t plain = plain_length(text);
    append_room(out, plain + 2, [&](char* room) {
        room[0] = room[plain + 1] = '"';
        text.copy(room + 1, plain); // perhaps of no text at all
    });
    if (plain == text.size())
        return;
    out.pop_back();
    for (std::size_t at = plain; at < text.size();) {
        const std::size_t end = at + plain_length(text.substr(at));
        out += text.substr(at, end - at);
        if ((at = end) == text.size())
            break;
        const char c = text[at];
        const std::size_t length = utf8_length(text, at);
        if (length == 0)
            out += "\\ufffd"; // one replacement character a byte that is not UTF-8
        else if (length > 1)
            out += text.substr(at, length);
        else if (c == '"' || c == '\\')
            (out += '\\') += c;
        else if (c == '\n')
            out += "\\n";
        else if (c == '\r')
            out += "\\r";
        else if (c == '\t')
            out += "\\t";
        else if (c == '\b')
            out += "\\b";
        else if (c == '\f')
            out += "\\f";
        else if (static_cast<std::uint8_t>(c) < 0x20)
            ((out += "\\u00") += kHex[c >> 4]) += kHex[c & 15];
        else
            out.push_back(c);
        at += length == 0 ? 1 : length;
    }
    out.push_back('"');
}

namespace {

Status append_canonical(std::string& out, const Value& value) {
    switch (value.type()) {
    case Type::Null:
        out += "null";
        return {};
    case Type::False:
        out += "false";
        return {};
    case Type::True:
        out += "true";
        return {};
    case Type::String:
        append_escaped(out, value.text());
        return {};
    case Type::Number: {
        const auto number = value.u64();
        if (!number || *number > 9007199254740991u)
            return fail(Code::BadJson, "only integers from 0 to 2^53 - 1 have a canonical form here");
        out += std::to_string(*number);
        return {};
    }
    case Type::Array: {
        out.push_back('[');
        bool first = true;
        for (const Value element : value) {
            if (!first)
                out.push_back(',');
            first = false;
            REDOUBT_CHECK(append_canonical(out, element));
        }
        out.push_back(']');
        return {};
    }
    case Type::Object: {
        std::vector<Value> members;
        for (const Value member : value)
            members.push_back(member);
        std::sort(members.begin(), members.end(),
                  [](const Value& a, const Value& b) { return a.name() < b.name(); });
        out.push_back('{');
        for (std::size_t i = 0; i < members.size(); ++i) {
            if (i > 0)
                out.push_back(',');
            append_escaped(out, members[i].name());
            out.push_back(':');
            REDOUBT_CHECK(append_canonical(out, members[i]));
        }
        out.push_back('}');
        return {};
    }
    }
    return fail(Code::BadJson, "the body is not valid JSON");
}

} // namespace

Result<std::string> canonical(const Value& value) {
    std::string out;
    REDOUBT_CHECK(append_canonical(out, value));
    return out;
}

} // namespace redoubt::json
