// SPDX-License-Identifier: Apache-2.0
// STS's answers as any bytes: no crash, and what is accepted is complete. Seeds: corpus/sts_xml.
#include "aws/sts_client.h"
#include "aws/xml.h"

#include <cstdlib>

using namespace redoubt;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto document = aws::XmlDocument::parse(text)) {
        require(size <= aws::XmlDocument::kMaxBytes);
        (void)document->text("R/A");
    }
    net::HttpResponse response;
    response.body = Bytes(data, data + size);
    if (const auto credentials = aws::read_web_identity_credentials(response, 1'000)) {
        require(!credentials->access_key_id.empty() && !credentials->secret_access_key.empty());
        require(!credentials->session_token.empty() && credentials->expires > 1'000);
    }
    if (const auto identity = aws::read_caller_identity(response))
        require(identity->account.size() == 12 && identity->arn.starts_with("arn:"));
    response.status = 403;
    require(!aws::read_caller_identity(response));
    require(!aws::read_web_identity_credentials(response, 1'000));
    return 0;
}
