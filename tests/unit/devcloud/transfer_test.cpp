// SPDX-License-Identifier: Apache-2.0
#include "devcloud/data_lock.h"
#include "devcloud/transfer.h"
#include "unit/devcloud/support.h"

#include <filesystem>

namespace redoubt::devcloud::tests {
namespace {

class Transfer : public DevcloudTest {
  protected:
    void close() {
        cloud_.reset();
        events_.reset();
        state_.reset();
    }
    static bool has_database(const std::string& folder) {
        for (const auto& entry : std::filesystem::directory_iterator(folder))
            if (entry.path().filename() != "lock")
                return true;
        return false;
    }
};

TEST_F(Transfer, carries_all_state_to_another_folder) {
    const auto key = create_key();
    const auto sealed = kms("Encrypt", {{"KeyId", key}, {"Plaintext", "AAAA"}}).body["CiphertextBlob"];
    secrets("CreateSecret", {{"Name", "s"}, {"SecretString", "\xc3\xa9 \"value\""}});
    secrets("CreateSecret", {{"Name", "b"}, {"SecretBinary", "AAECAw=="}});
    const auto instance = instance_credentials();
    close();
    auto document = export_state(folder_.path());
    ASSERT_TRUE(document) << document.error().describe();
    EXPECT_EQ(Json::parse(*document)["redoubt_devcloud"], 1);

    TemporaryFolder other;
    const auto status = import_state(other.path(), *document);
    ASSERT_TRUE(status) << status.error().describe();
    EXPECT_EQ(export_state(other.path()).value_or("") == *document, true) << "and comes out the same";
    std::filesystem::remove_all(folder_.path());
    std::filesystem::rename(other.path(), folder_.path());
    open();
    EXPECT_EQ(kms("Decrypt", {{"CiphertextBlob", sealed}}).body["Plaintext"], "AAAA");
    EXPECT_EQ(secrets("GetSecretValue", {{"SecretId", "s"}}).body["SecretString"], "\xc3\xa9 \"value\"");
    EXPECT_EQ(secrets("GetSecretValue", {{"SecretId", "b"}}).body["SecretBinary"], "AAECAw==");
    EXPECT_EQ(secrets("GetSecretValue", {{"SecretId", "s"}}, instance).status, 200) << "sessions go along";
    EXPECT_NE(create_key(), key);
}

TEST_F(Transfer, leaves_a_folder_in_use_alone) {
    const auto lock = lock_data_folder(folder_.path());
    ASSERT_TRUE(lock);
    EXPECT_EQ(lock_data_folder(folder_.path()).error().code, Code::Conflict);
    EXPECT_EQ(export_state(folder_.path()).error().code, Code::Conflict);
    TemporaryFolder other;
    const auto other_lock = lock_data_folder(other.path());
    EXPECT_EQ(import_state(other.path(), "{}").error().code, Code::Conflict);
}

TEST_F(Transfer, imports_into_a_folder_without_a_database_only) {
    close();
    const auto document = export_state(folder_.path()).value();
    EXPECT_EQ(import_state(folder_.path(), document).error().code, Code::Conflict);
    TemporaryFolder empty;
    EXPECT_EQ(export_state(empty.path()).error().code, Code::Io);
}

TEST_F(Transfer, imports_all_or_nothing) {
    create_key();
    secrets("CreateSecret", {{"Name", "s"}, {"SecretString", "v"}});
    close();
    const auto good = Json::parse(export_state(folder_.path()).value());
    std::vector<std::pair<std::string, Json>> wrong;
    const auto alter = [&](const std::string& what, const std::function<void(Json&)>& change) {
        auto document = good;
        change(document);
        wrong.emplace_back(what, std::move(document));
    };
    alter("format", [](Json& d) { d["redoubt_devcloud"] = 2; });
    alter("schema", [](Json& d) { d["schema"] = 1; });
    alter("member", [](Json& d) { d["more"] = 1; });
    alter("no tables", [](Json& d) { d.erase("tables"); });
    alter("a table less", [](Json& d) { d["tables"].erase("secrets"); });
    alter("a table more", [](Json& d) { d["tables"]["x"] = d["tables"]["secrets"]; });
    alter("another table", [](Json& d) {
        d["tables"]["x"] = d["tables"]["secrets"];
        d["tables"].erase("secrets");
    });
    alter("a column", [](Json& d) { d["tables"]["secrets"]["columns"][0] = "x"; });
    alter("a value less", [](Json& d) { d["tables"]["secrets"]["rows"][0].erase(0); });
    alter("a null", [](Json& d) { d["tables"]["secrets"]["rows"][0][1] = nullptr; });
    alter("a boolean", [](Json& d) { d["tables"]["secrets"]["rows"][0][1] = true; });
    alter("an object", [](Json& d) { d["tables"]["secrets"]["rows"][0][1] = {{"base64", "?"}}; });
    alter("a fraction", [](Json& d) { d["tables"]["secrets"]["rows"][0][0] = 1.5; });
    alter("a row twice", [](Json& d) {
        auto& rows = d["tables"]["secrets"]["rows"];
        rows.push_back(rows[0]);
    });
    alter("a reference to nothing", [](Json& d) { d["tables"]["secrets"]["rows"] = Json::array(); });
    for (const auto& [what, document] : wrong) {
        TemporaryFolder other;
        const auto status = import_state(other.path(), document.dump());
        EXPECT_FALSE(status) << what;
        if (!status) {
            EXPECT_EQ(status.error().code, Code::InvalidField) << what;
            EXPECT_FALSE(status.error().context.empty()) << what;
        }
        EXPECT_FALSE(has_database(other.path())) << what;
    }
    TemporaryFolder other;
    EXPECT_EQ(import_state(other.path(), "not JSON").error().code, Code::InvalidField);
    EXPECT_TRUE(import_state(other.path(), good.dump()));
}

TEST_F(Transfer, leaves_files_that_nobody_else_reads) {
    close();
    TemporaryFolder other;
    ASSERT_TRUE(import_state(other.path(), export_state(folder_.path()).value()));
    using std::filesystem::perms;
    EXPECT_EQ(std::filesystem::status(other.path() + "/devcloud.db").permissions() & perms::all,
              perms::owner_read | perms::owner_write);
}

} // namespace
} // namespace redoubt::devcloud::tests
