// SPDX-License-Identifier: Apache-2.0
#include "base/secret.h"

#include <openssl/crypto.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <mutex>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <utility>

namespace redoubt {

namespace {

// Secrets are small and many (a cache of opened keys), so pages are shared: size classes of 32·2^k up to 4096
// bytes, cut from locked slabs; larger secrets get pages of their own. Free blocks hold the free list's next
// pointer and are otherwise zero.
constexpr std::size_t kSmallest = 32;
constexpr std::size_t kClasses = 8; // 32 … 4096
constexpr std::size_t kSlab = 64 * 1024;

struct FreeBlock {
    FreeBlock* next;
};

struct Pool {
    std::mutex mutex;
    FreeBlock* free[kClasses] = {};
};

Pool& pool() {
    static Pool* const instance = new Pool; // never destroyed: secrets may outlive static destructors
    return *instance;
}

[[noreturn]] void no_memory() {
    std::fputs("redoubt: cannot allocate locked memory for a secret\n", stderr);
    std::abort();
}

std::uint8_t* map_locked(std::size_t size) {
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        no_memory();
    // Where RLIMIT_MEMLOCK forbids locking, the page is still kept out of dumps and wiped; harden_process
    // reports the limit.
    (void)mlock(memory, size);
    (void)madvise(memory, size, MADV_DONTDUMP);
    (void)madvise(memory, size, MADV_WIPEONFORK);
    return static_cast<std::uint8_t*>(memory);
}

std::size_t size_class(std::size_t size) noexcept {
    std::size_t index = 0;
    while (index < kClasses && kSmallest << index < size)
        ++index;
    return index;
}

std::size_t page_rounded(std::size_t size) noexcept {
    return (size + 4095) & ~static_cast<std::size_t>(4095);
}

std::uint8_t* allocate(std::size_t size) {
    const std::size_t index = size_class(size);
    if (index >= kClasses)
        return map_locked(page_rounded(size));
    Pool& p = pool();
    const std::lock_guard lock(p.mutex);
    if (p.free[index] == nullptr) {
        const std::size_t block = kSmallest << index;
        std::uint8_t* slab = map_locked(kSlab);
        for (std::size_t at = 0; at + block <= kSlab; at += block) {
            auto* node = reinterpret_cast<FreeBlock*>(slab + at);
            node->next = p.free[index];
            p.free[index] = node;
        }
    }
    FreeBlock* node = p.free[index];
    p.free[index] = node->next;
    node->next = nullptr;
    return reinterpret_cast<std::uint8_t*>(node);
}

void release(std::uint8_t* data, std::size_t size) noexcept {
    OPENSSL_cleanse(data, size);
    const std::size_t index = size_class(size);
    if (index >= kClasses) {
        (void)munmap(data, page_rounded(size));
        return;
    }
    Pool& p = pool();
    const std::lock_guard lock(p.mutex);
    auto* node = reinterpret_cast<FreeBlock*>(data);
    node->next = p.free[index];
    p.free[index] = node;
}

// OpenSSL's allocations carry their size in front, so that freeing can wipe them.
constexpr std::size_t kHeader = 16;

void* wiping_malloc(std::size_t size, const char*, int) {
    auto* memory = static_cast<std::uint8_t*>(std::malloc(size + kHeader));
    if (memory == nullptr)
        return nullptr;
    std::memcpy(memory, &size, sizeof size);
    return memory + kHeader;
}

void wiping_free(void* pointer, const char*, int) {
    if (pointer == nullptr)
        return;
    auto* memory = static_cast<std::uint8_t*>(pointer) - kHeader;
    std::size_t size = 0;
    std::memcpy(&size, memory, sizeof size);
    OPENSSL_cleanse(memory + kHeader, size);
    std::free(memory);
}

void* wiping_realloc(void* pointer, std::size_t size, const char* file, int line) {
    if (pointer == nullptr)
        return wiping_malloc(size, file, line);
    std::size_t old_size = 0;
    std::memcpy(&old_size, static_cast<std::uint8_t*>(pointer) - kHeader, sizeof old_size);
    void* fresh = wiping_malloc(size, file, line);
    if (fresh == nullptr)
        return nullptr;
    std::memcpy(fresh, pointer, old_size < size ? old_size : size);
    wiping_free(pointer, file, line);
    return fresh;
}

} // namespace

Secret::Secret(std::size_t size) : data_(size == 0 ? nullptr : allocate(size)), size_(size) {}

Secret Secret::copy_of(ByteView bytes) {
    Secret out(bytes.size());
    if (!bytes.empty())
        std::memcpy(out.data_, bytes.data(), bytes.size());
    return out;
}

Secret Secret::take(std::span<std::uint8_t> bytes) {
    Secret out = copy_of(bytes);
    redoubt::wipe(bytes);
    return out;
}

Secret Secret::take(std::string& text) {
    Secret out = copy_of(as_bytes(text));
    redoubt::wipe(text);
    return out;
}

Secret::Secret(Secret&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
    if (this != &other) {
        wipe();
        data_ = std::exchange(other.data_, nullptr);
        size_ = std::exchange(other.size_, 0);
    }
    return *this;
}

Secret::~Secret() {
    wipe();
}

Secret Secret::clone() const {
    return copy_of({data_, size_});
}

void Secret::wipe() noexcept {
    if (data_ != nullptr)
        release(data_, size_);
    data_ = nullptr;
    size_ = 0;
}

bool equal_secrets(const Secret& a, const Secret& b) noexcept {
    return equal_constant_time(a.view(SecretAccess("compare")), b.view(SecretAccess("compare")));
}

void wipe(std::span<std::uint8_t> bytes) noexcept {
    if (!bytes.empty())
        OPENSSL_cleanse(bytes.data(), bytes.size());
}

void wipe(std::string& text) noexcept {
    text.resize(text.capacity()); // an earlier, longer content may lie behind the end
    OPENSSL_cleanse(text.data(), text.size());
    text.clear();
}

bool harden_process(bool lock_all) noexcept {
    // Only possible before OpenSSL's first allocation; refused quietly afterwards (tests that call this
    // late).
    (void)CRYPTO_set_mem_functions(wiping_malloc, wiping_realloc, wiping_free);
    // OpenSSL would read openssl.cnf, or what OPENSSL_CONF names: a file of the host's must not influence it.
    (void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
    const rlimit none{0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    rlimit memlock{};
    if (getrlimit(RLIMIT_MEMLOCK, &memlock) == 0) {
        memlock.rlim_cur = memlock.rlim_max;
        (void)setrlimit(RLIMIT_MEMLOCK, &memlock);
    }
    if (lock_all) {
        // The first use of a calendar time reads a file of the host's, unless the zone is settled; behind the
        // sandbox it would end the process.
        (void)setenv("TZ", "UTC0", 1);
        tzset();
    }
    if (lock_all)
        return mlockall(MCL_CURRENT | MCL_FUTURE) == 0;
    void* probe = mmap(nullptr, kSlab, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (probe == MAP_FAILED)
        return false;
    const bool locked = mlock(probe, kSlab) == 0;
    (void)munmap(probe, kSlab);
    return locked;
}

} // namespace redoubt
