// SPDX-License-Identifier: Apache-2.0
// A source file for the precompiled header of the tests that need no JSON library.
namespace redoubt::tests {
int precompiled_plain() {
    return 0;
}
} // namespace redoubt::tests
