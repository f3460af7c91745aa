// SPDX-License-Identifier: Apache-2.0
#include "gateway/web3signer.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "ethereum/address.h"
#include "gateway/rpc_message.h"

#include <set>

namespace redoubt::gateway {

namespace {

constexpr std::string_view kPublicKeys = "/api/v1/eth1/publicKeys", kSign = "/api/v1/eth1/sign/",
                           kUpcheck = "/upcheck", kHealthcheck = "/healthcheck", kReload = "/reload",
                           kApi = "/api/v1/";

bool is_get(const net::HttpRequest& request) noexcept {
    return request.method == "GET" || request.method == "HEAD";
}

net::HttpResponse wrong_method(FixedText text) {
    return net::HttpResponse::error(Code::MethodNotAllowed, text.view());
}

net::HttpResponse refusal(const Error& error) {
    auto response = net::HttpResponse::error(error);
    if (response.status == 503)
        response.headers.push_back({"retry-after", "1"});
    return response;
}

// 128 hex digits of either case, with or without 0x.
std::optional<crypto::PublicKey> parse_identifier(std::string_view text) {
    if (text.starts_with("0x"))
        text.remove_prefix(2);
    crypto::PublicKey key{};
    if (!from_hex_exact(text, key))
        return std::nullopt;
    return key;
}

std::optional<std::string> text_of(const json::Value& object, std::string_view name) {
    const auto member = object.get(name);
    if (!member || !member->is_string())
        return std::nullopt;
    return std::string(member->text());
}

// {"data": "0x…"}, and no more.
Result<std::string> data_of(const net::HttpRequest& request) {
    json::Document document;
    REDOUBT_TRY(const json::Value body, document.parse(as_text(request.body)));
    REDOUBT_CHECK(json::check_members(body, {"data"}));
    const auto data = text_of(body, "data");
    if (!data)
        return fail(Code::MissingField, "the body needs data: 0x and the bytes in hexadecimal");
    if (!from_hex0x(*data))
        return fail(Code::InvalidField, "data must be 0x and hexadecimal digits of whole bytes");
    return *data;
}

} // namespace

// A list of public keys on its way.
struct Web3Signer::List {
    Call call;
    std::vector<KeyBook::Entry> entries;
    std::vector<std::optional<crypto::PublicKey>> keys;
    std::size_t next = 0, in_work = 0;
    bool running = false, answered = false;
};

Web3Signer::Web3Signer(net::EventLoop& loop, KeyBook& keys, Serve ask_enclave, std::function<Status()> reload)
    : loop_(loop), keys_(keys), ask_enclave_(std::move(ask_enclave)), reload_(std::move(reload)) {}

Web3Signer::~Web3Signer() = default;

template<class F>
auto Web3Signer::guarded(F done) {
    return [there = std::weak_ptr(alive_), done = std::move(done)]<class... Args>(Args&&... args) mutable {
        if (!there.expired())
            done(std::forward<Args>(args)...);
    };
}

bool Web3Signer::takes(const net::HttpRequest& request) noexcept {
    return request.path == kUpcheck || request.path == kHealthcheck || request.path == kReload ||
           request.path.starts_with(kApi);
}

void Web3Signer::serve(Call call) {
    const net::HttpRequest& request = call.request;
    if (request.has_query)
        return call.respond(
            net::HttpResponse::error(Code::UnknownField, "this route takes no query; remove it"));
    if (request.path.starts_with(kSign)) {
        if (request.method != "POST")
            return call.respond(wrong_method("this route takes POST"));
        const std::string identifier = request.path.substr(kSign.size());
        return sign(std::move(call), identifier);
    }
    if (request.path == kReload && request.method == "POST")
        return reload(std::move(call));
    if (request.path != kUpcheck && request.path != kHealthcheck && request.path != kReload &&
        request.path != kPublicKeys)
        return call.respond(net::HttpResponse::error(
            Code::NotFound, "there is no such route; docs/web3signer.md lists those of web3signer's"));
    if (!is_get(request))
        return call.respond(request.path == kReload ? wrong_method("this route takes GET and POST")
                                                    : wrong_method("this route takes GET"));
    if (request.path == kUpcheck)
        return call.respond(net::HttpResponse::text(200, "OK"));
    if (request.path == kHealthcheck)
        return health(std::move(call));
    if (request.path == kPublicKeys)
        return public_keys(std::move(call));
    // How the last reload went.
    std::string body;
    json::Writer writer(body);
    constexpr std::string_view kStates[] = {"idle", "running", "completed", "failed"};
    writer.begin_object()
        .member("status", kStates[static_cast<std::size_t>(last_reload_.state)])
        .key("lastOperationTime");
    last_reload_.at == 0 ? writer.null() : writer.string(to_iso8601(last_reload_.at));
    writer.key("lastError");
    last_reload_.error.empty() ? writer.null() : writer.string(last_reload_.error);
    writer.end_object();
    call.respond(net::HttpResponse::json(200, std::move(body)));
}

void Web3Signer::reload(Call call) {
    if (last_reload_.state == Reload::State::Running)
        return call.respond(net::HttpResponse::json(
            409, R"({"status":"running","message":"a reload is under way; GET /reload tells how it went"})"));
    last_reload_ = {Reload::State::Running, system_time_ms(), {}};
    loop_.post(guarded([this] {
        const Status done = reload_();
        last_reload_.state = done ? Reload::State::Completed : Reload::State::Failed;
        last_reload_.at = system_time_ms();
        if (done)
            return;
        last_reload_.error = done.error().text.view(); // what it was about is in the log
        log(LogLevel::Error, "the configuration was not reloaded", {{"why", done.error().describe()}});
    }));
    call.respond(net::HttpResponse::json(
        202,
        R"({"status":"accepted","message":"the configuration is read again; GET /reload tells how it went"})"));
}

void Web3Signer::count_keys() {
    if (monotonic_ms() < count_until_)
        return;
    count_until_ = monotonic_ms() + kCountMs;
    keys_.list(Caller{}, guarded([this](const Result<std::vector<KeyBook::Entry>>& keys) {
                   // More than one list holds are as many as that, at least.
                   const bool many = !keys && keys.error().code == Code::TooLarge;
                   count_ = keys ? keys->size() : many ? KeyBook::kMaxListed : count_;
                   count_errors_ = keys || many ? 0 : 1;
               }));
}

// Up when an enclave signs. The number of keys is told as it was when it was last counted.
void Web3Signer::health(Call call) {
    count_keys();
    auto shared = std::make_shared<Call>(std::move(call));
    ask_enclave_(
        call_for(*shared, "GET", "/healthz", "", guarded([this, shared](const net::HttpResponse& reply) {
            const bool up = reply.status == 200;
            const std::string_view said = up ? "UP" : "DOWN";
            std::string body;
            json::Writer writer(body);
            writer.begin_object().member("status", said).member("outcome", said);
            writer.key("checks").begin_array();
            writer.begin_object().member("id", "enclave-check").member("status", said).end_object();
            writer.begin_object().member("id", "keys-check").member("status", said).key("data");
            writer.begin_object()
                .member("keys-loaded", std::uint64_t{count_})
                .member("error-count", std::uint64_t{count_errors_});
            writer.end_object().end_object().end_array().end_object();
            shared->respond(net::HttpResponse::json(up ? 200 : 503, std::move(body)));
        })));
}

void Web3Signer::public_keys(Call call) {
    if (lists_ >= kMaxLists)
        return call.respond(
            refusal({Code::Overloaded, "too many lists are being made; try again in a second", {}}));
    ++lists_;
    auto list = std::make_shared<List>();
    list->call = std::move(call);
    keys_.list(list->call.caller, guarded([this, list](Result<std::vector<KeyBook::Entry>> keys) {
                   if (!keys) {
                       --lists_;
                       return list->call.respond(refusal(keys.error()));
                   }
                   list->entries = std::move(*keys);
                   list->keys.resize(list->entries.size());
                   go_on(list);
               }));
}

void Web3Signer::go_on(const std::shared_ptr<List>& list) {
    if (list->running || list->answered)
        return;
    list->running = true;
    while (!list->answered && list->next < list->entries.size() && list->in_work < kInWork) {
        const std::size_t index = list->next++;
        const sealed::KeyId& id = list->entries[index].id;
        if (const auto kept = kept_.find(id); kept != kept_.end()) {
            list->keys[index] = kept->second;
            continue;
        }
        ++list->in_work;
        ask_enclave_(call_for(list->call, "GET", "/v1/keys/" + sealed::key_id_text(id), "",
                              guarded([this, list, index](const net::HttpResponse& reply) {
                                  --list->in_work;
                                  described(list, index, reply);
                                  go_on(list);
                              })));
    }
    list->running = false;
    if (list->answered || list->in_work != 0 || list->next < list->entries.size())
        return;
    list->answered = true;
    --lists_;
    std::string body;
    json::Writer writer(body);
    writer.begin_array();
    std::set<crypto::PublicKey> seen; // a key may have been imported twice
    for (const auto& key : list->keys)
        if (key && seen.insert(*key).second)
            writer.string(to_hex0x(*key));
    writer.end_array();
    list->call.respond(net::HttpResponse::json(200, std::move(body)));
}

void Web3Signer::described(const std::shared_ptr<List>& list, std::size_t index,
                           const net::HttpResponse& reply) {
    if (reply.status == 404) // deleted meanwhile
        return;
    const auto refuse = [&](net::HttpResponse response) {
        if (list->answered) // what comes after is kept all the same: a repeat has less to ask for
            return;
        list->answered = true;
        --lists_;
        list->call.respond(std::move(response));
    };
    if (reply.status != 200)
        return refuse(reply);
    json::Document document;
    const auto body = document.parse(as_text(reply.body));
    const auto text = body ? text_of(*body, "public_key") : std::nullopt;
    const auto key = text ? parse_identifier(*text) : std::nullopt;
    if (!key || ethereum::address_of(*key) != list->entries[index].address)
        return refuse(
            refusal({Code::Internal, "the enclave's answer is not about the key that the store lists", {}}));
    if (kept_.size() >= kMaxKept)
        kept_.clear();
    kept_.emplace(list->entries[index].id, *key);
    list->keys[index] = key;
}

void Web3Signer::sign(Call call, std::string_view identifier) {
    const Error unknown{
        Code::UnknownKey, "there is no key with this public key; see /api/v1/eth1/publicKeys", {}};
    const auto public_key = parse_identifier(identifier);
    if (!public_key)
        return call.respond(refusal(unknown));
    if (!is_json_type(call.request.header("content-type")))
        return call.respond(net::HttpResponse::error(Code::UnsupportedMedia,
                                                     "send the body as content-type: application/json"));
    auto data = data_of(call.request);
    if (!data)
        return call.respond(refusal(data.error()));
    const ethereum::Address address = ethereum::address_of(*public_key);
    auto shared = std::make_shared<Call>(std::move(call));
    keys_.find(
        address, guarded([this, shared, unknown, address,
                          data = std::move(*data)](const Result<std::optional<KeyBook::Entry>>& found) {
            if (!found)
                return shared->respond(refusal(found.error()));
            if (!*found)
                return shared->respond(refusal(unknown));
            const sealed::KeyId id = (*found)->id;
            const auto signed_by = [this, shared, address, id](net::HttpResponse reply) {
                if (reply.status == 403 || reply.status == 404)
                    keys_.forget(id);
                if (reply.status != 200)
                    return shared->respond(std::move(reply));
                json::Document document;
                const auto body = document.parse(as_text(reply.body));
                const auto signature = body ? text_of(*body, "signature") : std::nullopt;
                if (!signature || text_of(*body, "address") != ethereum::to_checksum(address))
                    return shared->respond(
                        refusal({Code::Internal, "the store's record of this address is another key's", {}}));
                auto response = net::HttpResponse::text(200, *signature);
                for (auto& header : reply.headers)
                    if (header.name.starts_with("redoubt-receipt"))
                        response.headers.push_back(std::move(header));
                shared->respond(std::move(response));
            };
            ask_enclave_(call_for(*shared, "POST", "/v1/keys/" + sealed::key_id_text(id) + "/sign-data",
                                  R"({"data":")" + data + "\"}", guarded(signed_by)));
        }));
}

} // namespace redoubt::gateway
