// SPDX-License-Identifier: Apache-2.0
// An enclave without sockets, before a KMS of the test's own.
#pragma once

#include "enclave/enclave.h"
#include "fake_kms.h"
#include "nitro/software_nsm.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

namespace redoubt::enclave::tests {

using redoubt::tests::FakeKms;

constexpr const char* kSuffix = "test.internal";
inline const std::string kVaultArn =
    "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555";
inline const std::string kReferenceArn =
    "arn:aws:kms:us-east-1:000000000000:key/66666666-7777-8888-9999-000000000000";
inline const std::string kGoldenKey = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318";
constexpr const char* kGoldenAddress = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23";
constexpr const char* kHashBody =
    R"({"hash":"1111111111111111111111111111111111111111111111111111111111111111","secret_id":"s"})";

inline std::string manifest(const std::string& more = R"(,"reference_keys":"any","min_epoch":1)") {
    return R"({"redoubt_manifest":1,"kms_keys":[{"arn":")" + kVaultArn + R"(","purpose":"vault"},{"arn":")" +
           kReferenceArn + R"(","purpose":"reference"}])" + more + "}";
}

inline FakeKms& kms() {
    static FakeKms instance(std::string("kms.us-east-1.") + kSuffix);
    return instance;
}

inline const nitro::DevelopmentRoot& root() {
    static const nitro::DevelopmentRoot instance = *nitro::make_development_root();
    return instance;
}

inline nitro::Pcr pcr0() {
    nitro::Pcr out;
    out.fill(0xab);
    return out;
}

// One RSA key for all enclaves of the tests: making one takes longer than most tests.
inline const Bytes& recipient_key() {
    static const Bytes der = [] {
        EVP_PKEY* key = EVP_RSA_gen(2048);
        unsigned char* bytes = nullptr;
        PKCS8_PRIV_KEY_INFO* info = EVP_PKEY2PKCS8(key);
        const int size = i2d_PKCS8_PRIV_KEY_INFO(info, &bytes);
        Bytes out(bytes, bytes + size);
        OPENSSL_free(bytes);
        PKCS8_PRIV_KEY_INFO_free(info);
        EVP_PKEY_free(key);
        return out;
    }();
    return der;
}

struct Item {
    wire::ItemKind kind;
    std::string name;
    Bytes bytes;
};

// The NSM's time as it is here, and what a test moved it by.
struct MovedTime {
    std::shared_ptr<std::atomic<UnixMs>> by = std::make_shared<std::atomic<UnixMs>>(0);

    UnixMs operator()() const { return system_time_ms() + *by; }
};

// An NSM that can be made to attest nothing.
class GatedNsm final : public nitro::NsmTransport {
  public:
    GatedNsm(std::unique_ptr<nitro::NsmTransport> inner, std::shared_ptr<std::atomic<bool>> attests)
        : inner_(std::move(inner)), attests_(std::move(attests)) {}
    Result<Bytes> exchange(ByteView request) override {
        if (!*attests_ && as_text(request).find("Attestation") != std::string_view::npos)
            return fail(Code::NsmFailed, "the NSM of this test attests nothing now");
        return inner_->exchange(request);
    }

  private:
    std::unique_ptr<nitro::NsmTransport> inner_;
    std::shared_ptr<std::atomic<bool>> attests_;
};

struct Instance {
    std::shared_ptr<std::atomic<bool>> attests = std::make_shared<std::atomic<bool>>(true);
    std::unique_ptr<Enclave> enclave;

    explicit Instance(const std::string& manifest_text = manifest(), bool with_credentials = true,
                      std::function<UnixMs()> nsm_time = {},
                      const std::function<void(Options&)>& adjust = {}) {
        kms().forge(nullptr);
        nitro::SoftwareNsmOptions nsm;
        nsm.now = std::move(nsm_time);
        nsm.pcrs[0] = pcr0();
        nsm.pcrs[1] = nsm.pcrs[2] = pcr0();
        Options options;
        options.image = Image::Development;
        options.kms_proxies[""] = kms().endpoint();
        options.tls_roots_pem = kms().roots();
        options.endpoint_suffix = kSuffix;
        options.clock_refresh_ms = 0;
        options.make_recipient = [] { return crypto::RecipientKey::from_pkcs8(recipient_key()); };
        if (adjust)
            adjust(options);
        auto made = Enclave::create(
            std::make_unique<GatedNsm>(*nitro::make_software_nsm(root(), nsm), attests), options);
        EXPECT_TRUE(made) << made.error().describe();
        enclave = std::move(*made);
        if (with_credentials)
            give_credentials();
        if (!manifest_text.empty()) {
            EXPECT_EQ(call(wire::Kind::Manifest, manifest_text).status, 200);
        }
    }

    void give_credentials() {
        wire::CredentialsMessage message;
        message.access_key_id = "ASIATEST";
        message.secret_access_key = Secret::copy_of(to_bytes("secret"));
        Bytes payload;
        wire::encode_credentials(payload, message);
        EXPECT_EQ(enclave->handle(wire::Kind::Credentials, payload, MayWait::ForKms)->status, 200);
    }

    wire::Reply call(wire::Kind kind, std::string_view payload = {}) {
        return *enclave->handle(kind, as_bytes(payload), MayWait::ForKms);
    }

    // As a gateway whose store holds these records would: what is needed and not there comes without bytes.
    wire::Reply ask_with_store(std::string_view method, std::string_view path, std::string_view body,
                               const std::map<std::string, Bytes>& store) {
        std::vector<Item> items;
        for (int round = 0; round < 6; ++round) {
            auto reply = ask(method, path, body, items);
            if (reply.status != wire::kNeeds)
                return reply;
            for (const auto& need : reply.needs) {
                std::erase_if(items, [&](const Item& item) {
                    return item.kind == need.kind && item.name == need.name;
                });
                const auto found = store.find(need.name);
                items.push_back({need.kind, need.name, found != store.end() ? found->second : Bytes()});
            }
        }
        ADD_FAILURE() << "it keeps asking";
        return {};
    }

    wire::Reply ask(std::string_view method, std::string_view path, std::string_view body = {},
                    const std::vector<Item>& items = {}, std::string_view query = {}) {
        wire::Request request;
        request.method = method;
        request.path = path;
        request.authority = "localhost";
        request.query = query;
        request.has_query = !query.empty();
        request.headers = {{"content-type", "application/json"}};
        request.body = as_bytes(body);
        for (const auto& item : items)
            request.items.push_back({item.kind, item.name, item.bytes});
        Bytes payload;
        wire::encode_request(payload, request);
        return *enclave->handle(wire::Kind::Request, payload, MayWait::ForKms);
    }
};

inline std::string member(const wire::Reply& reply, const char* name) {
    const auto body = nlohmann::json::parse(reply.body, nullptr, false);
    return body.is_object() && body.contains(name) && body[name].is_string() ? body[name].get<std::string>()
                                                                             : "";
}

inline std::string code(const wire::Reply& reply) {
    return member(reply, "code");
}

// What an answer brings for the store. Its receipt, of which there is one at most, comes after that.
inline wire::Reply::Records for_store(const wire::Reply& reply) {
    wire::Reply::Records out;
    std::size_t receipts = 0;
    for (const auto& record : reply.records) {
        if (record.kind == wire::ItemKind::Receipt || record.kind == wire::ItemKind::ReceiptHead) {
            receipts += record.kind == wire::ItemKind::Receipt ? 1 : 0;
            continue;
        }
        EXPECT_EQ(receipts, 0u) << "what is stored comes before the receipt";
        out.push_back(record);
    }
    EXPECT_LE(receipts, 1u);
    return out;
}

inline bool has_receipt(const wire::Reply& reply) {
    return std::any_of(reply.records.begin(), reply.records.end(),
                       [](const auto& record) { return record.kind == wire::ItemKind::Receipt; });
}

inline std::string transaction(int nonce = 0) {
    return R"({"transaction":{"chainId":1,"nonce":)" + std::to_string(nonce) +
           R"(,"gas":21000,"maxFeePerGas":2,"maxPriorityFeePerGas":1,"to":"0x2c7536E3605D9C16a7a3D7b1898e529396a65c23","value":"1"}})";
}

struct MadeKey {
    std::string id, address;
    Bytes record;
    wire::Reply reply;
};

inline MadeKey make_key(Instance& instance, const std::string& nonce = "0102") {
    MadeKey out;
    out.reply = instance.ask("POST", "/v1/keys", R"({"nonce":")" + nonce + R"("})");
    EXPECT_EQ(out.reply.status, 201) << out.reply.body;
    out.id = member(out.reply, "key_id");
    out.address = member(out.reply, "address");
    if (!out.reply.records.empty())
        out.record = out.reply.records[0].bytes;
    return out;
}

// Made, stored, and opened from its record: not before that is anything sealed in it.
inline Bytes make_vault(Instance& instance) {
    const auto reply = instance.call(wire::Kind::VaultCreate);
    EXPECT_EQ(reply.status, 200) << reply.body;
    if (reply.records.empty())
        return {};
    EXPECT_EQ(instance.call(wire::Kind::VaultOpen, as_text(reply.records[0].bytes)).status, 200);
    return reply.records[0].bytes;
}

// A vault whose key the test knows: made and wrapped by nobody's enclave, with KMS's help.
struct PlantedVault {
    crypto::SystemRandom random;
    Secret key = random.secret(32), data_key = random.secret(32);
    sealed::VaultRecord record;

    PlantedVault() {
        record.epoch = 1;
        record.id = sealed::vault_id_of_token("a", 1);
        record.created = system_time_ms();
        record.commitment = sealed::vault_commitment(key, record.id);
        record.wraps.push_back(sealed::wrap_vault_key(
            key, data_key, record, kVaultArn,
            kms().encrypt(data_key.view(SecretAccess("a test plants a vault whose key it knows"))), random));
    }
};

inline Bytes to_text_bytes(const Bytes& blob) {
    return to_bytes(to_base64(blob));
}

} // namespace redoubt::enclave::tests
