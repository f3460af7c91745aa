// SPDX-License-Identifier: Apache-2.0
#include "nitrosim/vhost_user.h"

#include "base/log.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace redoubt::nitrosim {

Result<std::unique_ptr<VhostUser>> VhostUser::create(net::EventLoop& loop, const std::string& socket_path,
                                                     VhostDevice& device) {
    REDOUBT_TRY(const auto endpoint, net::parse_endpoint("unix:" + socket_path));
    std::unique_ptr<VhostUser> out(new VhostUser(loop, device));
    REDOUBT_TRY(net::Fd listener, net::listen_on(endpoint));
    out->path_ = socket_path;
    out->acceptor_.emplace(loop, std::move(listener),
                           [server = out.get()](net::Fd front) { server->take(std::move(front)); });
    return out;
}

VhostUser::~VhostUser() {
    acceptor_.reset();
    if (front_)
        loop_.remove(front_.get());
    session_.reset();
    if (!path_.empty())
        (void)unlink(path_.c_str());
}

void VhostUser::take(net::Fd front) {
    front_ = std::move(front);
    acceptor_->want(false); // another one waits until this one goes
    session_ = std::make_unique<VhostSession>(loop_, device_);
    have_header_ = 0;
    loop_.add(front_.get(), EPOLLIN, [this](std::uint32_t) { readable(); });
}

void VhostUser::drop() {
    loop_.remove(front_.get());
    front_.reset();
    message_ = {};
    session_.reset();
    acceptor_->want(true);
}

void VhostUser::readable() {
    for (;;) {
        const auto going = next_message();
        if (!going) {
            log(LogLevel::Warning, "a front end is refused",
                {{"socket", path_}, {"why", going.error().text.view()}, {"context", going.error().context}});
            drop();
            return;
        }
        if (!*going)
            return;
        if (!front_) // it ended
            return;
    }
}

// Reads what `into` lacks. Descriptors come with the first byte of their message.
Result<VhostUser::Received> VhostUser::receive(std::span<std::uint8_t> into, std::size_t& have) {
    while (have < into.size()) {
        alignas(cmsghdr) std::array<char, CMSG_SPACE(kVhostMaxFiles * sizeof(int))> control;
        iovec piece{into.data() + have, into.size() - have};
        msghdr header{};
        header.msg_iov = &piece;
        header.msg_iovlen = 1;
        header.msg_control = control.data();
        header.msg_controllen = control.size();
        const ssize_t n = recvmsg(front_.get(), &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return Received::Part;
        if (n <= 0)
            return Received::End;
        for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
            if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                continue;
            const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            for (std::size_t i = 0; i < count; ++i) {
                int fd = -1;
                std::memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
                message_.files.emplace_back(fd);
            }
        }
        if ((header.msg_flags & MSG_CTRUNC) != 0 || message_.files.size() > kVhostMaxFiles)
            return fail(Code::BadRequest, "a vhost-user message has more descriptors than any can use");
        have += static_cast<std::size_t>(n);
    }
    return Received::All;
}

// Reads and answers one message; false: the rest has not come yet, or the front end is gone.
Result<bool> VhostUser::next_message() {
    if (have_header_ < header_.size()) {
        if (have_header_ == 0)
            message_ = {};
        REDOUBT_TRY(const Received got, receive(header_, have_header_));
        if (got == Received::End)
            drop();
        if (got != Received::All)
            return false;
        REDOUBT_TRY(const VhostHeader header, parse_vhost_header(header_));
        message_.request = header.request;
        message_.payload.resize(header.size);
        have_payload_ = 0;
    }
    REDOUBT_TRY(const Received got, receive(message_.payload, have_payload_));
    if (got == Received::End)
        drop();
    if (got != Received::All)
        return false;
    have_header_ = 0;
    REDOUBT_TRY(const Bytes reply, session_->handle(std::move(message_)));
    // A front end reads its replies; one that lets them pile up until the socket is full is none.
    if (!reply.empty() && send(front_.get(), reply.data(), reply.size(), MSG_NOSIGNAL | MSG_DONTWAIT) !=
                              static_cast<ssize_t>(reply.size()))
        return fail(Code::Io, "a reply to the front end cannot be written");
    return true;
}

} // namespace redoubt::nitrosim
