// SPDX-License-Identifier: Apache-2.0
// What nitro-cli prints: whatever it is, an answer that is read names enclaves that can be named to nitro-cli
// again.
#include "host/nitro_cli.h"

#include "base/bytes.h"

#include <cstdlib>

using namespace redoubt;
using namespace redoubt::host;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = as_text({data, size});
    if (const auto list = nitro_cli::parse_describe(text))
        for (const auto& one : *list) {
            const bool measured = one.pcr0.size() == 96;
            if (!one.id.starts_with("i-") || one.id.find(' ') != std::string::npos || one.name.empty() ||
                (!measured && one.state == nitro_cli::Described::State::Running))
                std::abort();
        }
    if (const auto run = nitro_cli::parse_run(text))
        if (!run->id.starts_with("i-"))
            std::abort();
    if (const auto ended = nitro_cli::parse_terminate(text))
        if (!ended->starts_with("i-"))
            std::abort();
    const std::string code = nitro_cli::error_code(text);
    if ((!code.empty() && code.size() != 3) || nitro_cli::explain(text).context.size() > 400)
        std::abort();
    return 0;
}
