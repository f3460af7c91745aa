// SPDX-License-Identifier: Apache-2.0
// A request that waited past its deadline is not begun, so nothing is signed that nobody waits for.
#include "support.h"

namespace redoubt::enclave {
namespace {

using namespace tests;

TEST(Deadline, a_request_that_waited_for_as_long_as_its_client_does_is_not_begun) {
    Instance instance(manifest());
    make_vault(instance);
    wire::Request request;
    request.method = "POST";
    request.authority = "localhost";
    request.path = "/v1/keys";
    request.headers.push_back({"content-type", "application/json"});
    const std::string body = "{}";
    request.body = as_bytes(body);
    request.deadline_ms = 50;
    Bytes payload;
    wire::encode_request(payload, request);

    const auto late = instance.enclave->handle(wire::Kind::Request, payload, MayWait::ForKms, 50);
    ASSERT_TRUE(late);
    EXPECT_EQ(late->status, 504);
    EXPECT_NE(late->body.find("enclave_timeout"), std::string::npos) << late->body;
    EXPECT_TRUE(late->records.empty()) << "no key was made, and no receipt says so";

    const auto in_time = instance.enclave->handle(wire::Kind::Request, payload, MayWait::ForKms, 49);
    ASSERT_TRUE(in_time);
    EXPECT_EQ(in_time->status, 201) << in_time->body;
}

} // namespace
} // namespace redoubt::enclave
