// SPDX-License-Identifier: Apache-2.0
// Files of a Nitro Enclaves host, as pure functions.
#pragma once

#include "doctor/checks.h"

namespace redoubt::doctor {

// /etc/nitro_enclaves/allocator.yaml: memory_mib, and cpu_count or cpu_pool ("2,3,6-9").
struct Allocator {
    std::uint64_t memory_mib = 0;
    std::uint64_t cpus = 0;
};
Result<Allocator> parse_allocator(const std::string& yaml); // Error: Usage

// What `nitro-cli describe-enclaves` prints.
struct DescribedEnclave {
    std::string id, state, pcr0; // pcr0: hex, empty where it is not told
    bool debug = false;
};
Result<std::vector<DescribedEnclave>> parse_enclaves(std::string_view text); // Error: BadJson

} // namespace redoubt::doctor
