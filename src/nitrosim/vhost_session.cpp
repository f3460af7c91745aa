// SPDX-License-Identifier: Apache-2.0
#include "nitrosim/vhost_session.h"

#include "base/log.h"

#include <cstring>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <utility>

namespace redoubt::nitrosim {

namespace {

constexpr std::uint64_t bit(unsigned n) {
    return std::uint64_t{1} << n;
}
constexpr std::uint64_t kProtocolFeaturesBit = bit(30);             // VHOST_USER_F_PROTOCOL_FEATURES
constexpr std::uint64_t kFeatures = bit(32) | kProtocolFeaturesBit; // VIRTIO_F_VERSION_1
// What QEMU agrees on with the guest by itself and that changes nothing for a ring: VIRTIO_F_NOTIFY_ON_EMPTY,
// VIRTIO_F_ANY_LAYOUT, VIRTIO_F_RING_RESET.
constexpr std::uint64_t kHarmless = bit(24) | bit(27) | bit(40);
constexpr std::uint64_t kMultiQueue = bit(0), kConfig = bit(9); // VHOST_USER_PROTOCOL_F_…

constexpr std::uint64_t kNoFile = bit(8); // in SET_VRING_KICK, CALL, ERR
constexpr std::uint64_t kIndexMask = 0xff;
constexpr std::size_t kConfigHeader = 12;

template<class T>
T read_as(ByteView bytes, std::size_t offset = 0) noexcept { // vhost_message.cpp checked the length
    T out{};
    if (offset + sizeof out <= bytes.size())
        std::memcpy(&out, bytes.data() + offset, sizeof out);
    return out;
}

template<class T>
Bytes bytes_of(const T& value) {
    Bytes out(sizeof value);
    std::memcpy(out.data(), &value, sizeof value);
    return out;
}

struct VringState {
    std::uint32_t index, number;
};

// A descriptor from elsewhere never makes this thread wait.
Status do_not_block(const net::Fd& fd) {
    const int flags = fcntl(fd.get(), F_GETFL);
    if (flags < 0 || fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0)
        return fail(Code::BadRequest, "a ring's descriptor cannot be used");
    return {};
}

void signal(const net::Fd& fd) noexcept {
    const std::uint64_t one = 1;
    if (fd)
        (void)!write(fd.get(), &one, sizeof one); // EAGAIN: it is signalled already
}

} // namespace

VhostSession::VhostSession(net::EventLoop& loop, VhostDevice& device)
    : loop_(loop), device_(device), rings_(device.queues()) {
    device_.attached(*this);
}

VhostSession::~VhostSession() {
    for (Ring& ring : rings_)
        (void)stop(ring);
    device_.detached();
}

Result<Bytes> VhostSession::handle(VhostMessage message) {
    REDOUBT_CHECK(check_vhost_message(message));
    return dispatch(message);
}

Result<Bytes> VhostSession::dispatch(VhostMessage& message) {
    const ByteView payload = message.payload;
    const auto reply = [&](std::uint64_t value) {
        return make_vhost_reply(message.request, bytes_of(value));
    };
    const auto state = read_as<VringState>(payload);
    switch (message.request) {
    case VhostRequest::GetFeatures:
        return reply(kFeatures);
    case VhostRequest::GetProtocolFeatures:
        return reply(protocol_features());
    case VhostRequest::GetQueueNum:
        return reply(rings_.size());
    case VhostRequest::SetOwner:
        break;
    case VhostRequest::ResetOwner:
    case VhostRequest::ResetDevice:
        stop_all();
        break;
    case VhostRequest::SetFeatures:
        REDOUBT_CHECK(set_features(read_as<std::uint64_t>(payload)));
        break;
    case VhostRequest::SetProtocolFeatures:
        if ((read_as<std::uint64_t>(payload) & ~protocol_features()) != 0)
            return fail(Code::BadRequest, "the front end takes a protocol feature that was not offered");
        break;
    case VhostRequest::SetMemTable:
        REDOUBT_CHECK(set_memory(message));
        break;
    case VhostRequest::SetVringNum: {
        REDOUBT_TRY(Ring* const ring, ring_at_rest(state.index));
        ring->size = state.number; // Virtqueue::at judges it
        break;
    }
    case VhostRequest::SetVringBase: {
        REDOUBT_TRY(Ring* const ring, ring_at_rest(state.index));
        if (state.number > 0xffff)
            return fail(Code::BadRequest, "a ring's base has 16 bits");
        ring->base = static_cast<std::uint16_t>(state.number);
        break;
    }
    case VhostRequest::SetVringAddr:
        REDOUBT_CHECK(set_addresses(payload));
        break;
    case VhostRequest::GetVringBase:
        return stop_ring(payload);
    case VhostRequest::SetVringKick:
        REDOUBT_CHECK(set_kick(message));
        break;
    case VhostRequest::SetVringCall:
        REDOUBT_CHECK(set_other(message, &Ring::call));
        break;
    case VhostRequest::SetVringErr:
        REDOUBT_CHECK(set_other(message, &Ring::error));
        break;
    case VhostRequest::SetVringEnable: {
        REDOUBT_TRY(Ring* const ring, ring_at(state.index));
        ring->enabled = state.number != 0;
        REDOUBT_CHECK(start(static_cast<std::uint16_t>(state.index)));
        break;
    }
    case VhostRequest::GetConfig:
        return read_config(payload);
    case VhostRequest::SetConfig:
        REDOUBT_CHECK(write_config(payload));
        break;
    }
    return Bytes{};
}

// QEMU warns of a back end that has a configuration where its own device has none.
std::uint64_t VhostSession::protocol_features() const {
    return kMultiQueue | (device_.config().empty() ? 0 : kConfig);
}

Status VhostSession::set_features(std::uint64_t features) {
    if ((features & ~(kFeatures | kHarmless)) != 0)
        return fail(Code::BadRequest, "the front end takes a feature that was not offered");
    protocol_features_ = (features & kProtocolFeaturesBit) != 0;
    return {};
}

Status VhostSession::set_memory(VhostMessage& message) {
    const ByteView payload = message.payload;
    const auto count = read_as<std::uint32_t>(payload);
    if (count > GuestMemory::kMaxRegions || payload.size() != 8 + count * sizeof(MemoryRegion))
        return fail(Code::BadRequest, "a memory table's length is not that of its regions");
    std::vector<MemoryRegion> regions;
    for (std::size_t i = 0; i < count; ++i)
        regions.push_back(read_as<MemoryRegion>(payload, 8 + i * sizeof(MemoryRegion)));
    REDOUBT_TRY(memory_, GuestMemory::map(regions, message.files));
    // Rings that run go on where they are, in the new mapping.
    for (Ring& ring : rings_) {
        if (!ring.queue)
            continue;
        const std::uint16_t next = ring.queue->next();
        ring.queue.reset();
        REDOUBT_TRY(ring.queue, Virtqueue::at(memory_, ring.size, *ring.addresses, next));
    }
    return {};
}

Status VhostSession::set_addresses(ByteView payload) {
    REDOUBT_TRY(Ring* const ring, ring_at_rest(read_as<std::uint32_t>(payload)));
    if (read_as<std::uint32_t>(payload, 4) != 0) // VHOST_VRING_F_LOG
        return fail(Code::BadRequest, "logging of a ring was not offered");
    ring->addresses = RingAddresses{read_as<std::uint64_t>(payload, 8), read_as<std::uint64_t>(payload, 16),
                                    read_as<std::uint64_t>(payload, 24)};
    return {};
}

Result<VhostSession::Ring*> VhostSession::ring_at(std::uint32_t index) {
    if (index >= rings_.size())
        return fail(Code::BadRequest, "the device has no such ring");
    return &rings_[index];
}

Result<VhostSession::Ring*> VhostSession::ring_at_rest(std::uint32_t index) {
    REDOUBT_TRY(Ring* const ring, ring_at(index));
    if (ring->queue)
        return fail(Code::BadRequest, "a ring that runs cannot be changed");
    return ring;
}

Status VhostSession::set_kick(VhostMessage& message) {
    const auto value = read_as<std::uint64_t>(message.payload);
    REDOUBT_TRY(Ring* const ring, ring_at(static_cast<std::uint32_t>(value & kIndexMask)));
    if ((value & kNoFile) != 0 || message.files.size() != 1)
        return fail(Code::BadRequest, "a ring without a descriptor to wait for was not offered");
    REDOUBT_CHECK(do_not_block(message.files[0]));
    if (ring->kick)
        loop_.remove(ring->kick.get());
    ring->kick = std::move(message.files[0]);
    const auto index = static_cast<std::uint16_t>(value & kIndexMask);
    loop_.add(ring->kick.get(), EPOLLIN, [this, index](std::uint32_t events) {
        Ring& kicked = rings_[index];
        std::uint64_t count = 0;
        const bool gone =
            (events & (EPOLLHUP | EPOLLERR)) != 0 || read(kicked.kick.get(), &count, sizeof count) == 0;
        if (gone) { // no eventfd, or one that ended: it would wake the loop for ever
            loop_.remove(kicked.kick.get());
            kicked.kick.reset();
            return;
        }
        if (running(index) != nullptr)
            device_.kicked(index);
    });
    ring->refused = false;
    return start(index);
}

Status VhostSession::set_other(VhostMessage& message, net::Fd Ring::*which) {
    const auto value = read_as<std::uint64_t>(message.payload);
    REDOUBT_TRY(Ring* const ring, ring_at(static_cast<std::uint32_t>(value & kIndexMask)));
    if (((value & kNoFile) != 0) != message.files.empty())
        return fail(Code::BadRequest, "a ring's descriptor is missing, or one too many");
    if (!message.files.empty()) {
        REDOUBT_CHECK(do_not_block(message.files[0]));
        ring->*which = std::move(message.files[0]);
    } else {
        (ring->*which).reset();
    }
    return {};
}

// Gives the entry to go on with, should the ring be started again.
Result<Bytes> VhostSession::stop_ring(ByteView payload) {
    const auto index = read_as<std::uint32_t>(payload);
    REDOUBT_TRY(Ring* const ring, ring_at(index));
    const bool was_running = stop(*ring);
    const Bytes reply = make_vhost_reply(VhostRequest::GetVringBase, bytes_of(VringState{index, ring->base}));
    if (was_running)
        device_.stopped();
    return reply;
}

Result<Bytes> VhostSession::read_config(ByteView payload) const {
    const auto offset = read_as<std::uint32_t>(payload);
    const auto size = read_as<std::uint32_t>(payload, 4);
    if (size != payload.size() - kConfigHeader)
        return fail(Code::BadRequest, "a request for configuration has another length than it says");
    const Bytes config = device_.config();
    if (offset > config.size() || size > config.size() - offset)
        return make_vhost_reply(VhostRequest::GetConfig, {}); // how the protocol says "there is no such part"
    Bytes out(payload.begin(), payload.begin() + kConfigHeader);
    append(out, ByteView(config).subspan(offset, size));
    return make_vhost_reply(VhostRequest::GetConfig, out);
}

// Nothing in either device's configuration can be written; the guest's attempt has no effect
// (virtio 1.2, 2.5).
Status VhostSession::write_config(ByteView payload) const {
    if (read_as<std::uint32_t>(payload, 4) != payload.size() - kConfigHeader)
        return fail(Code::BadRequest, "a configuration to write has another length than it says");
    return {};
}

Status VhostSession::start(std::uint16_t index) {
    Ring& ring = rings_[index];
    if (ring.refused || !ring.kick)
        return {};
    if (!ring.queue) {
        if (!ring.addresses || ring.size == 0)
            return fail(Code::BadRequest, "a ring is started before it is set up");
        REDOUBT_TRY(ring.queue, Virtqueue::at(memory_, ring.size, *ring.addresses, ring.base));
        ring.resumed = ring.base != 0;
    }
    if (running(index) != nullptr)
        device_.kicked(index); // what the driver posted before
    return {};
}

bool VhostSession::stop(Ring& ring) {
    if (ring.kick)
        loop_.remove(ring.kick.get());
    ring.kick.reset();
    ring.call.reset();
    ring.enabled = false;
    const bool was_running = ring.queue.has_value();
    if (was_running)
        ring.base = ring.queue->next();
    ring.queue.reset();
    return was_running;
}

void VhostSession::stop_all() {
    bool any = false;
    for (Ring& ring : rings_)
        any = stop(ring) || any;
    if (any)
        device_.stopped();
}

Virtqueue* VhostSession::running(std::uint16_t queue) {
    if (queue >= rings_.size())
        return nullptr;
    Ring& ring = rings_[queue];
    return ring.queue && !ring.refused && (ring.enabled || !protocol_features_) ? &*ring.queue : nullptr;
}

void VhostSession::notify(std::uint16_t queue) {
    if (const Virtqueue* const ring = running(queue); ring != nullptr && ring->wants_notification())
        signal(rings_[queue].call);
}

bool VhostSession::take_resumed(std::uint16_t queue) {
    return queue < rings_.size() && std::exchange(rings_[queue].resumed, false);
}

void VhostSession::refuse(std::uint16_t queue, const Error& why) {
    if (queue >= rings_.size() || rings_[queue].refused)
        return;
    log(LogLevel::Warning, "a guest's ring is refused",
        {{"queue", std::to_string(queue)}, {"why", why.text.view()}});
    rings_[queue].refused = true;
    signal(rings_[queue].error);
}

} // namespace redoubt::nitrosim
