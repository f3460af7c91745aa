// SPDX-License-Identifier: Apache-2.0
// A Secrets Manager of the tests' own: devcloud in a thread, on loopback, in a folder of its own.
#pragma once

#include "aws/secrets_client.h"
#include "devcloud/devcloud.h"
#include "net/tls.h"
#include "store_support.h"

#include <fstream>
#include <future>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>

namespace redoubt::store::tests {

class SecretsService {
  public:
    // Made when it is first asked for, and ended with the process.
    static SecretsService& instance() {
        static SecretsService service;
        return service;
    }

    bool running() const { return !url_.empty(); }

    static aws::Credentials credentials() {
        aws::Credentials out;
        out.access_key_id = "AKIAREDOUBTTEST00000";
        out.secret_access_key = Secret::copy_of(as_bytes("a secret of a test, and of no account"));
        return out;
    }
    // A store with a prefix of its own. Lists are read anew each time.
    SecretsStoreOptions fresh_options() {
        SecretsStoreOptions out;
        out.prefix = "redoubt/t" + std::to_string(++prefixes_);
        out.endpoint = url_;
        out.region = "us-east-1";
        out.credentials = [shared = std::make_shared<const aws::Credentials>(credentials())] {
            return shared;
        };
        out.max_list_age_ms = 0;
        return out;
    }
    aws::SecretsClient client() const { return {url_, "us-east-1", nullptr}; }

    // Rules as devcloud/faults.h says; empty: none.
    void faults(const std::string& rules) const {
        const auto url = net::parse_url(url_).value();
        net::Endpoint endpoint;
        endpoint.kind = net::Endpoint::Kind::Tcp;
        endpoint.host = url.host;
        endpoint.port = url.port;
        net::HttpRequest request;
        request.method = rules.empty() ? "DELETE" : "PUT";
        request.target = request.path = "/redoubt/faults";
        request.authority = url.authority();
        request.body = to_bytes(rules);
        const auto answer = net::HttpClient(endpoint, nullptr, url.host).send(request, 2'000);
        ASSERT_TRUE(answer);
        EXPECT_EQ(answer->status / 100, 2) << as_text(answer->body);
    }

  private:
    SecretsService() : stop_(eventfd(0, EFD_CLOEXEC)) {
        const auto authority = net::make_certificate_authority("Redoubt test").value();
        const auto pair = net::make_server_certificate(authority, {"127.0.0.1"}).value();
        devcloud::Options options;
        options.data_dir = folder_.file("data");
        std::filesystem::create_directory(options.data_dir);
        options.tls_certificate = folder_.file("server.pem");
        options.tls_key = folder_.file("server.key");
        options.attestation_root = folder_.file("root.pem");
        std::ofstream(options.tls_certificate) << pair.certificate;
        std::ofstream(options.tls_key) << pair.key;
        std::ofstream(options.attestation_root) << authority.certificate;
        const auto account = credentials();
        options.access_key_id = account.access_key_id;
        options.secret_access_key =
            account.secret_access_key.text(SecretAccess("give it to a test's devcloud"));
        std::promise<std::string> url;
        auto told = url.get_future();
        thread_ = std::thread([this, options, url = std::move(url)]() mutable {
            bool ready = false;
            const auto ended = devcloud::serve(options, stop_.get(), [&](const devcloud::Started& started) {
                ready = true;
                url.set_value(started.url);
            });
            EXPECT_TRUE(ended) << ended.error().describe();
            if (!ready)
                url.set_value("");
        });
        url_ = told.get();
    }
    ~SecretsService() {
        const std::uint64_t one = 1;
        EXPECT_EQ(::write(stop_.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
        thread_.join();
    }

    Folder folder_;
    net::Fd stop_;
    std::thread thread_;
    std::string url_;
    int prefixes_ = 0;
};

} // namespace redoubt::store::tests
