// SPDX-License-Identifier: Apache-2.0
#include "gateway/input_file.h"

#include <fstream>
#include <iterator>

namespace redoubt::gateway {

Result<std::string> read_input_file(const std::string& path, std::size_t limit) {
    std::ifstream in(path, std::ios::binary);
    if (!in)
        return fail(Code::Io, "a file cannot be read", path);
    std::string text{std::istreambuf_iterator<char>(in), {}};
    if (text.empty() || text.size() > limit)
        return fail(Code::Io, "a file is empty or too large", path);
    return text;
}

} // namespace redoubt::gateway
