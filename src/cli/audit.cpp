// SPDX-License-Identifier: Apache-2.0
// redoubt audit: checks, shows and exports a gateway's log of receipts. Only `verify` says that a log can be
// believed; the other two show what stands in it.
#include "trust/audit.h"
#include "base/cursor.h"
#include "base/json.h"
#include "cli/client.h"
#include "cli/commands.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <set>
#include <unistd.h>

namespace redoubt::cli {

namespace {

struct AuditCommandOptions {
    Connection connection;
    std::vector<std::string> logs, heads, cloudtrail, pcr0, pcr16;
    std::uint64_t accepted_tail = 0;
    bool allow_unpinned = false, json = false;
    // tail and export
    std::size_t count = 10;
    bool follow = false;
    std::string key, decision, since, until;
};

constexpr std::size_t kLogPiece = 1 << 20;
constexpr std::int64_t kProgressMs = 500, kFollowMs = 200;

// Files as they are; of a folder its *.log files in the order of their names.
Result<std::vector<std::string>> log_files(const std::vector<std::string>& named) {
    namespace fs = std::filesystem;
    std::vector<std::string> out;
    std::error_code error;
    for (const auto& name : named) {
        if (!fs::is_directory(name, error)) {
            out.push_back(name);
            continue;
        }
        std::vector<std::string> inside;
        for (fs::directory_iterator i(name, error), end; !error && i != end; i.increment(error))
            if (i->path().extension() == ".log")
                inside.push_back(i->path().string());
        if (error)
            return fail(Code::Io, "the folder cannot be listed", name + ": " + error.message());
        if (inside.empty())
            return fail(Code::Io, "the folder holds no *.log file", name);
        std::ranges::sort(inside);
        out.insert(out.end(), inside.begin(), inside.end());
    }
    return out;
}

Result<net::Fd> open_log(const std::string& path) {
    net::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file)
        return fail(Code::Io, "the log cannot be opened", path + ": " + std::strerror(errno));
    return file;
}

// The next bytes; none at the end.
Result<ByteView> read_piece(const net::Fd& file, Bytes& buffer, const std::string& path) {
    buffer.resize(kLogPiece);
    ssize_t n = 0;
    do
        n = ::read(file.get(), buffer.data(), buffer.size());
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return fail(Code::Io, "the log cannot be read", path + ": " + std::strerror(errno));
    return ByteView(buffer).first(static_cast<std::size_t>(n));
}

// Says how far it is, to somebody who watches, once it takes longer than a second.
class AuditProgress {
  public:
    void show(std::uint64_t receipts, std::uint64_t bytes) {
        const std::int64_t now = monotonic_ms();
        if (!terminal_ || now - started_ < 1000 || now - shown_ < kProgressMs)
            return;
        shown_ = now;
        std::fprintf(stderr, "\r%llu receipts, %llu MiB", static_cast<unsigned long long>(receipts),
                     static_cast<unsigned long long>(bytes >> 20));
    }
    ~AuditProgress() {
        if (shown_ != 0)
            std::fputc('\n', stderr);
    }

  private:
    bool terminal_ = ::isatty(STDERR_FILENO) != 0;
    std::int64_t started_ = monotonic_ms(), shown_ = 0;
};

// A head as the header Redoubt-Receipt-Head has it, or a file with one or several such lines.
Status add_heads(const std::string& text, std::vector<trust::ReceiptHead>& into) {
    std::string lines = text;
    if (!from_base64(text)) {
        REDOUBT_TRY(lines, read_text_file(text));
    }
    std::size_t added = 0;
    for (std::size_t at = 0; at < lines.size();) {
        const std::size_t end = std::min(lines.find_first_of(" \t\r\n", at), lines.size());
        if (end > at) {
            const auto bytes = from_base64(std::string_view(lines).substr(at, end - at));
            if (!bytes)
                return fail(Code::Usage,
                            "--head takes the base64 of a head, as the header "
                            "Redoubt-Receipt-Head has it, or a file of such lines",
                            text);
            REDOUBT_TRY(const auto head, trust::decode_receipt_head(*bytes));
            into.push_back(head);
            ++added;
        }
        at = end + 1;
    }
    if (added == 0)
        return fail(Code::Usage, "the file given with --head holds no head", text);
    return {};
}

Status add_pcrs(const std::vector<std::string>& texts, const std::string& of_ready_file,
                std::vector<Bytes>& into) {
    const auto add = [&](const std::string& text) -> Status {
        auto value = from_hex(text);
        if (!value || value->size() != 48)
            return fail(Code::Usage, "a PCR is 96 hexadecimal digits", text);
        into.push_back(std::move(*value));
        return {};
    };
    for (const auto& text : texts)
        REDOUBT_CHECK(add(text));
    if (into.empty() && !of_ready_file.empty())
        return add(of_ready_file);
    return {};
}

Result<trust::AuditOptions> audit_options(AuditCommandOptions& options) {
    if (!options.connection.ready_file.empty() || std::getenv("REDOUBT_READY_FILE") != nullptr)
        REDOUBT_CHECK(complete(options.connection));
    trust::AuditOptions out;
    REDOUBT_CHECK(add_pcrs(options.pcr0, options.connection.pcr0, out.pcr0));
    REDOUBT_CHECK(add_pcrs(options.pcr16, options.connection.pcr16, out.pcr16));
    if ((out.pcr0.empty() || out.pcr16.empty()) && !options.allow_unpinned)
        return fail(
            Code::Usage,
            "pin the images and the manifests that made the log: --pcr0 HEX --pcr16 HEX, each as often "
            "as it changed (or, knowing that any enclave's log then passes, --allow-unpinned)");
    if (!options.connection.attestation_root.empty()) {
        REDOUBT_TRY(out.root_der, read_root(options.connection.attestation_root));
    }
    out.unsigned_tail = options.accepted_tail;
    for (const auto& head : options.heads)
        REDOUBT_CHECK(add_heads(head, out.heads));
    for (const auto& path : options.cloudtrail) {
        REDOUBT_TRY(const std::string text, read_text_file(path));
        auto ids = trust::attested_module_ids(text);
        if (!ids)
            return fail(ids.error().code, ids.error().text, path + " " + ids.error().context);
        // Or a file of another kind would look as if it had been compared with the log.
        if (ids->empty())
            return fail(Code::Usage,
                        "the file names no enclave that KMS has answered, so nothing can be "
                        "compared with it: give CloudTrail's records of the KMS key",
                        path);
        out.module_ids.insert(out.module_ids.end(), ids->begin(), ids->end());
    }
    return out;
}

// A module id is the log's own text until its document verified, and may hold what a terminal would obey.
std::string shown_text(std::string text) {
    for (char& c : text)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
            c = '?';
    return text;
}

void print_audit(const trust::AuditReport& report, bool json) {
    if (!json) {
        for (const auto& chain : report.chains)
            std::printf(
                "chain %s  %s\n  %s … %s  %llu receipts, %llu heads, %llu without a head, %llu refusals "
                "only counted\n",
                to_hex(chain.chain).c_str(), shown_text(chain.module_id).c_str(),
                to_iso8601(chain.first).c_str(), to_iso8601(chain.last).c_str(),
                static_cast<unsigned long long>(chain.receipts), static_cast<unsigned long long>(chain.heads),
                static_cast<unsigned long long>(chain.unsigned_tail),
                static_cast<unsigned long long>(chain.skipped));
        std::printf("\nverified: %llu receipts in %zu chains\n",
                    static_cast<unsigned long long>(report.receipts), report.chains.size());
        return;
    }
    std::string out;
    json::Writer writer(out);
    writer.begin_object().member("ok", true).member("receipts", report.receipts);
    writer.key("chains").begin_array();
    for (const auto& chain : report.chains)
        writer.begin_object()
            .member("chain", to_hex(chain.chain))
            .member("module_id", chain.module_id)
            .member("receipts", chain.receipts)
            .member("heads", chain.heads)
            .member("unsigned_tail", chain.unsigned_tail)
            .member("skipped", chain.skipped)
            .member("first", to_iso8601(chain.first))
            .member("last", to_iso8601(chain.last))
            .end_object();
    writer.end_array().end_object();
    std::printf("%s\n", out.c_str());
}

Result<trust::AuditReport> run_audit(AuditCommandOptions& options) {
    REDOUBT_TRY(const auto files, log_files(options.logs));
    REDOUBT_TRY(auto wanted, audit_options(options));
    trust::Audit audit(std::move(wanted));
    AuditProgress progress;
    std::uint64_t receipts = 0, bytes = 0;
    const auto seen = [&](const trust::ChainId&, const trust::Receipt&) { ++receipts; };
    Bytes buffer;
    for (const auto& path : files) {
        REDOUBT_TRY(const auto file, open_log(path));
        std::uint64_t of_file = 0;
        for (;;) {
            REDOUBT_TRY(const ByteView piece, read_piece(file, buffer, path));
            if (piece.empty())
                break;
            if (auto status = audit.feed(piece, seen); !status)
                return fail(status.error().code, status.error().text,
                            (files.size() == 1 ? "" : path + ", with the files before it: ") +
                                status.error().context);
            of_file += piece.size();
            progress.show(receipts, bytes + of_file);
        }
        bytes += of_file;
    }
    return audit.finish();
}

int verify_log(AuditCommandOptions& options) {
    const auto checked = run_audit(options);
    if (!checked) {
        const int code = report(checked.error(), options.json);
        return checked.error().code == Code::ReceiptInvalid ? kExitUntrusted : code;
    }
    print_audit(*checked, options.json);
    return kExitOk;
}

// Entries of a log that is read as it grows.
class LogEntries {
  public:
    using Seen = std::function<void(const trust::ChainId&, const trust::Receipt&)>;

    Status feed(ByteView bytes, const Seen& seen) {
        append(rest_, bytes);
        std::size_t done = 0;
        for (;;) {
            Cursor cursor(ByteView(rest_).subspan(done));
            const std::uint32_t length = cursor.u32();
            if (cursor.ok() &&
                (length < trust::kLogEntryHead - 4 || length > trust::kLogEntryHead + trust::kMaxChainStart))
                return fail(Code::ReceiptInvalid, "this is no log of receipts, or it is damaged");
            Cursor entry(cursor.take(length));
            if (!cursor.ok())
                break;
            const auto kind = static_cast<trust::LogEntry>(entry.u8());
            const auto chain = entry.array<16>();
            if (kind == trust::LogEntry::Receipt) {
                REDOUBT_CHECK(trust::decode_receipt(entry.rest(), receipt_));
                seen(chain, receipt_);
            }
            done += 4 + length;
        }
        rest_.erase(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(done));
        return {};
    }

  private:
    Bytes rest_;
    trust::Receipt receipt_;
};

std::string line_of(const trust::ChainId& chain, const trust::Receipt& receipt) {
    return "{\"chain\":\"" + to_hex(chain) + "\"," + trust::receipt_json(receipt).substr(1);
}

Status tail_log(const AuditCommandOptions& options) {
    REDOUBT_TRY(auto files, log_files(options.logs));
    std::string path = files.back();
    REDOUBT_TRY(auto file, open_log(path));
    LogEntries entries;
    std::deque<std::string> last;
    Bytes buffer;
    for (;;) {
        REDOUBT_TRY(const ByteView piece, read_piece(file, buffer, path));
        if (piece.empty())
            break;
        REDOUBT_CHECK(entries.feed(piece, [&](const trust::ChainId& chain, const trust::Receipt& receipt) {
            if (last.size() == options.count && !last.empty())
                last.pop_front();
            if (options.count > 0)
                last.push_back(line_of(chain, receipt));
        }));
    }
    for (const auto& line : last)
        std::printf("%s\n", line.c_str());
    while (options.follow) {
        std::fflush(stdout);
        if (std::ferror(stdout) != 0)
            return {};
        REDOUBT_TRY(const ByteView piece, read_piece(file, buffer, path));
        if (!piece.empty()) {
            REDOUBT_CHECK(entries.feed(piece, [](const trust::ChainId& chain, const trust::Receipt& receipt) {
                std::printf("%s\n", line_of(chain, receipt).c_str());
            }));
            continue;
        }
        // Of a folder: the next day's file, when there is one.
        REDOUBT_TRY(files, log_files(options.logs));
        if (const auto next = std::ranges::upper_bound(files, path); next != files.end()) {
            path = *next;
            REDOUBT_TRY(file, open_log(path));
            continue;
        }
        ::usleep(kFollowMs * 1000);
    }
    return {};
}

// "2026-11-29T03:00:00Z", or a day.
Result<std::optional<UnixMs>> time_option(const std::string& text) {
    if (text.empty())
        return std::optional<UnixMs>{};
    const auto time = from_iso8601(text.size() == 10 ? text + "T00:00:00Z" : text);
    if (!time)
        return fail(Code::Usage, "a time is written 2026-11-29T03:00:00Z, or 2026-11-29", text);
    return time;
}

Status export_log(const AuditCommandOptions& options) {
    REDOUBT_TRY(const auto files, log_files(options.logs));
    REDOUBT_TRY(const auto since, time_option(options.since));
    REDOUBT_TRY(const auto until, time_option(options.until));
    std::optional<ByteArray<16>> key;
    if (!options.key.empty()) {
        const auto bytes = options.key.starts_with("key-") ? from_hex(options.key.substr(4)) : std::nullopt;
        key = bytes ? to_array<16>(*bytes) : std::nullopt;
        if (!key)
            return fail(Code::Usage, "--key takes key- and 32 hexadecimal digits", options.key);
    }
    std::optional<trust::Decision> decision;
    if (!options.decision.empty())
        decision = options.decision == "refused"    ? trust::Decision::Refused
                   : options.decision == "allowed"  ? trust::Decision::Allowed
                   : options.decision == "repeated" ? trust::Decision::Repeated
                                                    : trust::Decision::Started;
    LogEntries entries;
    Bytes buffer;
    for (const auto& path : files) {
        REDOUBT_TRY(const auto file, open_log(path));
        for (;;) {
            REDOUBT_TRY(const ByteView piece, read_piece(file, buffer, path));
            if (piece.empty())
                break;
            REDOUBT_CHECK(
                entries.feed(piece, [&](const trust::ChainId& chain, const trust::Receipt& receipt) {
                    if ((!key || receipt.key_id == *key) && (!decision || receipt.decision == *decision) &&
                        (!since || receipt.time >= *since) && (!until || receipt.time < *until))
                        std::printf("%s\n", line_of(chain, receipt).c_str());
                }));
        }
    }
    if (std::fflush(stdout) != 0)
        return fail(Code::Io, "the output cannot be written", std::strerror(errno));
    return {};
}

int done_with(const Status& status) {
    return status ? kExitOk : report(status.error(), false);
}

} // namespace

void add_audit(CLI::App& app, Context& context) {
    auto* audit = app.add_subcommand("audit", "check, show and export a gateway's log of receipts");
    audit->require_subcommand(1);
    const auto add_logs = [](CLI::App* command, const std::shared_ptr<AuditCommandOptions>& o) {
        command
            ->add_option("log", o->logs, "files, or folders: their *.log files in the order of their names")
            ->required();
    };

    auto o = std::make_shared<AuditCommandOptions>();
    auto* verify = audit->add_subcommand(
        "verify", "check that nothing in a log was removed, reordered or altered, and who made it");
    add_logs(verify, o);
    verify
        ->add_option("--head", o->heads,
                     "a head held elsewhere that the log must contain: base64 as in the header "
                     "Redoubt-Receipt-Head, or a file of such lines; may be repeated")
        ->allow_extra_args(false);
    verify
        ->add_option(
            "--cloudtrail", o->cloudtrail,
            "CloudTrail's records (JSON, decompressed), or devcloud's events.jsonl: each enclave that "
            "KMS answered must have a chain in the log; may be repeated")
        ->allow_extra_args(false);
    verify->add_option("--accept-unsigned-tail", o->accepted_tail,
                       "receipts at a chain's end without a head that are accepted (default 0)");
    verify->add_option("--ready-file", o->connection.ready_file,
                       "ready file of redoubt up: root, PCR0 and PCR16");
    verify->add_option("--attestation-root", o->connection.attestation_root,
                       "root certificate, PEM or DER (default: AWS's G1, by its digest)");
    verify->add_option("--pcr0", o->pcr0, "hexadecimal: an image that made the log; may be repeated")
        ->allow_extra_args(false);
    verify
        ->add_option("--pcr16", o->pcr16,
                     "hexadecimal: a manifest that was in force; may be repeated (redoubt manifest digest)")
        ->allow_extra_args(false);
    verify->add_flag("--allow-unpinned", o->allow_unpinned, "accept any image or manifest");
    verify->add_flag("--json", o->json, "machine-readable output");
    verify->footer(
        "Exit code 3: the log did not verify; the message says where.\n"
        "A log that ends early is complete in itself: keep a head elsewhere and give it with --head.\n"
        "Example: redoubt audit verify /var/lib/redoubt/receipts --pcr0 … --pcr16 … --head AQ…");
    verify->callback([&context, o] { context.exit_code = verify_log(*o); });

    auto t = std::make_shared<AuditCommandOptions>();
    auto* tail = audit->add_subcommand("tail", "the last receipts as JSON lines; verifies nothing");
    add_logs(tail, t);
    tail->add_option("-n,--lines", t->count, "how many (default 10)")->check(CLI::Range(0, 1'000'000));
    tail->add_flag("-f,--follow", t->follow, "go on as the log grows; of a folder into the next day's file");
    tail->callback([&context, t] { context.exit_code = done_with(tail_log(*t)); });

    auto e = std::make_shared<AuditCommandOptions>();
    auto* exported = audit->add_subcommand("export", "receipts as JSON lines; verifies nothing");
    add_logs(exported, e);
    exported->add_option("--key", e->key, "only those of this key: key-…");
    exported->add_option("--decision", e->decision, "only these: refused, allowed, repeated, started")
        ->check(CLI::IsMember({"refused", "allowed", "repeated", "started"}));
    exported->add_option("--since", e->since, "from this time on: 2026-11-29T03:00:00Z, or a day");
    exported->add_option("--until", e->until, "before this time");
    exported->callback([&context, e] { context.exit_code = done_with(export_log(*e)); });
}

} // namespace redoubt::cli
