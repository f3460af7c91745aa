// SPDX-License-Identifier: Apache-2.0
// The check's own test: leaks as they are made, which memcheck must report.
#include "base/declassify.h"
#include "crypto/hash.h"
#include "taint.h"

namespace redoubt::taint {

namespace {

volatile unsigned sink;

void branch_on_a_bit(ByteView secret) {
    if ((secret[0] & 1) != 0)
        sink = sink + 1;
}

void look_up_by_a_digit(ByteView secret) {
    static const volatile unsigned table[16] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3};
    sink = table[secret[0] >> 4];
}

void stop_at_the_first_difference(ByteView secret) {
    for (const std::uint8_t byte : secret) {
        if (byte != 0)
            break;
        sink = sink + 1;
    }
}

void divide_the_work_by_a_length(ByteView secret) {
    for (unsigned i = 0; i < (secret[0] & 7u); ++i)
        sink = sink + i;
}

// Seen through a hash, too: what is computed from a secret is secret.
void branch_on_a_hash(ByteView secret) {
    if (crypto::sha256(secret)[31] > 7)
        sink = sink + 1;
}

// declassified() makes its own flag public and nothing else.
void branch_on_another_bit_than_was_declassified(ByteView secret) {
    if (declassified((secret[0] & 1) != 0))
        sink = sink + 1;
    if ((secret[0] & 2) != 0)
        sink = sink + 1;
}

} // namespace

Caught make_mistakes() {
    Caught caught;
    const Bytes zeros(32);
    const Secret secret = hidden(zeros);
    for (void (*mistake)(ByteView) :
         {branch_on_a_bit, look_up_by_a_digit, stop_at_the_first_difference, divide_the_work_by_a_length,
          branch_on_a_hash, branch_on_another_bit_than_was_declassified}) {
        const auto before = VALGRIND_COUNT_ERRORS;
        mistake(secret.view(SecretAccess("make a mistake with it")));
        ++caught.made;
        if (VALGRIND_COUNT_ERRORS > before)
            ++caught.reported;
    }
    return caught;
}

} // namespace redoubt::taint
