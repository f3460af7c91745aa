// SPDX-License-Identifier: Apache-2.0
// The whole program against a KMS on loopback that reads the attestation document as KMS does, and then one
// that lies.
#include "support.h"

#include "aws/sigv4.h"
#include "base/json.h"
#include "crypto/cms.h"
#include "crypto/random.h"
#include "kmstool/entropy.h"
#include "nitro/attestation.h"
#include "nitro/software_nsm.h"
#include "unit/aws/fake_server.h"

#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace redoubt::kmstool::tests {
namespace {

using aws::tests::answer;
using aws::tests::Authority;
using aws::tests::FakeServer;
using aws::tests::RawAnswer;

constexpr const char* kKey = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
// Far from this machine's clock, so that whoever asks that one is found out.
constexpr UnixMs kNow = 2'240'000'000'000; // 2040

const nitro::DevelopmentRoot& root() {
    static const auto* const made = new nitro::DevelopmentRoot(nitro::make_development_root().value());
    return *made;
}

Result<std::unique_ptr<nitro::NsmTransport>> open_software_nsm(const Options&) {
    nitro::SoftwareNsmOptions options;
    options.now = [] { return kNow; };
    return nitro::make_software_nsm(root(), options);
}

// A folder that goes with the test.
class Folder {
  public:
    Folder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "redoubt-kmstool-XXXXXX").string();
        EXPECT_NE(mkdtemp(pattern.data()), nullptr);
        path_ = pattern;
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    std::string file(const char* name) const { return (path_ / name).string(); }

  private:
    std::filesystem::path path_;
};

class KmstoolTest : public ::testing::Test {
  protected:
    // What KMS would put into its reply beside the recipient's ciphertext, and its plaintext.
    std::string plaintext_ = "the plaintext";
    std::string reply_ =
        R"("KeyId":")" + std::string(kKey) + R"(","EncryptionAlgorithm":"SYMMETRIC_DEFAULT")";
    std::optional<RawAnswer> lie_;
    std::vector<net::HttpRequest> seen_;
    std::vector<Bytes> recipients_;

    struct Ran {
        int exit_code;
        std::string out, err;
    };
    // The command's own options come last, so that they can replace the common ones.
    std::vector<std::string> line(const std::string& command, const std::vector<std::string>& rest) const {
        std::vector<std::string> all{
            "--tls-roots", roots_file_, "--kms-proxy",       server_.endpoint().text(),
            "--nsm-root",  "unused",    "--endpoint-suffix", "redoubt.test"};
        all.insert(all.end(), rest.begin(), rest.end());
        return words(command, all);
    }
    Ran run_tool(const std::string& command, const std::vector<std::string>& rest, OpenNsm open_nsm = {}) {
        return run_line(line(command, rest), std::move(open_nsm));
    }
    Ran run_line(std::vector<std::string> line, OpenNsm open_nsm = {}, int out_instead = -1) {
        const CommandLine arguments(std::move(line));
        TestVariables none;
        FILE* const out = std::tmpfile();
        FILE* const err = std::tmpfile();
        Ran ran;
        ran.exit_code = run(arguments.arguments(), none.lookup(), Program::Development,
                            open_nsm ? open_nsm : OpenNsm(open_this_nsm),
                            out_instead < 0 ? fileno(out) : out_instead, fileno(err));
        ran.out = contents(out);
        ran.err = contents(err);
        return ran;
    }

    static Result<std::unique_ptr<nitro::NsmTransport>> open_this_nsm(const Options&) {
        return nitro::make_software_nsm(root(), {});
    }
    json::Value body(std::size_t i) { return document_.parse(as_text(seen_.at(i).body)).value(); }

  private:
    static std::string contents(FILE* file) {
        std::string out;
        std::rewind(file);
        for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file))
            out.push_back(static_cast<char>(c));
        std::fclose(file);
        return out;
    }

    RawAnswer respond(const net::HttpRequest& request) {
        seen_.push_back(request);
        if (lie_)
            return *lie_;
        json::Document document;
        const auto asked = document.parse(as_text(request.body)).value();
        const auto recipient = asked.get("Recipient");
        EXPECT_TRUE(recipient && recipient->get("KeyEncryptionAlgorithm")->text() == "RSAES_OAEP_SHA_256");
        const Bytes attestation = from_base64(recipient->get("AttestationDocument")->text()).value();
        const auto verified =
            nitro::verify_attestation(attestation, root().certificate_der, system_time_ms());
        if (!verified) {
            ADD_FAILURE() << verified.error().describe();
            return answer(400, R"({"__type":"ValidationException"})");
        }
        EXPECT_FALSE(verified->user_data);
        EXPECT_FALSE(verified->nonce);
        recipients_.push_back(*verified->public_key);
        const Bytes cms =
            crypto::make_enveloped_data(*verified->public_key, as_bytes(plaintext_), random_).value();
        return answer(200, "{" + (reply_.empty() ? "" : reply_ + ",") + R"("CiphertextForRecipient":")" +
                               to_base64(cms) + "\"}");
    }

    json::Document document_;
    Folder folder_;
    crypto::SystemRandom random_;
    net::PemPair authority_ = net::make_certificate_authority("kmstool test").value();
    std::string roots_file_ = write("roots.pem", authority_.certificate);
    net::TlsContext tls_ = make_tls();
    FakeServer server_{&tls_, [this](const net::HttpRequest& request) { return respond(request); }};

    std::string write(const char* name, const std::string& text) {
        std::ofstream(folder_.file(name)) << text;
        return folder_.file(name);
    }
    net::TlsContext make_tls() {
        const auto pair = net::make_server_certificate(authority_, {"kms.us-east-1.redoubt.test"}).value();
        auto made = net::TlsContext::server(write("server.pem", pair.certificate),
                                            write("server.key", pair.key), {"http/1.1"});
        return std::move(made.value());
    }
};

TEST_F(KmstoolTest, decrypt_prints_one_line) {
    const auto ran = run_tool("decrypt", {"--ciphertext", "QUJD"});
    EXPECT_EQ(ran.exit_code, 0);
    EXPECT_EQ(ran.out, "PLAINTEXT: dGhlIHBsYWludGV4dA==\n");
    EXPECT_EQ(ran.err, "");
    ASSERT_EQ(seen_.size(), 1u);
    EXPECT_EQ(seen_[0].authority, "kms.us-east-1.redoubt.test");
    EXPECT_EQ(seen_[0].header("x-amz-target"), "TrentService.Decrypt");
    EXPECT_EQ(body(0).get("CiphertextBlob")->text(), "QUJD");
    EXPECT_FALSE(body(0).get("KeyId"));
    EXPECT_FALSE(body(0).get("EncryptionContext"));
}

TEST_F(KmstoolTest, decrypt_passes_key_algorithm_and_context_on) {
    const auto ran = run_tool("decrypt", {"-c", "QUJD", "-K", kKey, "-a", "SYMMETRIC_DEFAULT",
                                          "--encryption-context", "a=b,c=d", "--encryption-context", "e=f"});
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
    EXPECT_EQ(body(0).get("KeyId")->text(), kKey);
    EXPECT_EQ(body(0).get("EncryptionAlgorithm")->text(), "SYMMETRIC_DEFAULT");
    EXPECT_EQ(body(0).get("EncryptionContext")->raw(), R"({"a":"b","c":"d","e":"f"})");
}

TEST_F(KmstoolTest, the_request_is_signed_with_the_credentials_given) {
    ASSERT_EQ(run_tool("decrypt", {"-c", "QUJD"}).exit_code, 0);
    const auto look_up = [](const std::string& id,
                            std::string_view token) -> std::expected<Secret, aws::SigV4Failure> {
        EXPECT_EQ(id, "AKIATEST");
        EXPECT_EQ(token, "TokenOfATest==");
        return Secret::copy_of(as_bytes("SecretOfATest/+"));
    };
    const auto identity = aws::verify_sigv4(seen_[0], look_up, system_time_ms());
    ASSERT_TRUE(identity) << identity.error().message;
    EXPECT_EQ(identity->region, "us-east-1");
    EXPECT_EQ(identity->service, "kms");
    ASSERT_EQ(run_tool("decrypt", {"-c", "QUJD", "-t", ""}).exit_code, 0);
    EXPECT_EQ(seen_[1].header("x-amz-security-token"), "");
}

TEST_F(KmstoolTest, genkey_prints_ciphertext_then_plaintext) {
    plaintext_ = std::string(32, 'k');
    reply_ = R"("KeyId":")" + std::string(kKey) + R"(","CiphertextBlob":"QUJD")";
    const auto ran = run_tool("genkey", {"--key-id", "alias/a", "--key-spec", "AES-256"});
    EXPECT_EQ(ran.exit_code, 0);
    EXPECT_EQ(ran.out, "CIPHERTEXT: QUJD\nPLAINTEXT: " + to_base64(as_bytes(plaintext_)) + "\n");
    EXPECT_EQ(ran.err, "");
    EXPECT_EQ(seen_.size(), 1u); // no Decrypt, which the role may not be allowed
    EXPECT_EQ(body(0).get("KeySpec")->text(), "AES_256");
    plaintext_ = std::string(16, 'k');
    EXPECT_EQ(run_tool("genkey", {"-K", "alias/a", "-p", "AES-128"}).out,
              "CIPHERTEXT: QUJD\nPLAINTEXT: a2tra2tra2tra2tra2traw==\n");
    EXPECT_EQ(body(1).get("KeySpec")->text(), "AES_128");
}

TEST_F(KmstoolTest, genrandom_prints_as_many_bytes_as_were_asked_for) {
    reply_.clear();
    for (const std::size_t size : {1u, 1024u}) {
        plaintext_ = std::string(size, '\xff');
        const auto ran = run_tool("genrandom", {"--length", std::to_string(size)});
        EXPECT_EQ(ran.exit_code, 0) << ran.err;
        EXPECT_EQ(ran.out, "PLAINTEXT: " + to_base64(as_bytes(plaintext_)) + "\n");
        EXPECT_EQ(body(seen_.size() - 1).get("NumberOfBytes")->u64(), size);
    }
    plaintext_ = "short";
    EXPECT_EQ(run_tool("genrandom", {"--length", "32"}).exit_code, 255);
}

TEST_F(KmstoolTest, each_call_has_a_recipient_key_of_its_own) {
    ASSERT_EQ(run_tool("decrypt", {"-c", "QUJD"}).exit_code, 0);
    ASSERT_EQ(run_tool("decrypt", {"-c", "QUJD"}).exit_code, 0);
    ASSERT_EQ(recipients_.size(), 2u);
    EXPECT_EQ(recipients_[0].size(), 294u); // RSA-2048's SubjectPublicKeyInfo, as AWS's tool sends it
    EXPECT_NE(recipients_[0], recipients_[1]);
}

TEST_F(KmstoolTest, a_refusal_of_kms_is_exit_code_255_with_the_last_lines_of_the_tool_that_is_replaced) {
    lie_ = answer(400, R"({"__type":"AccessDeniedException","Message":"secret words"})");
    struct {
        const char* command;
        std::vector<std::string> rest;
        const char* last;
    } const cases[] = {
        {"decrypt", {"-c", "QUJD"}, "Could not decrypt ciphertext\nCould not decrypt\n"},
        {"genkey", {"-K", kKey, "-p", "AES-256"}, "Could not generate data key\n"},
        {"genrandom", {"-l", "1"}, "Could not generate random bytes\n"},
    };
    for (const auto& [command, rest, last] : cases) {
        const auto ran = run_tool(command, rest);
        EXPECT_EQ(ran.exit_code, 255);
        EXPECT_EQ(ran.out, "");
        EXPECT_TRUE(ran.err.starts_with("kms_denied: ")) << ran.err;
        EXPECT_NE(ran.err.find("AccessDeniedException"), std::string::npos);
        EXPECT_TRUE(ran.err.ends_with(last)) << ran.err;
        for (const char* secret : {"AKIATEST", "SecretOfATest", "TokenOfATest", "secret words"})
            EXPECT_EQ(ran.err.find(secret), std::string::npos);
    }
}

TEST_F(KmstoolTest, a_reply_with_a_plaintext_or_of_another_key_prints_nothing) {
    reply_ += R"(,"Plaintext":"QUJD")";
    EXPECT_EQ(run_tool("decrypt", {"-c", "QUJD"}).exit_code, 255);
    reply_ = R"("KeyId":"arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ac")";
    EXPECT_EQ(run_tool("decrypt", {"-c", "QUJD"}).exit_code, 0); // no key was named
    const auto ran = run_tool("decrypt", {"-c", "QUJD", "-K", kKey, "-a", "SYMMETRIC_DEFAULT"});
    EXPECT_EQ(ran.exit_code, 255);
    EXPECT_EQ(ran.out, "");
    EXPECT_NE(ran.err.find("another key"), std::string::npos);
}

TEST_F(KmstoolTest, what_is_not_base64_is_refused_before_anybody_is_asked) {
    for (const char* text : {"QUJ", "QUJD\n", "????", "QUJDRA"}) {
        const auto ran = run_tool("decrypt", {"-c", text});
        EXPECT_EQ(ran.exit_code, 255);
        EXPECT_EQ(ran.err,
                  "Ciphertext not a base64 string\nCould not decrypt ciphertext\nCould not decrypt\n");
    }
    EXPECT_EQ(run_tool("decrypt", {"-c", ""}).exit_code, 255);
    EXPECT_TRUE(seen_.empty());
}

TEST_F(KmstoolTest, wrong_usage_is_exit_code_1_and_asks_nobody) {
    auto line = words("decrypt", {});
    const auto ran = run_line(line);
    EXPECT_EQ(ran.exit_code, 1);
    EXPECT_EQ(ran.out, "");
    EXPECT_EQ(ran.err, "--ciphertext must be set\n");
    const auto help = run_line({"--help"});
    EXPECT_EQ(help.exit_code, 0);
    EXPECT_TRUE(help.out.starts_with("usage: "));
    EXPECT_EQ(help.err, "");
    EXPECT_TRUE(seen_.empty());
}

TEST_F(KmstoolTest, no_nsm_no_roots_and_no_proxy_are_failures_with_a_sentence) {
    const auto no_nsm = run_tool("decrypt", {"-c", "QUJD"}, [](const Options&) {
        return Result<std::unique_ptr<nitro::NsmTransport>>(
            fail(Code::NsmFailed, "/dev/nsm cannot be opened"));
    });
    EXPECT_EQ(no_nsm.exit_code, 255);
    EXPECT_NE(no_nsm.err.find("/dev/nsm cannot be opened"), std::string::npos);
    // Missing, empty, endless.
    for (const char* roots : {"/nonexistent/roots.pem", "/dev/null", "/dev/zero"}) {
        const auto no_roots = run_tool("genrandom", {"-l", "1", "--tls-roots", roots});
        EXPECT_EQ(no_roots.exit_code, 255);
        EXPECT_NE(no_roots.err.find(roots), std::string::npos) << no_roots.err;
    }
    const auto no_proxy = run_tool("genrandom", {"-l", "1", "--kms-proxy", "unix:/nonexistent/kms.sock"});
    EXPECT_EQ(no_proxy.exit_code, 255);
}

TEST_F(KmstoolTest, time_is_the_nsms_for_certificates_as_for_signatures) {
    // The server's certificate is good by this machine's clock, and no longer by the NSM's.
    const auto late = run_tool("genrandom", {"-l", "1"}, open_software_nsm);
    EXPECT_EQ(late.exit_code, 255);
    EXPECT_TRUE(late.err.starts_with("kms_unavailable: ")) << late.err;
    EXPECT_TRUE(seen_.empty());
}

TEST_F(KmstoolTest, a_result_that_cannot_be_written_is_a_failure) {
    reply_.clear();
    plaintext_ = "r";
    const net::Fd full(open("/dev/full", O_WRONLY | O_CLOEXEC));
    ASSERT_TRUE(full);
    const auto ran = run_line(line("genrandom", {"-l", "1"}), {}, full.get());
    EXPECT_EQ(ran.exit_code, 255);
    EXPECT_EQ(ran.err, "the result could not be written\n");
}

TEST(KernelRandom, gets_what_the_nsm_draws) {
    const Folder folder;
    const std::string device = folder.file("random");
    std::ofstream(device).close();
    nitro::Nsm nsm(open_software_nsm({}).value());
    ASSERT_TRUE(seed_kernel_random(nsm, device.c_str())); // no random device: written, not credited
    EXPECT_GE(std::filesystem::file_size(device), 32u);
    EXPECT_FALSE(seed_kernel_random(nsm, folder.file("missing").c_str()));
    EXPECT_FALSE(seed_kernel_random(nsm, "/dev/full"));
}

} // namespace
} // namespace redoubt::kmstool::tests
