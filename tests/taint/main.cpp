// SPDX-License-Identifier: Apache-2.0
// Runs the code that handles secrets, as it is shipped, over hidden ones (taint.h). taint.sh runs this under
// valgrind: `taint` must be reported for nothing, `taint mistakes` for each mistake.
#include "crypto/aead.h"
#include "crypto/bip32.h"
#include "crypto/hash.h"
#include "sealed/vault_record.h"
#include "taint.h"
#include "wallet/mnemonic.h"

#include <cstring>

namespace redoubt::taint {

namespace {

constexpr Hash32 kBlinding = {9, 8, 7};

// Bytes that are no extreme of anything; what they are does not matter.
Bytes pattern(std::size_t size, std::uint8_t first) {
    Bytes out(size);
    for (std::size_t i = 0; i < size; ++i)
        out[i] = static_cast<std::uint8_t>(first + 37 * i);
    return out;
}

const Bytes kKey = pattern(32, 0x11);
const Bytes kOther = pattern(32, 0x22);
const Hash32 kDigest = *to_array<32>(pattern(32, 0x33));
const Bytes kOrder = *from_hex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");

// A curve whose blinding is hidden, as it is secret in the enclave, and one that knows nothing of this.
struct Curves {
    Hash32 seed = kBlinding;
    crypto::Secp256k1 plain{kBlinding};
    crypto::Secp256k1 tainted;
    Curves() : tainted((hide(seed), seed)) {}
};

void signing(const Curves& curves) {
    auto expected = *curves.plain.sign(Secret::copy_of(kKey), kDigest);
    auto made = curves.tainted.sign(hidden(kKey), kDigest);
    require(made.has_value(), "a valid key signs");
    show(made->r, "a signature is published");
    show(made->s, "a signature is published");
    show({&made->y_parity, 1}, "a signature is published");
    require(*made == expected, "the signature is right");

    // Digests are hidden, too: they may be of messages that nobody else knows.
    Hash32 digest = kDigest;
    hide(digest);
    made = curves.tainted.sign(hidden(kKey), digest);
    require(made.has_value(), "a hidden digest is signed");
    show(made->s, "a signature is published");
    require(made->s == expected.s, "the signature of a hidden digest is right");

    require(!curves.tainted.sign(hidden(Bytes(32)), kDigest), "zero does not sign");
    require(!curves.tainted.sign(hidden(kOrder), kDigest), "n does not sign");
}

void keys(const Curves& curves) {
    require(curves.tainted.valid_key(hidden(kKey)), "a key is valid");
    require(!curves.tainted.valid_key(hidden(kOrder)), "n is no key");
    const auto point = curves.tainted.public_key(hidden(kKey));
    require(point.has_value(), "a key has a public key");
    show(*point, "a public key is public");
    require(*point == *curves.plain.public_key(Secret::copy_of(kKey)), "the public key is right");
    require(!curves.tainted.public_key(hidden(Bytes(32))), "zero has no public key");

    const auto sum = curves.tainted.add_keys(hidden(kKey), hidden(kOther));
    require(sum.has_value(), "keys are added");
    show(*sum, "the test compares it");
    require(same(*sum, *curves.plain.add_keys(Secret::copy_of(kKey), Secret::copy_of(kOther))),
            "the sum is right");
    require(!curves.tainted.add_keys(hidden(kKey), hidden(kOrder)), "n is not added");
}

void derivation(const Curves& curves) {
    const Bytes seed = pattern(64, 0x44);
    for (const char* text : {"m", "m/44'/60'", "m/44'/60'/0'/0/7"}) {
        const auto path = *crypto::parse_hd_path(text);
        const auto key = crypto::derive_hd_key(curves.tainted, hidden(seed), path);
        require(key.has_value(), "a seed has a key at a path");
        show(*key, "the test compares it");
        require(same(*key, *crypto::derive_hd_key(curves.plain, Secret::copy_of(seed), path)),
                "the derived key is right");
    }
}

void hashes() {
    const auto sha = crypto::hmac_sha256(hidden(kKey).view(SecretAccess("hash it")), kOther);
    show(sha, "the test compares it");
    require(sha == crypto::hmac_sha256(kKey, kOther), "the HMAC is right");

    const Secret input = hidden(kKey);
    const Secret derived =
        crypto::hkdf_sha256(input.view(SecretAccess("derive from it")), kOther, as_bytes("taint"), 80);
    show(derived, "the test compares it");
    require(same(derived, crypto::hkdf_sha256(kKey, kOther, as_bytes("taint"), 80)), "HKDF is right");
}

void comparison() {
    require(equal_secrets(hidden(kKey), hidden(kKey)), "equal secrets are equal");
    require(!equal_secrets(hidden(kKey), hidden(kOther)), "others are not");
    require(!equal_secrets(hidden(kKey), hidden({})), "nor are those of another length");
}

void hexadecimal() {
    const std::string digits = to_hex(kKey);
    Secret text = hidden(as_bytes(digits));
    Secret out(32);
    const SecretAccess why("read hidden digits");
    require(from_hex_exact(text.text(why), out.mutable_view(why)), "digits are read");
    show(out, "the test compares it");
    require(same(out, Secret::copy_of(kKey)), "the digits' value is right");

    const std::string wrong = "0x" + digits.substr(2);
    text = hidden(as_bytes(wrong));
    require(!from_hex_exact(text.text(why), out.mutable_view(why)), "an x is no digit");
}

void authenticated_encryption() {
    const ByteArray<12> nonce{1, 2, 3};
    const Bytes context = {4, 5, 6};
    const Secret text = hidden(kOther);
    const Bytes sealed =
        crypto::aead_seal(hidden(kKey), nonce, context, text.view(SecretAccess("seal hidden bytes")));
    show(sealed, "a ciphertext is public");
    const auto opened = crypto::aead_open(hidden(kKey), nonce, context, sealed);
    require(opened.has_value(), "what was sealed opens");
    show(*opened, "the test compares it");
    require(same(*opened, Secret::copy_of(kOther)), "what was sealed is what opens");
    require(!crypto::aead_open(hidden(kOther), nonce, context, sealed), "another key opens nothing");
}

void records() {
    crypto::SystemRandom random;
    sealed::KeyHead head;
    head.flags = sealed::kFlagExportable;
    for (const std::size_t size : {32u, 64u}) {
        head.algorithm = size == 32 ? sealed::Algorithm::Secp256k1 : sealed::Algorithm::HdSecp256k1;
        const Bytes content = pattern(size, 0x55);
        Bytes record = sealed::seal_key(hidden(kKey), head, hidden(content), random);
        show(record, "a record is what the store holds");
        const auto opened = sealed::open_key(hidden(kKey), record);
        require(opened.has_value() && opened->head == head, "the record opens");
        show(opened->private_key, "the test compares it");
        require(same(opened->private_key, Secret::copy_of(content)), "the record holds what was sealed");
        record.back() ^= 1;
        require(!sealed::open_key(hidden(kKey), record), "an altered record does not open");
    }
}

void vaults() {
    crypto::SystemRandom random;
    sealed::VaultRecord record;
    record.id = *to_array<16>(pattern(16, 0x66));
    record.commitment = sealed::vault_commitment(hidden(kKey), record.id);
    show(record.commitment, "a commitment is published");
    sealed::VaultWrap wrap =
        sealed::wrap_vault_key(hidden(kKey), hidden(kOther), record, "arn", {1, 2, 3}, random);
    show(wrap.wrapped, "a wrapped key is what the store holds");
    const auto key = sealed::unwrap_vault_key(record, wrap, hidden(kOther));
    require(key.has_value(), "the vault key unwraps");
    show(*key, "the test compares it");
    require(same(*key, Secret::copy_of(kKey)), "it is the one that was wrapped");
    require(!sealed::unwrap_vault_key(record, wrap, hidden(kKey)), "another data key unwraps nothing");
    record.commitment[0] ^= 1;
    wrap = sealed::wrap_vault_key(hidden(kKey), hidden(kOther), record, "arn", {1, 2, 3}, random);
    show(wrap.wrapped, "a wrapped key is what the store holds");
    require(!sealed::unwrap_vault_key(record, wrap, hidden(kOther)), "another commitment is noticed");
}

void mnemonics() {
    const auto words = wallet::mnemonic_of_entropy(hidden(kKey));
    require(words.has_value(), "entropy has words");
    const auto entropy = wallet::mnemonic_entropy(*words); // their letters are still hidden
    require(entropy.has_value(), "the words are read");
    show(*entropy, "the test compares it");
    require(same(*entropy, Secret::copy_of(kKey)), "they read back");
    const auto seed = wallet::mnemonic_seed(*words, hidden(as_bytes("correct horse")));
    require(seed.has_value(), "the words have a seed");
    show(*seed, "the test compares it");
    show(*words, "the test compares it");
    require(same(*seed, *wallet::mnemonic_seed(*words, Secret::copy_of(as_bytes("correct horse")))),
            "the seed is right");
}

int run() {
    const Curves curves;
    signing(curves);
    keys(curves);
    derivation(curves);
    hashes();
    comparison();
    hexadecimal();
    authenticated_encryption();
    records();
    vaults();
    mnemonics();
    std::puts("taint: all results are right");
    return 0;
}

} // namespace

} // namespace redoubt::taint

int main(int argc, char** argv) {
    using namespace redoubt::taint;
    if (RUNNING_ON_VALGRIND == 0) {
        std::fputs("taint: run this under valgrind (tests/taint/taint.sh)\n", stderr);
        return 2;
    }
    if (argc == 2 && std::strcmp(argv[1], "mistakes") == 0) {
        const Caught caught = make_mistakes();
        std::printf("taint: %u of %u mistakes reported\n", caught.reported, caught.made);
        return 0;
    }
    return run();
}
