// SPDX-License-Identifier: Apache-2.0
// What the enclave states: its text, and that it counts only with a fresh document of its purpose.
#include "trust/statement.h"

#include "crypto/hash.h"
#include "nitro/nsm.h"
#include "nitro/software_nsm.h"

#include <gtest/gtest.h>

namespace redoubt::trust {
namespace {

constexpr UnixMs kNow = 1'760'000'000'000;

struct Enclave {
    nitro::DevelopmentRoot root = *nitro::make_development_root();
    nitro::Nsm nsm{*nitro::make_software_nsm(root, options())};

    static nitro::SoftwareNsmOptions options() {
        nitro::SoftwareNsmOptions out;
        out.now = [] { return kNow; };
        for (std::uint16_t i = 0; i < 3; ++i)
            out.pcrs[i].fill(7);
        return out;
    }
    Bytes document(std::string_view purpose, std::string_view statement, const Bytes& nonce) {
        nitro::AttestationRequest request;
        request.user_data = nitro::encode_user_data(purpose, crypto::sha256(as_bytes(statement)));
        request.nonce = nonce;
        return *nsm.attest(request);
    }
    Pins pins() const {
        Pins out;
        out.root_der = root.certificate_der;
        out.nonce = {0x0a, 0x0b};
        return out;
    }
};

SessionOffer offer() {
    SessionOffer out;
    out.public_key = "0x" + std::string(64, '1');
    out.challenge = "0011223344556677-" + std::string(32, '2') + "-0000019abcdef012-" + std::string(32, '3');
    out.nonce = "0a0b";
    return out;
}

TEST(SessionOffers, have_one_text_and_come_back_from_it) {
    const std::string text = encode_statement(offer());
    EXPECT_EQ(text, R"({"challenge":")" + offer().challenge + R"(","nonce":"0a0b","public_key":"0x)" +
                        std::string(64, '1') + R"(","redoubt_session_offer":1})");
    const auto back = parse_session_offer(text);
    ASSERT_TRUE(back) << back.error().describe();
    EXPECT_EQ(back->public_key, offer().public_key);
    EXPECT_EQ(back->challenge, offer().challenge);
    EXPECT_EQ(back->nonce, offer().nonce);
    for (const std::string& bad :
         {std::string("{}"), std::string("[]"), std::string(), text.substr(0, text.size() - 1), text + "x",
          R"({"nonce":"0a0b","public_key":"0x11","redoubt_session_offer":1})" + std::string(),
          R"({"challenge":"c","public_key":"0x11","redoubt_session_offer":1})" + std::string(),
          R"({"challenge":"c","nonce":"0a","redoubt_session_offer":1})" + std::string(),
          R"({"challenge":"c","nonce":"0a","public_key":"0x11"})" + std::string(),
          R"({"challenge":"c","nonce":"0a","public_key":"0x11","redoubt_session_offer":2})" + std::string(),
          R"({"challenge":1,"nonce":"0a","public_key":"0x11","redoubt_session_offer":1})" + std::string(),
          R"({"challenge":"c","nonce":"0a","public_key":"0x11","redoubt_session_offer":1,"x":1})" +
              std::string()}) {
        const auto parsed = parse_session_offer(bad);
        ASSERT_FALSE(parsed) << bad;
        EXPECT_EQ(parsed.error().code, Code::AttestationInvalid) << bad;
    }
}

TEST(SessionOffers, count_with_a_fresh_document_of_their_own_purpose_alone) {
    Enclave enclave;
    const std::string text = encode_statement(offer());
    const Bytes document = enclave.document(kPurposeSession, text, {0x0a, 0x0b});
    const auto verified = verify_session_offer(text, document, enclave.pins(), kNow);
    ASSERT_TRUE(verified) << verified.error().describe();
    EXPECT_EQ(verified->public_key, offer().public_key);
    auto other = offer();
    other.public_key[5] = '2';
    EXPECT_FALSE(verify_session_offer(encode_statement(other), document, enclave.pins(), kNow))
        << "a host's key in the place of the enclave's";
    other = offer();
    other.challenge[0] = 'f';
    EXPECT_FALSE(verify_session_offer(encode_statement(other), document, enclave.pins(), kNow));
    // A nonce that is not the one sent, in the document or in the statement.
    auto pins = enclave.pins();
    pins.nonce = {0x0a, 0x0c};
    EXPECT_FALSE(verify_session_offer(text, document, pins, kNow));
    other = offer();
    other.nonce = "0a0c";
    const std::string stale = encode_statement(other);
    EXPECT_FALSE(verify_session_offer(stale, enclave.document(kPurposeSession, stale, {0x0a, 0x0b}),
                                      enclave.pins(), kNow));
    for (const std::string_view purpose : {kPurposeImport, kPurposeKey, kPurposeKms, kPurposeClock})
        EXPECT_FALSE(
            verify_session_offer(text, enclave.document(purpose, text, {0x0a, 0x0b}), enclave.pins(), kNow))
            << purpose;
    const Enclave stranger;
    EXPECT_FALSE(verify_session_offer(text, document, stranger.pins(), kNow));
    pins = enclave.pins();
    pins.pcr0 = Bytes(48, 8);
    EXPECT_FALSE(verify_session_offer(text, document, pins, kNow));
}

KeyStatement statement() {
    KeyStatement out;
    out.key_id = "key-00112233445566778899aabbccddeeff";
    out.address = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23";
    out.public_key = "0x" + std::string(128, '4');
    out.algorithm = "secp256k1";
    out.vault_id = "vault-00112233445566778899aabbccddeeff";
    out.vault_commitment = std::string(64, '5');
    out.policy_digest = std::string(64, '6');
    out.epoch = 3;
    out.state = "enabled";
    out.revision = 2;
    out.nonce = "0a0b";
    return out;
}

TEST(KeyStatements, name_a_policy_that_waits_and_from_when_on_or_neither) {
    const std::string without = encode_statement(statement());
    EXPECT_EQ(without.find("pending"), std::string::npos);
    EXPECT_EQ(parse_statement(without)->pending_policy, "");
    EXPECT_EQ(parse_statement(without)->pending_from, 0u);
    auto waiting = statement();
    waiting.pending_policy = std::string(64, '7');
    waiting.pending_from = 1'760'000'360'000;
    const std::string text = encode_statement(waiting);
    const std::string members =
        R"("pending_from":1760000360000,"pending_policy":")" + waiting.pending_policy + R"(",)";
    ASSERT_NE(text.find(members), std::string::npos) << text;
    const auto back = parse_statement(text);
    ASSERT_TRUE(back) << back.error().describe();
    EXPECT_EQ(back->pending_policy, waiting.pending_policy);
    EXPECT_EQ(back->pending_from, waiting.pending_from);
    EXPECT_EQ(back->policy_digest, waiting.policy_digest);
    std::string removed = text;
    removed.erase(removed.find(members), members.size());
    EXPECT_EQ(removed, without) << "nothing else is another";
    for (const std::string half :
         {R"("pending_from":1760000360000,)",
          R"("pending_policy":"7777777777777777777777777777777777777777777777777777777777777777",)",
          R"("pending_from":"1","pending_policy":"77",)", R"("pending_from":-1,"pending_policy":"77",)",
          R"("pending_from":1,"pending_policy":"",)", R"("pending_from":1,"pending_policy":1,)"}) {
        std::string bad = without;
        bad.insert(bad.find("\"policy_digest\""), half);
        const auto parsed = parse_statement(bad);
        ASSERT_FALSE(parsed) << half;
        EXPECT_EQ(parsed.error().code, Code::AttestationInvalid);
    }
    // It is signed with the rest: a host that hides it has no document for what is left.
    Enclave enclave;
    const Bytes document = enclave.document(kPurposeKey, text, {0x0a, 0x0b});
    ASSERT_TRUE(verify_key_statement(text, document, enclave.pins(), kNow));
    EXPECT_FALSE(verify_key_statement(without, document, enclave.pins(), kNow));
}

} // namespace
} // namespace redoubt::trust
