// SPDX-License-Identifier: Apache-2.0
// This enclave's chain of receipts: one for each decision, continued by nobody else. Receipts leave with the
// answers; those that the gateway has not yet said it has stored are kept, so that none is missing in its
// log, and beyond kMaxKept of them nothing more is decided. Thread-safe.
#pragma once

#include "crypto/random.h"
#include "enclave/attestor.h"
#include "trust/receipt.h"

#include <memory>
#include <mutex>
#include <vector>

namespace redoubt::enclave {

class ReceiptChain {
  public:
    static constexpr std::size_t kMaxKept = 65'536;
    // Of refusals whose asker is not known: so many a second have receipts of their own, the others are
    // counted in the next receipt.
    static constexpr int kUnknownRate = 100, kUnknownBurst = 200;

    // Draws the chain's key and has it attested. Error: NsmFailed, Internal.
    static Result<std::unique_ptr<ReceiptChain>> create(Attestor& attestor, crypto::Random& random,
                                                        std::string module_id);
    ~ReceiptChain();

    const trust::ChainId& id() const noexcept { return id_; }
    const Bytes& start() const noexcept { return start_; } // encoded trust::ChainStart
    bool has_room() const; // for another decision; else nothing may be decided
    std::size_t kept() const;

    // Fills in sequence, previous and skipped; gives the encoded receipt. `known`: the asker was
    // authenticated, or the decision allows. Nothing: it was only counted.
    std::optional<Bytes> append(trust::Receipt& receipt, bool known);
    std::optional<Bytes> append(const trust::Receipt& receipt, bool known) {
        trust::Receipt copy = receipt;
        return append(copy, known);
    }

    // The latest head, signed; the same bytes until another receipt is made. Nothing: no receipt yet.
    std::optional<Bytes> head(UnixMs now);  // signs if there is something new (some 100 µs)
    std::optional<Bytes> last_head() const; // what was signed last; never signs

    // The gateway has stored all receipts up to this sequence.
    void stored(std::uint64_t through);
    // Kept receipts after `through`, oldest first.
    std::vector<Bytes> after(std::optional<std::uint64_t> through, std::size_t most) const;

  private:
    ReceiptChain() = default;
    struct Key;
    std::unique_ptr<Key> key_;
    trust::ChainId id_{};
    Bytes start_;
    mutable std::mutex mutex_;
    std::uint64_t next_ = 0; // sequence of the next receipt
    Hash32 previous_{};
    // The oldest first; what was let go of leaves its memory to the next.
    class Ring {
      public:
        std::size_t size() const noexcept { return size_; }
        const Bytes& operator[](std::size_t at) const noexcept { return all_[(first_ + at) % all_.size()]; }
        void add(ByteView bytes);
        void drop_first() noexcept;

      private:
        std::vector<Bytes> all_; // in use: size_ from first_ on, around the end
        std::size_t first_ = 0, size_ = 0;
    };
    std::uint64_t kept_from_ = 0; // sequence of the oldest that is kept
    Ring kept_;
    std::uint32_t skipped_ = 0;
    RateLimit unknown_{kUnknownRate, kUnknownBurst};
    mutable std::mutex head_mutex_;
    std::optional<std::uint64_t> head_sequence_;
    std::optional<Bytes> head_;
};

} // namespace redoubt::enclave
