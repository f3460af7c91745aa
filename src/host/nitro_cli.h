// SPDX-License-Identifier: Apache-2.0
// What AWS's nitro-cli prints, read strictly: members that are unknown, missing or of another type are
// errors, for a watchdog that misreads the list of enclaves would start doubles. Pure functions.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace redoubt::host::nitro_cli {

// run-enclave.
struct Run {
    std::string name, id;
    std::uint64_t process_id = 0;
    std::uint32_t cid = 0;
    std::vector<std::uint64_t> cpu_ids;
    std::uint64_t cpus = 0, memory_mib = 0;
};
Result<Run> parse_run(std::string_view json); // Error: RunnerFailed

// One of describe-enclaves.
struct Described {
    std::string name; // empty where it is not told (enclaves of an older nitro-cli)
    std::string id;
    std::uint32_t cid = 0;
    enum class State { Running, Terminating, Empty } state = State::Empty;
    bool debug = false;
    std::string
        pcr0; // 96 lower-case hex digits; empty where it is not told (state Empty, an older nitro-cli)
    std::uint64_t process_id = 0;
};
Result<std::vector<Described>> parse_describe(std::string_view json); // Error: RunnerFailed

// terminate-enclave: the id of the one that ended. Error: RunnerFailed (also where it says that it did not).
Result<std::string> parse_terminate(std::string_view json);

// "E36" of an error message "[ E36 ] Enclave boot failure. …"; empty without one.
std::string error_code(std::string_view err);
// What failed and what to do, from what nitro-cli wrote to standard error.
Error explain(std::string_view err);

} // namespace redoubt::host::nitro_cli
