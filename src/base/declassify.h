// SPDX-License-Identifier: Apache-2.0
// The one way by which a fact computed from a secret becomes public: whether a key is valid, a tag matches, a
// text is hexadecimal. Code that handles secrets branches on nothing else (tests/taint checks that), and
// `grep declassified` lists every such fact for review.
#pragma once

namespace redoubt {

// The flag itself. The caller says by calling it that an observer may learn it.
bool declassified(bool flag) noexcept;

} // namespace redoubt
