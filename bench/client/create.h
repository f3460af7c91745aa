// SPDX-License-Identifier: Apache-2.0
// Makes keys, as many as a measurement needs, and writes the file that names them.
#pragma once

#include "client/requests.h"

namespace redoubt::bench {

struct Created {
    double seconds = 0;
    std::size_t keys = 0;
};

// Lines "key_id address" into the specification's keys_file. An answer that gives no key ends the program.
Created create_keys(const Spec& spec, std::size_t count, Requests& requests);

} // namespace redoubt::bench
