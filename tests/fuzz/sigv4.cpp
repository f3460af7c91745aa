// SPDX-License-Identifier: Apache-2.0
// Verification of requests parsed from any bytes; and whatever request can be signed verifies, until
// something of it is changed. Seeds: corpus/sigv4.
#include "aws/sigv4.h"

#include <cstdlib>

using namespace redoubt;

namespace {

constexpr UnixMs kNow = 1'767'225'600'000; // 2026-01-01T00:00:00Z

void require(bool condition) {
    if (!condition)
        std::abort();
}

aws::Credentials credentials() {
    aws::Credentials out;
    out.access_key_id = "AKIAFUZZ";
    out.secret_access_key = Secret::copy_of(as_bytes("secret"));
    out.session_token = Secret::copy_of(as_bytes("token"));
    return out;
}

std::expected<Secret, aws::SigV4Failure> look_up(const std::string&, std::string_view) {
    return Secret::copy_of(as_bytes("secret"));
}

bool verifies(const net::HttpRequest& request) {
    return aws::verify_sigv4(request, look_up, kNow).has_value();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    net::HttpParser parser(net::HttpParser::Kind::Request, {.body = 4096});
    if (!parser.feed({data, size}) || !parser.done())
        return 0;
    net::HttpRequest request = parser.take_request();
    const auto identity = aws::verify_sigv4(request, look_up, kNow);
    if (identity)
        require(!identity->access_key_id.empty() && !identity->region.empty() && !identity->service.empty());
    else
        require(!identity.error().type.empty());

    erase_if(request.headers, [](const net::Header& header) {
        return header.name.starts_with("x-amz-") || header.name == "authorization";
    });
    aws::SigV4Options options;
    options.region = "us-east-1";
    options.service = "kms";
    options.sign_body_header = size % 2 == 0;
    auto presigned = request;
    if (aws::presign_sigv4(presigned, credentials(), options, kNow, 60)) {
        require(verifies(presigned));
        presigned.query += "&zz=1";
        require(!verifies(presigned));
    }
    if (!aws::sign_sigv4(request, credentials(), options, kNow))
        return 0;
    require(verifies(request));
    auto changed = request;
    changed.body.push_back(0);
    require(!verifies(changed));
    changed = request;
    changed.method += "X";
    require(!verifies(changed));
    changed = request;
    changed.query += "&zz=1";
    require(!verifies(changed));
    changed = request;
    changed.headers.push_back({"x-amz-new", ""});
    require(!verifies(changed));
    return 0;
}
