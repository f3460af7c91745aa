// SPDX-License-Identifier: Apache-2.0
// The Recipient parameter against the very key policy that Redoubt writes: what a software NSM of a
// development root attests, what KMS makes of it, and everything that must not pass.
#include "nitro/cbor.h"
#include "trust/key_policy.h"
#include "unit/devcloud/support.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

namespace redoubt::devcloud::tests {
namespace {

constexpr UnixMs kMinute = 60'000, kHour = 60 * kMinute;
constexpr const char* kInstancePart = "i-0123456789abcdef0";
constexpr const char* kModuleId = "i-0123456789abcdef0-enc0123456789abcdef";
constexpr const char* kImageKey = "kms:RecipientAttestation:ImageSha384";
constexpr const char* kManifestKey = "kms:RecipientAttestation:PCR16";
constexpr const char* kOperations[] = {"Decrypt", "GenerateDataKey"};

nitro::Pcr image_of(std::uint8_t byte) {
    nitro::Pcr out;
    out.fill(byte);
    return out;
}

nitro::Pcr manifest_pcr(std::string_view manifest) {
    return nitro::pcr_of(as_bytes(manifest));
}

struct Measured {
    nitro::Pcr image = image_of(0xab);
    std::string manifest = "the manifest"; // extends PCR16; empty: not extended
    bool locked = true;                    // PCR16
    bool indefinite_payload = true;
    const nitro::DevelopmentRoot* root = &development_root();
    std::optional<Bytes> public_key = recipient_key().public_der();
};

trust::MeasurementPair pair_of(const Measured& measured) {
    return {measured.image, manifest_pcr(measured.manifest)};
}

// A COSE_Sign1 of these parts.
Bytes cose(ByteView header, ByteView payload, ByteView signature) {
    Bytes out;
    nitro::cbor::Writer(out).array(4).bytes(header).map(0).bytes(payload).bytes(signature);
    return out;
}

Bytes public_der(EVP_PKEY* key) {
    std::uint8_t* der = nullptr;
    const int size = i2d_PUBKEY(key, &der);
    Bytes out(der, der + size);
    OPENSSL_free(der);
    EVP_PKEY_free(key);
    return out;
}

class AttestedKms : public DevcloudTest {
  protected:
    void SetUp() override {
        open();
        key_ = create_key();
        ciphertext_ =
            kms("Encrypt", {{"KeyId", key_}, {"Plaintext", plaintext_}, {"EncryptionContext", context_}})
                .body["CiphertextBlob"];
        role_ = instance_credentials();
        pin({pair_of({})});
    }

    void put_policy(const std::string& policy) {
        const auto answer = kms("PutKeyPolicy", {{"KeyId", key_},
                                                 {"PolicyName", "default"},
                                                 {"Policy", policy},
                                                 {"BypassPolicyLockoutSafetyCheck", true}});
        ASSERT_EQ(answer.status, 200) << answer.text;
    }

    void pin(const std::vector<trust::MeasurementPair>& pairs) {
        trust::KeyPolicyInput input;
        input.administrators = {"arn:aws:iam::000000000000:root"};
        input.users = {"arn:aws:iam::000000000000:role/redoubt-instance"};
        input.pairs = pairs;
        put_policy(trust::render_key_policy(input));
    }

    Bytes document(const Measured& measured = {}) {
        nitro::SoftwareNsmOptions options;
        options.module_id = kModuleId;
        options.indefinite_payload = measured.indefinite_payload;
        options.now = [this] { return now_; };
        for (std::uint16_t index = 0; index <= 2; ++index)
            options.pcrs[index] = measured.image;
        nitro::Nsm nsm(nitro::make_software_nsm(*measured.root, options).value());
        if (!measured.manifest.empty()) {
            EXPECT_TRUE(nsm.extend_pcr(16, as_bytes(measured.manifest)));
        }
        if (measured.locked) {
            EXPECT_TRUE(nsm.lock_pcr(16));
        }
        nitro::AttestationRequest request;
        request.public_key = measured.public_key;
        return nsm.attest(request).value();
    }

    static Json recipient(ByteView document) {
        return {{"KeyEncryptionAlgorithm", "RSAES_OAEP_SHA_256"},
                {"AttestationDocument", to_base64(document)}};
    }

    Json input(const std::string& operation) const {
        Json out = {{"KeyId", key_}, {"EncryptionContext", context_}};
        if (operation == "Decrypt")
            out["CiphertextBlob"] = ciphertext_;
        else
            out["KeySpec"] = "AES_256";
        return out;
    }

    // As the instance's role, unless told otherwise.
    Answer call(const std::string& operation, const Json& with_recipient) {
        Json asked = input(operation);
        asked["Recipient"] = with_recipient;
        return kms(operation, asked, role_);
    }
    Answer call(const std::string& operation, const Bytes& document) {
        return call(operation, recipient(document));
    }

    Json last_event() { return send(make_request("GET", "/redoubt/events?limit=1")).body[0]; }

    static void expect_no_secret(const Answer& answer) {
        EXPECT_FALSE(answer.body.contains("Plaintext")) << answer.text;
        EXPECT_FALSE(answer.body.contains("CiphertextForRecipient")) << answer.text;
        EXPECT_FALSE(answer.body.contains("CiphertextBlob")) << answer.text;
    }

    void expect_denied(const Bytes& document, const std::string& detail) {
        for (const std::string operation : kOperations) {
            const auto answer = call(operation, document);
            EXPECT_EQ(answer.status, 400) << operation << answer.text;
            EXPECT_EQ(answer.type(), "AccessDeniedException") << operation << answer.text;
            EXPECT_EQ(
                answer.body.value("Message", ""),
                "User: arn:aws:sts::000000000000:assumed-role/redoubt-instance/i-0123456789abcdef0 is not "
                "authorized to perform: kms:" +
                    operation + " on resource: " + key_ +
                    " with an explicit deny in a resource-based policy");
            EXPECT_NE(answer.body.value("RedoubtDetail", "").find(detail), std::string::npos)
                << operation << answer.text;
            expect_no_secret(answer);
        }
    }

    // No document that was verified: the attestation's values are not logged either.
    void expect_invalid(const Json& with_recipient, const char* what,
                        const std::string& type = "ValidationException") {
        for (const auto* operation : kOperations) {
            const auto answer = call(operation, with_recipient);
            EXPECT_EQ(answer.status, 400) << what << operation << answer.text;
            EXPECT_EQ(answer.type(), type) << what << operation << answer.text;
            expect_no_secret(answer);
            const auto event = last_event();
            EXPECT_EQ(event["errorCode"], type) << what;
            EXPECT_EQ(event["moduleId"], nullptr) << what;
            EXPECT_EQ(event["pcr0"], nullptr) << what;
        }
    }
    void expect_invalid(const Bytes& document, const char* what) {
        expect_invalid(recipient(document), what);
    }

    std::string opened(const Answer& answer, const crypto::RecipientKey& key = recipient_key()) {
        const auto blob = from_base64(answer.body.value("CiphertextForRecipient", ""));
        if (!blob)
            return "not base64: " + answer.text;
        const auto secret = crypto::open_enveloped_data(key, *blob);
        return secret ? to_base64(secret->view(SecretAccess("compare in a test"))) : "not opened";
    }

    const std::string plaintext_ = to_base64(as_bytes("what only the enclave may read"));
    const Json context_ = {{"redoubt:vault", "v1"}};
    std::string key_;
    Json ciphertext_;
    aws::Credentials role_;
};

TEST_F(AttestedKms, decrypts_for_the_pinned_pair_to_the_recipient_alone) {
    const auto answer = call("Decrypt", document());
    ASSERT_EQ(answer.status, 200) << answer.text;
    EXPECT_EQ(opened(answer), plaintext_);
    EXPECT_FALSE(answer.body.contains("Plaintext"));
    EXPECT_EQ(answer.text.find(plaintext_), std::string::npos);
    EXPECT_EQ(answer.body["KeyId"], key_);
    EXPECT_EQ(answer.body["EncryptionAlgorithm"], "SYMMETRIC_DEFAULT");
    EXPECT_EQ(answer.body["KeyMaterialId"].get<std::string>().size(), 64u);
    const auto other = crypto::RecipientKey::generate().value();
    EXPECT_EQ(opened(answer, other), "not opened");
}

TEST_F(AttestedKms, generates_a_data_key_for_the_pinned_pair_to_the_recipient_alone) {
    const auto made = call("GenerateDataKey", document());
    ASSERT_EQ(made.status, 200) << made.text;
    EXPECT_FALSE(made.body.contains("Plaintext"));
    EXPECT_EQ(made.body["KeyId"], key_);
    const auto data_key = opened(made);
    EXPECT_EQ(from_base64(data_key).value_or(Bytes{}).size(), 32u) << data_key;
    ciphertext_ = made.body["CiphertextBlob"];
    EXPECT_EQ(opened(call("Decrypt", document())), data_key);
}

TEST_F(AttestedKms, serves_the_enclave_over_tls_too) {
    Json asked = input("Decrypt");
    asked["Recipient"] = recipient(document());
    const auto answer =
        send(signed_request("kms", "TrentService.Decrypt", asked.dump(), role_), Listener::Tls);
    EXPECT_EQ(opened(answer), plaintext_);
}

TEST_F(AttestedKms, accepts_every_form_that_documents_come_in) {
    Measured definite;
    definite.indefinite_payload = false;
    EXPECT_EQ(opened(call("Decrypt", document(definite))), plaintext_);
    auto tagged = document();
    tagged.insert(tagged.begin(), 0xd2); // tag 18, COSE_Sign1 (attestation_process.md, section 3.1)
    EXPECT_EQ(opened(call("Decrypt", tagged)), plaintext_);
    tagged[0] = 0xd1; // tag 17, COSE_Mac0
    expect_invalid(tagged, "another tag");
}

TEST_F(AttestedKms, refuses_another_image_and_names_the_register) {
    Measured other;
    other.image = image_of(0xac);
    expect_denied(document(other), std::string(kImageKey) + " is " + to_hex(other.image) +
                                       ", StringNotEqualsIgnoreCase wants " + to_hex(image_of(0xab)));
}

TEST_F(AttestedKms, refuses_another_manifest_and_names_the_register) {
    Measured other;
    other.manifest = "another manifest";
    expect_denied(document(other), std::string(kManifestKey) + " is " + to_hex(manifest_pcr(other.manifest)) +
                                       ", StringNotEqualsIgnoreCase wants " +
                                       to_hex(manifest_pcr("the manifest")));
}

TEST_F(AttestedKms, refuses_an_enclave_that_took_no_manifest) {
    Measured fresh;
    fresh.manifest.clear();
    expect_denied(document(fresh), std::string(kManifestKey) + " is " + std::string(96, '0'));
    // A register above the sixteenth shows only once it is locked.
    fresh.locked = false;
    expect_denied(document(fresh), std::string(kManifestKey) + " is not in the request");
    Measured unlocked;
    unlocked.locked = false;
    expect_denied(document(unlocked), std::string(kManifestKey) + " is not in the request");
}

TEST_F(AttestedKms, refuses_everybody_without_a_recipient) {
    for (const std::string operation : kOperations) {
        for (const auto& credentials : {role_.clone(), root_credentials()}) {
            for (const Json& absent : {Json("no member"), Json(nullptr)}) {
                Json asked = input(operation);
                if (absent.is_null())
                    asked["Recipient"] = nullptr;
                const auto answer = kms(operation, asked, credentials);
                EXPECT_EQ(answer.type(), "AccessDeniedException") << operation << answer.text;
                EXPECT_NE(
                    answer.body.value("RedoubtDetail", "").find(std::string(kImageKey) + " is not in the"),
                    std::string::npos)
                    << answer.text;
                expect_no_secret(answer);
            }
        }
    }
}

TEST_F(AttestedKms, gives_the_attested_operations_to_the_named_role_alone) {
    for (const std::string operation : kOperations) {
        Json asked = input(operation);
        asked["Recipient"] = recipient(document());
        const auto answer = kms(operation, asked);
        EXPECT_EQ(answer.type(), "AccessDeniedException") << answer.text;
        EXPECT_NE(answer.body.value("Message", "").find("explicit deny in a resource-based policy"),
                  std::string::npos)
            << answer.text;
        EXPECT_NE(answer.body.value("RedoubtDetail", "").find("DenyUseByOthers denies: aws:PrincipalArn is"),
                  std::string::npos)
            << answer.text;
    }
}

TEST_F(AttestedKms, lets_nobody_plant_a_ciphertext_under_a_vault_key) {
    for (const auto& credentials : {role_.clone(), root_credentials()}) {
        const auto answer =
            kms("Encrypt", {{"KeyId", key_}, {"Plaintext", "eA=="}, {"Recipient", recipient(document())}},
                credentials);
        EXPECT_EQ(answer.type(), "AccessDeniedException") << answer.text;
        EXPECT_NE(answer.body.value("RedoubtDetail", "").find("DenyPlantingAndGrants"), std::string::npos);
    }
}

TEST_F(AttestedKms, takes_pins_as_pairs) {
    Measured one, two, mixed;
    two.image = image_of(0xcd);
    two.manifest = "the next manifest";
    pin({pair_of(one), pair_of(two)});
    EXPECT_EQ(opened(call("Decrypt", document(one))), plaintext_);
    EXPECT_EQ(opened(call("Decrypt", document(two))), plaintext_);
    mixed.image = one.image;
    mixed.manifest = two.manifest;
    const auto answer = call("Decrypt", document(mixed));
    EXPECT_EQ(answer.type(), "AccessDeniedException") << answer.text;
    expect_no_secret(answer);
    const auto detail = answer.body.value("RedoubtDetail", "");
    EXPECT_NE(detail.find("UseByMeasuredEnclave1 would allow, but kms:RecipientAttestation:PCR16 is "),
              std::string::npos)
        << detail;
    EXPECT_NE(detail.find("UseByMeasuredEnclave2 would allow, but kms:RecipientAttestation:ImageSha384 is "),
              std::string::npos)
        << detail;
}

TEST_F(AttestedKms, offers_every_register_to_policies) {
    put_policy(R"({"Statement":[{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*",)"
               R"("Condition":{"StringEquals":{"kms:RecipientAttestation:PCR4":")" +
               to_hex(nitro::pcr_of(as_bytes(kInstancePart))) + R"(","kms:RecipientAttestation:PCR0":")" +
               to_hex(image_of(0xab)) + R"(","kms:RecipientAttestation:PCR15":")" + std::string(96, '0') +
               R"("}}}]})");
    EXPECT_EQ(opened(call("Decrypt", document())), plaintext_);
}

TEST_F(AttestedKms, does_not_offer_a_register_that_the_document_lacks) {
    put_policy(R"({"Statement":[{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*",)"
               R"("Condition":{"StringEquals":{"kms:RecipientAttestation:PCR17":")" +
               std::string(96, '0') + R"("}}}]})");
    const auto answer = call("Decrypt", document());
    EXPECT_EQ(answer.type(), "AccessDeniedException");
    EXPECT_NE(answer.body.value("RedoubtDetail", "").find("PCR17 is not in the request"), std::string::npos);
}

TEST_F(AttestedKms, still_wants_the_encryption_context) {
    for (const Json& context : {Json(nullptr), Json({{"redoubt:vault", "v2"}})}) {
        Json asked = input("Decrypt");
        asked["EncryptionContext"] = context;
        asked["Recipient"] = recipient(document());
        const auto answer = kms("Decrypt", asked, role_);
        EXPECT_EQ(answer.type(), "InvalidCiphertextException") << answer.text;
        expect_no_secret(answer);
    }
}

TEST_F(AttestedKms, tells_a_dry_run_only_what_would_have_been_allowed) {
    for (const std::string operation : kOperations) {
        Json asked = input(operation);
        asked["DryRun"] = true;
        asked["Recipient"] = recipient(document());
        EXPECT_EQ(kms(operation, asked, role_).type(), "DryRunOperationException");
        asked.erase("Recipient");
        EXPECT_EQ(kms(operation, asked, role_).type(), "AccessDeniedException");
    }
}

TEST_F(AttestedKms, refuses_a_document_outside_its_certificates_life) {
    const auto kept = document();
    const UnixMs made = now_;
    now_ = made + 3 * kHour - kMinute;
    EXPECT_EQ(opened(call("Decrypt", kept)), plaintext_);
    for (const UnixMs at : {made + 3 * kHour + kMinute, made + 4 * kHour, made - kMinute, made - kHour}) {
        now_ = at;
        expect_invalid(kept, "outside the leaf's three hours");
        EXPECT_NE(call("Decrypt", kept).body.value("message", "").find("not valid at this time"),
                  std::string::npos);
    }
}

TEST_F(AttestedKms, refuses_every_altered_byte) {
    const auto right = document();
    // Every byte of the outer structure, of the first fields and of the signature; of the rest every fifth.
    std::size_t tried = 0;
    for (std::size_t i = 0; i < right.size(); i += i < 64 || i + 104 > right.size() ? 1u : 5u) {
        auto altered = right;
        altered[i] = static_cast<std::uint8_t>(altered[i] ^ (1u << (i % 8)));
        const auto answer = call("Decrypt", altered);
        ASSERT_EQ(answer.type(), "ValidationException") << "byte " << i << ": " << answer.text;
        ASSERT_FALSE(answer.body.contains("CiphertextForRecipient")) << i;
        ++tried;
    }
    EXPECT_GT(tried, 500u);
    EXPECT_EQ(opened(call("Decrypt", right)), plaintext_);
}

TEST_F(AttestedKms, refuses_documents_that_nobody_signed) {
    const auto parsed = nitro::parse_attestation(document()).value();
    const Bytes zero(96, 0);
    const Bytes alg_minus_one = {0xa1, 0x01, 0x20}; // as QEMU's nitro-enclave machine writes them
    ASSERT_EQ(opened(call("Decrypt", cose(parsed.protected_header, parsed.payload, parsed.signature))),
              plaintext_)
        << "the parts make the document again";
    expect_invalid(cose(parsed.protected_header, parsed.payload, zero), "all-zero signature");
    expect_invalid(cose(alg_minus_one, parsed.payload, zero), "QEMU's");
    expect_invalid(cose(alg_minus_one, parsed.payload, parsed.signature),
                   "algorithm -1 over a real signature");
    expect_invalid(cose({}, parsed.payload, parsed.signature), "no algorithm");
    expect_invalid(cose(parsed.protected_header, parsed.payload, ByteView(parsed.signature).first(95)),
                   "a short signature");
    expect_invalid(cose(parsed.protected_header, parsed.payload, {}), "an empty signature");
}

TEST_F(AttestedKms, refuses_another_documents_signature) {
    nitro::SoftwareNsmOptions options;
    options.now = [this] { return now_; };
    nitro::Nsm nsm(nitro::make_software_nsm(development_root(), options).value());
    nitro::AttestationRequest request;
    request.public_key = recipient_key().public_der();
    const auto one = nitro::parse_attestation(nsm.attest(request).value()).value();
    request.nonce = Bytes{1};
    const auto two = nitro::parse_attestation(nsm.attest(request).value()).value();
    ASSERT_EQ(one.certificate, two.certificate) << "both are signed with one key";
    expect_invalid(cose(one.protected_header, one.payload, two.signature), "another payload's signature");
}

TEST_F(AttestedKms, refuses_another_root) {
    const auto other = nitro::make_development_root().value();
    Measured foreign;
    foreign.root = &other;
    expect_invalid(document(foreign), "another development root");
    cloud_->settings.attestation_root_der = other.certificate_der;
    EXPECT_EQ(opened(call("Decrypt", document(foreign))), plaintext_);
    expect_invalid(document(), "the root that was right before");
}

TEST_F(AttestedKms, never_takes_a_debug_document_for_the_pinned_image) {
    Measured debug;
    debug.image = image_of(0);
    expect_denied(document(debug), std::string(kImageKey) + " is " + std::string(96, '0'));
    EXPECT_EQ(last_event()["pcr0"], std::string(96, '0'));
    // In debug mode every register shows zeros, so a pin of PCR16 alone does not match either.
    EXPECT_EQ(last_event()["pcr16"], std::string(96, '0'));
    put_policy(R"({"Statement":[{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*",)"
               R"("Condition":{"StringEquals":{"kms:RecipientAttestation:PCR16":")" +
               to_hex(manifest_pcr(debug.manifest)) + R"("}}}]})");
    EXPECT_EQ(opened(call("Decrypt", document())), plaintext_);
    EXPECT_EQ(call("Decrypt", document(debug)).type(), "AccessDeniedException");
}

TEST_F(AttestedKms, refuses_a_document_without_a_public_key) {
    Measured keyless;
    keyless.public_key = std::nullopt;
    expect_invalid(document(keyless), "null");
    keyless.public_key = Bytes{};
    expect_invalid(document(keyless), "empty");
}

TEST_F(AttestedKms, refuses_a_public_key_that_is_not_rsa_2048) {
    auto trailing = recipient_key().public_der();
    trailing.push_back(0);
    const struct {
        const char* what;
        Bytes key;
    } cases[] = {
        {"RSA of 1024 bits", public_der(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{1024}))},
        {"RSA of 3072 bits", public_der(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{3072}))},
        {"P-256", public_der(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"))},
        {"no key", to_bytes("a public key")},
        {"one byte", Bytes{0x30}},
        {"a byte too many", trailing},
        {"a byte too few", to_bytes(ByteView(trailing).first(trailing.size() - 2))},
    };
    for (const auto& c : cases) {
        Measured measured;
        measured.public_key = c.key;
        const auto attested = document(measured);
        for (const auto* operation : kOperations) {
            const auto answer = call(operation, attested);
            EXPECT_EQ(answer.type(), "ValidationException") << c.what << answer.text;
            expect_no_secret(answer);
        }
    }
}

TEST_F(AttestedKms, refuses_other_key_encryption_algorithms) {
    Json with = recipient(document());
    for (const char* algorithm : {"RSAES_OAEP_SHA_1", "rsaes_oaep_sha_256", "RSAES_PKCS1_V1_5", ""}) {
        with["KeyEncryptionAlgorithm"] = algorithm;
        expect_invalid(with, algorithm);
    }
    with["KeyEncryptionAlgorithm"] = "RSAES_OAEP_SHA_1";
    EXPECT_NE(call("Decrypt", with).body.value("message", "").find("'recipient.keyEncryptionAlgorithm'"),
              std::string::npos);
    with["KeyEncryptionAlgorithm"] = 7;
    expect_invalid(with, "a number", "SerializationException");
    with.erase("KeyEncryptionAlgorithm");
    expect_invalid(with, "none");
}

TEST_F(AttestedKms, refuses_documents_of_another_length) {
    const auto right = document();
    for (std::size_t size = 1; size < right.size(); size += size < 16 || size + 100 > right.size() ? 1u : 97u)
        ASSERT_EQ(call("Decrypt", to_bytes(ByteView(right).first(size))).type(), "ValidationException")
            << size;
    auto longer = right;
    longer.push_back(0);
    expect_invalid(longer, "a byte after it");
    auto twice = right;
    append(twice, right);
    expect_invalid(twice, "another document after it");
    // The service model's limit is 262,144 bytes.
    longer.resize(262'144);
    expect_invalid(longer, "the largest that is looked at");
    longer.push_back(0);
    expect_invalid(longer, "oversized");
    EXPECT_NE(call("Decrypt", longer).body.value("message", "").find("less than or equal to 262144"),
              std::string::npos);
}

TEST_F(AttestedKms, refuses_a_recipient_that_is_not_in_the_service_models_form) {
    Json with = recipient(document());
    expect_invalid(Json::object(), "empty");
    expect_invalid(Json::array(), "an array", "SerializationException");
    expect_invalid(Json("text"), "a string", "SerializationException");
    expect_invalid(Json(true), "true", "SerializationException");
    with["AttestationDocument"] = "";
    expect_invalid(with, "an empty document");
    with["AttestationDocument"] = nullptr;
    expect_invalid(with, "a null document");
    with["AttestationDocument"] = "%%%%";
    expect_invalid(with, "no base64", "SerializationException");
    with["AttestationDocument"] = Json::array({1, 2});
    expect_invalid(with, "an array of bytes", "SerializationException");
}

TEST_F(AttestedKms, logs_who_attested_what) {
    const auto expect_event = [&](const char* operation, const Measured& measured, const Json& error) {
        const auto event = last_event();
        EXPECT_EQ(event["eventName"], operation);
        EXPECT_EQ(event["principal"],
                  "arn:aws:sts::000000000000:assumed-role/redoubt-instance/i-0123456789abcdef0");
        EXPECT_EQ(event["keyArn"], key_);
        EXPECT_EQ(event["encryptionContext"], context_);
        EXPECT_EQ(event["moduleId"], kModuleId);
        EXPECT_EQ(event["pcr0"], to_hex(measured.image));
        EXPECT_EQ(event["pcr16"], to_hex(manifest_pcr(measured.manifest)));
        EXPECT_EQ(event["errorCode"], error);
    };
    Measured other;
    other.manifest = "another manifest";
    for (const auto* operation : kOperations) {
        call(operation, document());
        expect_event(operation, {}, nullptr);
        call(operation, document(other));
        expect_event(operation, other, "AccessDeniedException");
    }
    Json unattested = input("Decrypt");
    kms("Decrypt", unattested, role_);
    EXPECT_EQ(last_event()["moduleId"], nullptr);
    EXPECT_EQ(last_event()["pcr16"], nullptr);
    const auto all = send(make_request("GET", "/redoubt/events")).text;
    EXPECT_EQ(all.find(plaintext_), std::string::npos);
    EXPECT_EQ(all.find("what only the enclave may read"), std::string::npos);
}

} // namespace
} // namespace redoubt::devcloud::tests
