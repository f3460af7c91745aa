// SPDX-License-Identifier: Apache-2.0
#include "client/keys.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace redoubt::bench {

namespace {

constexpr double kZipfExponent = 0.99; // YCSB's: the most wanted of a million keys gets 6.5 % of the requests

} // namespace

Keys::Keys(const std::string& file) {
    if (file.empty())
        return;
    const std::string text = read_file(file);
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        const std::string_view line = std::string_view(text).substr(at, end - at);
        at = end + 1;
        if (line.empty())
            continue;
        const std::size_t space = line.find(' ');
        const auto address = space == std::string_view::npos
                                 ? fail(Code::InvalidField, "no address")
                                 : ethereum::parse_address(line.substr(space + 1));
        if (!address || space == 0)
            die("a line of the keys' file is not a key's id and its address");
        ids_ += line.substr(0, space);
        ends_.push_back(static_cast<std::uint32_t>(ids_.size()));
        addresses_.push_back(*address);
    }
    if (addresses_.empty())
        die("the keys' file names none");
}

Picker::Picker(Pick how, std::size_t keys, std::uint64_t seed)
    : how_(how), random_(seed), any_(0, static_cast<std::uint32_t>(std::max<std::size_t>(keys, 1) - 1)) {
    if (how != Pick::Zipf)
        return;
    double sum = 0;
    for (std::size_t i = 0; i < keys; ++i)
        below_.push_back(sum += std::pow(static_cast<double>(i + 1), -kZipfExponent));
    for (double& share : below_)
        share /= sum;
    // The keys that are wanted most are not those that were made first.
    rank_.resize(keys);
    std::iota(rank_.begin(), rank_.end(), 0u);
    std::ranges::shuffle(rank_, random_);
}

std::uint32_t Picker::next() {
    if (how_ == Pick::First)
        return 0;
    if (how_ == Pick::Uniform)
        return any_(random_);
    const double share = std::uniform_real_distribution<double>(0, 1)(random_);
    const auto at = std::ranges::lower_bound(below_, share) - below_.begin();
    return rank_[std::min(static_cast<std::size_t>(at), rank_.size() - 1)];
}

} // namespace redoubt::bench
