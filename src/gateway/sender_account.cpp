// SPDX-License-Identifier: Apache-2.0
#include "gateway/sender_account.h"

#include "net/http_grammar.h"

#include <algorithm>
#include <array>

namespace redoubt::gateway {

using State = store::TransactionState;

SenderAccount::Nonce SenderAccount::next() const noexcept {
    Nonce nonce = std::max(settled_, pending_);
    for (auto at = slots_.lower_bound(nonce); at != slots_.end() && at->first == nonce; ++at)
        ++nonce;
    return nonce;
}

SenderAccount::Slot* SenderAccount::find(Nonce nonce) noexcept {
    const auto found = slots_.find(nonce);
    return found == slots_.end() ? nullptr : &found->second;
}

SenderAccount::Slot& SenderAccount::add(store::JournalEntry entry, bool journalled) {
    Slot slot;
    slot.journalled = journalled;
    slot.accepted = entry.state == State::Broadcast;
    slot.entry = std::move(entry);
    const Nonce nonce = slot.entry.nonce;
    return slots_.insert_or_assign(nonce, std::move(slot)).first->second;
}

void SenderAccount::set_counts(Nonce latest, Nonce pending) noexcept {
    latest_ = latest;
    pending_ = std::max(latest, pending);
}

std::vector<SenderAccount::Nonce> SenderAccount::to_ask() const {
    std::vector<Nonce> out;
    for (const auto& [nonce, slot] : slots_) {
        if (nonce >= latest_)
            break;
        if (slot.waits() && !slot.asking)
            out.push_back(nonce);
    }
    return out;
}

std::vector<SenderAccount::Nonce> SenderAccount::to_send(std::int64_t now, int again_ms,
                                                         std::size_t limit) const {
    std::vector<Nonce> out;
    for (auto at = slots_.lower_bound(latest_); at != slots_.end() && out.size() < limit; ++at) {
        const auto& [nonce, slot] = *at;
        if (!slot.waits() || slot.sending || slot.held)
            continue;
        const bool lost = !slot.accepted || nonce >= pending_;
        if (slot.sent_at == 0 || (lost && now - slot.sent_at >= again_ms))
            out.push_back(nonce);
    }
    return out;
}

std::vector<SenderAccount::Nonce> SenderAccount::to_raise(std::int64_t now, int after_ms,
                                                          std::size_t limit) const {
    std::vector<Nonce> out;
    // From the lowest on, without a gap: what comes after one is not held up by its fees.
    for (Nonce nonce = latest_; out.size() < limit; ++nonce) {
        const auto found = slots_.find(nonce);
        if (found == slots_.end() || !found->second.waits())
            break;
        const Slot& slot = found->second;
        if (slot.accepted && !slot.sending && !slot.changing && !slot.held && slot.versioned_at != 0 &&
            now - slot.versioned_at >= after_ms && slot.entry.versions.size() < store::kMaxVersions)
            out.push_back(nonce);
    }
    return out;
}

std::vector<SenderAccount::Nonce> SenderAccount::to_settle(std::uint64_t block, std::int64_t now,
                                                           std::size_t limit) const {
    std::vector<Nonce> out;
    for (const auto& [nonce, slot] : slots_) {
        if (nonce >= latest_ || out.size() >= limit)
            break;
        if (slot.mined() && !slot.asking && !slot.entry.settled && block >= *slot.entry.block + kDepth &&
            now - slot.mined_at >= kKeepMs)
            out.push_back(nonce);
    }
    return out;
}

std::vector<SenderAccount::Nonce> SenderAccount::take_back() {
    std::vector<Nonce> out;
    for (auto at = slots_.lower_bound(latest_); at != slots_.end(); ++at) {
        Slot& slot = at->second;
        if (!slot.mined() || slot.entry.settled)
            continue;
        slot.entry.state = State::Signed;
        slot.entry.block.reset();
        slot.entry.mined_version = 0;
        slot.entry.succeeded = false;
        slot.accepted = false;
        slot.sent_at = slot.mined_at = 0;
        out.push_back(at->first);
    }
    return out;
}

bool SenderAccount::mined(Slot& slot, std::size_t index, std::uint64_t block, bool succeeded,
                          std::int64_t now) {
    auto& entry = slot.entry;
    slot.missing = 0;
    if (entry.block == block && entry.mined_version == index && entry.succeeded == succeeded)
        return false;
    // What was asked for last before this version: a rise of a replacement's fees is a replacement.
    auto kind = store::VersionKind::Original;
    for (std::size_t i = 0; i <= index; ++i)
        if (entry.versions[i].kind != store::VersionKind::FeeBump)
            kind = entry.versions[i].kind;
    entry.state = kind == store::VersionKind::Cancel        ? State::Cancelled
                  : kind == store::VersionKind::Replacement ? State::Replaced
                                                            : State::Mined;
    entry.block = block;
    entry.mined_version = static_cast<std::uint32_t>(index);
    entry.succeeded = succeeded;
    entry.failure.clear();
    slot.mined_at = now;
    return true;
}

bool SenderAccount::missed(Slot& slot) {
    if (++slot.missing < (slot.accepted ? kMisses : kMissesUnsent))
        return false;
    slot.entry.state = State::Dropped;
    slot.entry.settled = true;
    slot.entry.failure = "the nonce was used by a transaction that was not sent here";
    return true;
}

std::size_t SenderAccount::gaps() const noexcept {
    std::size_t out = 0;
    Nonce expected = std::max(settled_, pending_);
    for (auto at = slots_.lower_bound(expected); at != slots_.end(); ++at) {
        out += at->first - expected;
        expected = at->first + 1;
    }
    return out;
}

std::size_t SenderAccount::waiting() const noexcept {
    return static_cast<std::size_t>(
        std::ranges::count_if(slots_, [](const auto& each) { return !each.second.mined(); }));
}

std::size_t SenderAccount::ahead() const noexcept {
    if (slots_.empty() || slots_.rbegin()->first < latest_)
        return 0;
    return std::min<std::size_t>(slots_.size(), slots_.rbegin()->first - latest_ + 1);
}

Verdict verdict_of(std::int64_t code, std::string_view message) {
    std::string text(message);
    std::ranges::transform(text, text.begin(), net::to_lower);
    const auto says = [&](std::initializer_list<std::string_view> parts) {
        return std::ranges::any_of(parts,
                                   [&](std::string_view part) { return text.find(part) != text.npos; });
    };
    if (says({"already known", "alreadyknown", "known transaction", "already imported", "already in mempool",
              "already in the pool", "already exists"}))
        return Verdict::Known;
    if (says({"nonce too low", "nonce is too low", "oldnonce", "old nonce"}))
        return Verdict::NonceUsed;
    if (says({"replacement", "feetoolowtocompete"}))
        return Verdict::Underpriced;
    constexpr std::int64_t kLimitExceeded = -32005; // EIP-1474
    if (code == kLimitExceeded ||
        says({"nonce too high", "nonce gap", "nonce is too distant", "noncegap", "pool is full", "too many",
              "rate limit", "timeout", "timed out", "try again", "syncing", "header not found",
              "account limit", "in-flight transaction limit"}))
        return Verdict::Later;
    return Verdict::Refused;
}

} // namespace redoubt::gateway
