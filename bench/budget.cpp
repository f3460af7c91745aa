// SPDX-License-Identifier: Apache-2.0
// What has a budget of instructions (bench/budgets.json): `budget` lists what it was built with and the
// workloads with how often each is done, `budget NAME [TIMES]` does one. Under callgrind with
// --instr-atstart=no only the workload itself is counted, neither what it needs to be set up nor the first
// few times, which fill caches. Nothing depends on chance or the time but what is told where it is; one
// thread.
#include "budget_enclave.h"

#include "base/json.h"
#include "crypto/hash.h"
#include "enclave/receipt_chain.h"
#include "net/http.h"
#include "nitro/software_nsm.h"
#include "policy/evaluator.h"
#include "policy/http_signature.h"
#include "sealed/key_record.h"
#include "trust/receipt.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <gnu/libc-version.h>
#include <memory>
#include <openssl/crypto.h>
#include <valgrind/callgrind.h>

namespace redoubt::bench {
namespace {

using Work = std::function<void()>;

class FixedRandom final : public crypto::Random {
  public:
    void fill(std::span<std::uint8_t> out) override { std::memset(out.data(), 0x5a, out.size()); }
};

Work sign_transaction() {
    return [enclave = std::make_shared<SigningEnclave>()] { enclave->sign(); };
}

// What no signature goes without: made, and checked by recovery before it leaves.
Work curve() {
    struct State {
        crypto::Secp256k1 curve{Hash32{1}};
        Secret key = Secret::copy_of(Hash32{2, 3, 4});
        crypto::PublicKey point = *curve.public_key(key);
        Hash32 digest{5, 6, 7};
    };
    return [state = std::make_shared<State>()] {
        ++state->digest[0]; // checking takes longer for some digests than for others
        const auto made = state->curve.sign(state->key, state->digest);
        must(made && state->curve.verify(state->point, state->digest, *made), "a signature is wrong");
    };
}

Work policy_evaluation(int rules) {
    struct State {
        policy::Document document;
        ethereum::Transaction transaction;
        policy::Facts facts;
    };
    auto document = policy::parse_document(policy_of(rules, "host"));
    must(document.has_value(), "the bench's own policy is none");
    const auto state = std::make_shared<State>(State{std::move(*document), {}, {}});
    state->transaction.type = ethereum::TransactionType::DynamicFee;
    state->transaction.chain_id = ethereum::Uint256{1};
    state->transaction.gas = 60'000;
    state->transaction.to = ethereum::Address{};
    state->transaction.value = ethereum::Uint256{1000};
    state->facts.transaction = &state->transaction;
    state->facts.asker.host_name = "treasury";
    return [state] {
        must(policy::evaluate(state->document, state->facts).allowed(),
             "the bench's own request is not allowed");
    };
}

Work json_parse() {
    return [document = std::make_shared<json::Document>()] {
        const auto value = document->parse(transaction_body());
        must(value && value->is_object(), "the bench's own body is no JSON");
    };
}

// Both ways, as gateway and enclave do it: written, cut from the stream, read.
Work frame_round_trip() {
    struct State {
        wire::Request request;
        wire::Reply reply;
        Bytes out;
        wire::FrameReader reader;
        wire::Reply read;

        wire::Frame pass() {
            std::memcpy(reader.space().data(), out.data(), out.size());
            reader.commit(out.size());
            const auto frame = reader.next();
            must(frame && *frame, "no frame");
            return **frame;
        }
    };
    const auto state = std::make_shared<State>();
    state->request.method = "POST";
    state->request.authority = "redoubt.example:8443";
    state->request.path = kSigningPath;
    state->request.headers = {{"content-type", "application/json"}};
    state->request.principal.host_name = "treasury";
    state->request.request_id = "00112233445566778899aabbccddeeff";
    state->request.body = as_bytes(transaction_body());
    state->reply.body = std::string(1100, 'x'); // about what a signed transaction's reply has
    state->reply.records = {{wire::ItemKind::Receipt, std::string(16, 'c'), Bytes(290, 1)},
                            {wire::ItemKind::ReceiptHead, std::string(16, 'c'), Bytes(129, 2)}};
    return [state] {
        state->out.clear();
        std::size_t at = wire::begin_frame(state->out, wire::Kind::Request, 1);
        wire::encode_request(state->out, state->request);
        wire::end_frame(state->out, at);
        must(wire::decode_request(state->pass().payload).has_value(), "no request");
        state->out.clear();
        at = wire::begin_frame(state->out, wire::Kind::Reply, 1);
        wire::encode_reply(state->out, state->reply);
        wire::end_frame(state->out, at);
        must(wire::decode_reply(state->pass().payload, state->read).has_value(), "no reply");
    };
}

sealed::KeyHead key_head() {
    sealed::KeyHead head;
    head.epoch = 1;
    head.address.fill(7);
    head.created = 1'800'000'000'000;
    head.label = "treasury";
    return head;
}

Work key_seal() {
    const auto random = std::make_shared<FixedRandom>();
    const auto vault = std::make_shared<Secret>(Secret::copy_of(Hash32{8}));
    const auto key = std::make_shared<Secret>(Secret::copy_of(Hash32{9}));
    return [=, head = key_head()] {
        must(!sealed::seal_key(*vault, head, *key, *random).empty(), "nothing was sealed");
    };
}

Work key_open() {
    FixedRandom random;
    const auto vault = std::make_shared<Secret>(Secret::copy_of(Hash32{8}));
    const Bytes record = sealed::seal_key(*vault, key_head(), Secret::copy_of(Hash32{9}), random);
    return [=] { must(sealed::open_key(*vault, record).has_value(), "the record does not open"); };
}

// A signed request as the enclave gets it, with its times beside a fixed clock.
constexpr UnixMs kNow = 1'800'000'001'000;
struct SignedRequest {
    std::string digest = "sha-256=:" + to_base64(crypto::sha256(as_bytes(transaction_body()))) + ":";
    std::string signature = "s=:" + to_base64(Hash32{}) + ":";
    policy::SignedMessage message{
        .method = "POST",
        .authority = "redoubt.example:8443",
        .path = kSigningPath,
        .query = {},
        .content_type = "application/json",
        .content_digest = digest,
        .signature_input =
            R"(s=("@method" "@authority" "@path" "@query" "content-type" "content-digest");created=1800000000;)"
            R"(expires=1800000060;nonce="7d9c3a0e5b1f42868f0e6c1d2a3b4c5d";)"
            R"(keyid="session-0011223344556677000102030405060708090a0b0c0d0e0f";tag="redoubt")",
        .signature = signature,
        .body = as_bytes(transaction_body())};

    SignedRequest() = default;
    SignedRequest(const SignedRequest&) = delete; // the message points into this
    SignedRequest& operator=(const SignedRequest&) = delete;
    void sign_with(ByteView bytes) {
        signature = "s=:" + to_base64(bytes) + ":";
        message.signature = signature;
    }
    policy::RequestSignature check() const {
        auto checked = policy::check_request_signature(message, kNow);
        must(checked && *checked, "the bench's own request is not signed");
        return std::move(*checked);
    }
};

Work session_check() {
    const auto request = std::make_shared<SignedRequest>();
    const auto session = std::make_shared<Secret>(Secret::copy_of(Hash32{10}));
    request->sign_with(crypto::hmac_sha256(session->view(SecretAccess("sign as a client")),
                                           as_bytes(request->check().base)));
    return [=] {
        const auto checked = request->check();
        must(policy::verify_hmac(checked.input, *session, checked.base), "the session's MAC is wrong");
    };
}

// The public key of RFC 9421, appendix B.1.3, and one signature by it over the request's base: ECDSA draws a
// number for each, and the next would take another while to verify.
Work p256_check() {
    const auto request = std::make_shared<SignedRequest>();
    const policy::PublicKey key{
        policy::KeyAlgorithm::EcdsaP256,
        *from_hex("04a885586552c2acf6471878cfd7b0935b4ffe0fd2dfc341248ea17bc41e058af0"
                  "31ce2737d2d30ce0617e851e83c61ef5679d151867657649035d90a74cd9e85d")};
    request->sign_with(*from_hex("51b1a13a240a29ea98771ff0e12956c80a8f723fa8838325e87631be19b0101c"
                                 "e060dc91acaef9183da80f1482216ea8360864033a10e63cd4c5ec1e1e22d98f"));
    return [=] {
        const auto checked = request->check();
        must(policy::verify_signature(checked.input, key, checked.base), "the request's signature is wrong");
    };
}

// As a policy's rule allows it to the gateway's client.
Work receipt() {
    struct State {
        std::unique_ptr<nitro::Nsm> nsm;
        std::unique_ptr<enclave::Attestor> attestor;
        std::unique_ptr<enclave::ReceiptChain> chain;
        trust::Receipt receipt;
        std::uint64_t made = 0;
    };
    const auto root = nitro::make_development_root();
    must(root.has_value(), "no development root");
    nitro::SoftwareNsmOptions options;
    options.module_id = "i-00000000000000000-enc0000000000000000";
    auto transport = nitro::make_software_nsm(*root, options);
    must(transport.has_value(), "no software NSM");
    const auto state = std::make_shared<State>();
    state->nsm = std::make_unique<nitro::Nsm>(std::move(*transport));
    state->attestor = std::make_unique<enclave::Attestor>(*state->nsm);
    FixedRandom random;
    auto chain = enclave::ReceiptChain::create(*state->attestor, random, options.module_id);
    must(chain.has_value(), "no chain");
    state->chain = std::move(*chain);
    trust::Receipt& receipt = state->receipt;
    receipt.time = kNow;
    receipt.decision = trust::Decision::Allowed;
    receipt.operation = "sign-transaction";
    receipt.key_id.fill(0x22);
    receipt.request_digest.fill(0x33);
    receipt.signed_digest.fill(0x44);
    receipt.policy_digest.fill(0x55);
    receipt.rule = "payments-below-one-ether";
    receipt.principal = "key:treasury:0011223344556677";
    return [state] {
        must(state->chain->append(state->receipt, true).has_value(), "no receipt");
        state->chain->stored(state->made++);
    };
}

Work http_parse() {
    const std::string text = "POST " + std::string(kSigningPath) +
                             " HTTP/1.1\r\nHost: redoubt.example:8443\r\nUser-Agent: ethers/6.17.0\r\n"
                             "Accept: */*\r\nAccept-Encoding: gzip\r\nContent-Type: application/json\r\n"
                             "Content-Length: " +
                             std::to_string(transaction_body().size()) + "\r\n\r\n" + transaction_body();
    const auto parser = std::make_shared<net::HttpParser>(net::HttpParser::Kind::Request);
    return [=] {
        const auto taken = parser->feed(as_bytes(text));
        must(taken && *taken == text.size() && parser->done(), "the bench's own request is none");
        net::HttpRequest request = parser->take_request();
        must(request.keep_alive, "the connection ends");
        net::give_back(std::move(request)); // as the gateway does
    };
}

Work http_write() {
    net::HttpResponse response = net::HttpResponse::json(200, std::string(1100, 'x'));
    response.headers.push_back({"x-request-id", "00112233445566778899aabbccddeeff"});
    const auto out = std::make_shared<Bytes>();
    return [=] {
        out->clear();
        net::append_response(*out, response, true, false, "date: Sun, 29 Nov 2026 12:00:00 GMT\r\n");
    };
}

struct Workload {
    const char* name;
    int times; // so that all take callgrind about a second, and few digests do not decide
    Work (*make)();
};

constexpr Workload kWorkloads[] = {
    {"sign-transaction", 64, sign_transaction},
    {"curve", 64, curve},
    {"policy-10-rules", 2000, [] { return policy_evaluation(10); }},
    {"policy-100-rules", 200, [] { return policy_evaluation(100); }},
    {"json-parse", 2000, json_parse},
    {"frame-round-trip", 2000, frame_round_trip},
    {"key-seal", 500, key_seal},
    {"key-open", 500, key_open},
    {"session-check", 500, session_check},
    {"p256-check", 20, p256_check},
    {"receipt", 1000, receipt},
    {"http-parse", 1000, http_parse},
    {"http-write", 2000, http_write},
};

int list() {
    std::printf("g++ %d.%d.%d, OpenSSL %s, glibc %s\n", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__,
                OpenSSL_version(OPENSSL_VERSION_STRING), gnu_get_libc_version());
    for (const auto& workload : kWorkloads)
        std::printf("%s %d\n", workload.name, workload.times);
    return 0;
}

int run(const Workload& workload, int times) {
    const Work work = workload.make();
    for (int i = 0; i < 3; ++i)
        work();
    CALLGRIND_START_INSTRUMENTATION;
    for (int i = 0; i < times; ++i)
        work();
    CALLGRIND_STOP_INSTRUMENTATION;
    return 0;
}

} // namespace
} // namespace redoubt::bench

int main(int argc, char** argv) {
    using namespace redoubt::bench;
    if (argc == 1)
        return list();
    for (const auto& workload : kWorkloads)
        if (workload.name == std::string_view(argv[1])) {
            const int times = argc > 2 ? std::atoi(argv[2]) : workload.times;
            if (times > 0)
                return run(workload, times);
        }
    std::fputs("usage: budget: lists the workloads\n       budget NAME [TIMES]: does one\n", stderr);
    return 2;
}
