// SPDX-License-Identifier: Apache-2.0
#include "host/image_file.h"

#include "crypto/hash.h"
#include "image/eif.h"
#include "net/endpoint.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace redoubt::host {

Result<Bytes> read_image(const std::string& path) {
    const net::Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)); // a pipe must not wait
    struct stat info {};
    if (!fd || fstat(fd.get(), &info) != 0)
        return fail(Code::Io, "the file cannot be opened", path + ": " + std::strerror(errno));
    if (!S_ISREG(info.st_mode))
        return fail(Code::Io, "this is no regular file", path);
    if (info.st_size <= 0 || static_cast<std::uint64_t>(info.st_size) > image::kMaxEif)
        return fail(Code::TooLarge, "the file is empty or larger than 4 GiB", path);
    Bytes out(static_cast<std::size_t>(info.st_size));
    for (std::size_t filled = 0; filled < out.size();) {
        const ssize_t n = read(fd.get(), out.data() + filled, out.size() - filled);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return fail(Code::Io, "the file cannot be read to its end: was it cut off meanwhile?", path);
        filled += static_cast<std::size_t>(n);
    }
    return out;
}

std::optional<ImageFile::Identity> ImageFile::identity_of(const std::string& path) {
    struct stat info {};
    if (stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode))
        return std::nullopt;
    return Identity{info.st_dev, info.st_ino, static_cast<std::uint64_t>(info.st_size), info.st_ctim.tv_sec,
                    info.st_ctim.tv_nsec};
}

bool ImageFile::unchanged() const {
    return known_ && identity_of(path_) == known_;
}

Result<std::string> ImageFile::pcr0() {
    const auto now = identity_of(path_);
    if (!now)
        return fail(Code::Io, "the image file is not there, or is no file: check its path", path_);
    if (known_ == now)
        return pcr0_;
    known_.reset();
    REDOUBT_TRY(const Bytes bytes, read_image(path_));
    crypto::Hash48 pcr0{};
    if (kind_ == Kind::Eif) {
        REDOUBT_TRY(const image::Eif eif, image::read_eif(bytes));
        if (eif.crc_stored != eif.crc_computed)
            return fail(Code::ImageInvalid, "the image file's checksum is wrong: copy it again", path_);
        pcr0 = image::measure(eif).pcr0;
    } else {
        pcr0 = crypto::sha384({crypto::Hash48{}, crypto::sha384(bytes)}); // as the NSM extends a PCR
    }
    if (identity_of(path_) != now)
        return fail(Code::Conflict, "the image file changed while it was read", path_);
    known_ = now;
    pcr0_ = to_hex(pcr0);
    return pcr0_;
}

} // namespace redoubt::host
