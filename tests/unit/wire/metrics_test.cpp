// SPDX-License-Identifier: Apache-2.0
#include "wire/metrics.h"

#include <gtest/gtest.h>
#include <random>
#include <set>

namespace redoubt::wire {
namespace {

Sample sample(Metric metric, std::string first, std::string second, std::int64_t value) {
    return {static_cast<std::uint16_t>(metric), std::move(first), std::move(second), value};
}

std::vector<Sample> some() {
    return {sample(Metric::ClockStep, "", "", -12), sample(Metric::Requests, "sign-message", "ok", 7),
            sample(Metric::Requests, "sign-message", "failed", 1), sample(Metric::CacheHits, "keys", "", 3)};
}

TEST(Samples, come_back_sorted_and_complete) {
    const auto decoded = decode_samples(encode_samples(some()));
    ASSERT_TRUE(decoded);
    auto expected = some();
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(*decoded, expected);
    EXPECT_EQ(decoded->back().value, -12);
}

TEST(Samples, cut_or_extended_lists_are_refused) {
    Bytes encoded = encode_samples(some());
    for (std::size_t size = 0; size < encoded.size(); ++size)
        ASSERT_FALSE(decode_samples(ByteView(encoded).first(size))) << size;
    encoded.push_back(0);
    EXPECT_FALSE(decode_samples(encoded));
}

TEST(Samples, of_another_version_are_refused) {
    Bytes encoded = encode_samples(some());
    encoded[0] = 2;
    EXPECT_FALSE(decode_samples(encoded));
}

TEST(Samples, of_metrics_that_this_side_does_not_know_are_left_out) {
    auto samples = some();
    samples.push_back({60'000, "new", "thing", -5});
    const auto decoded = decode_samples(encode_samples(samples));
    ASSERT_TRUE(decoded);
    EXPECT_EQ(decoded->size(), some().size());
}

// What encode_samples never writes.
Bytes raw(const std::vector<Sample>& samples) {
    Bytes out{1, 0, static_cast<std::uint8_t>(samples.size())};
    const auto block = [&](std::string_view text) {
        out.push_back(0);
        out.push_back(static_cast<std::uint8_t>(text.size()));
        append(out, as_bytes(text));
    };
    for (const auto& each : samples) {
        out.push_back(static_cast<std::uint8_t>(each.metric >> 8));
        out.push_back(static_cast<std::uint8_t>(each.metric));
        block(each.first);
        block(each.second);
        for (int shift = 56; shift >= 0; shift -= 8)
            out.push_back(static_cast<std::uint8_t>(static_cast<std::uint64_t>(each.value) >> shift));
    }
    return out;
}

TEST(Samples, twice_or_out_of_order_are_refused) {
    const auto a = sample(Metric::CacheHits, "keys", "", 1), b = sample(Metric::CacheHits, "policies", "", 1);
    EXPECT_TRUE(decode_samples(raw({a, b})));
    EXPECT_FALSE(decode_samples(raw({b, a})));
    EXPECT_FALSE(decode_samples(raw({a, a})));
    auto more = a;
    more.value = 2;
    EXPECT_FALSE(decode_samples(raw({a, more}))) << "the same labels with two values";
}

TEST(Samples, below_zero_only_gauges_go) {
    EXPECT_TRUE(decode_samples(raw({sample(Metric::ClockStep, "", "", -1)})));
    EXPECT_FALSE(decode_samples(raw({sample(Metric::CacheHits, "keys", "", -1)})));
    EXPECT_FALSE(decode_samples(raw({sample(Metric::KmsTime, "decrypt", "00", -1)})));
}

TEST(Samples, with_labels_that_could_break_a_text_format_are_refused) {
    for (const std::string bad : {"a\"b", "a\nb", "a b", "{", "\xc3\xa4", "a=b"})
        EXPECT_FALSE(decode_samples(raw({sample(Metric::CacheHits, bad, "", 1)}))) << bad;
    EXPECT_TRUE(decode_samples(raw({sample(Metric::CacheHits, std::string(kMaxLabel, 'a'), "", 1)})));
    EXPECT_FALSE(decode_samples(raw({sample(Metric::CacheHits, std::string(kMaxLabel + 1, 'a'), "", 1)})));
}

TEST(Samples, of_random_bytes_never_crash_the_decoder) {
    std::mt19937_64 random(20261129);
    for (int i = 0; i < 20'000; ++i) {
        Bytes bytes(random() % 120);
        for (auto& byte : bytes)
            byte = static_cast<std::uint8_t>(random() % 4 == 0 ? random() : random() % 3);
        (void)decode_samples(bytes);
    }
}

TEST(Samples, more_than_the_bound_are_cut_by_the_writer_and_refused_by_the_reader) {
    std::vector<Sample> many;
    for (std::size_t i = 0; i < kMaxSamples + 10; ++i)
        many.push_back(sample(Metric::LeaseRemaining, "v" + std::to_string(i), "", 1));
    const auto decoded = decode_samples(encode_samples(many));
    ASSERT_TRUE(decoded);
    EXPECT_EQ(decoded->size(), kMaxSamples);
    Bytes head = encode_samples({});
    head[1] = 0xff;
    EXPECT_FALSE(decode_samples(head));
}

TEST(MetricTable, has_each_number_and_name_once_and_names_as_prometheus_wants_them) {
    std::set<std::uint16_t> numbers;
    std::set<std::string_view> names;
    for (const auto& info : metric_infos()) {
        EXPECT_TRUE(numbers.insert(static_cast<std::uint16_t>(info.metric)).second) << info.name;
        EXPECT_TRUE(names.insert(info.name).second) << info.name;
        EXPECT_EQ(find_metric(static_cast<std::uint16_t>(info.metric)), &info);
        EXPECT_EQ(info.name.substr(0, 16), "redoubt_enclave_");
        EXPECT_EQ(info.name.ends_with("_total"), info.type == MetricType::Counter) << info.name;
        EXPECT_FALSE(info.help.empty()) << info.name;
    }
    EXPECT_EQ(find_metric(0), nullptr);
    EXPECT_EQ(find_metric(60'000), nullptr);
}

} // namespace
} // namespace redoubt::wire
