// SPDX-License-Identifier: Apache-2.0
// SHA-2, HMAC and HKDF, by OpenSSL. A failure of OpenSSL itself (out of memory) ends the process: no caller
// could go on.
#pragma once

#include "base/bytes.h"
#include "base/secret.h"

namespace redoubt::crypto {

using Hash48 = ByteArray<48>;

Hash32 sha256(ByteView data) noexcept;
Hash32 sha256(std::initializer_list<ByteView> parts) noexcept;
Hash48 sha384(ByteView data) noexcept;
Hash48 sha384(std::initializer_list<ByteView> parts) noexcept;
Hash32 hmac_sha256(ByteView key, ByteView data) noexcept;
// Over the concatenation of the parts. 64 bytes, which every user keeps secret.
Secret hmac_sha512(ByteView key, std::initializer_list<ByteView> parts);

// RFC 5869 with SHA-256. `size` is at most 255 × 32.
Secret hkdf_sha256(ByteView input_key, ByteView salt, ByteView info, std::size_t size);
// RFC 8018, 5.2, with HMAC-SHA512. At least one round; `size` is not zero.
Secret pbkdf2_sha512(ByteView password, ByteView salt, std::uint32_t rounds, std::size_t size);

} // namespace redoubt::crypto
