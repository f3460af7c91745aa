// SPDX-License-Identifier: Apache-2.0
#include "budget_enclave.h"

#include "nitro/software_nsm.h"
#include "policy/document.h"
#include "sealed/vault_record.h"
#include "unit/enclave/fake_kms.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace redoubt::bench {

namespace {

using enclave::MayWait;

constexpr std::string_view kKmsKey =
    "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555";
constexpr std::string_view kSuffix = "test.internal";
// A lease and a cache that end long after the program does.
constexpr std::string_view kLimits =
    R"(,"min_epoch":1,"limits":{"vault_lease_seconds":86400,"key_cache_seconds":86400})";

template<std::size_t N>
ByteArray<N> pattern(std::uint8_t first) {
    ByteArray<N> out;
    for (std::size_t i = 0; i < N; ++i)
        out[i] = static_cast<std::uint8_t>(first + 37 * i);
    return out;
}

// The same bytes each time.
class FixedRandom final : public crypto::Random {
  public:
    void fill(std::span<std::uint8_t> out) override { std::memset(out.data(), 0x5a, out.size()); }
};

std::string address(int number) {
    char text[43];
    std::snprintf(text, sizeof text, "0x%040d", number);
    return text;
}

wire::Request request_of(const std::string& body) {
    wire::Request out;
    out.method = "POST";
    out.authority = "redoubt.example:8443";
    out.path = kSigningPath;
    out.deadline_ms = 5000;
    out.headers = {{"content-type", "application/json"}};
    out.principal.host_name = "treasury";
    out.request_id = "00112233445566778899aabbccddeeff";
    out.body = as_bytes(body);
    return out;
}

std::unique_ptr<enclave::Enclave> make_enclave(const net::Endpoint& kms, const std::string& roots) {
    const auto root = nitro::make_development_root();
    must(root.has_value(), "no development root");
    nitro::SoftwareNsmOptions nsm;
    nsm.module_id = "i-00000000000000000-enc0000000000000000";
    nitro::Pcr pcr;
    pcr.fill(1);
    nsm.pcrs = {{0, pcr}, {1, pcr}, {2, pcr}};
    auto transport = nitro::make_software_nsm(*root, nsm);
    must(transport.has_value(), "no software NSM");
    enclave::Options options;
    options.image = enclave::Image::Development;
    options.kms_proxies[""] = kms;
    options.tls_roots_pem = roots;
    options.endpoint_suffix = kSuffix;
    auto made = enclave::Enclave::create(std::move(*transport), options);
    must(made.has_value(), "no enclave");
    return std::move(*made);
}

} // namespace

void must(bool condition, const char* what) {
    if (condition)
        return;
    std::fprintf(stderr, "budget: %s\n", what);
    std::exit(1);
}

std::string policy_of(int rules, const std::string& principal) {
    std::string text = R"({"redoubt_policy":1,"rules":[)";
    for (int i = rules - 1; i >= 0; --i)
        text += R"({"name":"rule-)" + std::to_string(i) + R"(","effect":"allow","principals":[")" +
                principal +
                R"("],"operations":["sign-transaction"],"conditions":{"transaction.chain_id":{"is":"1"},)"
                R"("transaction.value":{"at_most":"1000"},"transaction.to":{"in":[")" +
                address(i) + "\",\"" + address(1000 + i) + "\"]}}" + (i == 0 ? "}]}" : "},");
    return text;
}

const std::string& transaction_body() {
    static const std::string body =
        R"({"transaction":{"type":"0x2","chainId":"0x1","nonce":"0x1b3","gas":"0xea60",)"
        R"("maxFeePerGas":"0x6fc23ac00","maxPriorityFeePerGas":"0x3b9aca00","value":"0x3e8","to":")" +
        address(0) + R"(","data":"0xa9059cbb)" + std::string(64, '0') + std::string(61, '0') +
        R"(3e8","accessList":[]}})";
    return body;
}

SigningEnclave::SigningEnclave() {
    redoubt::tests::FakeKms kms("kms.us-east-1." + std::string(kSuffix));
    enclave_ = make_enclave(kms.endpoint(), kms.roots());
    const auto call = [&](wire::Kind kind, ByteView payload, const char* what) {
        const auto reply = enclave_->handle(kind, payload, MayWait::ForKms);
        must(reply && reply->status == 200, what);
    };
    wire::CredentialsMessage credentials;
    credentials.access_key_id = "ASIATEST";
    credentials.secret_access_key = Secret::copy_of(to_bytes("secret"));
    Bytes payload;
    wire::encode_credentials(payload, credentials);
    call(wire::Kind::Credentials, payload, "the credentials are not taken");
    const std::string manifest = R"({"redoubt_manifest":1,"kms_keys":[{"arn":")" + std::string(kKmsKey) +
                                 R"(","purpose":"vault"}])" + std::string(kLimits) + "}";
    call(wire::Kind::Manifest, as_bytes(manifest), "the manifest is not taken");

    // A vault and a key of the bench's own, so that they are the same each time.
    FixedRandom random;
    const Secret vault_key = Secret::copy_of(pattern<32>(1));
    const Bytes data_key = to_bytes(pattern<32>(2));
    sealed::VaultRecord vault;
    vault.epoch = 1;
    vault.id = pattern<16>(3);
    vault.created = 1'800'000'000'000;
    vault.commitment = sealed::vault_commitment(vault_key, vault.id);
    vault.wraps = {sealed::wrap_vault_key(vault_key, Secret::copy_of(data_key), vault, std::string(kKmsKey),
                                          kms.encrypt(data_key), random)};
    call(wire::Kind::VaultOpen, sealed::encode_vault(vault), "the vault does not open");

    const auto document = policy::parse_document(policy_of(10, "host"));
    must(document.has_value(), "the bench's own policy is none");
    sealed::KeyHead head;
    head.epoch = 1;
    head.vault = vault.id;
    head.id = *sealed::parse_key_id(kSigningPath.substr(9, 36));
    const Secret private_key = Secret::copy_of(pattern<32>(4));
    const auto point = crypto::Secp256k1(Hash32{1}).public_key(private_key);
    must(point.has_value(), "the bench's own key is none");
    head.address = ethereum::address_of(*point);
    head.policy_digest = document->digest;
    head.created = 1'800'000'000'000;
    const Bytes record = sealed::seal_key(vault_key, head, private_key, random);
    const std::string digest = to_hex(document->digest), key_id = sealed::key_id_text(head.id);
    const auto reply = ask({{wire::ItemKind::KeyRecord, key_id, record},
                            {wire::ItemKind::Policy, digest, as_bytes(document->canonical)}});
    must(reply.status == 200, "the key does not sign");
    must(reply.body.find(R"("rule":"rule-0")") != std::string::npos, "another rule allows it");
    // As a gateway does each second; from then on answers bring the receipts' head.
    Bytes asked;
    wire::encode_receipts_asked(asked, {});
    call(wire::Kind::Receipts, asked, "there are no receipts");

    const std::size_t payload_at = wire::begin_frame(request_, wire::Kind::Request, 7);
    wire::encode_request(request_, request_of(transaction_body()));
    wire::end_frame(request_, payload_at);
}

wire::Reply SigningEnclave::ask(const std::vector<wire::Item>& items) {
    wire::Request request = request_of(transaction_body());
    request.items = items;
    Bytes payload;
    wire::encode_request(payload, request);
    auto reply = enclave_->handle(wire::Kind::Request, payload, MayWait::ForKms);
    must(reply.has_value(), "no answer");
    return std::move(*reply);
}

void SigningEnclave::sign() {
    std::memcpy(reader_.space().data(), request_.data(), request_.size());
    reader_.commit(request_.size());
    const auto frame = reader_.next();
    must(frame && *frame, "no frame");
    enclave::Enclave::Ask ask; // as a signer does
    ask.payload = (*frame)->payload;
    enclave_->handle(std::span(&ask, 1));
    const auto& reply = ask.reply;
    must(reply && reply->status == 200, "the key does not sign");
    out_.clear();
    const std::size_t payload_at = wire::begin_frame(out_, wire::Kind::Reply, (*frame)->id);
    wire::encode_reply(out_, *reply);
    wire::end_frame(out_, payload_at);
}

} // namespace redoubt::bench
