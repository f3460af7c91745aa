// SPDX-License-Identifier: Apache-2.0
// Signature headers and the request around them: signature-input, signature, method, authority, path, query,
// content-type and content-digest, a line each, then the body. No crash; what is read is what was written;
// the base is the same each time, a line a component; what is accepted has its body's digest, and verifies by
// no signature but its own. Seeds: corpus/http_signature.
#include "policy/http_signature.h"

#include "policy/structured_fields.h"

#include <algorithm>
#include <cstdlib>

using namespace redoubt;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

std::string_view take_line(std::string_view& rest) {
    const auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    return line;
}

// RFC 9421, appendix B.1: some seeds are signed by these.
bool verifies(const policy::SignatureInput& input, std::string_view base) {
    static const policy::PublicKey ed25519{policy::KeyAlgorithm::Ed25519,
                                           *from_base64("JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=")};
    static const Secret session = Secret::copy_of(Bytes(32, 1));
    return policy::verify_hmac(input, session, base) || policy::verify_signature(input, ed25519, base);
}

void check_reading(const policy::SignatureInput& input, std::string_view header) {
    require(!input.label.empty() && input.parameters.starts_with('('));
    require(policy::trimmed_field(header) == std::string(input.label) + "=" + std::string(input.parameters));
    require(input.signature().size() == 32 || input.signature().size() == 64);
    require(input.components.size() <= policy::kMaxSignatureComponents);
    // A list is put together again of what was read of it.
    std::string list = "(";
    for (const auto& component : input.components) {
        require(component.item.starts_with("\"" + std::string(component.name) + "\""));
        require(component.has_parameters == (component.item.size() != component.name.size() + 2));
        list.append(list.size() > 1 ? " " : "").append(component.item);
    }
    require(input.parameters.starts_with(list + ")"));

    std::string wanted;
    for (const auto& component : input.components)
        wanted.append(component.item).append(": value of ").append(component.name).append("\n");
    wanted.append("\"@signature-params\": ").append(input.parameters);
    for (int i = 0; i < 2; ++i) {
        const auto base = policy::signature_base(input, [](const policy::SignatureComponent& component) {
            return std::optional("value of " + std::string(component.name));
        });
        require(base && *base == wanted);
    }
    require(std::ranges::count(wanted, '\n') == static_cast<std::ptrdiff_t>(input.components.size()));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    policy::SignedMessage message;
    for (std::string_view* field :
         {&message.signature_input, &message.signature, &message.method, &message.authority, &message.path,
          &message.query, &message.content_type, &message.content_digest})
        *field = take_line(rest);
    message.has_query = !message.query.empty();
    message.body = as_bytes(rest);

    const auto input = policy::parse_signature(message.signature_input, message.signature);
    require(input || input.error().code == Code::SignatureInvalid);
    if (input)
        check_reading(*input, message.signature_input);

    const UnixMs now = input && input->created ? *input->created * 1000 : 0;
    const auto checked = policy::check_request_signature(message, now);
    if (!checked) {
        require(checked.error().code == Code::SignatureInvalid ||
                checked.error().code == Code::SignatureExpired);
        return 0;
    }
    if (!*checked) {
        require(message.signature_input.empty() && message.signature.empty());
        return 0;
    }
    require(input.has_value() && checked->input.tag == "redoubt");
    require(checked->keyid == *input->keyid && checked->nonce == *input->nonce && checked->expires > now);
    require(checked->input.components.size() == (rest.empty() ? 4u : 6u));
    require(policy::check_request_signature(message, now)->base == checked->base);
    require(!policy::check_request_signature(message, checked->expires));

    const std::string longer = std::string(rest) + "x";
    auto changed = message;
    changed.body = as_bytes(longer);
    require(!policy::check_request_signature(changed, now));

    if (verifies(checked->input, checked->base)) {
        auto other = checked->input;
        other.signature_bytes.front() ^= 1;
        require(!verifies(other, checked->base) && !verifies(checked->input, checked->base + " "));
    }
    return 0;
}
