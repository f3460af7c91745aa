// SPDX-License-Identifier: Apache-2.0
#include "gateway/enclave_list.h"

#include <algorithm>
#include <fstream>
#include <iterator>

namespace redoubt::gateway {

namespace {

std::string_view trimmed(std::string_view line) noexcept {
    constexpr std::string_view kSpace = " \t\r";
    line = line.substr(0, line.find('#'));
    const std::size_t first = line.find_first_not_of(kSpace);
    if (first == std::string_view::npos)
        return {};
    return line.substr(first, line.find_last_not_of(kSpace) - first + 1);
}

} // namespace

Result<std::vector<net::Endpoint>> parse_enclave_list(std::string_view text) {
    std::vector<net::Endpoint> out;
    for (std::size_t number = 1; !text.empty(); ++number) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = trimmed(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.empty())
            continue;
        auto endpoint = net::parse_endpoint(line);
        if (!endpoint)
            return fail(Code::Usage, "a line of the list of enclaves is no vsock:CID:PORT or unix:PATH",
                        "line " + std::to_string(number));
        out.push_back(std::move(*endpoint));
    }
    if (out.empty())
        return fail(Code::Usage, "the list of enclaves names none");
    return out;
}

Result<std::vector<net::Endpoint>> read_enclave_list(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in)
        return fail(Code::Io, "the list of enclaves cannot be read", path);
    std::string text(kMaxEnclaveList + 1, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
    if (in.bad() || text.size() > kMaxEnclaveList)
        return fail(Code::Io, "the list of enclaves cannot be read, or has more than 64 KiB", path);
    return parse_enclave_list(text);
}

} // namespace redoubt::gateway
