// SPDX-License-Identifier: Apache-2.0
#include "ethereum/message.h"

#include "crypto/keccak.h"
#include "ethereum/rlp.h"

#include <gtest/gtest.h>

namespace redoubt::ethereum {
namespace {

Bytes concatenated(std::initializer_list<ByteView> parts) {
    Bytes out;
    for (const ByteView part : parts)
        append(out, part);
    return out;
}

// A list of one string of so many bytes.
Bytes list_of(std::size_t size) {
    const Bytes content(size, 0x61);
    rlp::Sizer sizer;
    sizer.string(content);
    Bytes out;
    rlp::Writer writer(out);
    writer.list(sizer.size());
    writer.string(content);
    return out;
}

Bytes with_prefix(std::uint8_t first, ByteView rest) {
    return concatenated({Bytes{first}, rest});
}

TEST(Message, a_personal_message_has_the_digest_that_wallets_sign) {
    EXPECT_EQ(to_hex(personal_message_digest(as_bytes("Hello World"))),
              "a1de988600a42c4b4ab089b619297c17d53cffae5d5120d82d8a92d0bb3b78f2");
    EXPECT_EQ(to_hex(personal_message_digest({})),
              "5f35dce98ba4fba25530a026ed80b2cecdaa31091ba4958b99b52ea1d068adad");
}

TEST(Message, the_length_of_a_personal_message_is_decimal_and_counts_bytes) {
    for (const std::size_t size : {9u, 10u, 99u, 100u, 12345u}) {
        const Bytes message(size, 0xe9);
        const Bytes signed_data = concatenated({as_bytes("\x19"
                                                         "Ethereum Signed Message:\n"),
                                                as_bytes(std::to_string(size)), message});
        EXPECT_EQ(personal_message_digest(message), crypto::keccak256(signed_data)) << size;
    }
}

TEST(Message, data_for_a_validator_is_bound_to_its_address) {
    Address validator{};
    validator.fill(0xab);
    const Bytes data = to_bytes("an approval");
    const Bytes signed_data = concatenated({Bytes{0x19, 0x00}, validator, data});
    EXPECT_EQ(validator_data_digest(validator, data), crypto::keccak256(signed_data));
    validator[19] ^= 1;
    EXPECT_NE(validator_data_digest(validator, data), crypto::keccak256(signed_data));
}

TEST(Message, a_legacy_transaction_is_an_ethereum_payload) {
    EXPECT_TRUE(is_ethereum_payload(Bytes{0xc0}));
    for (const std::size_t size : {0u, 1u, 54u, 55u, 56u, 255u, 256u, 65536u})
        EXPECT_TRUE(is_ethereum_payload(list_of(size))) << size;
}

TEST(Message, a_typed_transaction_of_any_type_is_an_ethereum_payload) {
    for (unsigned type = 0; type < 0x80; ++type) {
        EXPECT_TRUE(is_ethereum_payload(with_prefix(static_cast<std::uint8_t>(type), list_of(100)))) << type;
        EXPECT_TRUE(is_ethereum_payload(with_prefix(static_cast<std::uint8_t>(type), Bytes{0xc0}))) << type;
    }
    for (unsigned type = 0x80; type < 0xc0; ++type)
        EXPECT_FALSE(is_ethereum_payload(with_prefix(static_cast<std::uint8_t>(type), list_of(100)))) << type;
}

TEST(Message, whatever_starts_as_signed_data_is_an_ethereum_payload) {
    EXPECT_TRUE(is_ethereum_payload(Bytes{0x19}));
    EXPECT_TRUE(is_ethereum_payload(Bytes{0x05, 0x01}));
    EXPECT_TRUE(is_ethereum_payload(Bytes{0x19, 0x01, 0x00}));
    EXPECT_TRUE(is_ethereum_payload(as_bytes("\x19"
                                             "Ethereum Signed Message:\n0")));
}

TEST(Message, other_bytes_are_no_ethereum_payload) {
    EXPECT_FALSE(is_ethereum_payload({}));
    EXPECT_FALSE(is_ethereum_payload(as_bytes("an ordinary text")));
    EXPECT_FALSE(is_ethereum_payload(Bytes{0x02}));
    EXPECT_FALSE(is_ethereum_payload(Bytes{0x83, 1, 2, 3})); // an RLP string
    EXPECT_FALSE(is_ethereum_payload(Bytes(32, 0xff)));
}

TEST(Message, a_list_that_is_not_all_of_the_bytes_is_no_ethereum_payload) {
    for (const std::size_t size : {3u, 100u, 300u}) {
        const Bytes list = list_of(size);
        for (const Bytes& other :
             {concatenated({list, Bytes{0}}), to_bytes(ByteView(list).first(list.size() - 1))}) {
            EXPECT_FALSE(is_ethereum_payload(other)) << size;
            EXPECT_FALSE(is_ethereum_payload(with_prefix(2, other))) << size;
        }
    }
    EXPECT_FALSE(is_ethereum_payload(Bytes{0xf9, 0x01}));
    EXPECT_FALSE(is_ethereum_payload(Bytes{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00}));
}

TEST(Message, a_list_with_a_longer_length_than_needed_is_an_ethereum_payload_all_the_same) {
    EXPECT_TRUE(is_ethereum_payload(Bytes{0xf8, 0x01, 0x80}));
    EXPECT_TRUE(is_ethereum_payload(Bytes{0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x80}));
}

} // namespace
} // namespace redoubt::ethereum
