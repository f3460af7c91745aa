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

std::shared_ptr<const OpenVault> VaultTable::any(UnixMs now) const {
    const std::shared_lock lock(mutex_);
    for (const auto& [id, vault] : vaults_)
        if (vault->lease->valid(now))
            return vault;
    return nullptr;
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
