// SPDX-License-Identifier: Apache-2.0
// The ABI functions that a document names, each once whatever its arguments are called. Internal to the
// policy.
#pragma once

#include "ethereum/abi.h"
#include "policy/document.h"

namespace redoubt::policy {

struct Document::Functions {
    struct Entry {
        ethereum::abi::Function function;
        std::string signature;
        ByteArray<4> selector{};
    };
    std::vector<Entry> list;

    std::uint32_t add(const ethereum::abi::Function& function) { // its index
        std::string signature = function.signature();
        for (std::size_t i = 0; i < list.size(); ++i)
            if (list[i].signature == signature)
                return static_cast<std::uint32_t>(i);
        list.push_back({function, std::move(signature), function.selector()});
        return static_cast<std::uint32_t>(list.size() - 1);
    }
};

} // namespace redoubt::policy
