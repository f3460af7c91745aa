// SPDX-License-Identifier: Apache-2.0
#include "../image/init/nsm_random.h"
#include "base/bytes.h"
#include "nitro/software_nsm.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace redoubt::init {
namespace {

Bytes reply_of(const Bytes& length, std::size_t count) {
    Bytes reply{0xa1, 0x69, 'G',  'e', 't', 'R', 'a', 'n', 'd', 'o',
                'm',  0xa1, 0x66, 'r', 'a', 'n', 'd', 'o', 'm'};
    reply.insert(reply.end(), length.begin(), length.end());
    for (std::size_t i = 0; i < count; ++i)
        reply.push_back(static_cast<std::uint8_t>(i * 7 + 1));
    return reply;
}

std::size_t size_of(const Bytes& reply) {
    return random_of_reply(reply.data(), reply.size()).size;
}

TEST(InitRandom, the_bytes_of_a_reply_are_found_with_each_form_of_length) {
    struct Case {
        Bytes length;
        std::size_t count;
    };
    for (const auto& [length, count] :
         {Case{{0x41}, 1}, {{0x57}, 23}, {{0x58, 24}, 24}, {{0x58, 255}, 255}, {{0x59, 1, 0}, 256}}) {
        const Bytes reply = reply_of(length, count);
        const RandomBytes random = random_of_reply(reply.data(), reply.size());
        ASSERT_NE(random.data, nullptr) << count;
        EXPECT_EQ(random.size, count);
        EXPECT_TRUE(
            std::equal(random.data, random.data + random.size, reply.end() - static_cast<long>(count)));
    }
}

TEST(InitRandom, each_map_may_be_of_indefinite_length_and_then_ends_with_a_break) {
    constexpr std::size_t kInner = 11; // where the second map begins
    for (const bool outer : {false, true}) {
        for (const bool inner : {false, true}) {
            Bytes reply = reply_of({0x58, 24}, 24);
            reply[0] = outer ? 0xbf : 0xa1;
            reply[kInner] = inner ? 0xbf : 0xa1;
            const std::size_t breaks = std::size_t{outer} + std::size_t{inner};
            const std::size_t bare = reply.size();
            for (std::size_t n = 0; n <= 3; ++n) {
                reply.resize(bare + n, 0xff);
                EXPECT_EQ(size_of(reply), n == breaks ? 24u : 0u) << outer << inner << n;
            }
            reply.resize(bare + breaks);
            for (std::size_t i = bare; i < reply.size(); ++i) {
                reply[i] = 0;
                EXPECT_EQ(size_of(reply), 0u) << outer << inner << i;
                reply[i] = 0xff;
            }
        }
    }
}

TEST(InitRandom, what_is_no_reply_with_bytes_of_definite_length_is_refused) {
    EXPECT_EQ(size_of(reply_of({0x40}, 0)), 0u);                // no bytes
    EXPECT_EQ(size_of(reply_of({0x42}, 1)), 0u);                // fewer than stated
    EXPECT_EQ(size_of(reply_of({0x41}, 2)), 0u);                // more after them
    EXPECT_EQ(size_of(reply_of({0x61}, 1)), 0u);                // text
    EXPECT_EQ(size_of(reply_of({0x5f, 0x41, 1, 0xff}, 0)), 0u); // indefinite
    EXPECT_EQ(size_of(reply_of({0x5a, 0, 0, 0, 1}, 1)), 0u);    // no NSM reply needs four bytes of length
    EXPECT_EQ(size_of(reply_of({0x59, 1}, 0)), 0u);             // a length cut short
    EXPECT_EQ(size_of({}), 0u);
    EXPECT_EQ(size_of({0xa1, 0x65, 'E', 'r', 'r', 'o', 'r', 0x6d, 'I', 'n', 't',
                       'e',  'r',  'n', 'a', 'l', 'E', 'r', 'r',  'o', 'r'}),
              0u);
}

TEST(InitRandom, a_reply_cut_anywhere_or_changed_before_its_bytes_is_refused) {
    const Bytes reply = reply_of({0x59, 1, 0}, 256);
    for (std::size_t size = 0; size < reply.size(); ++size)
        EXPECT_EQ(random_of_reply(reply.data(), size).data, nullptr) << size;
    for (std::size_t at = 0; at < reply.size() - 256; ++at) {
        for (unsigned bit = 0; bit < 8; ++bit) {
            Bytes changed = reply;
            changed[at] = static_cast<std::uint8_t>(changed[at] ^ 1u << bit);
            EXPECT_EQ(size_of(changed), 0u) << at;
        }
    }
}

TEST(InitRandom, the_software_nsm_understands_the_request_and_is_understood) {
    const auto root = nitro::make_development_root();
    ASSERT_TRUE(root);
    const auto nsm = nitro::make_software_nsm(*root, {});
    ASSERT_TRUE(nsm);
    const auto first = (*nsm)->exchange(kGetRandom), second = (*nsm)->exchange(kGetRandom);
    ASSERT_TRUE(first && second);
    EXPECT_EQ(size_of(*first), 256u);
    EXPECT_EQ(size_of(*second), 256u);
    EXPECT_NE(*first, *second);
    const auto refusal = (*nsm)->exchange(ByteView(kGetRandom).first(4));
    EXPECT_TRUE(!refusal || size_of(*refusal) == 0);
}

} // namespace
} // namespace redoubt::init
