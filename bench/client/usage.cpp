// SPDX-License-Identifier: Apache-2.0
#include "client/usage.h"

#include "client/spec.h"

#include <algorithm>
#include <cstring>
#include <sys/resource.h>

namespace redoubt::bench {

double cpu_seconds() {
    rusage used{};
    (void)getrusage(RUSAGE_SELF, &used);
    return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

std::vector<Allocated> read_allocations(const std::vector<std::pair<std::string, std::string>>& files) {
    std::vector<Allocated> out;
    for (const auto& [name, file] : files) {
        const std::string counters = read_file(file);
        std::uint64_t numbers[2];
        if (counters.size() < sizeof numbers)
            die("a file of counters of allocations is too short: " + file);
        std::memcpy(numbers, counters.data(), sizeof numbers);
        auto found = std::ranges::find(out, name, &Allocated::name);
        if (found == out.end())
            found = out.insert(out.end(), {name, 0, 0});
        found->calls += numbers[0];
        found->bytes += numbers[1];
    }
    return out;
}

} // namespace redoubt::bench
