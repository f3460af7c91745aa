// SPDX-License-Identifier: Apache-2.0
#include "forge.h"

#include "nitro/certificate.h"
#include "nitro/software_nsm.h"

#include <algorithm>
#include <regex>
#include <set>
#include <thread>

namespace redoubt::nitro {
namespace {

using namespace tests;

constexpr const char* kModule = "i-0123456789abcdef0-enc0190e0c0368d490d";

const DevelopmentRoot& root() {
    static const DevelopmentRoot instance = make_development_root().value();
    return instance;
}

Pcr filled(std::uint8_t byte) {
    Pcr out;
    out.fill(byte);
    return out;
}

class SoftwareNsmTest : public ::testing::Test {
  protected:
    UnixMs now_ = kNow;

    SoftwareNsmOptions options() {
        SoftwareNsmOptions out;
        out.module_id = kModule;
        out.pcrs[0] = filled(0xa0);
        out.pcrs[3] = filled(0xa3);
        out.now = [this] { return now_; };
        return out;
    }
    std::unique_ptr<NsmTransport> transport() { return make_software_nsm(root(), options()).value(); }
    Nsm nsm() { return Nsm(transport()); }

    static Attestation verified(const Bytes& document, UnixMs at) {
        auto result = verify_attestation(document, root().certificate_der, at);
        EXPECT_TRUE(result) << result.error().describe();
        return result.value_or(Attestation{});
    }
    template<class R>
    static std::string refusal(const R& result) {
        if (result)
            return "none";
        EXPECT_EQ(result.error().code, Code::NsmFailed);
        // "the NSM refused: NAME (…)"
        const std::string text(result.error().text.view().substr(17));
        return text.substr(0, text.find(' '));
    }
};

TEST_F(SoftwareNsmTest, at_boot_0_to_15_are_locked_and_the_rest_is_free_and_zero) {
    auto device = nsm();
    const auto description = device.describe();
    ASSERT_TRUE(description) << description.error().describe();
    EXPECT_EQ(description->module_id, kModule);
    EXPECT_EQ(description->max_pcrs, 32);
    EXPECT_EQ(description->version_major, 1);
    std::vector<std::uint16_t> locked(16);
    for (std::uint16_t index = 0; index < 16; ++index)
        locked[index] = index;
    EXPECT_EQ(description->locked_pcrs, locked);
    for (std::uint16_t index = 0; index < 32; ++index) {
        const auto pcr = device.describe_pcr(index);
        ASSERT_TRUE(pcr);
        EXPECT_EQ(pcr->locked, index < 16) << index;
        const Pcr expected = index == 0   ? filled(0xa0)
                             : index == 3 ? filled(0xa3)
                             : index == 4 ? pcr_of(as_bytes("i-0123456789abcdef0"))
                                          : Pcr{};
        EXPECT_EQ(pcr->value, expected) << index;
    }
}

TEST_F(SoftwareNsmTest, extending_hashes_the_old_value_and_the_data) {
    auto device = nsm();
    const auto first = device.extend_pcr(16, as_bytes("abc"));
    ASSERT_TRUE(first);
    EXPECT_EQ(*first, pcr_of(as_bytes("abc")));
    const auto second = device.extend_pcr(16, {});
    ASSERT_TRUE(second);
    EXPECT_EQ(*second, crypto::sha384(*first));
    EXPECT_EQ(device.describe_pcr(16)->value, *second);
    EXPECT_EQ(device.describe_pcr(17)->value, Pcr{});
}

TEST_F(SoftwareNsmTest, a_locked_register_is_read_only) {
    auto device = nsm();
    EXPECT_EQ(refusal(device.extend_pcr(0, as_bytes("abc"))), "ReadOnlyIndex");
    EXPECT_EQ(refusal(device.extend_pcr(15, as_bytes("abc"))), "ReadOnlyIndex");
    EXPECT_EQ(refusal(device.lock_pcr(15)), "ReadOnlyIndex");
    ASSERT_TRUE(device.extend_pcr(16, as_bytes("abc")));
    ASSERT_TRUE(device.lock_pcr(16));
    EXPECT_EQ(refusal(device.extend_pcr(16, as_bytes("abc"))), "ReadOnlyIndex");
    EXPECT_EQ(refusal(device.lock_pcr(16)), "ReadOnlyIndex");
    const auto pcr = device.describe_pcr(16);
    ASSERT_TRUE(pcr);
    EXPECT_TRUE(pcr->locked);
    EXPECT_EQ(pcr->value, pcr_of(as_bytes("abc")));
}

TEST_F(SoftwareNsmTest, lock_pcrs_locks_all_below_its_range) {
    auto device = nsm();
    ASSERT_TRUE(device.lock_pcrs(18));
    EXPECT_TRUE(device.describe_pcr(17)->locked);
    EXPECT_FALSE(device.describe_pcr(18)->locked);
    EXPECT_TRUE(device.lock_pcrs(0));
    EXPECT_TRUE(device.lock_pcrs(32));
    EXPECT_EQ(device.describe()->locked_pcrs.size(), 32u);
    EXPECT_EQ(refusal(device.lock_pcrs(33)), "InvalidIndex");
}

TEST_F(SoftwareNsmTest, there_is_no_register_from_32_on) {
    auto device = nsm();
    for (const std::uint16_t index : std::initializer_list<std::uint16_t>{32, 33, 255, 65535}) {
        EXPECT_EQ(refusal(device.describe_pcr(index)), "InvalidIndex");
        EXPECT_EQ(refusal(device.extend_pcr(index, {})), "InvalidIndex");
        EXPECT_EQ(refusal(device.lock_pcr(index)), "InvalidIndex");
        if (index > 32) { // a range of 32 is all of them
            EXPECT_EQ(refusal(device.lock_pcrs(index)), "InvalidIndex");
        }
    }
}

TEST_F(SoftwareNsmTest, randomness_is_256_fresh_bytes) {
    auto device = nsm();
    auto first = device.random(), second = device.random();
    ASSERT_TRUE(first);
    ASSERT_TRUE(second);
    EXPECT_EQ(first->size(), 256u);
    EXPECT_FALSE(equal_secrets(*first, *second));
}

TEST_F(SoftwareNsmTest, requests_that_are_not_exactly_one_command_are_invalid_operations) {
    const auto device = transport();
    const std::string invalid =
        to_hex(encoded([](cbor::Writer& w) { w.map(1).text("Error").text("InvalidOperation"); }));
    const auto answer = [&](auto write) { return to_hex(device->exchange(encoded(write)).value()); };
    using W = cbor::Writer;
    EXPECT_EQ(to_hex(device->exchange({}).value()), invalid);
    EXPECT_EQ(answer([](W& w) { w.text("GetRandom").null(); }), invalid);
    EXPECT_EQ(answer([](W& w) { w.text("Attestation"); }), invalid);
    EXPECT_EQ(answer([](W& w) { w.text("getrandom"); }), invalid);
    EXPECT_EQ(answer([](W& w) { w.map(1).text("GetRandom").map(0); }), invalid);
    EXPECT_EQ(answer([](W& w) { w.map(1).text("DescribeNSM").null(); }), invalid);
    EXPECT_EQ(answer([](W& w) { w.map(1).text("Reboot").map(0); }), invalid);
    EXPECT_EQ(answer([](W& w) { w.map(0); }), invalid);
    EXPECT_EQ(answer([](W& w) { w.null(); }), invalid);
    EXPECT_EQ(answer([](W& w) { w.map(1).text("DescribePCR").map(0); }), invalid);
    EXPECT_EQ(answer([](W& w) { w.map(1).text("DescribePCR").map(1).text("index").text("0"); }), invalid);
    EXPECT_EQ(answer([](W& w) { w.map(1).text("DescribePCR").map(1).text("index").negative(-1); }), invalid);
    EXPECT_EQ(answer([](W& w) { w.map(1).text("DescribePCR").map(1).text("index").u64(65536); }), invalid);
    EXPECT_EQ(answer([](W& w) { w.map(1).text("DescribePCR").map(1).text("range").u64(0); }), invalid);
    EXPECT_EQ(answer([](W& w) { w.map(1).text("DescribePCR").map(2).text("index").u64(0).text("x").u64(0); }),
              invalid);
    EXPECT_EQ(answer([](W& w) { w.map(1).text("DescribePCR").map(1).text("index").u64(0).null(); }), invalid);
    EXPECT_EQ(answer([](W& w) { w.map_indefinite().text("DescribePCR").map(1).text("index").u64(0).end(); }),
              invalid);
    EXPECT_EQ(answer([](W& w) { w.map(2).text("LockPCR").map(1).text("index").u64(16).text("a").null(); }),
              invalid);
    EXPECT_EQ(answer([](W& w) { w.map(1).text("ExtendPCR").map(1).text("index").u64(16); }), invalid);
    EXPECT_EQ(
        answer([](W& w) { w.map(1).text("ExtendPCR").map(2).text("index").u64(16).text("data").text(""); }),
        invalid);
    EXPECT_EQ(answer([](W& w) {
                  w.map(1).text("Attestation").map(2).text("user_data").null().text("nonce").null();
              }),
              invalid);
    EXPECT_EQ(answer([](W& w) {
                  w.map(1)
                      .text("Attestation")
                      .map(3)
                      .text("user_data")
                      .null()
                      .text("nonce")
                      .null()
                      .text("nonce")
                      .null();
              }),
              invalid);
    // Not shortest: index 0 in two bytes.
    EXPECT_EQ(
        to_hex(device->exchange(from_hex("a16b4465736372696265504352a165696e6465781800").value()).value()),
        invalid);
    // Other orders are the same request.
    EXPECT_EQ(
        answer([](W& w) { w.map(1).text("ExtendPCR").map(2).text("data").bytes({}).text("index").u64(0); }),
        to_hex(encoded([](W& w) { w.map(1).text("Error").text("ReadOnlyIndex"); })));
    EXPECT_FALSE(Nsm(transport()).describe_pcr(16)->locked);
}

TEST_F(SoftwareNsmTest, a_request_over_4096_bytes_is_too_large) {
    const auto device = transport();
    const auto extend = [&](std::size_t size) {
        return device
            ->exchange(encoded([&](cbor::Writer& w) {
                w.map(1).text("ExtendPCR").map(2).text("index").u64(16).text("data").bytes(Bytes(size));
            }))
            .value();
    };
    constexpr std::size_t kAround = 27;
    EXPECT_EQ(extend(4096 - kAround).size(), 67u); // {"ExtendPCR": {"data": 48 bytes}}
    EXPECT_EQ(to_hex(extend(4097 - kAround)),
              to_hex(encoded([](cbor::Writer& w) { w.map(1).text("Error").text("InputTooLarge"); })));
}

TEST_F(SoftwareNsmTest, documents_verify_and_carry_what_was_asked_for) {
    for (const bool indefinite : {true, false}) {
        auto with = options();
        with.indefinite_payload = indefinite;
        Nsm device(make_software_nsm(root(), std::move(with)).value());
        const auto document = device.attest({Bytes(512, 1), Bytes(512, 2), Bytes(1024, 3)});
        ASSERT_TRUE(document) << document.error().describe();
        const Attestation attestation = verified(*document, now_);
        EXPECT_EQ(attestation.module_id, kModule);
        EXPECT_EQ(attestation.timestamp, now_);
        EXPECT_EQ(attestation.user_data, Bytes(512, 1));
        EXPECT_EQ(attestation.nonce, Bytes(512, 2));
        EXPECT_EQ(attestation.public_key, Bytes(1024, 3));
        EXPECT_EQ(attestation.pcrs.size(), 16u);
        EXPECT_EQ(attestation.pcrs.at(0), to_bytes(filled(0xa0)));
        EXPECT_EQ(attestation.pcrs.at(4), to_bytes(pcr_of(as_bytes("i-0123456789abcdef0"))));
        EXPECT_FALSE(attestation.debug());
        EXPECT_EQ(attestation.payload.front(), indefinite ? 0xbf : 0xa9);
        EXPECT_EQ(attestation.payload.back() == 0xff, indefinite);

        const auto bare = device.attest({});
        ASSERT_TRUE(bare);
        const Attestation empty = verified(*bare, now_);
        EXPECT_FALSE(empty.user_data || empty.nonce || empty.public_key);
        // Absent options are there as null.
        const Bytes null_nonce = encoded([](cbor::Writer& w) { w.text("nonce").null(); });
        EXPECT_NE(
            std::search(empty.payload.begin(), empty.payload.end(), null_nonce.begin(), null_nonce.end()),
            empty.payload.end());
    }
}

TEST_F(SoftwareNsmTest, a_document_is_an_untagged_cose_sign1_in_hardwares_order) {
    const auto document = nsm().attest({}).value();
    EXPECT_EQ(to_hex(ByteView(document).first(8)), "8444a1013822a059");
    EXPECT_EQ(to_hex(ByteView(document).last(98).first(2)), "5860");
    const auto text = as_text(document);
    std::size_t at = 0;
    for (const char* name : {"module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle",
                             "public_key", "user_data", "nonce"}) {
        const auto found = text.find(name, at);
        ASSERT_NE(found, std::string_view::npos) << name;
        at = found;
    }
    EXPECT_LT(document.size(), kNsmMaxResponse - 64);
}

TEST_F(SoftwareNsmTest, attestation_fields_over_1024_bytes_are_too_large) {
    const auto device = transport();
    const auto ask = [&](std::size_t user_data, std::size_t nonce, std::size_t public_key) {
        const Bytes reply = device
                                ->exchange(encoded([&](cbor::Writer& w) {
                                    w.map(1).text("Attestation").map(3);
                                    w.text("user_data").bytes(Bytes(user_data));
                                    w.text("nonce").bytes(Bytes(nonce));
                                    w.text("public_key").bytes(Bytes(public_key));
                                }))
                                .value();
        return reply == encoded([](cbor::Writer& w) { w.map(1).text("Error").text("InputTooLarge"); });
    };
    EXPECT_FALSE(ask(1024, 1024, 1024));
    EXPECT_TRUE(ask(1025, 0, 0));
    EXPECT_TRUE(ask(0, 1025, 0));
    EXPECT_TRUE(ask(0, 0, 1025));
}

TEST_F(SoftwareNsmTest, registers_above_15_are_in_documents_once_they_are_locked) {
    auto device = nsm();
    ASSERT_TRUE(device.extend_pcr(16, as_bytes("manifest")));
    EXPECT_FALSE(verified(device.attest({}).value(), now_).pcrs.contains(16));
    ASSERT_TRUE(device.lock_pcr(16));
    const auto attestation = verified(device.attest({}).value(), now_);
    EXPECT_EQ(attestation.pcrs.size(), 17u);
    EXPECT_EQ(attestation.pcrs.at(16), to_bytes(pcr_of(as_bytes("manifest"))));
    ASSERT_TRUE(device.lock_pcrs(32));
    EXPECT_EQ(verified(device.attest({}).value(), now_).pcrs.size(), 32u);
}

TEST_F(SoftwareNsmTest, another_root_does_not_verify_its_documents) {
    const auto document = nsm().attest({}).value();
    const auto other = make_development_root().value();
    const auto result = verify_attestation(document, other.certificate_der, now_);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Code::AttestationUntrusted);
}

TEST_F(SoftwareNsmTest, the_leaf_is_valid_for_three_hours_and_three_seconds_and_renewed_in_time) {
    auto device = nsm();
    const auto leaf = [&] { return verified(device.attest({}).value(), now_).certificate; };
    const Bytes first = leaf();
    const auto certificate = read_certificate(first).value();
    EXPECT_EQ(certificate.not_after - certificate.not_before, 3 * kHour + 3000);
    EXPECT_EQ(certificate.not_before, kNow - 3000);
    now_ = kNow + 2 * kHour;
    EXPECT_EQ(leaf(), first);
    const auto document = device.attest({}).value();
    now_ = kNow + 3 * kHour - kMinute;
    EXPECT_NE(leaf(), first);
    // The old document stays good until its leaf's end, and not after.
    EXPECT_TRUE(verify_attestation(document, root().certificate_der, kNow + 3 * kHour));
    const auto late = verify_attestation(document, root().certificate_der, kNow + 3 * kHour + 1);
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, Code::AttestationExpired);
}

TEST_F(SoftwareNsmTest, documents_verify_over_weeks_and_when_the_clock_goes_back) {
    auto device = nsm();
    std::set<Bytes> regional;
    for (int hours : {0, 1, 5, 23, 24, 25, 100, 140, 145, 400, 480, 481, 482, 1000, 3, 2000, 0}) {
        now_ = kNow + hours * kHour;
        const auto attestation = verified(device.attest({}).value(), now_);
        EXPECT_EQ(attestation.timestamp, now_);
        EXPECT_TRUE(
            verify_attestation(device.attest({}).value(), root().certificate_der, now_ + 4 * kMinute));
        if (attestation.cabundle.size() > 1)
            regional.insert(attestation.cabundle[1]);
    }
    EXPECT_GT(regional.size(), 2u);
}

TEST_F(SoftwareNsmTest, certificates_have_hardwares_shape) {
    const auto attestation = verified(nsm().attest({}).value(), now_);
    ASSERT_EQ(attestation.cabundle.size(), 4u);
    EXPECT_EQ(attestation.cabundle[0], root().certificate_der);
    struct Expected {
        const char* name;
        std::optional<std::uint8_t> path_length;
        bool authority, digital_signature;
        UnixMs period;
    };
    const Expected expected[] = {
        {"^aws\\.nitro-enclaves$", std::nullopt, true, true, 0},
        {"^[0-9a-f]{16}\\.us-east-1\\.aws\\.nitro-enclaves$", 2, true, true, 20 * 24 * kHour + kHour},
        {"^[0-9a-f]{16}\\.zonal\\.us-east-1\\.aws\\.nitro-enclaves$", 1, true, true, 6 * 24 * kHour},
        {"^i-0123456789abcdef0\\.us-east-1\\.aws\\.nitro-enclaves$", 0, true, false, 24 * kHour},
        {"^i-0123456789abcdef0-enc0190e0c0368d490d\\.us-east-1\\.aws$", std::nullopt, false, true,
         3 * kHour + 3000},
    };
    for (std::size_t i = 0; i < 5; ++i) {
        const Bytes& der = i < 4 ? attestation.cabundle[i] : attestation.certificate;
        const auto certificate = read_certificate(der).value();
        EXPECT_EQ(certificate.path_length, expected[i].path_length) << i;
        EXPECT_EQ(certificate.authority, expected[i].authority) << i;
        EXPECT_EQ(certificate.key_cert_sign, expected[i].authority) << i;
        EXPECT_EQ(certificate.digital_signature, expected[i].digital_signature) << i;
        if (expected[i].period != 0) {
            EXPECT_EQ(certificate.not_after - certificate.not_before, expected[i].period) << i;
        }
        const unsigned char* at = der.data();
        X509* x509 = d2i_X509(nullptr, &at, static_cast<long>(der.size()));
        ASSERT_NE(x509, nullptr) << i;
        char name[256] = {};
        X509_NAME_get_text_by_NID(X509_get_subject_name(x509), NID_commonName, name, sizeof(name));
        EXPECT_TRUE(std::regex_match(name, std::regex(expected[i].name))) << name;
        X509_free(x509);
    }
    // Serial of the leaf: the enclave's part, zeros, the second of issue (hardware's habit).
    const std::string serial = "0190e0c0368d490d"
                               "00000000" +
                               to_hex(encode_u64(kNow / 1000)).substr(2);
    EXPECT_NE(to_hex(attestation.certificate).find("0210" + serial), std::string::npos) << serial;
}

// An independent verifier over the same certificates.
TEST_F(SoftwareNsmTest, openssl_accepts_the_chain) {
    const auto attestation = verified(nsm().attest({}).value(), now_);
    const auto load = [](const Bytes& der) {
        const unsigned char* at = der.data();
        return d2i_X509(nullptr, &at, static_cast<long>(der.size()));
    };
    X509_STORE* store = X509_STORE_new();
    X509* trusted = load(attestation.cabundle[0]);
    X509_STORE_add_cert(store, trusted);
    STACK_OF(X509)* between = sk_X509_new_null();
    for (std::size_t i = 1; i < attestation.cabundle.size(); ++i)
        sk_X509_push(between, load(attestation.cabundle[i]));
    X509* leaf = load(attestation.certificate);
    X509_STORE_CTX* context = X509_STORE_CTX_new();
    X509_STORE_CTX_init(context, store, leaf, between);
    X509_STORE_CTX_set_time(context, 0, now_ / 1000);
    X509_STORE_CTX_set_flags(context, X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE);
    const bool accepted = X509_verify_cert(context) == 1;
    // Hardware's leaf has no key identifiers either, which the strict mode wants; nothing else may be amiss.
    const int error = X509_STORE_CTX_get_error(context);
    EXPECT_TRUE(accepted || error == X509_V_ERR_MISSING_AUTHORITY_KEY_IDENTIFIER ||
                error == X509_V_ERR_MISSING_SUBJECT_KEY_IDENTIFIER)
        << X509_verify_cert_error_string(error);
    X509_STORE_CTX_free(context);
    context = X509_STORE_CTX_new();
    X509_STORE_CTX_init(context, store, leaf, between);
    X509_STORE_CTX_set_time(context, 0, now_ / 1000);
    X509_STORE_CTX_set_flags(context, X509_V_FLAG_CHECK_SS_SIGNATURE);
    EXPECT_EQ(X509_verify_cert(context), 1)
        << X509_verify_cert_error_string(X509_STORE_CTX_get_error(context));
    X509_STORE_CTX_free(context);
    sk_X509_pop_free(between, X509_free);
    X509_free(leaf);
    X509_free(trusted);
    X509_STORE_free(store);
    crypto::forget_openssl_errors();
}

TEST_F(SoftwareNsmTest, threads_share_one_device) {
    auto device = nsm();
    std::atomic<int> good = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&, i] {
            for (int n = 0; n < 10; ++n) {
                const auto document =
                    device.attest({std::nullopt, Bytes(8, static_cast<std::uint8_t>(i)), {}});
                const auto read = document ? verify_attestation(*document, root().certificate_der, kNow)
                                           : Result<Attestation>(fail(Code::Internal, "none"));
                if (read && read->nonce == Bytes(8, static_cast<std::uint8_t>(i)) &&
                    device.extend_pcr(20, {}))
                    ++good;
            }
        });
    }
    for (auto& thread : threads)
        thread.join();
    EXPECT_EQ(good, 40);
    Pcr expected{};
    for (int n = 0; n < 40; ++n)
        expected = crypto::sha384(expected);
    EXPECT_EQ(device.describe_pcr(20)->value, expected);
}

TEST_F(SoftwareNsmTest, a_module_id_is_drawn_in_hardwares_form) {
    std::set<std::string> seen;
    for (int i = 0; i < 3; ++i) {
        auto with = options();
        with.module_id.clear();
        Nsm device(make_software_nsm(root(), std::move(with)).value());
        const std::string id = device.describe()->module_id;
        EXPECT_TRUE(std::regex_match(id, std::regex("i-[0-9a-f]{17}-enc[0-9a-f]{16}"))) << id;
        EXPECT_EQ(verified(device.attest({}).value(), now_).module_id, id);
        EXPECT_EQ(device.describe_pcr(4)->value, pcr_of(as_bytes(id.substr(0, 19))));
        seen.insert(id);
    }
    EXPECT_EQ(seen.size(), 3u);
}

TEST_F(SoftwareNsmTest, options_that_hardware_could_not_have_are_refused) {
    const auto refused = [&](auto change) {
        auto with = options();
        change(with);
        const auto made = make_software_nsm(root(), std::move(with));
        return !made && made.error().code == Code::InvalidField;
    };
    EXPECT_FALSE(refused([](auto&) {}));
    EXPECT_TRUE(refused([](auto& o) { o.module_id = "i-1"; }));
    EXPECT_TRUE(refused([](auto& o) { o.module_id = "i-0123456789abcdef0-enc0190E0c0368d490d"; }));
    EXPECT_TRUE(refused([](auto& o) { o.region = ""; }));
    EXPECT_TRUE(refused([](auto& o) { o.region = "us_east_1"; }));
    EXPECT_TRUE(refused([](auto& o) { o.region = std::string(21, 'a'); }));
    EXPECT_FALSE(refused([](auto& o) { o.region = "ap-southeast-1"; }));
    EXPECT_FALSE(refused([](auto& o) { o.region = std::string(20, 'a'); }));
    EXPECT_TRUE(refused([](auto& o) { o.pcrs[16] = Pcr{}; }));
}

TEST_F(SoftwareNsmTest, a_root_whose_key_is_another_is_refused) {
    const auto other = make_development_root().value();
    DevelopmentRoot mixed{root().certificate_der, other.private_key_der.clone()};
    const auto made = make_software_nsm(mixed, options());
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, Code::Internal);
    EXPECT_EQ(ERR_peek_error(), 0u);
    mixed.private_key_der = Secret::copy_of(as_bytes("no key"));
    EXPECT_FALSE(make_software_nsm(mixed, options()));
    EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST_F(SoftwareNsmTest, without_a_time_there_is_no_document) {
    auto device = nsm();
    now_ = 0;
    EXPECT_EQ(refusal(device.attest({})), "InternalError");
    now_ = kNow;
    EXPECT_TRUE(device.attest({}));
}

} // namespace
} // namespace redoubt::nitro
