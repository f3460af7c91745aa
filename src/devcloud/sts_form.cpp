// SPDX-License-Identifier: Apache-2.0
#include "devcloud/sts_form.h"

#include <algorithm>
#include <charconv>

namespace redoubt::devcloud {

namespace {

std::optional<std::string> form_decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+') {
            out.push_back(' ');
        } else if (text[i] == '%') {
            ByteArray<1> byte{};
            if (i + 2 >= text.size() || !from_hex_exact(text.substr(i + 1, 2), byte))
                return std::nullopt;
            out.push_back(static_cast<char>(byte[0]));
            i += 2;
        } else {
            out.push_back(text[i]);
        }
    }
    return out;
}

bool only_of(std::string_view text, std::string_view more) {
    return std::all_of(text.begin(), text.end(), [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
               more.find(c) != std::string_view::npos;
    });
}

} // namespace

std::optional<Form> Form::parse(std::string_view body) {
    Form form;
    while (!body.empty()) {
        const auto end = body.find('&');
        const auto pair = body.substr(0, end);
        body = end == std::string_view::npos ? std::string_view() : body.substr(end + 1);
        if (pair.empty())
            continue;
        const auto equals = pair.find('=');
        auto name = form_decoded(pair.substr(0, equals));
        auto value =
            form_decoded(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1));
        if (!name || !value || !form.members_.emplace(std::move(*name), std::move(*value)).second)
            return std::nullopt;
    }
    return form;
}

const std::string* Form::find(std::string_view name) const {
    const auto found = members_.find(name);
    return found == members_.end() ? nullptr : &found->second;
}

bool Form::has(std::string_view name) const {
    if (find(name) != nullptr)
        return true;
    const std::string prefix = std::string(name) + ".";
    const auto next = members_.lower_bound(prefix);
    return next != members_.end() && next->first.starts_with(prefix);
}

Reply<std::optional<std::string>> Form::text(std::string_view name, Size size, std::string_view more) const {
    const auto* value = find(name);
    if (value == nullptr)
        return std::nullopt;
    if (value->size() < size.min)
        return refuse_value(*value, name,
                            "Member must have length greater than or equal to " + std::to_string(size.min));
    if (value->size() > size.max)
        return refuse_value("", name,
                            "Member must have length less than or equal to " + std::to_string(size.max));
    if (!more.empty() && !only_of(*value, more))
        return refuse_value(
            *value, name, "Member must satisfy regular expression pattern: [\\w" + std::string(more) + "]*");
    return *value;
}

Reply<std::string> Form::required_text(std::string_view name, Size size, std::string_view more) const {
    REDOUBT_TRY(auto value, text(name, size, more));
    if (!value)
        return refuse_input("1 validation error detected: Value null at '" + std::string(name) +
                            "' failed to satisfy constraint: Member must not be null");
    return std::move(*value);
}

Reply<std::optional<std::uint64_t>> Form::integer(std::string_view name, std::uint64_t min,
                                                  std::uint64_t max) const {
    const auto* value = find(name);
    if (value == nullptr)
        return std::nullopt;
    std::uint64_t number = 0;
    const auto* end = value->data() + value->size();
    const auto [rest, error] = std::from_chars(value->data(), end, number);
    if (error != std::errc{} || rest != end)
        return refuse_value(*value, name, "Member must be a whole number");
    if (number < min)
        return refuse_value(*value, name,
                            "Member must have value greater than or equal to " + std::to_string(min));
    if (number > max)
        return refuse_value(*value, name,
                            "Member must have value less than or equal to " + std::to_string(max));
    return number;
}

} // namespace redoubt::devcloud
