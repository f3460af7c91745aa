// SPDX-License-Identifier: Apache-2.0
// AssumeRole and AssumeRoleWithWebIdentity. The tokens are made here with OpenSSL, apart from devcloud's
// code.
#include "unit/devcloud/support.h"

#include <memory>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

namespace redoubt::devcloud::tests {
namespace {

std::string element(const std::string& xml, const std::string& name) {
    const auto open = "<" + name + ">";
    const auto at = xml.find(open);
    return at == std::string::npos ? "" : xml.substr(at + open.size(), xml.find("</", at) - at - open.size());
}

std::string form_encoded(const std::string& text) {
    std::string out;
    for (const char c : text)
        out += isalnum(static_cast<unsigned char>(c)) ? std::string(1, c)
                                                      : "%" + to_hex(as_bytes(std::string_view(&c, 1)));
    return out;
}

std::string base64url(ByteView bytes) {
    auto text = to_base64(bytes);
    for (auto& c : text)
        c = c == '+' ? '-' : c == '/' ? '_' : c;
    return text.substr(0, text.find('='));
}

using Key = std::shared_ptr<EVP_PKEY>;
Key rsa_key() {
    static const Key key(EVP_RSA_gen(2048), EVP_PKEY_free);
    return key;
}
Key ec_key() {
    static const Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"), EVP_PKEY_free);
    return key;
}

Bytes number(const Key& key, const char* name, std::size_t size = 0) {
    BIGNUM* n = nullptr;
    EXPECT_EQ(EVP_PKEY_get_bn_param(key.get(), name, &n), 1);
    Bytes out(size != 0 ? size : static_cast<std::size_t>(BN_num_bytes(n)));
    BN_bn2binpad(n, out.data(), static_cast<int>(out.size()));
    BN_free(n);
    return out;
}

Json jwks() {
    return {{"keys",
             {{{"kty", "RSA"},
               {"kid", "r"},
               {"alg", "RS256"},
               {"n", base64url(number(rsa_key(), OSSL_PKEY_PARAM_RSA_N))},
               {"e", base64url(number(rsa_key(), OSSL_PKEY_PARAM_RSA_E))}},
              {{"kty", "EC"},
               {"kid", "e"},
               {"crv", "P-256"},
               {"x", base64url(number(ec_key(), OSSL_PKEY_PARAM_EC_PUB_X, 32))},
               {"y", base64url(number(ec_key(), OSSL_PKEY_PARAM_EC_PUB_Y, 32))}}}}};
}

Bytes sign(const Key& key, const std::string& text) {
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get());
    std::size_t size = 0;
    const auto* data = reinterpret_cast<const unsigned char*>(text.data());
    EVP_DigestSign(context.get(), nullptr, &size, data, text.size());
    Bytes signature(size);
    EXPECT_EQ(EVP_DigestSign(context.get(), signature.data(), &size, data, text.size()), 1);
    signature.resize(size);
    if (EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_EC)
        return signature;
    const auto* at = signature.data();
    ECDSA_SIG* parts = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size));
    Bytes out(64);
    BN_bn2binpad(ECDSA_SIG_get0_r(parts), out.data(), 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(parts), out.data() + 32, 32);
    ECDSA_SIG_free(parts);
    return out;
}

std::string token(const Key& key, const Json& header, const Json& claims) {
    const auto part = [](const Json& json) { return base64url(as_bytes(json.dump())); };
    const auto text = part(header) + "." + part(claims);
    return text + "." + base64url(sign(key, text));
}

const Json kRs256 = {{"alg", "RS256"}, {"kid", "r"}}, kEs256 = {{"alg", "ES256"}, {"kid", "e"}};

class StsRoles : public DevcloudTest {
  protected:
    void SetUp() override {
        DevcloudTest::SetUp();
        const Json all = {{"Version", "2012-10-17"},
                          {"Statement", {{{"Effect", "Allow"}, {"Action", "*"}, {"Resource", "*"}}}}};
        put("/redoubt/iam/accounts/000000000000/users/ann",
            {{"access_keys",
              {{{"access_key_id", "AKIAREDOUBTANN000000"}, {"secret_access_key", "a secret of sixteen"}}}},
             {"policies", {{"all", all}}}});
        put_role({});
        put("/redoubt/oidc-providers",
            {{{"issuer", "https://id.example/x"}, {"audiences", {"aud-1", "aud-2"}}, {"jwks", jwks()}}});
    }
    void put(const std::string& path, const Json& body) {
        const auto answer = send(make_request("PUT", path, {}, body.dump()));
        ASSERT_LT(answer.status, 300) << path << answer.text;
    }
    void put_role(const Json& condition) {
        Json statement = {{"Effect", "Allow"},
                          {"Principal", {{"AWS", "arn:aws:iam::000000000000:user/ann"}}},
                          {"Action", "sts:AssumeRole"}};
        if (!condition.is_null())
            statement["Condition"] = condition;
        const Json web = {
            {"Effect", "Allow"},
            {"Principal", {{"Federated", "arn:aws:iam::000000000000:oidc-provider/id.example/x"}}},
            {"Action", "sts:AssumeRoleWithWebIdentity"},
            {"Condition", {{"StringEquals", {{"id.example/x:sub", "me"}, {"id.example/x:aud", "aud-1"}}}}}};
        put("/redoubt/iam/accounts/000000000000/roles/worker",
            {{"trust_policy", {{"Version", "2012-10-17"}, {"Statement", {statement, web}}}},
             {"max_session_seconds", 7200},
             {"policies",
              {{"p",
                {{"Version", "2012-10-17"},
                 {"Statement", {{{"Effect", "Allow"}, {"Action", "kms:*"}, {"Resource", "*"}}}}}}}}});
    }
    static aws::Credentials ann() {
        aws::Credentials out;
        out.access_key_id = "AKIAREDOUBTANN000000";
        out.secret_access_key = Secret::copy_of(as_bytes("a secret of sixteen"));
        return out;
    }
    std::string form(const std::string& action, std::map<std::string, std::string> more) {
        more.emplace("RoleArn", "arn:aws:iam::000000000000:role/worker");
        more.emplace("RoleSessionName", "name");
        std::string body = "Action=" + action + "&Version=2011-06-15";
        for (const auto& [name, value] : more)
            if (value != "absent")
                body += "&" + name + "=" + form_encoded(value);
        return body;
    }
    Answer assume(std::map<std::string, std::string> more, const aws::Credentials& credentials = ann()) {
        auto request = make_request("POST", "/", {{"content-type", "application/x-www-form-urlencoded"}},
                                    form("AssumeRole", std::move(more)));
        aws::SigV4Options options;
        options.region = "us-east-1";
        options.service = "sts";
        EXPECT_TRUE(aws::sign_sigv4(request, credentials, options, now_));
        return send(request);
    }
    Answer with_token(const std::string& token, std::map<std::string, std::string> more = {}) {
        more["WebIdentityToken"] = token;
        return send(make_request("POST", "/", {{"content-type", "application/x-www-form-urlencoded"}},
                                 form("AssumeRoleWithWebIdentity", std::move(more))));
    }
    static std::string code(const Answer& answer) { return element(answer.text, "Code"); }
    static aws::Credentials credentials_of(const Answer& answer) {
        aws::Credentials out;
        out.access_key_id = element(answer.text, "AccessKeyId");
        out.secret_access_key = Secret::copy_of(as_bytes(element(answer.text, "SecretAccessKey")));
        out.session_token = Secret::copy_of(as_bytes(element(answer.text, "SessionToken")));
        return out;
    }
    Json claims(const Json& more = Json::object()) {
        const auto now = now_ / 1000;
        Json out = {{"iss", "https://id.example/x"},
                    {"sub", "me"},
                    {"aud", "aud-1"},
                    {"iat", now},
                    {"exp", now + 60}};
        out.update(more);
        for (auto item = out.begin(); item != out.end();)
            item = item->is_null() ? out.erase(item) : std::next(item);
        return out;
    }
};

TEST_F(StsRoles, hands_out_a_session_that_ends) {
    const auto answer = assume({{"DurationSeconds", "900"}});
    ASSERT_EQ(answer.status, 200) << answer.text;
    EXPECT_EQ(element(answer.text, "Arn"), "arn:aws:sts::000000000000:assumed-role/worker/name");
    EXPECT_EQ(from_iso8601(element(answer.text, "Expiration")), now_ / 1000 * 1000 + 900'000);
    const auto session = credentials_of(answer);
    EXPECT_EQ(kms("ListKeys", Json::object(), session).status, 200);
    open();
    EXPECT_EQ(kms("ListKeys", Json::object(), session).status, 200) << "across a restart";
    now_ += 900'000;
    const auto late = kms("ListKeys", Json::object(), session);
    EXPECT_EQ(late.status, 400);
    EXPECT_EQ(late.type(), "ExpiredTokenException");
}

TEST_F(StsRoles, answers_with_the_elements_of_the_service_model_alone) {
    const auto* model = ServiceModel::find("sts/2011-06-15");
    if (model == nullptr)
        GTEST_SKIP() << "no vectors";
    const Json policy = {{"Version", "2012-10-17"},
                         {"Statement", {{{"Effect", "Allow"}, {"Action", "*"}, {"Resource", "*"}}}}};
    const std::pair<std::string, std::string> answers[] = {
        {"AssumeRole", assume({{"Policy", policy.dump()}}).text},
        {"AssumeRoleWithWebIdentity", with_token(token(rsa_key(), kRs256, claims())).text},
    };
    for (const auto& [operation, text] : answers) {
        const auto names = model->output_names(operation);
        const auto from = text.find("<" + operation + "Result>") + operation.size() + 8;
        const auto result = text.substr(from, text.find("</" + operation + "Result>") - from);
        std::size_t found = 0;
        for (auto at = result.find('<'); at != std::string::npos; at = result.find('<', at + 1)) {
            if (result[at + 1] == '/')
                continue;
            const auto name = result.substr(at + 1, result.find('>', at) - at - 1);
            EXPECT_TRUE(names.contains(name)) << operation << " has no " << name;
            ++found;
        }
        EXPECT_GE(found, 8u) << text;
    }
}

TEST_F(StsRoles, asks_the_trust_policy) {
    EXPECT_EQ(code(assume({}, root_credentials())), "AccessDenied");
    EXPECT_EQ(code(assume({}, instance_credentials())), "AccessDenied") << "the policy names another";
    EXPECT_EQ(code(assume({{"RoleArn", "arn:aws:iam::000000000000:role/nobody"}})), "AccessDenied");
    EXPECT_EQ(code(assume({{"RoleArn", "arn:aws:iam::999999999999:role/worker"}})), "AccessDenied");
    put_role({{"StringEquals", {{"sts:ExternalId", "e:1/x"}}}});
    const auto without = assume({});
    EXPECT_EQ(without.status, 403);
    EXPECT_NE(element(without.text, "RedoubtDetail"), "") << without.text;
    EXPECT_EQ(code(assume({{"ExternalId", "e:1"}})), "AccessDenied");
    EXPECT_EQ(assume({{"ExternalId", "e:1/x"}}).status, 200);
    put_role({{"StringLike", {{"sts:RoleSessionName", "ann-*"}}}});
    EXPECT_EQ(code(assume({})), "AccessDenied");
    EXPECT_EQ(assume({{"RoleSessionName", "ann-1"}}).status, 200);
}

TEST_F(StsRoles, refuses_input_outside_the_service_model) {
    const std::map<std::string, std::string> wrong[] = {
        {{"RoleArn", "absent"}},
        {{"RoleSessionName", "absent"}},
        {{"RoleArn", "arn:aws:iam::1:role/worker"}},
        {{"RoleArn", "arn:aws:iam::000000000000:user/worker"}},
        {{"RoleSessionName", "x"}},
        {{"RoleSessionName", std::string(65, 'x')}},
        {{"RoleSessionName", "a/b"}},
        {{"RoleSessionName", "a b"}},
        {{"DurationSeconds", "899"}},
        {{"DurationSeconds", "43201"}},
        {{"DurationSeconds", "7201"}}, // the role's own limit
        {{"DurationSeconds", "1e3"}},
        {{"ExternalId", "x"}},
        {{"ExternalId", "a b"}},
        {{"Policy", std::string(2049, ' ')}},
        {{"PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/ReadOnlyAccess"}},
        {{"Tags.member.1.Key", "k"}, {"Tags.member.1.Value", "v"}},
        {{"TransitiveTagKeys.member.1", "k"}},
        {{"SerialNumber", "123456789"}},
        {{"SourceIdentity", "me"}},
    };
    for (const auto& more : wrong) {
        const auto answer = assume(more);
        EXPECT_EQ(answer.status, 400) << more.begin()->first << answer.text;
        EXPECT_EQ(code(answer), "ValidationError") << more.begin()->first << more.begin()->second;
    }
    EXPECT_EQ(code(assume({{"Policy", "{}"}})), "MalformedPolicyDocument");
}

TEST_F(StsRoles, bounds_a_session_by_its_own_policy) {
    const Json policy = {
        {"Version", "2012-10-17"},
        {"Statement",
         {{{"Effect", "Allow"}, {"Action", {"kms:ListKeys", "secretsmanager:*"}}, {"Resource", "*"}}}}};
    const auto answer = assume({{"Policy", policy.dump()}});
    ASSERT_EQ(answer.status, 200) << answer.text;
    EXPECT_NE(element(answer.text, "PackedPolicySize"), "");
    const auto session = credentials_of(answer);
    EXPECT_EQ(kms("ListKeys", Json::object(), session).status, 200);
    EXPECT_EQ(kms("CreateKey", Json::object(), session).type(), "AccessDeniedException") << "the role may";
    EXPECT_EQ(secrets("ListSecrets", Json::object(), session).type(), "AccessDeniedException")
        << "the session's policy gives nothing that the role has not";
    open();
    EXPECT_EQ(kms("CreateKey", Json::object(), session).type(), "AccessDeniedException") << "after a restart";
}

TEST_F(StsRoles, never_hands_out_an_assumed_session_by_imds) {
    put("/redoubt/container-credentials", {{{"id", "task"}, {"role", "worker"}, {"session_name", "name"}}});
    const auto assumed = assume({});
    const auto answer = send(make_request("GET", "/v2/credentials/task"));
    ASSERT_EQ(answer.status, 200) << answer.text;
    EXPECT_NE(answer.body["AccessKeyId"], element(assumed.text, "AccessKeyId"));
}

TEST_F(StsRoles, takes_tokens_of_either_algorithm) {
    for (const auto& [key, header] : {std::pair{rsa_key(), kRs256}, {ec_key(), kEs256}}) {
        const auto answer = with_token(token(key, header, claims()));
        ASSERT_EQ(answer.status, 200) << answer.text;
        EXPECT_EQ(element(answer.text, "SubjectFromWebIdentityToken"), "me");
        EXPECT_EQ(element(answer.text, "Audience"), "aud-1");
        EXPECT_EQ(element(answer.text, "Provider"), "https://id.example/x");
        EXPECT_EQ(kms("ListKeys", Json::object(), credentials_of(answer)).status, 200);
    }
    EXPECT_EQ(with_token(token(ec_key(), {{"alg", "ES256"}}, claims())).status, 200)
        << "no kid: each key is tried";
    EXPECT_EQ(with_token(token(ec_key(), kEs256, claims({{"aud", {"other", "aud-1"}}}))).status, 200);
}

TEST_F(StsRoles, refuses_tokens_that_nobody_vouches_for) {
    const auto good = token(rsa_key(), kRs256, claims());
    ASSERT_EQ(with_token(good).status, 200);
    const std::string none = base64url(as_bytes(R"({"alg":"none"})"));
    const auto second = good.find('.') + 1;
    const std::pair<std::string, std::string> wrong[] = {
        {"another key's", token(ec_key(), {{"alg", "ES256"}, {"kid", "r"}}, claims())},
        {"the algorithm of the other", token(ec_key(), {{"alg", "RS256"}, {"kid", "r"}}, claims())},
        {"a symmetric one", token(rsa_key(), {{"alg", "HS256"}, {"kid", "r"}}, claims())},
        {"no algorithm", none + "." + good.substr(second)},
        {"no signature", good.substr(0, good.rfind('.') + 1)},
        {"crit", token(rsa_key(), {{"alg", "RS256"}, {"kid", "r"}, {"crit", {"x"}}}, claims())},
        {"padding", good + "="},
        {"a fourth part", good + ".x"},
        {"other claims", good.substr(0, second) + base64url(as_bytes(claims({{"sub", "root"}}).dump())) +
                             good.substr(good.rfind('.'))},
        {"another issuer", token(rsa_key(), kRs256, claims({{"iss", "https://id.example/y"}}))},
        {"another audience", token(rsa_key(), kRs256, claims({{"aud", "aud-3"}}))},
        {"another party", token(rsa_key(), kRs256, claims({{"azp", "aud-3"}}))},
        {"a fraction", token(rsa_key(), kRs256, claims({{"exp", 1.5}}))},
        {"no JSON", "e30.eA.eA"},
    };
    for (const auto& [what, text] : wrong) {
        const auto answer = with_token(text);
        EXPECT_EQ(answer.status, 400) << what << answer.text;
        EXPECT_EQ(code(answer), "InvalidIdentityToken") << what << answer.text;
    }
    for (std::size_t i = second; i < good.size(); i += 29) { // each altered character
        auto altered = good;
        altered[i] = altered[i] == 'A' ? 'B' : 'A';
        EXPECT_NE(with_token(altered).status, 200) << i;
    }
}

TEST_F(StsRoles, refuses_tokens_by_their_claims) {
    const auto at = [&](const Json& more) { return with_token(token(rsa_key(), kRs256, claims(more))); };
    const auto now = now_ / 1000;
    const auto late = at({{"exp", now}});
    EXPECT_EQ(late.status, 400);
    EXPECT_EQ(code(late), "ExpiredTokenException");
    EXPECT_EQ(at({{"exp", now + 1}}).status, 200);
    for (const Json& more : {Json{{"sub", nullptr}}, Json{{"exp", nullptr}}, Json{{"iat", nullptr}},
                             Json{{"nbf", now + 301}}, Json{{"iat", now + 301}}}) {
        EXPECT_EQ(at(more).status, 403) << more.dump();
        EXPECT_EQ(code(at(more)), "IDPRejectedClaim") << more.dump();
    }
    EXPECT_EQ(at({{"nbf", now + 300}}).status, 200) << "clocks differ a little";
    EXPECT_EQ(code(at({{"sub", "you"}})), "AccessDenied");
    EXPECT_EQ(code(at({{"aud", "aud-2"}})), "AccessDenied") << "registered, and not what the role asks for";
    EXPECT_EQ(code(with_token(token(rsa_key(), kRs256, claims()), {{"ProviderId", "www.amazon.com"}})),
              "ValidationError");
}

TEST_F(StsRoles, registers_public_keys_alone) {
    const auto refused = [&](const Json& key) {
        const Json body = {
            {{"issuer", "https://id.example/z"}, {"audiences", {"a"}}, {"jwks", {{"keys", {key}}}}}};
        return send(make_request("PUT", "/redoubt/oidc-providers", {}, body.dump())).status;
    };
    const auto rsa = jwks()["keys"][0], ec = jwks()["keys"][1];
    const auto changed = [](Json key, const std::string& name, const Json& value) {
        key[name] = value;
        return key;
    };
    EXPECT_EQ(refused(changed(rsa, "d", "AQAB")), 400);
    EXPECT_EQ(refused(changed(rsa, "n", base64url(Bytes(128, 0xff)))), 400) << "1024 bits";
    EXPECT_EQ(refused(changed(rsa, "alg", "RS512")), 400);
    EXPECT_EQ(refused(changed(ec, "crv", "P-384")), 400);
    EXPECT_EQ(refused(changed(ec, "y", base64url(Bytes(32, 1)))), 400) << "not on the curve";
    EXPECT_EQ(refused({{"kty", "oct"}, {"k", "AAAA"}}), 400);
    const Json http = {{{"issuer", "http://id.example"}, {"audiences", {"a"}}, {"jwks", jwks()}}};
    EXPECT_EQ(send(make_request("PUT", "/redoubt/oidc-providers", {}, http.dump())).status, 400);
    EXPECT_EQ(with_token(token(rsa_key(), kRs256, claims())).status, 200) << "the first one is still there";
}

} // namespace
} // namespace redoubt::devcloud::tests
