// SPDX-License-Identifier: Apache-2.0
#include "devcloud/forgery.h"

#include "base/json.h"
#include "base/secret.h"

#include <functional>

namespace redoubt::devcloud {

namespace {

constexpr std::string_view kNobodysKey = "00000000-0000-4000-8000-000000000000";

// Writes the reply's object anew; `member` writes a member's value, or returns false to leave it as it is.
void rewrite(net::HttpResponse& response,
             const std::function<bool(const json::Value&, json::Writer&)>& member,
             const std::function<void(json::Writer&)>& end = {}) {
    json::Document document;
    const auto root = document.parse(as_text(response.body));
    if (response.status != 200 || !root || !root->is_object())
        return;
    std::string body;
    json::Writer writer(body);
    writer.begin_object();
    for (const auto value : *root) {
        writer.key(value.name());
        if (!member(value, writer))
            writer.raw(value.raw());
    }
    if (end)
        end(writer);
    writer.end_object();
    wipe(response.body);
    response.body = to_bytes(body);
    wipe(body);
}

void flip(net::HttpResponse& response, std::string_view name,
          const std::function<std::size_t(std::size_t size)>& place) {
    rewrite(response, [&](const json::Value& value, json::Writer& writer) {
        if (value.name() != name || !value.is_string())
            return false;
        auto bytes = from_base64(value.text());
        if (!bytes || bytes->empty())
            return false;
        (*bytes)[place(bytes->size())] ^= 1;
        writer.string(to_base64(*bytes));
        return true;
    });
}

} // namespace

void name_another_key(net::HttpResponse& response) {
    rewrite(response, [](const json::Value& value, json::Writer& writer) {
        if (value.name() != "KeyId" || !value.is_string())
            return false;
        std::string arn(value.text());
        arn.resize(arn.rfind('/') == std::string::npos ? 0 : arn.rfind('/') + 1);
        writer.string(arn + std::string(kNobodysKey));
        return true;
    });
}

void forge_reply(net::HttpResponse& response, Forgery forgery) {
    switch (forgery) {
    case Forgery::CmsAltered:
        // CMS ends with its encrypted content and at most 10 bytes of end-of-contents; the content of a data
        // key is 48 bytes (AES-CBC with padding), so this byte is one of it.
        return flip(response, "CiphertextForRecipient",
                    [](std::size_t size) { return size > 24 ? size - 24 : size / 2; });
    case Forgery::CiphertextAltered:
        return flip(response, "CiphertextBlob", [](std::size_t size) { return size - 1; });
    case Forgery::PlaintextPresent: {
        bool sealed = false;
        return rewrite(
            response,
            [&](const json::Value& value, json::Writer&) {
                sealed = sealed || value.name() == "CiphertextForRecipient";
                return false;
            },
            [&](json::Writer& writer) {
                if (sealed)
                    writer.member("Plaintext", to_base64(Bytes(32, 0x5a)));
            });
    }
    case Forgery::NotJson:
        if (response.status == 200)
            response.body.resize(response.body.size() / 2);
        return;
    }
}

} // namespace redoubt::devcloud
