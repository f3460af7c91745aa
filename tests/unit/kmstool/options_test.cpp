// SPDX-License-Identifier: Apache-2.0
#include "support.h"

namespace redoubt::kmstool::tests {
namespace {

const std::string kKeyId = "1234abcd-12ab-34cd-56ef-1234567890ab";

// What is said instead of doing it; the empty text where it would be done.
std::string refusal(const std::vector<std::string>& line, TestVariables variables = {},
                    Program program = Program::Production) {
    const auto options = read(line, std::move(variables), program);
    if (options)
        return "";
    EXPECT_EQ(options.error().exit_code, 1);
    return options.error().text;
}

std::string first_line(const std::string& text) {
    return text.substr(0, text.find('\n'));
}

TEST(KmstoolOptions, of_decrypt_have_long_names) {
    const auto options = read(words(
        "decrypt", {"--region", "eu-west-1", "--proxy-port", "9000", "--ciphertext", "QUJD", "--key-id",
                    kKeyId, "--encryption-algorithm", "RSAES_OAEP_SHA_256", "--tls-roots", "/roots.pem"}));
    ASSERT_TRUE(options) << options.error().text;
    EXPECT_EQ(options->command, Command::Decrypt);
    EXPECT_EQ(options->region, "eu-west-1");
    EXPECT_EQ(options->proxy_port, 9000u);
    EXPECT_EQ(options->ciphertext, "QUJD");
    ASSERT_TRUE(options->key);
    EXPECT_EQ(options->key->text, kKeyId);
    EXPECT_EQ(options->algorithm, aws::KmsAlgorithm::RsaesOaepSha256);
    EXPECT_EQ(options->tls_roots, "/roots.pem");
    EXPECT_EQ(options->credentials.access_key_id, "AKIATEST");
    EXPECT_EQ(text_of(options->credentials.secret_access_key), "SecretOfATest/+");
    EXPECT_EQ(text_of(options->credentials.session_token), "TokenOfATest==");
    EXPECT_EQ(options->credentials.expires, 0);
}

TEST(KmstoolOptions, of_decrypt_have_short_names) {
    const auto options = read({"decrypt", "-r", "eu-west-1", "-x", "9000", "-k", "A", "-s", "B", "-t", "C",
                               "-c", "QUJD", "-K", kKeyId, "-a", "SYMMETRIC_DEFAULT"});
    ASSERT_TRUE(options) << options.error().text;
    EXPECT_EQ(options->region, "eu-west-1");
    EXPECT_EQ(options->proxy_port, 9000u);
    EXPECT_EQ(options->ciphertext, "QUJD");
    EXPECT_EQ(options->key->text, kKeyId);
    EXPECT_EQ(options->algorithm, aws::KmsAlgorithm::SymmetricDefault);
    EXPECT_EQ(options->credentials.access_key_id, "A");
    EXPECT_EQ(text_of(options->credentials.secret_access_key), "B");
    EXPECT_EQ(text_of(options->credentials.session_token), "C");
}

TEST(KmstoolOptions, have_the_defaults_of_the_tool_that_is_replaced) {
    const auto options = read(words("decrypt", {"-c", "QUJD"}));
    ASSERT_TRUE(options);
    EXPECT_EQ(options->region, "us-east-1");
    EXPECT_EQ(options->proxy_port, 8000u);
    EXPECT_FALSE(options->key);
    EXPECT_EQ(options->algorithm, aws::KmsAlgorithm::SymmetricDefault);
    EXPECT_TRUE(options->context.empty());
    EXPECT_EQ(options->tls_roots, "");
}

TEST(KmstoolOptions, of_genkey_and_genrandom) {
    for (const auto& [spec, size] : {std::pair("AES-256", 32u), std::pair("AES-128", 16u)}) {
        const auto genkey = read(words("genkey", {"--key-id", "alias/a", "--key-spec", spec}));
        ASSERT_TRUE(genkey) << genkey.error().text;
        EXPECT_EQ(genkey->command, Command::GenerateKey);
        EXPECT_EQ(genkey->key->text, "alias/a");
        EXPECT_EQ(genkey->key_size, size);
        EXPECT_TRUE(read(words("genkey", {"-K", "alias/a", "-p", spec})));
    }
    for (const std::size_t length : {1u, 1024u}) {
        const auto random = read(words("genrandom", {"--length", std::to_string(length)}));
        ASSERT_TRUE(random) << random.error().text;
        EXPECT_EQ(random->command, Command::GenerateRandom);
        EXPECT_EQ(random->length, length);
        EXPECT_TRUE(read(words("genrandom", {"-l", std::to_string(length)})));
    }
}

TEST(KmstoolOptions, a_missing_one_is_named_as_the_tool_that_is_replaced_names_it) {
    EXPECT_EQ(refusal({"decrypt", "-s", "B", "-t", "C", "-c", "QUJD"}), "--aws-access-key-id must be set\n");
    EXPECT_EQ(refusal({"decrypt", "-k", "A", "-t", "C", "-c", "QUJD"}),
              "--aws-secret-access-key must be set\n");
    EXPECT_EQ(refusal({"decrypt", "-k", "A", "-s", "B", "-c", "QUJD"}), "--aws-session-token must be set\n");
    EXPECT_EQ(refusal({"decrypt", "-k", "", "-s", "B", "-t", "C"}), "--aws-access-key-id must be set\n");
    EXPECT_EQ(refusal({"decrypt", "-k", "A", "-s", "", "-t", "C"}), "--aws-secret-access-key must be set\n");
    EXPECT_EQ(refusal({"genrandom", "-l", "1"}), "--aws-access-key-id must be set\n");
    EXPECT_EQ(refusal(words("decrypt", {})), "--ciphertext must be set\n");
    EXPECT_EQ(refusal(words("genkey", {"-p", "AES-256"})), "--key-id must be set\n");
    EXPECT_EQ(refusal(words("genkey", {"-K", "alias/a"})), "--key-spec must be set\n");
    EXPECT_EQ(refusal(words("genrandom", {})), "--length must be set\n");
}

TEST(KmstoolOptions, a_key_without_its_algorithm_is_refused_instead_of_dereferencing_null) {
    EXPECT_EQ(refusal(words("decrypt", {"-c", "QUJD", "-K", kKeyId})),
              "--encryption-algorithm must be set where --key-id is\n");
}

TEST(KmstoolOptions, values_out_of_range_are_refused) {
    for (const char* length : {"0", "-1", "-1024"})
        EXPECT_EQ(refusal(words("genrandom", {"-l", length})), "--length must be greater than 0\n");
    for (const char* length : {"1025", "4294967297"})
        EXPECT_EQ(refusal(words("genrandom", {"-l", length})), "--length must be smaller or equal to 1024\n");
    for (const char* length : {"", "x", "1x", " 1", "1.5", "99999999999999999999"})
        EXPECT_EQ(refusal(words("genrandom", {"-l", length})), "--length is not a number of bytes\n")
            << length;
    for (const char* port : {"", "0", "-1", "4294967295", "80a", "vsock"})
        EXPECT_EQ(refusal(words("decrypt", {"-c", "QUJD", "-x", port})), "--proxy-port is not a vsock port\n")
            << port;
    EXPECT_EQ(read(words("decrypt", {"-c", "QUJD", "-x", "4294967294"}))->proxy_port, 4294967294u);
    for (const char* region : {"", "us-east-1.evil.example", "US-EAST-1", "us-east-1/x"})
        EXPECT_EQ(refusal(words("decrypt", {"-c", "QUJD", "-r", region})),
                  "--region is not like us-east-1\n");
    EXPECT_EQ(first_line(refusal(words("genkey", {"-K", "alias/a", "-p", "AES-192"}))),
              "Unknown key spec: neither AES-256 nor AES-128");
    EXPECT_EQ(refusal(words("genkey", {"-K", "a b", "-p", "AES-256"})),
              "--key-id is not a KMS key's ARN, id, alias/NAME or alias ARN\n");
    EXPECT_EQ(refusal(words("genkey", {"-K", "arn:aws:kms:us-east-2:111122223333:alias/a", "-p", "AES-256"})),
              "--key-id is of another region than --region\n");
    EXPECT_EQ(
        refusal(words("genkey", {"-K", "arn:aws-cn:kms:us-east-1:111122223333:alias/a", "-p", "AES-256"})),
        "--key-id is of another region than --region\n");
}

TEST(KmstoolOptions, an_asymmetric_algorithm_needs_a_key_and_has_no_context) {
    for (const char* algorithm : {"RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"}) {
        EXPECT_TRUE(read(words("decrypt", {"-c", "QUJD", "-K", kKeyId, "-a", algorithm})));
        EXPECT_EQ(refusal(words("decrypt", {"-c", "QUJD", "-a", algorithm})),
                  "--key-id must be set: a ciphertext of an asymmetric key does not name it\n");
        EXPECT_EQ(refusal(words("decrypt", {"-c", "QUJD", "-K", kKeyId, "-a", algorithm,
                                            "--encryption-context", "a=b"})),
                  "--encryption-context is for SYMMETRIC_DEFAULT only\n");
    }
    EXPECT_TRUE(read(words("decrypt", {"-c", "QUJD", "-a", "SYMMETRIC_DEFAULT"})));
    for (const char* algorithm : {"SM2PKE", "", "symmetric_default", "RSAES_OAEP_SHA_512"})
        EXPECT_EQ(
            refusal(words("decrypt", {"-c", "QUJD", "-K", kKeyId, "-a", algorithm})),
            "--encryption-algorithm is none of SYMMETRIC_DEFAULT, RSAES_OAEP_SHA_1, RSAES_OAEP_SHA_256\n");
}

TEST(KmstoolOptions, unknown_ones_and_those_of_other_commands_are_refused) {
    EXPECT_EQ(first_line(refusal(words("decrypt", {"--nonsense", "x"}))), "Unknown option: --nonsense");
    EXPECT_EQ(first_line(refusal(words("decrypt", {"-l", "1"}))), "Unknown option: -l");
    EXPECT_EQ(first_line(refusal(words("genkey", {"-c", "QUJD"}))), "Unknown option: -c");
    EXPECT_EQ(first_line(refusal(words("genrandom", {"--encryption-context", "a=b"}))),
              "Unknown option: --encryption-context");
    for (const char* argument : {"-", "--", "-rus-east-1", "--region=us-east-1", "--REGION", "-R", "x"})
        EXPECT_TRUE(refusal(words("decrypt", {argument})).starts_with("Unknown option: ")) << argument;
    EXPECT_EQ(first_line(refusal(words("decrypt", {"--ciphertext"}))), "--ciphertext lacks its value");
    for (const char* option : {"--nsm-root", "--kms-proxy", "--endpoint-suffix"})
        EXPECT_EQ(first_line(refusal(words("decrypt", {option, "x"}))),
                  "Unknown option: " + std::string(option));
}

TEST(KmstoolOptions, of_a_repeated_one_the_last_counts) {
    const auto options = read(words("decrypt", {"-c", "AAAA", "-k", "LAST", "--ciphertext", "QUJD"}));
    ASSERT_TRUE(options);
    EXPECT_EQ(options->ciphertext, "QUJD");
    EXPECT_EQ(options->credentials.access_key_id, "LAST");
}

TEST(KmstoolOptions, a_secret_out_of_place_is_not_printed) {
    const std::string secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    for (const std::string& argument : {secret, "-" + secret, "--" + secret, std::string("-\n")}) {
        const std::string text = refusal({"decrypt", argument, "-k", "A"});
        EXPECT_EQ(first_line(text), "Unknown option: an argument that is no option's name");
        EXPECT_EQ(text.find("EXAMPLEKEY"), std::string::npos);
    }
    for (const char* option : {"-r", "-x", "-K", "-a", "--encryption-context"}) {
        std::vector<std::string> rest{"-c", "QUJD", "-a", "SYMMETRIC_DEFAULT", option, secret};
        EXPECT_EQ(refusal(words("decrypt", rest)).find("EXAMPLEKEY"), std::string::npos) << option;
    }
    EXPECT_EQ(refusal(words("genkey", {"-p", secret})).find("EXAMPLEKEY"), std::string::npos);
    EXPECT_EQ(refusal({secret}).find("EXAMPLEKEY"), std::string::npos);
}

TEST(KmstoolOptions, secrets_are_overwritten_in_the_command_line_and_nothing_else_is) {
    const CommandLine line(words("decrypt", {"-c", "QUJD", "-s", "Another"}));
    TestVariables none;
    const auto options = read_options(line.arguments(), none.lookup(), Program::Production);
    ASSERT_TRUE(options);
    EXPECT_EQ(text_of(options->credentials.secret_access_key), "Another");
    EXPECT_EQ(line[2], std::string(8, '\0'));
    EXPECT_EQ(line[4], std::string(15, '\0'));
    EXPECT_EQ(line[6], std::string(14, '\0'));
    EXPECT_EQ(line[10], std::string(7, '\0'));
    EXPECT_EQ(line[3], "--aws-secret-access-key");
    EXPECT_EQ(line[8], "QUJD");
}

TEST(KmstoolOptions, credentials_may_stand_in_the_environment_and_are_overwritten_there) {
    TestVariables variables{{"AWS_ACCESS_KEY_ID", "AKIAENV"},
                            {"AWS_SECRET_ACCESS_KEY", "EnvSecret"},
                            {"AWS_SESSION_TOKEN", "EnvToken"}};
    const CommandLine line({"decrypt", "-c", "QUJD"});
    const auto options = read_options(line.arguments(), variables.lookup(), Program::Production);
    ASSERT_TRUE(options) << options.error().text;
    EXPECT_EQ(options->credentials.access_key_id, "AKIAENV");
    EXPECT_EQ(text_of(options->credentials.secret_access_key), "EnvSecret");
    EXPECT_EQ(text_of(options->credentials.session_token), "EnvToken");
    EXPECT_EQ(variables["AWS_SECRET_ACCESS_KEY"], std::string(9, '\0'));
    EXPECT_EQ(variables["AWS_SESSION_TOKEN"], std::string(8, '\0'));
}

TEST(KmstoolOptions, an_option_counts_before_its_variable) {
    TestVariables variables{{"AWS_ACCESS_KEY_ID", "AKIAENV"},
                            {"AWS_SECRET_ACCESS_KEY", "EnvSecret"},
                            {"AWS_SESSION_TOKEN", "EnvToken"}};
    const auto options = read({"decrypt", "-c", "QUJD", "-s", "Mine"}, variables);
    ASSERT_TRUE(options);
    EXPECT_EQ(options->credentials.access_key_id, "AKIAENV");
    EXPECT_EQ(text_of(options->credentials.secret_access_key), "Mine");
}

TEST(KmstoolOptions, an_empty_session_token_says_long_term_credentials_and_none_is_refused) {
    const auto by_option = read({"decrypt", "-c", "QUJD", "-k", "A", "-s", "B", "-t", ""});
    ASSERT_TRUE(by_option) << by_option.error().text;
    EXPECT_TRUE(by_option->credentials.session_token.empty());
    EXPECT_TRUE(
        read({"decrypt", "-c", "QUJD", "-k", "A", "-s", "B"}, TestVariables{{"AWS_SESSION_TOKEN", ""}}));
    EXPECT_EQ(
        refusal({"decrypt", "-c", "QUJD", "-k", "A", "-t", ""}, TestVariables{{"AWS_SECRET_ACCESS_KEY", ""}}),
        "--aws-secret-access-key must be set\n");
}

TEST(KmstoolOptions, credentials_that_no_header_can_carry_are_refused) {
    for (const std::string& bad : {std::string("a b"), std::string("a\r\nx: y"), std::string("é")}) {
        const std::string text = "the AWS credentials hold a space, a control character or too much\n";
        EXPECT_EQ(refusal({"decrypt", "-c", "QUJD", "-k", bad, "-s", "B", "-t", "C"}), text);
        EXPECT_EQ(refusal({"decrypt", "-c", "QUJD", "-k", "A", "-s", bad, "-t", "C"}), text);
        EXPECT_EQ(refusal({"decrypt", "-c", "QUJD", "-k", "A", "-s", "B", "-t", bad}), text);
    }
}

TEST(KmstoolOptions, help_lists_what_each_command_takes) {
    const std::pair<const char*, std::vector<const char*>> cases[] = {
        {"decrypt", {"--ciphertext", "--key-id", "--encryption-algorithm", "--encryption-context"}},
        {"genkey", {"--key-id", "--key-spec", "--encryption-context"}},
        {"genrandom", {"--length"}},
    };
    for (const auto& [command, options] : cases)
        for (const char* help : {"--help", "-h"}) {
            const std::string text = refusal({command, help}); // exit code 1, as the tool that is replaced
            EXPECT_TRUE(text.starts_with("usage: redoubt-kmstool " + std::string(command))) << text;
            for (const char* option : options)
                EXPECT_NE(text.find(option), std::string::npos) << option;
            for (const char* option :
                 {"--region", "--proxy-port", "--aws-access-key-id", "AWS_SECRET_ACCESS_KEY",
                  "--aws-session-token", "--tls-roots", "/proc"})
                EXPECT_NE(text.find(option), std::string::npos) << option;
            EXPECT_EQ(text.find("--nsm-root"), std::string::npos);
            EXPECT_NE(refusal({command, help}, {}, Program::Development).find("--nsm-root"),
                      std::string::npos);
        }
    EXPECT_TRUE(refusal({}).starts_with("usage: redoubt-kmstool COMMAND"));
    EXPECT_EQ(first_line(refusal({"encrypt"})), "Unknown command");
    const auto help = read({"--help"});
    ASSERT_FALSE(help);
    EXPECT_EQ(help.error().exit_code, 0);
}

TEST(KmstoolOptions, of_the_development_program_name_its_stand_ins) {
    const std::vector<std::string> line =
        words("genrandom", {"-l", "1", "--nsm-root", "/root", "--kms-proxy", "unix:/kms.sock",
                            "--endpoint-suffix", "x.test"});
    const auto options = read(line, {}, Program::Development);
    ASSERT_TRUE(options) << options.error().text;
    EXPECT_EQ(options->nsm_root, "/root");
    EXPECT_EQ(options->kms_proxy->path, "/kms.sock");
    EXPECT_EQ(options->endpoint_suffix, "x.test");
    EXPECT_EQ(refusal(words("genrandom", {"-l", "1"}), {}, Program::Development),
              "--nsm-root and --kms-proxy must be set\n");
    EXPECT_EQ(refusal(words("genrandom", {"-l", "1", "--nsm-root", "/root", "--kms-proxy", "x"}), {},
                      Program::Development),
              "--kms-proxy takes unix:PATH or tcp:HOST:PORT\n");
}

} // namespace
} // namespace redoubt::kmstool::tests
