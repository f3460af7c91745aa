// SPDX-License-Identifier: Apache-2.0
// The pool's enclaves change while it serves: docs/pool.md.
#include "base/log.h"
#include "gateway/enclave_pool.h"

#include <algorithm>
#include <utility>

namespace redoubt::gateway {

EnclavePool::Member& EnclavePool::add_member(const net::Endpoint& endpoint) {
    auto member = std::make_shared<Member>();
    Member& kept = *member; // as long as its link, which is stopped before it goes
    member->name = endpoint.text();
    member->since = monotonic_ms();
    member->queue = queue_bound();
    member->link = std::make_shared<EnclaveLink>(
        loop_, endpoint,
        EnclaveLink::Events{[this, &kept] { opened(kept); }, [this, &kept] { closed(kept); }}, held_keys_);
    members_.push_back(std::move(member));
    return kept;
}

Status EnclavePool::set_endpoints(const std::vector<net::Endpoint>& endpoints) {
    if (endpoints.empty() || endpoints.size() > kMaxEnclaves)
        return fail(Code::Usage, "a gateway needs 1 to 256 enclaves");
    std::set<std::string> named;
    for (const auto& endpoint : endpoints)
        if (!named.insert(endpoint.text()).second)
            return fail(Code::Usage, "an enclave is named twice", endpoint.text());

    const std::int64_t now = monotonic_ms();
    for (const auto& member : members_) {
        const bool stays = named.erase(member->name) != 0; // what is left is new
        if (stays == (member->service == Service::In))
            continue;
        log(LogLevel::Info, stays ? "an enclave is in service again" : "an enclave is to leave",
            {{"enclave", member->name}});
        member->service = stays ? Service::In : Service::Leaving;
        member->since = now;
    }
    for (const auto& endpoint : endpoints) {
        if (!named.contains(endpoint.text()))
            continue;
        log(LogLevel::Info, "an enclave is new", {{"enclave", endpoint.text()}});
        const Member& member = add_member(endpoint);
        if (running_)
            member.link->start();
    }
    retire(now);
    return {};
}

// As many serve as are named: of those that leave one retires for each that can take its place.
void EnclavePool::retire(std::int64_t now) {
    std::size_t needed = 0;
    bool any_usable = false;
    std::vector<Member*> leaving;
    for (const auto& member : members_) {
        if (member->service == Service::Leaving)
            leaving.push_back(member.get());
        if (member->service != Service::In)
            continue;
        needed += member->vaults_open ? 0u : 1u;
        any_usable |= member->manifest_taken;
    }
    // Those that can sign stay longest.
    std::ranges::partition(leaving, [](const Member* member) { return member->vaults_open; });
    for (std::size_t i = 0; i < leaving.size(); ++i) {
        Member& member = *leaving[i];
        if (i < needed && !(any_usable && now - member.since >= setup_.hand_over_ms))
            continue;
        log(LogLevel::Info, "an enclave gets no more requests", {{"enclave", member.name}});
        member.service = Service::Retired;
        member.since = now;
    }
}

void EnclavePool::let_go(std::int64_t now) {
    std::vector<std::shared_ptr<Member>> going;
    std::erase_if(members_, [&](const std::shared_ptr<Member>& member) {
        if (member->service != Service::Retired)
            return false;
        const std::int64_t retired_ms = now - member->since;
        const bool done = retired_ms >= setup_.grace_ms && member->link->outstanding() == 0;
        if (!done && member->link->open() && retired_ms < setup_.retired_ms)
            return false;
        going.push_back(member);
        return true;
    });
    // What they have not answered goes to others, which are all that there is from here on.
    for (const auto& member : going) {
        member->link->stop();
        log(LogLevel::Info, "an enclave has been let go", {{"enclave", member->name}});
    }
}

} // namespace redoubt::gateway
