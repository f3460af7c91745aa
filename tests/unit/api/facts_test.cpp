// SPDX-License-Identifier: Apache-2.0
#include "api/facts.h"

#include <gtest/gtest.h>

namespace redoubt::api {
namespace {

struct Asked {
    Asked(std::string path, std::string body, std::string_view method = "POST")
        : path_(std::move(path)), body_(std::move(body)) {
        const Request request{method, path_, {}, false, "application/json", body_};
        auto parsed = parse_operation(request, scratch_);
        EXPECT_TRUE(parsed) << path_ << ": " << parsed.error().describe();
        if (parsed)
            operation = std::move(*parsed);
        facts = facts_of(operation);
    }

    Operation operation;
    std::optional<policy::Facts> facts;

  private:
    json::Document scratch_;
    std::string path_, body_;
};

const std::string kKey = "/v1/keys/key-00112233445566778899aabbccddeeff/";

TEST(Facts, TransactionIsTheOneThatIsSigned) {
    const Asked asked(
        kKey + "sign-transaction",
        R"({"transaction":{"chainId":5,"nonce":3,"gas":21000,"maxFeePerGas":2,"maxPriorityFeePerGas":1,
            "to":"0x2c7536E3605D9C16a7a3D7b1898e529396a65c23","value":"7"},"path":"m/44'/60'/0'/0/9"})");
    ASSERT_TRUE(asked.facts);
    EXPECT_EQ(asked.facts->operation, policy::Operation::SignTransaction);
    ASSERT_TRUE(asked.facts->transaction);
    EXPECT_EQ(asked.facts->transaction->chain_id, ethereum::Uint256(5));
    EXPECT_EQ(asked.facts->transaction->value, ethereum::Uint256(7));
    ASSERT_TRUE(asked.facts->path);
    EXPECT_EQ(crypto::hd_path_text(*asked.facts->path), "m/44'/60'/0'/0/9");
    EXPECT_FALSE(asked.facts->typed_data || asked.facts->message);
    EXPECT_EQ(asked.facts->authorization, nullptr);
    EXPECT_EQ(asked.facts->digest, nullptr);
}

TEST(Facts, MessageAndDataAreTheirBytes) {
    const Asked text(kKey + "sign-message", R"({"text":"hi"})");
    ASSERT_TRUE(text.facts && text.facts->message);
    EXPECT_EQ(text.facts->operation, policy::Operation::SignMessage);
    EXPECT_EQ(as_text(*text.facts->message), "hi");
    EXPECT_EQ(text.facts->validator, nullptr);
    EXPECT_EQ(text.facts->path, nullptr);
    const Asked intended(kKey + "sign-message",
                         R"({"hex":"0x00ff","validator":"0x2c7536e3605d9c16a7a3d7b1898e529396a65c23"})");
    ASSERT_TRUE(intended.facts && intended.facts->validator);
    EXPECT_EQ(intended.facts->validator->at(0), 0x2c);
    const Asked data(kKey + "sign-data", R"({"data":"0x6869"})");
    ASSERT_TRUE(data.facts && data.facts->message);
    EXPECT_EQ(data.facts->operation, policy::Operation::SignData);
    EXPECT_EQ(as_text(*data.facts->message), "hi");
}

TEST(Facts, TypedDataIsTheDocumentThatWasDigested) {
    const Asked asked(
        kKey + "sign-typed-data",
        R"({"typed_data":{"types":{"A":[{"name":"x","type":"uint8"}]},"primaryType":"A","domain":{},"message":{"x":7}}})");
    ASSERT_TRUE(asked.facts && asked.facts->typed_data);
    EXPECT_EQ(asked.facts->operation, policy::Operation::SignTypedData);
    const auto again = ethereum::typed_data_digest(*asked.facts->typed_data);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->digest, std::get<SignTypedData>(asked.operation).typed_data.digest);
}

TEST(Facts, AuthorizationDigestRecipientAndPathsAreThere) {
    const Asked authorization(
        kKey + "sign-authorization",
        R"({"authorization":{"chainId":5,"address":"0x2c7536e3605d9c16a7a3d7b1898e529396a65c23","nonce":4}})");
    ASSERT_TRUE(authorization.facts && authorization.facts->authorization);
    EXPECT_EQ(authorization.facts->authorization->nonce, 4U);
    const Asked hash(kKey + "sign-hash", R"({"hash":"0x)" + std::string(64, 'a') + R"("})");
    ASSERT_TRUE(hash.facts && hash.facts->digest);
    EXPECT_EQ(hash.facts->digest->at(31), 0xaa);
    const Asked exported(kKey + "export", R"({"recipient":"cold","nonce":"00"})");
    ASSERT_TRUE(exported.facts);
    EXPECT_EQ(exported.facts->operation, policy::Operation::Export);
    EXPECT_EQ(exported.facts->recipient, "cold");
    const Asked derived(kKey + "derive", R"({"account":"m/44'/60'/0'/0","first":2,"count":3})");
    ASSERT_TRUE(derived.facts);
    EXPECT_EQ(derived.facts->operation, policy::Operation::Derive);
    ASSERT_EQ(derived.facts->derived.size(), 3U);
    EXPECT_EQ(crypto::hd_path_text(derived.facts->derived[2]), "m/44'/60'/0'/0/4");
}

TEST(Facts, ChangesOfAKeyHaveTheirOwnNames) {
    const auto operation = [](const std::string& action, std::string body) {
        const Asked asked(kKey + action, std::move(body));
        EXPECT_TRUE(asked.facts) << action;
        return asked.facts ? asked.facts->operation : policy::Operation::SignHash;
    };
    EXPECT_EQ(operation("update", R"({"label":"x"})"), policy::Operation::Update);
    EXPECT_EQ(operation("enable", ""), policy::Operation::Enable);
    EXPECT_EQ(operation("disable", ""), policy::Operation::Disable);
    EXPECT_EQ(operation("schedule-deletion", R"({"wait_seconds":86400})"),
              policy::Operation::ScheduleDeletion);
    EXPECT_EQ(operation("cancel-deletion", ""), policy::Operation::CancelDeletion);
    EXPECT_EQ(operation("move", R"({"vault_id":"vault-00112233445566778899aabbccddeeff"})"),
              policy::Operation::Move);
}

TEST(Facts, RulesDoNotSpeakOfWhatNamesNoKeyOrOnlyShowsIt) {
    EXPECT_FALSE(Asked("/v1/keys", "{}").facts);
    EXPECT_FALSE(Asked("/v1/keys/key-1", "", "GET").facts);
    EXPECT_FALSE(Asked("/sign_hash", R"({"hash":")" + std::string(64, 'a') + R"(","secret_id":"s"})").facts);
}

TEST(Facts, OnlyOperationsNamedSignGiveSignatures) {
    for (std::size_t i = 0; i < policy::kOperations; ++i) {
        const auto operation = static_cast<policy::Operation>(i);
        EXPECT_EQ(signs(operation), policy::operation_name(operation).starts_with("sign-")) << i;
    }
}

} // namespace
} // namespace redoubt::api
