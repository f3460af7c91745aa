// SPDX-License-Identifier: Apache-2.0
#include "nitro/certificate.h"
#include "nitro/software_nsm.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>

namespace redoubt::nitro {
namespace {

namespace fs = std::filesystem;

class DevelopmentRootTest : public ::testing::Test {
  protected:
    DevelopmentRootTest() {
        char name[] = "/tmp/redoubt-nitro-XXXXXX";
        folder_ = ::mkdtemp(name);
    }
    ~DevelopmentRootTest() override { fs::remove_all(folder_); }

    std::string folder_;

    std::string path(const char* name) const { return folder_ + "/" + name; }
    std::string read(const char* name) const {
        std::ifstream in(path(name), std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    void write(const char* name, const std::string& text) const {
        std::ofstream(path(name), std::ios::binary | std::ios::trunc) << text;
    }
    mode_t mode(const char* name) const {
        struct stat out {};
        EXPECT_EQ(::lstat(path(name).c_str(), &out), 0) << name;
        return out.st_mode;
    }
    bool loads() const {
        const auto root = load_development_root(folder_);
        EXPECT_TRUE(root || root.error().code == Code::Io);
        return root.has_value();
    }
};

TEST_F(DevelopmentRootTest, is_a_self_signed_authority_with_aws_s_validity) {
    const auto root = make_development_root().value();
    const auto certificate = read_certificate(root.certificate_der).value();
    EXPECT_TRUE(certificate.authority);
    EXPECT_TRUE(certificate.key_cert_sign);
    EXPECT_FALSE(certificate.path_length);
    EXPECT_EQ(to_bytes(certificate.issuer), to_bytes(certificate.subject));
    EXPECT_TRUE(verify_es384(certificate.point, certificate.signed_part, certificate.signature));
    EXPECT_EQ(to_iso8601(certificate.not_before), "2019-10-28T13:28:05Z");
    EXPECT_EQ(to_iso8601(certificate.not_after), "2049-10-28T14:28:05Z");
    EXPECT_NE(make_development_root()->certificate_der, root.certificate_der);
    EXPECT_EQ(as_text(root.certificate_der).find("Amazon"), std::string_view::npos);
}

TEST_F(DevelopmentRootTest, what_is_saved_is_loaded_and_the_key_is_for_its_owner_alone) {
    const auto root = make_development_root().value();
    ASSERT_TRUE(save_development_root(root, folder_));
    EXPECT_EQ(mode("root.key") & 07777, 0600u);
    EXPECT_TRUE(S_ISREG(mode("root.pem")));
    const auto loaded = load_development_root(folder_);
    ASSERT_TRUE(loaded) << loaded.error().describe();
    EXPECT_EQ(loaded->certificate_der, root.certificate_der);
    EXPECT_TRUE(equal_secrets(loaded->private_key_der, root.private_key_der));
    for (const auto& entry : fs::directory_iterator(folder_))
        EXPECT_TRUE(entry.path().filename() == "root.pem" || entry.path().filename() == "root.key") << entry;
    EXPECT_TRUE(make_software_nsm(*loaded, {}));
}

TEST_F(DevelopmentRootTest, saving_replaces_files_and_follows_no_link) {
    write("elsewhere", "untouched");
    fs::create_symlink("elsewhere", path("root.key"));
    fs::create_symlink("elsewhere", path("root.key.new"));
    write("root.pem", "old");
    ::chmod(path("root.pem").c_str(), 0666);
    ASSERT_TRUE(save_development_root(make_development_root().value(), folder_));
    EXPECT_EQ(read("elsewhere"), "untouched");
    EXPECT_TRUE(S_ISREG(mode("root.key")));
    EXPECT_EQ(mode("root.key") & 07777, 0600u);
    EXPECT_EQ(mode("root.pem") & 022, 0u);
    EXPECT_TRUE(loads());
}

TEST_F(DevelopmentRootTest, a_folder_that_is_not_there_is_an_io_error) {
    const auto saved = save_development_root(make_development_root().value(), path("none"));
    ASSERT_FALSE(saved);
    EXPECT_EQ(saved.error().code, Code::Io);
    EXPECT_FALSE(loads());
}

TEST_F(DevelopmentRootTest, files_that_are_not_what_was_saved_are_refused) {
    ASSERT_TRUE(save_development_root(make_development_root().value(), folder_));
    const std::string certificate = read("root.pem"), key = read("root.key");
    ASSERT_TRUE(loads());
    for (const std::string& bad :
         {std::string(), std::string("text"), certificate + certificate, key, certificate.substr(1),
          certificate + "more", std::string(20000, 'x'), certificate.substr(0, certificate.size() - 4)}) {
        write("root.pem", bad);
        EXPECT_FALSE(loads()) << bad;
    }
    write("root.pem", certificate);
    for (const std::string& bad : {std::string(), certificate, key + key, key.substr(0, key.size() / 2)}) {
        write("root.key", bad);
        EXPECT_FALSE(loads());
    }
    write("root.key", key);
    EXPECT_TRUE(loads());
    // Another root's key.
    ASSERT_TRUE(save_development_root(make_development_root().value(), folder_));
    write("root.pem", certificate);
    EXPECT_FALSE(loads());
}

TEST_F(DevelopmentRootTest, the_files_are_pem) {
    ASSERT_TRUE(save_development_root(make_development_root().value(), folder_));
    EXPECT_TRUE(read("root.pem").starts_with("-----BEGIN CERTIFICATE-----\n"));
    EXPECT_TRUE(read("root.pem").ends_with("\n-----END CERTIFICATE-----\n"));
    EXPECT_TRUE(read("root.key").starts_with("-----BEGIN PRIVATE KEY-----\n"));
    std::istringstream lines(read("root.pem"));
    for (std::string line; std::getline(lines, line);)
        EXPECT_LE(line.size(), 64u);
}

} // namespace
} // namespace redoubt::nitro
