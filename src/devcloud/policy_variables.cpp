// SPDX-License-Identifier: Apache-2.0
#include "devcloud/policy_variables.h"

#include "devcloud/pattern.h"

#include <algorithm>
#include <array>

namespace redoubt::devcloud {

namespace {

constexpr std::array<std::string_view, 3> kVariables = {"aws:username", "aws:userid", "aws:principalaccount"};
constexpr std::string_view kOpen = "${";

bool is_character(std::string_view name) {
    return name == "*" || name == "?" || name == "$";
}

// Wildcards as literals.
std::string quoted(std::string_view text) {
    std::string out(text);
    std::replace(out.begin(), out.end(), '*', kLiteralStar);
    std::replace(out.begin(), out.end(), '?', kLiteralQuestion);
    return out;
}

} // namespace

Reply<void> check_variables(std::string_view text) {
    for (auto at = text.find(kOpen); at != std::string_view::npos; at = text.find(kOpen, at)) {
        const auto end = text.find('}', at);
        if (end == std::string_view::npos)
            return malformed_policy("A policy variable has no end: " + std::string(text));
        const auto name = text.substr(at + kOpen.size(), end - at - kOpen.size());
        if (!is_character(name) &&
            std::find(kVariables.begin(), kVariables.end(), lower_case(name)) == kVariables.end())
            return malformed_policy("devcloud does not evaluate this policy variable: ${" +
                                    std::string(name) + "}");
        at = end;
    }
    return {};
}

std::optional<std::string> expand_variables(std::string_view text, const ConditionValues& values) {
    std::string out;
    for (;;) {
        const auto at = text.find(kOpen);
        const auto end = at == std::string_view::npos ? at : text.find('}', at);
        out += text.substr(0, end == std::string_view::npos ? end : at);
        if (end == std::string_view::npos)
            return out;
        const auto name = text.substr(at + kOpen.size(), end - at - kOpen.size());
        if (is_character(name)) {
            out += quoted(name);
        } else {
            const auto* found = values.find(lower_case(name));
            if (found == nullptr || found->size() != 1)
                return std::nullopt;
            out += quoted(found->front());
        }
        text.remove_prefix(end + 1);
    }
}

std::string literal_text(std::string pattern) {
    std::replace(pattern.begin(), pattern.end(), kLiteralStar, '*');
    std::replace(pattern.begin(), pattern.end(), kLiteralQuestion, '?');
    return pattern;
}

} // namespace redoubt::devcloud
