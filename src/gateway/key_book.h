// SPDX-License-Identifier: Apache-2.0
// From an address to the key that has it, for interfaces whose clients name accounts and not keys. What it
// says is the store's word, unauthenticated: the enclave opens the key and refuses another `from` than the
// key's. Loop thread only.
#pragma once

#include "base/worker_pool.h"
#include "gateway/call.h"
#include "net/event_loop.h"
#include "store/store.h"

#include <deque>
#include <map>
#include <vector>

namespace redoubt::gateway {

class KeyBook {
  public:
    using Address = ByteArray<20>;
    struct Entry {
        sealed::KeyId id{};
        Address address{};
        sealed::State state{};
    };

    // All outlive the book.
    KeyBook(net::EventLoop& loop, WorkerPool& list_workers, store::Store& store);

    // The newest enabled key with this address (an imported key may be there twice); nothing: none has it.
    // Found ones are kept, at most kMaxKept, until `forget`. Errors: Overloaded, StoreFailed.
    void find(const Address& address, std::function<void(Result<std::optional<Entry>>)> done);
    // The same where it need not be looked for; nullptr: find() says. It is there until the book is used
    // again.
    const Entry* known(const Address& address) const noexcept {
        const auto kept = kept_.find(address);
        return kept != kept_.end() ? &kept->second : nullptr;
    }
    // The enabled keys that the caller may sign with, in order of creation, at most kMaxListed. Errors:
    // TooLarge (there are more: name them in the client's grant), Overloaded, StoreFailed.
    void list(const Caller& caller, std::function<void(Result<std::vector<Entry>>)> done);
    // The key's record has changed.
    void forget(const sealed::KeyId& id);

    static constexpr std::size_t kMaxKept = 65'536;
    static constexpr std::size_t kMaxListed = 10'000;
    static constexpr std::size_t kMaxWaiting = 4'096; // addresses that are looked for; beyond: Overloaded

  private:
    using Found = Result<std::optional<Entry>>;
    void look();
    void looked(const std::vector<Address>& addresses, const std::vector<Found>& found,
                std::uint64_t changes);
    void keep(const Entry& entry);

    net::EventLoop& loop_;
    WorkerPool& workers_;
    store::Store& store_;
    std::map<Address, Entry> kept_;
    std::map<sealed::KeyId, Address> addresses_; // of those kept
    std::deque<Address> order_;                  // in which they were kept
    std::map<Address, std::vector<std::function<void(Found)>>> asking_;
    std::deque<Address> waiting_; // of those asked for, to be looked for next
    bool looking_ = false;
    std::uint64_t changes_ = 0; // what was read before a key changed is not kept
    struct Alive {};
    std::shared_ptr<Alive> alive_ = std::make_shared<Alive>();
};

} // namespace redoubt::gateway
