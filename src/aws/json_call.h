// SPDX-License-Identifier: Apache-2.0
// One signed call of an AWS JSON service (x-amz-json-1.1) from the host, for what has no client of its own:
// diagnosis. Blocking; a connection a call.
#pragma once

#include "aws/credentials.h"
#include "net/http_client.h"

namespace redoubt::aws {

struct JsonService {
    std::string url;                      // "https://kms.us-east-1.amazonaws.com", or devcloud's
    std::string name;                     // "kms": in the signature's scope
    std::string region;                   // likewise
    const net::TlsContext* tls = nullptr; // needed for https
    int timeout_ms = 5'000;
};

// The answer, whatever its status. `target` like "TrentService.DescribeKey". Errors: Usage, ConnectFailed,
// TlsFailed, Timeout, BadRequest (the answer is malformed or over 256 KiB).
Result<net::HttpResponse> call_json_service(const JsonService& service, const std::string& target,
                                            const std::string& body, const Credentials& credentials);

} // namespace redoubt::aws
