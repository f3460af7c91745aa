// SPDX-License-Identifier: Apache-2.0
#include "host/log_limit.h"

#include "net/endpoint.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace redoubt::host {

bool shorten_log(const std::string& path, std::size_t limit) {
    const net::Fd log(open(path.c_str(), O_RDWR | O_CLOEXEC));
    struct stat info {};
    if (!log || fstat(log.get(), &info) != 0 || !S_ISREG(info.st_mode) ||
        static_cast<std::size_t>(info.st_size) <= limit)
        return false;
    std::string last(limit, '\0');
    const ssize_t n = pread(log.get(), last.data(), last.size(), info.st_size - static_cast<off_t>(limit));
    last.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    const net::Fd former(open((path + ".1").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (former)
        (void)!write(former.get(), last.data(), last.size()); // a full disk is no reason to fill it further
    return ftruncate(log.get(), 0) == 0;
}

} // namespace redoubt::host
