// SPDX-License-Identifier: Apache-2.0
#include "api/operation.h"

#include <gtest/gtest.h>

namespace redoubt::api {
namespace {

struct Parsed {
    json::Document scratch;
    Result<Operation> operation = fail(Code::Internal, "not parsed");
};

void parse(Parsed& out, std::string_view method, std::string_view path, std::string_view body = {},
           std::string_view content_type = "application/json",
           std::optional<std::string_view> query = std::nullopt) {
    out.operation = parse_operation(
        Request{method, path, query.value_or(""), query.has_value(), content_type, body}, out.scratch);
}

Code refusal(std::string_view method, std::string_view path, std::string_view body = {},
             std::string_view content_type = "application/json",
             std::optional<std::string_view> query = std::nullopt) {
    Parsed out;
    parse(out, method, path, body, content_type, query);
    EXPECT_FALSE(out.operation) << method << " " << path << " " << body;
    if (out.operation)
        return Code::Internal;
    EXPECT_EQ(out.operation.error().context, ""); // a code and a fixed text, for it leaves the enclave
    return out.operation.error().code;
}

constexpr std::string_view kTransaction =
    R"({"transaction":{"type":"0x2","chainId":1,"nonce":0,"gas":21000,"maxFeePerGas":2,"maxPriorityFeePerGas":1,"to":"0x2c7536E3605D9C16a7a3D7b1898e529396a65c23","value":"1"}})";

TEST(Operation, routes_lead_to_typed_operations) {
    Parsed out;
    parse(out, "POST", "/v1/keys");
    EXPECT_TRUE(out.operation && std::holds_alternative<CreateKey>(*out.operation));
    parse(out, "POST", "/v1/keys", R"({"exportable":true,"nonce":"0x0aff"})");
    ASSERT_TRUE(out.operation);
    EXPECT_TRUE(std::get<CreateKey>(*out.operation).key.exportable);
    EXPECT_EQ(std::get<CreateKey>(*out.operation).key.nonce, (Bytes{0x0a, 0xff}));
    parse(out, "GET", "/v1/keys/key-1");
    ASSERT_TRUE(out.operation);
    EXPECT_EQ(std::get<DescribeKey>(*out.operation).key_id, "key-1");
    EXPECT_FALSE(std::get<DescribeKey>(*out.operation).nonce);
    parse(out, "GET", "/v1/keys/key-1", "", "", "nonce=00");
    ASSERT_TRUE(out.operation);
    EXPECT_EQ(std::get<DescribeKey>(*out.operation).nonce, Bytes{0});
    parse(out, "POST", "/v1/keys/key-1/sign-transaction", kTransaction);
    ASSERT_TRUE(out.operation) << out.operation.error().describe();
    EXPECT_EQ(std::get<SignTransaction>(*out.operation).signer.key_id, "key-1");
    parse(out, "GET", "/v1/attestation", "", "", "nonce=00ff");
    ASSERT_TRUE(out.operation);
    EXPECT_EQ(std::get<Attest>(*out.operation).nonce, (Bytes{0, 0xff}));
    parse(out, "POST", "/sign_hash", R"({"hash":")" + std::string(64, 'a') + R"(","secret_id":"s"})", "");
    ASSERT_TRUE(out.operation);
    EXPECT_EQ(std::get<ReferenceSignHash>(*out.operation).hash[31], 0xaa);
    parse(out, "POST", "/generate_key", R"({"key_id":"k"})");
    ASSERT_TRUE(out.operation);
    for (const auto path : {"/", "/sign_transaction", "/any/other"}) {
        parse(out, "POST", path,
              R"({"transaction_payload":{"value":1,"nonce":0,"gas":21000,"gasPrice":1},"secret_id":"s"})",
              "");
        ASSERT_TRUE(out.operation) << out.operation.error().describe();
        EXPECT_EQ(std::get<ReferenceSignTransaction>(*out.operation).secret_id, "s");
    }
}

TEST(Operation, each_kind_of_signature_has_a_route_of_its_own) {
    Parsed out;
    parse(out, "POST", "/v1/keys/k/sign-message", R"({"text":"0x41"})");
    ASSERT_TRUE(out.operation);
    EXPECT_EQ(std::get<SignMessage>(*out.operation).message, to_bytes("0x41")) << "text is text";
    parse(out, "POST", "/v1/keys/k/sign-message",
          R"({"hex":"0x41","validator":"0x2c7536E3605D9C16a7a3D7b1898e529396a65c23","path":"m/0'/1"})");
    ASSERT_TRUE(out.operation) << out.operation.error().describe();
    EXPECT_EQ(std::get<SignMessage>(*out.operation).message, to_bytes("A"));
    EXPECT_TRUE(std::get<SignMessage>(*out.operation).validator);
    EXPECT_EQ(std::get<SignMessage>(*out.operation).signer.path, (crypto::HdPath{crypto::kHardened, 1}));
    EXPECT_EQ(refusal("POST", "/v1/keys/k/sign-message", R"({"text":"a","hex":"0x41"})"),
              Code::AmbiguousField);
    EXPECT_EQ(refusal("POST", "/v1/keys/k/sign-message", R"({"hex":"41"})"), Code::InvalidField);
    EXPECT_EQ(refusal("POST", "/v1/keys/k/sign-message", R"({"text":5})"), Code::InvalidField);
    EXPECT_EQ(refusal("POST", "/v1/keys/k/sign-message", "{}"), Code::MissingField);
    EXPECT_EQ(refusal("POST", "/v1/keys/k/sign-message", R"({"text":"a","path":"m/01"})"),
              Code::InvalidField);

    constexpr std::string_view kAuthorization =
        R"({"authorization":{"chainId":0,"address":"0x2c7536E3605D9C16a7a3D7b1898e529396a65c23","nonce":1})";
    EXPECT_EQ(refusal("POST", "/v1/keys/k/sign-authorization", std::string(kAuthorization) + "}"),
              Code::InvalidField)
        << "chain id 0 has to be meant";
    parse(out, "POST", "/v1/keys/k/sign-authorization",
          std::string(kAuthorization) + R"(,"any_chain":true})");
    ASSERT_TRUE(out.operation) << out.operation.error().describe();
    EXPECT_EQ(std::get<SignAuthorization>(*out.operation).authorization.nonce, 1u);

    parse(out, "POST", "/v1/keys/k/sign-hash", R"({"hash":"0x)" + std::string(64, 'a') + R"("})");
    ASSERT_TRUE(out.operation);
    EXPECT_EQ(std::get<SignHash>(*out.operation).hash[0], 0xaa);
    EXPECT_EQ(refusal("POST", "/v1/keys/k/sign-hash", R"({"hash":"0xaa"})"), Code::InvalidField);
    parse(out, "POST", "/v1/keys/k/sign-data", R"({"data":"0x05"})");
    ASSERT_TRUE(out.operation);
    parse(
        out, "POST", "/v1/keys/k/sign-typed-data",
        R"({"typed_data":{"types":{"A":[{"name":"x","type":"bool"}]},"primaryType":"A","domain":{},"message":{"x":true}}})");
    ASSERT_TRUE(out.operation) << out.operation.error().describe();
    EXPECT_EQ(std::get<SignTypedData>(*out.operation).typed_data.primary_type, "A");
    EXPECT_EQ(refusal("POST", "/v1/keys/k/sign-everything", "{}"), Code::NotFound);
}

TEST(Operation, a_transaction_may_be_the_unsigned_bytes_and_bring_an_abi) {
    // EIP-155's own example, unsigned.
    constexpr std::string_view kUnsigned =
        "0xec098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764000080018080";
    Parsed out;
    parse(out, "POST", "/v1/keys/k/sign-transaction",
          R"({"transaction":")" + std::string(kUnsigned) + R"("})");
    ASSERT_TRUE(out.operation) << out.operation.error().describe();
    EXPECT_EQ(std::get<SignTransaction>(*out.operation).transaction.transaction.nonce, 9u);
    EXPECT_EQ(refusal("POST", "/v1/keys/k/sign-transaction", R"({"transaction":"0xec"})"),
              Code::BadTransaction);
    EXPECT_EQ(refusal("POST", "/v1/keys/k/sign-transaction", R"({"transaction":"ec"})"), Code::InvalidField);
    std::string with_function(kTransaction);
    with_function.insert(1, R"j("function":"transfer(address,uint256)",)j");
    parse(out, "POST", "/v1/keys/k/sign-transaction", with_function);
    ASSERT_TRUE(out.operation) << out.operation.error().describe();
    ASSERT_EQ(std::get<SignTransaction>(*out.operation).functions.size(), 1u);
    with_function.insert(1, R"("abi":[],)");
    EXPECT_EQ(refusal("POST", "/v1/keys/k/sign-transaction", with_function), Code::AmbiguousField);
}

TEST(Operation, what_changes_a_key_is_read_strictly) {
    Parsed out;
    const auto change = [&](const char* action, std::string_view body) {
        parse(out, "POST", std::string("/v1/keys/k/") + action, body);
        return out.operation ? std::get<ChangeKey>(*out.operation).what : static_cast<ChangeKey::What>(-1);
    };
    EXPECT_EQ(change("disable", ""), ChangeKey::What::Disable);
    EXPECT_EQ(change("enable", R"({"revision":3})"), ChangeKey::What::Enable);
    EXPECT_EQ(change("schedule-deletion", R"({"wait_seconds":7})"), ChangeKey::What::ScheduleDeletion);
    EXPECT_EQ(change("cancel-deletion", ""), ChangeKey::What::CancelDeletion);
    EXPECT_EQ(change("update", R"({"label":"","tags":{"b":"2","a":"1"}})"), ChangeKey::What::Describe);
    EXPECT_EQ(std::get<ChangeKey>(*out.operation).tags, (std::vector<sealed::Tag>{{"a", "1"}, {"b", "2"}}));
    EXPECT_EQ(refusal("POST", "/v1/keys/k/update"), Code::MissingField);
    EXPECT_EQ(refusal("POST", "/v1/keys/k/disable", R"({"label":"x"})"), Code::UnknownField);
    EXPECT_EQ(refusal("POST", "/v1/keys/k/disable", R"({"revision":4294967296})"), Code::InvalidField);
    EXPECT_EQ(refusal("POST", "/v1/keys/k/move", "{}"), Code::MissingField);
    EXPECT_EQ(refusal("POST", "/v1/keys/k/move"), Code::MissingField);
    EXPECT_EQ(refusal("POST", "/v1/keys/k/move", R"({"vault_id":"vault-1"})"), Code::InvalidField);
    EXPECT_EQ(refusal("POST", "/v1/keys/k/export", R"({"recipient":"a"})"), Code::MissingField);
    EXPECT_EQ(refusal("POST", "/v1/keys/k/delete"), Code::NotFound);
    EXPECT_EQ(refusal("GET", "/v1/keys/k/disable"), Code::MethodNotAllowed);
    EXPECT_EQ(refusal("POST", "/v1/vaults", "{}"), Code::MissingField);
    EXPECT_EQ(refusal("POST", "/v1/vaults", R"({"client_token":"a","epoch":-1})"), Code::InvalidField);
    EXPECT_EQ(refusal("POST", "/v1/keys", R"({"policy":{"redoubt_policy":1,"rules":[]}})"),
              Code::InvalidField);
    EXPECT_EQ(refusal("POST", "/v1/keys", R"({"authorization":{}})"), Code::Unauthorized);
    EXPECT_EQ(refusal("POST", "/v1/keys", R"({"vault_id":"vault-1"})"), Code::InvalidField);
}

TEST(Operation, imports_are_read_strictly) {
    Parsed out;
    parse(out, "GET", "/v1/import", "", "", "nonce=00ff");
    ASSERT_TRUE(out.operation);
    EXPECT_EQ(std::get<OfferImport>(*out.operation).nonce, (Bytes{0, 0xff}));
    EXPECT_EQ(refusal("GET", "/v1/import"), Code::MissingField);
    const std::string key =
        R"("vault_id":"vault-00112233445566778899aabbccddeeff","client_token":"t","encapsulated_key":"0x)" +
        std::string(64, '1') + "\"";
    parse(out, "POST", "/v1/keys/import", "{" + key + R"(,"ciphertext":"0x00","hd":true})");
    ASSERT_TRUE(out.operation) << out.operation.error().describe();
    EXPECT_TRUE(std::get<ImportKey>(*out.operation).key.hd);
    EXPECT_EQ(refusal("POST", "/v1/keys/import", "{" + key + "}"), Code::MissingField);
    EXPECT_EQ(refusal("POST", "/v1/keys/import",
                      "{" + key + R"(,"ciphertext":"0x)" + std::string(162, '0') + "\"}"),
              Code::InvalidField);
    EXPECT_EQ(
        refusal(
            "POST", "/v1/keys/import",
            R"({"vault_id":"vault-00112233445566778899aabbccddeeff","client_token":"t","encapsulated_key":"0x11","ciphertext":"0x00"})"),
        Code::InvalidField);
    EXPECT_EQ(refusal("POST", "/v1/keys/import", "{" + key + R"(,"ciphertext":"0x00","name":"x"})"),
              Code::UnknownField);
    EXPECT_EQ(refusal("GET", "/v1/keys/import"), Code::MethodNotAllowed);
}

TEST(Operation, addresses_are_derived_one_or_a_range) {
    Parsed out;
    parse(out, "POST", "/v1/keys/k/derive", R"({"path":"m/44'/60'/0'/0/7","nonce":"00"})");
    ASSERT_TRUE(out.operation) << out.operation.error().describe();
    ASSERT_EQ(std::get<DeriveAddresses>(*out.operation).paths.size(), 1u);
    parse(out, "POST", "/v1/keys/k/derive", R"({"account":"m/44'/60'/0'/0","first":5,"count":1000})");
    ASSERT_TRUE(out.operation);
    const auto& paths = std::get<DeriveAddresses>(*out.operation).paths;
    ASSERT_EQ(paths.size(), 1000u);
    EXPECT_EQ(crypto::hd_path_text(paths.back()), "m/44'/60'/0'/0/1004");
    for (const std::string_view body :
         {R"({"account":"m","count":1001})", R"({"account":"m","count":0})",
          R"({"account":"m","first":2147483648})", R"({"account":"m","first":2147483647,"count":2})",
          R"({"account":"m","count":"1"})", R"({"account":"44'"})", R"({"path":7})"})
        EXPECT_EQ(refusal("POST", "/v1/keys/k/derive", body), Code::InvalidField) << body;
    EXPECT_EQ(refusal("POST", "/v1/keys/k/derive", "{}"), Code::MissingField);
    EXPECT_EQ(refusal("POST", "/v1/keys/k/derive", R"({"path":"m","account":"m"})"), Code::MissingField);
    EXPECT_EQ(refusal("POST", "/v1/keys/k/derive", R"({"path":"m","count":2})"), Code::AmbiguousField);
}

TEST(Operation, challenges_and_offers_of_sessions_are_looked_at_with_get) {
    Parsed out;
    parse(out, "GET", "/v1/challenge", "", "");
    EXPECT_TRUE(out.operation && std::holds_alternative<GiveChallenge>(*out.operation));
    EXPECT_EQ(refusal("POST", "/v1/challenge", "{}"), Code::MethodNotAllowed);
    EXPECT_EQ(refusal("GET", "/v1/challenge", "", "", "nonce=00"), Code::UnknownField);
    EXPECT_EQ(refusal("GET", "/v1/challenge", "{}"), Code::BadRequest);
    EXPECT_EQ(refusal("GET", "/v1/challenge/x"), Code::NotFound);
    parse(out, "GET", "/v1/keys/key-1/session", "", "", "nonce=0aff");
    ASSERT_TRUE(out.operation) << out.operation.error().describe();
    EXPECT_EQ(std::get<OfferSession>(*out.operation).key_id, "key-1");
    EXPECT_EQ(std::get<OfferSession>(*out.operation).nonce, (Bytes{0x0a, 0xff}));
    EXPECT_EQ(refusal("GET", "/v1/keys/k/session", "", ""), Code::MissingField);
    EXPECT_EQ(refusal("GET", "/v1/keys/k/session", "", "", "nonce=0"), Code::InvalidField);
    EXPECT_EQ(refusal("GET", "/v1/keys/k/session", "", "", "nonce=00&x=1"), Code::UnknownField);
    EXPECT_EQ(refusal("GET", "/v1/keys/k/session", "{}", "application/json", "nonce=00"), Code::BadRequest);
    EXPECT_EQ(refusal("PUT", "/v1/keys/k/session", "{}"), Code::MethodNotAllowed);
    EXPECT_EQ(refusal("GET", "/v1/keys//session", "", "", "nonce=00"), Code::NotFound);
}

TEST(Operation, a_session_is_opened_with_a_sealed_key) {
    const auto body = [](const std::string& principal, const std::string& expires,
                         const std::string& encapsulated, const std::string& ciphertext,
                         const std::string& more = "") {
        return R"({"principal":)" + principal + R"(,"expires":)" + expires + R"(,"encapsulated_key":)" +
               encapsulated + R"(,"ciphertext":)" + ciphertext + more + "}";
    };
    const std::string key = "\"0x" + std::string(64, '1') + '"', sealed = "\"0x" + std::string(96, '2') + '"';
    Parsed out;
    const std::string good = body("\"alice\"", "1800000000000", key, sealed);
    parse(out, "POST", "/v1/keys/key-1/session", good);
    ASSERT_TRUE(out.operation) << out.operation.error().describe();
    const auto& session = std::get<OpenSession>(*out.operation);
    EXPECT_EQ(session.key_id, "key-1");
    EXPECT_EQ(session.principal, "alice");
    EXPECT_EQ(session.expires, 1'800'000'000'000);
    EXPECT_EQ(session.encapsulated[31], 0x11);
    EXPECT_EQ(session.ciphertext, Bytes(48, 0x22));
    const auto refused = [&](const std::string& text) { return refusal("POST", "/v1/keys/k/session", text); };
    for (const std::string& expires :
         {std::string("-1"), std::string("1.5"), std::string("\"1\""), std::string("9007199254740992")})
        EXPECT_EQ(refused(body("\"a\"", expires, key, sealed)), Code::InvalidField) << expires;
    EXPECT_EQ(refused(body("1", "1", key, sealed)), Code::InvalidField);
    EXPECT_EQ(refused(body("\"\"", "1", key, sealed)), Code::MissingField);
    for (const std::string& wrong : {"\"" + std::string(64, '1') + '"', "\"0x" + std::string(62, '1') + '"',
                                     "\"0x" + std::string(66, '1') + '"', std::string("7")})
        EXPECT_EQ(refused(body("\"a\"", "1", wrong, sealed)), Code::InvalidField) << wrong;
    for (const std::string& wrong :
         {"\"0x" + std::string(94, '2') + '"', "\"0x" + std::string(98, '2') + '"', std::string("\"\""),
          "\"" + std::string(96, '2') + '"', std::string("null")})
        EXPECT_EQ(refused(body("\"a\"", "1", key, wrong)), Code::InvalidField) << wrong;
    EXPECT_EQ(refused(body("\"a\"", "1", key, sealed, R"(,"nonce":"00")")), Code::UnknownField);
    EXPECT_EQ(refused(R"({"principal":"a","expires":1,"encapsulated_key":)" + key + "}"), Code::MissingField);
    EXPECT_EQ(refused(R"({"principal":"a","encapsulated_key":)" + key + R"(,"ciphertext":)" + sealed + "}"),
              Code::MissingField);
    EXPECT_EQ(refused("{}"), Code::MissingField);
    EXPECT_EQ(refusal("POST", "/v1/keys/k/session", body("\"a\"", "1", key, sealed), "text/plain"),
              Code::UnsupportedMedia);
    EXPECT_EQ(refusal("POST", "/v1/keys/k/session", body("\"a\"", "1", key, sealed), "application/json",
                      "nonce=00"),
              Code::UnknownField);
}

TEST(Operation, a_keys_policy_is_shown_with_get_and_changed_with_post_by_its_owners) {
    Parsed out;
    parse(out, "GET", "/v1/keys/key-1/policy", "", "");
    ASSERT_TRUE(out.operation) << out.operation.error().describe();
    EXPECT_EQ(std::get<ShowPolicy>(*out.operation).key_id, "key-1");
    EXPECT_EQ(refusal("GET", "/v1/keys/k/policy", "", "", "nonce=00"), Code::UnknownField);
    EXPECT_EQ(refusal("GET", "/v1/keys/k/policy", "{}"), Code::BadRequest);
    EXPECT_EQ(refusal("DELETE", "/v1/keys/k/policy"), Code::MethodNotAllowed);

    const std::string policy =
        R"("policy":{"rules":[{"name":"r","effect":"allow","principals":["anyone"],"operations":["any"]}],)"
        R"("redoubt_policy":1,"version":7})";
    const std::string authorization =
        R"("authorization":{"document":"d","signatures":[{"owner":"o","signature":")" +
        std::string(128, '0') + R"("}]})";
    const std::string good = "{" + policy + "," + authorization + R"(,"nonce":"0102"})";
    parse(out, "POST", "/v1/keys/key-1/policy", good);
    ASSERT_TRUE(out.operation) << out.operation.error().describe();
    const auto& change = std::get<ChangePolicy>(*out.operation);
    EXPECT_EQ(change.key_id, "key-1");
    EXPECT_EQ(change.policy.version, 7u);
    EXPECT_FALSE(change.policy.open);
    EXPECT_EQ(change.authorization.document, "d");
    ASSERT_EQ(change.authorization.signatures.size(), 1u);
    EXPECT_EQ(change.authorization.signatures[0].owner, "o");
    EXPECT_EQ(change.nonce, (Bytes{1, 2}));
    const auto refused = [&](const std::string& text) { return refusal("POST", "/v1/keys/k/policy", text); };
    EXPECT_EQ(refused("{" + policy + "}"), Code::MissingField) << "nobody changes a policy alone";
    EXPECT_EQ(refused("{" + authorization + "}"), Code::MissingField);
    EXPECT_EQ(refused("{" + policy + R"(,"authorization":{}})"), Code::Unauthorized);
    EXPECT_EQ(refused(R"({"policy":{},)" + authorization + "}"), Code::InvalidField);
    EXPECT_EQ(refused(R"({"policy":"open",)" + authorization + "}"), Code::InvalidField);
    EXPECT_EQ(refused("{" + policy + "," + authorization + R"(,"force":true})"), Code::UnknownField);
    EXPECT_EQ(refused("{" + policy + "," + policy + "," + authorization + "}"), Code::BadJson);
    EXPECT_EQ(refusal("POST", "/v1/keys/k/policy", "{" + policy + "," + authorization + "}",
                      "application/json", "x=1"),
              Code::UnknownField);
    EXPECT_EQ(refusal("POST", "/v1/keys/k/policy", "{" + policy + "," + authorization + "}", "text/plain"),
              Code::UnsupportedMedia);
}

TEST(Operation, a_policy_is_stored_for_the_manifest_to_name) {
    constexpr std::string_view kOpen =
        R"({"policy":{"rules":[{"name":"open","effect":"allow"}],"redoubt_policy":1}})";
    Parsed out;
    parse(out, "POST", "/v1/policies", kOpen);
    ASSERT_TRUE(out.operation) << out.operation.error().describe();
    const auto& put = std::get<PutPolicy>(*out.operation);
    EXPECT_EQ(put.policy.canonical, R"({"redoubt_policy":1,"rules":[{"effect":"allow","name":"open"}]})");
    EXPECT_TRUE(put.policy.open);
    EXPECT_EQ(refusal("GET", "/v1/policies", "", ""), Code::MethodNotAllowed);
    EXPECT_EQ(refusal("POST", "/v1/policies", "{}"), Code::MissingField);
    EXPECT_EQ(refusal("POST", "/v1/policies", R"({"policy":[]})"), Code::InvalidField);
    EXPECT_EQ(refusal("POST", "/v1/policies", R"({"policy":{"redoubt_policy":2,"rules":[]}})"),
              Code::InvalidField);
    constexpr std::string_view kElsewhere =
        R"({"policy":{"redoubt_policy":1,"rules":[{"effect":"allow","name":"open"}],"export_recipients":[{"id":"c","public_key":"0x"}]}})";
    EXPECT_EQ(refusal("POST", "/v1/policies", kElsewhere), Code::InvalidField);
    EXPECT_EQ(refusal("POST", "/v1/keys", kElsewhere), Code::InvalidField);
    EXPECT_EQ(refusal("POST", "/v1/policies", std::string(kOpen).insert(1, R"("digest":"00",)")),
              Code::UnknownField);
    EXPECT_EQ(refusal("POST", "/v1/policies", kOpen, ""), Code::UnsupportedMedia);
    EXPECT_EQ(refusal("POST", "/v1/policies/x", kOpen), Code::NotFound);
}

TEST(Operation, what_is_not_understood_is_refused) {
    EXPECT_EQ(refusal("GET", "/v1"), Code::NotFound);
    EXPECT_EQ(refusal("GET", "/v1/keys/"), Code::NotFound);
    EXPECT_EQ(refusal("GET", "/v1/keys/a/b"), Code::NotFound);
    EXPECT_EQ(refusal("POST", "/v1/keys//sign-transaction", kTransaction), Code::NotFound);
    EXPECT_EQ(refusal("GET", "/nothing"), Code::NotFound);
    EXPECT_EQ(refusal("GET", "/"), Code::MethodNotAllowed);
    EXPECT_EQ(refusal("PUT", "/v1/keys"), Code::MethodNotAllowed);
    EXPECT_EQ(refusal("POST", "/v1/keys/key-1"), Code::MethodNotAllowed);
    EXPECT_EQ(refusal("POST", "/v1/attestation", "", "", "nonce=00"), Code::MethodNotAllowed);
    EXPECT_EQ(refusal("POST", "/v1/keys", R"({"name":"x"})"), Code::UnknownField);
    EXPECT_EQ(refusal("POST", "/v1/keys", "{}", "application/json", "x=1"), Code::UnknownField);
    EXPECT_EQ(refusal("POST", "/v1/keys", "[]"), Code::BadJson);
    EXPECT_EQ(refusal("POST", "/v1/keys", R"({"nonce":5})"), Code::InvalidField);
    EXPECT_EQ(refusal("POST", "/v1/keys", R"({"nonce":"abc"})"), Code::InvalidField);
    EXPECT_EQ(refusal("GET", "/v1/attestation"), Code::MissingField);
    EXPECT_EQ(refusal("GET", "/v1/attestation", "", "", "nonce=00&user_data=11"), Code::UnknownField);
    EXPECT_EQ(refusal("GET", "/v1/attestation", "", "", "public_key=11"), Code::UnknownField);
    EXPECT_EQ(refusal("GET", "/v1/attestation", "", "", "nonce=" + std::string(1026, '0')),
              Code::InvalidField);
    EXPECT_EQ(refusal("POST", "/v1/keys/k/sign-transaction", "{}"), Code::MissingField);
    EXPECT_EQ(refusal("POST", "/sign_hash", R"({"hash":"00","secret_id":"s"})"), Code::InvalidField);
    EXPECT_EQ(refusal("POST", "/sign_hash", R"({"secret_id":"s"})"), Code::MissingField);
    EXPECT_EQ(refusal("POST", "/", R"({"transaction_payload":{},"secret_id":"s","x":1})"),
              Code::UnknownField);
    EXPECT_EQ(refusal("POST", "/", R"({"transaction_payload":{},"secret_id":""})"), Code::InvalidField);
}

TEST(Operation, content_types_are_checked) {
    Parsed out;
    for (const auto good : {"application/json", "Application/JSON", "application/json; charset=UTF-8",
                            "application/json;charset=utf-8"}) {
        parse(out, "POST", "/v1/keys/k/sign-transaction", kTransaction, good);
        EXPECT_TRUE(out.operation) << good;
    }
    for (const auto bad : {"", "text/plain", "application/jsonx", "application/json; charset=latin1",
                           "application/json; a=b", "application/x-www-form-urlencoded"})
        EXPECT_EQ(refusal("POST", "/v1/keys/k/sign-transaction", kTransaction, bad), Code::UnsupportedMedia)
            << bad;
}

TEST(Operation, a_body_that_two_parsers_read_differently_is_refused) {
    for (const std::string_view body :
         {R"({"transaction":{},"transaction":{}})", R"({"transaction":{},"trans\u0061ction":{}})",
          R"({"transaction":{}} )"
          "x",
          R"({"transaction":{"value":1,}})", R"({"transaction":{/**/}})", R"({'transaction':{}})",
          "\xef\xbb\xbf{}", R"({"transaction":{"value":NaN}})", R"({"transaction":{"value":01}})"})
        EXPECT_EQ(refusal("POST", "/v1/keys/k/sign-transaction", body), Code::BadJson) << body;
}

TEST(Operation, legacy_paths_are_those_that_are_not_ours) {
    EXPECT_TRUE(is_legacy_path("/wallet"));
    EXPECT_FALSE(is_legacy_path("/"));
    EXPECT_FALSE(is_legacy_path("/sign_transaction"));
    EXPECT_FALSE(is_legacy_path("/v1/x"));
}

} // namespace
} // namespace redoubt::api
