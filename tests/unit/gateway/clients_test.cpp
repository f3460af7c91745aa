// SPDX-License-Identifier: Apache-2.0
#include "gateway/clients.h"

#include "crypto/hash.h"

#include <gtest/gtest.h>

namespace redoubt::gateway {
namespace {

constexpr UnixMs kNow = 1'900'000'000'000;
const std::string kTokenId = "00112233aabbccdd";
const std::string kToken = "rdt_" + kTokenId + "_" + std::string(64, 'a');
const std::string kOther = "rdt_0000000000000002_" + std::string(64, 'b');

std::string sha256_of(const std::string& text) {
    return to_hex(crypto::sha256(as_bytes(text)));
}

std::string token_json(const std::string& token, const std::string& more = {}) {
    return R"({"id":")" + std::string(*token_id(token)) + R"(","sha256":")" + sha256_of(token) + "\"" + more +
           "}";
}

std::string client_json(const std::string& name, const std::string& more = {}) {
    return R"({"name":")" + name + R"(","keys":["*"],"operations":["sign-message"])" + more + "}";
}

std::string document(const std::string& clients, const std::string& more = {}) {
    return R"({"version":1)" + more + R"(,"clients":[)" + clients + "]}";
}

net::HttpRequest with_token(const std::string& token) {
    net::HttpRequest request;
    request.headers.push_back({"authorization", "Bearer " + token});
    return request;
}

net::HttpRequest with_peer(net::Peer peer) {
    net::HttpRequest request;
    peer.not_before = kNow - 1'000;
    if (peer.not_after == 0)
        peer.not_after = kNow + 1'000;
    request.peer = std::make_shared<const net::Peer>(std::move(peer));
    return request;
}

net::Peer peer_with(std::uint8_t fingerprint, bool verified = false, std::vector<std::string> names = {},
                    std::string subject = {}) {
    net::Peer peer;
    peer.certificate_sha256.fill(fingerprint);
    peer.verified = verified;
    peer.dns_names = std::move(names);
    peer.subject = std::move(subject);
    return peer;
}

Clients parsed(const std::string& text) {
    auto out = Clients::parse(text);
    EXPECT_TRUE(out) << (out ? "" : out.error().describe());
    return out ? std::move(*out) : Clients();
}

std::string who(const Clients& clients, const net::HttpRequest& request, UnixMs now = kNow) {
    const auto grant = clients.identify(request, now);
    if (!grant) {
        EXPECT_EQ(grant.error().code, Code::Unauthorized);
        return "nobody";
    }
    return (*grant)->name.empty() ? "anonymous" : (*grant)->name;
}

TEST(Clients, a_token_is_its_clients_and_any_other_text_is_nobodys) {
    const auto clients = parsed(document(client_json("a", ",\"tokens\":[" + token_json(kToken) + "]") + "," +
                                         client_json("b", ",\"tokens\":[" + token_json(kOther) + "]")));
    EXPECT_EQ(who(clients, with_token(kToken)), "a");
    EXPECT_EQ(who(clients, with_token(kOther)), "b");
    std::string wrong = kToken;
    wrong.back() = 'b';
    EXPECT_EQ(who(clients, with_token(wrong)), "nobody");
    EXPECT_EQ(who(clients, with_token("rdt_" + kTokenId + "_" + std::string(64, 'b'))), "nobody");
    EXPECT_EQ(who(clients, with_token(sha256_of(kToken))), "nobody")
        << "what the document holds opens nothing";
    EXPECT_EQ(who(clients, with_token(kToken + " ")), "nobody");
    EXPECT_EQ(who(clients, with_token("")), "nobody");
    EXPECT_EQ(who(clients, net::HttpRequest()), "nobody");
}

TEST(Clients, the_scheme_is_bearer_in_any_case_and_nothing_else) {
    const auto clients = parsed(document(client_json("a", ",\"tokens\":[" + token_json(kToken) + "]")));
    const auto asked = [&](std::vector<std::string> values) {
        net::HttpRequest request;
        for (auto& value : values)
            request.headers.push_back({"authorization", std::move(value)});
        return who(clients, request);
    };
    EXPECT_EQ(asked({"bearer " + kToken}), "a");
    EXPECT_EQ(asked({"BEARER   " + kToken}), "a");
    EXPECT_EQ(asked({"Basic " + kToken}), "nobody");
    EXPECT_EQ(asked({kToken}), "nobody");
    EXPECT_EQ(asked({"Bearer " + kToken, "Bearer " + kToken}), "nobody");
}

TEST(Clients, a_token_ends_when_it_expires_or_is_revoked) {
    const auto clients = parsed(document(
        client_json("a", ",\"tokens\":[" + token_json(kToken, R"(,"expires":"2030-03-17T17:46:40Z")") + "," +
                             token_json(kOther, R"(,"revoked":true)") + "]")));
    EXPECT_EQ(who(clients, with_token(kToken), kNow - 1), "a");
    EXPECT_EQ(who(clients, with_token(kToken), kNow), "nobody");
    EXPECT_EQ(who(clients, with_token(kOther)), "nobody");
}

TEST(Clients, a_certificate_counts_by_its_fingerprint_whoever_vouches_for_it) {
    const auto clients = parsed(document(
        client_json("a", ",\"certificate_sha256\":[\"" + to_hex(Bytes(32, 7)) + "\"]") + "," +
            client_json(
                "b", R"(,"certificate_sha256":["08:08:08:08:08:08:08:08:08:08:08:08:08:08:08:08:08:08:08:08:)"
                     R"(08:08:08:08:08:08:08:08:08:08:08:08"])"),
        ",\"revoked_certificates\":[\"" + to_hex(Bytes(32, 9)) + "\"]"));
    EXPECT_TRUE(clients.wants_certificates());
    EXPECT_EQ(who(clients, with_peer(peer_with(7))), "a");
    EXPECT_EQ(who(clients, with_peer(peer_with(8))), "b");
    EXPECT_EQ(who(clients, with_peer(peer_with(6))), "nobody");
    EXPECT_EQ(who(clients, with_peer(peer_with(9))), "nobody");
    net::Peer old = peer_with(7);
    old.not_after = kNow;
    EXPECT_EQ(who(clients, with_peer(old)), "nobody") << "it has expired";
}

TEST(Clients, names_in_a_certificate_count_only_where_a_ca_vouches_for_them) {
    const auto clients = parsed(document(client_json("a", R"(,"dns_name":"Pay.example")") + "," +
                                             client_json("b", R"(,"subject":"CN=ops,O=Example")"),
                                         R"(,"client_ca":"ca.pem")"));
    EXPECT_EQ(clients.ca_files(), std::vector<std::string>{"ca.pem"});
    EXPECT_EQ(who(clients, with_peer(peer_with(1, true, {"x.example", "pay.example"}))), "a");
    EXPECT_EQ(who(clients, with_peer(peer_with(1, false, {"pay.example"}))), "nobody");
    EXPECT_EQ(who(clients, with_peer(peer_with(1, true, {}, "CN=ops,O=Example"))), "b");
    EXPECT_EQ(who(clients, with_peer(peer_with(1, false, {}, "CN=ops,O=Example"))), "nobody");
    EXPECT_EQ(who(clients, with_peer(peer_with(1, true, {"pay.example"}, "CN=ops,O=Example"))), "nobody")
        << "two clients' at once";
    EXPECT_EQ(who(clients, with_peer(peer_with(1, true, {"sub.pay.example"}))), "nobody");
}

TEST(Clients, two_credentials_of_two_clients_are_refused) {
    const auto clients =
        parsed(document(client_json("a", ",\"tokens\":[" + token_json(kToken) + "]") + "," +
                        client_json("b", ",\"certificate_sha256\":[\"" + to_hex(Bytes(32, 7)) + "\"]")));
    auto request = with_token(kToken);
    request.peer = with_peer(peer_with(7)).peer;
    EXPECT_EQ(who(clients, request), "nobody");
    request.peer = with_peer(peer_with(1)).peer;
    EXPECT_EQ(who(clients, request), "a") << "a certificate of nobody's does not matter beside a good token";
}

TEST(Clients, without_a_credential_one_is_anonymous_only_where_the_document_says_so) {
    const auto clients = parsed(document("", R"(,"anonymous":{"keys":["*"],"operations":["attest"]})"));
    EXPECT_EQ(who(clients, net::HttpRequest()), "anonymous");
    EXPECT_EQ(who(clients, with_token(kToken)), "nobody") << "a wrong token is no missing one";
    EXPECT_EQ(who(clients, with_peer(peer_with(1))), "nobody");
}

TEST(Clients, a_grant_has_the_operations_keys_and_chains_that_stand_there) {
    const auto clients = parsed(document(
        R"({"name":"a","operations":["sign-message","send"],"chains":[1,10],"rate_per_second":5,"burst":9,)"
        R"("concurrency":2,"keys":["key-00112233445566778899aabbccddeeff","secret:hot",)"
        R"("0xAAaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]})"));
    const Grant& grant = *clients.grants().at(0);
    EXPECT_TRUE(grant.may(Operation::SignMessage));
    EXPECT_FALSE(grant.may(Operation::SignTransaction));
    const auto id = *sealed::parse_key_id("key-00112233445566778899aabbccddeeff");
    sealed::KeyId other = id;
    other[0] ^= 1;
    Grant::Address address;
    address.fill(0xaa);
    EXPECT_TRUE(grant.may(Operation::SignMessage, id, std::nullopt));
    EXPECT_FALSE(grant.may(Operation::SignTransaction, id, std::nullopt));
    EXPECT_FALSE(grant.may_use(other, std::nullopt));
    EXPECT_TRUE(grant.may_use(other, address));
    address[3] ^= 1;
    EXPECT_FALSE(grant.may_use(other, address));
    EXPECT_TRUE(grant.may_use_secret("hot"));
    EXPECT_FALSE(grant.may_use_secret("hotter"));
    EXPECT_TRUE(grant.may_use_chain(10));
    EXPECT_FALSE(grant.may_use_chain(2));
    EXPECT_EQ(grant.limit, (ClientLimit{5, 9, 2}));
}

TEST(Clients, hosts_without_a_port_stand_for_every_port) {
    const auto clients = parsed(document("", R"(,"hosts":["Signer.example","127.0.0.1:8443","[::1]"])"));
    for (const char* good : {"signer.example", "SIGNER.example:443", "127.0.0.1:8443", "[::1]", "[::1]:9"})
        EXPECT_TRUE(clients.serves_host(good)) << good;
    for (const char* bad :
         {"", "127.0.0.1", "127.0.0.1:1", "evil.example", "signer.example.evil", "x.signer.example"})
        EXPECT_FALSE(clients.serves_host(bad)) << bad;
    EXPECT_TRUE(parsed(document("")).serves_host("anything"));
}

TEST(Clients, what_is_not_understood_is_refused_as_a_whole) {
    const auto code = [](const std::string& text) {
        const auto out = Clients::parse(text);
        return out ? std::string("taken") : std::string(code_name(out.error().code));
    };
    EXPECT_EQ(code(""), "bad_json");
    EXPECT_EQ(code("[]"), "invalid_field");
    EXPECT_EQ(code(R"({"version":2,"clients":[]})"), "invalid_field");
    EXPECT_EQ(code(R"({"version":1})"), "missing_field");
    EXPECT_EQ(code(document("", R"(,"host":[])")), "unknown_field");
    EXPECT_EQ(code(document(client_json("a", R"(,"scope":1)"))), "unknown_field");
    EXPECT_EQ(code(document(client_json("a") + "," + client_json("a"))), "ambiguous_field");
    for (const char* name :
         {"", "a b", "a:b", "\\u00e4", "0123456789012345678901234567890123456789012345678901234567890123x"})
        EXPECT_EQ(code(document(client_json(name))), "invalid_field") << name;
    EXPECT_EQ(code(document(R"({"name":"a","keys":["*"]})")), "missing_field");
    EXPECT_EQ(code(document(R"({"name":"a","operations":["*"]})")), "missing_field");
    EXPECT_EQ(code(document(R"({"name":"a","keys":["*"],"operations":["sign"]})")), "invalid_field");
    for (const char* key : {"key-1", "0x12", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "secret:", "**"})
        EXPECT_EQ(code(document(R"({"name":"a","operations":["*"],"keys":[")" + std::string(key) + R"("]})")),
                  "invalid_field")
            << key;
    for (const char* limit : {R"(,"rate_per_second":0)", R"(,"rate_per_second":1.5)",
                              R"(,"rate_per_second":-1)", R"(,"rate_per_second":1000001)", R"(,"burst":5)",
                              R"(,"concurrency":"2")", R"(,"chains":[0])", R"(,"chains":1)"})
        EXPECT_EQ(code(document(client_json("a", limit))), "invalid_field") << limit;
    EXPECT_EQ(code(document(client_json("a", R"(,"dns_name":"a.example")"))), "missing_field") << "no CA";
    const std::string tokens = ",\"tokens\":[" + token_json(kToken) + "]";
    EXPECT_EQ(code(document(client_json("a", tokens) + "," + client_json("b", tokens))), "ambiguous_field");
    EXPECT_EQ(code(document(client_json("a", R"(,"tokens":[{"id":"00112233AABBCCDD","sha256":")" +
                                                 sha256_of("x") + R"("}])"))),
              "invalid_field");
    EXPECT_EQ(
        code(document(client_json("a", ",\"tokens\":[" + token_json(kToken, R"(,"expires":"soon")") + "]"))),
        "invalid_field");
    const std::string print = ",\"certificate_sha256\":[\"" + to_hex(Bytes(32, 7)) + "\"]";
    EXPECT_EQ(code(document(client_json("a", print) + "," + client_json("b", print))), "ambiguous_field");
    EXPECT_EQ(code(document(client_json("a", R"(,"certificate_sha256":["07"])"))), "invalid_field");
}

TEST(Clients, a_document_with_too_many_clients_is_refused) {
    std::string list;
    for (std::size_t i = 0; i <= Clients::kMaxClients; ++i)
        list += (i == 0 ? "" : ",") + client_json("c" + std::to_string(i));
    const auto out = Clients::parse(document(list));
    ASSERT_FALSE(out);
    EXPECT_EQ(out.error().code, Code::TooLarge);
}

} // namespace
} // namespace redoubt::gateway
