// SPDX-License-Identifier: Apache-2.0
// The gateway's log of receipts: DIRECTORY/receipts-YYYYMMDD.log, one file for each UTC day, only ever
// appended to. Format: docs/formats/receipt.md. Receipts may come in any order and more than once; each chain
// stands in the log as its start and its receipts without a gap, each head somewhere after the receipt that
// it names. What could not be written stays in memory for the next attempt. Used by one thread, the loop's;
// sync alone is called by another one.
#pragma once

#include "base/clock.h"
#include "net/endpoint.h"
#include "trust/receipt.h"

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace redoubt::gateway {

class ReceiptLog {
  public:
    // Of one chain, receipts that wait for one before them; more are dropped, and come again from the
    // enclave, which keeps them.
    static constexpr std::size_t kMaxWaiting = 65'536;
    static constexpr std::size_t kMaxChains = 10'000; // known; those not used for longest are forgotten

    // Makes the folder (mode 0700) if it is missing, and learns from the log how far each chain is written. A
    // last entry that a power loss cut short is cut off. `now`: empty for system_time_ms. Error: Io (also:
    // another process writes there, or the log is damaged).
    static Result<std::unique_ptr<ReceiptLog>> open(const std::string& directory,
                                                    std::function<UnixMs()> now = {});
    ~ReceiptLog(); // writes and syncs what it can
    ReceiptLog(const ReceiptLog&) = delete;
    ReceiptLog& operator=(const ReceiptLog&) = delete;

    // What is no start, receipt or head of this chain is logged and left out.
    void start(const trust::ChainId& chain, ByteView encoded_start);
    void take(const trust::ChainId& chain, ByteView encoded_receipt);
    void head(const trust::ChainId& chain, ByteView encoded_head);
    // Everything that is ready, in one write(2). Error: Io; nothing is lost, call again.
    Status write();
    bool unwritten() const noexcept { return !out_.empty(); }
    // Whether the chain's start is known, so that its receipts can be written.
    bool started(const trust::ChainId& chain) const;
    // The last sequence up to which all of the chain's receipts are written. Nothing: none is.
    std::optional<std::uint64_t> through(const trust::ChainId& chain) const;

    // fdatasync of what was written; from a worker, every 200 ms. A failure is logged.
    void sync();

  private:
    // How far a chain stands in the log.
    struct Extent {
        bool started = false;
        std::uint64_t next = 0; // sequence of the next receipt
        std::optional<std::uint64_t> head;
        bool operator==(const Extent&) const = default;
    };
    struct Waiting {
        std::map<std::uint64_t, Bytes> receipts;
        std::map<std::uint64_t, Bytes> heads; // the first and the last that came
        bool complained = false;
    };
    struct Chain {
        Extent written, ready; // in the file; in the file or in out_
        Waiting waiting;
        Bytes last_head; // that came
        std::uint64_t used = 0;
    };
    // The index: how far the chains stood at an offset of a day's file, so that opening reads little.
    struct Index {
        std::string file;
        std::uint64_t offset = 0;
        std::map<trust::ChainId, Extent> chains;
    };

    ReceiptLog() = default;
    Chain& chain(const trust::ChainId& id);
    void advance(const trust::ChainId& id, Chain& chain);
    void put(trust::LogEntry kind, const trust::ChainId& id, ByteView bytes);
    Status learn();
    Status scan(const std::string& file, std::uint64_t from, bool newest);
    Status roll();
    std::optional<Index> read_index() const;
    void write_index(const Index& index);
    void sync(bool index_now);

    std::function<UnixMs()> now_;
    net::Fd folder_; // locked: one process writes
    std::string file_name_;
    std::map<trust::ChainId, Chain> chains_;
    std::uint64_t uses_ = 0;
    Bytes out_; // entries that are ready
    std::size_t out_written_ =
        0; // bytes of out_ that are in the file; then the file's last entry may be torn
    std::vector<trust::ChainId> changed_;

    std::mutex sync_mutex_; // of sync
    std::int64_t indexed_at_ = 0;
    mutable std::mutex mutex_; // of what follows, and of chains_ where sync reads it: Chain::written
    std::shared_ptr<net::Fd> file_;
    std::uint64_t file_size_ = 0;
    std::vector<std::shared_ptr<net::Fd>> earlier_; // files of days before, not yet synced
    bool new_file_ = false, unsynced_ = false, unindexed_ = false;
};

} // namespace redoubt::gateway
