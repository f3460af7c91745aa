// SPDX-License-Identifier: Apache-2.0
#include "gateway/key_book.h"

#include "gateway/clients.h"

#include <algorithm>
#include <utility>

namespace redoubt::gateway {

namespace {

constexpr std::size_t kTogether = 64; // addresses that one job looks for
constexpr std::size_t kPage = 1'000;
// Pages of one question: a page may be short of what fits the filter (store/store.h).
constexpr int kMaxPages = 64;
constexpr FixedText kTooMany =
    "there are more keys than one list may hold; name the client's keys in the clients document, or page "
    "through GET /v1/keys";

KeyBook::Entry entry_of(const sealed::KeyHead& head) {
    return {head.id, head.address, head.state};
}

// Calls `take` for each enabled key, in order of creation, with this address if one is given.
template<class Take>
Status each_enabled(store::Store& store, const std::optional<KeyBook::Address>& address, Take take) {
    store::KeyFilter filter;
    filter.address = address;
    filter.state = sealed::State::Enabled;
    std::optional<store::Position> after;
    for (int pages = 0; pages < kMaxPages; ++pages) {
        REDOUBT_TRY(const store::KeyPage page, store.list_keys(filter, after, kPage));
        for (const auto& key : page.keys)
            REDOUBT_CHECK(take(key.head));
        if (!page.next)
            return {};
        after = page.next;
    }
    return fail(Code::TooLarge, kTooMany);
}

Result<std::optional<KeyBook::Entry>> newest(store::Store& store, const KeyBook::Address& address) {
    std::optional<KeyBook::Entry> found;
    REDOUBT_CHECK(each_enabled(store, address, [&](const sealed::KeyHead& head) -> Status {
        found = entry_of(head);
        return {};
    }));
    return found;
}

// Heads in order of creation, each key once.
Result<std::vector<sealed::KeyHead>> heads_for(store::Store& store, const Grant* grant) {
    std::vector<sealed::KeyHead> heads;
    const auto take = [&](const sealed::KeyHead& head) -> Status {
        if (heads.size() >= KeyBook::kMaxListed)
            return fail(Code::TooLarge, kTooMany);
        heads.push_back(head);
        return {};
    };
    if (grant == nullptr || grant->every_key) {
        REDOUBT_CHECK(each_enabled(store, std::nullopt, take));
        return heads;
    }
    for (const auto& id : grant->key_ids) {
        REDOUBT_TRY(const auto record, store.get_key(id));
        const auto head = record ? sealed::read_key_head(*record) : fail(Code::UnknownKey, "no such key");
        if (head && head->state == sealed::State::Enabled)
            REDOUBT_CHECK(take(*head));
    }
    for (const auto& address : grant->addresses)
        REDOUBT_CHECK(each_enabled(store, address, take));
    const auto place = [](const sealed::KeyHead& head) { return std::pair(head.created, head.id); };
    std::ranges::sort(heads, {}, place);
    const auto again = std::ranges::unique(heads, {}, &sealed::KeyHead::id);
    heads.erase(again.begin(), again.end());
    return heads;
}

const Error kBusy{Code::Overloaded, "too many keys are being looked for; try again in a second", {}};

} // namespace

KeyBook::KeyBook(net::EventLoop& loop, WorkerPool& list_workers, store::Store& store)
    : loop_(loop), workers_(list_workers), store_(store) {}

void KeyBook::find(const Address& address, std::function<void(Found)> done) {
    if (const auto kept = kept_.find(address); kept != kept_.end())
        return done(kept->second);
    auto asking = asking_.find(address);
    if (asking == asking_.end()) {
        if (waiting_.size() >= kMaxWaiting)
            return done(std::unexpected(kBusy));
        asking = asking_.emplace(address, std::vector<std::function<void(Found)>>()).first;
        waiting_.push_back(address);
    }
    asking->second.push_back(std::move(done));
    if (!looking_)
        look();
}

// One job at a time, for all that wait: a batch of a thousand accounts is no thousand jobs.
void KeyBook::look() {
    if (waiting_.empty())
        return;
    std::vector<Address> addresses;
    while (!waiting_.empty() && addresses.size() < kTogether) {
        addresses.push_back(waiting_.front());
        waiting_.pop_front();
    }
    looking_ = true;
    const bool taken = workers_.submit(
        [this, &store = store_, &loop = loop_, alive = std::weak_ptr(alive_), addresses, changes = changes_] {
            std::vector<Found> found;
            for (const auto& address : addresses)
                found.push_back(newest(store, address));
            loop.post([this, alive, addresses, found = std::move(found), changes] {
                if (!alive.expired())
                    looked(addresses, found, changes);
            });
        });
    if (!taken)
        looked(addresses, std::vector<Found>(addresses.size(), std::unexpected(kBusy)), changes_);
}

void KeyBook::looked(const std::vector<Address>& addresses, const std::vector<Found>& found,
                     std::uint64_t changes) {
    looking_ = false;
    std::vector<std::pair<std::vector<std::function<void(Found)>>, Found>> answers;
    for (std::size_t i = 0; i < addresses.size(); ++i) {
        if (found[i] && *found[i] && changes == changes_)
            keep(**found[i]);
        if (auto asking = asking_.extract(addresses[i]))
            answers.emplace_back(std::move(asking.mapped()), found[i]);
    }
    look();
    for (const auto& [asked, answer] : answers)
        for (const auto& done : asked)
            done(answer);
}

void KeyBook::keep(const Entry& entry) {
    while (kept_.size() >= kMaxKept && !order_.empty()) {
        if (const auto oldest = kept_.extract(order_.front()))
            addresses_.erase(oldest.mapped().id);
        order_.pop_front();
    }
    if (kept_.insert_or_assign(entry.address, entry).second)
        order_.push_back(entry.address);
    addresses_.insert_or_assign(entry.id, entry.address);
}

void KeyBook::forget(const sealed::KeyId& id) {
    ++changes_;
    if (const auto address = addresses_.extract(id)) {
        kept_.erase(address.mapped());
        std::erase(order_, address.mapped());
    }
}

void KeyBook::list(const Caller& caller, std::function<void(Result<std::vector<Entry>>)> done) {
    auto shared = std::make_shared<std::function<void(Result<std::vector<Entry>>)>>(std::move(done));
    const bool taken = workers_.submit([&store = store_, &loop = loop_, alive = std::weak_ptr(alive_),
                                        grant = caller.grant, shared]() mutable {
        const auto heads = heads_for(store, grant.get());
        Result<std::vector<Entry>> entries;
        if (heads)
            std::ranges::transform(*heads, std::back_inserter(*entries), entry_of);
        else
            entries = std::unexpected(heads.error());
        // Whoever waits for it belongs to the loop: it must not end here.
        loop.post([alive, shared = std::move(shared), entries = std::move(entries)] {
            if (!alive.expired())
                (*shared)(entries);
        });
    });
    if (!taken)
        (*shared)(fail(Code::Overloaded, "too many lists are being made; try again in a second"));
}

} // namespace redoubt::gateway
