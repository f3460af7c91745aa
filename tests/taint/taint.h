// SPDX-License-Identifier: Apache-2.0
// Secrets, as valgrind's memcheck can follow them: a hidden byte counts as not initialised, so that each
// branch and each address that depends on it is reported. What becomes public is shown again, with the
// reason.
#pragma once

#include "base/secret.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <valgrind/memcheck.h>

namespace redoubt::taint {

inline void require(bool condition, const char* what) {
    if (!condition) {
        std::printf("taint: FAILED: %s\n", what);
        std::fflush(stdout);
        std::abort();
    }
}

inline void hide(std::span<std::uint8_t> bytes) {
    VALGRIND_MAKE_MEM_UNDEFINED(bytes.data(), bytes.size());
}

inline Secret hidden(ByteView bytes) {
    Secret out = Secret::copy_of(bytes);
    hide(out.mutable_view(SecretAccess("hide it from memcheck")));
    return out;
}

// Does something in these bytes depend on what was hidden?
inline bool depends_on_hidden(ByteView bytes) {
    Bytes bits(bytes.size());
    require(VALGRIND_GET_VBITS(bytes.data(), bits.data(), bytes.size()) == 1, "the bytes' state can be read");
    return std::ranges::any_of(bits, [](std::uint8_t b) { return b != 0; });
}

// Before a result is shown it must depend on what was hidden: otherwise the check has checked nothing.
inline void show(std::span<const std::uint8_t> bytes, const char* reason) {
    require(depends_on_hidden(bytes), reason);
    VALGRIND_MAKE_MEM_DEFINED(bytes.data(), bytes.size());
}

inline void show(const Secret& secret, const char* reason) {
    show(secret.view(SecretAccess("show it to memcheck")), reason);
}

inline bool same(const Secret& a, const Secret& b) {
    return std::ranges::equal(a.view(SecretAccess("compare it in a test")),
                              b.view(SecretAccess("compare it in a test")));
}

// mistakes.cpp: code that leaks, each in a way of its own. Returns how many there are and how many memcheck
// reported.
struct Caught {
    unsigned made = 0, reported = 0;
};
Caught make_mistakes();

} // namespace redoubt::taint
