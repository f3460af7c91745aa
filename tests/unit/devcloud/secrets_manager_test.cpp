// SPDX-License-Identifier: Apache-2.0
#include "unit/devcloud/support.h"

#include <regex>

namespace redoubt::devcloud::tests {
namespace {

class Secrets : public DevcloudTest {
  protected:
    Answer create(const std::string& name, const std::string& value = "one") {
        return secrets("CreateSecret",
                       {{"Name", name}, {"SecretString", value}, {"ClientRequestToken", token('1')}});
    }
    Answer put(const std::string& name, const std::string& value, const std::string& version,
               const Json& stages = nullptr) {
        return secrets("PutSecretValue", {{"SecretId", name},
                                          {"SecretString", value},
                                          {"ClientRequestToken", version},
                                          {"VersionStages", stages}});
    }
    Answer get(const std::string& id) { return secrets("GetSecretValue", {{"SecretId", id}}); }
    Answer get_stage(const std::string& id, const std::string& stage) {
        return secrets("GetSecretValue", {{"SecretId", id}, {"VersionStage", stage}});
    }

    // A ClientRequestToken of the shortest kind.
    static std::string token(char c) { return std::string(32, c); }

    static void expect_refused(const Answer& answer, const std::string& type, const std::string& what = "") {
        EXPECT_EQ(answer.status, 400) << what << answer.text;
        EXPECT_EQ(answer.type(), type) << what << answer.text;
        // The service model's exceptions spell it so.
        EXPECT_TRUE(answer.body.contains("Message")) << what << answer.text;
        EXPECT_FALSE(answer.body.contains("message")) << what << answer.text;
        EXPECT_EQ(answer.response.header("content-type"), "application/x-amz-json-1.1");
    }
};

TEST_F(Secrets, creates_a_secret_and_gets_it_by_name_and_by_arn) {
    const auto created = create("app/key-1");
    ASSERT_EQ(created.status, 200) << created.text;
    const std::string arn = created.body["ARN"];
    EXPECT_TRUE(std::regex_match(
        arn, std::regex("arn:aws:secretsmanager:us-east-1:000000000000:secret:app/key-1-[A-Za-z0-9]{6}")))
        << arn;
    EXPECT_EQ(created.body, Json({{"ARN", arn}, {"Name", "app/key-1"}, {"VersionId", token('1')}}));

    // Name, whole ARN, and ARN without the random characters.
    for (const auto& id : {std::string("app/key-1"), arn, arn.substr(0, arn.size() - 7)}) {
        const auto got = get(id);
        ASSERT_EQ(got.status, 200) << id << got.text;
        EXPECT_EQ(got.body["ARN"], arn);
        EXPECT_EQ(got.body["Name"], "app/key-1");
        EXPECT_EQ(got.body["VersionId"], token('1'));
        EXPECT_EQ(got.body["SecretString"], "one");
        EXPECT_EQ(got.body["VersionStages"], Json({"AWSCURRENT"}));
        EXPECT_FALSE(got.body.contains("SecretBinary"));
        // Seconds with three decimals.
        EXPECT_NEAR(got.body["CreatedDate"].get<double>(), double(now_) / 1000, 0.0005);
        EXPECT_TRUE(std::regex_search(got.text, std::regex(R"("CreatedDate":\d+\.\d{3}[,}])"))) << got.text;
    }
}

TEST_F(Secrets, finds_nothing_by_another_identifier) {
    const std::string arn = create("app/key-1").body["ARN"];
    const std::string without = arn.substr(0, arn.size() - 7);
    std::string elsewhere = arn;
    elsewhere.replace(elsewhere.find("us-east-1"), 9, "eu-west-1");
    std::string of_another = arn;
    of_another.replace(of_another.find("000000000000"), 12, "111111111111");
    for (const auto& id : {std::string("app/key"), std::string("APP/KEY-1"), std::string("app/key-1%"),
                           arn.substr(0, arn.size() - 1), without + "-", without + "-aaaaaa", elsewhere,
                           of_another, arn + "-abcdef"}) {
        const auto answer = get(id);
        expect_refused(answer, "ResourceNotFoundException", id);
        EXPECT_EQ(answer.body.value("Message", ""), "Secrets Manager can't find the specified secret.");
    }
}

TEST_F(Secrets, keeps_binary_values_as_such) {
    const Bytes value = {0, 1, 0xff, '"', 0x0a};
    const auto created = secrets("CreateSecret", {{"Name", "b"}, {"SecretBinary", to_base64(value)}});
    ASSERT_EQ(created.status, 200) << created.text;
    const auto got = get("b");
    EXPECT_EQ(got.body["SecretBinary"], to_base64(value));
    EXPECT_FALSE(got.body.contains("SecretString"));
}

TEST_F(Secrets, keeps_text_byte_for_byte) {
    create("t");
    for (const std::string value : {"{\"a\":\"\\u0000\"}", "\"\\\n\t", "s\xc3\xa9\xf0\x9f\x94\x91", " "}) {
        put("t", value, to_hex(random_.array<16>()));
        EXPECT_EQ(get("t").body["SecretString"], value);
    }
}

TEST_F(Secrets, makes_a_version_id_where_the_request_has_none) {
    const auto created = secrets("CreateSecret", {{"Name", "n"}, {"SecretString", "x"}});
    const std::string first = created.body["VersionId"];
    EXPECT_EQ(first.size(), 36u);
    const std::string second =
        secrets("PutSecretValue", {{"SecretId", "n"}, {"SecretString", "x"}}).body["VersionId"];
    EXPECT_NE(first, second);
}

TEST_F(Secrets, moves_the_stages_when_a_value_is_put) {
    create("s", "one");
    now_ += 1500;
    const auto second = put("s", "two", token('2'));
    ASSERT_EQ(second.status, 200) << second.text;
    EXPECT_EQ(second.body["VersionId"], token('2'));
    EXPECT_EQ(second.body["VersionStages"], Json({"AWSCURRENT"}));
    EXPECT_EQ(second.body["Name"], "s");
    EXPECT_EQ(get("s").body["SecretString"], "two");
    EXPECT_EQ(get_stage("s", "AWSPREVIOUS").body["SecretString"], "one");

    put("s", "three", token('3'));
    EXPECT_EQ(get("s").body["SecretString"], "three");
    EXPECT_EQ(get_stage("s", "AWSPREVIOUS").body["SecretString"], "two");
    // The first has no stage any more and is still there by its id.
    const auto first = secrets("GetSecretValue", {{"SecretId", "s"}, {"VersionId", token('1')}});
    EXPECT_EQ(first.body["SecretString"], "one");
    EXPECT_FALSE(first.body.contains("VersionStages"));
}

TEST_F(Secrets, puts_a_value_under_another_stage_without_touching_the_current_one) {
    create("s", "one");
    ASSERT_EQ(put("s", "two", token('2'), {"AWSPENDING", "mine"}).status, 200);
    EXPECT_EQ(get("s").body["SecretString"], "one");
    EXPECT_EQ(get_stage("s", "AWSPENDING").body["SecretString"], "two");
    EXPECT_EQ(get_stage("s", "mine").body["VersionStages"], Json({"AWSPENDING", "mine"}));
    expect_refused(get_stage("s", "AWSPREVIOUS"), "ResourceNotFoundException");
    // A stage stands on one version only.
    ASSERT_EQ(put("s", "three", token('3'), {"mine"}).status, 200);
    EXPECT_EQ(get_stage("s", "mine").body["SecretString"], "three");
    EXPECT_EQ(get_stage("s", "AWSPENDING").body["VersionStages"], Json({"AWSPENDING"}));
}

TEST_F(Secrets, makes_the_first_value_the_current_one) {
    const auto created = secrets("CreateSecret", {{"Name", "empty"}});
    ASSERT_EQ(created.status, 200) << created.text;
    EXPECT_FALSE(created.body.contains("VersionId"));
    const auto none = get("empty");
    expect_refused(none, "ResourceNotFoundException");
    EXPECT_EQ(none.body["Message"],
              "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT");
    EXPECT_EQ(put("empty", "one", token('1'), {"mine"}).body["VersionStages"], Json({"mine", "AWSCURRENT"}));
    EXPECT_EQ(get("empty").body["SecretString"], "one");
}

TEST_F(Secrets, answers_a_repeated_request_as_before) {
    const auto created = create("s", "one");
    EXPECT_EQ(create("s", "one").body, created.body);
    const auto second = put("s", "two", token('2'));
    put("s", "three", token('3'));
    // The repetition changes nothing: version 2 stays the previous one.
    const auto again = put("s", "two", token('2'));
    EXPECT_EQ(again.status, 200) << again.text;
    EXPECT_EQ(again.body["VersionId"], token('2'));
    EXPECT_EQ(again.body["VersionStages"], Json({"AWSPREVIOUS"}));
    EXPECT_EQ(get("s").body["SecretString"], "three");
}

TEST_F(Secrets, refuses_a_token_that_is_in_use_for_another_value) {
    create("s", "one");
    expect_refused(create("s", "two"), "ResourceExistsException");
    expect_refused(put("s", "two", token('1')), "ResourceExistsException");
    expect_refused(secrets("PutSecretValue", {{"SecretId", "s"},
                                              {"SecretBinary", to_base64(as_bytes("one"))},
                                              {"ClientRequestToken", token('1')}}),
                   "ResourceExistsException", "the same bytes as binary");
    expect_refused(secrets("UpdateSecret",
                           {{"SecretId", "s"}, {"SecretString", "two"}, {"ClientRequestToken", token('1')}}),
                   "ResourceExistsException");
    expect_refused(secrets("CreateSecret", {{"Name", "s"}, {"SecretString", "one"}}),
                   "ResourceExistsException", "another token");
    expect_refused(secrets("CreateSecret", {{"Name", "s"}}), "ResourceExistsException", "no value");
    EXPECT_EQ(get("s").body["SecretString"], "one");
}

TEST_F(Secrets, finds_versions_by_id_and_stage) {
    create("s", "one");
    put("s", "two", token('2'));
    const auto version = [&](const std::string& id, const Json& stage = nullptr) {
        return secrets("GetSecretValue", {{"SecretId", "s"}, {"VersionId", id}, {"VersionStage", stage}});
    };
    EXPECT_EQ(version(token('1')).body["SecretString"], "one");
    EXPECT_EQ(version(token('1'), "AWSPREVIOUS").body["SecretString"], "one");
    const auto mismatch = version(token('1'), "AWSCURRENT");
    expect_refused(mismatch, "InvalidRequestException");
    EXPECT_EQ(mismatch.body["Message"],
              "You provided a VersionStage that is not associated to the provided VersionId.");
    const auto missing = version(token('9'));
    expect_refused(missing, "ResourceNotFoundException");
    EXPECT_EQ(missing.body["Message"],
              "Secrets Manager can't find the specified secret value for VersionId: " + token('9'));
    expect_refused(get_stage("s", "none"), "ResourceNotFoundException");
    // Another secret's version is not this one's.
    secrets("CreateSecret",
            {{"Name", "other"}, {"SecretString", "other"}, {"ClientRequestToken", token('7')}});
    expect_refused(version(token('7')), "ResourceNotFoundException");
}

TEST_F(Secrets, updates_value_description_and_key) {
    create("s", "one");
    now_ += 2000;
    const auto described = [&] { return secrets("DescribeSecret", {{"SecretId", "s"}}).body; };
    const double before = described()["LastChangedDate"];
    const auto only = secrets("UpdateSecret", {{"SecretId", "s"}, {"Description", "a secret"}});
    ASSERT_EQ(only.status, 200) << only.text;
    EXPECT_FALSE(only.body.contains("VersionId"));
    EXPECT_EQ(described()["Description"], "a secret");
    EXPECT_GT(described()["LastChangedDate"].get<double>(), before);
    EXPECT_EQ(described()["CreatedDate"], before);
    const auto value = secrets("UpdateSecret", {{"SecretId", "s"},
                                                {"SecretString", "two"},
                                                {"KmsKeyId", "alias/mine"},
                                                {"ClientRequestToken", token('2')}});
    EXPECT_EQ(value.body["VersionId"], token('2'));
    EXPECT_EQ(described()["KmsKeyId"], "alias/mine");
    EXPECT_EQ(described()["Description"], "a secret");
    EXPECT_EQ(get("s").body["SecretString"], "two");
    EXPECT_EQ(get_stage("s", "AWSPREVIOUS").body["SecretString"], "one");
}

TEST_F(Secrets, describes_without_telling_the_value) {
    secrets("CreateSecret", {{"Name", "s"},
                             {"SecretString", "the value itself"},
                             {"ClientRequestToken", token('1')},
                             {"Description", "d"},
                             {"Tags", {{{"Key", "a"}, {"Value", "1"}}, {{"Key", "b"}, {"Value", ""}}}}});
    put("s", "the next value", token('2'));
    const auto answer = secrets("DescribeSecret", {{"SecretId", "s"}});
    ASSERT_EQ(answer.status, 200) << answer.text;
    EXPECT_EQ(answer.body["Tags"], Json({{{"Key", "a"}, {"Value", "1"}}, {{"Key", "b"}, {"Value", ""}}}));
    EXPECT_EQ(answer.body["VersionIdsToStages"],
              Json({{token('1'), {"AWSPREVIOUS"}}, {token('2'), {"AWSCURRENT"}}}));
    EXPECT_EQ(answer.text.find("value itself"), std::string::npos);
    EXPECT_EQ(answer.text.find("next value"), std::string::npos);
    const auto list = secrets("ListSecrets", Json::object());
    EXPECT_EQ(list.text.find("value"), std::string::npos) << list.text;
}

TEST_F(Secrets, lists_in_pages) {
    std::vector<std::string> listed;
    for (const char* name : {"c", "a", "b", "e", "d"})
        create(name);
    Json next;
    for (int page = 0; page < 3; ++page) {
        const auto answer = secrets("ListSecrets", {{"MaxResults", 2}, {"NextToken", next}});
        ASSERT_EQ(answer.status, 200) << answer.text;
        for (const auto& secret : answer.body["SecretList"]) {
            listed.push_back(secret["Name"]);
            EXPECT_EQ(secret["SecretVersionsToStages"], Json({{token('1'), {"AWSCURRENT"}}}));
        }
        EXPECT_EQ(answer.body.contains("NextToken"), page < 2);
        next = answer.body.value("NextToken", Json());
    }
    EXPECT_EQ(listed, (std::vector<std::string>{"c", "a", "b", "e", "d"}));
    expect_refused(secrets("ListSecrets", {{"NextToken", "x"}}), "InvalidNextTokenException");
    expect_refused(secrets("ListSecrets", {{"Filters", {{{"Key", "name"}}}}}), "InvalidParameterException");
}

TEST_F(Secrets, refuses_input_outside_the_service_model) {
    create("s");
    const std::string long_value(65'537, 'x');
    const struct {
        const char* operation;
        Json input;
        const char* type;
    } cases[] = {
        {"GetSecretValue", Json::object(), "ValidationException"},
        {"GetSecretValue", {{"SecretId", ""}}, "ValidationException"},
        {"GetSecretValue", {{"SecretId", std::string(2049, 'x')}}, "ValidationException"},
        {"GetSecretValue", {{"SecretId", 7}}, "SerializationException"},
        {"GetSecretValue", {{"SecretId", "s"}, {"VersionId", token('1').substr(1)}}, "ValidationException"},
        {"GetSecretValue", {{"SecretId", "s"}, {"VersionId", std::string(65, '1')}}, "ValidationException"},
        {"GetSecretValue", {{"SecretId", "s"}, {"VersionStage", ""}}, "ValidationException"},
        {"GetSecretValue", Json::array(), "SerializationException"},
        {"PutSecretValue", {{"SecretId", "s"}}, "InvalidRequestException"},
        {"PutSecretValue",
         {{"SecretId", "s"}, {"SecretString", "x"}, {"SecretBinary", "eA=="}},
         "InvalidParameterException"},
        {"PutSecretValue", {{"SecretId", "s"}, {"SecretString", ""}}, "ValidationException"},
        {"PutSecretValue", {{"SecretId", "s"}, {"SecretString", long_value}}, "ValidationException"},
        {"PutSecretValue",
         {{"SecretId", "s"}, {"SecretBinary", to_base64(as_bytes(long_value))}},
         "ValidationException"},
        {"PutSecretValue", {{"SecretId", "s"}, {"SecretBinary", "%"}}, "SerializationException"},
        {"PutSecretValue",
         {{"SecretId", "s"}, {"SecretString", "x"}, {"ClientRequestToken", "short"}},
         "ValidationException"},
        {"PutSecretValue",
         {{"SecretId", "s"}, {"SecretString", "x"}, {"VersionStages", {""}}},
         "ValidationException"},
        {"PutSecretValue",
         {{"SecretId", "s"}, {"SecretString", "x"}, {"VersionStages", "AWSCURRENT"}},
         "SerializationException"},
        {"PutSecretValue", {{"SecretId", "none"}, {"SecretString", "x"}}, "ResourceNotFoundException"},
        {"UpdateSecret", {{"SecretId", "none"}, {"SecretString", "x"}}, "ResourceNotFoundException"},
        {"DescribeSecret", {{"SecretId", "none"}}, "ResourceNotFoundException"},
        {"CreateSecret", {{"SecretString", "x"}}, "ValidationException"},
        {"CreateSecret", {{"Name", ""}, {"SecretString", "x"}}, "ValidationException"},
        {"CreateSecret", {{"Name", std::string(513, 'x')}}, "ValidationException"},
        {"CreateSecret", {{"Name", "a b"}}, "ValidationException"},
        {"CreateSecret", {{"Name", "a:b"}}, "ValidationException"},
        {"CreateSecret", {{"Name", "s\xc3\xa9"}}, "ValidationException"},
        {"CreateSecret",
         {{"Name", "t"}, {"Tags", {{{"Key", "a"}, {"Value", "1"}}, {{"Key", "a"}, {"Value", "2"}}}}},
         "InvalidParameterException"},
        {"CreateSecret", {{"Name", "t"}, {"Tags", {{{"Value", "1"}}}}}, "ValidationException"},
        {"ListSecrets", {{"MaxResults", 0}}, "ValidationException"},
        {"ListSecrets", {{"MaxResults", 101}}, "ValidationException"},
        {"RotateSecret", {{"SecretId", "s"}}, "UnknownOperationException"},
        {"BatchGetSecretValue", {{"SecretIdList", {"s"}}}, "UnknownOperationException"},
    };
    for (const auto& c : cases)
        expect_refused(secrets(c.operation, c.input), c.type,
                       std::string(c.operation) + c.input.dump().substr(0, 100));
    // Right at the limit.
    EXPECT_EQ(put("s", long_value.substr(1), token('2')).status, 200);
    EXPECT_EQ(get("s").body["SecretString"], long_value.substr(1));
    // The model's output has names of 256 at most, its input 512.
    EXPECT_EQ(send(signed_request("secretsmanager", "secretsmanager.CreateSecret",
                                  Json({{"Name", std::string(512, 'x')}}).dump(), root_credentials()))
                  .status,
              200);
    EXPECT_EQ(secrets("CreateSecret", {{"Name", "aZ09/_+=.@-"}}).status, 200);
}

TEST_F(Secrets, does_not_tell_a_refused_value) {
    create("s", "one");
    for (const auto& answer : {put("s", std::string(65'537, 'q'), token('2')), put("s", "qqqq", token('1')),
                               secrets("PutSecretValue", {{"SecretId", "s"},
                                                          {"SecretString", "qqqq"},
                                                          {"SecretBinary", to_base64(as_bytes("qqqq"))}})}) {
        EXPECT_EQ(answer.status, 400);
        EXPECT_EQ(answer.text.find("qqqq"), std::string::npos) << answer.text.substr(0, 300);
    }
}

TEST_F(Secrets, gives_the_instance_role_values_and_nothing_else) {
    create("s", "one");
    const auto role = instance_credentials();
    EXPECT_EQ(secrets("GetSecretValue", {{"SecretId", "s"}}, role).body["SecretString"], "one");
    for (const char* operation :
         {"CreateSecret", "PutSecretValue", "UpdateSecret", "DescribeSecret", "ListSecrets"}) {
        const auto answer =
            secrets(operation, {{"SecretId", "s"}, {"Name", "x"}, {"SecretString", "two"}}, role);
        expect_refused(answer, "AccessDeniedException", operation);
        const std::string message = answer.body["Message"];
        EXPECT_TRUE(message.starts_with(
            "User: arn:aws:sts::000000000000:assumed-role/redoubt-instance/i-0123456789abcdef0 is not "
            "authorized to perform: secretsmanager:" +
            std::string(operation) + " "))
            << message;
        EXPECT_TRUE(message.ends_with(" because no identity-based policy allows the secretsmanager:" +
                                      std::string(operation) + " action"))
            << message;
    }
    EXPECT_EQ(get("s").body["SecretString"], "one");
}

TEST_F(Secrets, keeps_everything_across_a_restart) {
    const auto created = create("s", "one");
    put("s", "two", token('2'));
    get("s"); // also notes the day it was read
    const auto described = secrets("DescribeSecret", {{"SecretId", "s"}}).body;
    open();
    EXPECT_EQ(get("s").body["SecretString"], "two");
    EXPECT_EQ(get_stage("s", "AWSPREVIOUS").body["SecretString"], "one");
    EXPECT_EQ(secrets("DescribeSecret", {{"SecretId", "s"}}).body, described);
    EXPECT_EQ(create("s", "one").body, created.body) << "the first request again";
}

} // namespace
} // namespace redoubt::devcloud::tests
