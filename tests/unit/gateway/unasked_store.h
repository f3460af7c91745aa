// SPDX-License-Identifier: Apache-2.0
// A store of which nobody asks anything, for those that answer a part of it.
#pragma once

#include "store/store.h"

namespace redoubt::gateway::tests {

inline std::unexpected<Error> not_asked() {
    return fail(Code::Internal, "nobody asks this of the store here");
}

class UnaskedStore : public store::Store {
  public:
    Status put_key(ByteView) override { return not_asked(); }
    Status update_key(ByteView) override { return not_asked(); }
    Result<std::optional<Bytes>> get_key(const sealed::KeyId&) override { return not_asked(); }
    Result<store::KeyPage> list_keys(const store::KeyFilter&, std::optional<store::Position>,
                                     std::size_t) override {
        return not_asked();
    }
    Result<std::vector<sealed::KeyId>> delete_due_keys(UnixMs, std::size_t) override { return not_asked(); }
    Status put_vault(ByteView) override { return not_asked(); }
    Result<std::vector<Bytes>> list_vaults() override { return not_asked(); }
    Result<std::optional<Bytes>> get_vault(const sealed::VaultId&) override { return not_asked(); }
    Status put_policy(ByteView) override { return not_asked(); }
    Result<std::optional<Bytes>> get_policy(const Hash32&) override { return not_asked(); }
    Status put_counters(ByteView) override { return not_asked(); }
    Result<std::optional<Bytes>> get_counters(const sealed::KeyId&) override { return not_asked(); }
};

} // namespace redoubt::gateway::tests
