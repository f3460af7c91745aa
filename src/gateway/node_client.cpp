// SPDX-License-Identifier: Apache-2.0
#include "gateway/node_client.h"

#include "base/clock.h"
#include "base/log.h"
#include "gateway/node_reply.h"
#include "net/http_client.h"
#include "net/http_grammar.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <map>
#include <mutex>
#include <utility>

namespace redoubt::gateway {

namespace {

constexpr std::size_t kMaxIdle = 32;              // connections kept to a node
constexpr int kLeastTimeoutMs = 1'000;            // that a node gets, however many there are
constexpr std::uint64_t kMostChainId = INT64_MAX; // the journal's bound

struct Address {
    net::Url url;
    std::string target; // with its query; a secret, it may hold a token
};

// A query is part of the address, as some providers take their token there.
Result<Address> parse_address(std::string_view text) {
    const std::size_t mark = text.find('?');
    auto url = net::parse_url(text.substr(0, mark));
    if (!url) // without its context, which is the address
        return std::unexpected(Error{url.error().code, url.error().text});
    Address out{std::move(*url), {}};
    out.target = out.url.path;
    if (mark != std::string_view::npos)
        out.target += text.substr(mark);
    if (!net::is_origin_form(out.target))
        return fail(Code::Usage, "a node's address has a path or query with characters that none may have");
    return out;
}

// One of a chain's nodes: its address, and the connections that are idle. Thread-safe.
class Node {
  public:
    Node(Address address, const net::TlsContext* tls) : address_(std::move(address)), tls_(tls) {
        endpoint_.kind = net::Endpoint::Kind::Tcp;
        endpoint_.host = address_.url.host;
        endpoint_.port = address_.url.port;
    }

    Result<net::HttpResponse> post(const std::string& body, const std::string& trace, int timeout_ms) {
        if (address_.url.tls && tls_ == nullptr)
            return fail(Code::TlsFailed, "the roots that certify https nodes cannot be read");
        auto client = take();
        net::HttpRequest request;
        request.method = "POST";
        request.target = address_.target;
        request.authority = address_.url.authority();
        request.headers = {{"content-type", "application/json"}, {"accept", "application/json"}};
        if (!trace.empty())
            request.headers.push_back({"traceparent", trace});
        request.body = to_bytes(body);
        auto response = client->send(request, timeout_ms);
        if (response)
            keep(std::move(client));
        return response;
    }

    std::string name() const { return address_.url.authority(); }
    bool rests(std::int64_t now) const noexcept { return now < until_; }
    std::int64_t until() const noexcept { return until_; }
    // True: it has not been resting.
    bool rest(std::int64_t now) noexcept { return until_.exchange(now + NodeClient::kPauseMs) == 0; }
    bool wake() noexcept { return until_.exchange(0) != 0; }

  private:
    std::unique_ptr<net::HttpClient> take() {
        {
            const std::lock_guard lock(mutex_);
            if (!idle_.empty()) {
                auto client = std::move(idle_.back());
                idle_.pop_back();
                return client;
            }
        }
        net::HttpLimits limits;
        limits.body = NodeClient::kMaxReply;
        return std::make_unique<net::HttpClient>(endpoint_, address_.url.tls ? tls_ : nullptr,
                                                 address_.url.host, limits);
    }
    void keep(std::unique_ptr<net::HttpClient> client) {
        const std::lock_guard lock(mutex_);
        if (idle_.size() < kMaxIdle)
            idle_.push_back(std::move(client));
    }

    Address address_;
    net::Endpoint endpoint_;
    const net::TlsContext* tls_;
    std::atomic<std::int64_t> until_{0}; // monotonic: it failed, and is not asked first before
    std::mutex mutex_;
    std::vector<std::unique_ptr<net::HttpClient>> idle_;
};

} // namespace

Result<NodeSetting> parse_node_setting(std::string_view text) {
    constexpr FixedText kForm = "a node is CHAIN_ID=URL, such as 1=http://127.0.0.1:8545";
    NodeSetting out;
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos)
        return fail(Code::Usage, kForm);
    const std::string_view chain = text.substr(0, equals);
    const auto [end, error] = std::from_chars(chain.data(), chain.data() + chain.size(), out.chain_id);
    if (error != std::errc() || end != chain.data() + chain.size() || out.chain_id == 0 || chain[0] == '0' ||
        out.chain_id > kMostChainId)
        return fail(Code::Usage, kForm);
    out.url = text.substr(equals + 1);
    REDOUBT_CHECK(parse_address(out.url));
    return out;
}

struct NodeClient::Impl {
    Impl(net::EventLoop& of, WorkerPool& on) : loop(of), workers(on) {}

    // On a worker. The nodes that do not rest come first, then the one that has rested longest.
    Result<NodeReply> ask(const std::vector<std::unique_ptr<Node>>& nodes, const std::string& method,
                          const std::string& params, const std::string& trace) {
        const std::int64_t deadline = monotonic_ms() + kTimeoutMs;
        std::vector<std::pair<std::int64_t, std::size_t>> order; // until when it rests, and its place
        for (std::size_t i = 0; i < nodes.size(); ++i)
            order.emplace_back(nodes[i]->rests(monotonic_ms()) ? nodes[i]->until() : 0, i);
        std::ranges::sort(order);
        std::optional<Error> failure;
        for (std::size_t i = 0; i < order.size(); ++i) {
            const std::int64_t left = deadline - monotonic_ms();
            if (i > 0 && left <= 0)
                break;
            const auto share = left / static_cast<std::int64_t>(order.size() - i);
            auto reply = ask_one(*nodes[order[i].second], method, params, trace,
                                 static_cast<int>(std::max<std::int64_t>(share, kLeastTimeoutMs)));
            if (reply)
                return reply;
            failure = std::move(reply.error());
        }
        return std::unexpected(std::move(*failure));
    }

    Result<NodeReply> ask_one(Node& node, const std::string& method, const std::string& params,
                              const std::string& trace, int timeout_ms) {
        const std::uint64_t id = next_id++;
        auto response = node.post(node_request(id, method, params), trace, timeout_ms);
        auto reply = response ? read_node_reply(response->status, as_text(response->body), id)
                              : Result<NodeReply>(unavailable(response.error()));
        if (reply) {
            if (node.wake())
                log(LogLevel::Info, "a node answers again", {{"node", node.name()}});
        } else if (node.rest(monotonic_ms())) {
            log(LogLevel::Warning, "a node does not answer",
                {{"node", node.name()}, {"method", method}, {"why", reply.error().describe()}});
        }
        return reply;
    }

    static std::unexpected<Error> unavailable(const Error& error) {
        if (error.code == Code::BadRequest || error.code == Code::TooLarge)
            return fail(Code::NodeRefused, "the node's answer is no HTTP answer, or larger than 16 MiB");
        return fail(Code::NodeUnavailable, "no node of the chain answers; see the gateway's log",
                    std::string(code_name(error.code)) + ": " + std::string(error.text.view()));
    }

    net::EventLoop& loop;
    WorkerPool& workers;
    std::optional<net::TlsContext> tls;
    std::map<std::uint64_t, std::vector<std::unique_ptr<Node>>> chains;
    std::atomic<std::uint64_t> next_id{1};
};

NodeClient::NodeClient(net::EventLoop& loop, WorkerPool& workers, std::vector<NodeSetting> nodes,
                       std::string roots_pem)
    : impl_(std::make_shared<Impl>(loop, workers)) {
    if (!roots_pem.empty())
        if (auto context = net::TlsContext::client(roots_pem, {"http/1.1"}))
            impl_->tls.emplace(std::move(*context));
    for (const auto& setting : nodes)
        if (auto address = parse_address(setting.url)) // parse_node_setting has seen it
            impl_->chains[setting.chain_id].push_back(
                std::make_unique<Node>(std::move(*address), impl_->tls ? &*impl_->tls : nullptr));
}

NodeClient::~NodeClient() = default;

bool NodeClient::has(std::uint64_t chain_id) const noexcept {
    return impl_->chains.contains(chain_id);
}

std::vector<std::uint64_t> NodeClient::chains() const {
    std::vector<std::uint64_t> out;
    for (const auto& [id, nodes] : impl_->chains)
        out.push_back(id);
    return out;
}

void NodeClient::call(std::uint64_t chain_id, std::string method, std::string params, Done done,
                      std::string trace_parent) {
    const auto found = impl_->chains.find(chain_id);
    if (found == impl_->chains.end())
        return done(fail(Code::NotFound, "no node is configured for this chain"));
    // What is under way keeps what it needs; its answer is dropped when the client is gone.
    auto shared_done = std::make_shared<Done>(std::move(done));
    const bool taken =
        impl_->workers.submit([impl = impl_, alive = std::weak_ptr<Alive>(alive_), &nodes = found->second,
                               method = std::move(method), params = std::move(params),
                               trace = std::move(trace_parent), shared_done]() mutable {
            auto reply = std::make_shared<Result<NodeReply>>(impl->ask(nodes, method, params, trace));
            net::EventLoop& loop = impl->loop;
            loop.post([alive = std::move(alive), reply, done_once = std::move(shared_done)] {
                if (!alive.expired())
                    (*done_once)(std::move(*reply));
            });
        });
    if (!taken)
        (*shared_done)(
            fail(Code::Overloaded, "too many calls wait for the chain's node; try again in a second"));
}

} // namespace redoubt::gateway
