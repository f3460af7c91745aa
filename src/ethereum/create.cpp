// SPDX-License-Identifier: Apache-2.0
#include "ethereum/create.h"

#include "crypto/keccak.h"
#include "ethereum/rlp.h"

#include <algorithm>

namespace redoubt::ethereum {

namespace {

constexpr std::size_t kSalt = 32;

Address last_20(const Hash32& hash) noexcept {
    Address out;
    std::copy(hash.end() - 20, hash.end(), out.begin());
    return out;
}

} // namespace

Address create_address(const Address& sender, std::uint64_t nonce) {
    rlp::Sizer size;
    size.string(sender);
    size.integer(nonce);
    Bytes encoded;
    rlp::Writer writer(encoded);
    writer.list(size.size());
    writer.string(sender);
    writer.integer(nonce);
    return last_20(crypto::keccak256(encoded));
}

Address create2_address(const Address& deployer, const Hash32& salt, const Hash32& init_code_hash) {
    static constexpr ByteArray<1> kPrefix{0xff};
    return last_20(crypto::keccak256({ByteView(kPrefix), deployer, salt, init_code_hash}));
}

std::optional<Address> deterministic_deployment(const Transaction& transaction) {
    const ByteView data = transaction.data;
    if (transaction.to != kDeploymentProxy || data.size() <= kSalt)
        return std::nullopt;
    const auto salt = to_array<kSalt>(data.first(kSalt));
    return create2_address(kDeploymentProxy, *salt, crypto::keccak256(data.subspan(kSalt)));
}

} // namespace redoubt::ethereum
