// SPDX-License-Identifier: Apache-2.0
#include "random_transaction.h"

#include "ethereum/rlp.h"

#include <gtest/gtest.h>

namespace redoubt::ethereum {
namespace {

Bytes hex(std::string_view text) {
    return from_hex(text).value();
}

Code refusal(ByteView raw) {
    const auto parsed = parse_signed_transaction(raw);
    EXPECT_FALSE(parsed) << to_hex(raw);
    return parsed ? Code::Internal : parsed.error().code;
}

Bytes list_of(const std::vector<Bytes>& encoded_members, std::optional<std::uint8_t> type = {}) {
    Bytes payload;
    for (const auto& member : encoded_members)
        append(payload, member);
    Bytes out;
    if (type)
        out.push_back(*type);
    rlp::Writer(out).list(payload.size());
    append(out, payload);
    return out;
}

// Members of a legacy transaction with v = 27, each of which a test may replace by another encoding.
std::vector<Bytes> legacy_members() {
    return {hex("80"),     hex("01"), hex("825208"), hex("942c7536e3605d9c16a7a3d7b1898e529396a65c23"),
            hex("8203e8"), hex("80"), hex("1b"),     hex("01"),
            hex("02")};
}

std::vector<Bytes> dynamic_members() {
    return {hex("01"),     hex("80"),     hex("01"),
            hex("02"),     hex("825208"), hex("942c7536e3605d9c16a7a3d7b1898e529396a65c23"),
            hex("8203e8"), hex("80"),     hex("c0"),
            hex("80"),     hex("01"),     hex("02")};
}

TEST(Transaction, what_is_serialised_parses_to_the_same_transaction) {
    RandomTransactions random(21);
    int types[5] = {};
    for (int round = 0; round < 3000; ++round) {
        const Transaction t = random.transaction();
        ASSERT_TRUE(validate(t)) << validate(t).error().describe();
        const auto signature = random.signature();
        const Bytes raw = serialise(t, signature);
        const auto back = parse_signed_transaction(raw);
        ASSERT_TRUE(back) << back.error().describe();
        EXPECT_EQ(back->transaction, t);
        EXPECT_EQ(back->signature, signature);
        ++types[static_cast<int>(t.type)];
        if (raw.size() > 2000)
            continue;
        ASSERT_EQ(refusal(ByteView(raw).first(raw.size() - 1)), Code::BadTransaction);
        Bytes longer = raw;
        longer.push_back(0);
        ASSERT_EQ(refusal(longer), Code::BadTransaction);
    }
    for (const int count : types)
        EXPECT_GT(count, 500);
}

TEST(Transaction, a_changed_byte_is_refused_or_another_transaction) {
    RandomTransactions random(22);
    int refused = 0, other = 0;
    for (int round = 0; round < 20'000; ++round) {
        Transaction t = random.transaction();
        t.data.resize(std::min<std::size_t>(t.data.size(), 60));
        const auto signature = random.signature();
        Bytes raw = serialise(t, signature);
        raw[random.below(raw.size())] ^= static_cast<std::uint8_t>(1 + random.below(255));
        const auto back = parse_signed_transaction(raw);
        if (!back) {
            ++refused;
            continue;
        }
        ++other;
        ASSERT_FALSE(back->transaction == t && back->signature == signature);
        ASSERT_EQ(serialise(back->transaction, back->signature), raw);
    }
    EXPECT_GT(refused, 1000);
    EXPECT_GT(other, 1000);
}

TEST(Transaction, every_member_is_part_of_what_is_signed) {
    RandomTransactions random(23);
    Transaction t = random.transaction();
    while (t.type != TransactionType::DynamicFee)
        t = random.transaction();
    t.to = random.address();
    t.nonce = 5;
    t.gas = 5;
    t.value = 5;
    t.max_fee_per_gas = 7;
    t.max_priority_fee_per_gas = 5;
    t.access_list = {{random.address(), {Hash32{1}, Hash32{2}}}};
    std::vector<Transaction> variants(11, t);
    variants[1].chain_id = *add(*t.chain_id, 1);
    variants[2].nonce = 6;
    variants[3].gas = 6;
    variants[4].value = 6;
    variants[5].max_fee_per_gas = 8;
    variants[6].max_priority_fee_per_gas = 6;
    variants[7].access_list[0].storage_keys[1] = Hash32{3};
    variants[8].access_list[0].address[0] ^= 1;
    variants[9].data.push_back(0);
    variants[10].to.reset();
    for (std::size_t i = 0; i < variants.size(); ++i)
        for (std::size_t j = 0; j < i; ++j)
            EXPECT_NE(signing_hash(variants[i]), signing_hash(variants[j])) << i << " " << j;
}

TEST(Transaction, v_is_exact_for_every_chain_id) {
    Transaction t;
    EXPECT_EQ(v_of(t, 0), Uint256(27));
    EXPECT_EQ(v_of(t, 1), Uint256(28));
    t.chain_id = 1;
    EXPECT_EQ(v_of(t, 0), Uint256(37));
    EXPECT_EQ(v_of(t, 1), Uint256(38));
    t.chain_id = UINT64_MAX; // v leaves 64 bits
    EXPECT_EQ(to_decimal(v_of(t, 1)), "36893488147419103266");
    // 2^255 − 19, the largest whose v is below 2^256.
    t.chain_id =
        from_decimal("57896044618658097711785492504343953926634992332820282019728792003956564819949");
    EXPECT_TRUE(validate(t));
    EXPECT_EQ(to_quantity(v_of(t, 0)), "0x" + std::string(63, 'f') + "d");
    EXPECT_EQ(to_quantity(v_of(t, 1)), "0x" + std::string(63, 'f') + "e");
    const crypto::Signature signature{Hash32{1}, Hash32{1}, 1};
    const auto back = parse_signed_transaction(serialise(t, signature));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->transaction, t);
    EXPECT_EQ(back->signature.y_parity, 1);
    t.chain_id = *add(*t.chain_id, 1);
    EXPECT_FALSE(validate(t));
    t.type = TransactionType::DynamicFee;
    EXPECT_EQ(v_of(t, 0), Uint256(0));
    EXPECT_EQ(v_of(t, 1), Uint256(1));
}

TEST(Transaction, the_example_of_eip_155_is_signed_as_written_there) {
    Transaction t;
    t.chain_id = 1;
    t.nonce = 9;
    t.gas_price = 20'000'000'000;
    t.gas = 21'000;
    t.to = to_array<20>(Bytes(20, 0x35));
    t.value = 1'000'000'000'000'000'000;
    EXPECT_EQ(to_hex(signing_hash(t)), "daf5a779ae972f972197303d7b574746c7ef83eadac0f2791ad23db92e4c8e53");
    const crypto::Secp256k1 curve(Hash32{});
    const auto signature = curve.sign(Secret::copy_of(Bytes(32, 0x46)), signing_hash(t));
    ASSERT_TRUE(signature);
    EXPECT_EQ(to_hex(serialise(t, *signature)),
              "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025"
              "a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276"
              "a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83");
}

TEST(Transaction, rules_that_hold_whatever_the_source) {
    Transaction legacy;
    legacy.to = Address{};
    Transaction dynamic = legacy;
    dynamic.type = TransactionType::DynamicFee;
    dynamic.chain_id = 1;
    ASSERT_TRUE(validate(legacy));
    ASSERT_TRUE(validate(dynamic));
    const auto refused = [](Transaction t, auto change) {
        change(t);
        const auto status = validate(t);
        return !status && status.error().code == Code::BadTransaction;
    };
    EXPECT_TRUE(refused(legacy, [](auto& t) { t.nonce = UINT64_MAX; }));
    EXPECT_FALSE(refused(legacy, [](auto& t) { t.nonce = UINT64_MAX - 1; }));
    EXPECT_TRUE(refused(legacy, [](auto& t) { t.chain_id = 0; }));
    EXPECT_TRUE(refused(dynamic, [](auto& t) { t.chain_id = 0; }));
    EXPECT_TRUE(refused(dynamic, [](auto& t) { t.chain_id.reset(); }));
    EXPECT_TRUE(refused(dynamic, [](auto& t) { t.max_priority_fee_per_gas = 1; }));
    EXPECT_FALSE(refused(dynamic, [](auto& t) { t.max_priority_fee_per_gas = t.max_fee_per_gas = 1; }));
    EXPECT_TRUE(refused(legacy, [](auto& t) { t.max_fee_per_gas = 1; }));
    EXPECT_TRUE(refused(legacy, [](auto& t) { t.access_list.emplace_back(); }));
    EXPECT_TRUE(refused(dynamic, [](auto& t) { t.gas_price = 1; }));
    EXPECT_TRUE(refused(legacy, [](auto& t) {
        t.gas_price = *from_quantity("0x8" + std::string(63, '0'));
        t.gas = 2;
    }));
    EXPECT_FALSE(refused(legacy, [](auto& t) {
        t.gas_price = *from_quantity("0x8" + std::string(63, '0'));
        t.gas = 1;
    }));
    EXPECT_TRUE(refused(legacy, [](auto& t) {
        t.to.reset();
        t.data.resize(49'153);
    }));
    EXPECT_FALSE(refused(legacy, [](auto& t) {
        t.to.reset();
        t.data.resize(49'152);
    }));
    EXPECT_FALSE(refused(legacy, [](auto& t) { t.data.resize(49'153); }));
    EXPECT_TRUE(refused(legacy, [](auto& t) { t.type = static_cast<TransactionType>(3); }));
}

TEST(Transaction, types_that_are_not_supported_are_called_that) {
    for (const int type : {0x00, 0x05, 0x06, 0x7f})
        EXPECT_EQ(refusal(list_of(dynamic_members(), static_cast<std::uint8_t>(type))),
                  Code::UnsupportedType);
    for (const int type : {0x80, 0xb8, 0xbf})
        EXPECT_EQ(refusal(list_of(dynamic_members(), static_cast<std::uint8_t>(type))), Code::BadTransaction);
    EXPECT_EQ(refusal({}), Code::BadTransaction);
    EXPECT_EQ(refusal(hex("01")), Code::BadTransaction);
    EXPECT_EQ(refusal(hex("c0")), Code::BadTransaction);
    EXPECT_EQ(refusal(Bytes(kMaxRawTransaction + 1, 0xc0)), Code::BadTransaction);
    // A typed transaction wrapped into a string, as block bodies have it.
    Bytes wrapped;
    rlp::Writer(wrapped).string(list_of(dynamic_members(), 2));
    EXPECT_EQ(refusal(wrapped), Code::BadTransaction);
}

TEST(Transaction, malformed_members_are_refused) {
    ASSERT_TRUE(parse_signed_transaction(list_of(legacy_members())));
    ASSERT_TRUE(parse_signed_transaction(list_of(dynamic_members(), 2)));
    // Number of the member, its replacement. Order n and half of it: SEC 2.
    const std::pair<std::size_t, std::string_view> legacy[] = {
        {0, "00"},                                           // nonce with a leading zero
        {0, "89010000000000000000"},                         // nonce of 9 bytes
        {0, "88ffffffffffffffff"},                           // EIP-2681
        {0, "c0"},                                           // a list for a number
        {1, "820001"},                                       //
        {2, "89010000000000000000"},                         // gas of 9 bytes
        {3, "932c7536e3605d9c16a7a3d7b1898e529396a65c"},     // 19 bytes
        {3, "952c7536e3605d9c16a7a3d7b1898e529396a65c2323"}, // 21 bytes
        {3, "00"},                                           //
        {3, "c0"},                                           //
        {5, "c0"},                                           //
        {5, "8105"},                                         // data not minimal
        {6, "80"},                                           // v = 0
        {6, "01"},                                           //
        {6, "1a"},                                           //
        {6, "1d"},                                           // v = 29 … 34
        {6, "22"},                                           //
        {6, "23"},                                           // v = 35: chain id 0
        {6, "24"},                                           //
        {6, "82001b"},                                       //
        {7, "80"},                                           // r = 0
        {7, "00"},                                           //
        {7, "a0fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"}, // r = n
        {8, "80"},                                                                 //
        {8, "a07fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a1"}, // n/2 + 1
        {8, "a0fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140"}, //
    };
    for (const auto& [at, encoding] : legacy) {
        auto members = legacy_members();
        members[at] = hex(encoding);
        EXPECT_EQ(refusal(list_of(members)), Code::BadTransaction) << at << " " << encoding;
    }
    auto members = legacy_members();
    members[7] = hex("a0fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140"); // n − 1
    members[8] = hex("a07fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0"); // n/2
    EXPECT_TRUE(parse_signed_transaction(list_of(members)));
    members.push_back(hex("80"));
    EXPECT_EQ(refusal(list_of(members)), Code::BadTransaction);
    members.resize(8);
    EXPECT_EQ(refusal(list_of(members)), Code::BadTransaction);

    const std::string address = "94" + std::string(40, '1');
    const std::string key = "a0" + std::string(64, '2');
    const auto list = [](const std::string& payload) {
        Bytes out;
        rlp::Writer(out).list(payload.size() / 2);
        return to_hex(out) + payload;
    };
    auto good = dynamic_members();
    good[8] = hex(list(list(address + list(key + key)) + list(address + list(""))));
    EXPECT_TRUE(parse_signed_transaction(list_of(good, 2)));
    const std::pair<std::size_t, std::string> dynamic[] = {
        {0, "80"},                                       // chain id 0
        {2, "03"},                                       // priority above the maximum
        {8, "80"},                                       // no list
        {8, list(list(address))},                        //
        {8, list(list(address + key))},                  //
        {8, list(list(address + list(key) + list("")))}, //
        {8, list(list("93" + std::string(38, '1') + list(key)))},
        {8, list(list(address + list("9f" + std::string(62, '2'))))},
        {8, list(list(address + list(list(key))))},
        {8, list("80")},
        {9, "02"}, // parity
        {9, "1b"}, //
        {9, "00"}, //
    };
    for (const auto& [at, encoding] : dynamic) {
        auto changed = dynamic_members();
        changed[at] = hex(encoding);
        EXPECT_EQ(refusal(list_of(changed, 2)), Code::BadTransaction) << at << " " << encoding;
    }
}

} // namespace
} // namespace redoubt::ethereum
