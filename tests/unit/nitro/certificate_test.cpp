// SPDX-License-Identifier: Apache-2.0
#include "forge.h"

#include "nitro/certificate.h"

#include <openssl/pem.h>

#include <algorithm>

namespace redoubt::nitro {
namespace {

using tests::kHour;
using tests::kNow;
using tests::leaf_shape;
using tests::make_certificate;
using tests::make_key;
using tests::Shape;

class CertificateTest : public ::testing::Test {
  protected:
    crypto::Pkey key_ = make_key();

    Bytes make(const Shape& shape) { return make_certificate(shape, key_, "issuer", key_); }
    bool reads(const Shape& shape) { return reads(make(shape)); }
    static bool reads(const Bytes& der) {
        const auto result = read_certificate(der);
        EXPECT_TRUE(result || result.error().code == Code::AttestationUntrusted);
        return result.has_value();
    }
    // With one run of bytes replaced by another of the same length.
    static Bytes replaced(Bytes der, std::string_view from, std::string_view to) {
        const Bytes old = from_hex(from).value(), fresh = from_hex(to).value();
        EXPECT_EQ(old.size(), fresh.size());
        const auto at = std::search(der.begin(), der.end(), old.begin(), old.end());
        if (at == der.end()) {
            ADD_FAILURE() << from << " is not there";
            return der;
        }
        std::copy(fresh.begin(), fresh.end(), at);
        return der;
    }
};

TEST_F(CertificateTest, an_authoritys_parts_are_read) {
    Shape shape{"subject"};
    shape.basic_constraints = "critical,CA:TRUE,pathlen:3";
    shape.key_usage = "critical,keyCertSign,digitalSignature,cRLSign";
    shape.more = {{NID_subject_key_identifier, "01:02:03"}};
    const Bytes der = make(shape);
    const auto read = read_certificate(der);
    ASSERT_TRUE(read);
    EXPECT_TRUE(read->authority);
    EXPECT_EQ(read->path_length, 3);
    EXPECT_TRUE(read->key_cert_sign);
    EXPECT_TRUE(read->digital_signature);
    EXPECT_EQ(read->not_before, kNow - kHour);
    EXPECT_EQ(read->not_after, kNow + kHour);
    EXPECT_NE(as_text(read->subject).find("subject"), std::string_view::npos);
    EXPECT_NE(as_text(read->issuer).find("issuer"), std::string_view::npos);
    EXPECT_EQ(read->subject[0], 0x30);
    EXPECT_TRUE(verify_es384(read->point, read->signed_part, read->signature));
}

TEST_F(CertificateTest, a_leafs_parts_are_read) {
    const Bytes der = make(leaf_shape());
    const auto read = read_certificate(der);
    ASSERT_TRUE(read);
    EXPECT_FALSE(read->authority);
    EXPECT_FALSE(read->path_length);
    EXPECT_FALSE(read->key_cert_sign);
    EXPECT_TRUE(read->digital_signature);
    Shape other = leaf_shape();
    other.key_usage = "digitalSignature,nonRepudiation"; // as on hardware
    EXPECT_TRUE(reads(other));
    other.key_usage = "encipherOnly,decipherOnly"; // two bytes of bits
    const Bytes two = make(other);
    const auto read_two = read_certificate(two);
    ASSERT_TRUE(read_two);
    EXPECT_FALSE(read_two->digital_signature);
}

TEST_F(CertificateTest, basic_constraints_and_key_usage_are_needed) {
    Shape shape{"subject"};
    EXPECT_TRUE(reads(shape));
    shape.key_usage.clear();
    EXPECT_FALSE(reads(shape));
    shape = Shape{"subject"};
    shape.basic_constraints.clear();
    EXPECT_FALSE(reads(shape));
    shape.basic_constraints = "CA:TRUE"; // not critical
    EXPECT_FALSE(reads(shape));
}

TEST_F(CertificateTest, an_extension_that_is_critical_and_unknown_or_comes_twice_is_refused) {
    Shape shape{"subject"};
    shape.more = {{NID_ext_key_usage, "serverAuth"}};
    EXPECT_TRUE(reads(shape));
    shape.more = {{NID_ext_key_usage, "critical,serverAuth"}};
    EXPECT_FALSE(reads(shape));
    shape.more = {{NID_name_constraints, "critical,permitted;DNS:example.com"}};
    EXPECT_FALSE(reads(shape));
    shape.more = {{NID_key_usage, "critical,keyCertSign"}};
    EXPECT_FALSE(reads(shape));
    shape.more = {{NID_subject_key_identifier, "01"}, {NID_subject_key_identifier, "02"}};
    EXPECT_FALSE(reads(shape));
}

TEST_F(CertificateTest, other_versions_curves_and_algorithms_are_refused) {
    Shape shape{"subject"};
    shape.version = 1;
    EXPECT_FALSE(reads(shape));
    shape = Shape{"subject"};
    shape.digest = EVP_sha256();
    EXPECT_FALSE(reads(shape));
    shape.digest = EVP_sha512();
    EXPECT_FALSE(reads(shape));
    for (const char* curve : {"P-256", "P-521", "secp256k1", "brainpoolP384r1"}) {
        const auto other = make_key(curve);
        EXPECT_FALSE(reads(make_certificate(Shape{"subject"}, other, "issuer", key_))) << curve;
        EXPECT_FALSE(reads(make_certificate(Shape{"subject"}, other, "issuer", other))) << curve;
    }
    const crypto::Pkey rsa(EVP_RSA_gen(2048));
    EXPECT_FALSE(reads(make_certificate(Shape{"subject"}, rsa, "issuer", key_)));
}

TEST_F(CertificateTest, the_two_statements_of_the_algorithm_must_both_be_es384) {
    const Bytes der = make(Shape{"subject"});
    // 1.2.840.10045.4.3.3 becomes …4.3.2 in the signed part, then in the outer part alone.
    const Bytes inner = replaced(der, "2a8648ce3d040303", "2a8648ce3d040302");
    EXPECT_FALSE(reads(inner));
    Bytes outer = der;
    std::reverse(outer.begin(), outer.end());
    outer = replaced(outer, "0303043dce48862a", "0203043dce48862a");
    std::reverse(outer.begin(), outer.end());
    EXPECT_NE(outer, inner);
    EXPECT_FALSE(reads(outer));
}

TEST_F(CertificateTest, times_are_in_the_one_form_that_rfc_5280_allows) {
    Shape shape{"subject"};
    shape.not_before = 2'524'607'999'000; // 2049-12-31T23:59:59Z, the last UTCTime
    shape.not_after = 2'524'608'000'000;  // the first GeneralizedTime
    const Bytes der = make(shape);
    const auto read = read_certificate(der);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->not_before, shape.not_before);
    EXPECT_EQ(read->not_after, shape.not_after);
    // "20500101000000Z" becomes "20490101000000Z", which has to be a UTCTime.
    Shape longer{"subject"};
    longer.not_after = shape.not_after;
    EXPECT_TRUE(reads(longer));
    EXPECT_FALSE(reads(replaced(make(longer), "180f32303530", "180f32303439")));
    // "491231235959Z": no month 13, no zone but Z, and 60 years earlier.
    EXPECT_FALSE(reads(replaced(der, "170d343931323331", "170d343931333331")));
    EXPECT_FALSE(reads(replaced(der, "35395a", "35392b")));
    EXPECT_FALSE(reads(replaced(der, "170d343931323331", "170d34393132ff31")));
    const Bytes earlier = replaced(der, "170d34393132", "170d35303132");
    const auto past = read_certificate(earlier);
    ASSERT_TRUE(past);
    EXPECT_LT(past->not_before, 0); // 1950
    // A period that ends before it begins.
    shape = Shape{"subject"};
    shape.not_after = shape.not_before - 1000;
    EXPECT_FALSE(reads(shape));
}

TEST_F(CertificateTest, nothing_but_the_shortest_der_is_read) {
    const Bytes der = make(leaf_shape());
    ASSERT_TRUE(reads(der));
    Bytes longer = der;
    longer.push_back(0);
    EXPECT_FALSE(reads(longer));
    for (std::size_t size = 0; size < der.size(); ++size)
        EXPECT_FALSE(reads(to_bytes(ByteView(der).first(size)))) << size;
    // CA:FALSE written out, a TRUE that is not ff, a list of bits with a wrong count of unused ones.
    const Bytes authority = make(Shape{"subject"});
    EXPECT_FALSE(reads(
        replaced(authority, "300f0603551d130101ff040530030101ff", "300f0603551d130101ff04053003010100")));
    EXPECT_FALSE(reads(replaced(authority, "0603551d130101ff", "0603551d13010101")));
    EXPECT_FALSE(reads(replaced(authority, "03020204", "03020104")));
    EXPECT_FALSE(reads(replaced(authority, "03020204", "03020304")));
    EXPECT_FALSE(reads(replaced(authority, "03020204", "03020200")));
    // Unused bits in the signature's BIT STRING: its header is 03 6x 00 30.
    Bytes bits = der;
    const auto at = std::find_end(bits.begin(), bits.end(), kEcdsaWithSha384.begin(), kEcdsaWithSha384.end());
    ASSERT_NE(at, bits.end());
    ASSERT_EQ(at[14], 0x00);
    at[14] = 0x01;
    EXPECT_FALSE(reads(bits));
}

TEST_F(CertificateTest, a_path_length_needs_an_authority_and_is_a_small_number) {
    Shape shape{"subject"};
    shape.basic_constraints = "critical,CA:TRUE,pathlen:127";
    EXPECT_TRUE(reads(shape));
    shape.basic_constraints = "critical,CA:TRUE,pathlen:128"; // two bytes
    EXPECT_FALSE(reads(shape));
    shape.basic_constraints = "critical,CA:FALSE,pathlen:0";
    EXPECT_FALSE(reads(shape));
    shape.basic_constraints = "critical,CA:TRUE,pathlen:1";
    EXPECT_FALSE(reads(replaced(make(shape), "30060101ff020101", "30060101ff0201ff"))); // -1
}

TEST_F(CertificateTest, over_1024_bytes_are_refused) {
    Shape shape{"subject"};
    shape.more = {{NID_netscape_comment, std::string(200, 'x')}};
    EXPECT_TRUE(reads(shape));
    shape.more = {{NID_netscape_comment, std::string(700, 'x')}};
    ASSERT_GT(make(shape).size(), kMaxCertificate);
    EXPECT_FALSE(reads(shape));
}

TEST_F(CertificateTest, no_flipped_bit_keeps_both_structure_and_signature) {
    const Bytes der = make(leaf_shape());
    const Bytes point = to_bytes(read_certificate(der)->point);
    for (std::size_t i = 0; i < der.size(); ++i) {
        Bytes changed = der;
        changed[i] ^= static_cast<std::uint8_t>(1u << (i % 8));
        const auto read = read_certificate(changed);
        EXPECT_FALSE(read && verify_es384(point, read->signed_part, read->signature)) << i;
    }
}

} // namespace
} // namespace redoubt::nitro
