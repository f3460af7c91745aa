// SPDX-License-Identifier: Apache-2.0
#include "enclave/vault_table.h"

#include <mutex>

namespace redoubt::enclave {

Status VaultTable::put(std::shared_ptr<OpenVault> vault, UnixMs until) {
    const std::unique_lock lock(mutex_);
    const auto found = vaults_.find(vault->record.id);
    if (found != vaults_.end()) {
        if (!equal_secrets(found->second->key, vault->key))
            return fail(Code::RecordInvalid, "another vault is open under this vault's id");
        vault->lease = found->second->lease;
    } else if (vaults_.size() >= kMaxVaults) {
        return fail(Code::Conflict, "64 vaults are open, and no more can be");
    }
    vault->lease->until = until;
    vaults_[vault->record.id] = std::move(vault);
    return {};
}

std::shared_ptr<const OpenVault> VaultTable::find(const sealed::VaultId& id, UnixMs now) const {
    const std::shared_lock lock(mutex_);
    const auto found = vaults_.find(id);
    return found != vaults_.end() && found->second->lease->valid(now) ? found->second : nullptr;
}

std::shared_ptr<const OpenVault> VaultTable::newest(UnixMs now) const {
    const std::shared_lock lock(mutex_);
    std::shared_ptr<const OpenVault> best;
    const auto order = [](const OpenVault& vault) {
        return std::pair(vault.record.epoch, vault.record.created);
    };
    for (const auto& [id, vault] : vaults_)
        if (vault->lease->valid(now) && (!best || order(*best) < order(*vault)))
            best = vault;
    return best;
}

std::size_t VaultTable::count(UnixMs now) const {
    const std::shared_lock lock(mutex_);
    std::size_t open = 0;
    for (const auto& [id, vault] : vaults_)
        open += vault->lease->valid(now) ? 1u : 0u;
    return open;
}

bool VaultTable::close(const sealed::VaultId& id, UnixMs until) {
    const std::unique_lock lock(mutex_);
    const auto found = vaults_.find(id);
    if (found == vaults_.end() || found->second->lease->until != until)
        return false;
    found->second->lease->end();
    vaults_.erase(found);
    return true;
}

std::vector<std::shared_ptr<OpenVault>> VaultTable::all() const {
    const std::shared_lock lock(mutex_);
    std::vector<std::shared_ptr<OpenVault>> out;
    for (const auto& [id, vault] : vaults_)
        out.push_back(vault);
    return out;
}

} // namespace redoubt::enclave
