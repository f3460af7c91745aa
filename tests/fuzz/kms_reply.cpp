// SPDX-License-Identifier: Apache-2.0
// KMS's replies, any bytes of them. An input's first byte chooses the status, what was asked for, and what
// the rest is: a body, or changes to an honest reply, as pairs of a position (2 bytes) and a value. Seeds:
// corpus/kms_reply.
#include "aws/error_type.h"
#include "aws/kms_client.h"
#include "base/cursor.h"
#include "crypto/cms.h"
#include "crypto/random.h"

#include <cstdlib>

using namespace redoubt;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

struct Honest {
    aws::KmsKeyArn key =
        aws::parse_kms_key_arn("arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab")
            .value();
    crypto::RecipientKey recipient = crypto::RecipientKey::generate().value();
    Bytes plaintext = Bytes(32, 7);
    Bytes cms;
    std::size_t malleable = 0; // from here on CBC lets changes through (crypto/cms.h)

    Honest() {
        crypto::SystemRandom random;
        cms = crypto::make_enveloped_data(recipient.public_der(), plaintext, random).value();
        const auto parts = crypto::parse_enveloped_data(cms).value();
        malleable = static_cast<std::size_t>(parts.iv.data() - cms.data());
    }
};

std::string reply_with(const Honest& honest, ByteView cms) {
    return R"({"KeyId":")" + honest.key.text + R"(","CiphertextBlob":"AAAA","CiphertextForRecipient":")" +
           to_base64(cms) + "\"}";
}

// The first byte's bits: 0x80 a data key of the enclave's; else 0x20 a Decrypt that names no key, 0x10 random
// bytes, neither a Decrypt of the enclave's.
Result<aws::KmsReply> open_reply(const Honest& honest, const net::HttpResponse& response,
                                 std::uint8_t choice) {
    if ((choice & 0x80) == 0 && (choice & 0x30) != 0) {
        aws::KmsExpectation expected;
        if ((choice & 0x20) != 0)
            expected.right_key = [](std::string_view arn) {
                return aws::may_be_key(arn, nullptr, "us-east-1");
            };
        else
            expected.plaintext_size = honest.plaintext.size();
        return aws::open_kms_reply(response, expected, honest.recipient);
    }
    return aws::open_kms_reply(response, honest.key, (choice & 0x80) != 0, honest.recipient);
}

void changed_reply(const Honest& honest, Cursor changes, net::HttpResponse& response, std::uint8_t choice) {
    Bytes cms = honest.cms;
    while (changes.rest().size() >= 3) {
        const std::size_t at = changes.u16() % cms.size();
        cms[at] = changes.u8();
    }
    const std::string body = reply_with(honest, cms);
    response.body = to_bytes(body);
    const auto reply = open_reply(honest, response, choice);
    if (cms == honest.cms)
        require(reply && equal_secrets(reply->plaintext, Secret::copy_of(honest.plaintext)));
    else if (reply)
        require(std::equal(cms.begin(), cms.begin() + static_cast<std::ptrdiff_t>(honest.malleable),
                           honest.cms.begin()));
    else
        require(reply.error().code == Code::KmsReplyInvalid);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Honest honest;
    constexpr int kStatuses[] = {200, 400, 403, 429, 500, 503, 204, 302};
    Cursor in(ByteView(data, size));
    const std::uint8_t choice = in.u8();
    net::HttpResponse response;
    if ((choice & 0x40) != 0) {
        changed_reply(honest, in, response, choice);
        return 0;
    }
    response.status = kStatuses[choice & 7];
    response.body = to_bytes(in.rest());
    const auto reply = open_reply(honest, response, choice);
    // Nobody who does not see the recipient's key can write a reply that opens, and the fuzzer does not.
    require(!reply);
    require(response.status != 200 || reply.error().code == Code::KmsReplyInvalid);
    const std::string type = aws::aws_error_type(response);
    require(type.size() <= 64);
    for (const char c : type)
        require(c > 0x20 && c < 0x7f && c != '"');
    return 0;
}
