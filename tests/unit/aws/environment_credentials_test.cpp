// SPDX-License-Identifier: Apache-2.0
#include "aws/environment_credentials.h"
#include "environment_support.h"

namespace redoubt::aws::tests {
namespace {

TEST(EnvironmentCredentials, come_with_and_without_a_token) {
    Variables variables;
    variables["AWS_ACCESS_KEY_ID"] = "AKIA1";
    variables["AWS_SECRET_ACCESS_KEY"] = "secret";
    auto credentials = credentials_from_environment(variables.lookup());
    ASSERT_TRUE(credentials);
    EXPECT_EQ(credentials->access_key_id, "AKIA1");
    EXPECT_EQ(text_of(credentials->secret_access_key), "secret");
    EXPECT_TRUE(credentials->session_token.empty());
    EXPECT_EQ(credentials->expires, 0);
    variables["AWS_SESSION_TOKEN"] = "token";
    credentials = credentials_from_environment(variables.lookup());
    ASSERT_TRUE(credentials);
    EXPECT_EQ(text_of(credentials->session_token), "token");
    const Credentials copy = credentials->clone();
    EXPECT_EQ(text_of(copy.session_token), "token");
    EXPECT_EQ(copy.access_key_id, "AKIA1");
}

TEST(EnvironmentCredentials, are_read_from_the_process_by_default) {
    setenv("AWS_ACCESS_KEY_ID", "AKIA2", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    const auto credentials = credentials_from_environment();
    unsetenv("AWS_ACCESS_KEY_ID");
    unsetenv("AWS_SECRET_ACCESS_KEY");
    ASSERT_TRUE(credentials);
    EXPECT_EQ(credentials->access_key_id, "AKIA2");
    EXPECT_EQ(code_of(credentials_from_environment()), Code::CredentialsMissing);
}

TEST(EnvironmentCredentials, that_are_incomplete_are_wrong_and_not_missing) {
    Variables variables;
    EXPECT_EQ(code_of(credentials_from_environment(variables.lookup())), Code::CredentialsMissing);
    variables["AWS_ACCESS_KEY_ID"] = "AKIA1";
    EXPECT_EQ(code_of(credentials_from_environment(variables.lookup())), Code::Usage);
    variables["AWS_SECRET_ACCESS_KEY"] = "secret";
    variables["AWS_SESSION_TOKEN"] = "to\nken";
    EXPECT_EQ(code_of(credentials_from_environment(variables.lookup())), Code::Usage);
    variables["AWS_SESSION_TOKEN"] = "token";
    EXPECT_TRUE(credentials_from_environment(variables.lookup()));
    variables["AWS_ACCESS_KEY_ID"] = "";
    EXPECT_EQ(code_of(credentials_from_environment(variables.lookup())), Code::Usage);
}

TEST(EnvironmentCredentials, tell_their_expiration_and_are_refused_after_it) {
    Variables variables;
    variables["AWS_ACCESS_KEY_ID"] = "AKIA1";
    variables["AWS_SECRET_ACCESS_KEY"] = "secret";
    variables["AWS_CREDENTIAL_EXPIRATION"] = "2026-01-01T00:00:00Z";
    const UnixMs at = *from_iso8601("2026-01-01T00:00:00Z");
    const auto before = credentials_from_environment(variables.lookup(), at - 1);
    ASSERT_TRUE(before);
    EXPECT_EQ(before->expires, at);
    EXPECT_EQ(code_of(credentials_from_environment(variables.lookup(), at)), Code::AwsRefused);
    variables["AWS_CREDENTIAL_EXPIRATION"] = "tomorrow";
    EXPECT_EQ(code_of(credentials_from_environment(variables.lookup(), at)), Code::Usage);
}

} // namespace
} // namespace redoubt::aws::tests
