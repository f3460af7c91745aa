// SPDX-License-Identifier: Apache-2.0
#include "gateway/counter_writer.h"

#include "base/clock.h"
#include "unasked_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>

namespace redoubt::gateway {
namespace {

// Takes counters when the test lets it, and says what the test wants.
class CounterStore : public tests::UnaskedStore {
  public:
    Status put_counters(ByteView record) override {
        const auto head = *sealed::read_counter_head(record);
        std::unique_lock lock(mutex_);
        begun_.push_back(head);
        changed_.notify_all();
        changed_.wait(lock, [&] { return open_ || (only_ && head.key != *only_); });
        written_.push_back(head);
        const Status out = answer_(head);
        return out;
    }
    // Of all keys, or of this one.
    void hold(std::optional<sealed::KeyId> only = {}) {
        const std::lock_guard lock(mutex_);
        open_ = false;
        only_ = only;
    }
    void release() {
        const std::lock_guard lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }
    void answer(std::function<Status(const sealed::CounterHead&)> with) {
        const std::lock_guard lock(mutex_);
        answer_ = std::move(with);
    }
    bool wait_for_begun(std::size_t count) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return begun_.size() >= count; });
    }
    std::vector<sealed::CounterHead> written() {
        const std::lock_guard lock(mutex_);
        return written_;
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool open_ = true;
    std::optional<sealed::KeyId> only_;
    std::function<Status(const sealed::CounterHead&)> answer_ = [](const auto&) { return Status(); };
    std::vector<sealed::CounterHead> begun_, written_;
};

Bytes record(std::uint64_t term, std::uint64_t sequence, std::uint8_t key = 1, std::uint64_t base = 0) {
    static crypto::SystemRandom random;
    sealed::CounterHead head;
    head.key[0] = key;
    head.term = term;
    head.sequence = sequence;
    head.base = term == 1 ? 0 : base;
    head.owner[0] = static_cast<std::uint8_t>(term);
    head.lease_until = 1'800'000'000'000;
    return sealed::seal_counters(random.secret(32), head, {}, random);
}

sealed::KeyId key_id(std::uint8_t key) {
    sealed::KeyId out{};
    out[0] = key;
    return out;
}

struct Writers : testing::Test {
    CounterStore store;
    net::EventLoop loop;
    std::unique_ptr<WorkerPool> workers = std::make_unique<WorkerPool>(2, 100);
    std::unique_ptr<CounterWriter> writer = std::make_unique<CounterWriter>(loop, *workers, store);
    std::thread thread;
    std::mutex mutex;
    std::vector<std::string> told; // "name: ok" or the code, in the order in which they were told

    void SetUp() override {
        thread = std::thread([this] { loop.run(); });
    }
    void TearDown() override {
        store.release();
        on_loop([&] { writer.reset(); });
        workers.reset();
        loop.stop();
        thread.join();
    }
    void on_loop(const std::function<void()>& work) {
        std::mutex done_mutex;
        std::condition_variable done;
        bool ran = false;
        loop.post([&] {
            work();
            const std::lock_guard lock(done_mutex);
            ran = true;
            done.notify_all();
        });
        std::unique_lock lock(done_mutex);
        done.wait(lock, [&] { return ran; });
    }
    void put(const std::string& name, Bytes bytes) {
        on_loop([&] {
            writer->put(std::move(bytes), [this, name](const Status& status) {
                const std::lock_guard lock(mutex);
                told.push_back(name + ": " + (status ? "ok" : std::string(code_name(status.error().code))));
            });
        });
    }
    std::vector<std::string> told_now() {
        const std::lock_guard lock(mutex);
        return told;
    }
    // What was told once it is so much, or after ten seconds.
    std::vector<std::string> wait_for(std::size_t count) {
        const std::int64_t limit = monotonic_ms() + 10'000;
        while (told_now().size() < count && monotonic_ms() < limit)
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        return told_now();
    }
    using Told = std::vector<std::string>;
};

TEST_F(Writers, tell_nothing_before_it_is_stored) {
    store.hold();
    put("a", record(1, 1));
    ASSERT_TRUE(store.wait_for_begun(1));
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    EXPECT_TRUE(told_now().empty());
    store.release();
    EXPECT_EQ(wait_for(1), Told{"a: ok"});
    put("b", record(1, 2));
    EXPECT_EQ(wait_for(2), (Told{"a: ok", "b: ok"}));
    EXPECT_EQ(store.written().size(), 2u);
}

TEST_F(Writers, write_what_came_meanwhile_once_as_its_latest) {
    store.hold();
    put("1", record(1, 1));
    ASSERT_TRUE(store.wait_for_begun(1));
    for (const int sequence : {2, 5, 3, 6, 4}) // answers of several threads come in any order
        put(std::to_string(sequence), record(1, static_cast<std::uint64_t>(sequence)));
    EXPECT_TRUE(told_now().empty());
    store.release();
    auto all = wait_for(6);
    ASSERT_EQ(all.size(), 6u);
    EXPECT_EQ(all.front(), "1: ok") << "it does not wait for the others";
    for (const auto& each : all)
        EXPECT_TRUE(each.ends_with(": ok")) << each;
    const auto written = store.written();
    ASSERT_EQ(written.size(), 2u) << "two writes for six answers";
    EXPECT_EQ(written[0].sequence, 1u);
    EXPECT_EQ(written[1].sequence, 6u);
}

TEST_F(Writers, tell_what_an_ended_term_counted_that_it_is_not_in_the_new_ones_record) {
    store.hold();
    put("1/5", record(1, 5));
    ASSERT_TRUE(store.wait_for_begun(1));
    put("2/1", record(2, 1, 1, 5));
    put("1/6", record(1, 6));
    store.release();
    const auto all = wait_for(3);
    ASSERT_EQ(all.size(), 3u);
    EXPECT_EQ(all[0], "1/5: ok");
    EXPECT_EQ(std::ranges::count(all, "2/1: ok"), 1);
    EXPECT_EQ(std::ranges::count(all, "1/6: conflict"), 1) << "its signature must not go out";
    const auto written = store.written();
    ASSERT_EQ(written.size(), 2u);
    EXPECT_EQ(written[1].term, 2u);
}

// A term that did not begin where its enclave thought begins anew on another base; what was counted on the
// first one may be lost (sealed/counter_record.h). The answers come out of order.
TEST_F(Writers, take_no_record_on_another_base_for_one_that_covers) {
    store.hold();
    put("2/3 on 6", record(2, 3, 1, 6));
    ASSERT_TRUE(store.wait_for_begun(1));
    store.answer([](const sealed::CounterHead& head) {
        return head.base == 6 ? Status() : Status(fail(Code::Conflict, "as the store says"));
    });
    put("2/2 on 5", record(2, 2, 1, 5));
    store.release();
    const auto all = wait_for(2);
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(std::ranges::count(all, "2/3 on 6: ok"), 1);
    EXPECT_EQ(std::ranges::count(all, "2/2 on 5: conflict"), 1) << all[0] << ", " << all[1];
}

TEST_F(Writers, pass_on_what_the_store_refuses_to_those_alone_whom_it_concerns) {
    store.hold();
    store.answer([](const sealed::CounterHead& head) {
        return head.sequence == 1   ? Status(fail(Code::Conflict, "another enclave's"))
               : head.sequence == 3 ? Status(fail(Code::StoreFailed, "the disk is full"))
                                    : Status();
    });
    put("1", record(1, 1));
    ASSERT_TRUE(store.wait_for_begun(1));
    put("2", record(1, 2));
    put("3", record(1, 3));
    store.release();
    auto all = wait_for(3);
    std::ranges::sort(all);
    EXPECT_EQ(all, (Told{"1: conflict", "2: store_failed", "3: store_failed"}));
    put("4", record(1, 4));
    EXPECT_EQ(wait_for(4).back(), "4: ok") << "it is not stuck";
}

TEST_F(Writers, let_no_key_wait_for_another) {
    store.hold(key_id(1));
    put("slow", record(1, 1, 1));
    ASSERT_TRUE(store.wait_for_begun(1));
    put("quick", record(1, 1, 2));
    EXPECT_EQ(wait_for(1), Told{"quick: ok"});
    store.release();
    EXPECT_EQ(wait_for(2), (Told{"quick: ok", "slow: ok"}));
}

TEST_F(Writers, refuse_what_is_no_record_and_what_the_store_has_no_room_for) {
    put("bad", to_bytes("RDCT and nothing more"));
    EXPECT_EQ(wait_for(1), Told{"bad: record_invalid"});
    EXPECT_TRUE(store.written().empty());
    WorkerPool full(1, 0); // takes nothing
    on_loop([&] { writer = std::make_unique<CounterWriter>(loop, full, store); });
    put("one", record(1, 1));
    put("two", record(1, 2));
    EXPECT_EQ(wait_for(3), (Told{"bad: record_invalid", "one: overloaded", "two: overloaded"}));
    EXPECT_TRUE(store.written().empty());
    on_loop([&] { writer.reset(); });
}

} // namespace
} // namespace redoubt::gateway
