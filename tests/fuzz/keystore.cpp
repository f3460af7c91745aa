// SPDX-License-Identifier: Apache-2.0
// Keystore files on any text: no crash, everything that is accepted within its bounds, and opening a file,
// where that is cheap, says no more than that the password is wrong. Seeds: corpus/keystore; their password
// is "seed".
#include "wallet/keystore.h"

#include <cstdlib>

using namespace redoubt;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

// What deriving a key costs here, in units of which a thousand take about a millisecond.
std::uint64_t cost_of(const wallet::Keystore& keystore) {
    if (const auto* pbkdf2 = std::get_if<wallet::Pbkdf2Cost>(&keystore.kdf)) {
        require(pbkdf2->rounds >= 1 && pbkdf2->rounds <= wallet::kMaxKeystoreRounds);
        return pbkdf2->rounds;
    }
    const auto& scrypt = std::get<wallet::ScryptCost>(keystore.kdf);
    require(wallet::is_valid(scrypt));
    return std::uint64_t{scrypt.n} * scrypt.r * scrypt.p;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto keystore = wallet::parse_keystore(as_text(ByteView(data, size)));
    if (!keystore) {
        require(keystore.error().code == Code::InvalidField);
        return 0;
    }
    require(size <= wallet::kMaxKeystore && !keystore->salt.empty() &&
            keystore->salt.size() <= wallet::kMaxKeystoreSalt);
    if (cost_of(*keystore) > 256)
        return 0;
    const auto opened = wallet::decrypt_keystore(*keystore, Secret::copy_of(as_bytes("seed")));
    if (opened)
        require(opened->key.size() == 32 && opened->address == keystore->address);
    else
        require(opened.error().code == Code::Unauthorized);
    return 0;
}
