// SPDX-License-Identifier: Apache-2.0
#include "wallet/keystore.h"

#include "base/json.h"
#include "crypto/keccak.h"
#include "crypto/openssl.h"

#include <algorithm>

namespace redoubt::wallet {

namespace {

constexpr json::Limits kLimits{.bytes = kMaxKeystore, .depth = 16, .values = 4096};
constexpr std::size_t kDerived = 32; // bytes: AES's key, then the MAC's
constexpr std::size_t kHalf = kDerived / 2;

std::unexpected<Error> bad(FixedText text) {
    return fail(Code::InvalidField, text);
}

// The digits of a member, without their 0x; nullopt where it is absent or no string.
std::optional<std::string_view> digits(const json::Value& object, std::string_view name) {
    const auto value = object.get(name);
    if (!value || !value->is_string())
        return std::nullopt;
    std::string_view text = value->text();
    if (text.starts_with("0x"))
        text.remove_prefix(2);
    return text;
}

bool read_hex(const json::Value& object, std::string_view name, std::span<std::uint8_t> out) {
    const auto text = digits(object, name);
    return text && from_hex_exact(*text, out);
}

// Zero, which no number of this format may be, for whatever is no integer from 1 to 2^32 - 1.
std::uint32_t read_number(const json::Value& object, std::string_view name) {
    const auto value = object.get(name);
    const auto number = value ? value->u64() : std::nullopt;
    return number && *number <= UINT32_MAX ? static_cast<std::uint32_t>(*number) : 0;
}

bool is_text(const json::Value& object, std::string_view name, std::string_view wanted) {
    const auto value = object.get(name);
    return value && value->is_string() && value->text() == wanted;
}

// Equal but for the case of ASCII letters.
bool same_letters(std::string_view a, std::string_view b) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; };
    return std::ranges::equal(a, b, {}, lower, lower);
}

// Some readers look members up without regard to case (Go's do): they must not find others than this one.
Status check_names(const json::Value& root) {
    for (const auto member : root)
        for (const std::string_view known : {"version", "crypto", "address"})
            if (same_letters(member.name(), known) && member.name() != known && member.name() != "Crypto")
                return bad("keystore: version, crypto and address are written in lower case");
    return {};
}

Result<json::Value> crypto_member(const json::Value& root) {
    const auto lower = root.get("crypto"), upper = root.get("Crypto");
    if (lower && upper)
        return bad("keystore: crypto and Crypto are both there; readers take one or the other");
    if (!lower && !upper)
        return bad("keystore: crypto is missing");
    return lower ? *lower : *upper;
}

Status read_kdf(const json::Value& crypto, Keystore& out) {
    const auto parameters = crypto.get("kdfparams");
    if (!parameters)
        return bad("keystore: crypto.kdfparams is missing");
    if (is_text(crypto, "kdf", "scrypt")) {
        if (!json::check_members(*parameters, {"dklen", "n", "p", "r", "salt"}))
            return bad("keystore: crypto.kdfparams of scrypt are exactly dklen, n, p, r and salt");
        const ScryptCost cost{read_number(*parameters, "n"), read_number(*parameters, "r"),
                              read_number(*parameters, "p")};
        if (!is_valid(cost))
            return bad(
                "keystore: scrypt takes n as a power of two from 2 to 2^20 and below 2^(16 r), r from 1 to "
                "32, p from 1 to 16, and 128 * n * r up to 1 GiB");
        out.kdf = cost;
    } else if (is_text(crypto, "kdf", "pbkdf2")) {
        if (!json::check_members(*parameters, {"c", "dklen", "prf", "salt"}))
            return bad("keystore: crypto.kdfparams of pbkdf2 are exactly c, dklen, prf and salt");
        if (!is_text(*parameters, "prf", "hmac-sha256"))
            return bad("keystore: crypto.kdfparams.prf must be \"hmac-sha256\"");
        const Pbkdf2Cost cost{read_number(*parameters, "c")};
        if (cost.rounds < 1 || cost.rounds > kMaxKeystoreRounds)
            return bad("keystore: crypto.kdfparams.c must be an integer from 1 to 10,000,000");
        out.kdf = cost;
    } else {
        return bad("keystore: crypto.kdf must be \"scrypt\" or \"pbkdf2\"");
    }
    if (read_number(*parameters, "dklen") != kDerived)
        return bad("keystore: crypto.kdfparams.dklen must be 32");
    const auto salt_digits = digits(*parameters, "salt");
    auto salt =
        salt_digits && salt_digits->size() <= 2 * kMaxKeystoreSalt ? from_hex(*salt_digits) : std::nullopt;
    if (!salt || salt->empty())
        return bad("keystore: crypto.kdfparams.salt must be 1 to 1024 bytes in hexadecimal");
    out.salt = std::move(*salt);
    return {};
}

Status read_crypto(const json::Value& crypto, Keystore& out) {
    if (!json::check_members(crypto, {"cipher", "cipherparams", "ciphertext", "kdf", "kdfparams", "mac"}))
        return bad(
            "keystore: crypto must have exactly cipher, cipherparams, ciphertext, kdf, kdfparams and mac");
    if (!is_text(crypto, "cipher", "aes-128-ctr"))
        return bad("keystore: crypto.cipher must be \"aes-128-ctr\"");
    const auto parameters = crypto.get("cipherparams");
    if (!parameters || !json::check_members(*parameters, {"iv"}) || !read_hex(*parameters, "iv", out.iv))
        return bad("keystore: crypto.cipherparams must be {iv} with 16 bytes in hexadecimal");
    if (!read_hex(crypto, "ciphertext", out.ciphertext))
        return bad("keystore: crypto.ciphertext must be 32 bytes in hexadecimal: one private key");
    if (!read_hex(crypto, "mac", out.mac))
        return bad("keystore: crypto.mac must be 32 bytes in hexadecimal");
    return read_kdf(crypto, out);
}

Result<Secret> derive(const Keystore& keystore, ByteView password) {
    if (const auto* cost = std::get_if<Pbkdf2Cost>(&keystore.kdf))
        return pbkdf2_sha256(password, keystore.salt, cost->rounds, kDerived);
    return scrypt(password, keystore.salt, std::get<ScryptCost>(keystore.kdf), kDerived);
}

Secret aes_128_ctr(ByteView key, const ByteArray<16>& iv, ByteView ciphertext) {
    Secret out(ciphertext.size());
    const crypto::CipherContext context(EVP_CIPHER_CTX_new());
    int n = 0;
    crypto::require_openssl(
        context != nullptr &&
        EVP_DecryptInit_ex2(context.get(), EVP_aes_128_ctr(), key.data(), iv.data(), nullptr) == 1 &&
        EVP_DecryptUpdate(context.get(), out.mutable_view(SecretAccess("decrypt a keystore's key")).data(),
                          &n, ciphertext.data(), static_cast<int>(ciphertext.size())) == 1 &&
        static_cast<std::size_t>(n) == ciphertext.size());
    return out;
}

} // namespace

Result<Keystore> parse_keystore(std::string_view text) {
    json::Document document;
    const auto root = document.parse(text, kLimits);
    if (!root)
        return fail(Code::InvalidField, "the keystore is not one strict JSON object of at most 64 KiB",
                    std::string(root.error().text.view()));
    if (!root->is_object())
        return bad("the keystore is not one strict JSON object of at most 64 KiB");
    REDOUBT_CHECK(check_names(*root));
    if (read_number(*root, "version") != 3)
        return bad(
            "keystore: version must be 3 (version 4 is of validators' BLS keys, which are no accounts)");
    Keystore out;
    REDOUBT_TRY(const auto crypto, crypto_member(*root));
    REDOUBT_CHECK(read_crypto(crypto, out));
    if (root->get("address")) {
        out.address.emplace();
        if (!read_hex(*root, "address", *out.address))
            return bad("keystore: address must be 40 hexadecimal digits, or absent");
    }
    return out;
}

Result<KeystoreKey> decrypt_keystore(const Keystore& keystore, const Secret& password) {
    if (password.size() > kMaxKeystorePassword)
        return bad("a keystore's password has at most 1024 bytes");
    const SecretAccess why("open a keystore");
    REDOUBT_TRY(const Secret derived, derive(keystore, password.view(why)));
    const ByteView keys = derived.view(why);
    if (!equal_constant_time(crypto::keccak256({keys.last(kHalf), keystore.ciphertext}), keystore.mac))
        return fail(Code::Unauthorized, "the password is not this keystore's, or the file was altered: check "
                                        "the password's file for other characters and spaces");
    return KeystoreKey{aes_128_ctr(keys.first(kHalf), keystore.iv, keystore.ciphertext), keystore.address};
}

Result<KeystoreKey> open_keystore(std::string_view text, const Secret& password) {
    REDOUBT_TRY(const Keystore keystore, parse_keystore(text));
    return decrypt_keystore(keystore, password);
}

} // namespace redoubt::wallet
