// SPDX-License-Identifier: Apache-2.0
// The allow-list file of AWS's vsock-proxy (/etc/nitro_enclaves/vsock-proxy.yaml).
#include "host/vsock_proxy.h"

#include <algorithm>
#include <charconv>
#include <yaml-cpp/yaml.h>

namespace redoubt::host {

namespace {

constexpr std::size_t kMaxBytes = 1 << 20;
constexpr std::size_t kMaxNameBytes = 253; // RFC 1035 section 2.3.4, in text form

std::string line_of(const YAML::Node& node) {
    const YAML::Mark mark = node.Mark();
    return mark.is_null() ? "end of file" : "line " + std::to_string(mark.line + 1);
}

bool is_address(const std::string& text) {
    return !text.empty() && text.size() <= kMaxNameBytes && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
               c == '-' || c == '_' || c == ':';
    });
}

Result<AllowEntry> parse_entry(const YAML::Node& node) {
    if (!node.IsMap())
        return fail(Code::Usage, "each entry of the allow-list is a mapping of address and port",
                    line_of(node));
    YAML::Node address;
    YAML::Node port;
    bool has_address = false;
    bool has_port = false;
    for (const auto& member : node) {
        const std::string name = member.first.IsScalar() ? member.first.Scalar() : std::string();
        if (name == "address" && !has_address) {
            address.reset(member.second);
            has_address = true;
        } else if (name == "port" && !has_port) {
            port.reset(member.second);
            has_port = true;
        } else {
            return fail(Code::Usage, "an entry of the allow-list has the members address and port, each once",
                        line_of(member.first));
        }
    }
    if (!has_address || !has_port)
        return fail(Code::Usage, "an entry of the allow-list needs both address and port", line_of(node));
    if (!address.IsScalar() || !is_address(address.Scalar()))
        return fail(Code::Usage, "an allow-list address is a host name or a numeric address",
                    line_of(address));
    // yaml-cpp tags a quoted scalar "!": a string, which AWS's vsock-proxy refuses as a port as well.
    std::uint16_t number = 0;
    const std::string digits = port.IsScalar() && port.Tag() != "!" ? port.Scalar() : std::string();
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc() || end != digits.data() + digits.size() || number == 0)
        return fail(Code::Usage, "an allow-list port is an unquoted number from 1 to 65535", line_of(port));
    return AllowEntry{address.Scalar(), number};
}

Result<std::vector<AllowEntry>> parse_document(const std::string& yaml) {
    const std::vector<YAML::Node> documents = YAML::LoadAll(yaml);
    if (documents.size() != 1 || !documents[0].IsMap())
        return fail(Code::Usage, "the allow-list file holds one mapping with the member allowlist",
                    documents.empty() ? "empty file" : line_of(documents.back()));
    const YAML::Node* list = nullptr;
    YAML::Node found;
    for (const auto& member : documents[0]) {
        if (list != nullptr || !member.first.IsScalar() || member.first.Scalar() != "allowlist")
            return fail(Code::Usage, "the allow-list file has one member, allowlist, and no other",
                        line_of(member.first));
        found.reset(member.second);
        list = &found;
    }
    if (list == nullptr || !list->IsSequence())
        return fail(Code::Usage, "allowlist is a sequence of entries", line_of(documents[0]));
    std::vector<AllowEntry> out;
    for (const auto& node : *list) {
        REDOUBT_TRY(AllowEntry entry, parse_entry(node));
        out.push_back(std::move(entry));
    }
    return out;
}

} // namespace

Result<std::vector<AllowEntry>> parse_allowlist(const std::string& yaml) {
    if (yaml.size() > kMaxBytes)
        return fail(Code::Usage, "the allow-list file is longer than 1 MiB");
    try {
        return parse_document(yaml);
    } catch (const YAML::Exception& e) {
        return fail(Code::Usage, "the allow-list file is not YAML",
                    "line " + std::to_string(e.mark.line + 1) + ": " + e.msg);
    }
}

} // namespace redoubt::host
