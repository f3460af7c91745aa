// SPDX-License-Identifier: Apache-2.0
// Whether this is a sanitizer's build, whose run time makes system calls of its own and has another
// allocator.
#pragma once

namespace redoubt {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) // g++
inline constexpr bool kSanitized = true;
#elif defined(__has_feature) // clang
inline constexpr bool kSanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
inline constexpr bool kSanitized = false;
#endif

} // namespace redoubt
