// SPDX-License-Identifier: Apache-2.0
// What holds for all types and values.
#include "abi_support.h"

namespace redoubt::ethereum::abi {
namespace {

TEST(AbiRoundtrip, what_is_encoded_is_decoded_to_the_same_values) {
    RandomCalls random(2);
    std::size_t bytes = 0;
    for (int round = 0; round < 4000; ++round) {
        const Function f = random.function();
        const auto values = random.values(f);
        const Bytes calldata = call(f, encode_arguments(values));
        const auto back = decode_call(f, calldata);
        ASSERT_TRUE(back) << f.signature() << ": " << back.error().describe();
        ASSERT_TRUE(same(*back, values)) << f.signature();
        ASSERT_EQ(call(f, encode_arguments(*back)), calldata) << f.signature();
        bytes += calldata.size();
    }
    EXPECT_GT(bytes, 500'000u); // they were not all empty
}

TEST(AbiRoundtrip, a_changed_byte_is_refused_or_says_what_it_says) {
    RandomCalls random(3);
    int accepted = 0, refused = 0;
    for (int round = 0; round < 400; ++round) {
        const Function f = random.function();
        const auto values = random.values(f);
        Bytes calldata = call(f, encode_arguments(values));
        const std::size_t step = 1 + calldata.size() / 300;
        for (std::size_t at = random.below(step); at < calldata.size(); at += step) {
            const std::uint8_t before = calldata[at];
            calldata[at] = static_cast<std::uint8_t>(before + 1 + random.below(255));
            const auto back = decode_call(f, calldata);
            if (back) {
                ASSERT_EQ(call(f, encode_arguments(*back)), calldata) << f.signature() << " at " << at;
                ASSERT_FALSE(same(*back, values)) << f.signature() << " at " << at;
                ++accepted;
            } else {
                ++refused;
            }
            calldata[at] = before;
        }
    }
    EXPECT_GT(accepted, 5000);
    EXPECT_GT(refused, 5000);
}

TEST(AbiRoundtrip, words_put_in_left_out_or_swapped_are_refused_or_say_what_they_say) {
    RandomCalls random(4);
    int refused = 0;
    for (int round = 0; round < 2000; ++round) {
        const Function f = random.function();
        const Bytes original = call(f, encode_arguments(random.values(f)));
        const std::size_t words = original.size() / 32;
        if (words < 2)
            continue;
        Bytes changed = original;
        const auto at = [&](std::size_t word) {
            return changed.begin() + static_cast<std::ptrdiff_t>(4 + 32 * word);
        };
        const std::size_t a = random.below(words), b = random.below(words);
        switch (random.below(3)) {
        case 0:
            changed.erase(at(a), at(a) + 32);
            break;
        case 1:
            changed.insert(at(a), 32, 0);
            break;
        default:
            std::swap_ranges(at(a), at(a) + 32, at(b));
        }
        const auto back = decode_call(f, changed);
        if (back)
            ASSERT_EQ(call(f, encode_arguments(*back)), changed) << f.signature();
        else
            ++refused;
    }
    EXPECT_GT(refused, 500);
}

TEST(AbiRoundtrip, what_is_written_is_json) {
    RandomCalls random(5);
    json::Document document;
    for (int round = 0; round < 300; ++round) {
        const Function f = random.function();
        std::string text;
        json::Writer writer(text);
        write_call_json(writer, f, random.values(f));
        const auto root = document.parse(text);
        ASSERT_TRUE(root) << text;
        EXPECT_EQ(root->get("function")->text(), f.signature());
        EXPECT_EQ(root->get("arguments")->size(), f.inputs.size());
    }
}

} // namespace
} // namespace redoubt::ethereum::abi
