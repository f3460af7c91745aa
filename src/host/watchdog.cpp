// SPDX-License-Identifier: Apache-2.0
#include "host/watchdog.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"

#include <algorithm>
#include <sys/epoll.h>

namespace redoubt::host {

namespace {

constexpr int kTickMs = 100;
constexpr int kListAgainMs = 2'000; // after a list that failed
constexpr int kStopLimitMs = 30'000;
constexpr std::size_t kConsoleShown = 2'000; // bytes of a failed enclave's console, in the log
constexpr std::size_t kMaxEnclaves = 64;
constexpr std::size_t kPcrShown = 16;

std::string short_pcr(const std::string& pcr) {
    return pcr.empty() ? "unknown" : pcr.substr(0, kPcrShown) + "…";
}

bool loopback_only(const net::Endpoint& endpoint) {
    return endpoint.kind == net::Endpoint::Kind::Unix ||
           (endpoint.kind == net::Endpoint::Kind::Tcp &&
            (endpoint.host == "127.0.0.1" || endpoint.host == "::1" || endpoint.host == "localhost"));
}

std::vector<std::uint32_t> cids_of(const WatchdogOptions& options) {
    std::vector<std::uint32_t> out;
    for (std::size_t i = 0; i < std::min(options.enclaves, kMaxEnclaves); ++i)
        out.push_back(options.first_cid + static_cast<std::uint32_t>(i));
    return out;
}

} // namespace

Watchdog::Watchdog(net::EventLoop& loop, EnclaveRunner& runner, ImageFile image, WatchdogOptions options)
    : loop_(loop), runner_(runner), options_(std::move(options)),
      keeper_(cids_of(options_), options_.limits, options_.wants_debug), image_(std::move(image)),
      image_path_(image_.path()) {}

Watchdog::~Watchdog() {
    *alive_ = false;
    worker_.reset();
    for (const auto& [what, timer] : timers_)
        loop_.cancel(timer);
    runner_.on_ended({});
}

void Watchdog::after(const char* what, int ms, std::function<void()> task) {
    if (const auto found = timers_.find(what); found != timers_.end())
        loop_.cancel(found->second);
    timers_[what] = loop_.after(ms, [this, what, task = std::move(task)] {
        timers_.erase(what);
        task();
    });
}

Status Watchdog::run(int stop_fd, std::function<void(const std::optional<net::Endpoint>&)> ready) {
    if (options_.enclaves == 0 || options_.enclaves > kMaxEnclaves)
        return fail(Code::Usage, "a watchdog keeps 1 to 64 enclaves");
    // 0 to 3: the hypervisor, loopback, the host and the parent (vsock(7), nitro-cli).
    if (options_.first_cid < 4 || options_.first_cid > UINT32_MAX - kMaxEnclaves)
        return fail(Code::Usage, "the enclaves' CIDs begin at 4 or above");
    if (options_.listen) {
        if (!loopback_only(*options_.listen))
            return fail(Code::Usage,
                        "metrics are served on a unix socket or on loopback only: whoever reads "
                        "them learns what runs here",
                        options_.listen->text());
        REDOUBT_TRY(net::Fd listener, net::listen_on(*options_.listen));
        REDOUBT_TRY(listening_, net::local_endpoint(*options_.listen, listener));
        server_ = std::make_unique<net::HttpServer>(
            loop_, std::move(listener), nullptr, net::HttpServerOptions{.max_connections = 64},
            [this](const net::HttpRequest& request, const net::HttpServer::Responder& respond) {
                answer(request, respond);
            });
    }
    ready_ = std::move(ready);
    worker_ = std::make_unique<WorkerPool>(1, 4);
    runner_.on_ended([this](const std::string& id, const std::string& why) {
        for (const auto& slot : keeper_.slots())
            if (slot.enclave && slot.enclave->id == id) {
                log(LogLevel::Error, "an enclave ended",
                    {{"cid", std::to_string(slot.cid)}, {"id", id}, {"why", why}});
                show_console(*slot.enclave);
            }
        keeper_.ended(id, why, monotonic_ms());
        update_links();
    });
    loop_.add(stop_fd, EPOLLIN, [this, stop_fd](std::uint32_t) {
        loop_.remove(stop_fd);
        stop();
    });
    if (const auto ms = options_.manager.watchdog_ms())
        after("alive", 0, [this, every = static_cast<int>(std::max<std::int64_t>(*ms / 2, 1))] {
            const auto again = [this, every](const auto& self) -> void {
                options_.manager.alive();
                after("alive", every, [self] { self(self); });
            };
            again(again);
        });
    options_.manager.status("looking for running enclaves");
    measure();
    list();
    tick();
    loop_.run();
    if (!stopping_)
        loop_.remove(stop_fd);
    if (gave_up_)
        return fail(
            Code::RunnerFailed,
            "the start limit is reached for every enclave: the log says why they failed; put it right "
            "and start the watchdog again");
    return {};
}

// The file is read in a thread of its own: a large image takes half a second, and signs of life are due.
void Watchdog::measure() {
    (void)worker_->submit([this] {
        auto pcr0 = std::make_shared<Result<std::string>>(image_.pcr0());
        loop_.post([this, alive = alive_, pcr0] {
            if (!*alive)
                return;
            image_looked_at_ = true;
            if (*pcr0) {
                image_error_.clear();
                if (**pcr0 != keeper_.wanted_pcr0())
                    log(LogLevel::Info,
                        keeper_.wanted_pcr0().empty() ? "the image on disk"
                                                      : "the image on disk is another one",
                        {{"path", image_path_}, {"pcr0", **pcr0}});
                keeper_.image(**pcr0, monotonic_ms());
            } else if (const std::string error = pcr0->error().describe(); error != image_error_) {
                image_error_ = error;
                log(LogLevel::Error, "the image on disk cannot be used; what runs stays as it is",
                    {{"error", error}});
            }
            after("image", options_.image_ms, [this] { measure(); });
        });
    });
}

void Watchdog::list() {
    if (listing_) {
        list_asked_ = true;
        return;
    }
    listing_ = true;
    runner_.describe([this, alive = alive_, generation = keeper_.generation()](
                         const Result<std::vector<RunningEnclave>>& list_now) {
        if (!*alive)
            return;
        listing_ = false;
        const bool again = std::exchange(list_asked_, false);
        if (!list_now) {
            // Nothing is started or ended on the strength of a list that there is not.
            if (const std::string error = list_now.error().describe(); error != list_error_) {
                list_error_ = error;
                log(LogLevel::Error, "running enclaves cannot be listed", {{"error", error}});
            }
            return after("list", kListAgainMs, [this] { list(); });
        }
        list_error_.clear();
        // What was started or ended meanwhile is not in this list as it is now.
        if (generation == keeper_.generation() && !stopping_)
            take_list(*list_now);
        if (runner_.outlived())
            after("list", again ? 0 : options_.list_ms, [this] { list(); });
    });
}

void Watchdog::take_list(const std::vector<RunningEnclave>& enclaves) {
    listed_ = true;
    const std::int64_t now = monotonic_ms();
    // First what is gone, then what is there: a slot's enclave may be another one now.
    std::vector<std::string> gone;
    for (const auto& slot : keeper_.slots())
        if (slot.enclave && (slot.phase == Keeper::Phase::Booting || slot.phase == Keeper::Phase::Working) &&
            std::ranges::none_of(enclaves, [&](const RunningEnclave& one) {
                return one.id == slot.enclave->id && !one.ending;
            }))
            gone.push_back(slot.enclave->id);
    for (const std::string& id : gone) {
        log(LogLevel::Error, "an enclave ended", {{"id", id}, {"why", "it is not listed any more"}});
        keeper_.ended(id, "it is not listed any more: it ended", now);
    }
    for (const RunningEnclave& one : enclaves) {
        if (one.ending || one.name != enclave_name(options_.name, one.cid))
            continue;
        const auto* const slot = keeper_.find(one.cid);
        if (slot == nullptr) {
            log(LogLevel::Warning, "an enclave of this watchdog's name that is one too many is ended",
                {{"id", one.id}, {"cid", std::to_string(one.cid)}});
            runner_.stop(one.id, StopHow::Orderly, [id = one.id](const Status& status) {
                if (!status)
                    log(LogLevel::Error, "an enclave does not end",
                        {{"id", id}, {"error", status.error().describe()}});
            });
        } else if (slot->phase == Keeper::Phase::Down) {
            log(LogLevel::Info, "an enclave that runs is taken over",
                {{"id", one.id}, {"cid", std::to_string(one.cid)}, {"pcr0", one.pcr0}});
            keeper_.adopt(one, now);
        }
    }
    update_links();
}

void Watchdog::tick() {
    after("tick", kTickMs, [this] { tick(); });
    if (stopping_ || !listed_ || !image_looked_at_)
        return;
    for (const auto& action : keeper_.next(monotonic_ms()))
        act(action);
    update_links();
    tell_state();
    if (keeper_.given_up()) {
        gave_up_ = true;
        log(LogLevel::Error, "the start limit is reached for every enclave",
            {{"failures", std::to_string(options_.limits.start_limit)},
             {"within_s", std::to_string(options_.limits.start_interval_ms / 1000)}});
        options_.manager.status("gave up: the start limit is reached for every enclave");
        loop_.stop();
    }
}

void Watchdog::act(const Keeper::Action& action) {
    const std::string cid = std::to_string(action.cid);
    if (action.kind == Keeper::Action::Kind::Start) {
        log(LogLevel::Info, "an enclave is started", {{"cid", cid}, {"after", action.why}});
        runner_.start(action.cid,
                      [this, alive = alive_, cid = action.cid](const Result<RunningEnclave>& result) {
                          if (!*alive)
                              return;
                          keeper_.started(cid, result, monotonic_ms());
                          if (result)
                              log(LogLevel::Info, "an enclave runs",
                                  {{"cid", std::to_string(cid)}, {"id", result->id}, {"pcr0", result->pcr0}});
                          else
                              log(LogLevel::Error, "an enclave cannot be started",
                                  {{"cid", std::to_string(cid)}, {"error", result.error().describe()}});
                          update_links();
                          if (stopping_)
                              stop_step();
                      });
        return;
    }
    log(LogLevel::Warning, "an enclave is ended", {{"cid", cid}, {"id", action.id}, {"why", action.why}});
    if (const auto* slot = keeper_.find(action.cid); slot != nullptr && slot->stop_is_failure)
        show_console(*slot->enclave);
    runner_.stop(action.id, action.how, [this, alive = alive_, cid = action.cid](const Status& status) {
        if (!*alive)
            return;
        keeper_.stopped(cid, status, monotonic_ms());
        if (!status)
            log(LogLevel::Error, "an enclave does not end",
                {{"cid", std::to_string(cid)}, {"error", status.error().describe()}});
        update_links();
        if (stopping_)
            stop_step();
    });
}

// The console says why it ended. On Nitro there is one in debug mode only.
void Watchdog::show_console(const RunningEnclave& enclave) {
    if (!runner_.keeps_consoles() && !enclave.debug)
        return;
    runner_.console(enclave.id, [id = enclave.id](const Result<std::string>& text) {
        if (text && !text->empty())
            log(LogLevel::Warning, "the last words on its console",
                {{"id", id},
                 {"console", std::string_view(*text).substr(
                                 text->size() > kConsoleShown ? text->size() - kConsoleShown : 0)}});
    });
}

// One link to each enclave that is to sign.
void Watchdog::update_links() {
    if (stopping_)
        return; // stop() took them down
    for (const auto& slot : keeper_.slots()) {
        const bool wanted =
            slot.enclave && (slot.phase == Keeper::Phase::Booting || slot.phase == Keeper::Phase::Working);
        const auto found = links_.find(slot.cid);
        if (found != links_.end() && (!wanted || found->second.id != slot.enclave->id))
            links_.erase(found); // never called from a link's callback
        if (!wanted || links_.contains(slot.cid))
            continue;
        Link& link = links_[slot.cid];
        link.id = slot.enclave->id;
        link.probe = std::make_unique<ProbeLink>(
            loop_, slot.enclave->endpoint, options_.probe_ms,
            [this, cid = slot.cid](const SignedProbe& probe) {
                keeper_.signed_now(cid, probe, monotonic_ms());
                tell_enclave(*keeper_.find(cid));
            },
            [this] {
                if (runner_.outlived() && !stopping_)
                    list();
            });
    }
}

void Watchdog::tell_enclave(const Keeper::Slot& slot) {
    const auto found = links_.find(slot.cid);
    if (found == links_.end() || !slot.enclave || !slot.last)
        return;
    Link& link = found->second;
    const std::string cid = std::to_string(slot.cid);
    if (!std::exchange(link.working_told, true))
        log(LogLevel::Info, "an enclave can sign",
            {{"cid", cid}, {"id", slot.enclave->id}, {"pcr0", slot.enclave->pcr0}});
    if (in_debug(slot)) {
        if (!std::exchange(link.debug_told, true))
            log(LogLevel::Error,
                "DEBUG MODE: this host can read the enclave's memory, and no key policy lets it in; start it "
                "without --debug-mode",
                {{"cid", cid}, {"id", slot.enclave->id}});
    } else if (slot.last->pcr0 != slot.enclave->pcr0 && !std::exchange(link.mismatch_told, true)) {
        log(LogLevel::Error, "the enclave's NSM names another PCR0 than was measured when it was started",
            {{"cid", cid}, {"pcr0", slot.last->pcr0}, {"measured", slot.enclave->pcr0}});
    }
    if (ready_) {
        options_.manager.ready();
        std::exchange(ready_, nullptr)(listening_);
    }
}

std::string Watchdog::summary() const {
    std::string out = std::to_string(keeper_.working()) + " of " + std::to_string(keeper_.slots().size()) +
                      " enclaves can sign; image PCR0 " + short_pcr(keeper_.wanted_pcr0());
    for (const auto& slot : keeper_.slots()) {
        const std::string cid = std::to_string(slot.cid);
        if (in_debug(slot))
            out = "DEBUG MODE (CID " + cid + "): worthless for keys that matter; " + out;
        if (slot.limited)
            out += "; CID " + cid + ": start limit reached, last failure: " + slot.trouble;
        else if (slot.phase == Keeper::Phase::Down && !slot.trouble.empty())
            out += "; CID " + cid + ": waits for its next start: " + slot.trouble;
        if (keeper_.mismatched(slot))
            out += "; CID " + cid + ": started anew, and its PCR0 is still not the image's";
    }
    if (const auto cid = keeper_.replacing())
        out += "; CID " + std::to_string(*cid) +
               " is being replaced: the others follow when it has come as far as the one before";
    if (!image_error_.empty())
        out += "; the image on disk cannot be used: " + image_error_;
    if (!list_error_.empty())
        out += "; running enclaves cannot be listed: " + list_error_;
    return out;
}

void Watchdog::tell_state() {
    for (const auto& slot : keeper_.slots()) {
        const std::string cid = std::to_string(slot.cid);
        if (!slot.limited)
            told_limited_.erase(cid);
        else if (told_limited_.insert(cid).second)
            log(LogLevel::Error, "the start limit of an enclave is reached: it rests",
                {{"cid", cid},
                 {"failures", std::to_string(slot.failures.size())},
                 {"last", slot.trouble},
                 {"rests_s",
                  std::to_string(std::max<std::int64_t>(slot.not_before - monotonic_ms(), 0) / 1000)}});
    }
    std::string now = summary();
    if (now == last_summary_)
        return;
    last_summary_ = std::move(now);
    options_.manager.status(last_summary_);
}

void Watchdog::stop() {
    stopping_ = true;
    options_.manager.stopping();
    log(LogLevel::Info, "stopping",
        {{"enclaves", runner_.outlived() && !options_.end_enclaves ? "they run on" : "they are ended"}});
    links_.clear();
    stop_deadline_ = monotonic_ms() + kStopLimitMs;
    after("stop", kStopLimitMs, [this] { loop_.stop(); });
    stop_step();
}

// Starts that are under way come to their end, then what runs is ended, if it is to be.
void Watchdog::stop_step() {
    bool waiting = false;
    for (const auto& slot : keeper_.slots()) {
        if (slot.phase == Keeper::Phase::Starting ||
            (slot.phase == Keeper::Phase::Stopping && slot.stop_asked)) {
            waiting = true;
            continue;
        }
        if (!slot.enclave || (runner_.outlived() && !options_.end_enclaves))
            continue;
        if (gone_.contains(slot.enclave->id))
            continue;
        waiting = true;
        if (!ending_.insert(slot.enclave->id).second)
            continue;
        runner_.stop(slot.enclave->id, StopHow::Orderly,
                     [this, alive = alive_, id = slot.enclave->id](const Status& status) {
                         if (!*alive)
                             return;
                         if (!status)
                             log(LogLevel::Error, "an enclave does not end",
                                 {{"id", id}, {"error", status.error().describe()}});
                         gone_.insert(id);
                         stop_step();
                     });
    }
    if (!waiting)
        loop_.stop();
}

void Watchdog::answer(const net::HttpRequest& request, const net::HttpServer::Responder& respond) const {
    if (request.method != "GET")
        return respond(net::HttpResponse::error(Code::MethodNotAllowed, "this route takes GET"));
    if (request.path == "/metrics") {
        auto response = net::HttpResponse::text(200, metrics());
        for (auto& header : response.headers)
            if (header.name == "content-type")
                header.value = "text/plain; version=0.0.4; charset=utf-8";
        return respond(std::move(response));
    }
    if (request.path == "/status")
        return respond(net::HttpResponse::json(200, status_json()));
    respond(net::HttpResponse::error(Code::NotFound, "the watchdog serves /metrics and /status"));
}

} // namespace redoubt::host
