// SPDX-License-Identifier: Apache-2.0
// A client's request on its way through the enclave: read, decided, signed, answered.
#include "enclave/pass.h"

namespace redoubt::enclave {

namespace {

constexpr std::size_t kMostReadAtOnce = 64 * 1024;

std::string_view header(const wire::Request& message, std::string_view name) noexcept {
    for (const auto& entry : message.headers)
        if (entry.name == name)
            return entry.value;
    return {};
}

} // namespace

std::optional<wire::Reply> Enclave::request(ByteView payload, MayWait may_wait, std::int64_t waited_ms,
                                            const policy::PublicKey* connection) {
    Pass pass;
    begin(pass, payload, may_wait, waited_ms, connection);
    sign(pass);
    verify(pass);
    return finish(pass);
}

void Enclave::handle(std::span<Ask> asks) {
    // What was used before keeps its memory; kept are no secrets and nothing long.
    thread_local std::vector<std::unique_ptr<Pass>> all;
    while (all.size() < asks.size())
        all.push_back(std::make_unique<Pass>());
    // Whatever happens, nobody gets what was another's.
    struct Cleared {
        std::span<const std::unique_ptr<Pass>> passes;
        ~Cleared() {
            for (const auto& pass : passes)
                pass->clear();
        }
    };
    const Cleared cleared{std::span(all).first(asks.size())};
    const auto passes = cleared.passes;
    for (std::size_t i = 0; i < asks.size(); ++i)
        if (asks[i].kind == wire::Kind::Request)
            begin(*passes[i], asks[i].payload, MayWait::No, monotonic_ms() - asks[i].came,
                  asks[i].connection);
        else
            passes[i]->reply = handle(asks[i].kind, asks[i].payload, MayWait::No);
    for (const auto& pass : passes)
        sign(*pass);
    for (const auto& pass : passes)
        verify(*pass);
    for (std::size_t i = 0; i < asks.size(); ++i)
        asks[i].reply = finish(*passes[i]);
}

void Enclave::begin(Pass& pass, ByteView payload, MayWait may_wait, std::int64_t waited_ms,
                    const policy::PublicKey* connection) {
    pass.began = monotonic_us() - waited_ms * 1000;
    pass.may_wait = may_wait;
    if (const auto status = wire::decode_request(payload, pass.message); !status) {
        pass.reply = refusal(status.error());
        return;
    }
    pass.was_read = true;
    pass.note.connection = connection;
    pass.reply = decide(pass, waited_ms);
}

void Enclave::sign(Pass& pass) {
    if (pass.to_sign.key)
        pass.signature = curve_->sign(pass.to_sign.key->private_key, pass.note.signed_digest);
}

void Enclave::verify(Pass& pass) {
    if (pass.to_sign.key && pass.signature)
        if (const auto status = may_leave(*pass.to_sign.key, pass.note.signed_digest, *pass.signature);
            !status)
            pass.signature = std::unexpected(status.error());
}

std::optional<wire::Reply> Enclave::finish(Pass& pass) {
    if (pass.to_sign.key)
        pass.reply = pass.signature
                         ? std::visit(
                               [&](const auto& typed) -> wire::Reply {
                                   if constexpr (requires { signed_reply(pass, typed, *pass.signature); })
                                       return signed_reply(pass, typed, *pass.signature);
                                   return refusal({Code::Internal, "this is not what is signed"});
                               },
                               *pass.operation)
                         : refusal(pass.signature.error());
    if (!pass.reply || !pass.was_read)
        return std::move(pass.reply);
    wire::Reply& reply = *pass.reply;
    if (pass.decides && reply.status != wire::kNeeds && (reply.status < 500 || pass.note.changed))
        add_receipt(pass.digest, pass.note, reply);
    note_request(pass.message, pass.note, reply, pass.may_wait, monotonic_us() - pass.began);
    return std::move(pass.reply);
}

std::optional<wire::Reply> Enclave::decide(Pass& pass, std::int64_t waited_ms) {
    const wire::Request& message = pass.message;
    if (message.deadline_ms != 0 && waited_ms >= message.deadline_ms)
        return refusal({Code::EnclaveTimeout, "the request waited past its deadline and was not begun"});
    for (std::size_t i = 0; i < message.headers.size(); ++i)
        for (std::size_t j = 0; j < i; ++j)
            if (message.headers[i].name == message.headers[j].name)
                return refusal(
                    {Code::BadRequest, "a content or signature header stands twice; send it once"});
    if (manifest() == nullptr)
        return refusal({Code::ManifestMissing, "the enclave has no manifest yet; try again in a moment"});
    // Long bodies take milliseconds to read: not on a thread that signs for others.
    if (pass.may_wait == MayWait::No && message.body.size() > kMostReadAtOnce)
        return std::nullopt;
    // What is only looked at is no decision.
    if (message.method != "POST")
        return answer(pass);
    if (!receipts_->has_room())
        return refusal(
            {Code::Overloaded, "the gateway has not stored this enclave's receipts; its log says why"});
    pass.decides = true;
    pass.digest = trust::request_digest(message.method, message.authority, message.path, message.has_query,
                                        message.query, header(message, "content-type"), message.body);
    return answer(pass);
}

std::optional<wire::Reply> Enclave::answer(Pass& pass) {
    const wire::Request& message = pass.message;
    const trust::Manifest* m = manifest();
    if (!m->authorities.empty()) {
        bool known = false;
        for (const auto& authority : m->authorities)
            known = known || authority == message.authority;
        if (!known)
            return refusal(
                {Code::WrongAuthority, "the manifest does not list the host name that the request is for"});
    }
    const UnixMs now = clock_.now();
    auto signature = policy::check_request_signature(
        {message.method, message.authority, message.path, message.query, message.has_query,
         header(message, "content-type"), header(message, "content-digest"),
         header(message, "signature-input"), header(message, "signature"), message.body},
        now);
    if (!signature)
        return refusal(signature.error());
    pass.request_signature = std::move(*signature);
    thread_local json::Document scratch;
    const api::Request parts{
        message.method,       message.path, message.query, message.has_query, header(message, "content-type"),
        as_text(message.body)};
    auto operation = api::parse_operation(parts, scratch);
    if (!operation) {
        if (operation.error().code == Code::MissingField && api::is_legacy_path(message.path)) {
            wire::Reply reply;
            reply.status = 404;
            reply.content_type = wire::ContentType::Text;
            reply.body = api::kLegacyMissing;
            return reply;
        }
        return refusal(operation.error());
    }
    pass.operation.emplace(std::move(*operation));
    pass.note.kind = kind_of(*pass.operation);
    const Asked asked{message,     pass.may_wait, now,         forgotten_, pass.request_signature,
                      pass.digest, pass.note,     pass.to_sign};
    return std::visit([&](const auto& typed) { return run(asked, typed); }, *pass.operation);
}

} // namespace redoubt::enclave
