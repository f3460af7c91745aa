// SPDX-License-Identifier: Apache-2.0
#include "net/socket_bio.h"

#include <cerrno>
#include <cstdint>
#include <sys/socket.h>

namespace redoubt::net {

namespace {

int descriptor(BIO* bio) noexcept {
    return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
}

bool again(int error) noexcept {
    return error == EAGAIN || error == EWOULDBLOCK;
}

int write_some(BIO* bio, const char* data, std::size_t size, std::size_t* written) {
    BIO_clear_retry_flags(bio);
    ssize_t n = 0;
    do {
        n = send(descriptor(bio), data, size, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        if (again(errno))
            BIO_set_retry_write(bio);
        return 0;
    }
    *written = static_cast<std::size_t>(n);
    return 1;
}

int read_some(BIO* bio, char* data, std::size_t size, std::size_t* count) {
    BIO_clear_retry_flags(bio);
    ssize_t n = 0;
    do {
        n = recv(descriptor(bio), data, size, 0);
    } while (n < 0 && errno == EINTR);
    if (n > 0) {
        *count = static_cast<std::size_t>(n);
        return 1;
    }
    if (n == 0)
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    else if (again(errno))
        BIO_set_retry_read(bio);
    return 0;
}

long control(BIO* bio, int command, long, void*) {
    switch (command) {
    case BIO_CTRL_FLUSH: // nothing is kept back
        return 1;
    case BIO_CTRL_EOF:
        return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
    default:
        return 0;
    }
}

int create(BIO* bio) {
    BIO_set_init(bio, 1);
    return 1;
}

BIO_METHOD* make_method() noexcept {
    BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "redoubt socket");
    if (method == nullptr || BIO_meth_set_write_ex(method, write_some) != 1 ||
        BIO_meth_set_read_ex(method, read_some) != 1 || BIO_meth_set_ctrl(method, control) != 1 ||
        BIO_meth_set_create(method, create) != 1) {
        BIO_meth_free(method);
        return nullptr;
    }
    return method;
}

} // namespace

BIO* make_socket_bio(int fd) noexcept {
    static BIO_METHOD* const method = make_method(); // for the life of the process: BIOs point at it
    BIO* bio = method == nullptr ? nullptr : BIO_new(method);
    if (bio != nullptr)
        BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(fd)));
    return bio;
}

} // namespace redoubt::net
