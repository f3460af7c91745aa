// SPDX-License-Identifier: Apache-2.0
// IAM records through the admin endpoint, and who their keys are.
#include "unit/devcloud/support.h"

#include <sqlite3.h>

namespace redoubt::devcloud::tests {
namespace {

class Iam : public DevcloudTest {
  protected:
    Answer admin(const std::string& method, const std::string& path, const Json& body = nullptr,
                 Listener listener = Listener::Plain) {
        return send(make_request(method, "/redoubt/iam/" + path, {}, body.is_null() ? "" : body.dump()),
                    listener);
    }
    static aws::Credentials key(const std::string& id) {
        aws::Credentials credentials;
        credentials.access_key_id = id;
        credentials.secret_access_key = Secret::copy_of(as_bytes("secret of " + id));
        return credentials;
    }
    static Json key_json(const std::string& id) {
        return {{"access_key_id", id}, {"secret_access_key", "secret of " + id}};
    }
};

const std::string kAnn = "AKIAANN0000000000001", kOther = "AKIAOTHER00000000001";
const Json kAllow = {
    {"Version", "2012-10-17"},
    {"Statement", {{{"Effect", "Allow"}, {"Action", {"kms:CreateKey", "kms:ListKeys"}}, {"Resource", "*"}}}}};
const Json kTrust = {
    {"Statement",
     {{{"Effect", "Allow"}, {"Principal", {{"AWS", "000000000000"}}}, {"Action", "sts:AssumeRole"}}}}};

TEST_F(Iam, has_the_default_account_and_its_instance_role_from_the_start) {
    const auto account = admin("GET", "accounts/000000000000");
    EXPECT_EQ(account.status, 200) << account.text;
    EXPECT_EQ(account.body["roles"], Json({"redoubt-instance"}));
    const auto role = admin("GET", "accounts/000000000000/roles/redoubt-instance");
    EXPECT_EQ(role.body["arn"], "arn:aws:iam::000000000000:role/redoubt-instance");
    EXPECT_EQ(role.body["policies"]["instance"]["Statement"][0]["Action"].size(), 5u);
    EXPECT_EQ(admin("DELETE", "accounts/000000000000").status, 409);
    EXPECT_EQ(admin("GET", "accounts").body["accounts"], Json({"000000000000"}));
}

TEST_F(Iam, gives_a_user_what_its_policies_give) {
    const std::string path = "accounts/000000000000/users/ann";
    EXPECT_EQ(admin("GET", path).status, 404);
    EXPECT_EQ(kms("CreateKey", Json::object(), key(kAnn)).type(), "UnrecognizedClientException");
    ASSERT_EQ(admin("PUT", path, {{"access_keys", {key_json(kAnn)}}}).status, 204);
    const auto denied = kms("CreateKey", Json::object(), key(kAnn));
    EXPECT_EQ(denied.type(), "AccessDeniedException");
    EXPECT_EQ(denied.body["Message"],
              "User: arn:aws:iam::000000000000:user/ann is not authorized to perform: kms:CreateKey because "
              "no identity-based policy allows the kms:CreateKey action");
    const auto id = admin("GET", path).body["id"];
    ASSERT_EQ(admin("PUT", path, {{"access_keys", {key_json(kAnn)}}, {"policies", {{"all", kAllow}}}}).status,
              204);
    EXPECT_EQ(kms("CreateKey", Json::object(), key(kAnn)).status, 200);
    const auto told = admin("GET", path);
    EXPECT_EQ(told.body["id"], id);
    EXPECT_EQ(told.body["policies"]["all"], kAllow);
    EXPECT_EQ(told.text.find("secret of"), std::string::npos);
    open();
    EXPECT_EQ(kms("CreateKey", Json::object(), key(kAnn)).status, 200) << "after a restart";
    EXPECT_EQ(admin("DELETE", path).status, 204);
    EXPECT_EQ(admin("DELETE", path).status, 404);
    EXPECT_EQ(kms("CreateKey", Json::object(), key(kAnn)).type(), "UnrecognizedClientException");
}

TEST_F(Iam, keeps_accounts_apart) {
    ASSERT_EQ(admin("PUT", "accounts/222222222222", {{"access_keys", {key_json(kOther)}}}).status, 204);
    const auto made = kms("CreateKey", Json::object(), key(kOther));
    ASSERT_EQ(made.status, 200) << made.text;
    const std::string arn = made.body["KeyMetadata"]["Arn"];
    EXPECT_TRUE(arn.starts_with("arn:aws:kms:us-east-1:222222222222:key/")) << arn;
    EXPECT_EQ(made.body["KeyMetadata"]["AWSAccountId"], "222222222222");
    EXPECT_EQ(kms("ListKeys", Json::object(), key(kOther)).body["Keys"].size(), 1u);
    EXPECT_TRUE(kms("ListKeys", Json::object()).body["Keys"].empty());
    // By id it is not there for the other account; by ARN it is, and denied.
    EXPECT_EQ(kms("DescribeKey", {{"KeyId", made.body["KeyMetadata"]["KeyId"]}}).type(), "NotFoundException");
    EXPECT_EQ(kms("DescribeKey", {{"KeyId", arn}}).type(), "AccessDeniedException");
    // Its policy may let the account in, for what AWS allows other accounts.
    const Json policy = {{"Statement",
                          {{{"Effect", "Allow"},
                            {"Principal", {{"AWS", {"222222222222", "000000000000"}}}},
                            {"Action", "kms:*"},
                            {"Resource", "*"}}}}};
    ASSERT_EQ(kms("PutKeyPolicy", {{"KeyId", arn}, {"Policy", policy.dump()}}, key(kOther)).status, 200);
    EXPECT_EQ(kms("Encrypt", {{"KeyId", arn}, {"Plaintext", "eA=="}}).status, 200);
    EXPECT_EQ(kms("DisableKey", {{"KeyId", arn}}).type(), "AccessDeniedException");
    EXPECT_EQ(kms("DisableKey", {{"KeyId", arn}}, key(kOther)).status, 200);
    ASSERT_EQ(admin("DELETE", "accounts/222222222222").status, 204);
    EXPECT_EQ(kms("ListKeys", Json::object(), key(kOther)).type(), "UnrecognizedClientException");
}

TEST_F(Iam, ends_a_roles_sessions_with_the_role) {
    const auto session = instance_credentials();
    EXPECT_EQ(kms("ListKeys", Json::object(), session).type(), "AccessDeniedException");
    const std::string path = "accounts/000000000000/roles/redoubt-instance";
    ASSERT_EQ(admin("PUT", path, {{"trust_policy", kTrust}, {"policies", {{"all", kAllow}}}}).status, 204);
    EXPECT_EQ(kms("ListKeys", Json::object(), session).status, 200) << "policies count at once";
    ASSERT_EQ(admin("DELETE", path).status, 204);
    EXPECT_EQ(kms("ListKeys", Json::object(), session).type(), "UnrecognizedClientException");
}

TEST_F(Iam, refuses_records_that_are_wrong) {
    const std::string user = "accounts/000000000000/users/ann", role = "accounts/000000000000/roles/r";
    const struct {
        const char* method;
        std::string path;
        Json body;
        int status;
    } cases[] = {
        {"PUT", "accounts/12", Json::object(), 400},
        {"PUT", "accounts/000000000000/groups/x", Json::object(), 404},
        {"PUT", "accounts/000000000000/users/", Json::object(), 400},
        {"PUT", "accounts/000000000000/users/a/b", Json::object(), 404},
        {"PUT", "accounts/000000000000/users/a%20b", Json::object(), 400},
        {"PUT", "accounts/333333333333/users/ann", Json::object(), 404},
        {"POST", user, Json::object(), 405},
        {"PUT", user, Json::array(), 400},
        {"PUT", user, {{"keys", Json::array()}}, 400},
        {"PUT", user, {{"access_keys", {{{"access_key_id", "short"}}}}}, 400},
        {"PUT", user, {{"access_keys", {{{"access_key_id", kAnn}, {"secret_access_key", "short"}}}}}, 400},
        {"PUT", user, {{"access_keys", {key_json(kAnn), key_json(kAnn)}}}, 409},
        {"PUT", user, {{"access_keys", {key_json(root_credentials().access_key_id)}}}, 409},
        {"PUT", user, {{"policies", {{"p", {{"Statement", Json::array()}}}}}}, 400},
        {"PUT", user, {{"policies", {{"p", kTrust}}}}, 400},
        {"PUT", role, Json::object(), 400},
        {"PUT", role, {{"trust_policy", kAllow}}, 400},
        {"PUT", role, {{"trust_policy", kTrust}, {"max_session_seconds", 60}}, 400},
        {"PUT", role, {{"trust_policy", kTrust}, {"max_session_seconds", 43'201}}, 400},
        {"DELETE", role, nullptr, 404},
        {"GET", "", nullptr, 404},
    };
    for (const auto& c : cases) {
        const auto answer = admin(c.method, c.path, c.body);
        EXPECT_EQ(answer.status, c.status) << c.method << c.path << c.body << answer.text;
    }
    EXPECT_TRUE(admin("GET", "accounts/000000000000").body["users"].empty());
    EXPECT_EQ(admin("GET", "accounts/000000000000", nullptr, Listener::Tls).status, 404);
}

TEST_F(Iam, refuses_an_access_key_that_another_has) {
    ASSERT_EQ(admin("PUT", "accounts/000000000000/users/ann", {{"access_keys", {key_json(kAnn)}}}).status,
              204);
    EXPECT_EQ(admin("PUT", "accounts/000000000000/users/bob", {{"access_keys", {key_json(kAnn)}}}).status,
              409);
    EXPECT_EQ(admin("PUT", "accounts/000000000000", {{"access_keys", {key_json(kAnn)}}}).status, 409);
    EXPECT_EQ(admin("PUT", "accounts/000000000000/users/ann", {{"access_keys", {key_json(kAnn)}}}).status,
              204);
}

TEST_F(Iam, serves_every_region_and_keeps_them_apart) {
    const auto in = [&](const std::string& region, const std::string& operation, const Json& input) {
        auto request = make_request(
            "POST", "/",
            {{"content-type", "application/x-amz-json-1.1"}, {"x-amz-target", "TrentService." + operation}},
            input.dump());
        aws::SigV4Options options;
        options.region = region;
        options.service = "kms";
        EXPECT_TRUE(aws::sign_sigv4(request, root_credentials(), options, now_));
        return send(request);
    };
    const auto made = in("eu-west-1", "CreateKey", Json::object());
    ASSERT_EQ(made.status, 200) << made.text;
    const std::string arn = made.body["KeyMetadata"]["Arn"], id = made.body["KeyMetadata"]["KeyId"];
    EXPECT_TRUE(arn.starts_with("arn:aws:kms:eu-west-1:000000000000:key/")) << arn;
    EXPECT_EQ(in("eu-west-1", "ListKeys", Json::object()).body["Keys"].size(), 1u);
    EXPECT_TRUE(kms("ListKeys", Json::object()).body["Keys"].empty());
    EXPECT_EQ(kms("DescribeKey", {{"KeyId", id}}).type(), "NotFoundException");
    EXPECT_EQ(kms("DescribeKey", {{"KeyId", arn}}).type(), "NotFoundException");
    const auto blob =
        in("eu-west-1", "Encrypt", {{"KeyId", id}, {"Plaintext", "eA=="}}).body["CiphertextBlob"];
    EXPECT_EQ(in("eu-west-1", "Decrypt", {{"CiphertextBlob", blob}}).status, 200);
    EXPECT_EQ(kms("Decrypt", {{"CiphertextBlob", blob}}).type(), "AccessDeniedException");
    for (const char* region : {"us", "useast1", "us-east-", "US-EAST-1", "us--east-1", "-us-1", "us-east-1x"})
        EXPECT_EQ(in(region, "ListKeys", Json::object()).type(), "InvalidSignatureException") << region;
}

// A folder of the first version: its keys, secrets and sessions go on.
TEST(Schema, brings_a_first_versions_folder_along) {
    TemporaryFolder folder;
    const auto path = folder.path() + "/devcloud.db";
    {
        sqlite3* db = nullptr;
        ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
        const char* script = R"sql(
CREATE TABLE keys (sequence INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, arn TEXT NOT NULL UNIQUE,
    created INTEGER NOT NULL, description TEXT NOT NULL, policy TEXT NOT NULL, enabled INTEGER NOT NULL,
    material_id TEXT NOT NULL);
CREATE TABLE key_materials (id TEXT PRIMARY KEY, key_id TEXT NOT NULL REFERENCES keys(id), bytes BLOB NOT NULL,
    created INTEGER NOT NULL);
CREATE TABLE key_tags (key_id TEXT NOT NULL REFERENCES keys(id), name TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (key_id, name));
CREATE TABLE secrets (sequence INTEGER PRIMARY KEY AUTOINCREMENT, arn TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE, created INTEGER NOT NULL, changed INTEGER NOT NULL, description TEXT NOT NULL,
    kms_key_id TEXT NOT NULL);
CREATE TABLE secret_tags (arn TEXT NOT NULL REFERENCES secrets(arn), name TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (arn, name));
CREATE TABLE secret_versions (arn TEXT NOT NULL REFERENCES secrets(arn), id TEXT NOT NULL,
    created INTEGER NOT NULL, is_binary INTEGER NOT NULL, value BLOB NOT NULL, PRIMARY KEY (arn, id));
CREATE TABLE secret_stages (arn TEXT NOT NULL, stage TEXT NOT NULL, version_id TEXT NOT NULL,
    PRIMARY KEY (arn, stage), FOREIGN KEY (arn, version_id) REFERENCES secret_versions(arn, id));
CREATE TABLE sessions (access_key_id TEXT PRIMARY KEY, secret_access_key BLOB NOT NULL, token BLOB NOT NULL,
    role TEXT NOT NULL, session_name TEXT NOT NULL, created INTEGER NOT NULL, expires INTEGER NOT NULL);
INSERT INTO keys VALUES (7, 'k1', 'arn:aws:kms:eu-west-1:123456789012:key/k1', 5, 'old', '{}', 1, 'm1');
INSERT INTO key_materials VALUES ('m1', 'k1', x'00ff', 5);
INSERT INTO key_tags VALUES ('k1', 'a', 'b');
INSERT INTO secrets VALUES (3, 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:n-abcdef', 'n', 5, 6, 'd', '');
INSERT INTO secret_versions VALUES ('arn:aws:secretsmanager:eu-west-1:123456789012:secret:n-abcdef', 'v', 5, 0, x'61');
INSERT INTO secret_stages VALUES ('arn:aws:secretsmanager:eu-west-1:123456789012:secret:n-abcdef', 'AWSCURRENT', 'v');
INSERT INTO sessions VALUES ('ASIAX', x'61', x'62', 'redoubt-instance', 'i-0', 5, 6);
PRAGMA user_version = 1;
)sql";
        ASSERT_EQ(sqlite3_exec(db, script, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
        sqlite3_close(db);
    }
    for (int again = 0; again < 2; ++again) {
        const auto state = State::open(folder.path());
        ASSERT_TRUE(state) << state.error().describe();
        const auto key = (*state)->keys.find("k1");
        ASSERT_TRUE(key && *key);
        EXPECT_EQ((*key)->account, "123456789012");
        EXPECT_EQ((*key)->region, "eu-west-1");
        EXPECT_EQ((*key)->sequence, 7);
        EXPECT_FALSE((*key)->pending_deletion());
        EXPECT_EQ((*state)->keys.tags("k1").value(), (Tags{{"a", "b"}}));
        EXPECT_EQ((*state)->keys.material("k1", "m1").value()->size(), 2u);
        EXPECT_EQ((*state)->sessions.find("ASIAX").value()->account, "");
        EXPECT_EQ((*state)
                      ->secrets.version("arn:aws:secretsmanager:eu-west-1:123456789012:secret:n-abcdef", "v")
                      .value()
                      ->id,
                  "v");
    }
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
    const auto one = [&](const char* sql) {
        sqlite3_stmt* query = nullptr;
        std::string out;
        if (sqlite3_prepare_v2(db, sql, -1, &query, nullptr) == SQLITE_OK &&
            sqlite3_step(query) == SQLITE_ROW)
            out = reinterpret_cast<const char*>(sqlite3_column_text(query, 0));
        sqlite3_finalize(query);
        return out;
    };
    EXPECT_EQ(one("SELECT account || '/' || region FROM secrets"), "123456789012/eu-west-1");
    EXPECT_EQ(one("PRAGMA foreign_key_check"), "");
    EXPECT_EQ(sqlite3_exec(db, "PRAGMA user_version = 99", nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(db);
    EXPECT_FALSE(State::open(folder.path())) << "a newer version's folder";
}

} // namespace
} // namespace redoubt::devcloud::tests
