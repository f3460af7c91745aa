// SPDX-License-Identifier: Apache-2.0
// How a journal makes a page of a list out of the entries it reads, in order.
#pragma once

#include "store/transaction_journal.h"

#include <algorithm>
#include <utility>

namespace redoubt::store {

class JournalPageBuilder {
  public:
    JournalPageBuilder(const JournalFilter& filter, std::size_t limit)
        : filter_(filter), limit_(std::max<std::size_t>(limit, 1)) {}

    bool full() const noexcept { return page_.entries.size() >= limit_ || looked_ >= kJournalScan; }
    std::size_t wants() const noexcept { return limit_ - page_.entries.size(); }
    void look(JournalEntry entry) {
        ++looked_;
        last_ = JournalPosition{entry.created, entry.id};
        if ((!filter_.chain_id || entry.chain_id == *filter_.chain_id) &&
            (!filter_.account || entry.account == *filter_.account) &&
            (!filter_.state || entry.state == *filter_.state) &&
            (!filter_.caller || entry.caller == *filter_.caller))
            page_.entries.push_back(std::move(entry));
    }
    std::optional<JournalPosition> last() const noexcept { return last_; }
    JournalPage finish(bool more) {
        if (more)
            page_.next = last_;
        return std::move(page_);
    }

  private:
    const JournalFilter& filter_;
    std::size_t limit_, looked_ = 0;
    std::optional<JournalPosition> last_;
    JournalPage page_;
};

} // namespace redoubt::store
