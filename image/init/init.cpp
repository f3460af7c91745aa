// SPDX-License-Identifier: Apache-2.0
// PID 1 of an enclave image, a static program without the C++ library. It prepares what redoubt-enclave needs
// (devices, /proc, randomness from the NSM), tells the hypervisor that the image has booted, starts
// redoubt-enclave as a user that owns nothing, and when that ends, ends the enclave. It has no options and
// reads no file but, where the kernel comes with one, the NSM driver's module.
// What it prints is seen only in debug mode, and holds no secret.
#include "nsm_random.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <grp.h>
#include <linux/random.h>
#include <linux/securebits.h>
#include <linux/vm_sockets.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

namespace {

using namespace redoubt::init;

constexpr const char* kEnclave = "/redoubt-enclave";
constexpr const char* kNsm = "/dev/nsm";
constexpr const char* kNsmModule = "/nsm.ko"; // only with a kernel whose driver is a module
constexpr uid_t kUser = 1000;                 // owns nothing of the image but /dev/nsm
constexpr rlim_t kOpenFiles = 65536;
constexpr rlim_t kProcesses = 1024; // threads of redoubt-enclave
// Locked memory holds every thread's whole stack: at the usual 8 MiB, threads would take more than keys do.
constexpr rlim_t kStack = 1 << 20;

// Nitro's handshake (aws-nitro-enclaves-cli eif_loader): the parent waits for this byte and answers with it.
constexpr unsigned kReadyCid = 3;
constexpr unsigned kReadyPort = 9000;
constexpr std::uint8_t kReady = 0xb7;

constexpr int kCannotStart = 127; // exit code, as shells have it

constexpr int kSeedReplies = 4; // of up to 256 bytes each
constexpr std::size_t kMinSeed = 64;

void print(const char* text) {
    std::size_t left = std::strlen(text);
    while (left > 0) {
        const ssize_t written = write(STDERR_FILENO, text, left);
        if (written <= 0)
            return; // there is nobody else to tell
        text += written;
        left -= static_cast<std::size_t>(written);
    }
}

void print_number(unsigned number) {
    char digits[12];
    char* at = digits + sizeof(digits);
    *--at = 0;
    do
        *--at = static_cast<char>('0' + number % 10);
    while ((number /= 10) > 0);
    print(at);
}

// Restarting is how an enclave ends: the hypervisor takes it for the end and frees its memory and processors.
[[noreturn]] void end_enclave() {
    (void)tcdrain(STDERR_FILENO);
    sync();
    (void)reboot(RB_AUTOBOOT);
    for (;;) // a kernel that cannot restart
        (void)reboot(static_cast<int>(RB_HALT_SYSTEM));
}

[[noreturn]] void die(const char* what) {
    const int error = errno;
    print("init: ");
    print(what);
    print(" (errno ");
    print_number(static_cast<unsigned>(error));
    print("); the enclave ends\n");
    if (getpid() != 1)
        _exit(kCannotStart); // of redoubt-enclave's process: process 1 ends the enclave
    end_enclave();
}

void mount_file_systems() {
    // The console that the ramdisk holds was opened by the kernel; now come the kernel's own device files.
    if (mount("dev", "/dev", "devtmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755") != 0)
        die("/dev cannot be mounted");
    // A process sees its own entry only; of the system's files and settings none.
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY,
              "hidepid=invisible,subset=pid") != 0)
        die("/proc cannot be mounted");
}

// Without a console the kernel starts this program with no descriptor at all: what is opened next would be
// taken for standard error, and written to.
void open_standard_descriptors() {
    int file = 0;
    do {
        file = open("/dev/null", O_RDWR);
        if (file < 0)
            die("/dev/null cannot be opened");
    } while (file <= STDERR_FILENO);
    (void)close(file);
}

void load_nsm_module() {
    const int file = open(kNsmModule, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return; // the kernel has the driver built in
    if (syscall(SYS_finit_module, file, "", 0) != 0 && errno != EEXIST)
        die("the NSM driver cannot be loaded");
    (void)close(file);
}

struct Reply {
    std::uint8_t bytes[kMaxNsmReply];
    RandomBytes random;
};

void get_random(int nsm, Reply& reply) {
    struct {
        iovec request, response; // as struct nsm_raw of Linux include/uapi/linux/nsm.h
    } raw{{const_cast<std::uint8_t*>(kGetRandom), sizeof(kGetRandom)}, {reply.bytes, sizeof(reply.bytes)}};
    static_assert(sizeof(raw) == 32);
    errno = 0;
    if (ioctl(nsm, _IOWR(0x0a, 0, raw), &raw) != 0)
        die("the NSM does not answer");
    reply.random = raw.response.iov_len <= sizeof(reply.bytes)
                       ? random_of_reply(reply.bytes, raw.response.iov_len)
                       : RandomBytes{};
    if (reply.random.data == nullptr)
        die("the NSM's answer holds no random bytes");
}

// The host could otherwise know the whole state of the kernel's generator: an enclave boots with no disk, no
// interrupt and no clock that the host does not make.
void seed_kernel() {
    const int nsm = open(kNsm, O_RDWR | O_CLOEXEC);
    if (nsm < 0)
        die("/dev/nsm cannot be opened");
    const int generator = open("/dev/urandom", O_RDWR | O_CLOEXEC);
    if (generator < 0)
        die("/dev/urandom cannot be opened");

    static Reply replies[2];
    static struct {
        int entropy_bits, size;
        std::uint8_t bytes[kMaxNsmReply];
    } pool; // struct rand_pool_info of linux/random.h, whose bytes are an array of no length
    static_assert(offsetof(decltype(pool), bytes) == sizeof(rand_pool_info));
    std::size_t seeded = 0;
    for (int i = 0; i < kSeedReplies; ++i) {
        Reply& reply = replies[i % 2];
        const Reply& before = replies[(i + 1) % 2];
        get_random(nsm, reply);
        const std::size_t size = reply.random.size;
        if (i > 0 && size == before.random.size &&
            std::memcmp(reply.random.data, before.random.data, size) == 0)
            die("the NSM gives the same random bytes twice");
        pool.entropy_bits = static_cast<int>(size * 8);
        pool.size = static_cast<int>(size);
        std::memcpy(pool.bytes, reply.random.data, size);
        if (ioctl(generator, RNDADDENTROPY, &pool) != 0)
            die("the kernel's generator takes no seed");
        seeded += size;
    }
    if (seeded < kMinSeed)
        die("the NSM gives too few random bytes");
    if (ioctl(generator, RNDRESEEDCRNG) != 0)
        die("the kernel's generator cannot be seeded again");
    explicit_bzero(replies, sizeof(replies));
    explicit_bzero(&pool, sizeof(pool));
    (void)close(generator);
    (void)close(nsm);
}

void tell_parent() {
    const int parent = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_vm address{};
    address.svm_family = AF_VSOCK;
    address.svm_cid = kReadyCid;
    address.svm_port = kReadyPort;
    std::uint8_t byte = kReady;
    if (parent < 0 || connect(parent, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
        die("the parent does not take the boot signal on vsock port 9000");
    errno = 0;
    if (write(parent, &byte, 1) != 1 || read(parent, &byte, 1) != 1 || byte != kReady)
        die("the parent does not answer the boot signal");
    (void)close(parent);
}

void limit(int which, rlim_t value) {
    const rlimit both{value, value};
    if (setrlimit(static_cast<__rlimit_resource>(which), &both) != 0)
        die("a resource limit cannot be set");
}

// From here on no file can be made or changed, by anybody: the root is memory that holds the ramdisks' files.
void make_read_only() {
    if (chown(kNsm, kUser, kUser) != 0 || chmod(kNsm, 0600) != 0)
        die("/dev/nsm cannot be given to the enclave's user");
    if (mount(nullptr, "/dev", nullptr, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NOEXEC, nullptr) != 0 ||
        mount(nullptr, "/", nullptr, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, nullptr) != 0)
        die("the file systems cannot be made read-only");
}

void set_limits() {
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_NOFILE, kOpenFiles);
    limit(RLIMIT_MEMLOCK, RLIM_INFINITY); // redoubt-enclave locks all its memory
    limit(RLIMIT_NPROC, kProcesses);
    limit(RLIMIT_STACK, kStack);
}

void drop_privileges() {
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability) {
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0)
            die("a capability cannot be given up");
    }
    constexpr unsigned long kNoRoot = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED |
                                      SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
                                      SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
    if (prctl(PR_SET_SECUREBITS, kNoRoot, 0, 0, 0) != 0 || setgroups(0, nullptr) != 0 ||
        setresgid(kUser, kUser, kUser) != 0 || setresuid(kUser, kUser, kUser) != 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        die("privileges cannot be given up");
    if (setuid(0) == 0)
        die("privileges came back");
}

[[noreturn]] void become_enclave() {
    (void)setsid();
    drop_privileges();
    char name[] = "redoubt-enclave";
    char* const arguments[] = {name, nullptr};
    char* const environment[] = {nullptr};
    (void)execve(kEnclave, arguments, environment);
    die("/redoubt-enclave cannot be executed");
}

} // namespace

int main() {
    if (getpid() != 1) {
        print("init: this program starts an enclave image as its process 1; it does nothing else\n");
        return 2;
    }
    (void)umask(077);
    mount_file_systems();
    open_standard_descriptors();
    load_nsm_module();
    seed_kernel();
    tell_parent();
    make_read_only();
    set_limits();

    const pid_t enclave = fork();
    if (enclave < 0)
        die("no process can be made");
    if (enclave == 0)
        become_enclave();
    for (;;) {
        int status = 0;
        const pid_t ended = waitpid(-1, &status, 0);
        if (ended < 0 && errno != EINTR)
            die("there is no process to wait for");
        if (ended != enclave)
            continue;
        print("init: redoubt-enclave ended ");
        print(WIFSIGNALED(status) ? "by signal " : "with exit code ");
        print_number(static_cast<unsigned>(WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)));
        print("; the enclave ends\n");
        end_enclave();
    }
}
