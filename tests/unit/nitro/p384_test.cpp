// SPDX-License-Identifier: Apache-2.0
#include "forge.h"

#include "nitro/p384.h"

#include <openssl/core_names.h>

namespace redoubt::nitro {
namespace {

using tests::make_key;
using tests::sign_raw;

Bytes point_of(const crypto::Pkey& key) {
    Bytes out(160);
    std::size_t size = 0;
    EXPECT_EQ(
        EVP_PKEY_get_octet_string_param(key.get(), OSSL_PKEY_PARAM_PUB_KEY, out.data(), out.size(), &size),
        1);
    out.resize(size);
    return out;
}

bool verifies(ByteView point, std::string_view message, ByteView signature) {
    const bool out = verify_es384(point, as_bytes(message), to_array<96>(signature).value());
    EXPECT_EQ(ERR_peek_error(), 0u);
    return out;
}

const std::string kOrder =
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973";

TEST(Es384, a_signature_verifies_for_its_message_and_key_alone) {
    const auto key = make_key(), other = make_key();
    const Bytes point = point_of(key);
    const Bytes signature = sign_raw(key, as_bytes("message"));
    EXPECT_TRUE(verifies(point, "message", signature));
    EXPECT_FALSE(verifies(point, "massage", signature));
    EXPECT_FALSE(verifies(point_of(other), "message", signature));
    EXPECT_FALSE(verifies(point, "message", sign_raw(key, as_bytes("message"), EVP_sha256())));
    for (std::size_t i = 0; i < signature.size(); ++i) {
        Bytes changed = signature;
        changed[i] ^= 0x01;
        EXPECT_FALSE(verifies(point, "message", changed)) << i;
    }
}

// RFC 6979, section A.2.6: P-384, SHA-384, "sample".
TEST(Es384, a_published_signature_verifies) {
    const Bytes point =
        from_hex(
            "04"
            "EC3A4E415B4E19A4568618029F427FA5DA9A8BC4AE92E02E06AAE5286B300C64DEF8F0EA9055866064A254515480BC13"
            "8015D9B72D7D57244EA8EF9AC0C621896708A59367F9DFB9F54CA84B3F1C9DB1288B231C3AE0D4FE7344FD253326472"
            "0")
            .value();
    const Bytes signature =
        from_hex(
            "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46"
            "99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC"
            "8")
            .value();
    EXPECT_TRUE(verifies(point, "sample", signature));
    EXPECT_FALSE(verifies(point, "test", signature));
}

TEST(Es384, r_and_s_must_be_between_one_and_the_order_less_one) {
    const auto key = make_key();
    const Bytes point = point_of(key);
    const Bytes good = sign_raw(key, as_bytes("message"));
    const Bytes zero(48), order = from_hex(kOrder).value(), ones(48, 0xff);
    for (const Bytes& bad : {zero, order, ones}) {
        Bytes r = good, s = good;
        std::copy(bad.begin(), bad.end(), r.begin());
        std::copy(bad.begin(), bad.end(), s.begin() + 48);
        EXPECT_FALSE(verifies(point, "message", r));
        EXPECT_FALSE(verifies(point, "message", s));
    }
    EXPECT_FALSE(verifies(point, "message", Bytes(96)));
}

TEST(Es384, a_key_that_is_no_uncompressed_point_of_the_curve_is_refused) {
    const auto key = make_key();
    const Bytes point = point_of(key);
    const Bytes signature = sign_raw(key, as_bytes("message"));
    Bytes off = point;
    off.back() ^= 0x01;
    EXPECT_FALSE(verifies(off, "message", signature));
    Bytes hybrid = point;
    hybrid[0] = static_cast<std::uint8_t>(0x06 + (point.back() & 1));
    EXPECT_FALSE(verifies(hybrid, "message", signature));
    Bytes compressed = to_bytes(ByteView(point).first(49));
    compressed[0] = static_cast<std::uint8_t>(0x02 + (point.back() & 1));
    EXPECT_FALSE(verifies(compressed, "message", signature));
    EXPECT_FALSE(verifies(Bytes(97), "message", signature));
    EXPECT_FALSE(verifies({}, "message", signature));
    EXPECT_FALSE(verifies(point_of(make_key("P-256")), "message", signature));
    EXPECT_FALSE(verifies(point_of(make_key("P-521")), "message", signature));
}

std::string reading(std::string_view hex) {
    const auto signature = es384_from_der(from_hex(hex).value());
    return signature ? to_hex(*signature) : "refused";
}

TEST(Es384, der_signatures_are_read_strictly) {
    const std::string one = std::string(95, '0') + "1", two = std::string(95, '0') + "2";
    EXPECT_EQ(reading("3006020101020102"), one + two);
    EXPECT_EQ(reading("30070202008002"
                      "0102"),
              std::string(94, '0') + "80" + two);
    EXPECT_EQ(reading("3006020100020102"), std::string(96, '0') + two); // in range is verify's matter
    const std::string big = std::string(96, 'f');
    EXPECT_EQ(reading("3066023100" + big + "023100" + big), big + big);
    for (const char* bad : {
             "", "30",
             "3006020101020102"
             "00", // more after it
             "3007020101020102"
             "00",                 // more within it
             "300702020001020102", // not shortest
             "3006020181020102",   // negative
             "30050200"
             "020102",     // no digits
             "3003020101", // one number
             "30810602010102"
             "0102",             // a long length
             "3106020101020102", // a SET
             "3006030101020102", // a BIT STRING
             "3080020101020102"
             "0000", // indefinite
         })
        EXPECT_EQ(reading(bad), "refused") << bad;
    EXPECT_EQ(reading("3036"
                      "0231"
                      "01" +
                      std::string(96, '0') + "020101"),
              "refused"); // 49 bytes
}

TEST(Es384, der_and_raw_form_are_each_others_inverse) {
    const auto key = make_key();
    for (std::size_t i = 0; i < 20; ++i) {
        const auto raw = to_array<96>(sign_raw(key, Bytes(i, 1))).value();
        EXPECT_EQ(es384_from_der(es384_to_der(raw)), raw);
    }
    Es384Signature small{};
    small[47] = 0x80;
    small[95] = 0x01;
    EXPECT_EQ(to_hex(es384_to_der(small)), "300702020080020101");
}

} // namespace
} // namespace redoubt::nitro
