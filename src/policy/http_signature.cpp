// SPDX-License-Identifier: Apache-2.0
#include "policy/http_signature.h"

#include "base/printable.h"
#include "crypto/hash.h"
#include "crypto/owner_signature.h"
#include "policy/structured_fields.h"

#include <algorithm>
#include <array>

namespace redoubt::policy {

namespace {

constexpr std::string_view kTag = "redoubt";
constexpr std::string_view kHmacName = "hmac-sha256";
constexpr std::string_view kSignatureParams = "@signature-params";
constexpr std::size_t kMacSize = 32, kPairSize = 64;
constexpr std::string_view kDigestBegin = "sha-256=:";
constexpr std::size_t kDigestSize = 44 + 1; // of 32 bytes, in base64, and the colon

// The components of every request, then those of one with a body.
constexpr std::array<std::string_view, 6> kRequired = {"@method", "@authority",   "@path",
                                                       "@query",  "content-type", "content-digest"};
constexpr std::size_t kWithoutBody = 4;
// As most clients list them, which need not be read one by one; what follows the "(".
constexpr std::string_view kUsual =
    R"("@method" "@authority" "@path" "@query" "content-type" "content-digest"))";

std::unexpected<Error> invalid(FixedText text) {
    return fail(Code::SignatureInvalid, text);
}

bool is_printable(std::string_view text) noexcept {
    text.remove_prefix(printable_blocks(text));
    return std::ranges::all_of(text, [](char c) noexcept { return c >= 0x20 && c <= 0x7e; });
}

// A field's name in lower case, or a derived component's: '@' and the like.
bool is_component_name(std::string_view name) noexcept {
    if (name.starts_with('@'))
        name.remove_prefix(1);
    return !name.empty() && std::ranges::all_of(name, [](char c) noexcept {
        return (c >= 'a' && c <= 'z') || c == '-' || (c >= '0' && c <= '9') ||
               std::string_view("!#$%&'*+.^_`|~").find(c) != std::string_view::npos;
    });
}

Status read_components(FieldReader& reader, SignatureInput& out) {
    if (!reader.take('('))
        return invalid("signature-input must be LABEL=(\"…\" …) with parameters: a list of components");
    out.components.reserve(kRequired.size());
    const auto list = reader.rest();
    if (reader.take(kUsual)) {
        for (std::size_t at = 0; const auto name : kRequired) {
            out.components.push_back(
                {list.substr(at + 1, name.size()), list.substr(at, name.size() + 2), false});
            at += name.size() + 3; // with its quotes and a space
        }
        return {};
    }
    while (!reader.take(')')) {
        if (!out.components.empty() && !reader.take(' '))
            return invalid("signature-input must have one space between two components and none elsewhere");
        const auto before = reader.rest();
        const auto name = reader.string();
        if (!name || !is_component_name(*name) || *name == kSignatureParams)
            return invalid("a component in signature-input must be a name in quotes and lower case");
        const bool has_parameters = reader.next_is(';');
        if (!reader.skip_parameters())
            return invalid("a component's parameters in signature-input must be ;key or ;key=\"string\"");
        const auto item = before.substr(0, before.size() - reader.rest().size());
        if (std::ranges::find(out.components, item, &SignatureComponent::item) != out.components.end())
            return invalid("signature-input must name each component once");
        if (out.components.size() == kMaxSignatureComponents)
            return invalid("signature-input may name at most 32 components");
        out.components.push_back({*name, item, has_parameters});
    }
    return {};
}

template<class T>
bool set_once(std::optional<T>& target, std::optional<T> value) noexcept {
    if (target || !value)
        return false;
    target = value;
    return true;
}

Status read_parameters(FieldReader& reader, SignatureInput& out) {
    while (reader.take(';')) {
        const auto key = reader.key();
        if (!key || !reader.take('='))
            return invalid("a parameter in signature-input must be ;key=value without spaces");
        bool right;
        if (*key == "created")
            right = set_once(out.created, reader.integer());
        else if (*key == "expires")
            right = set_once(out.expires, reader.integer());
        else if (*key == "nonce")
            right = set_once(out.nonce, reader.string());
        else if (*key == "keyid")
            right = set_once(out.keyid, reader.string());
        else if (*key == "tag")
            right = set_once(out.tag, reader.string());
        else if (*key == "alg")
            right = set_once(out.alg, reader.string());
        else
            return invalid("signature-input may have the parameters created, expires, nonce, keyid, tag and "
                           "alg: leave out any other");
        if (!right)
            return invalid("each parameter in signature-input must be given once: created and expires as "
                           "integers, the others as strings without a backslash");
    }
    return {};
}

Status read_signature(std::string_view text, SignatureInput& out) {
    FieldReader reader(text);
    const auto label = reader.key();
    if (!label || *label != out.label || !reader.take('='))
        return invalid("signature must have the one label that signature-input has");
    const auto encoded = reader.byte_sequence();
    if (!encoded || !reader.finished())
        return invalid("signature must be LABEL=:BASE64: with one label and nothing after it");
    out.signature_size = size_of_base64(*encoded).value_or(0);
    const bool fits = out.signature_size == kMacSize || out.signature_size == kPairSize;
    if (!fits || !from_base64_exact(*encoded, std::span(out.signature_bytes).first(out.signature_size)))
        return invalid("the signature must be base64 of 64 bytes (Ed25519; r and s of P-256, 32 bytes each) "
                       "or of 32 (HMAC)");
    return {};
}

// `value_of`: a component to an optional of something that a string_view can be made of.
template<class Text, class ValueOf>
Result<Text> build_base(const SignatureInput& input, std::size_t expected, ValueOf&& value_of) {
    Text base;
    base.reserve(expected + input.parameters.size());
    for (const SignatureComponent& component : input.components) {
        const auto value = value_of(component);
        if (!value)
            return invalid("the signature covers a component that the request does not have");
        const std::string_view text(*value);
        if (!is_printable(text))
            return invalid("what a signature covers must be printable ASCII");
        base.append(component.item).append(": ").append(text).push_back('\n');
    }
    base.append("\"@signature-params\": ").append(input.parameters);
    return base;
}

// Exactly the required ones: none twice is settled by the reader, so counting is enough.
Status check_components(const SignatureInput& input, bool has_body) {
    const auto required = std::span(kRequired).first(has_body ? kRequired.size() : kWithoutBody);
    for (const SignatureComponent& component : input.components) {
        if (component.has_parameters)
            return invalid("the components of a signature must be without parameters");
        if (std::ranges::find(required, component.name) == required.end())
            return invalid(
                "the signature must cover @method, @authority, @path and @query, of a request with "
                "a body content-type and content-digest too, and nothing else");
    }
    if (input.components.size() != required.size())
        return invalid("the signature must cover all of @method, @authority, @path and @query, and of a "
                       "request with a body content-type and content-digest");
    return {};
}

Status check_parameters(const SignatureInput& input) {
    if (!input.created || !input.expires || !input.nonce || !input.keyid || !input.tag)
        return invalid("signature-input needs created, expires, nonce, keyid and tag");
    if (*input.tag != kTag)
        return invalid("signature-input needs tag=\"redoubt\"");
    if (input.nonce->empty() || input.nonce->size() > kMaxSignatureNonce)
        return invalid("the signature's nonce must be of 1 to 128 characters");
    if (input.keyid->empty() || input.keyid->size() > kMaxKeyId)
        return invalid("the signature's keyid must be of 1 to 128 characters");
    return {};
}

// Seconds have at most 15 digits, so their milliseconds fit.
Status check_times(std::int64_t created, std::int64_t expires, UnixMs now) {
    if (expires <= created || expires - created > kMaxSignatureSeconds)
        return invalid("a signature's expires must be after its created, by at most 300 seconds");
    if (expires * 1000 <= now)
        return fail(Code::SignatureExpired, "the signature has expired: sign the request again");
    if (created * 1000 > now + kMaxClockSkewSeconds * 1000)
        return fail(Code::SignatureExpired,
                    "the signature was made in the future: set the clock, and sign the request again");
    return {};
}

Status check_digest(std::string_view field, ByteView body) {
    if (!field.starts_with(kDigestBegin))
        return invalid("content-digest must be sha-256=:BASE64: and no other digest");
    field.remove_prefix(kDigestBegin.size());
    if (field.size() != kDigestSize || !field.ends_with(':'))
        return invalid("content-digest must be sha-256=:BASE64: with nothing before or after it");
    field.remove_suffix(1);
    Hash32 digest;
    if (!from_base64_exact(field, digest) || digest != crypto::sha256(body))
        return invalid("content-digest is not the body's: the body must be sent as it was signed");
    return {};
}

std::string lower_case(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z')
            c = static_cast<char>(c - 'A' + 'a');
    return out;
}

Result<RequestSignature::Base> base_of(const SignatureInput& input, const SignedMessage& message,
                                       std::string_view content_type, std::string_view content_digest) {
    const std::string authority = lower_case(message.authority); // RFC 9421, 2.2.3
    // "?" alone where there is no query (2.2.7).
    std::string query;
    query.reserve(1 + message.query.size());
    query.append("?").append(message.query);
    const std::array<std::string_view, kRequired.size()> values = {
        message.method, authority, message.path, query, content_type, content_digest};
    std::size_t expected = kRequired.size() * 24; // names, quotes, colons
    for (const auto value : values)
        expected += value.size();
    return build_base<RequestSignature::Base>(input, expected, [&](const SignatureComponent& component) {
        const auto at = std::ranges::find(kRequired, component.name) - kRequired.begin();
        const auto index = static_cast<std::size_t>(at);
        return index < values.size() ? std::optional(values[index]) : std::nullopt;
    });
}

} // namespace

Result<SignatureInput> parse_signature(std::string_view signature_input, std::string_view signature) {
    if (signature_input.size() > kMaxSignatureHeader || signature.size() > kMaxSignatureHeader)
        return invalid("signature-input and signature must be of at most 4096 bytes each");
    SignatureInput out;
    FieldReader reader(trimmed_field(signature_input));
    const auto label = reader.key();
    if (!label || !reader.take('='))
        return invalid("signature-input must be LABEL=(…) with a label in lower case");
    out.label = *label;
    out.parameters = reader.rest();
    REDOUBT_CHECK(read_components(reader, out));
    REDOUBT_CHECK(read_parameters(reader, out));
    if (!reader.finished())
        return invalid("signature-input must have one label and nothing after it");
    REDOUBT_CHECK(read_signature(trimmed_field(signature), out));
    return out;
}

Result<std::string>
signature_base(const SignatureInput& input,
               const std::function<std::optional<std::string>(const SignatureComponent&)>& value_of) {
    return build_base<std::string>(input, 0, value_of);
}

bool verify_signature(const SignatureInput& input, const PublicKey& key, std::string_view base) {
    const auto signature = to_array<kPairSize>(input.signature());
    if (!signature || (input.alg && *input.alg != algorithm_name(key.algorithm)))
        return false;
    switch (key.algorithm) {
    case KeyAlgorithm::Ed25519:
        return crypto::verify_ed25519(key.bytes, as_bytes(base), *signature);
    case KeyAlgorithm::EcdsaP256:
        return crypto::verify_p256(key.bytes, as_bytes(base), *signature);
    }
    return false;
}

bool verify_hmac(const SignatureInput& input, const Secret& key, std::string_view base) {
    if (input.signature_size != kMacSize || key.empty() || (input.alg && *input.alg != kHmacName))
        return false;
    const Hash32 mac =
        crypto::hmac_sha256(key.view(SecretAccess("check a session's signature")), as_bytes(base));
    return equal_constant_time(mac, input.signature());
}

Result<RequestSignature> check_request_signature(const SignedMessage& message, UnixMs now) {
    if (message.signature_input.empty() && message.signature.empty())
        return RequestSignature{};
    if (message.signature_input.empty() || message.signature.empty())
        return invalid("signature-input and signature must both be given, or neither");
    RequestSignature out;
    REDOUBT_TRY(out.input, parse_signature(message.signature_input, message.signature));
    const bool has_body = !message.body.empty();
    REDOUBT_CHECK(check_components(out.input, has_body));
    REDOUBT_CHECK(check_parameters(out.input));
    REDOUBT_CHECK(check_times(*out.input.created, *out.input.expires, now));
    std::string_view content_type, content_digest;
    if (has_body) {
        content_type = trimmed_field(message.content_type);
        content_digest = trimmed_field(message.content_digest);
        if (content_type.empty() || content_digest.empty())
            return invalid("a signed request with a body needs content-type and content-digest");
        REDOUBT_CHECK(check_digest(content_digest, message.body));
    }
    REDOUBT_TRY(out.base, base_of(out.input, message, content_type, content_digest));
    out.keyid = *out.input.keyid;
    out.nonce = *out.input.nonce;
    out.expires = *out.input.expires * 1000;
    return out;
}

} // namespace redoubt::policy
