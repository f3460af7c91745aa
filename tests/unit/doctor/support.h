// SPDX-License-Identifier: Apache-2.0
// A folder that plays a host's file system, and a server that plays AWS and a gateway.
#pragma once

#include "doctor/checks.h"
#include "net/http_server.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <mutex>
#include <thread>

namespace redoubt::doctor::tests {

class Folder {
  public:
    Folder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "redoubt-doctor-XXXXXX").string();
        EXPECT_NE(mkdtemp(pattern.data()), nullptr);
        path_ = pattern;
    }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    std::string path() const { return path_; }
    std::string file(const std::string& name) const { return path_ / name; }
    std::string write(const std::string& name, const std::string& text) const {
        const auto file = path_ / name;
        std::filesystem::create_directories(file.parent_path());
        std::ofstream(file, std::ios::binary) << text;
        return file;
    }

  private:
    std::filesystem::path path_;
};

// One server for every service; the handler runs on the server's thread.
class FakeServices {
  public:
    using Handler = std::function<net::HttpResponse(const net::HttpRequest&)>;
    explicit FakeServices(Handler handler) : handler_(std::move(handler)) {
        auto asked = *net::parse_endpoint("tcp:127.0.0.1:0");
        auto listener = *net::listen_on(asked);
        url = "http://127.0.0.1:" + std::to_string(net::local_endpoint(asked, listener)->port);
        server_ = std::make_unique<net::HttpServer>(
            loop_, std::move(listener), nullptr, net::HttpServerOptions{},
            [this](net::HttpRequest request, net::HttpServer::Responder respond) {
                respond(handler_(request));
            });
        thread_ = std::thread([this] { loop_.run(); });
    }
    ~FakeServices() {
        loop_.stop();
        thread_.join();
    }
    std::string url;

  private:
    Handler handler_;
    net::EventLoop loop_;
    std::unique_ptr<net::HttpServer> server_;
    std::thread thread_;
};

// The findings of a check, in order.
inline std::vector<Finding> of(const Report& report, const std::string& check) {
    std::vector<Finding> out;
    for (const auto& finding : report.findings())
        if (finding.check == check)
            out.push_back(finding);
    return out;
}

inline Finding only(const Report& report, const std::string& check) {
    const auto found = of(report, check);
    EXPECT_EQ(found.size(), 1u) << check << "\n" << json_report(report);
    return found.empty() ? Finding{Level::Skipped, "missing", "", "", ""} : found.front();
}

inline bool says(const Finding& finding, const std::string& part) {
    return finding.sentence.find(part) != std::string::npos || finding.change.find(part) != std::string::npos;
}

inline constexpr const char* kVaultArn =
    "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555";

inline std::string manifest_text(const std::string& arn = kVaultArn, int min_epoch = 1) {
    return R"({"redoubt_manifest":1,"kms_keys":[{"arn":")" + arn +
           R"(","purpose":"vault"}],"reference_keys":"any","require_policy":false,"min_epoch":)" +
           std::to_string(min_epoch) + "}";
}

} // namespace redoubt::doctor::tests
