// SPDX-License-Identifier: Apache-2.0
#include "gateway/enclave_pool.h"

namespace redoubt::gateway {

std::vector<EnclavePool::View> EnclavePool::views() const {
    std::vector<View> out;
    for (const auto& member : members_) {
        View view;
        view.name = member->link->endpoint().text();
        view.link = member->link;
        view.in_service = member->service == Service::In;
        view.connected = member->link->open();
        view.manifest_taken = member->manifest_taken;
        view.vaults_open = member->vaults_open;
        view.outstanding = member->link->outstanding();
        view.crowded = member->queue.crowded();
        view.tag = member->tag;
        view.vaults.assign(member->open.begin(), member->open.end());
        if (setup_.receipts != nullptr && member->chain != trust::ChainId{})
            view.receipts_through = setup_.receipts->through(member->chain);
        out.push_back(std::move(view));
    }
    return out;
}

std::string_view EnclavePool::tag_of(const EnclaveLink& link) const noexcept {
    for (const auto& member : members_)
        if (member->link.get() == &link)
            return member->tag;
    return {};
}

} // namespace redoubt::gateway
