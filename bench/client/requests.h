// SPDX-License-Identifier: Apache-2.0
// The requests of one trial. All that costs something is made by prepare(), before the timed window: which
// keys are asked, and each request's digest and signature. In the window the pieces are only put together.
// Every transaction is another one: their nonces count up for as long as the program runs.
#pragma once

#include "client/keys.h"
#include "client/request_signer.h"
#include "ethereum/transaction.h"

namespace redoubt::bench {

class Requests {
  public:
    Requests(const Spec& spec, const Keys& keys, RequestSigner* signer);

    // Forgets the requests that there were. The new ones may be sent for kSignatureSeconds.
    void prepare(std::size_t count);
    std::size_t size() const noexcept { return size_; }
    std::size_t batch() const noexcept { return batch_; }

    // Of one request, each a piece that is appended.
    void append_path(std::string& out, std::size_t request) const;
    void append_body(std::string& out, std::size_t request) const;
    void append_http1(std::string& out, std::size_t request) const; // the whole request
    const Signed* signature(std::size_t request) const noexcept {
        return signed_.empty() ? nullptr : &signed_[request];
    }
    void append_input(std::string& out, const Signed& made) const { signer_->append_input(out, made); }
    const std::string& authority() const noexcept { return authority_; }
    const std::vector<std::pair<std::string, std::string>>& more_headers() const noexcept {
        return spec_.headers;
    }

    // What was asked by a request's signature `at` (of batch()), to verify the answer by.
    ethereum::Transaction transaction(std::size_t request, std::size_t at) const;
    const ethereum::Address& address(std::size_t request, std::size_t at) const noexcept {
        return keys_.address(picked_[request * batch_ + at]);
    }

  private:
    std::uint64_t nonce(std::size_t request, std::size_t at) const noexcept {
        return first_nonce_ + request * batch_ + at;
    }
    void append_call(std::string& out, std::size_t request, std::size_t at) const;
    void sign_all();

    const Spec& spec_;
    const Keys& keys_;
    RequestSigner* signer_; // nullptr: nobody signs
    const std::size_t batch_;
    const std::string authority_;
    std::string head_; // of HTTP/1.1, after the path, without the last line end
    Picker picker_;
    std::uint64_t first_nonce_;
    std::size_t size_ = 0;
    std::vector<std::uint32_t> picked_; // a key for each signature
    std::vector<Signed> signed_;
};

} // namespace redoubt::bench
