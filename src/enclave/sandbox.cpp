// SPDX-License-Identifier: Apache-2.0
#include "enclave/sandbox.h"

#include <cerrno>
#include <cstddef>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

namespace redoubt::enclave {

namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#endif

// Serving needs: reading and writing sockets, waiting, memory, time, randomness, threads' locks, ending; and
// what glibc does in each thread that starts (its robust list) and at malloc's first contention (CPU count).
constexpr long kAllowed[] = {
    SYS_read,         SYS_write,          SYS_readv,         SYS_writev,          SYS_recvfrom,
    SYS_recvmsg,      SYS_sendto,         SYS_sendmsg,       SYS_close,           SYS_shutdown,
    SYS_accept4,      SYS_connect,        SYS_getsockopt,    SYS_setsockopt,      SYS_getsockname,
    SYS_getpeername,  SYS_fcntl,          SYS_ioctl,         SYS_epoll_ctl,       SYS_epoll_pwait,
    SYS_eventfd2,     SYS_ppoll,          SYS_clock_gettime, SYS_clock_nanosleep, SYS_nanosleep,
    SYS_gettimeofday, SYS_futex,          SYS_mmap,          SYS_munmap,          SYS_mremap,
    SYS_mprotect,     SYS_mlock,          SYS_munlock,       SYS_madvise,         SYS_brk,
    SYS_getrandom,    SYS_sched_yield,    SYS_getpid,        SYS_gettid,          SYS_tgkill,
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn,  SYS_sigaltstack,     SYS_restart_syscall,
    SYS_exit,         SYS_exit_group,     SYS_membarrier,    SYS_set_robust_list, SYS_sched_getaffinity,
#if defined(__x86_64__)
    SYS_epoll_wait,   SYS_poll,           SYS_time,
#endif
#if defined(SYS_rseq)
    SYS_rseq,
#endif
};

sock_filter load(std::size_t offset) {
    return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
}

} // namespace

Status enter_sandbox(int socket_family) {
    const sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const sock_filter kill = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    const sock_filter deny = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES);
    const auto jump_unless = [](long value, std::uint8_t skip) -> sock_filter {
        return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(value), 0, skip);
    };
    std::vector<sock_filter> program{
        load(offsetof(seccomp_data, arch)), // another architecture's numbers mean other calls
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0), kill, load(offsetof(seccomp_data, nr))};
    for (const long number : kAllowed) {
        program.push_back(jump_unless(number, 1));
        program.push_back(allow);
    }
    // glibc's malloc looks into /proc when the heap of a thread shrinks, and does without where it can't: no
    // file is opened, but that a large request was freed must not end the enclave.
    program.push_back(jump_unless(SYS_openat, 1));
    program.push_back(deny);
    program.push_back(jump_unless(SYS_socket, 3));
    program.push_back(load(offsetof(seccomp_data, args)));
    program.push_back(jump_unless(socket_family, 1));
    program.push_back(allow);
    program.push_back(kill);

    const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter) != 0)
        return fail(Code::Internal, "the kernel refuses the seccomp filter; seccomp must be available");
    return {};
}

} // namespace redoubt::enclave
