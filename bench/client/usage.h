// SPDX-License-Identifier: Apache-2.0
// What the window cost: this process's CPU, and allocations of the processes under measurement where those
// were built to count them (bench/count_allocations.cpp).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace redoubt::bench {

double cpu_seconds();

struct Allocated {
    std::string name;
    std::uint64_t calls = 0, bytes = 0; // of malloc and its like
};

// `files`: a name and a counters' file each; several files of one name count together.
std::vector<Allocated> read_allocations(const std::vector<std::pair<std::string, std::string>>& files);

} // namespace redoubt::bench
