// SPDX-License-Identifier: Apache-2.0
#include "aws/xml.h"

#include "base/secret.h"

#include <algorithm>
#include <array>
#include <utility>

namespace redoubt::aws {

namespace {

bool is_space(char c) noexcept {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool is_name_character(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

std::unexpected<Error> refused() {
    return fail(Code::BadRequest, "the answer is not the XML that it should be");
}

} // namespace

class XmlDocument::Parser {
  public:
    Parser(std::string_view text, XmlDocument& out) : rest_(text), out_(out) {}

    Status run() {
        if (skip("<?xml")) {
            const auto end = rest_.find("?>");
            // Only the declaration's own characters: no second instruction hides in it.
            if (end == rest_.npos || end > 128 || rest_.substr(0, end).find_first_of("<>&") != rest_.npos)
                return refused();
            rest_.remove_prefix(end + 2);
        }
        skip_space();
        REDOUBT_CHECK(element("", 1));
        skip_space();
        return rest_.empty() ? Status{} : refused();
    }

  private:
    bool skip(std::string_view token) noexcept {
        if (!rest_.starts_with(token))
            return false;
        rest_.remove_prefix(token.size());
        return true;
    }
    void skip_space() noexcept {
        while (!rest_.empty() && is_space(rest_.front()))
            rest_.remove_prefix(1);
    }
    std::string_view name() noexcept {
        std::size_t size = 0;
        while (size < rest_.size() && is_name_character(rest_[size]))
            ++size;
        const auto out = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return out;
    }

    // After the element's name: up to and with '>' or "/>". True: the element is empty.
    Result<bool> tag_end() {
        const bool space = !rest_.empty() && is_space(rest_.front());
        skip_space();
        if (space && skip("xmlns=\"")) {
            const auto end = rest_.find('"');
            if (end == rest_.npos || end > 128 || rest_.substr(0, end).find_first_of("<&") != rest_.npos)
                return refused();
            rest_.remove_prefix(end + 1);
            skip_space();
        }
        if (skip("/>"))
            return true;
        if (skip(">"))
            return false;
        return refused();
    }

    // An element, its '<' not yet read. Recursion is bounded by kMaxDepth.
    Status element(const std::string& parent, std::size_t depth) {
        if (depth > kMaxDepth || ++elements_ > kMaxElements || !skip("<"))
            return refused();
        const auto own_name = name();
        if (own_name.empty() || own_name.size() > kMaxName)
            return refused();
        const std::string path = parent + (parent.empty() ? "" : "/") + std::string(own_name);
        REDOUBT_TRY(const bool empty, tag_end());
        if (empty) {
            out_.leaves_.push_back({path, {}});
            return {};
        }
        const auto before = rest_;
        skip_space();
        if (rest_.starts_with("<") && !rest_.starts_with("</")) {
            while (rest_.starts_with("<") && !rest_.starts_with("</")) {
                REDOUBT_CHECK(element(path, depth + 1));
                skip_space();
            }
        } else {
            rest_ = before;
            out_.leaves_.push_back({path, {}});
            REDOUBT_CHECK(text(out_.leaves_.back().text));
        }
        if (!skip("</") || name() != own_name)
            return refused();
        skip_space();
        return skip(">") ? Status{} : refused();
    }

    Status text(std::string& into) {
        constexpr std::array<std::pair<std::string_view, char>, 5> kEntities = {
            {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}}};
        into.reserve(std::min(rest_.find('<'), rest_.size())); // no copies of a secret left by growing
        while (!rest_.empty() && rest_.front() != '<') {
            const char c = rest_.front();
            if (c == '&') {
                const auto* entity = std::ranges::find_if(
                    kEntities, [&](const auto& known) { return rest_.starts_with(known.first); });
                if (entity == kEntities.end())
                    return refused();
                into.push_back(entity->second);
                rest_.remove_prefix(entity->first.size());
                continue;
            }
            if ((static_cast<unsigned char>(c) < 0x20 && !is_space(c)) || c == 0x7f ||
                rest_.starts_with("]]>"))
                return refused();
            into.push_back(c);
            rest_.remove_prefix(1);
        }
        return {};
    }

    std::string_view rest_;
    XmlDocument& out_;
    std::size_t elements_ = 0;
};

Result<XmlDocument> XmlDocument::parse(std::string_view text) {
    if (text.size() > kMaxBytes)
        return refused();
    XmlDocument out;
    out.leaves_.reserve(kMaxElements); // a short text lies in its string: moving it would leave a copy
    REDOUBT_CHECK(Parser(text, out).run());
    return out;
}

XmlDocument::~XmlDocument() {
    for (auto& leaf : leaves_)
        wipe(leaf.text);
}

std::optional<std::string_view> XmlDocument::text(std::string_view path) const noexcept {
    std::optional<std::string_view> found;
    for (const auto& leaf : leaves_) {
        if (leaf.path != path)
            continue;
        if (found)
            return std::nullopt;
        found = leaf.text;
    }
    return found;
}

} // namespace redoubt::aws
