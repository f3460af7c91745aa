// SPDX-License-Identifier: Apache-2.0
// Takes out of a header block (HPACK, RFC 7541) what a client that only wants the status need not decode: the
// fields that stand there literally and leave the tables alone, such as receipts. Decoding a receipt's
// Huffman code is a third of what an answer would cost the load generator.
#pragma once

#include "base/bytes.h"

namespace redoubt::bench {

// Appends to `out` the block with the rest of its fields, as they are. False: it is not understood, and `out`
// is as it was.
bool append_without_literals(ByteView block, std::string& out);

} // namespace redoubt::bench
