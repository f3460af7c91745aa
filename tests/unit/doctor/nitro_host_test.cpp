// SPDX-License-Identifier: Apache-2.0
#include "doctor/nitro_host.h"
#include "support.h"

#include <sys/stat.h>

namespace redoubt::doctor::tests {
namespace {

class NitroHost : public ::testing::Test {
  protected:
    NitroHost() {
        inputs_.system_root = host_.path();
        host_.write("dev/nitro_enclaves", "");
        host_.write("dev/vsock", "");
        host_.write("etc/nitro_enclaves/allocator.yaml", "---\nmemory_mib: 512\ncpu_count: 2\n");
        host_.write("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "256\n");
        host_.write("sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "0\n");
        enclaves("[{\"EnclaveID\":\"i-1-enc2\",\"State\":\"RUNNING\",\"Flags\":\"NONE\",\"Measurements\":{"
                 "\"PCR0\":\"" +
                 std::string(96, 'a') + "\"}}]");
    }
    // A nitro-cli that prints this.
    void enclaves(const std::string& json, int exit_code = 0) {
        const auto data = host_.write("enclaves.json", json);
        const auto program =
            host_.write("usr/bin/nitro-cli", "#!/bin/sh\n[ \"$1\" = describe-enclaves ] && cat " + data +
                                                 "; exit " + std::to_string(exit_code) + "\n");
        chmod(program.c_str(), 0755);
    }
    Report run() {
        Report report;
        check_nitro_host(inputs_, {}, report);
        return report;
    }

    Folder host_;
    Inputs inputs_;
};

TEST_F(NitroHost, that_is_set_up_is_fine) {
    inputs_.pcr0 = from_hex(std::string(96, 'a'));
    const auto report = run();
    EXPECT_TRUE(report.fine()) << json_report(report);
    for (const char* check :
         {"nitro-device", "nitro-vsock", "nitro-allocator", "nitro-hugepages", "nitro-enclave"})
        EXPECT_EQ(only(report, check).level, Level::Ok) << check;
}

TEST_F(NitroHost, in_process_mode_is_not_looked_at) {
    inputs_.process_mode = true;
    inputs_.system_root = "/nowhere";
    const auto report = run();
    EXPECT_EQ(report.findings().size(), 5u);
    for (const auto& finding : report.findings())
        EXPECT_EQ(finding.level, Level::Skipped);
}

TEST_F(NitroHost, without_its_devices_is_told) {
    std::filesystem::remove(host_.file("dev/nitro_enclaves"));
    std::filesystem::remove(host_.file("dev/vsock"));
    const auto report = run();
    EXPECT_TRUE(says(only(report, "nitro-device"), "--enclave-options Enabled=true"));
    EXPECT_EQ(only(report, "nitro-vsock").level, Level::Fail);
}

TEST_F(NitroHost, whose_allocator_got_less_than_it_asked_for_is_told) {
    host_.write("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "255\n");
    EXPECT_TRUE(says(only(run(), "nitro-hugepages"), "510 MiB of the 512 MiB"));
    host_.write("sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "1\n");
    EXPECT_EQ(only(run(), "nitro-hugepages").level, Level::Ok);
    host_.write("etc/nitro_enclaves/allocator.yaml", "memory_mib: 512\n");
    EXPECT_EQ(only(run(), "nitro-allocator").level, Level::Fail);
    std::filesystem::remove(host_.file("etc/nitro_enclaves/allocator.yaml"));
    EXPECT_EQ(only(run(), "nitro-allocator").level, Level::Fail);
}

TEST_F(NitroHost, without_a_running_enclave_of_the_pinned_image_is_told) {
    enclaves("[]");
    EXPECT_TRUE(says(only(run(), "nitro-enclave"), "no enclave runs"));
    enclaves(R"([{"EnclaveID":"i-1-enc2","State":"RUNNING","Flags":"DEBUG_MODE"}])");
    EXPECT_TRUE(says(only(run(), "nitro-enclave"), "debug mode"));
    enclaves(R"([{"EnclaveID":"i-1-enc2","State":"TERMINATING","Flags":"NONE"}])");
    EXPECT_TRUE(says(only(run(), "nitro-enclave"), "no enclave runs"));
    enclaves("[{\"EnclaveID\":\"i-1-enc2\",\"State\":\"RUNNING\",\"Flags\":\"NONE\",\"Measurements\":{"
             "\"PCR0\":\"" +
             std::string(96, 'b') + "\"}}]");
    inputs_.pcr0 = from_hex(std::string(96, 'a'));
    EXPECT_TRUE(says(only(run(), "nitro-enclave"), "PCR0 bbbbbbbbbbbbbbbb…"));
    for (const char* bad : {"", "{}", "not json"}) {
        enclaves(bad);
        EXPECT_TRUE(says(only(run(), "nitro-enclave"), "does not work")) << bad;
    }
    enclaves("[]", 1);
    EXPECT_TRUE(says(only(run(), "nitro-enclave"), "does not work"));
    std::filesystem::remove(host_.file("usr/bin/nitro-cli"));
    EXPECT_TRUE(says(only(run(), "nitro-enclave"), "not installed"));
}

TEST(Allocator, counts_memory_and_cpus) {
    EXPECT_EQ(parse_allocator("memory_mib: 512\ncpu_pool: 2,3,6-9\n")->cpus, 6u);
    EXPECT_EQ(parse_allocator("memory_mib: 3000\ncpu_count: 2\n")->memory_mib, 3000u);
    for (const char* bad :
         {"", "[]", "memory_mib: 512", "cpu_count: 2", "memory_mib: x\ncpu_count: 2",
          "memory_mib: 0\ncpu_count: 2", "memory_mib: 512\ncpu_count: 2\ncpu_pool: 2",
          "memory_mib: 512\ncpu_pool: 9-6", "memory_mib: 512\ncpu_pool: a", "memory_mib: 512\ncpu_count: -1",
          "memory_mib: 512\ncpu_pool: 1-99999999999", "{: x"})
        EXPECT_FALSE(parse_allocator(bad)) << bad;
}

} // namespace
} // namespace redoubt::doctor::tests
