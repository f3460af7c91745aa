// SPDX-License-Identifier: Apache-2.0
// Where the conformance vectors are: the environment variable REDOUBT_VECTORS, else a folder beside the
// project.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

namespace redoubt::tests {

inline std::optional<std::filesystem::path> vectors_folder() {
    const char* from_environment = std::getenv("REDOUBT_VECTORS");
    const std::filesystem::path folder =
        from_environment != nullptr ? from_environment : REDOUBT_VECTORS_DEFAULT;
    if (!std::filesystem::is_directory(folder))
        return std::nullopt;
    return folder;
}

inline std::string read_file(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

} // namespace redoubt::tests

#define REDOUBT_NEED_VECTORS(variable)                                                                       \
    const auto variable##_found = redoubt::tests::vectors_folder();                                          \
    if (!variable##_found)                                                                                   \
        GTEST_SKIP() << "no conformance vectors: set REDOUBT_VECTORS to their folder";                       \
    const std::filesystem::path variable = *variable##_found
