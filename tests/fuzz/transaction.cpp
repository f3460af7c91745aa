// SPDX-License-Identifier: Apache-2.0
// The reader of raw transactions on any bytes: no crash, and what it accepts is valid and has no other
// encoding. Seeds: corpus/transaction.
#include "ethereum/transaction.h"

#include <algorithm>
#include <cstdlib>

using namespace redoubt;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView raw(data, size);
    const auto parsed = ethereum::parse_signed_transaction(raw);
    if (!parsed)
        return 0;
    require(ethereum::validate(parsed->transaction).has_value());
    require(parsed->signature.y_parity <= 1);
    const Bytes again = ethereum::serialise(parsed->transaction, parsed->signature);
    require(std::equal(raw.begin(), raw.end(), again.begin(), again.end()));
    // What is signed depends on more than the type's first byte.
    ethereum::Transaction other = parsed->transaction;
    other.value.limbs[0] ^= 1;
    require(ethereum::signing_hash(other) != ethereum::signing_hash(parsed->transaction));
    return 0;
}
