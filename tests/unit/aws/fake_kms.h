// SPDX-License-Identifier: Apache-2.0
// A KMS that does what it should for one key, with a hook that makes it lie. Its attestation documents are a
// counter and the recipient's public key in the clear: what is tested here is the client, not attestation.
#pragma once

#include "aws/kms_client.h"
#include "aws/sigv4.h"
#include "crypto/cms.h"
#include "crypto/random.h"
#include "fake_server.h"

#include <map>
#include <nlohmann/json.hpp>

namespace redoubt::aws::tests {

using Json = nlohmann::json;

inline const KmsKeyArn& test_key() {
    static const KmsKeyArn arn =
        parse_kms_key_arn("arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab")
            .value();
    return arn;
}

inline const crypto::RecipientKey& recipient() {
    static const auto* const key = new crypto::RecipientKey(crypto::RecipientKey::generate().value());
    return *key;
}

inline const Authority& authority() {
    static const auto* const instance = new Authority;
    return *instance;
}

constexpr const char* kSuffix = "redoubt.test";
constexpr const char* kHost = "kms.us-east-1.redoubt.test";
constexpr UnixMs kNow = 1'767'225'600'000; // 2026-01-01T00:00:00Z
inline const Bytes kBlob = to_bytes("a ciphertext blob");

class FakeKms {
  public:
    // Changes the reply's JSON or its bytes; `call` counts from 1.
    std::function<void(Json& reply, int call)> forge_json;
    std::function<void(RawAnswer& answer, int call)> forge_answer;
    std::function<void(Bytes& cms, int call)> forge_cms;

    explicit FakeKms(const std::string& certificate_name = kHost, const Authority& signer = authority())
        : tls_(signer.server(certificate_name)),
          server_(&tls_, [this](const net::HttpRequest& request) { return respond(request); }) {}

    const net::Endpoint& endpoint() const { return server_.endpoint(); }
    int calls() const { return server_.requests(); }
    int connections() const { return server_.connections(); }
    void reset() {
        const std::lock_guard lock(mutex_);
        call_ = 0;
        forge_json = nullptr;
        forge_answer = nullptr;
        forge_cms = nullptr;
    }
    std::string plaintext = "0123456789abcdef0123456789abcdef"; // of kBlob
    std::vector<net::HttpRequest> seen;
    std::vector<Json> bodies;

  private:
    RawAnswer respond(const net::HttpRequest& request) {
        const std::lock_guard lock(mutex_);
        const int call = ++call_;
        seen.push_back(request);
        const Json body = Json::parse(request.body);
        bodies.push_back(body);
        const Bytes document =
            from_base64(body.at("Recipient").at("AttestationDocument").get<std::string>()).value();
        const ByteView public_key = ByteView(document).subspan(4);
        const std::string_view target = request.header("x-amz-target");
        Json reply = Json::object();
        std::string opened = plaintext;
        if (target != "TrentService.GenerateRandom") {
            // Whatever name it is asked by, it answers with a key ARN.
            const std::string asked = body.value("KeyId", "");
            reply["KeyId"] = parse_kms_key_arn(asked) ? asked : test_key().text;
            reply["KeyMaterialId"] = std::string(64, 'a');
        }
        if (target == "TrentService.GenerateDataKey") {
            reply["CiphertextBlob"] = to_base64(kBlob);
        } else if (target == "TrentService.Decrypt") {
            reply["EncryptionAlgorithm"] = body.at("EncryptionAlgorithm");
            if (from_base64(body.at("CiphertextBlob").get<std::string>()) != kBlob)
                return answer(400, R"({"__type":"InvalidCiphertextException"})");
        }
        Bytes cms = crypto::make_enveloped_data(public_key, as_bytes(opened), random_).value();
        if (forge_cms)
            forge_cms(cms, call);
        reply["CiphertextForRecipient"] = to_base64(cms);
        if (forge_json)
            forge_json(reply, call);
        RawAnswer out = answer(200, reply.dump());
        if (forge_answer)
            forge_answer(out, call);
        return out;
    }

    std::mutex mutex_;
    int call_ = 0;
    crypto::SystemRandom random_;
    net::TlsContext tls_;
    FakeServer server_;
};

// A client of such a KMS.
struct KmsTestClient {
    explicit KmsTestClient(const net::Endpoint& proxy, int timeout_ms = 5'000,
                           const Authority& roots = authority())
        : tls(roots.client()), client(options(proxy, timeout_ms), recipient()) {}

    KmsClientOptions options(const net::Endpoint& proxy, int timeout_ms) {
        KmsClientOptions out;
        out.proxy = proxy;
        out.tls = &tls;
        out.endpoint_suffix = kSuffix;
        out.timeout_ms = timeout_ms;
        out.now = [this] { return now; };
        out.attest = [this](ByteView public_key) -> Result<Bytes> {
            if (attest_fails)
                return fail(Code::NsmFailed, "no");
            Bytes document;
            const auto number = static_cast<std::uint8_t>(++attestations);
            append(document, Bytes{'d', 'o', 'c', number});
            append(document, public_key);
            return document;
        };
        return out;
    }
    Result<Secret> decrypt() { return client.decrypt(test_key(), kBlob, {}, credentials); }
    Result<Secret> confirmed() { return client.decrypt_confirmed(test_key(), kBlob, {}, credentials); }
    Result<DataKey> generate() { return client.generate_data_key(test_key(), {}, credentials); }

    UnixMs now = kNow;
    int attestations = 0;
    bool attest_fails = false;
    net::TlsContext tls;
    Credentials credentials = test_credentials();
    KmsClient client;
};

} // namespace redoubt::aws::tests
