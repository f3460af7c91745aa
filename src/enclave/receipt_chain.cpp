// SPDX-License-Identifier: Apache-2.0
#include "enclave/receipt_chain.h"

#include "crypto/ed25519.h"
#include "crypto/hash.h"
#include "enclave/reply_text.h"

#include <algorithm>
#include <limits>

namespace redoubt::enclave {

struct ReceiptChain::Key {
    crypto::Ed25519Key signer;
};

ReceiptChain::~ReceiptChain() = default;

Result<std::unique_ptr<ReceiptChain>> ReceiptChain::create(Attestor& attestor, crypto::Random& random,
                                                           std::string module_id) {
    std::unique_ptr<ReceiptChain> out(new ReceiptChain);
    out->key_ = std::make_unique<Key>(Key{crypto::Ed25519Key::generate(random)});
    trust::ChainStart start;
    start.public_key = out->key_->signer.public_key();
    start.module_id = std::move(module_id);
    REDOUBT_TRY(start.attestation,
                attestor.document(trust::kPurposeReceipts, crypto::sha256(start.public_key), {}, {}));
    out->id_ = trust::chain_id(start.public_key);
    out->previous_ = trust::chain_start(start.public_key);
    out->start_ = trust::encode_chain_start(start);
    // Whoever reads the log must be able to read it.
    if (!trust::decode_chain_start(out->start_))
        return fail(Code::Internal, "the start of the receipts' chain cannot be encoded: the NSM's module id "
                                    "or attestation document is too long");
    return out;
}

void ReceiptChain::Ring::add(ByteView bytes) {
    if (size_ == all_.size()) {
        constexpr std::size_t kFirst = 64;
        std::rotate(all_.begin(), all_.begin() + static_cast<std::ptrdiff_t>(first_), all_.end());
        first_ = 0;
        all_.resize(std::max(kFirst, 2 * size_));
    }
    all_[(first_ + size_++) % all_.size()].assign(bytes.begin(), bytes.end());
}

void ReceiptChain::Ring::drop_first() noexcept {
    constexpr std::size_t kKept = 4096; // what a stall has made of it is given back after that
    first_ = (first_ + 1) % all_.size();
    --size_;
    if (size_ == 0 && all_.size() > kKept) {
        all_ = {};
        first_ = 0;
    }
}

bool ReceiptChain::has_room() const {
    const std::lock_guard lock(mutex_);
    return kept_.size() < kMaxKept;
}

std::size_t ReceiptChain::kept() const {
    const std::lock_guard lock(mutex_);
    return kept_.size();
}

std::optional<Bytes> ReceiptChain::append(trust::Receipt& receipt, bool known) {
    const bool counted_only = !known && !unknown_.take();
    const std::lock_guard lock(mutex_);
    if (counted_only) {
        if (skipped_ < std::numeric_limits<std::uint32_t>::max())
            ++skipped_;
        return std::nullopt;
    }
    receipt.sequence = next_;
    receipt.previous = previous_;
    receipt.skipped = skipped_;
    Bytes out = take_bytes();
    trust::encode_receipt(receipt, out);
    previous_ = trust::receipt_hash(out);
    ++next_;
    skipped_ = 0;
    kept_.add(out);
    return out;
}

std::optional<Bytes> ReceiptChain::head(UnixMs now) {
    const std::lock_guard head_lock(head_mutex_);
    trust::ReceiptHead head;
    {
        const std::lock_guard lock(mutex_);
        if (next_ == 0)
            return std::nullopt;
        head.sequence = next_ - 1;
        head.hash = previous_;
    }
    if (head_ && head_sequence_ == head.sequence)
        return head_;
    head.chain = id_;
    head.time = now;
    head.signature = key_->signer.sign(trust::receipt_head_message(head));
    head_sequence_ = head.sequence;
    head_ = trust::encode_receipt_head(head);
    return head_;
}

std::optional<Bytes> ReceiptChain::last_head() const {
    const std::lock_guard lock(head_mutex_);
    if (!head_)
        return std::nullopt;
    Bytes out = take_bytes();
    out.assign(head_->begin(), head_->end());
    return out;
}

void ReceiptChain::stored(std::uint64_t through) {
    const std::lock_guard lock(mutex_);
    while (kept_.size() > 0 && kept_from_ <= through) {
        kept_.drop_first();
        ++kept_from_;
    }
}

std::vector<Bytes> ReceiptChain::after(std::optional<std::uint64_t> through, std::size_t most) const {
    const std::lock_guard lock(mutex_);
    std::size_t first = 0;
    if (through && *through >= kept_from_)
        first = static_cast<std::size_t>(std::min<std::uint64_t>(*through - kept_from_, kept_.size())) + 1;
    if (first >= kept_.size())
        return {};
    const std::size_t count = std::min(most, kept_.size() - first);
    std::vector<Bytes> out;
    out.reserve(count);
    for (std::size_t i = 0; i < count; ++i)
        out.push_back(kept_[first + i]);
    return out;
}

} // namespace redoubt::enclave
