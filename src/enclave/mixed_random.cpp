// SPDX-License-Identifier: Apache-2.0
#include "enclave/mixed_random.h"

#include "base/log.h"
#include "crypto/hash.h"

#include <algorithm>
#include <cstdlib>

namespace redoubt::enclave {

void MixedRandom::take_nsm(std::span<std::uint8_t> out) {
    std::size_t done = 0;
    while (done < out.size()) {
        if (used_ == pool_.size()) {
            auto fresh = nsm_.random();
            if (!fresh || fresh->empty()) {
                log(LogLevel::Error, "the NSM gives no randomness");
                std::abort();
            }
            pool_ = std::move(*fresh);
            used_ = 0;
        }
        const std::size_t n = std::min(out.size() - done, pool_.size() - used_);
        const auto from = pool_.mutable_view(SecretAccess("hand out randomness once")).subspan(used_, n);
        std::copy(from.begin(), from.end(), out.begin() + static_cast<std::ptrdiff_t>(done));
        wipe(from);
        used_ += n;
        done += n;
    }
}

void MixedRandom::fill(std::span<std::uint8_t> out) {
    const std::lock_guard lock(mutex_);
    Secret both(64);
    const auto view = both.mutable_view(SecretAccess("mix two generators"));
    for (std::size_t at = 0; at < out.size(); at += 32) {
        take_nsm(view.first(32));
        kernel_.fill(view.subspan(32));
        Hash32 block = crypto::sha256(view);
        const std::size_t n = std::min<std::size_t>(32, out.size() - at);
        std::copy_n(block.begin(), n, out.begin() + static_cast<std::ptrdiff_t>(at));
        wipe(block);
    }
}

} // namespace redoubt::enclave
