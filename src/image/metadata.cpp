// SPDX-License-Identifier: Apache-2.0
// aws-nitro-enclaves-image-format, README.md, "EifSectionMetadata"; all of its members but CustomMetadata are
// required.
#include "image/metadata.h"

#include "base/json.h"
#include "base/utf8.h"

#include <algorithm>

namespace redoubt::image {

namespace {

// What `docker image inspect` says has no limit of its own.
constexpr json::Limits kLimits{.bytes = 1 << 22, .depth = 32, .values = 1 << 16};

// Boot protocol 2.00: "HdrS" at 0x202; at 0x20e where the version's text is, counted from 0x200, or zero.
constexpr std::size_t kMagicAt = 0x202, kVersionAt = 0x20e, kSetupHeader = 0x200;
constexpr std::size_t kMaxKernelVersion = 64;

std::unexpected<Error> invalid(FixedText text) {
    return fail(Code::ImageInvalid, text);
}

struct Text {
    std::string_view name;
    std::string Metadata::*field;
};
constexpr Text kImage[] = {{"ImageName", &Metadata::name}, {"ImageVersion", &Metadata::version}};
constexpr Text kBuild[] = {{"BuildTime", &Metadata::build_time},
                           {"BuildTool", &Metadata::build_tool},
                           {"BuildToolVersion", &Metadata::build_tool_version},
                           {"OperatingSystem", &Metadata::operating_system},
                           {"KernelVersion", &Metadata::kernel_version}};

bool is_object(const std::string& text, json::Document& document) {
    const auto value = document.parse(text, kLimits);
    return value && value->is_object();
}

bool read_texts(const json::Value& object, std::span<const Text> members, Metadata& out) {
    return std::all_of(members.begin(), members.end(), [&](const Text& member) {
        const auto value = object.get(member.name);
        if (!value || !value->is_string())
            return false;
        out.*member.field = value->text();
        return true;
    });
}

} // namespace

Result<std::string> write_metadata(const Metadata& metadata) {
    json::Document document;
    if (metadata.custom.size() > kMaxCustomMetadata)
        return invalid("custom metadata is at most 4096 bytes of JSON");
    if (!is_object(metadata.custom, document))
        return invalid("custom metadata must be a JSON object");
    if (!is_object(metadata.docker_info, document))
        return invalid("the Docker information must be a JSON object");
    std::string out;
    json::Writer writer(out);
    const auto write = [&](std::span<const Text> members) {
        return std::all_of(members.begin(), members.end(), [&](const Text& member) {
            writer.member(member.name, metadata.*member.field);
            return is_utf8(metadata.*member.field);
        });
    };
    writer.begin_object();
    bool utf8 = write(kImage);
    writer.key("BuildMetadata").begin_object();
    utf8 = write(kBuild) && utf8;
    writer.end_object()
        .key("DockerInfo")
        .raw(metadata.docker_info)
        .key("CustomMetadata")
        .raw(metadata.custom)
        .end_object();
    if (!utf8)
        return invalid("the image's name, version and build metadata must be UTF-8");
    return out;
}

Result<Metadata> read_metadata(ByteView json) {
    json::Document document;
    const auto root = document.parse(as_text(json), kLimits);
    if (!root || !root->is_object())
        return invalid("the EIF's metadata is not a JSON object");
    Metadata out;
    const auto build = root->get("BuildMetadata");
    const auto docker = root->get("DockerInfo");
    if (!read_texts(*root, kImage, out) || !build || !read_texts(*build, kBuild, out) || !docker)
        return invalid("the EIF's metadata lacks a member that nitro-cli writes, or has it of another type");
    const auto custom = root->get("CustomMetadata");
    out.docker_info = docker->raw();
    out.custom = custom ? custom->raw() : "null";
    return out;
}

std::string kernel_version(ByteView kernel) {
    const std::string_view text = as_text(kernel);
    std::string out = "Unknown";
    if (kernel.size() < kVersionAt + 2 || text.substr(kMagicAt, 4) != "HdrS")
        return out;
    const std::size_t at = kSetupHeader + (kernel[kVersionAt] | std::size_t{kernel[kVersionAt + 1]} << 8);
    if (at == kSetupHeader || at >= kernel.size())
        return out;
    const std::string_view rest = text.substr(at, kMaxKernelVersion);
    const std::string_view version = rest.substr(0, rest.find_first_of(std::string_view(" \0", 2)));
    if (version.empty() ||
        std::any_of(version.begin(), version.end(), [](char c) { return c < '!' || c > '~'; }))
        return out;
    return std::string(version);
}

} // namespace redoubt::image
