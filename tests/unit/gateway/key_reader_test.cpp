// SPDX-License-Identifier: Apache-2.0
#include "gateway/key_reader.h"

#include "unasked_store.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

namespace redoubt::gateway {
namespace {

// Has the even keys; the seventh cannot be read.
class EvenStore final : public tests::UnaskedStore {
  public:
    Result<std::optional<Bytes>> get_key(const sealed::KeyId& id) override {
        if (id[0] == 7)
            return fail(Code::StoreFailed, "the record is damaged");
        return id[0] % 2 == 0 ? std::optional(Bytes{id[0]}) : std::nullopt;
    }
    std::vector<Result<std::optional<Bytes>>> get_keys(std::span<const sealed::KeyId> ids) override {
        {
            std::unique_lock lock(mutex_);
            asked_.push_back(ids.size());
            changed_.notify_all();
            changed_.wait(lock, [&] { return open_; });
        }
        return Store::get_keys(ids);
    }
    std::size_t keys_at_once() const noexcept override { return 3; }
    std::vector<std::size_t> asked() {
        const std::lock_guard lock(mutex_);
        return asked_;
    }
    void open(bool open) {
        const std::lock_guard lock(mutex_);
        open_ = open;
        changed_.notify_all();
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool open_ = true;
    std::vector<std::size_t> asked_;
};

struct KeyReaders : testing::Test {
    EvenStore store;
    net::EventLoop loop;
    std::optional<WorkerPool> workers;
    std::optional<KeyReader> reader;
    std::vector<std::string> told; // "key: what"
    std::size_t wanted = 0;

    void make(std::size_t waiting) {
        workers.emplace(1, waiting);
        reader.emplace(loop, *workers, store);
    }
    void read(std::uint8_t key) {
        ++wanted;
        reader->read({key}, [this, key](Result<std::optional<Bytes>> found) {
            std::string what = "none";
            if (!found)
                what = code_name(found.error().code);
            else if (*found)
                what = "of " + std::to_string((*found)->at(0));
            told.push_back(std::to_string(key) + ": " + what);
            if (told.size() == wanted)
                loop.stop();
        });
    }
    // Once the store is being asked.
    void when_asked(std::function<void()> then) {
        loop.after(1, [this, then = std::move(then)] { store.asked().empty() ? when_asked(then) : then(); });
    }
    void run() {
        loop.after(10'000, [this] { loop.stop(); }); // a test that fails ends, too
        loop.run();
    }
};

TEST_F(KeyReaders, what_is_wanted_in_one_turn_is_read_together_and_each_gets_its_own) {
    make(100);
    loop.post([this] {
        for (std::uint8_t key = 2; key < 9; ++key)
            read(key);
        EXPECT_TRUE(told.empty());
    });
    run();
    EXPECT_EQ(told, (std::vector<std::string>{"2: of 2", "3: none", "4: of 4", "5: none", "6: of 6",
                                              "7: store_failed", "8: of 8"}));
    EXPECT_EQ(store.asked(), (std::vector<std::size_t>{3, 3, 1}));
}

TEST_F(KeyReaders, what_the_workers_have_no_room_for_is_refused) {
    make(1);
    store.open(false);
    loop.post([this] { read(2); });
    when_asked([this] { // the worker is busy with it; one batch more may wait
        for (int i = 0; i < 3; ++i)
            for (std::uint8_t key = 4; key < 7; ++key)
                read(key);
        loop.after(0, [this] { store.open(true); });
    });
    run();
    ASSERT_EQ(told.size(), 10u);
    const auto refused =
        std::ranges::count_if(told, [](const auto& each) { return each.ends_with("overloaded"); });
    EXPECT_EQ(refused, 6) << "of nine that were wanted at once three wait";
    EXPECT_EQ(std::ranges::count(told, "2: of 2"), 1);
    EXPECT_FALSE(reader->late());
}

TEST_F(KeyReaders, says_that_the_store_is_late_until_it_answers) {
    make(100);
    store.open(false);
    loop.post([this] {
        EXPECT_FALSE(reader->late());
        read(2);
    });
    when_asked([this] {
        loop.after(static_cast<int>(KeyReader::kLateMs) + 1, [this] {
            EXPECT_TRUE(reader->late());
            store.open(true);
        });
    });
    run();
    EXPECT_EQ(told.size(), 1u);
    EXPECT_FALSE(reader->late());
}

TEST_F(KeyReaders, nobody_is_told_once_it_is_gone) {
    make(100);
    store.open(false);
    loop.post([this] { read(2); });
    when_asked([this] {
        reader.reset();
        store.open(true);
        workers.reset(); // what the store told has been posted
        loop.post([this] { loop.stop(); });
    });
    run();
    EXPECT_TRUE(told.empty());
}

} // namespace
} // namespace redoubt::gateway
