// SPDX-License-Identifier: Apache-2.0
#include "client/trial.h"

#include "base/clock.h"

#include <algorithm>
#include <ctime>
#include <deque>
#include <limits>
#include <random>
#include <sys/epoll.h>

namespace redoubt::bench {

namespace {

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kGrace = 15 * kSecond;       // for answers after the window
constexpr std::int64_t kLongestWait = kSecond / 50; // of a turn

std::int64_t microseconds(double seconds) {
    return static_cast<std::int64_t>(seconds * static_cast<double>(kSecond));
}

class Trial : public AnswerSink {
  public:
    Trial(const Spec& spec, const StepSpec& step, const Requests& requests, Answers& answers)
        : requests_(requests), answers_(answers), allocations_(spec.allocations),
          epoll_(epoll_create1(EPOLL_CLOEXEC)) {
        const auto tls = make_context(spec);
        for (std::size_t i = 0; i < spec.connections; ++i) {
            auto stream = connect(spec, tls);
            connections_.push_back(spec.protocol == Protocol::Http2
                                       ? make_http2(std::move(stream), requests, spec.streams)
                                       : make_http1(std::move(stream), requests));
            watch(*connections_.back(), EPOLL_CTL_ADD, EPOLLIN);
        }
        times_.from = monotonic_us() + microseconds(step.warmup_s);
        times_.until = times_.from + microseconds(step.seconds);
    }
    virtual ~Trial() = default;

    TrialTimes run() {
        std::int64_t now = monotonic_us();
        bool begun = false, ended = false;
        double cpu = 0;
        begin(now);
        while (now < times_.until || (outstanding() > 0 && now < times_.until + kGrace)) {
            flush_listed();
            pause(now);
            turn(next_wait(now));
            now = monotonic_us();
            after_turn(now);
            if (!begun && now >= times_.from) {
                begun = true;
                cpu = cpu_seconds();
                times_.allocated_before = read_allocations(allocations_);
            }
            if (!ended && now >= times_.until) {
                ended = true;
                times_.cpu_s = cpu_seconds() - cpu;
                times_.allocated_after = read_allocations(allocations_);
            }
        }
        times_.unanswered = outstanding();
        return times_;
    }

  protected:
    virtual void begin(std::int64_t now) = 0;
    virtual void pause(std::int64_t) {}
    virtual void after_turn(std::int64_t now) = 0;
    virtual std::int64_t next_wait(std::int64_t now) const = 0; // µs
    virtual std::size_t outstanding() const noexcept { return in_flight_; }
    virtual void room_again(Connection& connection, std::int64_t at) = 0;

    void submit(Connection& connection, std::int64_t due, std::int64_t now) {
        connection.submit({due, now, static_cast<std::uint32_t>(next_++)});
        ++in_flight_;
        has_to_write(connection);
    }

    const Requests& requests_;
    std::vector<std::unique_ptr<Connection>> connections_;
    TrialTimes times_;
    std::size_t next_ = 0; // request

  private:
    void answered(Connection& connection, const InFlight& request, int status, std::string_view body,
                  std::int64_t at) final {
        --in_flight_;
        answers_.add(request.request, status, request.due, request.sent, at, body);
        room_again(connection, at);
    }

    void has_to_write(Connection& connection) final {
        if (connection.listed)
            return;
        connection.listed = true;
        listed_.push_back(&connection);
    }

    void watch(Connection& connection, int operation, std::uint32_t events) {
        epoll_event event{};
        event.events = events;
        event.data.ptr = &connection;
        if (epoll_ctl(epoll_.get(), operation, connection.fd(), &event) != 0)
            die("epoll_ctl failed");
    }

    void flush(Connection& connection) {
        const bool waits = !connection.flush();
        if (waits != connection.waits_to_write)
            watch(connection, EPOLL_CTL_MOD, waits ? EPOLLIN | EPOLLOUT : EPOLLIN);
        connection.waits_to_write = waits;
    }

    void flush_listed() {
        for (Connection* const connection : listed_) {
            connection->listed = false;
            flush(*connection);
        }
        listed_.clear();
    }

    void turn(std::int64_t wait_us) {
        epoll_event events[256];
        const timespec wait{wait_us / kSecond, wait_us % kSecond * 1'000};
        const int n = epoll_pwait2(epoll_.get(), events, 256, &wait, nullptr);
        for (int i = 0; i < n; ++i) {
            auto& connection = *static_cast<Connection*>(events[i].data.ptr);
            if ((events[i].events & EPOLLOUT) != 0)
                flush(connection);
            if ((events[i].events & ~EPOLLOUT) != 0)
                connection.readable(*this);
            flush_listed(); // now: its requests need not wait until the others are read
        }
    }

    Answers& answers_;
    const std::vector<std::pair<std::string, std::string>>& allocations_;
    net::Fd epoll_;
    std::vector<Connection*> listed_; // have something to write
    std::size_t in_flight_ = 0;
};

class Closed final : public Trial {
  public:
    using Trial::Trial;

  private:
    void begin(std::int64_t now) override {
        for (auto& connection : connections_)
            fill(*connection, now);
    }
    void after_turn(std::int64_t) override {}
    std::int64_t next_wait(std::int64_t) const override { return kLongestWait; }
    void room_again(Connection& connection, std::int64_t at) override { fill(connection, at); }

    void fill(Connection& connection, std::int64_t now) {
        while (now < times_.until && connection.room() > 0) {
            if (next_ == requests_.size())
                die("more was answered than was made ready: set prepare_per_s to more");
            submit(connection, now, now);
        }
    }
};

class All final : public Trial {
  public:
    All(const Spec& spec, const Requests& requests, Answers& answers) : Trial(spec, {}, requests, answers) {
        times_.until = std::numeric_limits<std::int64_t>::max() - kGrace;
    }

  private:
    void begin(std::int64_t now) override {
        for (auto& connection : connections_)
            fill(*connection, now);
    }
    void after_turn(std::int64_t now) override {
        if (next_ == requests_.size() && outstanding() == 0)
            times_.until = now;
        else if (now > last_ + kGrace)
            die("the server answers no more");
    }
    std::int64_t next_wait(std::int64_t) const override { return kLongestWait; }
    void room_again(Connection& connection, std::int64_t at) override { fill(connection, at); }

    void fill(Connection& connection, std::int64_t now) {
        last_ = now;
        while (next_ < requests_.size() && connection.room() > 0)
            submit(connection, now, now);
    }

    std::int64_t last_ = 0; // answer
};

class Open final : public Trial {
  public:
    Open(const Spec& spec, const StepSpec& step, double rate, const Requests& requests, Answers& answers)
        : Trial(spec, step, requests, answers), gap_(static_cast<double>(kSecond) / rate),
          turn_us_(step.turn_us), poisson_(step.poisson), random_(spec.seed), at_random_(1 / gap_) {}

  private:
    void begin(std::int64_t now) override {
        for (auto& connection : connections_)
            idle_.push_back(connection.get());
        due_ = static_cast<double>(now);
        hand_out(now);
    }
    // A system call for each request and each answer would take the server's cores: a turn every turn_us,
    // whose length is in the times that are told.
    void pause(std::int64_t now) override {
        const std::int64_t left = last_turn_ + turn_us_ - now;
        if (left > 0) {
            const timespec wait{left / kSecond, left % kSecond * 1'000};
            (void)nanosleep(&wait, nullptr);
        }
        last_turn_ = std::max(now, last_turn_ + turn_us_);
    }
    void after_turn(std::int64_t now) override { hand_out(now); }
    std::int64_t next_wait(std::int64_t) const override {
        return std::clamp(static_cast<std::int64_t>(due_) - monotonic_us(), std::int64_t{0}, kLongestWait);
    }
    std::size_t outstanding() const noexcept override { return Trial::outstanding() + waiting_.size(); }
    void room_again(Connection& connection, std::int64_t) override {
        if (connection.room() == 1)
            idle_.push_back(&connection);
    }

    // One connection takes what is due in a turn, so that it leaves in one write; in the next turn it is
    // the turn of the one that has rested longest.
    void hand_out(std::int64_t now) {
        for (; due_ <= static_cast<double>(now) && due_ < static_cast<double>(times_.until);
             due_ += poisson_ ? at_random_(random_) : gap_)
            waiting_.push_back(static_cast<std::int64_t>(due_));
        const Connection* last = nullptr;
        while (!waiting_.empty() && !idle_.empty()) {
            if (next_ == requests_.size())
                die("fewer requests were made ready than are due");
            Connection& connection = *idle_.front();
            submit(connection, waiting_.front(), now);
            waiting_.pop_front();
            if (connection.room() == 0)
                idle_.pop_front();
            last = &connection;
        }
        if (!idle_.empty() && idle_.front() == last) {
            idle_.push_back(idle_.front());
            idle_.pop_front();
        }
    }

    std::int64_t last_turn_ = 0;
    double due_ = 0; // of the next request
    const double gap_;
    const std::int64_t turn_us_;
    const bool poisson_;
    std::mt19937_64 random_;
    std::exponential_distribution<double> at_random_;
    std::deque<std::int64_t> waiting_; // due, and no connection had room
    std::deque<Connection*> idle_;     // those with room, each once
};

} // namespace

TrialTimes run_closed(const Spec& spec, const StepSpec& step, const Requests& requests, Answers& answers) {
    return Closed(spec, step, requests, answers).run();
}

TrialTimes run_all(const Spec& spec, const Requests& requests, Answers& answers) {
    return All(spec, requests, answers).run();
}

TrialTimes run_open(const Spec& spec, const StepSpec& step, double rate, const Requests& requests,
                    Answers& answers) {
    return Open(spec, step, rate, requests, answers).run();
}

} // namespace redoubt::bench
