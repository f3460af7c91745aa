// SPDX-License-Identifier: Apache-2.0
#include "devcloud/data_lock.h"

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>

namespace redoubt::devcloud {

Result<net::Fd> lock_data_folder(const std::string& data_dir) {
    std::error_code error;
    if (std::filesystem::create_directories(data_dir, error))
        std::filesystem::permissions(data_dir, std::filesystem::perms::owner_all, error);
    if (error)
        return fail(Code::Io, "devcloud's data folder cannot be created", data_dir);
    net::Fd lock(::open((data_dir + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!lock)
        return fail(Code::Io, "devcloud's data folder cannot be written", data_dir);
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK
                   ? fail(Code::Conflict, "another devcloud uses this data folder; stop it first", data_dir)
                   : fail(Code::Io, "devcloud's data folder cannot be locked", data_dir);
    return lock;
}

} // namespace redoubt::devcloud
