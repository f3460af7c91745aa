// SPDX-License-Identifier: Apache-2.0
// The nonce of an ECDSA signature over secp256k1 by RFC 6979 with SHA-256, as an argument (`noncefp`) for
// libsecp256k1. It gives the bytes of the library's own secp256k1_nonce_function_rfc6979, additional data,
// algorithm name and repeated attempts included, in a fifth of its time or less: it hashes with the
// processor's instructions and takes each HMAC key into the hash once. That time is a fifth of a signature.
//
// Constant-time in key and digest; the attempt is public. Leaves nothing of them on the stack below its
// caller or in registers.
#pragma once

namespace redoubt::crypto {

// nonce32: 32 bytes out. msg32, key32: 32 bytes. algo16: 16 bytes or null. data: 32 bytes or null.
// attempt: 0, or how many nonces before were no good. Returns 1: it cannot fail.
using NonceFunction = int (*)(unsigned char* nonce32, const unsigned char* msg32, const unsigned char* key32,
                              const unsigned char* algo16, void* data, unsigned int attempt);

// With the processor's instructions for SHA-256 where it has them. A wrong nonce can give a key away, so the
// first call compares with the library's function over some inputs; a difference ends the process: who can
// no longer trust this processor or this build for SHA-256 cannot trust it for anything else either.
NonceFunction checked_nonce_function() noexcept;

// The same without the comparison, and without the processor's instructions: for tests and benchmarks.
int nonce_rfc6979(unsigned char* nonce32, const unsigned char* msg32, const unsigned char* key32,
                  const unsigned char* algo16, void* data, unsigned int attempt) noexcept;
int nonce_rfc6979_portable(unsigned char* nonce32, const unsigned char* msg32, const unsigned char* key32,
                           const unsigned char* algo16, void* data, unsigned int attempt) noexcept;

// Does this function give what the library's does, for the inputs that checked_nonce_function compares?
bool agrees_with_the_library(NonceFunction function) noexcept;

} // namespace redoubt::crypto
