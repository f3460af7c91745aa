// SPDX-License-Identifier: Apache-2.0
#include "gateway/stream_pass.h"

#include "base/clock.h"
#include "base/log.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <utility>

namespace redoubt::gateway {

namespace {

constexpr int kLingerMs = 2'000; // for what a client still sends after its last answer
constexpr int kDrainLookMs = 50;
constexpr std::int64_t kDrainStillMs = 500; // for requests that are on their way when draining begins
constexpr std::size_t kTellTaken = wire::kStreamWindow / 4;

} // namespace

// The link to one enclave, and what is under way there.
struct StreamPass::Enclave {
    std::shared_ptr<EnclaveLink> pool_link;
    std::shared_ptr<StreamLink> link;
    std::size_t streams = 0;
    // Requests for which items were sent, and whose next word is awaited: by stream and number.
    std::map<std::pair<std::uint64_t, std::uint32_t>, EnclaveLink::Callback> waiting;
};

struct StreamPass::Client {
    std::uint64_t id = 0;
    net::Fd fd;
    std::shared_ptr<Enclave> enclave;
    std::size_t window = wire::kStreamWindow; // that the enclave will take
    Bytes out;                                // for the client
    std::size_t sent = 0, untold = 0;         // of `out`; and what was sent that the enclave was not told of
    std::uint32_t interest = EPOLLIN;
    std::int64_t moved = 0; // when bytes last passed
    std::size_t asking = 0; // requests that the router attends to
    bool input_ended = false;
    bool closing = false;   // by the enclave: what there is goes out first
    bool lingering = false; // all went out, and the stream is over
};

StreamPass::StreamPass(net::EventLoop& loop, EnclavePool& pool, Router& router, net::Fd listener)
    : loop_(loop), pool_(pool), router_(router),
      acceptor_(std::make_unique<net::Acceptor>(loop, std::move(listener),
                                                [this](net::Fd fd) { begin(std::move(fd)); })) {}

StreamPass::~StreamPass() {
    for (const auto& [id, client] : clients_)
        loop_.remove(client->fd.get());
    for (const auto& [name, enclave] : enclaves_) {
        enclave->link->stop();
        enclave->waiting.clear();
    }
}

// The usable enclave with the fewest streams; nullptr: there is none.
std::shared_ptr<StreamPass::Enclave> StreamPass::choose() {
    std::shared_ptr<EnclaveLink> best;
    std::size_t fewest = 0;
    for (const auto& link : pool_.usable()) {
        const auto found = enclaves_.find(link->endpoint().text());
        const std::size_t streams = found == enclaves_.end() ? 0 : found->second->streams;
        if (!best || streams < fewest) {
            best = link;
            fewest = streams;
        }
    }
    if (!best)
        return nullptr;
    auto& enclave = enclaves_[best->endpoint().text()];
    if (!enclave) {
        enclave = std::make_shared<Enclave>();
        const auto weak = std::weak_ptr<Enclave>(enclave);
        enclave->link = std::make_shared<StreamLink>(loop_, best->endpoint(),
                                                     StreamLink::Events{[this, weak](const wire::Frame& one) {
                                                                            if (const auto of = weak.lock())
                                                                                frame(of, one);
                                                                        },
                                                                        [this, weak] {
                                                                            if (const auto of = weak.lock())
                                                                                enclave_ended(of);
                                                                        }});
        enclave->link->start();
    }
    enclave->pool_link = best;
    return enclave;
}

// Whoever only holds connections open loses them to those who use theirs.
bool StreamPass::make_room(const Enclave* only) {
    ClientPtr stillest;
    for (const auto& [id, client] : clients_)
        if ((only == nullptr || client->enclave.get() == only) && client->asking == 0 &&
            (!stillest || client->moved < stillest->moved))
            stillest = client;
    if (!stillest || monotonic_ms() - stillest->moved < kStillMs)
        return false;
    end(stillest, true);
    return true;
}

void StreamPass::begin(net::Fd fd) {
    if (clients_.size() >= kMaxClients && !make_room(nullptr))
        return;
    const auto enclave = choose();
    if (!enclave || (enclave->streams >= wire::kMaxStreams && !make_room(enclave.get())))
        return;
    const int on = 1;
    (void)setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    auto client = std::make_shared<Client>();
    client->id = next_id_++;
    client->fd = std::move(fd);
    client->enclave = enclave;
    client->moved = monotonic_ms();
    ++enclave->streams;
    enclave->link->send(wire::Kind::StreamOpen, client->id, [](Bytes&) {});
    clients_.emplace(client->id, client);
    loop_.add(client->fd.get(), client->interest,
              [this, weak = std::weak_ptr<Client>(client)](std::uint32_t events) {
                  if (const auto self = weak.lock())
                      ready(self, events);
              });
}

void StreamPass::ready(const ClientPtr& client, std::uint32_t events) {
    if ((events & EPOLLERR) != 0 || (events & EPOLLHUP) != 0)
        return end(client, true); // both directions are gone
    if ((events & EPOLLOUT) != 0)
        flush(client);
    if (client->fd && (events & EPOLLIN) != 0)
        read(client);
}

// Closing with unread bytes would reset the connection, and could take the answer with it.
void StreamPass::linger(const ClientPtr& client) {
    client->lingering = true;
    --client->enclave->streams;
    (void)::shutdown(client->fd.get(), SHUT_WR);
    update_interest(*client);
    loop_.after(kLingerMs,
                [this, weak = std::weak_ptr<Client>(client), alive = std::weak_ptr<Alive>(alive_)] {
                    if (const auto self = weak.lock(); self && !alive.expired())
                        end(self, false);
                });
}

void StreamPass::read(const ClientPtr& client) {
    ByteArray<wire::kMaxStreamData> buffer;
    if (client->lingering) {
        const ssize_t n = recv(client->fd.get(), buffer.data(), buffer.size(), 0);
        return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)) ? void() : end(client, false);
    }
    if (client->window == 0 || client->input_ended || client->closing)
        return update_interest(*client);
    const std::size_t most = std::min(buffer.size(), client->window);
    const ssize_t n = recv(client->fd.get(), buffer.data(), most, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? void() : end(client, true);
    client->moved = monotonic_ms();
    if (n == 0) {
        client->input_ended = true;
        client->enclave->link->send(wire::Kind::StreamClose, client->id, [](Bytes& out) {
            wire::encode_stream_close(out, wire::StreamEnd::Finished);
        });
        return update_interest(*client);
    }
    const auto got = ByteView(buffer).first(static_cast<std::size_t>(n));
    client->window -= got.size();
    client->enclave->link->send(wire::Kind::StreamData, client->id, [&](Bytes& out) { append(out, got); });
    update_interest(*client);
}

void StreamPass::update_interest(Client& client) {
    const bool reads = client.lingering || (client.window > 0 && !client.input_ended && !client.closing);
    const bool writes = client.sent < client.out.size();
    const std::uint32_t wanted =
        (reads ? std::uint32_t{EPOLLIN} : 0u) | (writes ? std::uint32_t{EPOLLOUT} : 0u);
    if (wanted != client.interest)
        loop_.modify(client.fd.get(), client.interest = wanted);
}

void StreamPass::flush(const ClientPtr& client) {
    while (client->sent < client->out.size()) {
        const ssize_t n = ::send(client->fd.get(), client->out.data() + client->sent,
                                 client->out.size() - client->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            return end(client, true);
        if (n < 0)
            break;
        client->sent += static_cast<std::size_t>(n);
        client->untold += static_cast<std::size_t>(n);
        client->moved = monotonic_ms();
    }
    if (client->sent == client->out.size()) {
        client->out.clear();
        client->sent = 0;
        if (client->closing && !client->lingering)
            return linger(client);
    }
    if (client->untold >= kTellTaken) {
        client->enclave->link->send(wire::Kind::StreamTaken, client->id, [&](Bytes& out) {
            wire::encode_stream_taken(out, static_cast<std::uint32_t>(client->untold));
        });
        client->untold = 0;
    }
    update_interest(*client);
}

void StreamPass::frame(const std::shared_ptr<Enclave>& enclave, const wire::Frame& frame) {
    if (frame.kind == wire::Kind::StreamAsk)
        return ask(enclave, frame); // also of a stream that is over: what was made is stored
    const auto found = clients_.find(frame.id);
    if (found == clients_.end() || found->second->enclave != enclave || found->second->closing)
        return; // it ended here while the frame was on its way
    const ClientPtr client = found->second;
    switch (frame.kind) {
    case wire::Kind::StreamData:
        if (client->out.size() - client->sent + client->untold + frame.payload.size() > wire::kStreamWindow)
            return end(client, true); // more than was asked for
        append(client->out, frame.payload);
        return flush(client);
    case wire::Kind::StreamTaken: {
        const auto taken = wire::decode_stream_taken(frame.payload);
        if (!taken || *taken > wire::kStreamWindow - client->window)
            return end(client, true);
        client->window += *taken;
        client->moved = monotonic_ms();
        return update_interest(*client);
    }
    case wire::Kind::StreamClose:
        client->closing = true;
        return flush(client);
    default:
        return end(client, true);
    }
}

void StreamPass::ask(const std::shared_ptr<Enclave>& enclave, const wire::Frame& frame) {
    auto said = wire::decode_stream_ask(frame.payload);
    const auto found = clients_.find(frame.id);
    const ClientPtr client = found == clients_.end() ? nullptr : found->second;
    if (!said)
        return client ? end(client, true) : void();
    const std::pair<std::uint64_t, std::uint32_t> key{frame.id, said->number};
    if (const auto waiting = enclave->waiting.find(key); waiting != enclave->waiting.end()) {
        const auto next = std::move(waiting->second);
        enclave->waiting.erase(waiting);
        return next(std::move(said->reply));
    }
    if (client)
        ++client->asking;
    Router::Inside inside;
    inside.link = enclave->pool_link;
    inside.again = [enclave, key](std::vector<wire::Item> items, EnclaveLink::Callback next) {
        if (enclave->link->ended())
            return next(
                fail(Code::EnclaveUnavailable, "the enclave's connection ended; try again in a second"));
        enclave->waiting.insert_or_assign(key, std::move(next));
        enclave->link->send(wire::Kind::StreamItems, key.first, [&](Bytes& out) {
            wire::encode_stream_items(out, {key.second, std::move(items)});
        });
    };
    router_.attend(std::move(inside), std::move(said->reply),
                   [enclave, key, weak = std::weak_ptr<Client>(client)](const Status& status) {
                       if (const auto asked = weak.lock()) {
                           --asked->asking;
                           asked->moved = monotonic_ms();
                       }
                       enclave->waiting.erase(key);
                       enclave->link->send(wire::Kind::StreamSettled, key.first, [&](Bytes& out) {
                           wire::encode_stream_settled(
                               out, {key.second, status ? std::nullopt : std::optional(status.error().code)});
                       });
                   });
}

void StreamPass::enclave_ended(const std::shared_ptr<Enclave>& enclave) {
    std::erase_if(enclaves_, [&](const auto& entry) { return entry.second == enclave; });
    std::vector<ClientPtr> its;
    for (const auto& [id, client] : clients_)
        if (client->enclave == enclave && !client->lingering)
            its.push_back(client);
    for (const auto& client : its)
        end(client, false);
    for (auto& [key, next] : std::exchange(enclave->waiting, {}))
        next(fail(Code::EnclaveUnavailable, "the enclave's connection ended; try again in a second"));
}

void StreamPass::end(const ClientPtr& client, bool tell_enclave) {
    if (!client->fd)
        return;
    const ClientPtr kept = client;
    loop_.remove(kept->fd.get());
    kept->fd.reset();
    if (!kept->lingering)
        --kept->enclave->streams;
    if (tell_enclave && !kept->closing)
        kept->enclave->link->send(wire::Kind::StreamClose, kept->id,
                                  [](Bytes& out) { wire::encode_stream_close(out, wire::StreamEnd::Gone); });
    clients_.erase(kept->id);
}

void StreamPass::drain(int timeout_ms, std::function<void()> done) {
    acceptor_.reset();
    drained_ = std::move(done);
    const std::int64_t now = monotonic_ms();
    look_at_drain(now, now + timeout_ms);
}

void StreamPass::look_at_drain(std::int64_t since, std::int64_t until) {
    const std::int64_t now = monotonic_ms();
    std::vector<ClientPtr> over;
    for (const auto& [id, client] : clients_)
        if (now >= until || (client->asking == 0 && client->out.empty() &&
                             now - std::max(client->moved, since) >= kDrainStillMs))
            over.push_back(client);
    for (const auto& client : over)
        end(client, true);
    loop_.after(clients_.empty() ? 0 : kDrainLookMs,
                [this, since, until, alive = std::weak_ptr<Alive>(alive_)] {
                    if (alive.expired())
                        return;
                    if (!clients_.empty())
                        return look_at_drain(since, until);
                    if (const auto done = std::exchange(drained_, nullptr))
                        done();
                });
}

} // namespace redoubt::gateway
