// SPDX-License-Identifier: Apache-2.0
#include "aws/xml.h"

#include <gtest/gtest.h>

namespace redoubt::aws::tests {
namespace {

std::string nested(std::size_t depth) {
    std::string out;
    for (std::size_t i = 0; i < depth; ++i)
        out += "<a>";
    for (std::size_t i = 0; i < depth; ++i)
        out += "</a>";
    return out;
}

TEST(Xml, texts_are_found_by_their_path) {
    const auto document =
        XmlDocument::parse("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                           "<R xmlns=\"https://x/\">\n <A><B> a&amp;b&lt;&gt;&quot;&apos; </B><C/>"
                           "<D></D></A>\r\n\t<E >text</E ></R>\n");
    ASSERT_TRUE(document);
    EXPECT_EQ(document->text("R/A/B"), " a&b<>\"' ");
    EXPECT_EQ(document->text("R/A/C"), "");
    EXPECT_EQ(document->text("R/A/D"), "");
    EXPECT_EQ(document->text("R/E"), "text");
    EXPECT_EQ(document->text("R/A"), std::nullopt);
    EXPECT_EQ(document->text("A/B"), std::nullopt);
}

TEST(Xml, an_element_that_comes_twice_has_no_text) {
    const auto document = XmlDocument::parse("<R><A>1</A><A>2</A><B>3</B></R>");
    ASSERT_TRUE(document);
    EXPECT_EQ(document->text("R/A"), std::nullopt);
    EXPECT_EQ(document->text("R/B"), "3");
}

TEST(Xml, what_sts_does_not_send_is_refused) {
    for (const char* bad : {"",
                            "text",
                            "<",
                            "<>",
                            "<R",
                            "<R>",
                            "<R></S>",
                            "</R>",
                            "<R/>x",
                            "<R/><S/>",
                            "<R a=\"b\"/>",
                            "<R xmlns='x'/>",
                            "<R xmlns=\"x\" xmlns=\"y\"/>",
                            "<!DOCTYPE R><R/>",
                            "<R><!-- c --></R>",
                            "<R><![CDATA[x]]></R>",
                            "<R><?pi x?></R>",
                            "<?xml version=\"1.0\"?><?xml version=\"1.0\"?><R/>",
                            "<R>&#65;</R>",
                            "<R>&amp</R>",
                            "<R>&nbsp;</R>",
                            "<R>a<B/></R>",
                            "<R><B/>a</R>",
                            "<R>]]></R>",
                            "<n:R/>",
                            "< R/>",
                            "<R>\x01</R>",
                            "<R-1/>"})
        EXPECT_FALSE(XmlDocument::parse(bad)) << bad;
}

TEST(Xml, depth_elements_names_and_size_are_bounded) {
    EXPECT_TRUE(XmlDocument::parse(nested(XmlDocument::kMaxDepth)));
    EXPECT_FALSE(XmlDocument::parse(nested(XmlDocument::kMaxDepth + 1)));
    const auto many = [](std::size_t count) {
        std::string out = "<r>";
        for (std::size_t i = 1; i < count; ++i)
            out += "<a/>";
        return out + "</r>";
    };
    EXPECT_TRUE(XmlDocument::parse(many(XmlDocument::kMaxElements)));
    EXPECT_FALSE(XmlDocument::parse(many(XmlDocument::kMaxElements + 1)));
    EXPECT_TRUE(XmlDocument::parse("<" + std::string(XmlDocument::kMaxName, 'a') + "/>"));
    EXPECT_FALSE(XmlDocument::parse("<" + std::string(XmlDocument::kMaxName + 1, 'a') + "/>"));
    EXPECT_TRUE(XmlDocument::parse("<a>" + std::string(XmlDocument::kMaxBytes - 7, 'x') + "</a>"));
    EXPECT_FALSE(XmlDocument::parse("<a>" + std::string(XmlDocument::kMaxBytes - 6, 'x') + "</a>"));
}

} // namespace
} // namespace redoubt::aws::tests
