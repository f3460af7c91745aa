// SPDX-License-Identifier: Apache-2.0
// An enclave that has everything which one signature needs open: the manifest, the vault, and a key whose
// policy has ten rules. Its KMS is the unit tests' and is gone once the vault is open.
#pragma once

#include "enclave/enclave.h"
#include "wire/frame.h"

#include <memory>
#include <string>

namespace redoubt::bench {

// Ends the program with this sentence unless the condition holds.
void must(bool condition, const char* what);

// `rules` rules of three conditions for `principal`, as policy_bench has them; the last is the one that
// allows the benches' transaction.
std::string policy_of(int rules, const std::string& principal);
// What clients send to have that transaction signed.
const std::string& transaction_body();
inline constexpr std::string_view kSigningPath =
    "/v1/keys/key-00112233445566778899aabbccddeeff/sign-transaction";

class SigningEnclave {
  public:
    SigningEnclave();

    // All that the server does with one frame from the gateway: it is cut from the stream, decoded, decided
    // and signed, and the reply's frame is written.
    void sign();

  private:
    wire::Reply ask(const std::vector<wire::Item>& items);

    std::unique_ptr<enclave::Enclave> enclave_;
    Bytes request_; // the frame
    wire::FrameReader reader_;
    Bytes out_;
};

} // namespace redoubt::bench
