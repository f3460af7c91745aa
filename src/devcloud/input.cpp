// SPDX-License-Identifier: Apache-2.0
#include "devcloud/input.h"

namespace redoubt::devcloud {

namespace {

std::string small_first(std::string_view member) {
    std::string out(member);
    if (!out.empty() && out[0] >= 'A' && out[0] <= 'Z')
        out[0] = static_cast<char>(out[0] - 'A' + 'a');
    return out;
}

std::unexpected<ServiceError> refuse_missing(std::string_view member) {
    return refuse_input("1 validation error detected: Value null at '" + small_first(member) +
                        "' failed to satisfy constraint: Member must not be null");
}

std::unexpected<ServiceError> refuse_type(std::string_view member, std::string_view wanted) {
    return refuse("SerializationException",
                  "The member '" + std::string(member) + "' must be " + std::string(wanted));
}

Reply<void> check_size(std::size_t actual, Size size, std::string_view member) {
    if (actual < size.min)
        return refuse_value("", member,
                            "Member must have length greater than or equal to " + std::to_string(size.min));
    if (actual > size.max)
        return refuse_value("", member,
                            "Member must have length less than or equal to " + std::to_string(size.max));
    return {};
}

// AWS counts characters (UTF-16 units or code points alike for what is sent here), not bytes.
std::size_t characters(std::string_view text) {
    std::size_t count = 0;
    for (const char c : text)
        count += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    return count;
}

} // namespace

std::unexpected<ServiceError> refuse_value(std::string_view value, std::string_view member,
                                           std::string_view constraint) {
    return refuse_input("1 validation error detected: Value '" + std::string(value) + "' at '" +
                        small_first(member) + "' failed to satisfy constraint: " + std::string(constraint));
}

std::string epoch_seconds(UnixMs time) {
    const auto ms = std::to_string(time % 1000);
    return std::to_string(time / 1000) + "." + std::string(3 - ms.size(), '0') + ms;
}

std::optional<json::Value> Input::member(std::string_view name) const {
    auto value = object_.get(name);
    if (value && value->is_null())
        return std::nullopt;
    return value;
}

Reply<std::optional<Input>> Input::object(std::string_view name) const {
    const auto value = member(name);
    if (!value)
        return std::nullopt;
    if (!value->is_object())
        return refuse_type(name, "an object");
    return Input(*value);
}

Reply<std::optional<std::string>> Input::string(std::string_view name, Size size) const {
    const auto value = member(name);
    if (!value)
        return std::nullopt;
    if (!value->is_string())
        return refuse_type(name, "a string");
    REDOUBT_CHECK(check_size(characters(value->text()), size, name));
    return std::string(value->text());
}

Reply<std::string> Input::required_string(std::string_view name, Size size) const {
    REDOUBT_TRY(auto value, string(name, size));
    if (!value)
        return refuse_missing(name);
    return std::move(*value);
}

Reply<std::optional<Secret>> Input::blob(std::string_view name, Size size) const {
    const auto value = member(name);
    if (!value)
        return std::nullopt;
    if (!value->is_string())
        return refuse_type(name, "a base64 string");
    auto bytes = from_base64(value->text());
    if (!bytes)
        return refuse_type(name, "a base64 string");
    REDOUBT_CHECK(check_size(bytes->size(), size, name));
    return Secret::take(*bytes);
}

Reply<Secret> Input::required_blob(std::string_view name, Size size) const {
    REDOUBT_TRY(auto value, blob(name, size));
    if (!value)
        return refuse_missing(name);
    return std::move(*value);
}

Reply<std::optional<std::uint64_t>> Input::integer(std::string_view name, std::uint64_t min,
                                                   std::uint64_t max) const {
    const auto value = member(name);
    if (!value)
        return std::nullopt;
    if (!value->is_number())
        return refuse_type(name, "a number");
    const bool negative = value->text().starts_with('-');
    const auto number = value->u64();
    if (!number && !negative)
        return refuse_type(name, "an integer");
    if (negative || *number < min)
        return refuse_value(value->text(), name,
                            "Member must have value greater than or equal to " + std::to_string(min));
    if (*number > max)
        return refuse_value(value->text(), name,
                            "Member must have value less than or equal to " + std::to_string(max));
    return *number;
}

Reply<bool> Input::boolean(std::string_view name) const {
    const auto value = member(name);
    if (!value)
        return false;
    if (!value->is_bool())
        return refuse_type(name, "true or false");
    return value->boolean();
}

Reply<std::map<std::string, std::string>> Input::string_map(std::string_view name) const {
    std::map<std::string, std::string> out;
    const auto value = member(name);
    if (!value)
        return out;
    if (!value->is_object())
        return refuse_type(name, "an object of strings");
    for (const auto entry : *value) {
        if (!entry.is_string())
            return refuse_type(name, "an object of strings");
        out.emplace(entry.name(), entry.text());
    }
    return out;
}

Reply<std::vector<std::string>> Input::strings(std::string_view name, Size count) const {
    std::vector<std::string> out;
    const auto value = member(name);
    if (!value)
        return out;
    if (!value->is_array())
        return refuse_type(name, "an array of strings");
    REDOUBT_CHECK(check_size(value->size(), count, name));
    for (const auto element : *value) {
        if (!element.is_string())
            return refuse_type(name, "an array of strings");
        out.emplace_back(element.text());
    }
    return out;
}

Reply<Tags> Input::tags(std::string_view name, std::string_view key_member, std::string_view value_member,
                        std::string_view duplicate_type) const {
    Tags out;
    const auto list = member(name);
    if (!list)
        return out;
    if (!list->is_array())
        return refuse_type(name, "an array of tags");
    // The most tags that KMS and Secrets Manager keep on a resource.
    REDOUBT_CHECK(check_size(list->size(), {0, 50}, name));
    for (const auto element : *list) {
        if (!element.is_object())
            return refuse_type(name, "an array of tags");
        const Input tag(element);
        REDOUBT_TRY(auto key, tag.required_string(key_member, {1, 128}));
        REDOUBT_TRY(auto value, tag.string(value_member, {0, 256}));
        if (!out.emplace(std::move(key), value.value_or("")).second)
            return refuse(std::string(duplicate_type), "Duplicate tag keys found.");
    }
    return out;
}

} // namespace redoubt::devcloud
