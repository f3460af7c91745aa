// SPDX-License-Identifier: Apache-2.0
// A KMS that answers Decrypt and GenerateDataKey for tests of what the enclave refuses: real TLS, real CMS,
// no policy, and a hook that may forge the reply. devcloud is the stand-in that checks what AWS checks; this
// one is there to lie.
#pragma once

#include "base/bytes.h"
#include "crypto/cms.h"
#include "net/http_server.h"
#include "nitro/attestation.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

namespace redoubt::tests {

class FakeKms {
  public:
    // Changes the reply before it is sent; `call` counts from 1. May set "status".
    using Forge = std::function<void(nlohmann::json& reply, int call)>;

    explicit FakeKms(const std::string& host_name) {
        folder_ = std::filesystem::temp_directory_path() / ("redoubt-fake-kms-" + to_hex(random_.array<8>()));
        std::filesystem::create_directories(folder_);
        const auto authority = net::make_certificate_authority("test CA");
        const auto server = net::make_server_certificate(*authority, {host_name});
        roots_ = authority->certificate;
        std::ofstream(folder_ / "server.pem") << server->certificate;
        std::ofstream(folder_ / "server.key") << server->key;
        tls_ = std::make_unique<net::TlsContext>(
            *net::TlsContext::server(folder_ / "server.pem", folder_ / "server.key", {"http/1.1"}));
        const auto asked = *net::parse_endpoint("tcp:127.0.0.1:0");
        auto listener = net::listen_on(asked);
        endpoint_ = *net::local_endpoint(asked, *listener);
        server_ = std::make_unique<net::HttpServer>(
            loop_, std::move(*listener), tls_.get(), net::HttpServerOptions{},
            [this](net::HttpRequest request, net::HttpServer::Responder respond) {
                respond(answer(request));
            });
        thread_ = std::thread([this] { loop_.run(); });
    }
    ~FakeKms() {
        loop_.stop();
        thread_.join();
        server_.reset();
        std::filesystem::remove_all(folder_);
    }

    const net::Endpoint& endpoint() const { return endpoint_; }
    const std::string& roots() const { return roots_; }
    int calls() const { return calls_; }
    void forge(Forge forge) {
        const std::lock_guard lock(mutex_);
        forge_ = std::move(forge);
        calls_ = 0;
    }

    // A blob that Decrypt opens to this plaintext.
    Bytes encrypt(ByteView plaintext) {
        const std::lock_guard lock(mutex_);
        return store(plaintext);
    }

  private:
    Bytes store(ByteView plaintext) {
        Bytes blob = to_bytes(random_.array<64>());
        plaintexts_[blob] = to_bytes(plaintext);
        return blob;
    }

    net::HttpResponse answer(const net::HttpRequest& request) {
        const std::lock_guard lock(mutex_);
        const int call = ++calls_;
        const auto body = nlohmann::json::parse(request.body);
        const bool generate = request.header("x-amz-target") == "TrentService.GenerateDataKey";
        const auto document = from_base64(body.at("Recipient").at("AttestationDocument").get<std::string>());
        const auto attestation = nitro::parse_attestation(*document);
        Bytes plaintext, blob;
        if (generate) {
            plaintext = to_bytes(random_.array<32>());
            blob = store(plaintext);
        } else {
            blob = *from_base64(body.at("CiphertextBlob").get<std::string>());
            const auto found = plaintexts_.find(blob);
            if (found == plaintexts_.end())
                return net::HttpResponse::json(400, R"({"__type":"InvalidCiphertextException"})");
            plaintext = found->second;
        }
        nlohmann::json reply{{"KeyId", body.at("KeyId")},
                             {"EncryptionAlgorithm", "SYMMETRIC_DEFAULT"},
                             {"CiphertextForRecipient", to_base64(*crypto::make_enveloped_data(
                                                            *attestation->public_key, plaintext, random_))}};
        if (generate)
            reply["CiphertextBlob"] = to_base64(blob);
        if (forge_)
            forge_(reply, call);
        const int status = reply.value("status", 200);
        reply.erase("status");
        return net::HttpResponse::json(status, reply.dump());
    }

    crypto::SystemRandom random_;
    std::filesystem::path folder_;
    std::string roots_;
    net::Endpoint endpoint_;
    std::unique_ptr<net::TlsContext> tls_;
    net::EventLoop loop_;
    std::unique_ptr<net::HttpServer> server_;
    std::thread thread_;
    std::mutex mutex_;
    Forge forge_;
    std::map<Bytes, Bytes> plaintexts_;
    std::atomic<int> calls_{0};
};

} // namespace redoubt::tests
