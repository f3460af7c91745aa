// SPDX-License-Identifier: Apache-2.0
// A page of a list of keys, as every store makes it: it looks at rows in order of creation until the page is
// full or kMaxScanned are seen. A row that cannot be read does not hide the others: it is passed over, and a
// page that met some logs one warning. `redoubt doctor` counts them.
#pragma once

#include "base/log.h"
#include "store/store.h"

#include <algorithm>

namespace redoubt::store {

class KeyPageBuilder {
  public:
    KeyPageBuilder(const KeyFilter& filter, std::optional<Position> after, std::size_t limit) noexcept
        : filter_(filter), last_(after ? *after : Position{-1, {}}), limit_(std::max<std::size_t>(limit, 1)) {
    }

    // Where rows are looked at from: after this one. No key is as old as where a list begins.
    const Position& last() const noexcept { return last_; }
    bool full() const noexcept { return page_.keys.size() >= limit_ || scanned_ >= kMaxScanned; }
    // How many rows more it may look at before it is full. Where only the rows' heads can tell what matches,
    // that is not known from the limit.
    std::size_t wants() const noexcept {
        const bool heads_tell =
            filter_.state || filter_.label || !filter_.tags.empty() || (filter_.vault && filter_.address);
        const std::size_t left = kMaxScanned - scanned_;
        return heads_tell ? left : std::min(left, limit_ - page_.keys.size());
    }

    // The row at this position. Only while it is not full.
    void look(const Position& at, Bytes record) {
        ++scanned_;
        last_ = at;
        auto head = sealed::read_key_head(record);
        if (!head || head->id != at.id || head->created != at.created) {
            if (damaged_++ == 0)
                first_damaged_ = at.id;
        } else if (filter_.matches(*head)) {
            page_.keys.push_back({std::move(*head), std::move(record)});
        }
    }

    // `more`: there are rows after the last one.
    KeyPage finish(bool more) {
        if (more)
            page_.next = last_;
        if (damaged_ > 0)
            log(LogLevel::Warning, "store_records_damaged",
                {{"count", std::to_string(damaged_)}, {"first", sealed::key_id_text(first_damaged_)}});
        return std::move(page_);
    }

  private:
    const KeyFilter& filter_;
    Position last_;
    std::size_t limit_, scanned_ = 0, damaged_ = 0;
    sealed::KeyId first_damaged_{};
    KeyPage page_;
};

} // namespace redoubt::store
