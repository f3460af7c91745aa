// SPDX-License-Identifier: Apache-2.0
#include "base/declassify.h"

namespace redoubt {

// A real branch, in a function of its own: the checker of secret-dependent branches follows a flag through
// any computation, forgets about it here, and is told to expect exactly this one branch. The compiler is kept
// from seeing that the answer is the flag.
[[gnu::noinline]] bool declassified(bool flag) noexcept {
    int answer = 0;
    if (flag) {
        answer = 1;
        asm volatile("" : "+r"(answer));
    } else {
        asm volatile("" : "+r"(answer));
    }
    return answer != 0;
}

} // namespace redoubt
