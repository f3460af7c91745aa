// SPDX-License-Identifier: Apache-2.0
// Open vaults. An open vault is a lease: it ends unless KMS agrees again, and then every key opened from it
// ends too. Thread-safe.
#pragma once

#include "enclave/lease.h"
#include "sealed/vault_record.h"

#include <map>
#include <memory>
#include <shared_mutex>
#include <vector>

namespace redoubt::enclave {

struct OpenVault {
    Secret key;
    sealed::VaultRecord record;
    std::shared_ptr<Lease> lease = std::make_shared<Lease>();
};

class VaultTable {
  public:
    static constexpr std::size_t kMaxVaults = 64;
    // Opens it until then. A vault that is open already keeps its lease object, which is extended. Errors:
    // RecordInvalid when a different vault key is open under this id; Conflict beyond kMaxVaults.
    Status put(std::shared_ptr<OpenVault> vault, UnixMs until);
    std::shared_ptr<const OpenVault> find(const sealed::VaultId& id, UnixMs now) const; // nullptr: not open
    std::shared_ptr<const OpenVault>
    newest(UnixMs now) const; // where new keys are sealed, by epoch and creation
    std::size_t count(UnixMs now) const;
    // Ends the lease, if it still ends at `until`: false when it was renewed or is gone.
    bool close(const sealed::VaultId& id, UnixMs until);
    std::vector<std::shared_ptr<OpenVault>> all() const; // for renewal

  private:
    mutable std::shared_mutex mutex_;
    std::map<sealed::VaultId, std::shared_ptr<OpenVault>> vaults_;
};

} // namespace redoubt::enclave
