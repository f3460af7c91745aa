// SPDX-License-Identifier: Apache-2.0
// Counts what keys with limits sign. A key's counters are counted by one enclave at a time: the record that
// the store holds says by which, and until when no other may begin (the lease). What a request takes is
// counted here before anything is signed, and the record that says so goes along with the answer: the gateway
// stores it first. Thread-safe; requests for one key are counted one after the other.
//
// Within this table's life what was counted never grows less, whatever records it is shown.
#pragma once

#include "policy/usage.h"
#include "sealed/counter_record.h"

#include <memory>
#include <mutex>
#include <unordered_map>

namespace redoubt::enclave {

class LimitTable {
  public:
    static constexpr std::size_t kMaxKeys = 16'384;
    static constexpr UnixMs kLeaseMs = 5'000;

    LimitTable(const ByteArray<8>& owner, crypto::Random& random) : owner_(owner), random_(random) {}

    // Where a request's charges were counted. They are counted as long as this enclave counts in that term,
    // on that record of the term before: when another one has counted in between they may be lost.
    struct Taken {
        std::uint64_t term = 0, base = 0;
        bool operator==(const Taken&) const = default;
    };
    struct Outcome {
        // The candidate that has room, by its index; its charges are taken.
        std::optional<std::size_t> candidate;
        Bytes record; // with it: to be stored before the answer is given
        Taken taken;  // with it, where there were charges
        // Otherwise one of these:
        bool need_record = false;              // the stored record has to be shown
        std::optional<policy::NoRoom> no_room; // of the first candidate
        // LimitsElsewhere; RecordInvalid; RecordStale (the store holds less than this enclave has seen);
        // Overloaded; PolicyDenied (no candidates).
        std::optional<Error> error;
    };
    // The first candidate with room decides; one without charges has room always. Only the first may do
    // without counting, others wait until it is known that those before them have no room.
    //
    // `stored`: what the gateway sent along, empty where the store has none; nothing: not asked for yet.
    // It may be shown unasked: after the store refused a record it has to be, so that this enclave learns
    // that another one counts. `secret`: the key's private key or seed. `before`: of the same request's
    // earlier reservation, of the one candidate given; where that still counts nothing more is taken (the
    // outcome's `taken` is the same then), and the record goes along all the same.
    Outcome reserve(const sealed::KeyId& id, const Secret& secret,
                    std::span<const policy::Candidate> candidates, std::optional<ByteView> stored, UnixMs now,
                    std::optional<Taken> before = std::nullopt);

  private:
    struct Counted {
        std::mutex mutex;
        policy::Usage usage;
        sealed::CounterHead head; // of the last record made here, or shown; term 0: of none
        bool ours = false;        // head.owner is this enclave, in a term that was begun here
        UnixMs latest = 0;        // time that a request had
    };
    Status show(Counted& counted, const Secret& counter_key, const sealed::KeyId& id, ByteView stored,
                UnixMs now) const;
    std::shared_ptr<Counted> find(const sealed::KeyId& id, UnixMs now, bool& full);

    ByteArray<8> owner_;
    crypto::Random& random_;
    std::mutex mutex_;
    struct Hasher {
        std::size_t operator()(const sealed::KeyId& id) const noexcept;
    };
    std::unordered_map<sealed::KeyId, std::shared_ptr<Counted>, Hasher> keys_;
    std::size_t next_bucket_ = 0; // of keys_, where to look for one to forget
};

} // namespace redoubt::enclave
