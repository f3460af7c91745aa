// SPDX-License-Identifier: Apache-2.0
#include "gateway/rpc.h"

#include "base/clock.h"
#include "base/spare.h"
#include "gateway/clients.h"

#include <algorithm>
#include <charconv>
#include <set>

namespace redoubt::gateway {

namespace {

constexpr int kPerTurn = 32; // calls that one batch begins before others have their turn

// "/rpc/CHAIN_ID" names a chain; the other paths do not.
Result<std::optional<std::uint64_t>> chain_of_path(std::string_view path) {
    constexpr std::string_view kPrefix = "/rpc/";
    if (!path.starts_with(kPrefix))
        return std::nullopt;
    const std::string_view digits = path.substr(kPrefix.size());
    std::uint64_t chain = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), chain);
    if (error != std::errc() || end != digits.data() + digits.size() || chain == 0 || digits[0] == '0')
        return fail(Code::NotFound, "there is no such route; JSON-RPC of a chain is at /rpc/CHAIN_ID");
    return chain;
}

// The first call of a request has been paid for when it was let in; each further one that is not the
// enclave's (those are charged on their way there) is here.
std::optional<RpcFault> too_fast(const Caller& caller) {
    if (!caller.admission || !caller.admission->charge(monotonic_us()))
        return std::nullopt;
    return rpc_fault(Error{
        Code::TooManyRequests, "this client asks more often than its rate allows; send smaller batches", {}});
}

std::string addresses_json(const std::vector<KeyBook::Entry>& keys) {
    std::string out;
    json::Writer writer(out);
    writer.begin_array();
    std::set<ethereum::Address> seen; // a key may have been imported twice
    for (const auto& key : keys)
        if (seen.insert(key.address).second)
            writer.string(to_hex0x(key.address));
    writer.end_array();
    return out;
}

RpcFault forbidden(FixedText text) {
    return rpc_fault(Error{Code::Forbidden, text, {}});
}

// What JSON-RPC's first Ethereum signers answer with; /rpc answers as nodes do.
int status_of(const RpcFault& fault, bool signers_statuses) noexcept {
    if (fault.busy)
        return 503;
    const bool malformed =
        fault.code == kRpcParseError || fault.code == kRpcInvalidRequest || fault.code == kRpcInvalidParams;
    return signers_statuses && malformed ? 400 : 200;
}

net::HttpResponse response_of(std::string_view id, const RpcFault& fault, bool signers_statuses) {
    auto response = net::HttpResponse::json(status_of(fault, signers_statuses), rpc_answer(id, fault));
    if (fault.busy)
        response.headers.push_back({"retry-after", "1"});
    return response;
}

} // namespace

struct JsonRpc::Batch {
    Batch(std::shared_ptr<Held> of, Call asked)
        : held(std::move(of)), call(std::move(asked)), body_size(call.request.body.size()) {
        held->bodies += body_size;
    }
    ~Batch() {
        held->bodies -= body_size;
        held->answers -= bytes;
    }
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;

    std::shared_ptr<Held> held;
    Call call; // the calls view its body
    std::size_t body_size;
    json::Document document;
    RpcBody body;
    RpcPlace place;
    bool signers_statuses = false;

    std::vector<std::string> answers;  // of the calls; empty: none yet, or none is wanted
    std::optional<RpcFault> fault;     // of a call that came alone
    std::vector<net::Header> receipts; // of a call that came alone
    std::vector<std::size_t> listing;  // calls that wait for the list of accounts
    std::size_t next = 0, in_work = 0, bytes = 0;
    bool running = false, scheduled = false, answered = false;
};

JsonRpc::Backends JsonRpc::backends(Serve ask_enclave, NodeClient& nodes, Sender* sender) {
    Backends out;
    out.enclave = std::move(ask_enclave);
    out.has_node = [&nodes](std::uint64_t chain_id) { return nodes.has(chain_id); };
    out.node = [&nodes](std::uint64_t chain_id, std::string method, std::string params,
                        std::string trace_parent, NodeClient::Done done) {
        nodes.call(chain_id, std::move(method), std::move(params), std::move(done), std::move(trace_parent));
    };
    if (sender != nullptr)
        out.send = [sender](const Call& call, std::uint64_t chain_id, std::string transaction,
                            Sender::Done done) {
            sender->send(call, chain_id, std::move(transaction), std::move(done));
        };
    return out;
}

JsonRpc::JsonRpc(net::EventLoop& loop, KeyBook& keys, Backends backends, Settings settings)
    : loop_(loop), keys_(keys), backends_(std::move(backends)), settings_(std::move(settings)) {}

JsonRpc::~JsonRpc() = default;

template<class F>
auto JsonRpc::guarded(F done) {
    return [there = std::weak_ptr(alive_), done = std::move(done)]<class... Args>(Args&&... args) mutable {
        if (!there.expired())
            done(std::forward<Args>(args)...);
    };
}

bool JsonRpc::takes(const net::HttpRequest& request) noexcept {
    if (request.path == "/rpc" || request.path.starts_with("/rpc/"))
        return true;
    return request.method == "POST" && request.path == "/" && looks_like_rpc(as_text(request.body));
}

void JsonRpc::serve(Call call) {
    const net::HttpRequest& request = call.request;
    if (request.method != "POST")
        return call.respond(net::HttpResponse::error(Code::MethodNotAllowed, "JSON-RPC takes POST"));
    if (request.has_query)
        return call.respond(
            net::HttpResponse::error(Code::UnknownField, "this route takes no query; remove it"));
    const auto chain = chain_of_path(request.path);
    if (!chain)
        return call.respond(net::HttpResponse::error(chain.error()));
    // A page in a browser can send other types to other hosts without asking.
    if (!is_json_type(request.header("content-type")))
        return call.respond(net::HttpResponse::error(Code::UnsupportedMedia,
                                                     "send the body as content-type: application/json"));
    const bool signers_statuses = request.path == "/";
    if (request.body.size() > json::Limits().bytes)
        return call.respond(net::HttpResponse::error(Code::TooLarge, "the body is longer than 1 MiB"));
    if (held_->bodies + request.body.size() > kMaxHeldBodies)
        return call.respond(response_of(
            "null",
            rpc_fault(Error{Code::Overloaded, "too many requests are waiting; try again in a second", {}}),
            signers_statuses));

    auto batch = std::make_shared<Batch>(held_, std::move(call));
    batch->signers_statuses = signers_statuses;
    auto body = parse_rpc(batch->document, as_text(batch->call.request.body));
    if (!body)
        return batch->call.respond(response_of("null", body.error(), signers_statuses));
    batch->body = std::move(*body);
    batch->answers.resize(batch->body.calls.size());
    batch->place = {*chain ? *chain : settings_.chain_id, chain->has_value(),
                    [this](std::uint64_t id) { return backends_.has_node && backends_.has_node(id); },
                    settings_.forward, settings_.version};
    run(batch);
}

void JsonRpc::run(const BatchPtr& batch) {
    if (batch->running)
        return;
    batch->running = true;
    const std::size_t count = batch->body.calls.size();
    for (int begun = 0; batch->next < count && batch->in_work < kInWork; ++begun) {
        if (begun == kPerTurn) {
            if (!std::exchange(batch->scheduled, true))
                loop_.post(guarded([this, batch] {
                    batch->scheduled = false;
                    run(batch);
                }));
            break;
        }
        if (batch->call.client_gone()) {
            batch->next = count; // nobody is there to get the answer
            break;
        }
        ++batch->in_work;
        start(batch, batch->next++);
    }
    batch->running = false;
    if (batch->next == count && batch->in_work == 0 && !std::exchange(batch->answered, true))
        respond(batch);
}

void JsonRpc::start(const BatchPtr& batch, std::size_t index) {
    auto plan = plan_rpc(batch->body.calls[index], batch->place);
    if (!plan)
        return finish(batch, index, std::unexpected(std::move(plan).error()));
    if (auto* const result = std::get_if<RpcResult>(&*plan))
        return finish(batch, index, std::move(result->json));
    if (std::holds_alternative<RpcAccounts>(*plan))
        return list(batch, index);
    if (auto* const asked = std::get_if<RpcSign>(&*plan))
        return sign(batch, index, std::move(*asked));
    if (auto* const asked = std::get_if<RpcNative>(&*plan))
        return ask_enclave(batch, index, asked->method, asked->path, asked->body, asked->shape, std::nullopt);
    if (auto* const asked = std::get_if<RpcSend>(&*plan))
        return send(batch, index, std::move(*asked));
    forward(batch, index, std::move(std::get<RpcForward>(*plan)));
}

void JsonRpc::sign(const BatchPtr& batch, std::size_t index, RpcSign plan) {
    const ethereum::Address from = plan.from;
    if (const KeyBook::Entry* const known = keys_.known(from))
        return sign_with(batch, index, plan, KeyBook::Entry(*known));
    keys_.find(from, guarded([this, batch, index,
                              plan = std::move(plan)](Result<std::optional<KeyBook::Entry>> found) mutable {
                   if (!found)
                       return finish(batch, index, std::unexpected(rpc_fault(found.error())));
                   if (!*found)
                       return finish(batch, index,
                                     std::unexpected(rpc_fault(
                                         kRpcServerError, Error{Code::UnknownKey,
                                                                "No unlocked account matches the Sender; "
                                                                "eth_accounts lists those that there are",
                                                                {}})));
                   sign_with(batch, index, plan, **found);
               }));
}

void JsonRpc::sign_with(const BatchPtr& batch, std::size_t index, const RpcSign& plan,
                        const KeyBook::Entry& key) {
    std::string path;
    path.reserve(80); // the longest of these
    path += "/v1/keys/";
    path += sealed::key_id_text(key.id);
    path += '/';
    path += plan.action;
    ask_enclave(batch, index, "POST", path, plan.body, plan.shape, key);
}

void JsonRpc::ask_enclave(const BatchPtr& batch, std::size_t index, std::string_view method,
                          std::string_view path, std::string_view body, RpcShape shape,
                          const std::optional<KeyBook::Entry>& key) {
    Call call = call_for(batch->call, method, path, body,
                         guarded([this, batch, index, shape, key](net::HttpResponse response) {
                             if (!batch->body.batch)
                                 for (auto& header : response.headers)
                                     if (header.name.starts_with("redoubt-receipt"))
                                         batch->receipts.push_back(std::move(header));
                             if (response.status >= 200 && response.status < 300) {
                                 auto result = rpc_result(shape, as_text(response.body),
                                                          key ? std::optional(key->address) : std::nullopt);
                                 net::give_back(std::move(response));
                                 if (!result)
                                     return finish(batch, index, std::unexpected(rpc_fault(result.error())));
                                 return finish(batch, index, std::move(*result));
                             }
                             // The store may say otherwise by now: the key was disabled, say, and there is
                             // another one.
                             if (key && (response.status == 403 || response.status == 404))
                                 keys_.forget(key->id);
                             finish(batch, index, std::unexpected(rpc_fault(response)));
                         }));
    if (batch->body.batch)
        ask_in_turn(std::move(call));
    else
        backends_.enclave(std::move(call));
}

// A call of a batch that an enclave has. Its place is free again when it has been answered, or is gone
// without an answer.
struct JsonRpc::Asked final : Answerer {
    Asked(JsonRpc& its_owner, Respond answered)
        : owner(its_owner), there(its_owner.alive_), respond(std::move(answered)) {
        ++owner.asking_;
    }
    ~Asked() override { leave(); }
    Asked(const Asked&) = delete;
    Asked& operator=(const Asked&) = delete;

    void answer(net::HttpResponse response) override {
        leave();
        respond(std::move(response));
    }
    void leave() {
        if (std::exchange(left, true) || there.expired())
            return;
        --owner.asking_;
        owner.ask_later();
    }

    JsonRpc& owner;
    std::weak_ptr<Alive> there;
    Respond respond;
    bool left = false;
};

// Batches wait here, where waiting is bounded by their bodies, and not in the enclave's queue, which is short
// and for everybody.
void JsonRpc::ask_in_turn(Call call) {
    waiting_.push_back(std::move(call));
    ask_later();
}

void JsonRpc::ask_later() {
    if (waiting_.empty() || std::exchange(going_to_ask_, true))
        return;
    auto ask = guarded([this] {
        going_to_ask_ = false;
        ask_waiting();
    });
    // Those that are refused at once make room at once: others have a turn in between.
    if (asking_now_)
        loop_.post(std::move(ask));
    else
        loop_.defer(std::move(ask));
}

void JsonRpc::ask_waiting() {
    const std::size_t most = backends_.crowded && backends_.crowded() ? kAskingCrowded : kAsking;
    asking_now_ = true;
    for (std::size_t begun = 0; begun < most && asking_ < most && !waiting_.empty(); ++begun) {
        Call call = std::move(waiting_.front());
        waiting_.pop_front();
        call.respond = Respond(make_spare_shared<Asked>(*this, std::move(call.respond)));
        backends_.enclave(std::move(call));
    }
    asking_now_ = false;
}

void JsonRpc::list(const BatchPtr& batch, std::size_t index) {
    if (auto wait = too_fast(batch->call.caller))
        return finish(batch, index, std::unexpected(std::move(*wait)));
    // Once for a batch, however often it asks.
    batch->listing.push_back(index);
    if (batch->listing.size() > 1)
        return;
    keys_.list(batch->call.caller, guarded([this, batch](const Result<std::vector<KeyBook::Entry>>& keys) {
                   std::expected<std::string, RpcFault> answer;
                   if (keys)
                       answer = addresses_json(*keys);
                   else if (keys.error().code == Code::TooLarge)
                       answer = std::unexpected(rpc_fault(kRpcServerError, keys.error()));
                   else
                       answer = std::unexpected(rpc_fault(keys.error()));
                   for (const std::size_t each : std::exchange(batch->listing, {}))
                       finish(batch, each, answer);
               }));
}

void JsonRpc::send(const BatchPtr& batch, std::size_t index, RpcSend plan) {
    const Grant* const grant = batch->call.caller.grant.get();
    if (grant != nullptr && (!grant->may(Operation::Send) || !grant->may_use_chain(plan.chain_id)))
        return finish(batch, index,
                      std::unexpected(forbidden("this client may not send transactions to this chain; see "
                                                "operations and chains in the clients document")));
    if (!backends_.send)
        return finish(batch, index,
                      std::unexpected(rpc_fault(kRpcMethodNotFound,
                                                Error{Code::NotFound,
                                                      "this gateway sends no transactions: its store has no "
                                                      "journal for them; eth_signTransaction signs",
                                                      {}})));
    backends_.send(batch->call, plan.chain_id, std::move(plan.transaction),
                   guarded([this, batch, index](std::expected<Sender::Sent, Sender::Refused> sent) {
                       if (sent)
                           return finish(batch, index, "\"" + sent->hash + "\"");
                       auto& refused = sent.error();
                       if (refused.node)
                           return finish(batch, index,
                                         std::unexpected(RpcFault{refused.node->code, refused.node->message,
                                                                  refused.node->data, false}));
                       if (!refused.body.empty())
                           return finish(batch, index, std::unexpected(rpc_fault_of_body(refused.body)));
                       finish(batch, index, std::unexpected(rpc_fault(refused.error)));
                   }));
}

void JsonRpc::forward(const BatchPtr& batch, std::size_t index, RpcForward plan) {
    const Grant* const grant = batch->call.caller.grant.get();
    if (grant != nullptr && (!grant->may(Operation::RpcForward) || !grant->may_use_chain(plan.chain_id)))
        return finish(batch, index,
                      std::unexpected(forbidden("this client may not ask this chain's nodes; see operations "
                                                "and chains in the clients document")));
    if (auto wait = too_fast(batch->call.caller))
        return finish(batch, index, std::unexpected(std::move(*wait)));
    backends_.node(plan.chain_id, std::move(plan.method), std::move(plan.params), batch->call.trace_parent,
                   guarded([this, batch, index](Result<NodeReply> reply) {
                       if (!reply)
                           return finish(batch, index, std::unexpected(rpc_fault(reply.error())));
                       if (reply->error)
                           return finish(batch, index,
                                         std::unexpected(RpcFault{reply->error->code, reply->error->message,
                                                                  reply->error->data, false}));
                       finish(batch, index, std::move(reply->result));
                   }));
}

void JsonRpc::finish(const BatchPtr& batch, std::size_t index, std::expected<std::string, RpcFault> result) {
    const RpcCall& call = batch->body.calls[index];
    if (!call.notification) {
        const std::size_t more = result ? result->size() : 0;
        if (batch->bytes + more > kMaxAnswer || held_->answers + more > kMaxHeldAnswers)
            result = std::unexpected(rpc_fault(
                kRpcLimitExceeded,
                Error{Code::TooLarge, "the answers are too large together; send smaller batches", {}}));
        std::string& answer = batch->answers[index];
        answer = result ? rpc_answer(call.id, *result) : rpc_answer(call.id, result.error());
        batch->bytes += answer.size();
        held_->answers += answer.size();
        if (!result && !batch->body.batch)
            batch->fault = std::move(result).error();
    }
    --batch->in_work;
    run(batch);
}

void JsonRpc::respond(const BatchPtr& batch) {
    const int status = batch->fault ? status_of(*batch->fault, batch->signers_statuses) : 200;
    auto response = net::HttpResponse::json(status, {});
    Bytes& out = response.body;
    out.reserve(batch->bytes + batch->answers.size() + 2);
    for (const auto& answer : batch->answers) {
        if (answer.empty())
            continue;
        if (batch->body.batch)
            out.push_back(out.empty() ? '[' : ',');
        append(out, as_bytes(answer));
    }
    if (out.empty()) // notifications alone: there is nothing to say
        return batch->call.respond(net::HttpResponse{204, {}, {}});
    if (batch->body.batch)
        out.push_back(']');
    if (status == 503)
        response.headers.push_back({"retry-after", "1"});
    for (auto& header : batch->receipts)
        response.headers.push_back(std::move(header));
    batch->call.respond(std::move(response));
}

} // namespace redoubt::gateway
