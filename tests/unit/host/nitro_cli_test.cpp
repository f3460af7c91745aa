// SPDX-License-Identifier: Apache-2.0
#include "host/nitro_cli.h"

#include <gtest/gtest.h>

namespace redoubt::host::tests {

namespace {

const std::string kPcr(96, '7');

std::string replaced(std::string text, const std::string& from, const std::string& to) {
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
}

const std::string kRun = R"({
  "EnclaveName": "redoubt-16",
  "EnclaveID": "i-0abc-enc0123456789abcdef",
  "ProcessID": 4711,
  "EnclaveCID": 16,
  "NumberOfCPUs": 2,
  "CPUIDs": [1, 3],
  "MemoryMiB": 256
}
)";
const std::string kEnclave = R"({
    "EnclaveName": "redoubt-16",
    "EnclaveID": "i-0abc-enc0123456789abcdef",
    "ProcessID": 4711,
    "EnclaveCID": 16,
    "NumberOfCPUs": 2,
    "CPUIDs": [1, 3],
    "MemoryMiB": 256,
    "State": "RUNNING",
    "Flags": "NONE",
    "Measurements": {"HashAlgorithm": "Sha384 { ... }", "PCR0": ")" +
                             kPcr + R"(", "PCR1": ")" + kPcr + R"(", "PCR2": ")" + kPcr + R"("}
  })";
const std::string kList = "[\n  " + kEnclave + "\n]\n";

TEST(nitro_cli, reads_what_run_enclave_prints) {
    const auto run = nitro_cli::parse_run(kRun);
    ASSERT_TRUE(run) << run.error().describe();
    EXPECT_EQ(run->name, "redoubt-16");
    EXPECT_EQ(run->id, "i-0abc-enc0123456789abcdef");
    EXPECT_EQ(run->process_id, 4711u);
    EXPECT_EQ(run->cid, 16u);
    EXPECT_EQ(run->cpu_ids, (std::vector<std::uint64_t>{1, 3}));
    EXPECT_EQ(run->memory_mib, 256u);
}

TEST(nitro_cli, reads_the_list_of_enclaves_and_an_empty_one) {
    const auto none = nitro_cli::parse_describe("[]\n");
    ASSERT_TRUE(none);
    EXPECT_TRUE(none->empty());
    const auto list = nitro_cli::parse_describe(kList);
    ASSERT_TRUE(list) << list.error().describe();
    ASSERT_EQ(list->size(), 1u);
    const auto& one = list->front();
    EXPECT_EQ(one.name, "redoubt-16");
    EXPECT_EQ(one.cid, 16u);
    EXPECT_EQ(one.state, nitro_cli::Described::State::Running);
    EXPECT_FALSE(one.debug);
    EXPECT_EQ(one.pcr0, kPcr);
}

TEST(nitro_cli, reads_states_flags_and_what_is_told_only_of_some_enclaves) {
    const auto list = nitro_cli::parse_describe(
        "[" + replaced(replaced(kEnclave, "RUNNING", "TERMINATING"), "NONE", "DEBUG_MODE") + "," +
        replaced(replaced(kEnclave, "0123456789abcdef", "1123456789abcdef"), "\"PCR2\"",
                 "\"PCR8\": \"" + kPcr + "\", \"PCR2\"") +
        "," +
        replaced(replaced(kEnclave, "0123456789abcdef", "2123456789abcdef"), "\"State\": \"RUNNING\"",
                 R"("ImageName": "x y", "ImageVersion": "1", "Metadata": {"a": [1]}, "State": "RUNNING")") +
        "]");
    ASSERT_TRUE(list) << list.error().describe();
    ASSERT_EQ(list->size(), 3u);
    EXPECT_EQ((*list)[0].state, nitro_cli::Described::State::Terminating);
    EXPECT_TRUE((*list)[0].debug);
    EXPECT_EQ((*list)[2].state, nitro_cli::Described::State::Running);
}

TEST(nitro_cli, reads_enclaves_that_are_listed_without_name_or_measurements) {
    const auto nameless = nitro_cli::parse_describe(replaced(kList, "\"EnclaveName\": \"redoubt-16\",", ""));
    ASSERT_TRUE(nameless) << nameless.error().describe();
    EXPECT_EQ(nameless->front().name, "");
    EXPECT_EQ(nameless->front().pcr0, kPcr);
    const auto unmeasured = nitro_cli::parse_describe(replaced(kList, "\"Measurements\"", "\"Metadata\""));
    ASSERT_TRUE(unmeasured) << unmeasured.error().describe();
    EXPECT_EQ(unmeasured->front().name, "redoubt-16");
    EXPECT_EQ(unmeasured->front().pcr0, "");
}

TEST(nitro_cli, refuses_every_other_list) {
    const struct {
        const char* what;
        std::string text;
    } cases[] = {
        {"nothing", ""},
        {"words", "no enclaves"},
        {"an object", "{}"},
        {"cut short", kList.substr(0, kList.size() - 3)},
        {"something after it", kList + "x"},
        {"two lists", kList + kList},
        {"a string in it", "[\"a\"]"},
        {"one enclave twice", "[" + kEnclave + "," + kEnclave + "]"},
        {"no id", replaced(kList, "\"EnclaveID\": \"i-0abc-enc0123456789abcdef\",", "")},
        {"an id that is an option", replaced(kList, "i-0abc", "--all")},
        {"an id with a space", replaced(kList, "i-0abc", "i-0 abc")},
        {"an empty id", replaced(kList, "i-0abc-enc0123456789abcdef", "")},
        {"an id twice", replaced(kList, "\"ProcessID\"", R"("EnclaveID": "i-1", "ProcessID")")},
        {"a name with a line feed", replaced(kList, "redoubt-16", "redoubt\\n16")},
        {"a name of a kilobyte", replaced(kList, "redoubt-16", std::string(1024, 'n'))},
        {"a CID in quotes", replaced(kList, "\"EnclaveCID\": 16", "\"EnclaveCID\": \"16\"")},
        {"a negative CID", replaced(kList, "\"EnclaveCID\": 16", "\"EnclaveCID\": -16")},
        {"a CID with a point", replaced(kList, "\"EnclaveCID\": 16", "\"EnclaveCID\": 16.0")},
        {"the CID that means any", replaced(kList, "\"EnclaveCID\": 16", "\"EnclaveCID\": 4294967295")},
        {"a CID beyond 32 bits", replaced(kList, "\"EnclaveCID\": 16", "\"EnclaveCID\": 4294967312")},
        {"another state", replaced(kList, "RUNNING", "Running")},
        {"other flags", replaced(kList, "NONE", "NONE|DEBUG_MODE")},
        {"CPUs that are no list", replaced(kList, "[1, 3]", "2")},
        {"CPUs that are no numbers", replaced(kList, "[1, 3]", "[\"1\"]")},
        {"an unknown member", replaced(kList, "\"State\"", "\"Health\": 1, \"State\"")},
        {"measurements that are no object",
         replaced(kList, "\"Measurements\": {", "\"Measurements\": [], \"Metadata\": {")},
        {"another hash", replaced(kList, "Sha384", "Sha256")},
        {"a short PCR", replaced(kList, kPcr, std::string(64, '7'))},
        {"a PCR with capitals", replaced(kList, kPcr, std::string(96, 'A'))},
        {"no PCR0", replaced(kList, "\"PCR0\"", "\"PCR8\"")},
        {"an unknown PCR", replaced(kList, "\"PCR2\"", "\"PCR9\": \"" + kPcr + "\", \"PCR2\"")},
    };
    for (const auto& one : cases) {
        const auto list = nitro_cli::parse_describe(one.text);
        EXPECT_FALSE(list) << one.what;
        if (!list) {
            EXPECT_EQ(list.error().code, Code::RunnerFailed) << one.what;
        }
    }
    std::string many = "[";
    for (int i = 0; i < 64; ++i)
        many += (i == 0 ? "" : ",") + replaced(kEnclave, "enc0", "enc" + std::to_string(i) + "x");
    EXPECT_TRUE(nitro_cli::parse_describe(many + "]"));
    EXPECT_FALSE(nitro_cli::parse_describe(many + "," + kEnclave + "]"));
}

TEST(nitro_cli, refuses_every_other_answer_of_run_enclave) {
    for (const auto& text : {std::string(), std::string("[]"), kRun + kRun, kRun.substr(0, 80),
                             replaced(kRun, "\"ProcessID\": 4711,", ""), replaced(kRun, "4711", "\"4711\""),
                             replaced(kRun, "\"MemoryMiB\": 256", "\"MemoryMiB\": 256, \"More\": 1"),
                             replaced(kRun, "i-0abc", "-abc")})
        EXPECT_FALSE(nitro_cli::parse_run(text)) << text;
}

TEST(nitro_cli, believes_an_end_only_where_it_is_said) {
    const std::string ended =
        R"({"EnclaveName": "redoubt-16", "EnclaveID": "i-0abc-enc01", "Terminated": true})";
    EXPECT_EQ(nitro_cli::parse_terminate(ended).value(), "i-0abc-enc01");
    EXPECT_EQ(nitro_cli::parse_terminate(replaced(ended, "\"EnclaveName\": \"redoubt-16\", ", "")).value(),
              "i-0abc-enc01");
    for (const auto& text : {replaced(ended, "true", "false"), replaced(ended, "true", "\"true\""),
                             replaced(ended, ", \"Terminated\": true", ""), std::string("{}")})
        EXPECT_FALSE(nitro_cli::parse_terminate(text)) << text;
}

TEST(nitro_cli, finds_the_error_code_among_other_output) {
    EXPECT_EQ(nitro_cli::error_code("Start allocating memory...\n[ E36 ] Enclave boot failure. Such"), "E36");
    EXPECT_EQ(nitro_cli::error_code("[ E39 ] Enclave process connection failure."), "E39");
    EXPECT_EQ(nitro_cli::error_code("cpu-ids: [ E3 ] and [ Exx ] and [ E27 ]"), "E27");
    for (const char* none : {"", "E36", "[E36]", "[ E36", "[ E", "[ E3 ]"})
        EXPECT_EQ(nitro_cli::error_code(none), "") << none;
}

TEST(nitro_cli, says_what_to_do_about_known_errors_and_repeats_unknown_ones) {
    const auto boot = nitro_cli::explain("Start allocating memory...\n[ E36 ] Enclave boot failure.\nMore");
    EXPECT_EQ(boot.code, Code::RunnerFailed);
    EXPECT_NE(boot.text.view().find("raise --memory"), std::string_view::npos);
    EXPECT_TRUE(boot.context.starts_with("[ E36 ]")) << boot.context;
    EXPECT_EQ(boot.context.find('\n'), std::string::npos);
    const auto connection = nitro_cli::explain("[ E39 ] Enclave process connection failure.");
    EXPECT_NE(connection.text.view(), boot.text.view());
    EXPECT_NE(connection.text.view().find("/run/nitro_enclaves"), std::string_view::npos);
    const auto unknown = nitro_cli::explain("[ E99 ] Something\x1b[31m new.");
    EXPECT_NE(unknown.context.find("E99"), std::string::npos);
    EXPECT_EQ(unknown.context.find('\x1b'), std::string::npos);
    EXPECT_LE(nitro_cli::explain(std::string(100'000, 'x')).context.size(), 400u);
}

} // namespace

} // namespace redoubt::host::tests
