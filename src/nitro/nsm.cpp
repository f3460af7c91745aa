// SPDX-License-Identifier: Apache-2.0
#include "nitro/nsm.h"

#include "nitro/cbor_map.h"

#include <algorithm>
#include <utility>

namespace redoubt::nitro {

namespace {

constexpr std::size_t kMaxModuleId = 256;
constexpr std::size_t kMaxUserData = 512, kMaxNonce = 512, kMaxPublicKey = 1024;

std::unexpected<Error> malformed() {
    return fail(Code::NsmFailed, "the NSM's reply is not what was asked for");
}

// ErrorCode of aws-nitro-enclaves-nsm-api, src/api/mod.rs.
std::unexpected<Error> refused(std::string_view name) {
    struct Known {
        std::string_view name;
        FixedText text;
    };
    static constexpr Known kErrors[] = {
        {"InvalidArgument", "the NSM refused: InvalidArgument"},
        {"InvalidIndex", "the NSM refused: InvalidIndex (there is no such register)"},
        {"InvalidResponse", "the NSM refused: InvalidResponse"},
        {"ReadOnlyIndex", "the NSM refused: ReadOnlyIndex (the register is locked)"},
        {"InvalidOperation", "the NSM refused: InvalidOperation"},
        {"BufferTooSmall", "the NSM refused: BufferTooSmall"},
        {"InputTooLarge", "the NSM refused: InputTooLarge"},
        {"InternalError", "the NSM refused: InternalError"},
    };
    for (const Known& known : kErrors) {
        if (known.name == name)
            return fail(Code::NsmFailed, known.text);
    }
    return fail(Code::NsmFailed, "the NSM refused with an error that is not in its list");
}

Result<Bytes> ask(NsmTransport& transport, ByteView request) {
    if (request.size() > kNsmMaxRequest)
        return fail(Code::NsmFailed, "a request to the NSM may have 4096 bytes");
    REDOUBT_TRY(Bytes response, transport.exchange(request));
    if (response.size() > kNsmMaxResponse)
        return malformed();
    return response;
}

// {NAME: value}: the map's only member. Of definite or of indefinite length, as serde writes either.
bool read_only_member(ByteView response, std::string_view name,
                      const std::function<bool(cbor::Reader&)>& read) {
    cbor::Reader in(response);
    return cbor::read_map(in, {{name, read}}, true) && in.finished();
}

// What a response that is not the expected one says: {"Error": NAME}, or nothing that makes sense.
std::unexpected<Error> read_refusal(ByteView response) {
    std::string_view name;
    if (!read_only_member(response, "Error", [&](cbor::Reader& in) {
            const auto text = in.text();
            name = text.value_or("");
            return text.has_value();
        }))
        return malformed();
    return refused(name);
}

// Succeeds when the response is {NAME: {members}}.
Status read_reply(ByteView response, std::string_view name, std::initializer_list<cbor::Member> members) {
    if (read_only_member(response, name, [&](cbor::Reader& in) { return cbor::read_map(in, members, true); }))
        return {};
    return read_refusal(response);
}

// Commands without a result are answered with their bare name.
Status read_bare_reply(ByteView response, std::string_view name) {
    cbor::Reader in(response);
    if (in.text() == name && in.finished())
        return {};
    return read_refusal(response);
}

Bytes bare_request(std::string_view name) {
    Bytes out;
    cbor::Writer(out).text(name);
    return out;
}

Bytes number_request(std::string_view name, std::string_view field, std::uint16_t value) {
    Bytes out;
    cbor::Writer(out).map(1).text(name).map(1).text(field).u64(value);
    return out;
}

bool read_pcr(cbor::Reader& in, Pcr& out) {
    const auto value = in.bytes();
    const auto pcr = value ? to_array<48>(*value) : std::nullopt;
    if (!pcr)
        return false;
    out = *pcr;
    return true;
}

bool read_locked_pcrs(cbor::Reader& in, std::vector<std::uint16_t>& out) {
    const auto size = in.array();
    if (!size || *size > kPcrCount)
        return false;
    for (std::size_t i = 0; i < *size; ++i) {
        std::uint16_t index = 0;
        if (!cbor::read_u16(in, index) || index >= kPcrCount ||
            std::find(out.begin(), out.end(), index) != out.end())
            return false;
        out.push_back(index);
    }
    return true;
}

void write_optional(cbor::Writer& out, std::string_view name, const std::optional<Bytes>& value) {
    out.text(name);
    if (value)
        out.bytes(*value);
    else
        out.null();
}

} // namespace

Nsm::Nsm(std::unique_ptr<NsmTransport> transport) : transport_(std::move(transport)) {}

Result<NsmDescription> Nsm::describe() {
    REDOUBT_TRY(const Bytes response, ask(*transport_, bare_request("DescribeNSM")));
    NsmDescription out{};
    const auto number = [](std::uint16_t& into) {
        return [&into](cbor::Reader& in) { return cbor::read_u16(in, into); };
    };
    REDOUBT_CHECK(read_reply(
        response, "DescribeNSM",
        {{"version_major", number(out.version_major)},
         {"version_minor", number(out.version_minor)},
         {"version_patch", number(out.version_patch)},
         {"module_id", [&](cbor::Reader& in) { return cbor::read_text(in, out.module_id, 1, kMaxModuleId); }},
         {"max_pcrs", number(out.max_pcrs)},
         {"locked_pcrs", [&](cbor::Reader& in) { return read_locked_pcrs(in, out.locked_pcrs); }},
         {"digest", [](cbor::Reader& in) { return in.text() == "SHA384"; }}}));
    if (out.max_pcrs != kPcrCount)
        return malformed();
    return out;
}

Result<PcrState> Nsm::describe_pcr(std::uint16_t index) {
    REDOUBT_TRY(const Bytes response, ask(*transport_, number_request("DescribePCR", "index", index)));
    PcrState out{};
    REDOUBT_CHECK(read_reply(response, "DescribePCR",
                             {{"lock",
                               [&](cbor::Reader& in) {
                                   const auto lock = in.boolean();
                                   out.locked = lock.value_or(false);
                                   return lock.has_value();
                               }},
                              {"data", [&](cbor::Reader& in) { return read_pcr(in, out.value); }}}));
    return out;
}

Result<Pcr> Nsm::extend_pcr(std::uint16_t index, ByteView data) {
    if (data.size() > kNsmMaxRequest)
        return fail(Code::NsmFailed, "a request to the NSM may have 4096 bytes");
    Bytes request;
    cbor::Writer(request).map(1).text("ExtendPCR").map(2).text("index").u64(index).text("data").bytes(data);
    REDOUBT_TRY(const Bytes response, ask(*transport_, request));
    Pcr out{};
    REDOUBT_CHECK(
        read_reply(response, "ExtendPCR", {{"data", [&](cbor::Reader& in) { return read_pcr(in, out); }}}));
    return out;
}

Status Nsm::lock_pcr(std::uint16_t index) {
    REDOUBT_TRY(const Bytes response, ask(*transport_, number_request("LockPCR", "index", index)));
    return read_bare_reply(response, "LockPCR");
}

Status Nsm::lock_pcrs(std::uint16_t range) {
    REDOUBT_TRY(const Bytes response, ask(*transport_, number_request("LockPCRs", "range", range)));
    return read_bare_reply(response, "LockPCRs");
}

Result<Secret> Nsm::random() {
    REDOUBT_TRY(Bytes response, ask(*transport_, bare_request("GetRandom")));
    Secret out;
    const Status status = read_reply(response, "GetRandom", {{"random", [&](cbor::Reader& in) {
                                                                  const auto bytes = in.bytes();
                                                                  if (!bytes || bytes->empty())
                                                                      return false;
                                                                  out = Secret::copy_of(*bytes);
                                                                  return true;
                                                              }}});
    wipe(response);
    REDOUBT_CHECK(status);
    return out;
}

Result<Bytes> Nsm::attest(const AttestationRequest& request) {
    const auto fits = [](const std::optional<Bytes>& part, std::size_t limit) {
        return !part || part->size() <= limit;
    };
    if (!fits(request.user_data, kMaxUserData) || !fits(request.nonce, kMaxNonce) ||
        !fits(request.public_key, kMaxPublicKey))
        return fail(Code::NsmFailed, "an attestation's user_data and nonce may have 512 bytes each, its "
                                     "public_key 1024");
    Bytes encoded;
    cbor::Writer out(encoded);
    out.map(1).text("Attestation").map(3);
    write_optional(out, "user_data", request.user_data);
    write_optional(out, "nonce", request.nonce);
    write_optional(out, "public_key", request.public_key);
    REDOUBT_TRY(const Bytes response, ask(*transport_, encoded));
    Bytes document;
    REDOUBT_CHECK(read_reply(response, "Attestation", {{"document", [&](cbor::Reader& in) {
                                                            return cbor::read_bytes(in, document, 1,
                                                                                    kNsmMaxResponse);
                                                        }}}));
    return document;
}

Pcr pcr_of(ByteView data) noexcept {
    return crypto::sha384({Pcr{}, data});
}

} // namespace redoubt::nitro
