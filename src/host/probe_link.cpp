// SPDX-License-Identifier: Apache-2.0
#include "host/probe_link.h"

#include "base/json.h"

#include <cerrno>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <utility>

namespace redoubt::host {

ProbeLink::ProbeLink(net::EventLoop& loop, net::Endpoint endpoint, int every_ms,
                     std::function<void(const SignedProbe&)> signed_now, std::function<void()> lost)
    : loop_(loop), endpoint_(std::move(endpoint)), every_ms_(every_ms), signed_now_(std::move(signed_now)),
      lost_(std::move(lost)) {
    after(0, [this] { connect(); });
}

ProbeLink::~ProbeLink() {
    if (timer_set_)
        loop_.cancel(timer_);
    if (fd_)
        loop_.remove(fd_.get());
}

void ProbeLink::after(int ms, std::function<void()> task) {
    if (timer_set_)
        loop_.cancel(timer_);
    timer_set_ = true;
    timer_ = loop_.after(ms, [this, task = std::move(task)] {
        timer_set_ = false;
        task();
    });
}

void ProbeLink::connect() {
    auto fd = net::start_connect(endpoint_);
    if (!fd)
        return after(kConnectAgainMs, [this] { connect(); });
    fd_ = std::move(*fd);
    connecting_ = true;
    interest_ = EPOLLOUT;
    loop_.add(fd_.get(), interest_, [this](std::uint32_t events) { ready(events); });
}

void ProbeLink::down() {
    if (fd_)
        loop_.remove(fd_.get());
    fd_.reset();
    reader_ = wire::FrameReader();
    out_.clear();
    sent_ = 0;
    connecting_ = false;
    after(kConnectAgainMs, [this] { connect(); });
    if (std::exchange(has_signed_, false) && lost_)
        lost_();
}

void ProbeLink::ready(std::uint32_t events) {
    if (connecting_) {
        if (!net::connect_result(fd_))
            return down();
        connecting_ = false;
        return ask(wire::Kind::Hello);
    }
    if ((events & EPOLLOUT) != 0 && !flush())
        return down();
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
        receive();
}

void ProbeLink::ask(wire::Kind kind) {
    asked_ = kind;
    wire::end_frame(out_, wire::begin_frame(out_, kind, ++id_));
    if (!flush())
        down();
}

bool ProbeLink::flush() {
    while (sent_ < out_.size()) {
        const ssize_t n = send(fd_.get(), out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            return false;
        if (n < 0)
            break;
        sent_ += static_cast<std::size_t>(n);
    }
    if (sent_ == out_.size()) {
        out_.clear();
        sent_ = 0;
    }
    const std::uint32_t wanted = EPOLLIN | (out_.empty() ? 0u : std::uint32_t{EPOLLOUT});
    if (wanted != std::exchange(interest_, wanted))
        loop_.modify(fd_.get(), wanted);
    return true;
}

void ProbeLink::receive() {
    const auto space = reader_.space();
    const ssize_t n = recv(fd_.get(), space.data(), space.size(), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        return down();
    reader_.commit(static_cast<std::size_t>(n));
    const auto frame = reader_.next();
    if (!frame)
        return down();
    if (!*frame)
        return;
    // One question at a time: nothing but its answer may come.
    if ((*frame)->kind != wire::Kind::Reply || (*frame)->id != id_)
        return down();
    const auto reply = wire::decode_reply((*frame)->payload);
    if (!reply)
        return down();
    if (asked_ == wire::Kind::Hello) {
        if (!take(*reply))
            return down();
        return ask(wire::Kind::Probe);
    }
    const bool has_signed = take(*reply);
    has_signed_ = has_signed_ || has_signed;
    after(every_ms_, [this] { ask(wire::Kind::Probe); });
    if (has_signed)
        signed_now_(said_);
}

// Members that are not asked for may come and go between versions.
bool ProbeLink::take(const wire::Reply& reply) {
    json::Document document;
    const auto root = document.parse(reply.body);
    if (reply.status != 200 || !root || !root->is_object())
        return false;
    if (asked_ == wire::Kind::Hello) {
        const auto pcr0 = root->get("pcr0");
        const auto image = root->get("image");
        if (!pcr0 || !pcr0->is_string() || !image || !image->is_string())
            return false;
        said_.pcr0 = std::string(pcr0->text());
        said_.development = image->text() == "development";
        return true;
    }
    const auto ok = root->get("ok");
    const auto manifest = root->get("manifest_taken");
    const auto vaults = root->get("vaults_open");
    if (!ok || !ok->is_bool() || !ok->boolean() || !manifest || !manifest->is_bool() || !vaults ||
        !vaults->u64())
        return false;
    said_.manifest_taken = manifest->boolean();
    said_.vaults_open = *vaults->u64();
    return true;
}

} // namespace redoubt::host
