// SPDX-License-Identifier: Apache-2.0
#include "nitro/p384.h"

#include "crypto/ber.h"
#include "crypto/openssl.h"

#include <openssl/core_names.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>

#include <algorithm>

namespace redoubt::nitro {

namespace {

namespace ber = crypto::ber;

constexpr std::size_t kScalarSize = 48;
constexpr std::uint8_t kInteger = 0x02;

// The order of the group (SEC 2, section 2.5.1).
constexpr ByteArray<kScalarSize> kOrder = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf,
    0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73};

bool in_range(ByteView scalar) noexcept {
    return std::any_of(scalar.begin(), scalar.end(), [](std::uint8_t byte) { return byte != 0; }) &&
           std::lexicographical_compare(scalar.begin(), scalar.end(), kOrder.begin(), kOrder.end());
}

crypto::Pkey public_key(ByteView point) noexcept {
    if (point.size() != kP384PointSize || point[0] != 0x04)
        return nullptr;
    const crypto::PkeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
    crypto::require_openssl(context != nullptr && EVP_PKEY_fromdata_init(context.get()) == 1);
    char group[] = SN_secp384r1;
    ByteArray<kP384PointSize> copy = *to_array<kP384PointSize>(point);
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, copy.data(), copy.size()),
        OSSL_PARAM_construct_end()};
    EVP_PKEY* key = nullptr;
    // Fails for a point that is not on the curve.
    if (EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
        return nullptr;
    return crypto::Pkey(key);
}

// A DER INTEGER of at most 48 significant bytes, right-aligned.
void read_scalar(Cursor& in, std::span<std::uint8_t> out) noexcept {
    ByteView value = ber::element(in, kInteger);
    if (value.empty() || value[0] >= 0x80 || (value.size() > 1 && value[0] == 0 && value[1] < 0x80)) {
        in.fail();
        return;
    }
    if (value[0] == 0)
        value = value.subspan(1);
    if (value.size() > out.size()) {
        in.fail();
        return;
    }
    std::fill(out.begin(), out.end(), std::uint8_t{0});
    std::copy(value.begin(), value.end(), out.end() - static_cast<std::ptrdiff_t>(value.size()));
}

void append_scalar(Bytes& out, ByteView scalar) {
    while (scalar.size() > 1 && scalar[0] == 0)
        scalar = scalar.subspan(1);
    Bytes contents;
    if (scalar[0] >= 0x80)
        contents.push_back(0);
    append(contents, scalar);
    ber::append_element(out, kInteger, contents);
}

} // namespace

bool verify_es384(ByteView point, ByteView message, const Es384Signature& signature) noexcept {
    const ByteView raw(signature);
    if (!in_range(raw.first(kScalarSize)) || !in_range(raw.last(kScalarSize)))
        return false;
    const crypto::Pkey key = public_key(point);
    if (key == nullptr) {
        crypto::forget_openssl_errors();
        return false;
    }
    const crypto::DigestContext context(EVP_MD_CTX_new());
    crypto::require_openssl(
        context != nullptr &&
        EVP_DigestVerifyInit_ex(context.get(), nullptr, "SHA384", nullptr, nullptr, key.get(), nullptr) == 1);
    const Bytes der = es384_to_der(signature);
    // 1 means verified; 0 and negative numbers both mean that it is not.
    const bool verified =
        EVP_DigestVerify(context.get(), der.data(), der.size(), message.data(), message.size()) == 1;
    crypto::forget_openssl_errors();
    return verified;
}

std::optional<Es384Signature> es384_from_der(ByteView der) noexcept {
    Cursor in(der);
    Cursor numbers(ber::element(in, ber::kSequence));
    Es384Signature out;
    const std::span<std::uint8_t> raw(out);
    read_scalar(numbers, raw.first(kScalarSize));
    read_scalar(numbers, raw.last(kScalarSize));
    if (!in.finished() || !numbers.finished())
        return std::nullopt;
    return out;
}

Bytes es384_to_der(const Es384Signature& signature) {
    const ByteView raw(signature);
    Bytes numbers, out;
    append_scalar(numbers, raw.first(kScalarSize));
    append_scalar(numbers, raw.last(kScalarSize));
    ber::append_element(out, ber::kSequence, numbers);
    return out;
}

} // namespace redoubt::nitro
