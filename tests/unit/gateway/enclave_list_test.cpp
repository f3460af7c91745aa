// SPDX-License-Identifier: Apache-2.0
#include "gateway/enclave_list.h"
#include "support.h"

namespace redoubt {
namespace {

using namespace tests;

std::string joined(const Result<std::vector<net::Endpoint>>& list) {
    if (!list)
        return std::string(code_name(list.error().code)) + " " + list.error().context;
    std::string out;
    for (const auto& endpoint : *list)
        out += endpoint.text() + " ";
    return out;
}

TEST(EnclaveList, an_endpoint_a_line_in_their_order) {
    EXPECT_EQ(joined(gateway::parse_enclave_list("unix:/run/a\nvsock:16:5000")),
              "unix:/run/a vsock:16:5000 ");
    EXPECT_EQ(joined(gateway::parse_enclave_list(
                  "# two of them\n\n  unix:/a \t# the first\r\n#unix:/b\nunix:/c\n")),
              "unix:/a unix:/c ");
}

TEST(EnclaveList, what_is_no_endpoint_is_refused_with_its_line) {
    EXPECT_EQ(joined(gateway::parse_enclave_list("unix:/a\n\nnothing\nunix:/b")), "usage line 3");
    EXPECT_EQ(joined(gateway::parse_enclave_list("vsock:16")), "usage line 1");
    EXPECT_EQ(joined(gateway::parse_enclave_list("unix:/a\nunix:#/b")), "usage line 2");
}

TEST(EnclaveList, a_list_without_enclaves_is_refused_and_so_is_a_file_that_is_not_there_or_too_long) {
    EXPECT_EQ(joined(gateway::parse_enclave_list("")), "usage ");
    EXPECT_EQ(joined(gateway::parse_enclave_list("# none\n\n")), "usage ");
    const Folder folder;
    const std::string path = folder.file("enclaves");
    EXPECT_EQ(joined(gateway::read_enclave_list(path)), "io " + path);
    write_text(path, "unix:/a\n");
    EXPECT_EQ(joined(gateway::read_enclave_list(path)), "unix:/a ");
    write_text(path, std::string(gateway::kMaxEnclaveList + 1, '\n'));
    EXPECT_EQ(joined(gateway::read_enclave_list(path)), "io " + path);
}

} // namespace
} // namespace redoubt
