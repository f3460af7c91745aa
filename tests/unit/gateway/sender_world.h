// SPDX-License-Identifier: Apache-2.0
// A chain with a node, an enclave that signs with a key of the test's own, and a sender between them with a
// real journal: all but the sender can be told to fail.
#pragma once

#include "api/operation.h"
#include "crypto/secp256k1.h"
#include "gateway/sender.h"
#include "net/http_server.h"
#include "sealed/key_record.h"
#include "store/transaction_journal.h"
#include "support.h"

#include <future>
#include <set>

namespace redoubt::tests {

using ethereum::Address;

// A node with one account that matters: mempool and chain, as JSON-RPC shows them.
class FakeChain {
  public:
    struct Mined {
        Hash32 hash;
        std::uint64_t block;
    };

    explicit FakeChain() {
        const auto asked = *net::parse_endpoint("tcp:127.0.0.1:0");
        auto listener = *net::listen_on(asked);
        url = "http://127.0.0.1:" + std::to_string(net::local_endpoint(asked, listener)->port);
        server_ = std::make_unique<net::HttpServer>(
            loop_, std::move(listener), nullptr, net::HttpServerOptions{},
            [this](const net::HttpRequest& request, const net::HttpServer::Responder& respond) {
                respond(answer(as_text(request.body)));
            });
        thread_ = std::thread([this] { loop_.run(); });
    }
    ~FakeChain() {
        loop_.stop();
        thread_.join();
    }

    std::string url;
    std::atomic<bool> down{false}, automine{false}, base_fee{true};
    std::atomic<int> estimates{0};
    // A refusal for a raw transaction; empty: none.
    void refuse_when(std::function<std::string(const ethereum::Transaction&)> rule) {
        const std::lock_guard lock(mutex_);
        rule_ = std::move(rule);
    }
    void estimate_fails(const std::string& error) {
        const std::lock_guard lock(mutex_);
        estimate_error_ = error;
    }

    // All of the mempool without a gap becomes a block.
    void mine() {
        const std::lock_guard lock(mutex_);
        mine_locked();
    }
    void lose_mempool() {
        const std::lock_guard lock(mutex_);
        pool_.clear();
    }
    void go_back(std::size_t transactions) {
        const std::lock_guard lock(mutex_);
        mined_.resize(mined_.size() - std::min(transactions, mined_.size()));
    }
    // Another program sends with the same key.
    void use_nonce_elsewhere() {
        const std::lock_guard lock(mutex_);
        pool_.erase(mined_.size());
        mined_.push_back({Hash32{0xee}, ++block_});
    }
    std::size_t mined() const {
        const std::lock_guard lock(mutex_);
        return mined_.size();
    }
    std::size_t pooled() const {
        const std::lock_guard lock(mutex_);
        return pool_.size();
    }
    // Every raw transaction that ever came, by nonce.
    std::map<std::uint64_t, std::set<Hash32>> seen() const {
        const std::lock_guard lock(mutex_);
        return seen_;
    }
    std::vector<Hash32> order() const {
        const std::lock_guard lock(mutex_);
        std::vector<Hash32> out;
        for (const auto& each : mined_)
            out.push_back(each.hash);
        return out;
    }
    ethereum::Transaction transaction(const Hash32& hash) const {
        const std::lock_guard lock(mutex_);
        return bodies_.at(hash);
    }

  private:
    void mine_locked() {
        for (auto next = pool_.find(mined_.size()); next != pool_.end(); next = pool_.find(mined_.size())) {
            mined_.push_back({next->second, block_ + 1});
            pool_.erase(next);
        }
        ++block_;
    }
    std::uint64_t pending() const {
        std::uint64_t out = mined_.size();
        while (pool_.contains(out))
            ++out;
        return out;
    }

    net::HttpResponse answer(std::string_view body) {
        if (down)
            return net::HttpResponse::text(503, "down");
        const std::lock_guard lock(mutex_);
        json::Document document;
        const auto root = document.parse(body);
        std::string out;
        json::Writer writer(out);
        writer.begin_object().member("jsonrpc", "2.0").member("id", *root->get("id")->u64());
        std::vector<json::Value> params;
        const auto list = *root->get("params");
        for (const auto& each : list)
            params.push_back(each);
        const auto method = root->get("method")->text();
        const auto result = reply(method, params);
        const bool refused = result.starts_with("!");
        if (refused)
            writer.key("error")
                .begin_object()
                .key("code")
                .number(std::int64_t{-32000})
                .member("message", std::string_view(result).substr(1));
        if (refused)
            writer.end_object();
        else
            writer.key("result").raw(result);
        writer.end_object();
        return net::HttpResponse::json(200, std::move(out));
    }

    std::string reply(std::string_view method, const std::vector<json::Value>& params) {
        const auto quantity = [](std::uint64_t n) { return "\"" + ethereum::to_quantity(n) + "\""; };
        if (method == "eth_getTransactionCount")
            return quantity(params[1].text() == "pending" ? pending() : mined_.size());
        if (method == "eth_blockNumber")
            return quantity(block_);
        if (method == "eth_estimateGas") {
            ++estimates;
            return estimate_error_.empty() ? quantity(50'000) : "!" + estimate_error_;
        }
        if (method == "eth_feeHistory")
            return base_fee ? R"({"baseFeePerGas":["0x64","0x64"]})" : "!the method does not exist";
        if (method == "eth_maxPriorityFeePerGas")
            return base_fee ? quantity(7) : "!the method does not exist";
        if (method == "eth_gasPrice")
            return quantity(107);
        if (method == "eth_sendRawTransaction")
            return take(*from_hex0x(params[0].text()));
        if (method == "eth_getTransactionReceipt")
            return receipt(params[0].text());
        return "!unknown method";
    }

    std::string take(const Bytes& raw) {
        const auto hash = ethereum::transaction_hash(raw);
        const auto read = ethereum::parse_signed_transaction(raw);
        if (!read)
            return "!rlp: cannot be read";
        const auto& t = read->transaction;
        seen_[t.nonce].insert(hash);
        bodies_[hash] = t;
        if (const std::string why = rule_ ? rule_(t) : ""; !why.empty())
            return "!" + why;
        if (t.nonce < mined_.size())
            return "!nonce too low";
        if (const auto there = pool_.find(t.nonce); there != pool_.end()) {
            if (there->second == hash)
                return "!already known";
            if (bodies_[there->second].max_fee_per_gas >= t.max_fee_per_gas)
                return "!replacement transaction underpriced";
        }
        pool_[t.nonce] = hash;
        if (automine)
            mine_locked();
        return "\"" + to_hex0x(hash) + "\"";
    }

    std::string receipt(std::string_view hash) const {
        for (const auto& each : mined_)
            if (to_hex0x(each.hash) == hash)
                return R"({"transactionHash":")" + std::string(hash) + R"(","blockNumber":")" +
                       ethereum::to_quantity(each.block) + R"(","status":"0x1"})";
        return "null";
    }

    mutable std::mutex mutex_;
    std::map<std::uint64_t, Hash32> pool_;
    std::vector<Mined> mined_;
    std::map<std::uint64_t, std::set<Hash32>> seen_;
    std::map<Hash32, ethereum::Transaction> bodies_;
    std::uint64_t block_ = 0;
    std::function<std::string(const ethereum::Transaction&)> rule_;
    std::string estimate_error_;
    net::EventLoop loop_;
    std::unique_ptr<net::HttpServer> server_;
    std::thread thread_;
};

// A journal that can be told to fail.
class UnsureJournal final : public store::TransactionJournal {
  public:
    explicit UnsureJournal(std::unique_ptr<store::TransactionJournal> inner) : inner_(std::move(inner)) {}
    std::atomic<bool> fails{false};
    std::atomic<int> slow_ms{0};

    Result<std::vector<Added>> add(std::span<const store::JournalEntry> entries) override {
        std::this_thread::sleep_for(std::chrono::milliseconds(slow_ms));
        if (fails && !entries.empty())
            return fail(Code::StoreFailed, "the disk is full");
        return inner_->add(entries);
    }
    Result<std::vector<bool>> update(std::span<const store::JournalEntry> entries) override {
        return inner_->update(entries);
    }
    Result<std::optional<store::JournalEntry>> get(const store::TransactionId& id) override {
        return inner_->get(id);
    }
    Result<std::optional<store::JournalEntry>> find(const Hash32& key) override { return inner_->find(key); }
    Result<std::optional<store::JournalEntry>> at(const store::OpenPosition& at) override {
        return inner_->at(at);
    }
    Result<std::vector<store::JournalEntry>> open(std::optional<store::OpenPosition> after,
                                                  std::size_t limit) override {
        return inner_->open(after, limit);
    }
    Result<std::uint64_t> settled_nonces(std::uint64_t chain, const Address& account) override {
        return inner_->settled_nonces(chain, account);
    }
    Result<store::JournalPage> list(const store::JournalFilter& filter,
                                    std::optional<store::JournalPosition> before,
                                    std::size_t limit) override {
        return inner_->list(filter, before, limit);
    }
    Result<std::size_t> prune(UnixMs before, std::size_t limit) override {
        return inner_->prune(before, limit);
    }
    bool shared() const noexcept override { return inner_->shared(); }

  private:
    std::unique_ptr<store::TransactionJournal> inner_;
};

inline constexpr std::uint64_t kChainId = 31337;

struct SenderKey {
    crypto::Secp256k1 curve{Hash32{1}};
    Secret secret = Secret::copy_of(Bytes(32, 0x11));
    Address address = ethereum::address_of(*curve.public_key(secret));
};

// Gateway parts around one Sender; `restart` is kill -9: what was in memory is gone.
class SenderWorld {
  public:
    explicit SenderWorld(std::string target, FakeChain& chain,
                         gateway::Sender::Settings settings = {20, 0, 15, ""})
        : chain_(chain), settings_(std::move(settings)), store_(*store::open_store(target)),
          journal(std::make_unique<UnsureJournal>(*store::open_transaction_journal(target))) {
        sealed::KeyHead head;
        head.id[0] = 9;
        head.address = key.address;
        crypto::SystemRandom random;
        (void)store_->put_key(sealed::seal_key(random.secret(32), head, random.secret(32), random));
        start();
    }
    ~SenderWorld() { stop(); }

    void start() {
        loop_ = std::make_unique<net::EventLoop>();
        workers_ = std::make_unique<WorkerPool>(4, 4'096);
        on_loop_ready_ = std::thread([this] {
            nodes_ = std::make_unique<gateway::NodeClient>(
                *loop_, *workers_, std::vector<gateway::NodeSetting>{{kChainId, chain_.url}}, "");
            keys_ = std::make_unique<gateway::KeyBook>(*loop_, *workers_, *store_);
            sender_ = std::make_unique<gateway::Sender>(
                *loop_, *workers_, *journal, *nodes_, *keys_,
                [this](gateway::Call call) { sign(std::move(call)); }, settings_);
            sender_->start();
            loop_->run();
            sender_.reset();
            keys_.reset();
            nodes_.reset();
        });
    }
    void stop() {
        if (!on_loop_ready_.joinable())
            return;
        loop_->stop();
        on_loop_ready_.join();
        workers_.reset();
        loop_.reset();
    }
    void restart() {
        stop();
        start();
    }

    net::HttpResponse request(std::string method, std::string target, std::string body = {},
                              std::vector<net::Header> headers = {}) {
        return later(std::move(method), std::move(target), std::move(body), std::move(headers)).get();
    }
    std::future<net::HttpResponse> later(std::string method, std::string target, std::string body = {},
                                         std::vector<net::Header> headers = {}) {
        auto promise = std::make_shared<std::promise<net::HttpResponse>>();
        auto future = promise->get_future();
        loop_->post([this, method, target, body, headers, promise] {
            gateway::Call call;
            call.request.method = method;
            const auto mark = target.find('?');
            call.request.path = target.substr(0, mark);
            call.request.has_query = mark != std::string::npos;
            call.request.query = call.request.has_query ? target.substr(mark + 1) : "";
            call.request.body = to_bytes(body);
            call.request.headers = headers;
            if (method == "POST" && call.request.header("content-type").empty())
                call.request.headers.push_back({"content-type", "application/json"});
            call.caller.name = "tester";
            call.respond = [promise](net::HttpResponse response) { promise->set_value(std::move(response)); };
            sender_->serve(std::move(call));
        });
        return future;
    }
    std::string body(const std::string& more = {}) const {
        return R"({"transaction":{"from":")" + to_hex0x(key.address) +
               R"(","to":"0x00000000000000000000000000000000000000aa")" + (more.empty() ? "" : "," + more) +
               "}}";
    }
    net::HttpResponse send(const std::string& more = {}, std::vector<net::Header> headers = {}) {
        return request("POST", "/v1/transactions", body(more), std::move(headers));
    }
    std::string state(const std::string& id) {
        return field(request("GET", "/v1/transactions/" + id), "state");
    }
    static std::string field(const net::HttpResponse& response, std::string_view name) {
        json::Document document;
        const auto root = document.parse(as_text(response.body));
        const auto value = root ? root->get(name) : std::nullopt;
        return !value ? "" : std::string(value->is_string() ? value->text() : value->raw());
    }
    // Of the sender, asked on its loop.
    gateway::Sender::Counts counts() {
        std::promise<gateway::Sender::Counts> out;
        loop_->post([&] { out.set_value(sender_->counts()); });
        return out.get_future().get();
    }
    void drain() {
        std::promise<void> out;
        loop_->post([&] { sender_->drain([&] { out.set_value(); }); });
        out.get_future().get();
    }
    void send_rpc(std::string transaction, gateway::Sender::Done done) {
        loop_->post([this, transaction, done] { sender_->send({}, kChainId, transaction, done); });
    }

    // The refusal of a transaction by the enclave; empty: it signs. On the loop's thread.
    std::function<std::string(const ethereum::Transaction&)> policy;
    std::atomic<int> signatures{0}, sign_ms{0};
    SenderKey key;

  private:
    void sign(gateway::Call call) {
        ++signatures;
        json::Document document;
        const auto root = document.parse(as_text(call.request.body));
        const auto parsed = ethereum::transaction_from_json(*root->get("transaction"));
        if (!parsed || parsed->from != key.address)
            return call.respond(net::HttpResponse::error(Code::BadTransaction, "not this key's"));
        const auto& t = parsed->transaction;
        net::HttpResponse answer;
        if (const std::string why = policy ? policy(t) : ""; !why.empty()) {
            answer = net::HttpResponse::json(403, R"({"error":")" + why + R"(","code":"policy_denied"})");
        } else {
            const auto signature = key.curve.sign(key.secret, ethereum::signing_hash(t));
            answer = net::HttpResponse::json(200, R"({"raw_transaction":")" +
                                                      to_hex0x(ethereum::serialise(t, *signature)) + "\"}");
        }
        if (sign_ms == 0)
            return call.respond(std::move(answer));
        loop_->after(sign_ms, [respond = call.respond, answer] { respond(answer); });
    }

    FakeChain& chain_;
    gateway::Sender::Settings settings_;
    std::unique_ptr<store::Store> store_;

  public:
    std::unique_ptr<UnsureJournal> journal;

  private:
    std::unique_ptr<net::EventLoop> loop_;
    std::unique_ptr<WorkerPool> workers_;
    std::unique_ptr<gateway::NodeClient> nodes_;
    std::unique_ptr<gateway::KeyBook> keys_;
    std::unique_ptr<gateway::Sender> sender_;
    std::thread on_loop_ready_;
};

} // namespace redoubt::tests
