// SPDX-License-Identifier: Apache-2.0
#include "aws/error_type.h"
#include "crypto/hash.h"
#include "fake_kms.h"
#include "unit/crypto/cms_shape.h"

namespace redoubt::aws::tests {
namespace {

const std::string kPlaintext = "0123456789abcdef0123456789abcdef";

crypto::SystemRandom& random() {
    static crypto::SystemRandom instance;
    return instance;
}

Bytes make_cms(std::string_view plaintext = kPlaintext) {
    return crypto::make_enveloped_data(recipient().public_der(), as_bytes(plaintext), random()).value();
}

Json decrypt_reply(const Bytes& cms = make_cms()) {
    return {{"KeyId", test_key().text},
            {"EncryptionAlgorithm", "SYMMETRIC_DEFAULT"},
            {"CiphertextForRecipient", to_base64(cms)}};
}

Result<KmsReply> open_text(std::string body, bool wants_ciphertext = false, int status = 200) {
    net::HttpResponse response;
    response.status = status;
    response.body = to_bytes(body);
    return open_kms_reply(response, test_key(), wants_ciphertext, recipient());
}

Result<KmsReply> open(const Json& reply, bool wants_ciphertext = false) {
    return open_text(reply.dump(), wants_ciphertext);
}

TEST(KmsReply, opens_an_honest_reply) {
    const auto reply = open(decrypt_reply());
    ASSERT_TRUE(reply) << reply.error().describe();
    EXPECT_EQ(text_of(reply->plaintext), kPlaintext);
    EXPECT_TRUE(reply->ciphertext_blob.empty());
}

TEST(KmsReply, lets_members_pass_that_aws_may_add_and_a_null_plaintext) {
    auto reply = decrypt_reply();
    reply["Plaintext"] = nullptr;
    reply["KeyMaterialId"] = std::string(64, '0');
    reply["New"] = {{"Nested", {1, 2, 3}}};
    EXPECT_TRUE(open(reply));
    reply.erase("EncryptionAlgorithm");
    EXPECT_TRUE(open(reply));
}

TEST(KmsReply, a_plaintext_where_a_recipient_was_given_is_refused) {
    for (const Json& value : {Json("AAAA"), Json(""), Json(0), Json(false), Json::object(), Json::array()}) {
        auto reply = decrypt_reply();
        reply["Plaintext"] = value;
        EXPECT_EQ(code_of(open(reply)), Code::KmsReplyInvalid) << value;
        reply.erase("CiphertextForRecipient");
        EXPECT_EQ(code_of(open(reply)), Code::KmsReplyInvalid) << value;
    }
}

TEST(KmsReply, another_key_is_refused) {
    std::string upper = test_key().text;
    upper.back() = 'B';
    for (const Json& value :
         {Json("arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ac"), Json(upper),
          Json(test_key().key_id), Json(test_key().text + " "), Json(""), Json(nullptr), Json(1),
          Json::array({test_key().text})}) {
        auto reply = decrypt_reply();
        reply["KeyId"] = value;
        EXPECT_EQ(code_of(open(reply)), Code::KmsReplyInvalid) << value;
    }
    auto reply = decrypt_reply();
    reply.erase("KeyId");
    EXPECT_EQ(code_of(open(reply)), Code::KmsReplyInvalid);
}

TEST(KmsReply, another_algorithm_is_refused) {
    for (const Json& value :
         {Json("RSAES_OAEP_SHA_256"), Json("symmetric_default"), Json(nullptr), Json(1)}) {
        auto reply = decrypt_reply();
        reply["EncryptionAlgorithm"] = value;
        EXPECT_EQ(code_of(open(reply)), Code::KmsReplyInvalid) << value;
    }
}

TEST(KmsReply, the_recipients_ciphertext_must_be_there_in_strict_base64) {
    const std::string good = to_base64(make_cms());
    for (const Json& value :
         {Json(nullptr), Json(""), Json(1), Json(good + "\n"), Json(good + "AAAA"), Json(good.substr(4)),
          Json(good.substr(0, good.size() - 4)), Json(" " + good)}) {
        auto reply = decrypt_reply();
        reply["CiphertextForRecipient"] = value;
        EXPECT_EQ(code_of(open(reply)), Code::KmsReplyInvalid) << value;
    }
    auto reply = decrypt_reply();
    reply.erase("CiphertextForRecipient");
    EXPECT_EQ(code_of(open(reply)), Code::KmsReplyInvalid);
}

TEST(KmsReply, any_altered_byte_of_the_cms_blob_is_refused_or_never_gives_the_plaintext) {
    const Bytes good = make_cms();
    const auto parts = crypto::parse_enveloped_data(good).value();
    // CBC is malleable: from the IV on, a change may open, to something else (see decrypt_confirmed).
    const auto malleable = static_cast<std::size_t>(parts.iv.data() - good.data());
    for (std::size_t i = 0; i < good.size(); ++i)
        for (const std::uint8_t flip : Bytes{0x01, 0x80, 0xff}) {
            Bytes bad = good;
            bad[i] ^= flip;
            const auto reply = open(decrypt_reply(bad));
            if (i < malleable) {
                EXPECT_EQ(code_of(reply), Code::KmsReplyInvalid) << i;
            } else if (reply) {
                EXPECT_NE(text_of(reply->plaintext), kPlaintext) << i;
            } else {
                EXPECT_EQ(reply.error().code, Code::KmsReplyInvalid) << i;
            }
        }
}

TEST(KmsReply, trailing_and_missing_bytes_of_the_cms_blob_are_refused) {
    const Bytes good = make_cms();
    for (std::size_t size = 0; size < good.size(); ++size)
        EXPECT_EQ(code_of(open(decrypt_reply(Bytes(good.begin(), good.begin() + static_cast<long>(size))))),
                  Code::KmsReplyInvalid);
    for (const Bytes& more : {Bytes{0}, Bytes{0, 0}, good}) {
        Bytes longer = good;
        append(longer, more);
        EXPECT_EQ(code_of(open(decrypt_reply(longer))), Code::KmsReplyInvalid);
    }
}

TEST(KmsReply, another_recipient_or_other_oaep_parameters_are_refused) {
    const auto other = crypto::RecipientKey::generate().value();
    EXPECT_EQ(code_of(open(decrypt_reply(
                  crypto::make_enveloped_data(other.public_der(), as_bytes(kPlaintext), random()).value()))),
              Code::KmsReplyInvalid);

    const Bytes good = make_cms();
    const auto parts = crypto::parse_enveloped_data(good).value();
    crypto::Shape shape;
    shape.identifier = to_bytes(parts.key_identifier);
    shape.encrypted_key = to_bytes(parts.encrypted_key);
    shape.iv = to_bytes(parts.iv);
    shape.content = {parts.content};
    ASSERT_TRUE(open(decrypt_reply(shape.encode())));
    auto other_identifier = shape;
    other_identifier.identifier = to_bytes(crypto::sha256(other.public_der()));
    EXPECT_EQ(code_of(open(decrypt_reply(other_identifier.encode()))), Code::KmsReplyInvalid);
    auto sha1_defaults = shape;
    sha1_defaults.key_algorithm = *from_hex("300d06092a864886f70d0101073000");
    EXPECT_EQ(code_of(open(decrypt_reply(sha1_defaults.encode()))), Code::KmsReplyInvalid);
    auto pkcs1 = shape;
    pkcs1.key_algorithm = *from_hex("300d06092a864886f70d0101010500");
    EXPECT_EQ(code_of(open(decrypt_reply(pkcs1.encode()))), Code::KmsReplyInvalid);
}

TEST(KmsReply, a_data_key_has_32_bytes_and_a_blob_of_1_to_6144) {
    auto reply = decrypt_reply();
    reply["CiphertextBlob"] = to_base64(Bytes(6144, 7));
    auto opened = open(reply, true);
    ASSERT_TRUE(opened) << opened.error().describe();
    EXPECT_EQ(opened->ciphertext_blob, Bytes(6144, 7));
    for (const Json& value :
         {Json(to_base64(Bytes(6145, 7))), Json(""), Json(nullptr), Json("AA"), Json(1)}) {
        reply["CiphertextBlob"] = value;
        EXPECT_EQ(code_of(open(reply, true)), Code::KmsReplyInvalid);
    }
    reply.erase("CiphertextBlob");
    EXPECT_EQ(code_of(open(reply, true)), Code::KmsReplyInvalid);
    for (const std::size_t size : {1u, 16u, 31u, 33u, 64u}) {
        auto wrong = decrypt_reply(make_cms(std::string(size, 'x')));
        EXPECT_TRUE(open(wrong)) << size; // a Decrypt may give any length
        wrong["CiphertextBlob"] = to_base64(kBlob);
        EXPECT_EQ(code_of(open(wrong, true)), Code::KmsReplyInvalid) << size;
    }
}

TEST(KmsReply, json_that_two_readers_could_read_differently_is_refused) {
    const std::string good = decrypt_reply().dump();
    const std::string twice = good.substr(0, good.size() - 1) + R"(,"KeyId":")" + test_key().text + "\"}";
    const std::string escaped_twice = good.substr(0, good.size() - 1) + R"(,"\u0050laintext":"AAAA"})";
    for (const std::string& body :
         {std::string(), std::string("{}"), std::string("[]"), std::string("null"), good + "x", good + good,
          "\xef\xbb\xbf" + good, twice, escaped_twice, std::string("[") + good + "]",
          std::string(100, '[') + std::string(100, ']'), good.substr(0, good.size() - 1)})
        EXPECT_EQ(code_of(open_text(body)), Code::KmsReplyInvalid) << body;
    EXPECT_TRUE(open_text(good));
}

TEST(KmsReply, errors_have_codes_by_their_type) {
    struct {
        int status;
        const char* type;
        Code code;
    } const cases[] = {
        {400, "AccessDeniedException", Code::KmsDenied},
        {403, "AccessDeniedException", Code::KmsDenied},
        {400, "ExpiredTokenException", Code::CredentialsExpired},
        {400, "ThrottlingException", Code::KmsThrottled},
        {400, "Throttling", Code::KmsThrottled},
        {400, "LimitExceededException", Code::KmsThrottled},
        {503, "ThrottlingException", Code::KmsThrottled},
        {429, "Whatever", Code::KmsThrottled},
        {500, "KMSInternalException", Code::KmsUnavailable},
        {500, "KeyUnavailableException", Code::KmsUnavailable},
        {500, "DependencyTimeoutException", Code::KmsUnavailable},
        {500, "AccessDeniedException", Code::KmsUnavailable},
        {503, "", Code::KmsUnavailable},
        {400, "DisabledException", Code::KmsRefused},
        {400, "NotFoundException", Code::KmsRefused},
        {400, "KMSInvalidStateException", Code::KmsRefused},
        {400, "InvalidCiphertextException", Code::KmsRefused},
        {400, "IncorrectKeyException", Code::KmsRefused},
        {400, "ValidationException", Code::KmsRefused},
        {400, "UnrecognizedClientException", Code::CredentialsExpired},
        {403, "InvalidClientTokenId", Code::CredentialsExpired},
        {400, "InvalidSignatureException", Code::KmsRefused},
        {400, "", Code::KmsRefused},
        {404, "AccessDeniedExceptionX", Code::KmsRefused},
        {301, "AccessDeniedException", Code::KmsReplyInvalid},
        {204, "", Code::KmsReplyInvalid},
    };
    for (const auto& [status, type, code] : cases) {
        const auto plain =
            open_text(Json{{"__type", type}, {"message", "secret words"}}.dump(), false, status);
        EXPECT_EQ(code_of(plain), code) << status << " " << type;
        EXPECT_EQ(plain.error().describe().find("secret words"), std::string::npos);
        const auto prefixed =
            open_text(Json{{"__type", std::string("com.amazonaws.kms#") + type}}.dump(), false, status);
        EXPECT_EQ(code_of(prefixed), code) << status << " " << type;

        net::HttpResponse by_header;
        by_header.status = status;
        by_header.headers.push_back(
            {"x-amzn-errortype", std::string(type) + ":http://internal.amazon.com/coral/com.amazon.x/#y"});
        EXPECT_EQ(code_of(open_kms_reply(by_header, test_key(), false, recipient())), code) << type;
    }
    // A reply that says error with a status of success opens to nothing.
    EXPECT_EQ(code_of(open_text(R"({"__type":"AccessDeniedException"})")), Code::KmsReplyInvalid);
}

TEST(ErrorType, is_a_name_or_nothing) {
    const auto type = [](const std::string& body) {
        net::HttpResponse response;
        response.body = to_bytes(body);
        return aws_error_type(response);
    };
    EXPECT_EQ(type(R"({"__type":"a.b#NotFoundException"})"), "NotFoundException");
    EXPECT_EQ(type(R"({"__type":"NotFoundException:http://x/"})"), "NotFoundException");
    EXPECT_EQ(type(R"({"__type":"a b"})"), "");
    EXPECT_EQ(type(R"({"__type":"a\nb"})"), "");
    EXPECT_EQ(type(R"({"__type":")" + std::string(65, 'a') + "\"}"), "");
    EXPECT_EQ(type(R"({"__type":7})"), "");
    EXPECT_EQ(type(R"(["__type"])"), "");
    EXPECT_EQ(type("<xml/>"), "");
    EXPECT_EQ(type(""), "");
}

} // namespace
} // namespace redoubt::aws::tests
