// SPDX-License-Identifier: Apache-2.0
// Writes an EnvelopedData with any one part replaced, independently of the code under test.
#pragma once

#include "base/bytes.h"

namespace redoubt::crypto {

struct Shape {
    Bytes type = *from_hex("06092a864886f70d010703");
    std::uint8_t version = 2;
    Bytes originator;
    int recipients = 1;
    std::uint8_t recipient_version = 2;
    Bytes identifier;
    Bytes key_algorithm = *from_hex("303c06092a864886f70d010107302fa00f300d06096086480165030402010500"
                                    "a11c301a06092a864886f70d010108300d06096086480165030402010500");
    Bytes encrypted_key;
    Bytes after_recipient;
    Bytes content_type = *from_hex("06092a864886f70d010701");
    Bytes content_algorithm = *from_hex("060960864801650304012a");
    Bytes iv;
    std::vector<Bytes> content;
    bool primitive = false;
    Bytes after_content;
    bool definite = false;

    Bytes encode() const {
        const Bytes recipient =
            element(0x30, join({integer(recipient_version), element(0x80, identifier), key_algorithm,
                                element(0x04, encrypted_key), after_recipient}));
        Bytes all_recipients;
        for (int i = 0; i < recipients; ++i)
            append(all_recipients, recipient);
        Bytes parts;
        for (const Bytes& part : content)
            append(parts, primitive ? part : element(0x04, part));
        const Bytes encrypted_content = primitive ? element(0x80, parts) : container(0xa0, parts);
        const Bytes content_info =
            container(0x30, join({content_type, element(0x30, join({content_algorithm, element(0x04, iv)})),
                                  encrypted_content, after_content}));
        const Bytes enveloped = container(
            0x30, join({integer(version), originator, element(0x31, all_recipients), content_info}));
        return container(0x30, join({type, container(0xa0, enveloped)}));
    }

  private:
    static Bytes join(std::initializer_list<Bytes> parts) {
        Bytes out;
        for (const Bytes& part : parts)
            append(out, part);
        return out;
    }
    static Bytes integer(std::uint8_t value) { return {0x02, 0x01, value}; }
    static Bytes element(std::uint8_t tag, const Bytes& contents) {
        Bytes out{tag};
        const auto size = contents.size();
        if (size >= 256) {
            out.push_back(0x82);
            out.push_back(static_cast<std::uint8_t>(size >> 8));
        } else if (size >= 128) {
            out.push_back(0x81);
        }
        out.push_back(static_cast<std::uint8_t>(size));
        append(out, contents);
        return out;
    }
    Bytes container(std::uint8_t tag, const Bytes& contents) const {
        if (definite)
            return element(tag, contents);
        return join({{tag, 0x80}, contents, {0x00, 0x00}});
    }
};

} // namespace redoubt::crypto
