// SPDX-License-Identifier: Apache-2.0
// The one type that holds secrets: private keys, data keys, vault keys, AWS credentials. Its memory is locked
// (never swapped), left out of core dumps, unmapped or zero in a forked child, and wiped when the secret
// dies. It can be moved, not copied, printed or compared by accident.
//
// Reading one takes a SecretAccess that names the purpose: `grep SecretAccess` lists every place that touches
// a secret.
#pragma once

#include "base/bytes.h"

#include <string_view>

namespace redoubt {

class SecretAccess {
  public:
    template<std::size_t N>
    consteval explicit SecretAccess(const char (&)[N]) {
        static_assert(N > 4, "say why the secret is read");
    }
};

// Thread-safe as a whole object is: different secrets may be used from different threads, one only with a
// lock. A size that cannot be allocated ends the process: there is no safe way on without locked memory.
class Secret {
  public:
    Secret() noexcept = default;
    explicit Secret(std::size_t size); // zero-filled
    // Copies and wipes nothing: the caller wipes the source if it is not itself a Secret's memory.
    static Secret copy_of(ByteView bytes);
    // Copies, then wipes the source.
    static Secret take(std::span<std::uint8_t> bytes);
    static Secret take(std::string& text);

    Secret(Secret&& other) noexcept;
    Secret& operator=(Secret&& other) noexcept;
    Secret(const Secret&) = delete;
    Secret& operator=(const Secret&) = delete;
    ~Secret();

    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    ByteView view(SecretAccess) const noexcept { return {data_, size_}; }
    std::string_view text(SecretAccess) const noexcept {
        return {reinterpret_cast<const char*>(data_), size_};
    }
    std::span<std::uint8_t> mutable_view(SecretAccess) noexcept { return {data_, size_}; }
    Secret clone() const;
    void wipe() noexcept; // to the empty secret

  private:
    std::uint8_t* data_ = nullptr;
    std::size_t size_ = 0;
};

// Constant-time.
bool equal_secrets(const Secret& a, const Secret& b) noexcept;

// Overwrites so that the compiler keeps the writes.
void wipe(std::span<std::uint8_t> bytes) noexcept;
void wipe(std::string& text) noexcept;

// Process-wide precautions, taken before the first secret: no core dumps, not dumpable (no ptrace by the same
// user, no /proc/PID/mem), OpenSSL's own buffers wiped when freed; with `lock_all`, every page of the process
// locked (the enclave). Returns false where memory could not be locked (RLIMIT_MEMLOCK); the rest is always
// applied.
bool harden_process(bool lock_all) noexcept;

} // namespace redoubt
