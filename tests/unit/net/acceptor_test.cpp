// SPDX-License-Identifier: Apache-2.0
#include "net/acceptor.h"

#include "base/log.h"
#include "support/no_descriptors.h"

#include <filesystem>
#include <gtest/gtest.h>
#include <optional>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace redoubt::net {
namespace {

using redoubt::tests::busy_ms;
using redoubt::tests::NoDescriptors;

class AcceptorTest : public ::testing::Test {
  protected:
    AcceptorTest() {
        set_log_level(LogLevel::Error);
        acceptor_.emplace(loop_, listen_on(at_).value(), [this](Fd fd) {
            got_.push_back(std::move(fd));
            if (got_.size() == stop_at_)
                loop_.stop();
            if (got_.size() == want_at_most_)
                acceptor_->want(false);
        });
    }
    ~AcceptorTest() override {
        acceptor_.reset();
        set_log_level(LogLevel::Info);
        (void)unlink(at_.path.c_str());
    }
    Fd connect() { return connect_to(at_, 20'000).value(); }
    void run_until_there_are(std::size_t count) {
        stop_at_ = count;
        const auto limit = loop_.after(20'000, [this] { loop_.stop(); });
        if (got_.size() < count)
            loop_.run();
        loop_.cancel(limit);
        EXPECT_EQ(got_.size(), count);
    }

    Endpoint at_{Endpoint::Kind::Unix,
                 std::filesystem::temp_directory_path() / ("racc-" + std::to_string(getpid())), 0, "", 0};
    EventLoop loop_;
    std::vector<Fd> got_, clients_;
    std::size_t stop_at_ = 0, want_at_most_ = 0;
    std::optional<Acceptor> acceptor_;
};

TEST_F(AcceptorTest, takes_all_that_wait_at_once_also_more_than_a_turns_share) {
    for (int i = 0; i < 2 * Acceptor::kAtOnce + 5; ++i)
        clients_.push_back(connect());
    run_until_there_are(clients_.size());
    EXPECT_LT(busy_ms(loop_, 200), 100);
}

TEST_F(AcceptorTest, rests_while_no_descriptor_is_left_and_serves_who_waited) {
    clients_.push_back(connect());
    {
        const NoDescriptors none;
        EXPECT_LT(busy_ms(loop_, 400), 150);
    }
    EXPECT_TRUE(got_.empty());
    run_until_there_are(1);
}

TEST_F(AcceptorTest, leaves_in_the_queue_whom_it_does_not_want) {
    want_at_most_ = 2;
    for (int i = 0; i < 5; ++i)
        clients_.push_back(connect());
    EXPECT_LT(busy_ms(loop_, 200), 100);
    EXPECT_EQ(got_.size(), 2U);
    want_at_most_ = 0;
    acceptor_->want(true);
    run_until_there_are(5);
}

TEST_F(AcceptorTest, is_not_woken_by_its_rest_when_it_is_not_wanted_any_more) {
    clients_.push_back(connect());
    {
        const NoDescriptors none;
        (void)busy_ms(loop_, 50); // within the rest
    }
    acceptor_->want(false);
    (void)busy_ms(loop_, 2 * Acceptor::kRestMs);
    EXPECT_TRUE(got_.empty());
    acceptor_->want(true);
    run_until_there_are(1);
}

TEST_F(AcceptorTest, may_go_in_the_middle_of_a_rest) {
    clients_.push_back(connect());
    {
        const NoDescriptors none;
        (void)busy_ms(loop_, 50);
    }
    acceptor_.reset();
    EXPECT_LT(busy_ms(loop_, 2 * Acceptor::kRestMs), 100);
    EXPECT_TRUE(got_.empty());
}

} // namespace
} // namespace redoubt::net
