// SPDX-License-Identifier: Apache-2.0
#include "gateway/receipt_log.h"

#include "base/cursor.h"
#include "base/log.h"
#include "crypto/hash.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace redoubt::gateway {

namespace {

constexpr std::string_view kPrefix = "receipts-", kSuffix = ".log";
constexpr const char* kIndexFile = "receipts.index";
constexpr const char* kIndexDraft = "receipts.index.new";
constexpr std::string_view kIndexDomain = "redoubt receipt index v1\n";
constexpr std::int64_t kIndexEveryMs = 10'000;
constexpr std::size_t kMaxIndex = 1 << 20;
constexpr std::uint64_t kMaxLag = 60'000; // of a head; trust::Audit wants fewer than 65,536 receipts

std::string file_of(UnixMs now) {
    std::string day = to_iso8601(now).substr(0, 10); // YYYY-MM-DD
    std::erase(day, '-');
    return std::string(kPrefix) + day + std::string(kSuffix);
}

bool is_day_file(std::string_view name) {
    if (name.size() != kPrefix.size() + 8 + kSuffix.size() || !name.starts_with(kPrefix) ||
        !name.ends_with(kSuffix))
        return false;
    const auto day = name.substr(kPrefix.size(), 8);
    return std::all_of(day.begin(), day.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::unexpected<Error> io_failed(FixedText text, const std::string& what) {
    return fail(Code::Io, text, what + ": " + std::strerror(errno));
}

Result<std::vector<std::string>> day_files(int folder) {
    const int copy = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* const listing = copy < 0 ? nullptr : ::fdopendir(copy);
    if (listing == nullptr) {
        if (copy >= 0)
            ::close(copy);
        return io_failed("the folder of the receipts' log cannot be listed", "receipts");
    }
    std::vector<std::string> out;
    while (const dirent* const entry = ::readdir(listing))
        if (is_day_file(entry->d_name))
            out.emplace_back(entry->d_name);
    ::closedir(listing);
    std::ranges::sort(out);
    return out;
}

bool write_all(int file, ByteView bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(file, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    return true;
}

// A file's bytes, mapped for reading; unmapped with this.
class Mapping {
  public:
    Mapping(int file, std::size_t size) : size_(size) {
        if (size > 0)
            at_ = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
    }
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping() {
        if (size_ > 0 && at_ != MAP_FAILED)
            ::munmap(at_, size_);
    }
    bool ok() const noexcept { return at_ != MAP_FAILED; }
    ByteView bytes() const noexcept { return {static_cast<const std::uint8_t*>(at_), size_}; }

  private:
    void* at_ = nullptr;
    std::size_t size_;
};

} // namespace

Result<std::unique_ptr<ReceiptLog>> ReceiptLog::open(const std::string& directory,
                                                     std::function<UnixMs()> now) {
    std::unique_ptr<ReceiptLog> out(new ReceiptLog);
    out->now_ = now ? std::move(now) : system_time_ms;
    if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
        return io_failed("the folder of the receipts' log cannot be made; make it, for the gateway's user",
                         directory);
    net::Fd folder(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder)
        return io_failed("the folder of the receipts' log cannot be opened", directory);
    if (::flock(folder.get(), LOCK_EX | LOCK_NB) != 0)
        return io_failed(
            "another process writes to this log of receipts: give each gateway a folder of its own",
            directory);
    out->folder_ = std::move(folder);
    REDOUBT_CHECK(out->learn());
    return out;
}

ReceiptLog::~ReceiptLog() {
    if (!folder_ || !file_)
        return; // it was not opened
    if (const auto status = write(); !status)
        log(LogLevel::Error, "receipts_not_written", {{"error", status.error().context}});
    sync(true);
}

Status ReceiptLog::learn() {
    REDOUBT_TRY(const auto files, day_files(folder_.get()));
    auto index = read_index();
    std::size_t first = files.size() < 2 ? 0 : files.size() - 2;
    std::uint64_t from = 0;
    if (index) {
        const auto found = std::ranges::find(files, index->file);
        struct stat status {};
        if (found != files.end() && ::fstatat(folder_.get(), index->file.c_str(), &status, 0) == 0 &&
            static_cast<std::uint64_t>(status.st_size) >= index->offset) {
            first = static_cast<std::size_t>(found - files.begin());
            from = index->offset;
            for (const auto& [id, extent] : index->chains)
                chain(id).written = extent;
        }
    }
    for (std::size_t i = first; i < files.size(); ++i, from = 0)
        REDOUBT_CHECK(scan(files[i], from, i + 1 == files.size()));
    for (auto& [id, chain] : chains_)
        chain.ready = chain.written;
    if (!file_)
        return roll();
    return {};
}

Status ReceiptLog::scan(const std::string& name, std::uint64_t from, bool newest) {
    auto file = std::make_shared<net::Fd>(
        ::openat(folder_.get(), name.c_str(), O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW));
    struct stat status {};
    if (!*file || ::fstat(file->get(), &status) != 0)
        return io_failed("a file of the receipts' log cannot be opened", name);
    const Mapping mapping(file->get(), static_cast<std::size_t>(status.st_size));
    if (!mapping.ok())
        return io_failed("a file of the receipts' log cannot be read", name);
    const ByteView bytes = mapping.bytes();
    auto at = static_cast<std::size_t>(from);
    while (at < bytes.size()) {
        const ByteView rest = bytes.subspan(at);
        Cursor cursor(rest);
        const std::uint32_t length = cursor.u32();
        const bool bounded = cursor.ok() && length >= trust::kLogEntryHead - 4 &&
                             length <= trust::kLogEntryHead - 4 + trust::kMaxChainStart;
        Cursor entry(cursor.take(bounded ? length : 0));
        const auto kind = static_cast<trust::LogEntry>(entry.u8());
        const auto id = entry.array<16>();
        bool good = bounded && cursor.ok() && entry.ok();
        if (good) {
            if (kind == trust::LogEntry::Start) {
                chain(id).written.started = true;
            } else if (kind == trust::LogEntry::Receipt) {
                const auto sequence = trust::receipt_sequence(entry.rest());
                good = sequence.has_value();
                if (good)
                    chain(id).written.next = *sequence + 1;
            } else if (kind == trust::LogEntry::Head) {
                const auto head = trust::decode_receipt_head(entry.rest());
                good = head.has_value();
                if (good)
                    chain(id).written.head = head->sequence;
            } else {
                good = false;
            }
        }
        if (good) {
            at += 4 + length;
            continue;
        }
        // A power loss leaves an entry without its end, or zeros where it would be. All else is damage that
        // nobody should write over.
        const bool short_of_its_end = rest.size() < 4 || (bounded && rest.size() - 4 < length);
        if (!short_of_its_end && std::any_of(rest.begin(), rest.end(), [](std::uint8_t b) { return b != 0; }))
            return fail(Code::Io,
                        "the receipts' log is damaged: keep the file, and move it out of the log's folder",
                        name + " at byte " + std::to_string(at));
        if (::ftruncate(file->get(), static_cast<off_t>(at)) != 0)
            return io_failed("the torn end of the receipts' log cannot be cut off", name);
        log(LogLevel::Warning, "receipts_torn_entry_cut",
            {{"file", name}, {"at", std::to_string(at)}, {"bytes", std::to_string(rest.size())}});
        break;
    }
    if (newest) {
        file_ = std::move(file);
        file_name_ = name;
        file_size_ = at;
    }
    return {};
}

ReceiptLog::Chain& ReceiptLog::chain(const trust::ChainId& id) {
    auto found = chains_.find(id); // only this thread changes which there are
    if (found == chains_.end()) {
        const std::lock_guard lock(mutex_);
        if (chains_.size() >= kMaxChains) {
            auto oldest = chains_.end();
            for (auto i = chains_.begin(); i != chains_.end(); ++i)
                if (i->second.written == i->second.ready &&
                    (oldest == chains_.end() || i->second.used < oldest->second.used))
                    oldest = i;
            if (oldest != chains_.end())
                chains_.erase(oldest);
        }
        found = chains_.try_emplace(id).first;
    }
    found->second.used = ++uses_;
    return found->second;
}

void ReceiptLog::put(trust::LogEntry kind, const trust::ChainId& id, ByteView bytes) {
    trust::append_log_entry(out_, kind, id, bytes);
    if (changed_.empty() || changed_.back() != id)
        changed_.push_back(id);
}

void ReceiptLog::start(const trust::ChainId& id, ByteView encoded) {
    Chain& of = chain(id);
    if (of.ready.started)
        return;
    const auto start = trust::decode_chain_start(encoded);
    if (!start || trust::chain_id(start->public_key) != id) {
        log(LogLevel::Error, "receipts_chain_start_invalid", {{"chain", to_hex(id)}});
        return;
    }
    of.ready.started = true;
    put(trust::LogEntry::Start, id, encoded);
    advance(id, of);
}

void ReceiptLog::take(const trust::ChainId& id, ByteView encoded) {
    Chain& of = chain(id);
    const auto sequence = trust::receipt_sequence(encoded);
    if (!sequence) {
        log(LogLevel::Error, "receipt_invalid", {{"chain", to_hex(id)}});
        return;
    }
    if (*sequence < of.ready.next)
        return;
    if (of.ready.started && *sequence == of.ready.next) {
        put(trust::LogEntry::Receipt, id, encoded);
        ++of.ready.next;
        return advance(id, of);
    }
    auto& waiting = of.waiting.receipts;
    if (waiting.size() >= kMaxWaiting && !waiting.contains(*sequence)) {
        // The one that the others wait for must always find room.
        if (*sequence > waiting.rbegin()->first) {
            if (!std::exchange(of.waiting.complained, true))
                log(LogLevel::Error, "receipts_missing",
                    {{"chain", to_hex(id)}, {"sequence", std::to_string(of.ready.next)}});
            return;
        }
        waiting.erase(std::prev(waiting.end()));
    }
    waiting.try_emplace(*sequence, to_bytes(encoded));
}

void ReceiptLog::head(const trust::ChainId& id, ByteView encoded) {
    Chain& of = chain(id);
    // Each answer brings it until there is another.
    if (!of.last_head.empty() && std::ranges::equal(of.last_head, encoded))
        return;
    const auto head = trust::decode_receipt_head(encoded);
    if (!head || head->chain != id) {
        log(LogLevel::Error, "receipts_head_invalid", {{"chain", to_hex(id)}});
        return;
    }
    of.last_head = to_bytes(encoded);
    if (of.ready.head && head->sequence <= *of.ready.head)
        return;
    // The first one is not given up for later ones, or none might ever be written.
    auto& waiting = of.waiting.heads;
    waiting.try_emplace(head->sequence, to_bytes(encoded));
    if (waiting.size() > 2)
        waiting.erase(std::next(waiting.begin()));
    advance(id, of);
}

// Moves what waited and is ready now.
void ReceiptLog::advance(const trust::ChainId& id, Chain& of) {
    if (!of.ready.started)
        return;
    auto& receipts = of.waiting.receipts;
    auto& heads = of.waiting.heads;
    while (!receipts.empty() && receipts.begin()->first <= of.ready.next) {
        if (receipts.begin()->first == of.ready.next) {
            put(trust::LogEntry::Receipt, id, receipts.begin()->second);
            ++of.ready.next;
        }
        receipts.erase(receipts.begin());
    }
    if (receipts.empty())
        of.waiting.complained = false;
    while (!heads.empty() && heads.begin()->first < of.ready.next) {
        const std::uint64_t sequence = heads.begin()->first;
        if ((!of.ready.head || sequence > *of.ready.head) && of.ready.next - sequence < kMaxLag) {
            put(trust::LogEntry::Head, id, heads.begin()->second);
            of.ready.head = sequence;
        }
        heads.erase(heads.begin());
    }
}

Status ReceiptLog::roll() {
    const std::string name = std::max(file_name_, file_of(now_())); // a clock set back begins no earlier file
    if (file_ && name == file_name_)
        return {};
    auto file = std::make_shared<net::Fd>(
        ::openat(folder_.get(), name.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    struct stat status {};
    if (!*file || ::fstat(file->get(), &status) != 0)
        return io_failed("a file of the receipts' log cannot be made", name);
    const std::lock_guard lock(mutex_);
    if (file_)
        earlier_.push_back(std::move(file_));
    file_ = std::move(file);
    file_name_ = name;
    file_size_ = static_cast<std::uint64_t>(status.st_size);
    new_file_ = true;
    return {};
}

Status ReceiptLog::write() {
    if (out_.empty())
        return {};
    if (out_written_ == 0) // else the file ends within an entry
        REDOUBT_CHECK(roll());
    while (out_written_ < out_.size()) {
        const ssize_t n = ::write(file_->get(), out_.data() + out_written_, out_.size() - out_written_);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return io_failed("receipts cannot be written: is the disk full?", file_name_);
        out_written_ += static_cast<std::size_t>(n);
    }
    const std::lock_guard lock(mutex_);
    file_size_ += out_.size();
    for (const auto& id : changed_) {
        Chain& of = chains_[id];
        of.written = of.ready;
    }
    changed_.clear();
    out_.clear();
    if (out_.capacity() > (1u << 20))
        out_.shrink_to_fit();
    out_written_ = 0;
    unsynced_ = unindexed_ = true;
    return {};
}

bool ReceiptLog::started(const trust::ChainId& id) const {
    const auto found = chains_.find(id);
    return found != chains_.end() && found->second.ready.started;
}

std::optional<std::uint64_t> ReceiptLog::through(const trust::ChainId& id) const {
    const auto found = chains_.find(id);
    if (found == chains_.end() || found->second.written.next == 0)
        return std::nullopt;
    return found->second.written.next - 1;
}

void ReceiptLog::sync() {
    sync(false);
}

void ReceiptLog::sync(bool index_now) {
    const std::lock_guard sync_lock(sync_mutex_);
    std::vector<std::shared_ptr<net::Fd>> files;
    std::optional<Index> index;
    bool new_file = false;
    {
        const std::lock_guard lock(mutex_);
        files.swap(earlier_);
        if (std::exchange(unsynced_, false))
            files.push_back(file_);
        new_file = std::exchange(new_file_, false);
        if (unindexed_ && (index_now || monotonic_ms() - indexed_at_ >= kIndexEveryMs)) {
            index.emplace();
            index->file = file_name_;
            index->offset = file_size_;
            for (const auto& [id, chain] : chains_)
                index->chains.emplace(id, chain.written);
            unindexed_ = false;
        }
    }
    bool synced = true;
    for (const auto& file : files)
        synced = ::fdatasync(file->get()) == 0 && synced;
    if (new_file)
        synced = ::fsync(folder_.get()) == 0 && synced;
    if (!synced)
        log(LogLevel::Error, "receipts_not_synced", {{"error", std::strerror(errno)}});
    // Only of what is surely in the file.
    if (index && synced) {
        write_index(*index);
        indexed_at_ = monotonic_ms();
    }
}

void ReceiptLog::write_index(const Index& index) {
    Bytes out;
    Writer writer(out);
    writer.bytes(as_bytes(kIndexDomain)).block16(as_bytes(index.file)).u64(index.offset);
    writer.u32(static_cast<std::uint32_t>(index.chains.size()));
    for (const auto& [id, extent] : index.chains)
        writer.bytes(id)
            .u8(extent.started)
            .u64(extent.next)
            .u8(extent.head.has_value())
            .u64(extent.head.value_or(0));
    append(out, crypto::sha256(out));
    const net::Fd file(
        ::openat(folder_.get(), kIndexDraft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    // Without an index, opening reads the newest files.
    if (!file || !write_all(file.get(), out) ||
        ::renameat(folder_.get(), kIndexDraft, folder_.get(), kIndexFile) != 0)
        log(LogLevel::Warning, "receipts_index_not_written", {{"error", std::strerror(errno)}});
}

std::optional<ReceiptLog::Index> ReceiptLog::read_index() const {
    const net::Fd file(::openat(folder_.get(), kIndexFile, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!file)
        return std::nullopt;
    Bytes bytes(kMaxIndex);
    std::size_t size = 0;
    for (ssize_t n = 1; n > 0 && size < bytes.size(); size += static_cast<std::size_t>(n))
        if (n = ::read(file.get(), bytes.data() + size, bytes.size() - size); n < 0)
            return std::nullopt;
    const ByteView all = ByteView(bytes).first(size);
    if (size < 32 || !std::ranges::equal(crypto::sha256(all.first(size - 32)), all.last(32)))
        return std::nullopt;
    Cursor cursor(all.first(size - 32));
    if (as_text(cursor.take(kIndexDomain.size())) != kIndexDomain)
        return std::nullopt;
    Index out;
    out.file = as_text(cursor.block16());
    out.offset = cursor.u64();
    for (std::uint32_t n = cursor.u32(); n > 0 && cursor.ok(); --n) {
        const auto id = cursor.array<16>();
        Extent extent;
        extent.started = cursor.u8() != 0;
        extent.next = cursor.u64();
        const bool has_head = cursor.u8() != 0;
        const std::uint64_t head = cursor.u64();
        if (has_head)
            extent.head = head;
        out.chains.emplace(id, extent);
    }
    return cursor.finished() ? std::optional(std::move(out)) : std::nullopt;
}

} // namespace redoubt::gateway
