// SPDX-License-Identifier: Apache-2.0
#include "gateway/key_book.h"

#include "gateway/clients.h"
#include "rpc_world.h"

namespace redoubt::gateway {
namespace {

using tests::address_number;

class KeyBookTest : public testing::Test, public tests::RpcWorld {
  protected:
    Result<std::optional<KeyBook::Entry>> find(std::uint8_t number) {
        std::optional<Result<std::optional<KeyBook::Entry>>> found;
        book.find(address_number(number), [&](auto told) { found = std::move(told); });
        run_until([&] { return found.has_value(); });
        return *found;
    }
    // The first bytes of the ids.
    std::vector<int> list() {
        std::optional<Result<std::vector<KeyBook::Entry>>> listed;
        book.list(caller, [&](auto told) { listed = std::move(told); });
        run_until([&] { return listed.has_value(); });
        std::vector<int> out;
        if (!listed->has_value())
            return {-static_cast<int>(listed->error().code)};
        for (const auto& entry : **listed)
            out.push_back(entry.id[0]);
        return out;
    }
};

TEST_F(KeyBookTest, TheNewestEnabledKeyOfAnAddressIsFound) {
    put(1, address_number(1), 10);
    put(2, address_number(1), 30);
    put(3, address_number(1), 20);
    put(4, address_number(1), 40, sealed::State::Disabled);
    put(5, address_number(2), 50);
    const auto found = find(1);
    ASSERT_TRUE(found && *found);
    EXPECT_EQ((*found)->id[0], 2);
    EXPECT_EQ((*found)->address, address_number(1));
    EXPECT_EQ((**find(2)).id[0], 5);
}

TEST_F(KeyBookTest, AnAddressWithoutAKeyIsAskedForAgain) {
    const auto none = find(1);
    ASSERT_TRUE(none);
    EXPECT_FALSE(*none);
    put(1, address_number(1));
    EXPECT_TRUE(*find(1));
}

TEST_F(KeyBookTest, AKeyIsKeptUntilItIsForgotten) {
    put(1, address_number(1), 10);
    EXPECT_EQ((**find(1)).id[0], 1);
    ASSERT_TRUE(store->update_key(tests::stored_record([] {
        auto head = tests::stored_head(1, address_number(1), 10, sealed::State::Disabled);
        head.revision = 2;
        return head;
    }())));
    EXPECT_TRUE(*find(1)) << "the enclave refuses it; the book need not know";
    book.forget(sealed::KeyId{});
    EXPECT_TRUE(*find(1));
    sealed::KeyId id{};
    id[0] = 1;
    book.forget(id);
    EXPECT_FALSE(*find(1));
}

TEST_F(KeyBookTest, WhatWasReadWhileAKeyChangedIsNotKept) {
    put(1, address_number(1), 10);
    std::optional<bool> found;
    book.find(address_number(1), [&](auto told) { found = told && *told; });
    book.forget(sealed::KeyId{}); // some key changes while the store is read
    run_until([&] { return found.has_value(); });
    EXPECT_TRUE(*found);
    put(2, address_number(1), 20);
    EXPECT_EQ((**find(1)).id[0], 2);
}

TEST_F(KeyBookTest, ManyWhoAskAtOnceAreAnsweredTogether) {
    for (std::uint8_t i = 1; i <= 100; ++i)
        put(i, address_number(i));
    std::size_t answers = 0;
    for (int round = 0; round < 20; ++round) // more than the workers' queue holds
        for (std::uint8_t i = 1; i <= 100; ++i)
            book.find(address_number(i), [&answers, i](auto told) {
                ASSERT_TRUE(told && *told);
                EXPECT_EQ((*told)->id[0], i);
                ++answers;
            });
    run_until([&] { return answers == 2'000; });
}

TEST_F(KeyBookTest, ALookThatFindsTooManyWaitingIsRefused) {
    std::size_t refused = 0, answered = 0;
    for (std::size_t i = 0; i < KeyBook::kMaxWaiting + 100; ++i) {
        KeyBook::Address address{};
        address[0] = static_cast<std::uint8_t>(i >> 8);
        address[1] = static_cast<std::uint8_t>(i);
        book.find(address, [&](auto told) {
            told ? ++answered : ++refused;
            EXPECT_TRUE(told || told.error().code == Code::Overloaded);
        });
    }
    run_until([&] { return refused + answered == KeyBook::kMaxWaiting + 100; });
    EXPECT_GT(refused, 0u);
    EXPECT_LE(refused, 100u);
}

TEST_F(KeyBookTest, AListIsOfTheEnabledKeysThatTheClientMayUse) {
    put(1, address_number(1), 30);
    put(2, address_number(2), 10);
    put(3, address_number(3), 20, sealed::State::Disabled);
    put(4, address_number(4), 40);
    put(5, address_number(4), 50);
    EXPECT_EQ(list(), (std::vector<int>{2, 1, 4, 5}));
    auto grant = std::make_shared<Grant>();
    caller.grant = grant;
    EXPECT_EQ(list(), std::vector<int>{});
    sealed::KeyId id{};
    for (const int number : {3, 4, 9}) {
        id[0] = static_cast<std::uint8_t>(number);
        grant->key_ids.push_back(id);
    }
    EXPECT_EQ(list(), std::vector<int>{4});
    grant->addresses = {address_number(1), address_number(4)};
    EXPECT_EQ(list(), (std::vector<int>{1, 4, 5}));
    grant->every_key = true;
    EXPECT_EQ(list(), (std::vector<int>{2, 1, 4, 5}));
}

} // namespace
} // namespace redoubt::gateway
