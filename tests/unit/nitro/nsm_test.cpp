// SPDX-License-Identifier: Apache-2.0
// The typed commands over a transport that answers as the test says.
#include "nitro/nsm.h"

#include <algorithm>
#include <gtest/gtest.h>

namespace redoubt::nitro {
namespace {

Bytes hex(std::string_view text) {
    return from_hex(text).value();
}

struct Script {
    Bytes request;
    Result<Bytes> response = Bytes{};
    int calls = 0;
};

class ScriptedTransport final : public NsmTransport {
  public:
    explicit ScriptedTransport(Script& script) : script_(script) {}
    Result<Bytes> exchange(ByteView request) override {
        ++script_.calls;
        script_.request = to_bytes(request);
        return script_.response;
    }

  private:
    Script& script_;
};

class NsmTest : public ::testing::Test {
  protected:
    Script script_;
    Nsm nsm_{std::make_unique<ScriptedTransport>(script_)};

    Nsm& answering(Bytes response) {
        script_.response = std::move(response);
        return nsm_;
    }
    Nsm& answering(std::string_view hex_text) { return answering(hex(hex_text)); }

    template<class R>
    static std::string code(const R& result) {
        return result ? "fine" : std::string(code_name(result.error().code));
    }
};

std::string text(std::string_view value) {
    EXPECT_LT(value.size(), 24u);
    const std::uint8_t head = static_cast<std::uint8_t>(0x60 + value.size());
    return to_hex(ByteView(&head, 1)) + to_hex(as_bytes(value));
}

const std::string kVersions =
    text("version_major") + "01" + text("version_minor") + "02" + text("version_patch") + "1903e8";
const std::string kRest = text("module_id") + text("i-1") + text("max_pcrs") + "1820" + text("locked_pcrs") +
                          "83000110" + text("digest") + text("SHA384");

TEST_F(NsmTest, requests_are_the_bytes_of_the_nsm_api) {
    (void)nsm_.describe();
    EXPECT_EQ(to_hex(script_.request), "6b44657363726962654e534d");
    (void)nsm_.random();
    EXPECT_EQ(to_hex(script_.request), "6947657452616e646f6d");
    (void)nsm_.describe_pcr(16);
    EXPECT_EQ(to_hex(script_.request), "a16b4465736372696265504352a165696e64657810");
    (void)nsm_.extend_pcr(31, hex("0102"));
    EXPECT_EQ(to_hex(script_.request), "a169457874656e64504352a265696e646578181f6464617461420102");
    (void)nsm_.lock_pcr(16);
    EXPECT_EQ(to_hex(script_.request), "a1674c6f636b504352a165696e64657810");
    (void)nsm_.lock_pcrs(17);
    EXPECT_EQ(to_hex(script_.request), "a1684c6f636b50435273a16572616e676511");
    (void)nsm_.attest({});
    EXPECT_EQ(to_hex(script_.request),
              "a16b4174746573746174696f6ea369757365725f64617461f6656e6f6e6365f66a7075626c69635f6b6579f6");
    (void)nsm_.attest({hex("aa"), Bytes{}, hex("bbcc")});
    EXPECT_EQ(
        to_hex(script_.request),
        "a16b4174746573746174696f6ea369757365725f6461746141aa656e6f6e6365406a7075626c69635f6b657942bbcc");
}

TEST_F(NsmTest, a_description_is_read_in_either_order_of_its_members) {
    for (const std::string& members : {kVersions + kRest, kRest + kVersions}) {
        const auto description = answering("a1" + text("DescribeNSM") + "a7" + members).describe();
        ASSERT_TRUE(description) << description.error().describe();
        EXPECT_EQ(description->version_major, 1);
        EXPECT_EQ(description->version_minor, 2);
        EXPECT_EQ(description->version_patch, 1000);
        EXPECT_EQ(description->module_id, "i-1");
        EXPECT_EQ(description->max_pcrs, 32);
        EXPECT_EQ(description->locked_pcrs, (std::vector<std::uint16_t>{0, 1, 16}));
    }
}

TEST_F(NsmTest, a_description_that_is_not_exactly_one_is_refused) {
    const std::string head = "a1" + text("DescribeNSM");
    const auto refused = [&](const std::string& response) {
        return code(answering(response).describe()) == "nsm_failed";
    };
    const auto changed = [&](std::string_view from, const std::string& to) {
        std::string out = head + "a7" + kVersions + kRest;
        const auto at = out.find(from);
        EXPECT_NE(at, std::string::npos) << from;
        return out.replace(at, from.size(), to);
    };
    EXPECT_TRUE(refused(head + "a8" + kVersions + kRest + text("more") + "00"));
    EXPECT_TRUE(refused(head + "a3" + kVersions));
    EXPECT_TRUE(refused(head + "a7" + kVersions + kRest + "00"));
    EXPECT_TRUE(refused("a2" + text("DescribeNSM") + "a7" + kVersions + kRest + text("x") + "00"));
    EXPECT_TRUE(refused("a1" + text("DescribePCR") + "a7" + kVersions + kRest));
    EXPECT_FALSE(refused("bf" + text("DescribeNSM") + "a7" + kVersions + kRest + "ff"));
    EXPECT_FALSE(refused(head + "bf" + kVersions + kRest + "ff"));
    EXPECT_FALSE(refused("bf" + text("DescribeNSM") + "bf" + kVersions + kRest + "ffff"));
    EXPECT_TRUE(refused("bf" + text("DescribeNSM") + "bf" + kVersions + kRest + "ff"));
    EXPECT_TRUE(refused("bf" + text("DescribeNSM") + "bf" + kVersions + kRest + "ffffff"));
    EXPECT_TRUE(refused(head + "bf" + kVersions + kRest)); // no break
    EXPECT_TRUE(refused("bf" + text("DescribeNSM") + "a7" + kVersions + kRest + text("x") + "00ff"));
    EXPECT_TRUE(refused(head + "bf" + kVersions + "ff"));
    EXPECT_TRUE(refused(head + "bf" + kVersions + kRest + text("more") + "00ff"));
    EXPECT_TRUE(refused(text("DescribeNSM")));
    EXPECT_TRUE(refused(changed(text("SHA384"), text("SHA256"))));
    EXPECT_TRUE(refused(changed("83000110", "83000100")));   // a register twice
    EXPECT_TRUE(refused(changed("83000110", "8300011820"))); // there is no PCR32
    EXPECT_TRUE(refused(changed("1820" + text("locked_pcrs"), "10" + text("locked_pcrs"))));
    EXPECT_TRUE(refused(changed("1903e8", "1a00010000"))); // no u16
    EXPECT_TRUE(refused(changed(text("i-1"), "60")));
    EXPECT_FALSE(refused(changed("83000110", "80")));
}

TEST_F(NsmTest, a_register_is_read_in_either_order_and_only_with_48_bytes) {
    const std::string value = "5830" + std::string(96, 'a');
    const std::string head = "a1" + text("DescribePCR") + "a2";
    const auto locked = answering(head + text("lock") + "f5" + text("data") + value).describe_pcr(0);
    ASSERT_TRUE(locked);
    EXPECT_TRUE(locked->locked);
    EXPECT_EQ(to_hex(locked->value), std::string(96, 'a'));
    const auto free = answering(head + text("data") + value + text("lock") + "f4").describe_pcr(0);
    ASSERT_TRUE(free);
    EXPECT_FALSE(free->locked);
    for (const std::string& members :
         {text("lock") + "f5" + text("data") + "582f" + std::string(94, 'a'),
          text("lock") + "f5" + text("data") + "5831" + std::string(98, 'a'),
          text("lock") + "f5" + text("data") + "40", text("lock") + "01" + text("data") + value,
          text("lock") + "f6" + text("data") + value, text("lock") + "f5" + text("lock") + "f5"})
        EXPECT_EQ(code(answering(head + members).describe_pcr(0)), "nsm_failed") << members;
}

TEST_F(NsmTest, commands_without_a_result_want_their_own_name_back) {
    EXPECT_TRUE(answering(text("LockPCR")).lock_pcr(16));
    EXPECT_TRUE(answering(text("LockPCRs")).lock_pcrs(16));
    EXPECT_EQ(code(answering(text("LockPCRs")).lock_pcr(16)), "nsm_failed");
    EXPECT_EQ(code(answering(text("LockPCR") + "00").lock_pcr(16)), "nsm_failed");
    EXPECT_EQ(code(answering("a1" + text("LockPCR") + "a0").lock_pcr(16)), "nsm_failed");
    EXPECT_EQ(code(answering("a1"
                             "60"
                             "a0")
                       .lock_pcr(16)),
              "nsm_failed");
    EXPECT_EQ(code(answering("f6").lock_pcr(16)), "nsm_failed");
}

TEST_F(NsmTest, an_extension_returns_the_new_value) {
    const std::string value = "5830" + std::string(96, '7');
    const auto extended =
        answering("a1" + text("ExtendPCR") + "a1" + text("data") + value).extend_pcr(16, {});
    ASSERT_TRUE(extended);
    EXPECT_EQ(to_hex(*extended), std::string(96, '7'));
}

TEST_F(NsmTest, randomness_must_not_be_empty) {
    auto random = answering("a1" + text("GetRandom") + "a1" + text("random") + "43010203").random();
    ASSERT_TRUE(random);
    EXPECT_EQ(to_hex(random->view(SecretAccess("compare it in a test"))), "010203");
    EXPECT_EQ(code(answering("a1" + text("GetRandom") + "a1" + text("random") + "40").random()),
              "nsm_failed");
    EXPECT_EQ(code(answering("a1" + text("GetRandom") + "a1" + text("random") + "6161").random()),
              "nsm_failed");
}

TEST_F(NsmTest, the_nsms_own_errors_are_named) {
    for (const char* name : {"InvalidArgument", "InvalidIndex", "InvalidResponse", "ReadOnlyIndex",
                             "InvalidOperation", "BufferTooSmall", "InputTooLarge", "InternalError"}) {
        const auto status = answering("a1" + text("Error") + text(name)).lock_pcr(16);
        ASSERT_FALSE(status);
        EXPECT_EQ(status.error().code, Code::NsmFailed);
        EXPECT_NE(status.error().text.view().find(name), std::string_view::npos) << name;
        const auto document = nsm_.attest({});
        ASSERT_FALSE(document);
        EXPECT_EQ(document.error().text.view(), status.error().text.view());
    }
    // What it says beyond its list never gets into a text.
    const auto status = answering("a1" + text("Error") + text("Sesame")).lock_pcr(16);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().describe().find("Sesame"), std::string::npos);
    EXPECT_EQ(code(answering("a1" + text("Error") + text("InvalidIndex") + "00").lock_pcr(16)), "nsm_failed");
    EXPECT_EQ(code(answering("a1" + text("Error") + "01").describe()), "nsm_failed");
    const auto indefinite = answering("bf" + text("Error") + text("InvalidIndex") + "ff").lock_pcr(16);
    ASSERT_FALSE(indefinite);
    EXPECT_NE(indefinite.error().text.view().find("InvalidIndex"), std::string_view::npos);
}

TEST_F(NsmTest, a_document_must_not_be_empty) {
    const std::string head = "a1" + text("Attestation") + "a1" + text("document");
    const auto document = answering(head + "43010203").attest({});
    ASSERT_TRUE(document);
    EXPECT_EQ(to_hex(*document), "010203");
    EXPECT_EQ(code(answering(head + "40").attest({})), "nsm_failed");
    EXPECT_EQ(code(answering(head + "f6").attest({})), "nsm_failed");
    EXPECT_EQ(code(answering(head + "591000" + "00").attest({})), "nsm_failed"); // its length lies
}

TEST_F(NsmTest, every_prefix_and_every_longer_reply_is_refused) {
    const Bytes whole = hex("a1" + text("ExtendPCR") + "a1" + text("data") + "5830" + std::string(96, '7'));
    ASSERT_TRUE(answering(whole).extend_pcr(16, {}));
    for (std::size_t size = 0; size < whole.size(); ++size)
        EXPECT_EQ(code(answering(to_bytes(ByteView(whole).first(size))).extend_pcr(16, {})), "nsm_failed");
    Bytes longer = whole;
    longer.push_back(0);
    EXPECT_EQ(code(answering(longer).extend_pcr(16, {})), "nsm_failed");
}

TEST_F(NsmTest, what_is_too_large_never_reaches_the_device) {
    const auto attest = [&](std::size_t user_data, std::size_t nonce, std::size_t public_key) {
        script_.calls = 0;
        const auto result = nsm_.attest({Bytes(user_data), Bytes(nonce), Bytes(public_key)});
        EXPECT_EQ(code(result), "nsm_failed"); // the script answers nothing
        return script_.calls;
    };
    EXPECT_EQ(attest(512, 512, 1024), 1);
    EXPECT_EQ(attest(513, 512, 1024), 0);
    EXPECT_EQ(attest(512, 513, 1024), 0);
    EXPECT_EQ(attest(512, 512, 1025), 0);
    // 26 bytes around the data.
    script_.calls = 0;
    EXPECT_FALSE(nsm_.extend_pcr(16, Bytes(5000)));
    EXPECT_FALSE(nsm_.extend_pcr(16, Bytes(4096)));
    EXPECT_EQ(script_.calls, 0);
    EXPECT_FALSE(nsm_.extend_pcr(16, Bytes(4000)));
    EXPECT_EQ(script_.calls, 1);
    EXPECT_LE(script_.request.size(), kNsmMaxRequest);
}

TEST_F(NsmTest, a_reply_over_12288_bytes_is_refused) {
    Bytes reply = hex("a1" + text("Attestation") + "a1" + text("document") + "593100");
    reply.resize(reply.size() + 0x3100);
    EXPECT_EQ(code(answering(reply).attest({})), "nsm_failed");
}

TEST_F(NsmTest, the_transports_failure_is_passed_on) {
    script_.response = fail(Code::NsmFailed, "no device");
    const auto result = nsm_.describe();
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().text.view(), "no device");
}

TEST(NsmDevice, a_device_that_is_not_there_or_is_not_an_nsm_is_told) {
    const auto absent = open_nsm_device("/nonexistent/nsm");
    ASSERT_FALSE(absent);
    EXPECT_EQ(absent.error().code, Code::NsmFailed);
    auto other = open_nsm_device("/dev/null");
    ASSERT_TRUE(other);
    const auto reply = (*other)->exchange(hex("00"));
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code, Code::NsmFailed);
    EXPECT_FALSE((*other)->exchange({}));
    EXPECT_FALSE((*other)->exchange(Bytes(4097)));
}

TEST(PcrOf, is_one_extension_of_a_fresh_register) {
    // (head -c 48 /dev/zero; printf abc) | sha384sum
    EXPECT_EQ(
        to_hex(pcr_of(as_bytes("abc"))),
        "b1c16eb7634112b7c9d5ebd27e62a2d4528bbfcfd68b62d3afd9ecf98e0f413a84314acce78317fb69fd895155343e09");
}

} // namespace
} // namespace redoubt::nitro
