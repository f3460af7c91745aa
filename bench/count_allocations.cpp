// SPDX-License-Identifier: Apache-2.0
// Linked into copies of the gateway's and the development enclave's programs (build/PRESET/counted), it
// counts what they allocate: calls of malloc, calloc, realloc and the aligned ones, operator new's among
// them, and bytes. The counts are two 64-bit numbers at the beginning of a file that the process shares with
// whoever reads it: allocations/PID beside the program, where there is a folder of that name. It is mapped
// before main(), so that no sandbox is asked for it.
//
// A program that has the C library in itself is linked with --wrap for each function (WRAPPED); in another
// one these functions go before the library's, for the shared libraries, too.
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <sys/mman.h>
#include <unistd.h>

namespace {

struct Counters {
    std::atomic<std::uint64_t> calls{0}, bytes{0};
};
constexpr std::size_t kFileSize = 4096;

constinit Counters before_main;
constinit std::atomic<Counters*> counters{&before_main};

void count(std::size_t bytes) noexcept {
    Counters* const to = counters.load(std::memory_order_relaxed);
    to->calls.fetch_add(1, std::memory_order_relaxed);
    to->bytes.fetch_add(bytes, std::memory_order_relaxed);
}

[[gnu::constructor]] void share_counters() noexcept {
    char path[4096];
    const ssize_t size = readlink("/proc/self/exe", path, sizeof path - 64);
    if (size <= 0)
        return;
    path[size] = '\0';
    char* const name = std::strrchr(path, '/') + 1;
    std::snprintf(name, sizeof path - static_cast<std::size_t>(name - path), "allocations/%d",
                  static_cast<int>(getpid()));
    const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return;
    void* const at = ftruncate(fd, kFileSize) == 0
                         ? mmap(nullptr, kFileSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
                         : MAP_FAILED;
    close(fd);
    if (at == MAP_FAILED)
        return;
    auto* const shared = new (at) Counters;
    shared->calls = before_main.calls.load();
    shared->bytes = before_main.bytes.load();
    counters = shared;
}

} // namespace

extern "C" {

#ifdef WRAPPED
#define COUNTED(name) __wrap_##name
#define ORIGINAL(name) __real_##name
#else
#define COUNTED(name) name
#define ORIGINAL(name) __libc_##name
#endif

void* ORIGINAL(malloc)(std::size_t size);
void* ORIGINAL(calloc)(std::size_t count, std::size_t size);
void* ORIGINAL(realloc)(void* old, std::size_t size);
void* ORIGINAL(memalign)(std::size_t alignment, std::size_t size);

void* COUNTED(malloc)(std::size_t size) {
    count(size);
    return ORIGINAL(malloc)(size);
}

void* COUNTED(calloc)(std::size_t number, std::size_t size) {
    count(number * size);
    return ORIGINAL(calloc)(number, size);
}

void* COUNTED(realloc)(void* old, std::size_t size) {
    count(size);
    return ORIGINAL(realloc)(old, size);
}

void* COUNTED(memalign)(std::size_t alignment, std::size_t size) {
    count(size);
    return ORIGINAL(memalign)(alignment, size);
}

void* COUNTED(aligned_alloc)(std::size_t alignment, std::size_t size) {
    count(size);
    return ORIGINAL(memalign)(alignment, size);
}

int COUNTED(posix_memalign)(void** out, std::size_t alignment, std::size_t size) {
    count(size);
    void* const made = ORIGINAL(memalign)(alignment, size);
    if (made == nullptr)
        return ENOMEM;
    *out = made;
    return 0;
}
}
