// SPDX-License-Identifier: Apache-2.0
// Requests: from the client to an enclave and back. What an enclave needs for one, and what comes of it for
// the store, is router_records.cpp.
#include "base/json.h"
#include "base/log.h"
#include "base/spare.h"
#include "gateway/clients.h"
#include "gateway/deadline.h"
#include "gateway/key_list.h"
#include "gateway/router_job.h"

#include <algorithm>
#include <utility>

namespace redoubt::gateway {

namespace {

constexpr int kSweepMs = 50;
constexpr std::int64_t kReceiptWaitMs = 2'000;     // for receipts before an answer's own
constexpr int kReceiptAgainMs = 5;                 // between looks for them
constexpr int kFirstDeletionMs = 1'000;            // until the first look for keys to be deleted
constexpr std::size_t kMaxForwardedHeader = 8'192; // wire/message.cpp takes no longer one

// What the enclave reads beside the body; it goes there unchanged (design invariant 12).
constexpr std::string_view kForwarded[] = {"content-type", "content-digest", "signature", "signature-input"};

bool forwarded(std::string_view name) noexcept {
    return std::ranges::find(kForwarded, name) != std::ranges::end(kForwarded);
}

bool is_get(const net::HttpRequest& request) noexcept {
    return request.method == "GET" || request.method == "HEAD";
}

// When a request that a limit has no room for may fit, as the enclave tells whom the policy names.
std::optional<std::uint64_t> room_after(std::string_view body) {
    json::Document document;
    const auto root = document.parse(body);
    const auto decision = root ? root->get("decision") : std::nullopt;
    const auto seconds = decision ? decision->get("retry_after_seconds") : std::nullopt;
    return seconds ? seconds->u64() : std::nullopt;
}

net::HttpResponse with_retry_after(net::HttpResponse response) {
    if (response.status == 503)
        response.headers.push_back({"retry-after", "1"});
    if (response.status == http_status(Code::LimitReached))
        if (const auto seconds = room_after(as_text(response.body)))
            response.headers.push_back({"retry-after", std::to_string(*seconds)});
    return response;
}

net::HttpResponse refusal(const Error& error) {
    return with_retry_after(net::HttpResponse::error(error));
}

} // namespace

void Router::Job::encode(Bytes& out, std::int64_t now) const {
    thread_local wire::Request message; // of views, which are gone again; what holds them is used again
    message.headers.clear();
    message.items.clear();
    message.method = request.method;
    message.authority = request.authority;
    message.path = request.path;
    message.query = request.query;
    message.has_query = request.has_query;
    message.deadline_ms = static_cast<std::uint32_t>(std::max<std::int64_t>(1, deadline - now));
    message.principal.host_name = call.caller.name;
    message.request_id = call.request_id;
    message.body = request.body;
    for (const auto& header : request.headers)
        if (forwarded(header.name))
            message.headers.push_back({header.name, header.value});
    for (const auto& item : items)
        message.items.push_back({item.kind, item.name, *item.bytes});
    wire::encode_request(out, message);
}

Router::Router(net::EventLoop& loop, WorkerPool& store_workers, WorkerPool& list_workers, store::Store& store,
               EnclavePool& pool, CredentialKeeper& credentials, ReferenceSecrets& secrets, int deadline_ms,
               ReceiptLog* receipts)
    : loop_(loop), store_workers_(store_workers), list_workers_(list_workers), store_(store), pool_(pool),
      credentials_(credentials), secrets_(secrets), deadline_ms_(deadline_ms),
      counters_(loop, store_workers, store), key_reader_(loop, store_workers, store), receipts_(receipts) {
    timer_ = loop_.after(kSweepMs, [this] { sweep(); });
    deletion_timer_ = loop_.after(kFirstDeletionMs, [this] { delete_due(); });
}

Router::~Router() {
    loop_.cancel(timer_);
    loop_.cancel(deletion_timer_);
    for (auto& [deadline, job] : early_)
        job->early.reset();
}

void Router::handle(Call&& call) {
    const net::HttpRequest& request = call.request;
    if (request.path == "/health")
        return health(call);
    if (request.path == "/healthz")
        return probe(call);
    if (request.path == "/v1/keys" && is_get(request))
        return list_keys(call);
    if (request.path == "/v1/vaults" && is_get(request))
        return list_vaults(call);

    // What the wire format has no room for is refused here, in words.
    std::size_t headers = 0;
    for (const auto& header : request.headers)
        if (forwarded(header.name)) {
            ++headers;
            if (header.value.size() > kMaxForwardedHeader)
                return call.respond(net::HttpResponse::error(
                    Code::HeadersTooLarge, "a content or signature header is longer than 8,192 bytes"));
        }
    if (headers > wire::kMaxHeaders)
        return call.respond(
            net::HttpResponse::error(Code::HeadersTooLarge, "too many content or signature headers"));
    if (request.method.size() > 32)
        return call.respond(net::HttpResponse::error(Code::MethodNotAllowed, "there is no such method"));

    if (load_->jobs >= kMaxJobs || load_->bytes + request.body.size() > kMaxJobBytes)
        return call.respond(
            refusal({Code::Overloaded, "too many requests are waiting; try again in a second"}));

    const auto job = make_spare_shared<Job>(*this, load_, std::move(call));
    const std::int64_t now = monotonic_ms();
    job->deadline = now + deadline_ms_;
    const auto wait = preferred_wait_ms(job->request);
    if (wait && *wait < deadline_ms_) {
        job->deadline = now + *wait;
        job->early = early_.emplace(job->deadline, job.get());
    } else {
        deadlines_.add_last(*job);
    }
    if (may_have_sidecar(job->request.path, as_text(job->request.body)))
        return take_sidecar(job);
    if (job->size > wire::kMaxBody)
        return refuse(job, {Code::TooLarge, "the body is longer than 1 MiB"});
    forward(job, now);
}

// Megabytes of hexadecimal: not on the loop.
void Router::take_sidecar(const JobPtr& job) {
    auto split = std::make_shared<Result<SplitBody>>();
    const bool taken = on_store(
        [job, split] { *split = split_sidecar(as_text(job->request.body)); },
        [this, job, split] {
            if (!*split)
                return refuse(job, split->error());
            job->request.body = to_bytes((*split)->body);
            if ((*split)->sidecar)
                job->sidecar = std::make_shared<const BlobSidecar>(std::move(*(*split)->sidecar));
            if (job->request.body.size() > wire::kMaxBody)
                return refuse(job, {Code::TooLarge, "the body without its sidecar is longer than 1 MiB"});
            forward(job);
        });
    if (!taken)
        refuse(job, {Code::Overloaded, "the gateway has too much waiting work; try again in a second"});
}

void Router::add_network_form(const JobPtr& job, wire::Reply reply) {
    auto wrapped = std::make_shared<Result<std::string>>();
    auto kept = std::make_shared<wire::Reply>(std::move(reply));
    const bool taken =
        on_store([job, wrapped, kept] { *wrapped = with_network_transaction(kept->body, *job->sidecar); },
                 [this, job, wrapped, kept] {
                     if (!*wrapped)
                         return refuse(job, wrapped->error());
                     kept->body = std::move(**wrapped);
                     answer(job, *kept);
                 });
    if (!taken)
        refuse(job, {Code::Overloaded, "the gateway has too much waiting work; try again in a second"});
}

// The AWS sample's health check says nothing of enclaves; this one does, by its status.
void Router::health(const Call& call) {
    const auto& request = call.request;
    const auto& respond = call.respond;
    if (!is_get(request))
        return respond(net::HttpResponse::error(Code::MethodNotAllowed, "this route takes GET"));
    if (pool_.counts().usable == 0)
        return respond(
            refusal({Code::EnclaveUnavailable, "no enclave is able to sign; try again in a second"}));
    respond(net::HttpResponse::json(200, R"({"status":"healthy"})"));
}

void Router::probe(const Call& call) {
    const auto& request = call.request;
    const auto& respond = call.respond;
    if (!is_get(request))
        return respond(net::HttpResponse::error(Code::MethodNotAllowed, "this route takes GET"));
    // A load balancer asks here whether to send requests at all: however many wait, an enclave that signs is
    // healthy.
    const auto links = pool_.usable();
    if (links.empty())
        return respond(
            refusal({Code::EnclaveUnavailable, "no enclave is able to sign; try again in a second"}));
    const auto link =
        *std::ranges::min_element(links, {}, [](const auto& one) { return one->outstanding(); });
    link->send(
        wire::Kind::Probe, [](Bytes&) {},
        [this, respond](const Result<wire::Reply>& reply) {
            const auto status = status_of(reply);
            if (!status)
                return respond(refusal({status.error().code, status.error().text}));
            const auto counts = pool_.counts();
            std::string body;
            json::Writer(body)
                .begin_object()
                .member("status", pool_.ready() ? "healthy" : "no vault is open")
                .key("enclaves")
                .begin_object()
                .member("total", std::uint64_t{counts.total})
                .member("usable", std::uint64_t{counts.usable})
                .member("vault_open", std::uint64_t{counts.vault_open})
                .end_object()
                .key("probe")
                .raw(reply->body)
                .end_object();
            respond(with_retry_after(net::HttpResponse::json(pool_.ready() ? 200 : 503, std::move(body))));
        });
}

void Router::list_keys(const Call& call) {
    const auto& request = call.request;
    const auto& respond = call.respond;
    auto page = parse_key_listing(request.has_query ? std::string_view(request.query) : std::string_view());
    if (!page)
        return respond(net::HttpResponse::error(page.error()));
    auto found = std::make_shared<Result<store::KeyPage>>();
    const bool taken = on(
        list_workers_,
        [&store = store_, found, asked = *page] {
            *found = store.list_keys(asked.filter, asked.after, asked.limit);
        },
        [found, respond, grant = call.caller.grant] {
            if (!*found)
                return respond(refusal(found->error()));
            // A page may be short: what is not the client's is not told.
            if (grant)
                std::erase_if((*found)->keys, [&](const store::StoredKey& key) {
                    return !grant->may_use(key.head.id, key.head.address);
                });
            respond(net::HttpResponse::json(200, key_page_json(**found)));
        });
    if (!taken)
        respond(refusal({Code::Overloaded, "the store has too much waiting work; try again in a second"}));
}

// The gateway's word, as the list of keys.
void Router::list_vaults(const Call& call) {
    const auto& request = call.request;
    const auto& respond = call.respond;
    if (request.has_query)
        return respond(net::HttpResponse::error(Code::UnknownField, "this route knows no query"));
    std::string body;
    json::Writer writer(body);
    writer.begin_object().key("vaults").begin_array();
    for (const auto& view : pool_.vault_list()) {
        const auto vault = sealed::decode_vault(*view.record);
        if (!vault)
            continue;
        writer.begin_object()
            .member("vault_id", view.id)
            .member("vault_commitment", to_hex(vault->commitment))
            .member("epoch", vault->epoch)
            .member("created", to_iso8601(vault->created))
            .member("enclaves_open", std::uint64_t{view.open})
            .key("kms_keys")
            .begin_array();
        for (const auto& wrap : vault->wraps)
            writer.string(wrap.kms_key_arn);
        writer.end_array().end_object();
    }
    writer.end_array().end_object();
    respond(net::HttpResponse::json(200, std::move(body)));
}

void Router::forward(const JobPtr& job) {
    forward(job, monotonic_ms());
}

void Router::forward(const JobPtr& job, std::int64_t now) {
    if (job->answered)
        return;
    if (job->call.client_gone()) { // nobody is there to get an answer
        job->answered = true;
        return;
    }
    if (now >= job->deadline)
        return expire(job);
    if (job->inside)
        return forward_inside(job);
    const auto picked = link_for(job);
    job->link.reset();
    if (!picked)
        return refuse(job, picked.error());
    const auto& link = *picked;
    if (read_record_first(job, link))
        return;
    ++job->attempts;
    if (job->to_sign_with)
        link->held_keys().use(*job->to_sign_with);
    job->holder = link;
    link->send(
        wire::Kind::Request, [&](Bytes& out) { job->encode(out, now); }, EnclaveLink::Callback(job));
}

void Router::replied(const JobPtr& job, Result<wire::Reply>& reply) {
    if (reply && receipts_ != nullptr)
        take_receipts(*receipts_, *reply);
    if (reply && answer_at_once(job, *reply))
        return;
    if (reply)
        take_decision(job, *reply);
    if (job->answered) {
        // Too late for the client, but what the enclave made or changed is stored, and a repeat finds it.
        if (reply && !reply->records.empty() && reply->records.front().kind == wire::ItemKind::Counters)
            store_counters(job, std::move(*reply));
        else if (reply && !reply->records.empty())
            store_records(job, std::move(*reply));
        return;
    }
    if (!reply) {
        // Nothing that an enclave does is seen before it answers: the request may go to another one.
        job->link.reset();
        job->lost = true;
        if (job->attempts < kMaxAttempts)
            return forward(job);
        return refuse(job, reply.error());
    }
    if (reply->status == wire::kNeeds)
        return supply(job, std::move(reply->needs));
    if (!reply->records.empty() && reply->records.front().kind == wire::ItemKind::Counters)
        return store_counters(job, std::move(*reply));
    if (!reply->records.empty())
        return store_records(job, std::move(*reply));
    if (reply->status == http_status(Code::RecordStale) && read_again(job, *reply))
        return forward(job);
    if (reply->status == http_status(Code::LimitsElsewhere) && !job->key_id.empty()) {
        const auto status = status_of(*reply);
        if (!status && status.error().code == Code::LimitsElsewhere && count_elsewhere(job))
            return;
    }
    if (job->sidecar && reply->status == 200)
        return add_network_form(job, std::move(*reply));
    answer(job, *reply);
}

void Router::answer(const JobPtr& job, const wire::Reply& reply) {
    answer(job, reply, job->receipt, job->receipt_head);
}

// With a receipt, when that is written; all that are ready in this turn share a write.
void Router::answer(const JobPtr& job, const wire::Reply& reply, ByteView receipt, ByteView receipt_head) {
    if (std::exchange(job->answered, true))
        return;
    auto response = reply.content_type == wire::ContentType::Text
                        ? net::HttpResponse::text(reply.status, reply.body)
                        : net::HttpResponse::json(reply.status, reply.body);
    if (const auto tag = job->link ? pool_.tag_of(*job->link) : std::string_view(); !tag.empty())
        response.headers.add("redoubt-enclave", tag);
    if (!receipt.empty())
        append_base64(response.headers.add("redoubt-receipt", {}).value, receipt);
    if (!receipt_head.empty()) {
        if (!std::ranges::equal(receipt_head, head_shown_)) { // one serves many answers
            head_text_ = to_base64(receipt_head);
            head_shown_ = to_bytes(receipt_head);
        }
        response.headers.add("redoubt-receipt-head", head_text_);
    }
    if (receipts_ == nullptr || receipt.empty())
        return job->call.respond(with_retry_after(std::move(response)));
    job->receipt_sequence = trust::receipt_sequence(receipt);
    ready_.push_back({job, std::move(response), monotonic_ms() + kReceiptWaitMs});
    if (!std::exchange(flushing_, true))
        loop_.defer([this, alive = std::weak_ptr<Alive>(alive_)] {
            if (!alive.expired())
                flush();
        });
}

// An answer whose receipt is not written is not given: the log is what the service can be held to. A receipt
// may have to wait for one before it, whose answer is still on its way, or was lost and comes with the next
// that the pool asks for.
void Router::flush() {
    flushing_ = false;
    const auto status = receipts_->write();
    const std::int64_t now = monotonic_ms();
    std::vector<Ready> waiting;
    std::vector<Ready> due = std::exchange(ready_, std::exchange(ready_room_, {}));
    for (auto& each : due) {
        const auto& sequence = each.job->receipt_sequence;
        const auto through = receipts_->through(each.job->receipt_chain);
        if (sequence && through && *through >= *sequence)
            each.job->call.respond(with_retry_after(std::move(each.response)));
        else if (status && now < each.until)
            waiting.push_back(std::move(each));
        else
            each.job->call.respond(
                refusal({Code::StoreFailed, "the decision's receipt cannot be written to the "
                                            "log; the gateway's log says why"}));
    }
    if (!status)
        log(LogLevel::Error, "the log of receipts cannot be written; nothing is answered until it can",
            {{"why", status.error().text.view()}, {"context", status.error().context}});
    due.clear();
    ready_room_ = std::move(due);
    // An answer may have brought others to this while it was given.
    ready_.insert(ready_.begin(), std::make_move_iterator(waiting.begin()),
                  std::make_move_iterator(waiting.end()));
    // The next answer that comes looks again, and this does where none comes.
    if (!ready_.empty() && !std::exchange(looking_again_, true))
        loop_.after(kReceiptAgainMs, [this, alive = std::weak_ptr<Alive>(alive_)] {
            if (alive.expired())
                return;
            looking_again_ = false;
            flush();
        });
}

void Router::refuse(const JobPtr& job, const Error& error) {
    if (std::exchange(job->answered, true))
        return;
    // Clients must not be able to fill the log.
    constexpr std::int64_t kLogEveryMs = 1'000;
    const std::int64_t now = monotonic_ms();
    const bool ours =
        error.code == Code::StoreFailed || error.code == Code::Internal || error.code == Code::AwsRefused;
    if (ours && now - failure_logged_at_ >= kLogEveryMs && (failure_logged_at_ = now) != 0)
        log(LogLevel::Error, "a request failed",
            {{"code", code_name(error.code)}, {"why", error.text.view()}, {"context", error.context}});
    job->call.respond(refusal(error));
}

void Router::sweep() {
    timer_ = loop_.after(kSweepMs, [this] { sweep(); });
    const std::int64_t now = monotonic_ms();
    while (!early_.empty() && early_.begin()->first <= now) {
        const auto job = early_.begin()->second->shared_from_this();
        early_.erase(early_.begin());
        job->early.reset();
        expire(job);
    }
    while (deadlines_.after != &deadlines_) {
        const auto job = static_cast<Job*>(deadlines_.after)->shared_from_this();
        if (!job->answered && job->deadline > now)
            return;
        job->leave();
        expire(job);
    }
}

void Router::expire(const JobPtr& job) {
    if (job->answered)
        return;
    if (job->attempts == 0 && !job->lost)
        return refuse(job, {Code::EnclaveTimeout, "the request took too long; it was not signed"});
    refuse(job, {Code::EnclaveTimeout, "the request took too long; nothing says whether it was signed"});
}

bool Router::on_store(std::function<void()> work, std::function<void()> done) {
    return on(store_workers_, std::move(work), std::move(done));
}

bool Router::on(WorkerPool& workers, std::function<void()> work, std::function<void()> done) {
    return workers.submit([alive = std::weak_ptr<Alive>(alive_), &loop = loop_, work = std::move(work),
                           done = std::move(done)]() mutable {
        work();
        work = nullptr; // what it holds belongs to the loop: it must not die here after `done` ran there
        loop.post([alive, done = std::move(done)] {
            if (!alive.expired())
                done();
        });
    });
}

} // namespace redoubt::gateway
