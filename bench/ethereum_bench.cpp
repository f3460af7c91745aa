// SPDX-License-Identifier: Apache-2.0
// What the enclave's own code costs for each kind of signature: JSON text in, parsed, hashed, signed,
// verified, serialised; beside libsecp256k1 alone signing and verifying in the same run. One thread.
#include "base/clock.h"
#include "base/json.h"
#include "ethereum/message.h"
#include "ethereum/transaction_json.h"
#include "ethereum/typed_data.h"

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>

namespace redoubt {
namespace {

constexpr std::string_view kCommon =
    R"("chainId":1,"nonce":7,"gas":"0x5208","to":"0x2c7536E3605D9C16a7a3D7b1898e529396a65c23","value":"1000000000000000000")";
constexpr std::string_view kFees = R"("maxFeePerGas":"0x77359400","maxPriorityFeePerGas":"0x3b9aca00")";
constexpr std::string_view kAccessList =
    R"("accessList":[{"address":"0x2c7536E3605D9C16a7a3D7b1898e529396a65c23","storageKeys":["0x0000000000000000000000000000000000000000000000000000000000000001"]}])";
constexpr std::string_view kBlob =
    R"("maxFeePerBlobGas":1,"blobVersionedHashes":["0x0100000000000000000000000000000000000000000000000000000000000001"])";
constexpr std::string_view kSetCode =
    R"("authorizationList":[{"chainId":1,"address":"0x2c7536E3605D9C16a7a3D7b1898e529396a65c23","nonce":0,"yParity":0,"r":"0x1","s":"0x1"}])";
// EIP-712's own example.
constexpr std::string_view kTyped =
    R"({"types":{"EIP712Domain":[{"name":"name","type":"string"},{"name":"version","type":"string"},{"name":"chainId","type":"uint256"},{"name":"verifyingContract","type":"address"}],"Person":[{"name":"name","type":"string"},{"name":"wallet","type":"address"}],"Mail":[{"name":"from","type":"Person"},{"name":"to","type":"Person"},{"name":"contents","type":"string"}]},"primaryType":"Mail","domain":{"name":"Ether Mail","version":"1","chainId":1,"verifyingContract":"0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC"},"message":{"from":{"name":"Cow","wallet":"0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"},"to":{"name":"Bob","wallet":"0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"},"contents":"Hello, Bob!"}})";

void must(bool condition, const char* what) {
    if (condition)
        return;
    std::fprintf(stderr, "ethereum_bench: %s\n", what);
    std::exit(1);
}

// Times a second for at least `ms`.
double rate(int ms, const std::function<void()>& work) {
    for (int i = 0; i < 50; ++i)
        work();
    const std::int64_t begin = monotonic_ms();
    std::uint64_t done = 0;
    std::int64_t now = begin;
    while (now - begin < ms) {
        for (int i = 0; i < 50; ++i)
            work();
        done += 50;
        now = monotonic_ms();
    }
    return 1000.0 * static_cast<double>(done) / static_cast<double>(now - begin);
}

int run(int ms) {
    const crypto::Secp256k1 curve(Hash32{1});
    Bytes key_bytes(32, 0x11);
    const Secret key = Secret::take(key_bytes);
    const crypto::PublicKey public_key = *curve.public_key(key);
    const ethereum::Address from = ethereum::address_of(public_key);
    Hash32 digest{};
    const auto sign_and_verify = [&](const Hash32& of) {
        const auto signature = curve.sign(key, of);
        must(signature && curve.verify(public_key, of, *signature), "a signature is wrong");
        return *signature;
    };
    const double limit = rate(ms, [&] {
        ++digest[0];
        digest[1] = static_cast<std::uint8_t>(digest[1] + (digest[0] == 0));
        sign_and_verify(digest);
    });
    std::printf("%-34s %12s %10s\n", "", "per second", "of limit");
    std::printf("%-34s %12.0f %9.0f%%\n", "libsecp256k1 sign + verify (limit)", limit, 100.0);
    const auto row = [&](const char* name, const std::function<void()>& work) {
        const double measured = rate(ms, work);
        std::printf("%-34s %12.0f %9.0f%%\n", name, measured, 100 * measured / limit);
    };
    json::Document document;
    const auto transaction = [&](const char* name, const std::string& text) {
        row(name, [&document, &sign_and_verify, &from, text] {
            const auto value = document.parse(text);
            must(value.has_value(), "the bench's own JSON");
            const auto parsed = ethereum::transaction_from_json(*value);
            must(parsed.has_value(), "the bench's own transaction");
            const auto signature = sign_and_verify(ethereum::signing_hash(parsed->transaction));
            const Bytes raw = ethereum::serialise(parsed->transaction, signature);
            std::string reply;
            json::Writer writer(reply);
            writer.begin_object().member("raw_transaction", to_hex0x(raw));
            writer.member("hash", to_hex0x(ethereum::transaction_hash(raw))).key("transaction");
            ethereum::write_transaction_json(writer, parsed->transaction, from);
            writer.end_object();
            must(!reply.empty(), "no reply");
        });
    };
    const std::string common(kCommon), fees(kFees);
    transaction("legacy (EIP-155)", "{" + common + R"(,"gasPrice":"0x77359400"})");
    transaction("EIP-2930", "{" + common + R"(,"gasPrice":"0x77359400",)" + std::string(kAccessList) + "}");
    transaction("EIP-1559", "{" + common + "," + fees + "}");
    transaction("EIP-4844 (one blob hash)", "{" + common + "," + fees + "," + std::string(kBlob) + "}");
    transaction("EIP-7702 (one authorization)",
                "{" + common + "," + fees + "," + std::string(kSetCode) + "}");
    row("personal message of 32 bytes",
        [&] { sign_and_verify(ethereum::personal_message_digest(ByteView(digest))); });
    row("typed data (EIP-712's Mail)", [&] {
        const auto value = document.parse(kTyped);
        must(value.has_value(), "the bench's own JSON");
        const auto typed = ethereum::typed_data_digest(*value);
        must(typed.has_value(), "the bench's own typed data");
        sign_and_verify(typed->digest);
    });
    row("EIP-7702 authorization", [&] { sign_and_verify(ethereum::authorization_digest({1, from, 7})); });
    return 0;
}

} // namespace
} // namespace redoubt

int main(int argc, char** argv) {
    const int ms = argc > 1 ? std::atoi(argv[1]) : 1000;
    if (ms <= 0) {
        std::fputs("ethereum_bench [MILLISECONDS]: signatures a second for each kind; a window each\n",
                   stderr);
        return 2;
    }
    return redoubt::run(ms);
}
