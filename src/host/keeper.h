// SPDX-License-Identifier: Apache-2.0
// What a watchdog decides, apart from doing it: which enclave is to be started or ended now. No clock, no
// process, no socket: the caller tells what happened and when (monotonic ms), asks next(), does what that
// says, and tells how it went.
//
// A slot is a CID. It goes down → starting → booting (runs, has not signed yet) → working → stopping → down.
//
// An unplanned end, a failed start and an enclave that stops signing are failures: the next start waits
// 0.5 s, then 1 s, and so on up to 30 s; a slot that worked for a minute starts over. Once a slot had
// `start_limit` failures within `start_interval_ms`, it rests until the first of them is that old.
//
// Enclaves whose image is not the one on disk are replaced one by one: the next only when the one replaced
// last has come as far as its forerunner was (manifest taken, as many vaults open), and every other slot
// works and is as far as the one to be replaced. So an image that cannot sign, or that KMS refuses, costs one
// enclave and no more, also where another watchdog began. The least advanced goes first.
#pragma once

#include "host/enclave_runner.h"
#include "host/probe_link.h"

#include <deque>
#include <optional>
#include <string>
#include <vector>

namespace redoubt::host {

struct KeeperLimits {
    std::int64_t first_delay_ms = 500;
    std::int64_t longest_delay_ms = 30'000;
    std::int64_t healthy_after_ms = 60'000; // of work: no failures in a row behind it
    std::size_t start_limit = 10;
    std::int64_t start_interval_ms = 600'000;
    std::int64_t boot_limit_ms = 60'000;  // from its start to its first signature
    std::int64_t silent_limit_ms = 5'000; // from one signature to the next
    std::int64_t stop_again_ms = 2'000;   // after a stop that failed
};

class Keeper {
  public:
    enum class Phase { Down, Starting, Booting, Working, Stopping };

    struct Slot {
        std::uint32_t cid = 0;
        Phase phase = Phase::Down;
        std::optional<RunningEnclave> enclave; // booting, working, stopping
        std::optional<SignedProbe> last;       // of this enclave
        std::int64_t since = 0;                // in this phase
        std::int64_t signed_at = 0;            // working
        std::int64_t not_before = 0;           // down: the next start; else the next attempt to stop
        std::deque<std::int64_t> failures;     // of the last start_interval_ms
        unsigned in_a_row = 0;
        bool limited = false; // down until a failure is old enough
        bool stop_is_failure = false, stop_asked = false;
        std::string trouble;      // the last failure, for people
        std::string replaced_for; // the image for which its enclave was replaced last
        std::uint64_t starts = 0, all_failures = 0, replacements = 0;
    };

    struct Action {
        enum class Kind { Start, Stop } kind;
        std::uint32_t cid;
        std::string id; // Stop
        StopHow how = StopHow::Orderly;
        std::string why;
    };

    // `wants_debug`: enclaves that run in debug mode are as they should be; else they are replaced.
    Keeper(std::vector<std::uint32_t> cids, KeeperLimits limits, bool wants_debug);

    // What to do now. Whatever is returned counts as begun.
    std::vector<Action> next(std::int64_t now);

    // One that ran before: not a start, and not yet known to work.
    void adopt(const RunningEnclave& enclave, std::int64_t now);
    void started(std::uint32_t cid, const Result<RunningEnclave>& result, std::int64_t now);
    void stopped(std::uint32_t cid, const Status& status, std::int64_t now);
    void ended(const std::string& id, const std::string& why, std::int64_t now); // unknown ids: ignored
    void signed_now(std::uint32_t cid, const SignedProbe& probe, std::int64_t now);
    // The image on disk. One that cannot be read changes nothing: do not call this.
    void image(const std::string& pcr0, std::int64_t now);

    const std::vector<Slot>& slots() const noexcept { return slots_; }
    const Slot* find(std::uint32_t cid) const noexcept;
    const std::string& wanted_pcr0() const noexcept { return wanted_; }
    // The slot that is being replaced, until its new enclave has come as far as the old one was.
    std::optional<std::uint32_t> replacing() const noexcept;
    std::size_t working() const noexcept;
    // No slot works or may be started: there is nothing left to do.
    bool given_up() const noexcept;
    // Runs something else than a start from disk would give. One that still does after it was replaced for
    // the image that is wanted is left alone: replacing it again would change nothing.
    bool stale(const Slot& slot) const;
    // Not so with debug mode that nobody asked for: a start gives none, so replacing it changes it.
    bool mismatched(const Slot& slot) const {
        return stale(slot) && !unasked_debug(slot) && slot.replaced_for == wanted_;
    }
    // Counts starts, ends and stops: what was asked before the last of them describes another state.
    std::uint64_t generation() const noexcept { return generation_; }

    // next() was not called for so long: the machine or this process stood still, not the enclaves.
    static constexpr std::int64_t kStoodStillMs = 2'000;

  private:
    struct Replacement {
        std::size_t slot;
        bool manifest_taken;
        std::uint64_t vaults_open;
    };
    Slot* slot_of(std::uint32_t cid) noexcept;
    bool unasked_debug(const Slot& slot) const noexcept {
        return slot.enclave && slot.enclave->debug && !wants_debug_;
    }
    void enter(Slot& slot, Phase phase, std::int64_t now);
    void failed(Slot& slot, std::string why, std::int64_t now);
    void forget_old(Slot& slot, std::int64_t now) const;
    void stop(Slot& slot, StopHow how, bool failure, std::string why, std::int64_t now,
              std::vector<Action>& out);
    void replace_stale(std::int64_t now, std::vector<Action>& out);

    KeeperLimits limits_;
    bool wants_debug_;
    std::vector<Slot> slots_;
    std::string wanted_; // PCR0; empty: not known yet
    std::optional<Replacement> replacement_;
    std::uint64_t generation_ = 0;
    std::optional<std::int64_t> last_next_;
};

std::string_view phase_name(Keeper::Phase phase) noexcept;
// In debug mode, as the runner says, or only the enclave's own NSM (whose PCRs are zero then).
bool in_debug(const Keeper::Slot& slot) noexcept;

} // namespace redoubt::host
