// SPDX-License-Identifier: Apache-2.0
// nlohmann's json, whose members are compiled once (support/precompiled/json.cpp) and not again in each test
// file.
#pragma once

#include <nlohmann/json.hpp>

extern template class nlohmann::basic_json<>;
