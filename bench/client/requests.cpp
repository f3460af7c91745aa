// SPDX-License-Identifier: Apache-2.0
#include "client/requests.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <thread>

namespace redoubt::bench {

namespace {

// Large enough that all have the same number of digits, decimal and hexadecimal.
constexpr std::uint64_t kFirstNonce = 1'000'000'000;

constexpr std::uint64_t kGas = 21'000, kMaxFee = 3'000'000'000, kPriorityFee = 1'000'000'000,
                        kValue = 1'000'000'000'000'000; // wei
constexpr ethereum::Address kTo{0x2c, 0x75, 0x36, 0xe3, 0x60, 0x5d, 0x9c, 0x16, 0xa7, 0xa3,
                                0xd7, 0xb1, 0x89, 0x8e, 0x52, 0x93, 0x96, 0xa6, 0x5c, 0x23};

// The same transaction as REST and JSON-RPC take it, with the nonce left out.
constexpr std::string_view kRestBefore = R"({"transaction":{"type":"0x2","chainId":1,"nonce":)";
constexpr std::string_view kRestAfter =
    R"(,"gas":21000,"maxFeePerGas":"3000000000","maxPriorityFeePerGas":"1000000000",)"
    R"("to":"0x2c7536e3605d9c16a7a3d7b1898e529396a65c23","value":"1000000000000000"}})";
constexpr std::string_view kCallId = R"({"jsonrpc":"2.0","id":)";
constexpr std::string_view kCallFrom = R"(,"method":"eth_signTransaction","params":[{"from":"0x)";
constexpr std::string_view kCallNonce = R"(","type":"0x2","chainId":"0x1","nonce":"0x)";
constexpr std::string_view kCallAfter =
    R"(","gas":"0x5208","maxFeePerGas":"0xb2d05e00","maxPriorityFeePerGas":"0x3b9aca00",)"
    R"("to":"0x2c7536e3605d9c16a7a3d7b1898e529396a65c23","value":"0x38d7ea4c68000"}]})";

void append_number(std::string& out, std::uint64_t value, int base = 10) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, value, base).ptr;
    out.append(digits, end);
}

void append_hex(std::string& out, ByteView bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    for (const std::uint8_t byte : bytes) {
        out.push_back(kDigits[byte >> 4]);
        out.push_back(kDigits[byte & 15]);
    }
}

} // namespace

Requests::Requests(const Spec& spec, const Keys& keys, RequestSigner* signer)
    : spec_(spec), keys_(keys), signer_(signer), batch_(spec.batch), authority_(spec.url.authority()),
      picker_(spec.pick, keys.size(), spec.seed), first_nonce_(kFirstNonce) {
    head_ = " HTTP/1.1\r\nhost: " + authority_ + "\r\ncontent-type: application/json\r\n";
    for (const auto& [name, value] : spec.headers)
        head_ += name + ": " + value + "\r\n";
    std::string body;
    picked_.assign(batch_, 0);
    append_body(body, 0);
    head_ += "content-length: " + std::to_string(body.size()); // every request's
}

void Requests::prepare(std::size_t count) {
    first_nonce_ += size_ * batch_;
    size_ = count;
    picked_.resize(count * batch_);
    std::ranges::generate(picked_, [&] { return picker_.next(); });
    if (signer_ != nullptr)
        sign_all();
}

void Requests::sign_all() {
    constexpr std::size_t kAtOnce = 64;
    signed_.resize(size_);
    signer_->begin();
    std::atomic<std::size_t> next{0};
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < std::max(std::thread::hardware_concurrency(), 1u); ++i)
        threads.emplace_back([&] {
            std::string path, body;
            for (std::size_t from; (from = next.fetch_add(kAtOnce)) < size_;)
                for (std::size_t request = from; request < std::min(from + kAtOnce, size_); ++request) {
                    path.clear();
                    body.clear();
                    append_path(path, request);
                    append_body(body, request);
                    signed_[request] = signer_->sign(authority_, path, body, nonce(request, 0));
                }
        });
}

void Requests::append_path(std::string& out, std::size_t request) const {
    if (spec_.operation == Operation::SignTransaction)
        out.append("/v1/keys/").append(keys_.id(picked_[request])).append("/sign-transaction");
    else
        out += spec_.operation == Operation::CreateKeys ? "/v1/keys" : "/rpc";
}

void Requests::append_call(std::string& out, std::size_t request, std::size_t at) const {
    out += kCallId;
    append_number(out, at);
    out += kCallFrom;
    append_hex(out, address(request, at));
    out += kCallNonce;
    append_number(out, nonce(request, at), 16);
    out += kCallAfter;
}

void Requests::append_body(std::string& out, std::size_t request) const {
    switch (spec_.operation) {
    case Operation::SignTransaction:
        out += kRestBefore;
        append_number(out, nonce(request, 0));
        out += kRestAfter;
        return;
    case Operation::CreateKeys:
        out += spec_.create_body;
        return;
    case Operation::Rpc:
        return append_call(out, request, 0);
    case Operation::RpcBatch:
        out.push_back('[');
        for (std::size_t at = 0; at < batch_; ++at) {
            if (at > 0)
                out.push_back(',');
            append_call(out, request, at);
        }
        out.push_back(']');
    }
}

void Requests::append_http1(std::string& out, std::size_t request) const {
    out += "POST ";
    append_path(out, request);
    out += head_;
    if (const Signed* const made = signature(request)) {
        out.append("\r\ncontent-digest: ").append(made->content_digest());
        out += "\r\nsignature-input: ";
        signer_->append_input(out, *made);
        out.append("\r\nsignature: ").append(made->signature());
    }
    out += "\r\n\r\n";
    append_body(out, request);
}

ethereum::Transaction Requests::transaction(std::size_t request, std::size_t at) const {
    ethereum::Transaction out;
    out.type = ethereum::TransactionType::DynamicFee;
    out.chain_id = 1;
    out.nonce = nonce(request, at);
    out.gas = kGas;
    out.max_fee_per_gas = kMaxFee;
    out.max_priority_fee_per_gas = kPriorityFee;
    out.to = kTo;
    out.value = kValue;
    return out;
}

} // namespace redoubt::bench
