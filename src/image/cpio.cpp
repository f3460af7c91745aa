// SPDX-License-Identifier: Apache-2.0
#include "image/cpio.h"

#include <algorithm>
#include <cstdio>
#include <set>

namespace redoubt::image {

namespace {

constexpr std::size_t kMaxContent = 0xffffffff;
constexpr const char* kTrailer = "TRAILER!!!";              // the last entry; no other may have its name
constexpr std::uint32_t kFolder = 0040000, kFile = 0100000; // of a mode, as stat(2)'s

void pad(Bytes& out) {
    out.resize((out.size() + 3) / 4 * 4, 0);
}

void add(Bytes& out, std::uint32_t inode, std::uint32_t mode, const CpioEntry& entry) {
    const auto& [path, permissions, folder, content] = entry;
    char header[111];
    // ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
    std::snprintf(header, sizeof header, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
                  static_cast<unsigned>(inode), static_cast<unsigned>(mode), 0u, 0u, folder ? 2u : 1u, 0u,
                  static_cast<unsigned>(content.size()), 0u, 0u, 0u, 0u,
                  static_cast<unsigned>(path.size() + 1), 0u);
    append(out, as_bytes(std::string_view(header, sizeof header - 1)));
    append(out, as_bytes(path));
    out.push_back(0);
    pad(out);
    append(out, content);
    pad(out);
}

bool is_path(const std::string& path) {
    if (path.empty() || path == kTrailer || path.size() > 255 || path.find('\0') != std::string::npos)
        return false;
    for (std::size_t begin = 0; begin <= path.size();) {
        const std::size_t slash = std::min(path.find('/', begin), path.size());
        const std::string_view part = std::string_view(path).substr(begin, slash - begin);
        if (part.empty() || part == "." || part == "..")
            return false;
        begin = slash + 1;
    }
    return true;
}

} // namespace

Result<Bytes> write_cpio(const std::vector<CpioEntry>& entries) {
    Bytes out;
    std::set<std::string> paths, folders;
    std::uint32_t inode = 0;
    for (const auto& entry : entries) {
        const std::size_t slash = entry.path.rfind('/');
        if (!is_path(entry.path) || entry.permissions > 0777 || entry.content.size() > kMaxContent ||
            (entry.folder && !entry.content.empty()))
            return fail(Code::ImageInvalid, "a ramdisk's entry has no proper path, permissions or content",
                        entry.path);
        if (!paths.insert(entry.path).second ||
            (slash != std::string::npos && !folders.contains(entry.path.substr(0, slash))))
            return fail(Code::ImageInvalid, "a ramdisk's entry comes twice, or before its folder",
                        entry.path);
        if (entry.folder)
            folders.insert(entry.path);
        add(out, ++inode, (entry.folder ? kFolder : kFile) | entry.permissions, entry);
    }
    add(out, 0, 0, {.path = kTrailer});
    return out;
}

} // namespace redoubt::image
