// SPDX-License-Identifier: Apache-2.0
// The little of XML that STS answers in, read strictly: elements and text, one xmlns attribute an element,
// the five named entities. Refused: document types, comments, CDATA, processing instructions but the
// declaration, other attributes, character references, text beside elements, anything after the root.
#pragma once

#include "base/result.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace redoubt::aws {

class XmlDocument {
  public:
    static constexpr std::size_t kMaxBytes = 64 * 1024;
    static constexpr std::size_t kMaxDepth = 8;
    static constexpr std::size_t kMaxElements = 64;
    static constexpr std::size_t kMaxName = 64;

    static Result<XmlDocument> parse(std::string_view text); // Error: BadRequest

    XmlDocument(XmlDocument&&) noexcept = default;
    XmlDocument& operator=(XmlDocument&&) noexcept = default;
    ~XmlDocument(); // wipes the texts: they may be credentials

    // The text of the element "Root/Child/Leaf"; nullopt where there is none, or more than one.
    std::optional<std::string_view> text(std::string_view path) const noexcept;

  private:
    class Parser;
    struct Leaf {
        std::string path, text;
    };
    XmlDocument() = default;
    std::vector<Leaf> leaves_;
};

} // namespace redoubt::aws
