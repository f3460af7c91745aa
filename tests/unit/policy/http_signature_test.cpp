// SPDX-License-Identifier: Apache-2.0
#include "policy/http_signature.h"

#include "signed_request.h"

#include <gtest/gtest.h>

namespace redoubt::policy {
namespace {

// RFC 9421, appendix B.2.
struct Example {
    const char* name;
    std::string_view input, signature, base;
    Signer signer;
};
constexpr Example kExamples[] = {
    {"B.2.4",
     R"(sig-b24=("@status" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-ecc-p256")",
     "sig-b24=:wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==:",
     R"("@status": 200
"content-type": application/json
"content-digest": sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:
"content-length": 23
"@signature-params": ("@status" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-ecc-p256")",
     Signer::P256},
    {"B.2.5", R"(sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret")",
     "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:",
     R"("date": Tue, 20 Apr 2021 02:07:55 GMT
"@authority": example.com
"content-type": application/json
"@signature-params": ("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret")",
     Signer::Hmac},
    {"B.2.6",
     R"(sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519")",
     "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:",
     R"("date": Tue, 20 Apr 2021 02:07:55 GMT
"@method": POST
"@path": /foo
"@authority": example.com
"content-type": application/json
"content-length": 18
"@signature-params": ("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519")",
     Signer::Ed25519},
};

bool verifies_as(const SignatureInput& input, std::string_view base, Signer signer) {
    RequestSignature signature;
    signature.input = input;
    signature.base = base;
    return verifies(signature, signer);
}

TEST(HttpSignature, the_rfc_s_examples_have_its_bases_and_verify) {
    for (const Example& example : kExamples) {
        SCOPED_TRACE(example.name);
        const bool response = std::string_view(example.name) == "B.2.4";
        const std::map<std::string_view, std::string> values = {
            {"@status", "200"},
            {"@method", "POST"},
            {"@path", "/foo"},
            {"@authority", "example.com"},
            {"date", "Tue, 20 Apr 2021 02:07:55 GMT"},
            {"content-type", "application/json"},
            {"content-digest",
             "sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rj"
             "Juahq4l5aGgfLQ==:"},
            {"content-length", response ? "23" : "18"}};
        const auto input = parse_signature(example.input, example.signature);
        ASSERT_TRUE(input) << input.error().text.view();
        EXPECT_EQ(input->created, 1618884473);
        const auto base = signature_base(*input, [&](const SignatureComponent& component) {
            return std::optional(values.at(component.name));
        });
        ASSERT_TRUE(base);
        EXPECT_EQ(*base, example.base);
        for (const Signer signer : {Signer::Ed25519, Signer::P256, Signer::Hmac})
            EXPECT_EQ(verifies_as(*input, *base, signer), signer == example.signer);
        EXPECT_FALSE(verifies_as(*input, *base + " ", example.signer));
        auto changed = *input;
        changed.signature_bytes[changed.signature_size - 1] ^= 1;
        EXPECT_FALSE(verifies_as(changed, *base, example.signer));
    }
}

TEST(HttpSignature, a_base_is_refused_without_a_component_and_with_a_line_of_its_own) {
    const Example& example = kExamples[1];
    const auto input = parse_signature(example.input, example.signature);
    ASSERT_TRUE(input);
    const std::optional<std::string> none, line("a\n\"@method\": GET"), other("caf\xc3\xa9");
    for (const auto& value : {none, line, other}) {
        const auto base = signature_base(*input, [&](const SignatureComponent&) { return value; });
        ASSERT_FALSE(base);
        EXPECT_EQ(base.error().code, Code::SignatureInvalid);
    }
}

void replace(std::string& text, std::string_view what, std::string_view with) {
    const auto at = text.find(what);
    ASSERT_NE(at, std::string::npos);
    text.replace(at, what.size(), with);
}

// docs/signing-requests.md has these numbers.
TEST(HttpSignature, the_example_of_the_documentation_is_what_these_keys_make) {
    SignedRequest request;
    request.sign();
    EXPECT_EQ(request.content_digest, "sha-256=:y7vc0naSNE3l26s6vKukE/sPRTByZ95wgUAVdt8csXY=:");
    EXPECT_EQ(request.signature, "sig1=:eRDI5wNCW4iaaPLf7phI1ztMBZzbGr/TzMujK2oeBGqr4UKG1ejIlSj9zFl/"
                                 "Dqti6oVeiKBlOiQO6uAYxDcTBg==:");

    replace(request.parameters, "treasury", "session-0011223344556677000102030405060708090a0b0c0d0e0f");
    request.sign();
    Bytes bytes(32);
    for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = static_cast<std::uint8_t>(i);
    request.signature = "sig1=:" + to_base64(crypto::hmac_sha256(bytes, as_bytes(request.base))) + ":";
    EXPECT_EQ(request.signature, "sig1=:7N7tZZE004F+YX49kgI6+22NbkVvcwkbzll79H4yVOc=:");
    const auto checked = check_request_signature(request.message(), kNow);
    ASSERT_TRUE(checked);
    EXPECT_TRUE(verify_hmac(checked->input, Secret::copy_of(bytes), checked->base));
}

TEST(HttpSignature, a_request_signed_with_any_of_the_algorithms_is_accepted) {
    for (const Signer signer : {Signer::Ed25519, Signer::P256, Signer::Hmac}) {
        SignedRequest request;
        request.query = "a=1&b=%20";
        request.sign(signer);
        const auto checked = check_request_signature(request.message(), kNow);
        ASSERT_TRUE(checked) << checked.error().text.view();
        ASSERT_TRUE(*checked);
        EXPECT_EQ(std::string_view(checked->base), request.base);
        EXPECT_EQ(checked->keyid, "treasury");
        EXPECT_EQ(checked->nonce, "order-4711");
        EXPECT_EQ(checked->expires, 1'800'000'060'000);
        for (const Signer other : {Signer::Ed25519, Signer::P256, Signer::Hmac})
            EXPECT_EQ(verifies(*checked, other), other == signer);
    }
}

TEST(HttpSignature, a_request_without_a_body_covers_four_components) {
    for (const char* query : {"", "nonce=00"}) {
        SignedRequest request;
        request.method = "GET";
        request.query = query;
        request.body.clear();
        request.content_type.clear();
        request.components = R"("@query" "@path" "@authority" "@method")"; // any order
        request.sign();
        const auto checked = check_request_signature(request.message(), kNow);
        ASSERT_TRUE(checked) << checked.error().text.view();
        EXPECT_EQ(std::string_view(checked->base), request.base);
        EXPECT_TRUE(verifies(*checked, Signer::Ed25519));
        request.content_type = "application/json"; // says nothing where there is no body
        EXPECT_TRUE(check_request_signature(request.message(), kNow));
    }
}

TEST(HttpSignature, a_request_without_signature_headers_is_unsigned) {
    SignedRequest request;
    const auto checked = check_request_signature(request.message(), kNow);
    ASSERT_TRUE(checked);
    EXPECT_FALSE(*checked);
}

TEST(HttpSignature, spaces_around_header_values_and_capitals_in_the_authority_do_not_matter) {
    SignedRequest request;
    request.sign();
    request.signature_input = "  " + request.signature_input + "\t";
    request.signature += " ";
    request.content_type = " application/json ";
    request.content_digest = "\t" + request.content_digest;
    request.authority = "Redoubt.Example:8443";
    const auto checked = check_request_signature(request.message(), kNow);
    ASSERT_TRUE(checked) << checked.error().text.view();
    EXPECT_TRUE(verifies(*checked, Signer::Ed25519));
}

TEST(HttpSignature, the_algorithm_may_be_named_and_must_then_be_the_key_s) {
    const struct {
        Signer signer;
        const char* name;
    } kNames[] = {
        {Signer::Ed25519, "ed25519"}, {Signer::P256, "ecdsa-p256-sha256"}, {Signer::Hmac, "hmac-sha256"}};
    for (const auto& [signer, name] : kNames)
        for (const char* said :
             {"ed25519", "ecdsa-p256-sha256", "hmac-sha256", "rsa-pss-sha512", "none", ""}) {
            SignedRequest request;
            request.parameters += std::string(";alg=\"") + said + "\"";
            request.sign(signer);
            const auto checked = check_request_signature(request.message(), kNow);
            ASSERT_TRUE(checked);
            EXPECT_EQ(verifies(*checked, signer), std::string_view(said) == name) << name << " " << said;
        }
}

TEST(HttpSignature, a_public_key_is_no_hmac_key_and_a_mac_no_signature) {
    SignedRequest request;
    request.sign(Signer::Hmac);
    const auto checked = check_request_signature(request.message(), kNow);
    ASSERT_TRUE(checked);
    EXPECT_FALSE(verifies(*checked, Signer::Ed25519));
    EXPECT_FALSE(verifies(*checked, Signer::P256));
    EXPECT_FALSE(verify_hmac(checked->input, Secret(), checked->base));
    SignedRequest pair;
    pair.sign();
    const auto other = check_request_signature(pair.message(), kNow);
    ASSERT_TRUE(other);
    EXPECT_FALSE(verifies(*other, Signer::Hmac));
}

TEST(HttpSignature, what_was_changed_after_signing_does_not_verify) {
    const struct {
        const char* name;
        void (*change)(SignedRequest&);
    } kChanges[] = {
        {"method", [](SignedRequest& r) { r.method = "PUT"; }},
        {"method's case", [](SignedRequest& r) { r.method = "post"; }},
        {"authority", [](SignedRequest& r) { r.authority = "redoubt.example"; }},
        {"path", [](SignedRequest& r) { r.path += "/"; }},
        {"path's escapes", [](SignedRequest& r) { r.path.replace(1, 1, "%76"); }},
        {"query", [](SignedRequest& r) { r.query = "a=2"; }},
        {"no query", [](SignedRequest& r) { r.query.clear(); }},
        {"content-type", [](SignedRequest& r) { r.content_type += "; charset=utf-8"; }},
        {"body and digest",
         [](SignedRequest& r) {
             r.body += " ";
             r.set_digest();
         }},
        {"expires",
         [](SignedRequest& r) { r.signature_input.replace(r.signature_input.find("0060"), 4, "0061"); }},
        {"nonce",
         [](SignedRequest& r) { r.signature_input.replace(r.signature_input.find("4711"), 4, "4712"); }},
        {"keyid",
         [](SignedRequest& r) { r.signature_input.replace(r.signature_input.find("trea"), 4, "Trea"); }},
        {"order", [](SignedRequest& r) {
             r.signature_input.replace(r.signature_input.find(R"("@path" "@query")"), 16,
                                       R"("@query" "@path")");
         }}};
    for (const auto& [name, change] : kChanges)
        for (const Signer signer : {Signer::Ed25519, Signer::P256, Signer::Hmac}) {
            SignedRequest request;
            request.query = "a=1";
            request.sign(signer);
            change(request);
            const auto checked = check_request_signature(request.message(), kNow);
            ASSERT_TRUE(checked) << name << ": " << checked.error().text.view();
            EXPECT_FALSE(verifies(*checked, signer)) << name;
        }
}

// Everything here is signed with the right key, so that the form alone is the reason.
struct Refusal {
    const char* name;
    const char* says; // part of the error's text
    void (*before)(SignedRequest&);
    void (*after)(SignedRequest&) = nullptr;
    Code code = Code::SignatureInvalid;
};
std::string with_times(std::int64_t created, std::int64_t expires) {
    return ";created=" + std::to_string(created) + ";expires=" + std::to_string(expires) +
           R"(;nonce="n";keyid="k";tag="redoubt")";
}
const Refusal kRefusals[] = {
    {"two labels in signature-input", "one label", nullptr,
     [](SignedRequest& r) {
         r.signature_input += ", other=" + r.signature_input.substr(r.label.size() + 1);
     }},
    {"two labels in signature", "one label", nullptr,
     [](SignedRequest& r) { r.signature += ", other" + r.signature.substr(r.label.size()); }},
    {"another label in signature", "one label", nullptr, [](SignedRequest& r) { r.signature[3] = '2'; }},
    {"a label with capitals", "lower case", [](SignedRequest& r) { r.label = "Sig"; }},
    {"no label", "label", [](SignedRequest& r) { r.label = ""; }},
    {"only signature-input", "both", nullptr, [](SignedRequest& r) { r.signature.clear(); }},
    {"only signature", "both", nullptr, [](SignedRequest& r) { r.signature_input.clear(); }},
    {"a trailing comma", "nothing after", nullptr, [](SignedRequest& r) { r.signature_input += ","; }},
    {"a trailing comma in signature", "nothing after", nullptr, [](SignedRequest& r) { r.signature += ","; }},
    {"a trailing semicolon", ";key=value", [](SignedRequest& r) { r.parameters += ";"; }},
    {"parameters of the signature", "nothing after", nullptr,
     [](SignedRequest& r) { r.signature += ";a=1"; }},
    {"a huge signature-input", "4096", [](SignedRequest& r) { r.parameters += std::string(4096, 'a'); }},
    {"a huge signature", "4096", nullptr, [](SignedRequest& r) { r.signature += std::string(4096, ' '); }},
    {"33 components", "32",
     [](SignedRequest& r) {
         for (int i = 0; i < 27; ++i)
             r.components += " \"x-" + std::to_string(i) + "\"";
     }},
    {"no content-digest", "all of",
     [](SignedRequest& r) { replace(r.components, " \"content-digest\"", ""); }},
    {"no content-type", "all of", [](SignedRequest& r) { replace(r.components, " \"content-type\"", ""); }},
    {"no method", "all of", [](SignedRequest& r) { replace(r.components, "\"@method\" ", ""); }},
    {"no authority", "all of", [](SignedRequest& r) { replace(r.components, "\"@authority\" ", ""); }},
    {"no path", "all of", [](SignedRequest& r) { replace(r.components, "\"@path\" ", ""); }},
    {"no query", "all of", [](SignedRequest& r) { replace(r.components, "\"@query\" ", ""); }},
    {"no components", "all of", [](SignedRequest& r) { r.components.clear(); }},
    {"one component too many", "nothing else", [](SignedRequest& r) { r.components += " \"date\""; }},
    {"@target-uri too", "nothing else", [](SignedRequest& r) { r.components += " \"@target-uri\""; }},
    {"a body's components without a body", "nothing else", [](SignedRequest& r) { r.body.clear(); }},
    {"a component twice", "once", [](SignedRequest& r) { r.components += " \"@path\""; }},
    {"@signature-params as a component", "a name in quotes",
     [](SignedRequest& r) { r.components += " \"@signature-params\""; }},
    {";req", "without parameters",
     [](SignedRequest& r) { replace(r.components, "\"@path\"", "\"@path\";req"); }},
    {";sf", "without parameters",
     [](SignedRequest& r) { replace(r.components, "\"content-type\"", "\"content-type\";sf"); }},
    {";bs", "without parameters",
     [](SignedRequest& r) { replace(r.components, "\"content-digest\"", "\"content-digest\";bs"); }},
    {";key", "without parameters",
     [](SignedRequest& r) {
         replace(r.components, "\"content-digest\"", "\"content-digest\";key=\"sha-256\"");
     }},
    {";req beside it", "without parameters", [](SignedRequest& r) { r.components += " \"@path\";req"; }},
    {";req=?1", ";key", [](SignedRequest& r) { replace(r.components, "\"@path\"", "\"@path\";req=?1"); }},
    {"a component in capitals", "lower case",
     [](SignedRequest& r) { replace(r.components, "content-type", "Content-Type"); }},
    {"a component without quotes", "quotes",
     [](SignedRequest& r) { replace(r.components, "\"@path\"", "@path"); }},
    {"two spaces", "quotes", nullptr, [](SignedRequest& r) { replace(r.signature_input, " ", "  "); }},
    {"a space before the list's end", "quotes", nullptr,
     [](SignedRequest& r) { replace(r.signature_input, ")", " )"); }},
    {"a space at the list's begin", "quotes", nullptr,
     [](SignedRequest& r) { replace(r.signature_input, "(", "( "); }},
    {"no space between components", "one space", nullptr,
     [](SignedRequest& r) { replace(r.signature_input, " ", ""); }},
    {"a list that does not end", "one space", nullptr,
     [](SignedRequest& r) { r.signature_input.resize(r.signature_input.find(')')); }},
    {"no list", "list", nullptr, [](SignedRequest& r) { r.signature_input = "sig1=\"@method\""; }},
    {"a space before a parameter", "nothing after",
     [](SignedRequest& r) { replace(r.parameters, ";created", " ;created"); }},
    {"a space after a semicolon", ";key=value",
     [](SignedRequest& r) { replace(r.parameters, ";created", "; created"); }},
    {"another tag", "tag", [](SignedRequest& r) { replace(r.parameters, "\"redoubt\"", "\"Redoubt\""); }},
    {"a tag that is a token", "given once",
     [](SignedRequest& r) { replace(r.parameters, "\"redoubt\"", "redoubt"); }},
    {"no tag", "needs", [](SignedRequest& r) { replace(r.parameters, ";tag=\"redoubt\"", ""); }},
    {"no created", "needs", [](SignedRequest& r) { replace(r.parameters, ";created=1800000000", ""); }},
    {"no expires", "needs", [](SignedRequest& r) { replace(r.parameters, ";expires=1800000060", ""); }},
    {"no nonce", "needs", [](SignedRequest& r) { replace(r.parameters, ";nonce=\"order-4711\"", ""); }},
    {"no keyid", "needs", [](SignedRequest& r) { replace(r.parameters, ";keyid=\"treasury\"", ""); }},
    {"an empty nonce", "nonce", [](SignedRequest& r) { replace(r.parameters, "order-4711", ""); }},
    {"a long nonce", "nonce",
     [](SignedRequest& r) { replace(r.parameters, "order-4711", std::string(129, 'n')); }},
    {"an empty keyid", "keyid", [](SignedRequest& r) { replace(r.parameters, "treasury", ""); }},
    {"a long keyid", "keyid",
     [](SignedRequest& r) { replace(r.parameters, "treasury", std::string(129, 'k')); }},
    {"a parameter twice", "once", [](SignedRequest& r) { r.parameters += ";nonce=\"order-4711\""; }},
    {"created twice", "once", [](SignedRequest& r) { r.parameters += ";created=1800000000"; }},
    {"alg twice", "once", [](SignedRequest& r) { r.parameters += ";alg=\"ed25519\";alg=\"ed25519\""; }},
    {"an unknown parameter", "any other", [](SignedRequest& r) { r.parameters += ";x=1"; }},
    {"a parameter without a value", ";key=value", [](SignedRequest& r) { r.parameters += ";nonce"; }},
    {"created as a string", "integers",
     [](SignedRequest& r) { replace(r.parameters, "1800000000", "\"1800000000\""); }},
    {"created with leading zeros", "integers",
     [](SignedRequest& r) { replace(r.parameters, "1800000000", "01800000000"); }},
    {"created as a decimal", "nothing after",
     [](SignedRequest& r) { replace(r.parameters, "1800000000", "1800000000.0"); }},
    {"created with 16 digits", "integers",
     [](SignedRequest& r) { replace(r.parameters, "1800000000", "1800000000000000"); }},
    {"a negative zero", "integers", [](SignedRequest& r) { replace(r.parameters, "1800000000", "-0"); }},
    {"a backslash in the nonce", "backslash",
     [](SignedRequest& r) { replace(r.parameters, "order-", "order\\\""); }},
    {"a nonce that is not ASCII", "strings",
     [](SignedRequest& r) { replace(r.parameters, "order", "\xc3\xb6rder"); }},
    {"a component that is not ASCII", "quotes", [](SignedRequest& r) { r.components += " \"\xc3\xa9\""; }},
    {"a NUL in the keyid", "strings",
     [](SignedRequest& r) { replace(r.parameters, "treas", std::string("tre\0s", 5)); }},
    {"a string that does not end", "strings", nullptr,
     [](SignedRequest& r) { r.signature_input.pop_back(); }},
    {"a signature of 63 bytes", "base64 of 64", nullptr,
     [](SignedRequest& r) { r.signature = "sig1=:" + to_base64(Bytes(63)) + ":"; }},
    {"an empty signature", "base64 of 64", nullptr, [](SignedRequest& r) { r.signature = "sig1=::"; }},
    {"a signature in DER", "base64 of 64", nullptr,
     [](SignedRequest& r) { r.signature = "sig1=:" + to_base64(Bytes(71, 0x30)) + ":"; }},
    {"a signature that is no base64", "base64 of 64", nullptr,
     [](SignedRequest& r) { r.signature[8] = '?'; }},
    {"a signature without its padding", "base64 of 64", nullptr,
     [](SignedRequest& r) { r.signature.erase(r.signature.size() - 3, 2); }},
    {"a signature that is a string", "LABEL=:BASE64:", nullptr,
     [](SignedRequest& r) { r.signature = "sig1=\"" + to_base64(Bytes(64)) + "\""; }},
    {"a signature that does not end", "LABEL=:BASE64:", nullptr,
     [](SignedRequest& r) { r.signature.pop_back(); }},
    {"expired", "expired", [](SignedRequest& r) { r.parameters = with_times(kCreated - 100, kCreated + 1); },
     nullptr, Code::SignatureExpired},
    {"created in the future", "future",
     [](SignedRequest& r) { r.parameters = with_times(kCreated + 32, kCreated + 60); }, nullptr,
     Code::SignatureExpired},
    {"a window too long", "300",
     [](SignedRequest& r) { r.parameters = with_times(kCreated, kCreated + 301); }},
    {"expires before created", "after its created",
     [](SignedRequest& r) { r.parameters = with_times(kCreated + 20, kCreated + 10); }},
    {"expires when created", "after its created",
     [](SignedRequest& r) { r.parameters = with_times(kCreated + 20, kCreated + 20); }},
    {"a window from before 1970", "300",
     [](SignedRequest& r) { r.parameters = with_times(-999999999999999, kCreated + 60); }},
    {"a window without end", "300",
     [](SignedRequest& r) { r.parameters = with_times(kCreated, 999999999999999); }},
    {"the digest of another body", "not the body's", nullptr, [](SignedRequest& r) { r.body += " "; }},
    {"a sha-512 digest", "sha-256",
     [](SignedRequest& r) { r.content_digest = "sha-512=:" + to_base64(Bytes(64)) + ":"; }},
    {"two digests", "nothing before or after",
     [](SignedRequest& r) {
         r.set_digest();
         r.content_digest += ", sha-512=:" + to_base64(Bytes(64)) + ":";
     }},
    {"the same digest twice", "nothing before or after",
     [](SignedRequest& r) {
         r.set_digest();
         r.content_digest += "," + r.content_digest;
     }},
    {"a digest in capitals", "sha-256",
     [](SignedRequest& r) {
         r.set_digest();
         r.content_digest.replace(0, 3, "SHA");
     }},
    {"a digest in hex", "sha-256=:",
     [](SignedRequest& r) { r.content_digest = "sha-256=" + to_hex(crypto::sha256(as_bytes(r.body))); }},
    {"a digest cut short", "not the body's",
     [](SignedRequest& r) { r.content_digest = "sha-256=:" + to_base64(Bytes(31)) + ":"; }},
    {"no content-type header", "needs content-type", [](SignedRequest& r) { r.content_type.clear(); }},
    {"no content-digest header", "needs content-type", nullptr,
     [](SignedRequest& r) { r.content_digest = " "; }},
    {"a path that is not ASCII", "ASCII", [](SignedRequest& r) { r.path += "\xc3\xa9"; }},
    {"a line break in the query", "ASCII", [](SignedRequest& r) { r.query = "a\n\"@path\": /"; }},
};

TEST(HttpSignature, refuses_what_is_not_exactly_as_it_must_be) {
    for (const Refusal& refusal : kRefusals) {
        SignedRequest request;
        request.sign();
        ASSERT_TRUE(check_request_signature(request.message(), kNow));
        request = {};
        if (refusal.before)
            refusal.before(request);
        request.sign();
        if (refusal.after)
            refusal.after(request);
        const auto checked = check_request_signature(request.message(), kNow);
        ASSERT_FALSE(checked) << refusal.name;
        EXPECT_EQ(checked.error().code, refusal.code) << refusal.name;
        EXPECT_TRUE(checked.error().text.view().contains(refusal.says))
            << refusal.name << ": " << checked.error().text.view();
    }
}

TEST(HttpSignature, times_are_accepted_up_to_their_bounds) {
    const auto code_at = [](std::int64_t created, std::int64_t expires, UnixMs now) {
        SignedRequest request;
        request.parameters = with_times(created, expires);
        request.sign();
        const auto checked = check_request_signature(request.message(), now);
        return checked ? std::optional<Code>() : checked.error().code;
    };
    constexpr std::int64_t at = 1'900'000'000;
    EXPECT_EQ(code_at(at, at + 300, at * 1000), std::nullopt);
    EXPECT_EQ(code_at(at, at + 300, (at + 300) * 1000 - 1), std::nullopt);
    EXPECT_EQ(code_at(at, at + 300, (at + 300) * 1000), Code::SignatureExpired);
    EXPECT_EQ(code_at(at, at + 1, (at - 30) * 1000), std::nullopt) << "30 seconds ahead";
    EXPECT_EQ(code_at(at, at + 1, (at - 30) * 1000 - 1), Code::SignatureExpired);
    EXPECT_EQ(code_at(at, at + 301, at * 1000), Code::SignatureInvalid);
}

TEST(HttpSignature, what_is_read_points_into_the_headers_and_outlives_a_move) {
    SignedRequest request;
    request.sign();
    auto checked = check_request_signature(request.message(), kNow);
    ASSERT_TRUE(checked);
    const RequestSignature moved = std::move(*checked);
    checked = RequestSignature{};
    EXPECT_EQ(moved.keyid.data() - request.signature_input.data(),
              static_cast<std::ptrdiff_t>(request.signature_input.find("treasury")));
    EXPECT_EQ(moved.nonce, "order-4711");
    EXPECT_TRUE(verifies(moved, Signer::Ed25519));
}

} // namespace
} // namespace redoubt::policy
