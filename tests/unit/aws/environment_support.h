// SPDX-License-Identifier: Apache-2.0
// An environment of the test's own, and files for tokens.
#pragma once

#include "aws/credential_parts.h"
#include "fake_server.h"

#include <map>

namespace redoubt::aws::tests {

class Variables {
  public:
    std::string& operator[](const std::string& name) { return values_[name]; }
    EnvironmentLookup lookup() const {
        return [this](const char* name) {
            const auto found = values_.find(name);
            return found == values_.end() ? std::string_view() : std::string_view(found->second);
        };
    }
    void clear() { values_.clear(); }

  private:
    std::map<std::string, std::string> values_;
};

class TokenFolder {
  public:
    TokenFolder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "redoubt-token-XXXXXX").string();
        EXPECT_NE(mkdtemp(pattern.data()), nullptr);
        path_ = pattern;
    }
    ~TokenFolder() { std::filesystem::remove_all(path_); }
    std::string write(const std::string& name, const std::string& text) const {
        std::ofstream(path_ / name, std::ios::binary) << text;
        return path_ / name;
    }
    std::string file(const std::string& name) const { return path_ / name; }

  private:
    std::filesystem::path path_;
};

// An address that nothing listens on.
inline std::string dead_url() {
    FakeServer gone(nullptr, [](const net::HttpRequest&) { return RawAnswer{}; });
    return gone.url();
}

inline std::string credentials_json(UnixMs expires = system_time_ms() + 3'600'000) {
    return R"({"AccessKeyId":"ASIAEXAMPLE","SecretAccessKey":"se/cret+","Token":"to/ken+==","AccountId":)"
           R"("000000000000","Expiration":")" +
           to_iso8601(expires) + R"("})";
}

} // namespace redoubt::aws::tests
