// SPDX-License-Identifier: Apache-2.0
// Secrets Manager beyond values: deletion, stages, tags, listings, resource policies, passwords.
#include "unit/devcloud/support.h"

#include <set>

namespace redoubt::devcloud::tests {
namespace {

constexpr UnixMs kDay = 24LL * 3'600'000;

class SecretsLifecycle : public DevcloudTest {
  protected:
    std::string create(const std::string& name, const std::string& value = "one",
                       Json more = Json::object()) {
        more.update({{"Name", name}, {"SecretString", value}, {"ClientRequestToken", token('1')}});
        const auto answer = secrets("CreateSecret", more);
        EXPECT_EQ(answer.status, 200) << answer.text;
        return answer.body.value("ARN", "");
    }
    Answer with(const std::string& operation, const std::string& id, Json more = Json::object()) {
        more["SecretId"] = id;
        return secrets(operation, more);
    }
    std::string value(const std::string& id, const std::string& stage = "AWSCURRENT") {
        const auto answer = with("GetSecretValue", id, {{"VersionStage", stage}});
        return answer.status == 200 ? answer.body.value("SecretString", "") : answer.type();
    }
    static std::string token(char c) { return std::string(32, c); }
    Json names(Json input = Json::object()) {
        const auto answer = secrets("ListSecrets", input);
        EXPECT_EQ(answer.status, 200) << answer.text;
        auto out = Json::array();
        for (const auto& secret : answer.body["SecretList"])
            out.push_back(secret["Name"]);
        return out;
    }
    Json filtered(const std::string& key, const Json& values) {
        return names({{"Filters", {{{"Key", key}, {"Values", values}}}}});
    }
    static std::string policy(const Json& principal,
                              const std::string& action = "secretsmanager:GetSecretValue",
                              const std::string& effect = "Allow") {
        return Json({{"Version", "2012-10-17"},
                     {"Statement",
                      {{{"Effect", effect},
                        {"Principal", principal},
                        {"Action", action},
                        {"Resource", "*"}}}}})
            .dump();
    }
};

TEST_F(SecretsLifecycle, keeps_a_deleted_secret_until_its_window_ends) {
    const auto arn = create("s");
    const auto deleted = with("DeleteSecret", "s", {{"RecoveryWindowInDays", 7}});
    ASSERT_EQ(deleted.status, 200) << deleted.text;
    EXPECT_EQ(deleted.body["ARN"], arn);
    EXPECT_NEAR(deleted.body["DeletionDate"].get<double>(), double(now_ + 7 * kDay) / 1000, 0.001);
    for (const char* operation :
         {"GetSecretValue", "PutSecretValue", "UpdateSecret", "DeleteSecret", "TagResource", "UntagResource",
          "GetResourcePolicy", "DeleteResourcePolicy"})
        EXPECT_EQ(
            with(operation, "s", {{"SecretString", "x"}, {"Tags", Json::array()}, {"TagKeys", Json::array()}})
                .type(),
            "InvalidRequestException")
            << operation;
    EXPECT_EQ(secrets("CreateSecret", {{"Name", "s"}}).type(), "InvalidRequestException");
    EXPECT_EQ(with("DescribeSecret", "s").body["DeletedDate"], deleted.body["DeletionDate"]);
    EXPECT_EQ(with("ListSecretVersionIds", "s").status, 200);
    EXPECT_EQ(names(), Json::array());
    EXPECT_EQ(names({{"IncludePlannedDeletion", true}}), Json({"s"}));

    now_ += 7 * kDay - 1;
    EXPECT_EQ(with("RestoreSecret", "s").status, 200);
    EXPECT_EQ(value("s"), "one");
    with("DeleteSecret", "s", {{"RecoveryWindowInDays", 7}});
    now_ += 7 * kDay;
    EXPECT_EQ(with("RestoreSecret", "s").type(), "ResourceNotFoundException");
    EXPECT_NE(create("s", "new"), arn) << "the name is free again";
}

TEST_F(SecretsLifecycle, deletes_at_once_when_told_to) {
    create("s");
    EXPECT_EQ(
        with("DeleteSecret", "s", {{"RecoveryWindowInDays", 7}, {"ForceDeleteWithoutRecovery", true}}).type(),
        "InvalidParameterException");
    for (const int days : {0, 6, 31, -1})
        EXPECT_EQ(with("DeleteSecret", "s", {{"RecoveryWindowInDays", days}}).type(),
                  "InvalidParameterException")
            << days;
    EXPECT_EQ(value("s"), "one");
    with("DeleteSecret", "s");
    EXPECT_EQ(with("DeleteSecret", "s", {{"ForceDeleteWithoutRecovery", true}}).status, 200);
    EXPECT_EQ(with("DescribeSecret", "s").type(), "ResourceNotFoundException");
    EXPECT_EQ(with("DeleteSecret", "s", {{"ForceDeleteWithoutRecovery", true}}).status, 200) << "no error";
    EXPECT_EQ(with("DeleteSecret", "s").type(), "ResourceNotFoundException");
    EXPECT_EQ(with("RestoreSecret", create("t")).status, 200) << "of one that is not deleted";
}

TEST_F(SecretsLifecycle, moves_stages_as_told) {
    create("s");
    with("PutSecretValue", "s", {{"SecretString", "two"}, {"ClientRequestToken", token('2')}});
    const auto move = [&](const std::string& stage, const Json& from, const Json& to) {
        const auto answer =
            with("UpdateSecretVersionStage", "s",
                 {{"VersionStage", stage}, {"RemoveFromVersionId", from}, {"MoveToVersionId", to}});
        return answer.status == 200 ? "" : answer.type();
    };
    EXPECT_EQ(move("AWSCURRENT", nullptr, token('1')), "InvalidParameterException")
        << "where it stands is not told";
    EXPECT_EQ(move("AWSCURRENT", token('1'), token('2')), "InvalidParameterException")
        << "it stands elsewhere";
    EXPECT_EQ(move("AWSCURRENT", token('2'), nullptr), "InvalidParameterException") << "it cannot go";
    EXPECT_EQ(move("AWSCURRENT", token('2'), token('9')), "ResourceNotFoundException");
    EXPECT_EQ(move("mine", nullptr, nullptr), "InvalidParameterException");
    EXPECT_EQ(value("s"), "two");
    EXPECT_EQ(move("AWSCURRENT", token('2'), token('1')), "");
    EXPECT_EQ(value("s"), "one");
    EXPECT_EQ(value("s", "AWSPREVIOUS"), "two") << "it takes the place that AWSCURRENT left";
    EXPECT_EQ(move("mine", nullptr, token('2')), "");
    EXPECT_EQ(value("s", "mine"), "two");
    EXPECT_EQ(move("mine", token('2'), token('2')), "") << "nothing to move";
    EXPECT_EQ(move("mine", token('2'), nullptr), "");
    EXPECT_EQ(value("s", "mine"), "ResourceNotFoundException");
}

TEST_F(SecretsLifecycle, lists_versions_with_and_without_the_deprecated) {
    create("s");
    for (const char c : {'2', '3'}) {
        now_ += 1;
        with("PutSecretValue", "s", {{"SecretString", "x"}, {"ClientRequestToken", token(c)}});
    }
    const auto standing = with("ListSecretVersionIds", "s").body["Versions"];
    ASSERT_EQ(standing.size(), 2u);
    EXPECT_EQ(standing[1]["VersionStages"], Json({"AWSCURRENT"}));
    EXPECT_EQ(standing[1]["KmsKeyIds"], Json({"DefaultEncryptionKey"}));
    std::vector<std::string> ids;
    Json next;
    for (int page = 0; page < 3; ++page) {
        const auto answer = with("ListSecretVersionIds", "s",
                                 {{"IncludeDeprecated", true}, {"MaxResults", 1}, {"NextToken", next}});
        ASSERT_EQ(answer.body["Versions"].size(), 1u);
        ids.push_back(answer.body["Versions"][0]["VersionId"]);
        EXPECT_EQ(answer.body.contains("NextToken"), page < 2);
        next = answer.body.value("NextToken", Json());
    }
    EXPECT_EQ(ids, (std::vector{token('1'), token('2'), token('3')}));
    EXPECT_EQ(with("ListSecretVersionIds", "s", {{"NextToken", "x"}}).type(), "InvalidNextTokenException");
}

TEST_F(SecretsLifecycle, forgets_old_versions_without_a_stage) {
    create("s");
    for (int i = 0; i < 110; ++i) {
        now_ += kDay;
        with("PutSecretValue", "s", {{"SecretString", std::to_string(i)}});
    }
    const auto versions =
        with("ListSecretVersionIds", "s", {{"IncludeDeprecated", true}, {"MaxResults", 100}}).body;
    EXPECT_EQ(versions["Versions"].size(), 100u);
    EXPECT_FALSE(versions.contains("NextToken"));
    EXPECT_EQ(value("s"), "109");
    EXPECT_EQ(value("s", "AWSPREVIOUS"), "108");
}

TEST_F(SecretsLifecycle, filters_as_the_service_model_says) {
    create("app/one", "x", {{"Description", "The First"}, {"Tags", {{{"Key", "Team"}, {"Value", "Red"}}}}});
    create("app/two", "x", {{"Description", "second"}, {"Tags", {{{"Key", "env"}, {"Value", "Red"}}}}});
    create("other", "x");
    EXPECT_EQ(filtered("name", {"app/"}), Json({"app/one", "app/two"}));
    EXPECT_EQ(filtered("name", {"APP/"}), Json::array());
    EXPECT_EQ(filtered("name", {"app/t", "oth"}), Json({"app/two", "other"})) << "any of the values";
    EXPECT_EQ(filtered("name", {"!app/"}), Json({"other"}));
    EXPECT_EQ(filtered("description", {"the f"}), Json({"app/one"})) << "not case-sensitive";
    EXPECT_EQ(filtered("tag-key", {"Te"}), Json({"app/one"}));
    EXPECT_EQ(filtered("tag-key", {"te"}), Json::array());
    EXPECT_EQ(filtered("tag-value", {"R"}), Json({"app/one", "app/two"}));
    EXPECT_EQ(filtered("all", {"first red"}), Json({"app/one"}));
    EXPECT_EQ(filtered("owning-service", {"x"}), Json::array());
    EXPECT_EQ(names({{"Filters",
                      {{{"Key", "name"}, {"Values", {"app/"}}}, {{"Key", "tag-key"}, {"Values", {"env"}}}}}}),
              Json({"app/two"}))
        << "all of the filters";
    EXPECT_EQ(names({{"SortBy", "name"}, {"SortOrder", "desc"}}), Json({"other", "app/two", "app/one"}));
    EXPECT_EQ(names({{"SortOrder", "desc"}, {"MaxResults", 1}}), Json({"other"}));
    EXPECT_EQ(secrets("ListSecrets", {{"SortBy", "colour"}}).type(), "ValidationException");
    EXPECT_EQ(secrets("ListSecrets", {{"Filters", {{{"Key", "colour"}, {"Values", {"x"}}}}}}).type(),
              "ValidationException");
    const auto first = secrets("ListSecrets", {{"SortBy", "name"}, {"MaxResults", 2}}).body;
    EXPECT_EQ(names({{"SortBy", "name"}, {"NextToken", first["NextToken"]}}), Json({"other"}));
}

TEST_F(SecretsLifecycle, tags_and_untags) {
    create("s", "x", {{"Tags", {{{"Key", "a"}, {"Value", "1"}}}}});
    const auto tags = [&] { return with("DescribeSecret", "s").body["Tags"]; };
    const auto tagged =
        with("TagResource", "s", {{"Tags", {{{"Key", "a"}, {"Value", "2"}}, {{"Key", "b"}}}}});
    EXPECT_EQ(tagged.status, 200);
    EXPECT_EQ(tagged.text, "") << "the operation has no output";
    EXPECT_EQ(tags(), Json({{{"Key", "a"}, {"Value", "2"}}, {{"Key", "b"}, {"Value", ""}}}));
    EXPECT_EQ(with("UntagResource", "s", {{"TagKeys", {"a", "none"}}}).status, 200);
    EXPECT_EQ(tags(), Json({{{"Key", "b"}, {"Value", ""}}}));
    EXPECT_EQ(with("TagResource", "s").type(), "ValidationException");
    EXPECT_EQ(with("UntagResource", "s").type(), "ValidationException");
    EXPECT_EQ(with("TagResource", "s", {{"Tags", {{{"Key", "aws:x"}, {"Value", "1"}}}}}).type(),
              "InvalidParameterException");
    auto many = Json::array();
    for (int i = 0; i < 50; ++i)
        many.push_back({{"Key", "k" + std::to_string(i)}, {"Value", ""}});
    EXPECT_EQ(with("TagResource", "s", {{"Tags", many}}).type(), "InvalidParameterException") << "51 in all";
}

TEST_F(SecretsLifecycle, asks_the_resource_policy) {
    create("s");
    const auto instance = instance_credentials();
    const std::string role = "arn:aws:iam::000000000000:role/redoubt-instance";
    const auto by_instance = [&](const std::string& operation) {
        return secrets(operation, {{"SecretId", "s"}, {"Description", "x"}}, instance).type();
    };
    EXPECT_EQ(by_instance("UpdateSecret"), "AccessDeniedException");
    ASSERT_EQ(with("PutResourcePolicy", "s",
                   {{"ResourcePolicy", policy({{"AWS", role}}, "secretsmanager:UpdateSecret")}})
                  .status,
              200);
    EXPECT_EQ(by_instance("UpdateSecret"), "") << "the policy names the role";
    const auto deny = policy("*", "secretsmanager:GetSecretValue", "Deny");
    ASSERT_EQ(with("PutResourcePolicy", "s", {{"ResourcePolicy", deny}}).status, 200);
    EXPECT_EQ(by_instance("GetSecretValue"), "AccessDeniedException");
    EXPECT_EQ(with("GetSecretValue", "s").type(), "AccessDeniedException") << "the root user too";
    EXPECT_EQ(with("GetResourcePolicy", "s").body["ResourcePolicy"], deny);
    open();
    EXPECT_EQ(with("GetSecretValue", "s").type(), "AccessDeniedException");
    EXPECT_EQ(with("DeleteResourcePolicy", "s").status, 200);
    EXPECT_EQ(value("s"), "one");
    EXPECT_FALSE(with("GetResourcePolicy", "s").body.contains("ResourcePolicy"));
}

TEST_F(SecretsLifecycle, refuses_policies_that_are_malformed_or_public) {
    create("s");
    EXPECT_EQ(with("PutResourcePolicy", "s", {{"ResourcePolicy", "{}"}}).type(),
              "MalformedPolicyDocumentException");
    EXPECT_EQ(
        with("PutResourcePolicy", "s", {{"ResourcePolicy", policy("*")}, {"BlockPublicPolicy", true}}).type(),
        "PublicPolicyException");
    EXPECT_FALSE(with("GetResourcePolicy", "s").body.contains("ResourcePolicy"));
    EXPECT_EQ(with("PutResourcePolicy", "s", {{"ResourcePolicy", policy("*")}}).status, 200) << "by default";
    const auto checked = [&](const std::string& text) {
        return secrets("ValidateResourcePolicy", {{"ResourcePolicy", text}}).body;
    };
    EXPECT_EQ(checked(policy("*"))["PolicyValidationPassed"], false);
    EXPECT_EQ(checked(policy("*"))["ValidationErrors"].size(), 1u);
    EXPECT_EQ(checked(policy({{"AWS", "arn:aws:iam::000000000000:root"}}))["PolicyValidationPassed"], true);
    EXPECT_EQ(secrets("ValidateResourcePolicy", {{"ResourcePolicy", "x"}}).type(),
              "MalformedPolicyDocumentException");
}

TEST_F(SecretsLifecycle, makes_passwords_of_what_is_asked) {
    const auto password = [&](const Json& input) {
        const auto answer = secrets("GetRandomPassword", input);
        return answer.status == 200 ? answer.body.value("RandomPassword", "") : answer.type();
    };
    EXPECT_EQ(password(Json::object()).size(), 32u);
    EXPECT_NE(password(Json::object()), password(Json::object()));
    EXPECT_EQ(password({{"PasswordLength", 4096}}).size(), 4096u);
    for (int i = 0; i < 50; ++i) {
        const auto each = password({{"PasswordLength", 4}});
        EXPECT_TRUE(each.find_first_of("abcdefghijklmnopqrstuvwxyz") != std::string::npos &&
                    each.find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") != std::string::npos &&
                    each.find_first_of("0123456789") != std::string::npos)
            << each;
    }
    const Json digits = {{"ExcludeLowercase", true},
                         {"ExcludeUppercase", true},
                         {"ExcludePunctuation", true},
                         {"ExcludeCharacters", "13579"},
                         {"PasswordLength", 500}};
    const auto even = password(digits);
    EXPECT_EQ(even.find_first_not_of("02468"), std::string::npos) << even;
    EXPECT_EQ(std::set<char>(even.begin(), even.end()).size(), 5u);
    EXPECT_NE(password({{"IncludeSpace", true}, {"PasswordLength", 5}}).find(' '), std::string::npos);
    EXPECT_EQ(password({{"PasswordLength", 3}}), "InvalidParameterException");
    EXPECT_EQ(password({{"PasswordLength", 3}, {"RequireEachIncludedType", false}}).size(), 3u);
    EXPECT_EQ(password({{"PasswordLength", 4097}}), "ValidationException");
    auto none = digits;
    none["ExcludeNumbers"] = true;
    EXPECT_EQ(password(none), "InvalidParameterException");
}

} // namespace
} // namespace redoubt::devcloud::tests
