// SPDX-License-Identifier: Apache-2.0
#include "host/keeper.h"

#include <gtest/gtest.h>

namespace redoubt::host::tests {

namespace {

const std::string kOld(96, 'a'), kNew(96, 'b');

// Time is a number, enclaves are records: what the keeper decides is done at once, unless a test does it by
// itself.
class KeeperTest : public testing::Test {
  protected:
    void make(std::size_t count, KeeperLimits limits = {}, bool wants_debug = false) {
        std::vector<std::uint32_t> cids;
        for (std::size_t i = 0; i < count; ++i)
            cids.push_back(16 + static_cast<std::uint32_t>(i));
        keeper.emplace(cids, limits, wants_debug);
        keeper->image(kOld, now);
        disk = kOld;
    }
    const Keeper::Slot& slot(std::uint32_t cid) const { return *keeper->find(cid); }

    RunningEnclave enclave(std::uint32_t cid) {
        RunningEnclave out;
        out.id = "e" + std::to_string(++made);
        out.cid = cid;
        out.pcr0 = disk;
        return out;
    }
    void change_image(const std::string& pcr0) {
        disk = pcr0;
        keeper->image(pcr0, now);
    }
    // Does what is due and gives it; after it every started enclave signs, if `sign`.
    std::vector<Keeper::Action> step(bool sign = true) {
        const auto actions = keeper->next(now);
        for (const auto& action : actions)
            if (action.kind == Keeper::Action::Kind::Start)
                keeper->started(action.cid,
                                start_error ? Result<RunningEnclave>(std::unexpected(*start_error))
                                            : Result<RunningEnclave>(enclave(action.cid)),
                                now);
            else
                keeper->stopped(action.cid, {}, now);
        if (sign)
            sign_all();
        return actions;
    }
    void sign_all() {
        for (const auto& one : keeper->slots())
            if (one.enclave && !silent.contains(one.cid))
                keeper->signed_now(one.cid, probe, now);
    }
    // Passes time in steps of 100 ms, doing what is due; gives all that was done.
    std::vector<Keeper::Action> pass(std::int64_t ms, bool sign = true) {
        std::vector<Keeper::Action> out;
        for (const std::int64_t end = now + ms; now < end; now += 100)
            for (auto& action : step(sign))
                out.push_back(std::move(action));
        return out;
    }

    std::optional<Keeper> keeper;
    std::int64_t now = 1'000'000;
    std::string disk;
    std::size_t made = 0;
    std::optional<Error> start_error;
    std::set<std::uint32_t> silent;
    SignedProbe probe{.manifest_taken = false, .vaults_open = 0, .pcr0 = {}, .development = false};
};

TEST_F(KeeperTest, starts_an_enclave_for_each_slot_at_once) {
    make(3);
    const auto actions = step();
    ASSERT_EQ(actions.size(), 3u);
    for (std::uint32_t i = 0; i < 3; ++i) {
        EXPECT_EQ(actions[i].kind, Keeper::Action::Kind::Start);
        EXPECT_EQ(actions[i].cid, 16 + i);
    }
    EXPECT_EQ(keeper->working(), 3u);
    EXPECT_TRUE(pass(60'000).empty());
}

TEST_F(KeeperTest, takes_over_what_runs_instead_of_starting_a_double) {
    make(2);
    keeper->adopt(enclave(17), now);
    const auto actions = step();
    ASSERT_EQ(actions.size(), 1u);
    EXPECT_EQ(actions[0].cid, 16u);
    EXPECT_EQ(slot(17).starts, 0u);
    EXPECT_EQ(slot(17).phase, Keeper::Phase::Working);
}

TEST_F(KeeperTest, starts_anew_in_the_same_slot_what_ended) {
    make(2);
    step();
    keeper->ended(slot(17).enclave->id, "killed", now);
    EXPECT_EQ(slot(17).phase, Keeper::Phase::Down);
    EXPECT_TRUE(pass(500).empty());
    const auto actions = step();
    ASSERT_EQ(actions.size(), 1u);
    EXPECT_EQ(actions[0].cid, 17u);
    EXPECT_EQ(actions[0].why, "killed");
}

TEST_F(KeeperTest, waits_twice_as_long_after_each_failure_up_to_a_limit) {
    KeeperLimits limits;
    limits.start_limit = 100;
    limits.longest_delay_ms = 4'000;
    make(1, limits);
    start_error = Error{Code::RunnerFailed, "no"};
    std::vector<std::int64_t> starts;
    for (const std::int64_t end = now + 30'000; now < end; now += 100)
        if (!step().empty())
            starts.push_back(now);
    ASSERT_GE(starts.size(), 7u);
    const std::int64_t expected[] = {500, 1'000, 2'000, 4'000, 4'000, 4'000};
    for (std::size_t i = 0; i < std::size(expected); ++i)
        EXPECT_EQ(starts[i + 1] - starts[i], expected[i]) << i;
}

TEST_F(KeeperTest, starts_over_with_the_first_delay_after_a_minute_of_work) {
    make(1);
    for (int i = 0; i < 3; ++i) {
        pass(5'000);
        keeper->ended(slot(16).enclave->id, "killed", now);
    }
    EXPECT_EQ(slot(16).not_before - now, 2'000);
    pass(70'000);
    keeper->ended(slot(16).enclave->id, "killed", now);
    EXPECT_EQ(slot(16).not_before - now, 500);
}

TEST_F(KeeperTest, rests_at_the_start_limit_and_gives_up_when_every_slot_rests) {
    KeeperLimits limits;
    limits.start_limit = 4;
    limits.start_interval_ms = 100'000;
    make(2, limits);
    step();
    start_error = Error{Code::RunnerFailed, "no"};
    keeper->ended(slot(16).enclave->id, "killed", now);
    const std::int64_t first_failure = now;
    pass(50'000);
    EXPECT_TRUE(slot(16).limited);
    EXPECT_EQ(slot(16).failures.size(), 4u);
    EXPECT_EQ(slot(16).not_before, first_failure + 100'000);
    EXPECT_FALSE(keeper->given_up());
    EXPECT_EQ(slot(17).phase, Keeper::Phase::Working);
    keeper->ended(slot(17).enclave->id, "killed", now);
    pass(20'000);
    EXPECT_TRUE(keeper->given_up());
}

TEST_F(KeeperTest, tries_again_once_the_first_failure_is_old_enough) {
    KeeperLimits limits;
    limits.start_limit = 4;
    limits.start_interval_ms = 100'000;
    make(1, limits);
    start_error = Error{Code::RunnerFailed, "no"};
    pass(90'000);
    EXPECT_TRUE(slot(16).limited);
    start_error.reset();
    pass(20'000);
    EXPECT_EQ(slot(16).phase, Keeper::Phase::Working);
    EXPECT_FALSE(keeper->given_up());
}

TEST_F(KeeperTest, ends_at_once_what_stops_signing_and_starts_it_anew) {
    make(2);
    step();
    silent = {17};
    const auto actions = pass(10'000);
    ASSERT_EQ(actions.size(), 2u);
    EXPECT_EQ(actions[0].kind, Keeper::Action::Kind::Stop);
    EXPECT_EQ(actions[0].cid, 17u);
    EXPECT_EQ(actions[0].id, "e2");
    EXPECT_EQ(actions[0].how, StopHow::AtOnce);
    EXPECT_EQ(actions[1].kind, Keeper::Action::Kind::Start);
    EXPECT_EQ(slot(17).all_failures, 1u);
    EXPECT_EQ(slot(16).all_failures, 0u);
}

TEST_F(KeeperTest, ends_what_does_not_sign_in_time_after_its_start) {
    make(1);
    silent = {16};
    EXPECT_EQ(pass(60'000).size(), 1u); // its start
    const auto actions = pass(500);
    ASSERT_FALSE(actions.empty());
    EXPECT_EQ(actions[0].kind, Keeper::Action::Kind::Stop);
    EXPECT_EQ(slot(16).trouble, "it did not sign in time after its start");
}

TEST_F(KeeperTest, blames_no_enclave_for_the_time_that_the_machine_stood_still) {
    make(2);
    pass(1'000);
    now += 3'600'000;
    EXPECT_TRUE(step(false).empty());
    now += 4'000; // they get their time from then on
    EXPECT_TRUE(step(false).empty());
    now += 1'000;
    EXPECT_TRUE(step(true).empty());
    silent = {16, 17};
    EXPECT_FALSE(pass(10'000).empty());
}

TEST_F(KeeperTest, does_not_start_in_the_place_of_one_that_does_not_end) {
    make(1);
    step();
    silent = {16};
    now += 1'000;
    std::vector<Keeper::Action> actions;
    for (int i = 0; i < 100 && actions.empty(); ++i, now += 100)
        actions = keeper->next(now);
    ASSERT_EQ(actions.size(), 1u);
    keeper->stopped(16, fail(Code::RunnerFailed, "it does not end"), now);
    EXPECT_TRUE(keeper->next(now).empty());
    now += 1'900;
    EXPECT_TRUE(keeper->next(now).empty());
    now += 100;
    actions = keeper->next(now);
    ASSERT_EQ(actions.size(), 1u);
    EXPECT_EQ(actions[0].kind, Keeper::Action::Kind::Stop);
    EXPECT_EQ(actions[0].id, "e1");
    keeper->stopped(16, {}, now);
    EXPECT_EQ(slot(16).phase, Keeper::Phase::Down);
    EXPECT_EQ(slot(16).all_failures, 1u);
}

TEST_F(KeeperTest, replaces_one_after_the_other_when_the_image_changes) {
    make(3);
    pass(1'000);
    change_image(kNew);
    std::vector<std::uint32_t> ended;
    for (int i = 0; i < 100; ++i, now += 100) {
        for (const auto& action : step())
            if (action.kind == Keeper::Action::Kind::Stop) {
                ended.push_back(action.cid);
                EXPECT_EQ(action.how, StopHow::Orderly);
            }
        EXPECT_GE(keeper->working(), 2u);
    }
    EXPECT_EQ(ended, (std::vector<std::uint32_t>{16, 17, 18}));
    for (const auto& one : keeper->slots()) {
        EXPECT_EQ(one.enclave->pcr0, kNew);
        EXPECT_EQ(one.all_failures, 0u);
        EXPECT_EQ(one.replacements, 1u);
    }
    EXPECT_FALSE(keeper->replacing());
}

TEST_F(KeeperTest, an_image_that_does_not_sign_costs_one_enclave_and_no_more) {
    make(3);
    pass(1'000);
    silent = {16};
    change_image(kNew);
    pass(300'000);
    EXPECT_EQ(slot(17).enclave->pcr0, kOld);
    EXPECT_EQ(slot(18).enclave->pcr0, kOld);
    EXPECT_EQ(keeper->replacing(), 16u);
    EXPECT_EQ(keeper->working(), 2u);
    // The way back: the former image is put on the disk again.
    silent.clear();
    change_image(kOld);
    pass(10'000);
    EXPECT_EQ(keeper->working(), 3u);
    EXPECT_EQ(slot(16).enclave->pcr0, kOld);
    EXPECT_FALSE(keeper->replacing());
}

TEST_F(KeeperTest, waits_until_the_new_one_has_the_manifest_and_as_many_vaults_open) {
    make(2);
    probe.manifest_taken = true;
    probe.vaults_open = 2;
    pass(1'000);
    change_image(kNew);
    probe = {}; // new ones sign, and KMS refuses them
    silent = {17};
    const SignedProbe full{.manifest_taken = true, .vaults_open = 2, .pcr0 = {}, .development = false};
    for (int i = 0; i < 50; ++i, now += 100) {
        step();
        keeper->signed_now(17, full, now);
    }
    EXPECT_EQ(slot(16).enclave->pcr0, kNew);
    EXPECT_EQ(slot(17).enclave->pcr0, kOld);
    EXPECT_EQ(keeper->replacing(), 16u);
    probe = {.manifest_taken = true, .vaults_open = 1, .pcr0 = {}, .development = false};
    for (int i = 0; i < 50; ++i, now += 100) {
        step();
        keeper->signed_now(17, full, now);
    }
    EXPECT_EQ(slot(17).enclave->pcr0, kOld);
    probe = full;
    silent.clear();
    pass(5'000);
    EXPECT_EQ(slot(17).enclave->pcr0, kNew);
    EXPECT_FALSE(keeper->replacing());
}

TEST_F(KeeperTest, ends_no_open_enclave_while_another_has_no_vaults_also_after_a_restart) {
    const SignedProbe full{.manifest_taken = true, .vaults_open = 2, .pcr0 = {}, .development = false};
    make(2); // a new watchdog finds a rollout that is stuck
    auto open = enclave(17);
    change_image(kNew);
    keeper->adopt(enclave(16), now);
    keeper->adopt(open, now);
    silent = {16, 17};
    for (int i = 0; i < 600; ++i, now += 100) {
        EXPECT_TRUE(step().empty());
        keeper->signed_now(16, probe, now); // no manifest, no vault
        keeper->signed_now(17, full, now);
    }
    EXPECT_EQ(slot(17).enclave->id, open.id);
    silent.clear();
    probe = full;
    pass(1'000);
    EXPECT_EQ(slot(17).enclave->pcr0, kNew);
    EXPECT_EQ(slot(16).replacements, 0u);
}

TEST_F(KeeperTest, replaces_the_least_advanced_first) {
    const SignedProbe full{.manifest_taken = true, .vaults_open = 2, .pcr0 = {}, .development = false};
    make(2);
    step();
    silent = {16};
    keeper->signed_now(16, full, now);
    change_image(kNew);
    const auto actions = step();
    ASSERT_EQ(actions.size(), 1u);
    EXPECT_EQ(actions[0].cid, 17u);
    silent.clear();
    probe = full;
    pass(1'000);
    EXPECT_EQ(slot(16).enclave->pcr0, kNew);
    EXPECT_FALSE(keeper->replacing());
}

TEST_F(KeeperTest, replaces_again_for_an_image_that_comes_back) {
    make(2);
    pass(1'000);
    for (const std::string& pcr0 : {kNew, kOld, kNew}) {
        change_image(pcr0);
        pass(5'000);
        for (const auto& one : keeper->slots()) {
            EXPECT_EQ(one.enclave->pcr0, pcr0);
            EXPECT_FALSE(keeper->mismatched(one));
        }
    }
    EXPECT_EQ(slot(16).replacements, 3u);
    EXPECT_FALSE(keeper->replacing());
}

TEST_F(KeeperTest, replaces_nothing_while_another_slot_does_not_work) {
    KeeperLimits limits;
    limits.start_limit = 2;
    make(2, limits);
    pass(1'000);
    start_error = Error{Code::RunnerFailed, "no"};
    keeper->ended(slot(16).enclave->id, "killed", now);
    pass(10'000);
    EXPECT_TRUE(slot(16).limited);
    change_image(kNew);
    pass(3'000); // the new image is tried at once where nothing runs, and fails, too
    EXPECT_GT(slot(16).all_failures, 2u);
    EXPECT_EQ(slot(17).enclave->pcr0, kOld);
    EXPECT_EQ(slot(17).phase, Keeper::Phase::Working);
}

TEST_F(KeeperTest, replaces_only_once_what_still_differs_afterwards) {
    make(2);
    pass(1'000);
    keeper->image(kNew, now); // and what is started measures as before
    pass(60'000);
    EXPECT_EQ(slot(16).replacements, 1u);
    EXPECT_TRUE(keeper->mismatched(slot(16)));
    EXPECT_EQ(slot(17).replacements, 0u);
    EXPECT_EQ(keeper->working(), 2u);
}

TEST_F(KeeperTest, replaces_an_enclave_in_debug_mode_that_nobody_asked_for) {
    make(1);
    auto one = enclave(16);
    one.debug = true;
    keeper->adopt(one, now);
    const auto actions = step();
    (void)actions;
    const auto later = pass(1'000);
    EXPECT_EQ(slot(16).replacements, 1u);
    EXPECT_FALSE(slot(16).enclave->debug);
    EXPECT_EQ(slot(16).phase, Keeper::Phase::Working);
}

TEST_F(KeeperTest, replaces_an_unasked_debug_enclave_in_a_slot_that_was_replaced_before) {
    make(1);
    pass(1'000);
    change_image(kNew);
    pass(1'000);
    keeper->ended(slot(16).enclave->id, "killed", now);
    auto one = enclave(16);
    one.debug = true;
    keeper->adopt(one, now);
    pass(1'000);
    EXPECT_EQ(slot(16).replacements, 2u);
    EXPECT_FALSE(slot(16).enclave->debug);
}

TEST_F(KeeperTest, leaves_enclaves_in_debug_mode_alone_where_they_are_asked_for) {
    make(1, {}, true);
    auto one = enclave(16);
    one.debug = true;
    keeper->adopt(one, now);
    EXPECT_TRUE(pass(5'000).empty());
}

TEST_F(KeeperTest, ignores_answers_that_come_too_late) {
    make(1);
    step();
    keeper->started(16, enclave(16), now); // nobody waits for it
    EXPECT_EQ(slot(16).enclave->id, "e1");
    keeper->stopped(16, {}, now);
    EXPECT_EQ(slot(16).phase, Keeper::Phase::Working);
    keeper->ended("somebody else's", "killed", now);
    keeper->ended("e1", "killed", now);
    keeper->signed_now(16, probe, now);
    EXPECT_EQ(slot(16).phase, Keeper::Phase::Down);
    keeper->signed_now(99, probe, now);
}

} // namespace

} // namespace redoubt::host::tests
