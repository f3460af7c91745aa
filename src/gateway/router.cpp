// SPDX-License-Identifier: Apache-2.0
#include "gateway/router.h"

#include "base/json.h"
#include "base/log.h"
#include "gateway/blob_sidecar.h"
#include "gateway/key_list.h"

#include <algorithm>
#include <utility>

namespace redoubt::gateway {

namespace {

constexpr int kSweepMs = 50;
constexpr int kFirstDeletionMs = 1'000, kDeletionMs = 10'000; // between looks for keys to be deleted
constexpr std::size_t kMaxForwardedHeader = 8'192;            // wire/message.cpp takes no longer one

// What the enclave reads beside the body; it goes there unchanged (design invariant 12).
constexpr std::string_view kForwarded[] = {"content-type", "content-digest", "signature", "signature-input"};

bool forwarded(std::string_view name) noexcept {
    return std::ranges::find(kForwarded, name) != std::ranges::end(kForwarded);
}

bool is_get(const net::HttpRequest& request) noexcept {
    return request.method == "GET" || request.method == "HEAD";
}

net::HttpResponse with_retry_after(net::HttpResponse response) {
    if (response.status == 503)
        response.headers.push_back({"retry-after", "1"});
    return response;
}

net::HttpResponse refusal(const Error& error) {
    return with_retry_after(net::HttpResponse::error(error));
}

} // namespace

// A request under way. Ends when it was answered.
struct Router::Job {
    Job(std::shared_ptr<Load> of, net::HttpRequest asked)
        : load(std::move(of)), request(std::move(asked)), size(request.body.size()) {
        ++load->jobs;
        load->bytes += size;
    }
    ~Job() {
        --load->jobs;
        load->bytes -= size;
    }
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;

    std::shared_ptr<Load> load;
    net::HttpRequest request; // its body stays, but for a sidecar
    std::size_t size;         // of the body as it came
    std::shared_ptr<const BlobSidecar> sidecar;
    net::HttpServer::Responder respond;
    std::int64_t deadline = 0; // monotonic
    bool answered = false;
    int attempts = 0, rounds = 0;
    bool read_again = false;           // records, because a newer one was there
    std::shared_ptr<EnclaveLink> link; // the one that asked for more
    std::vector<wire::Reply::Need> needs;
    struct Item {
        wire::ItemKind kind;
        std::string name;
        std::shared_ptr<const Bytes> bytes;
    };
    std::vector<Item> items;

    void encode(Bytes& out, std::int64_t now) const {
        wire::Request message;
        message.method = request.method;
        message.authority = request.authority;
        message.path = request.path;
        message.query = request.query;
        message.has_query = request.has_query;
        message.deadline_ms = static_cast<std::uint32_t>(std::max<std::int64_t>(1, deadline - now));
        message.body = request.body;
        for (const auto& header : request.headers)
            if (forwarded(header.name))
                message.headers.push_back({header.name, header.value});
        for (const auto& item : items)
            message.items.push_back({item.kind, item.name, *item.bytes});
        wire::encode_request(out, message);
    }
};

Router::Router(net::EventLoop& loop, WorkerPool& store_workers, WorkerPool& list_workers, store::Store& store,
               EnclavePool& pool, CredentialKeeper& credentials, ReferenceSecrets& secrets, int deadline_ms)
    : loop_(loop), store_workers_(store_workers), list_workers_(list_workers), store_(store), pool_(pool),
      credentials_(credentials), secrets_(secrets), deadline_ms_(deadline_ms) {
    timer_ = loop_.after(kSweepMs, [this] { sweep(); });
    deletion_timer_ = loop_.after(kFirstDeletionMs, [this] { delete_due(); });
}

Router::~Router() {
    loop_.cancel(timer_);
    loop_.cancel(deletion_timer_);
}

void Router::handle(net::HttpRequest request, net::HttpServer::Responder respond) {
    if (request.path == "/health")
        return health(request, std::move(respond));
    if (request.path == "/healthz")
        return probe(request, std::move(respond));
    if (request.path == "/v1/keys" && is_get(request))
        return list_keys(request, std::move(respond));
    if (request.path == "/v1/vaults" && is_get(request))
        return list_vaults(request, std::move(respond));

    // What the wire format has no room for is refused here, in words.
    std::size_t headers = 0;
    for (const auto& header : request.headers)
        if (forwarded(header.name)) {
            ++headers;
            if (header.value.size() > kMaxForwardedHeader)
                return respond(net::HttpResponse::error(
                    Code::HeadersTooLarge, "a content or signature header is longer than 8,192 bytes"));
        }
    if (headers > wire::kMaxHeaders)
        return respond(
            net::HttpResponse::error(Code::HeadersTooLarge, "too many content or signature headers"));
    if (request.method.size() > 32)
        return respond(net::HttpResponse::error(Code::MethodNotAllowed, "there is no such method"));

    if (load_->jobs >= kMaxJobs || load_->bytes + request.body.size() > kMaxJobBytes)
        return respond(refusal({Code::Overloaded, "too many requests are waiting; try again in a second"}));

    auto job = std::make_shared<Job>(load_, std::move(request));
    job->respond = std::move(respond);
    job->deadline = monotonic_ms() + deadline_ms_;
    deadlines_.push_back(job);
    if (may_have_sidecar(job->request.path, as_text(job->request.body)))
        return take_sidecar(job);
    if (job->size > wire::kMaxBody)
        return refuse(job, {Code::TooLarge, "the body is longer than 1 MiB"});
    forward(job);
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
                     answer(job, std::move(*kept));
                 });
    if (!taken)
        refuse(job, {Code::Overloaded, "the gateway has too much waiting work; try again in a second"});
}

// The AWS sample's health check says nothing of enclaves; this one does, by its status.
void Router::health(const net::HttpRequest& request, net::HttpServer::Responder respond) {
    if (!is_get(request))
        return respond(net::HttpResponse::error(Code::MethodNotAllowed, "this route takes GET"));
    if (pool_.counts().usable == 0)
        return respond(
            refusal({Code::EnclaveUnavailable, "no enclave is able to sign; try again in a second"}));
    respond(net::HttpResponse::json(200, R"({"status":"healthy"})"));
}

void Router::probe(const net::HttpRequest& request, net::HttpServer::Responder respond) {
    if (!is_get(request))
        return respond(net::HttpResponse::error(Code::MethodNotAllowed, "this route takes GET"));
    const auto link = pool_.pick();
    if (!link)
        return respond(refusal(link.error()));
    (*link)->send(
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

void Router::list_keys(const net::HttpRequest& request, net::HttpServer::Responder respond) {
    auto page = parse_key_listing(request.has_query ? std::string_view(request.query) : std::string_view());
    if (!page)
        return respond(net::HttpResponse::error(page.error()));
    auto found = std::make_shared<Result<store::KeyPage>>();
    const bool taken = on(
        list_workers_,
        [&store = store_, found, asked = *page] {
            *found = store.list_keys(asked.filter, asked.after, asked.limit);
        },
        [found, respond] {
            if (!*found)
                return respond(refusal(found->error()));
            respond(net::HttpResponse::json(200, key_page_json(**found)));
        });
    if (!taken)
        respond(refusal({Code::Overloaded, "the store has too much waiting work; try again in a second"}));
}

// The gateway's word, as the list of keys.
void Router::list_vaults(const net::HttpRequest& request, net::HttpServer::Responder respond) {
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
    if (job->answered)
        return;
    if (job->respond.client_gone()) { // nobody is there to get an answer
        job->answered = true;
        return;
    }
    const auto picked =
        job->link && job->link->open() ? Result<std::shared_ptr<EnclaveLink>>(job->link) : pool_.pick();
    job->link.reset();
    if (!picked)
        return refuse(job, picked.error());
    ++job->attempts;
    const auto& link = *picked;
    link->send(
        wire::Kind::Request, [&](Bytes& out) { job->encode(out, monotonic_ms()); },
        [this, job, weak = std::weak_ptr<EnclaveLink>(link)](Result<wire::Reply> reply) {
            job->link = weak.lock();
            replied(job, std::move(reply));
        });
}

void Router::replied(const JobPtr& job, Result<wire::Reply> reply) {
    if (job->answered) {
        // Too late for the client, but what the enclave made or changed is stored, and a repeat finds it.
        if (reply && !reply->records.empty())
            store_records(job, std::move(*reply));
        return;
    }
    if (!reply) {
        // Nothing that an enclave does is seen before it answers: the request may go to another one.
        job->link.reset();
        if (job->attempts < kMaxAttempts)
            return forward(job);
        return refuse(job, reply.error());
    }
    if (reply->status == wire::kNeeds)
        return supply(job, std::move(reply->needs));
    if (!reply->records.empty())
        return store_records(job, std::move(*reply));
    if (reply->status == http_status(Code::RecordStale) && read_again(job, *reply))
        return forward(job);
    if (job->sidecar && reply->status == 200)
        return add_network_form(job, std::move(*reply));
    answer(job, std::move(*reply));
}

// A key may have been changed after its record was read for this request: the store has a newer one then.
bool Router::read_again(const JobPtr& job, const wire::Reply& reply) const {
    const auto status = status_of(reply);
    if (status || status.error().code != Code::RecordStale || job->read_again)
        return false;
    job->read_again = true;
    return std::erase_if(job->items, [](const Job::Item& item) {
               return item.kind == wire::ItemKind::KeyRecord || item.kind == wire::ItemKind::KeyIfAny;
           }) != 0;
}

void Router::supply(const JobPtr& job, std::vector<wire::Reply::Need> needs) {
    if (++job->rounds > kMaxRounds) {
        for (const auto& need : needs)
            if (need.kind == wire::ItemKind::Credentials)
                return refuse(job,
                              {Code::CredentialsExpired,
                               "KMS does not take the gateway's AWS credentials; check the instance's role"});
        return refuse(job, {Code::Internal, "the enclave keeps asking for the same; its log says why"});
    }
    --job->attempts; // the same attempt goes on
    job->needs = std::move(needs);
    supply_next(job);
}

// One need after the other, then the request again.
void Router::supply_next(const JobPtr& job) {
    if (job->answered)
        return;
    if (job->needs.empty())
        return forward(job);
    const wire::Reply::Need need = std::move(job->needs.back());
    job->needs.pop_back();
    switch (need.kind) {
    case wire::ItemKind::KeyRecord:
    case wire::ItemKind::KeyIfAny: {
        const auto id = sealed::parse_key_id(need.name);
        if (!id)
            return refuse(job, {Code::Internal, "the enclave asked for a key that has no such id"});
        auto found = std::make_shared<Result<std::optional<Bytes>>>();
        const bool taken =
            on_store([&store = store_, found, id = *id] { *found = store.get_key(id); },
                     [this, job, found, kind = need.kind, name = need.name] {
                         if (!*found)
                             return refuse(job, found->error());
                         if (!**found && kind == wire::ItemKind::KeyRecord)
                             return refuse(job, {Code::UnknownKey, "there is no such key"});
                         supplied(job, kind, name,
                                  std::make_shared<const Bytes>(**found ? std::move(***found) : Bytes()));
                     });
        if (!taken)
            refuse(job, {Code::Overloaded, "the store has too much waiting work; try again in a second"});
        return;
    }
    case wire::ItemKind::Policy: {
        Hash32 digest;
        if (!from_hex_exact(need.name, digest))
            return refuse(job, {Code::Internal, "the enclave asked for a policy that has no such digest"});
        auto found = std::make_shared<Result<std::optional<Bytes>>>();
        const bool taken = on_store([&store = store_, found, digest] { *found = store.get_policy(digest); },
                                    [this, job, found, name = need.name] {
                                        if (!*found)
                                            return refuse(job, found->error());
                                        if (!**found)
                                            return refuse(job, {Code::StoreFailed,
                                                                "the store lacks the policy that the key is "
                                                                "bound to; restore it from a backup"});
                                        supplied(job, wire::ItemKind::Policy, name,
                                                 std::make_shared<const Bytes>(std::move(***found)));
                                    });
        if (!taken)
            refuse(job, {Code::Overloaded, "the store has too much waiting work; try again in a second"});
        return;
    }
    case wire::ItemKind::VaultRecord:
    case wire::ItemKind::VaultIfAny: {
        if (auto record = pool_.vault(need.name))
            return supplied(job, need.kind, need.name, std::move(record));
        // Another gateway on the same store may have made it.
        const auto id = sealed::parse_vault_id(need.name);
        if (!id)
            return refuse(job, {Code::Internal, "the enclave asked for a vault that has no such id"});
        auto found = std::make_shared<Result<std::optional<Bytes>>>();
        const bool taken =
            on_store([&store = store_, found, id = *id] { *found = store.get_vault(id); },
                     [this, job, found, kind = need.kind, name = need.name] {
                         if (!*found)
                             return refuse(job, found->error());
                         if (!**found && kind == wire::ItemKind::VaultRecord)
                             return refuse(job, {Code::VaultUnknown,
                                                 "the store does not hold the vault that the request needs"});
                         auto record = std::make_shared<const Bytes>(**found ? std::move(***found) : Bytes());
                         if (!record->empty())
                             pool_.vault_stored(name, record);
                         supplied(job, kind, name, std::move(record));
                     });
        if (!taken)
            refuse(job, {Code::Overloaded, "the store has too much waiting work; try again in a second"});
        return;
    }
    case wire::ItemKind::KeyUpdate:
        break;
    case wire::ItemKind::ReferenceCiphertext:
        return secrets_.get(need.name,
                            [this, job, name = need.name](Result<ReferenceSecrets::Ciphertext> found) {
                                if (!found)
                                    return refuse(job, found.error());
                                supplied(job, wire::ItemKind::ReferenceCiphertext, name, std::move(*found));
                            });
    case wire::ItemKind::Credentials: {
        const auto give = [this, job] {
            if (job->answered)
                return;
            if (!job->link)
                return supply_next(job); // forward() finds another one
            pool_.give_credentials(*job->link, [this, job](const Status& status) {
                if (!status && status.error().code != Code::EnclaveUnavailable)
                    return refuse(job, status.error());
                supply_next(job);
            });
        };
        // A first set that is merely on its way needs no new one; one that KMS refused does.
        if (need.name == code_name(Code::CredentialsMissing) && credentials_.current())
            return give();
        return credentials_.refresh([this, job, give](const Status& status) {
            if (!status)
                return refuse(job, {Code::CredentialsMissing,
                                    "the gateway cannot fetch AWS credentials; its log says why"});
            give();
        });
    }
    }
    refuse(job, {Code::Internal, "the enclave asked for something unknown"});
}

void Router::supplied(const JobPtr& job, wire::ItemKind kind, const std::string& name,
                      std::shared_ptr<const Bytes> bytes) {
    for (auto& item : job->items)
        if (item.kind == kind && item.name == name) {
            item.bytes = std::move(bytes);
            return supply_next(job);
        }
    if (job->items.size() >= wire::kMaxAttachments)
        return refuse(job, {Code::Internal, "the enclave asked for too much"});
    job->items.push_back({kind, name, std::move(bytes)});
    supply_next(job);
}

// The client learns of a key only when its record is on disk, and of a change only when every enclave has let
// go of the older record.
void Router::store_records(const JobPtr& job, wire::Reply reply) {
    auto kept = std::make_shared<wire::Reply>(std::move(reply));
    auto status = std::make_shared<Status>();
    const bool taken = on_store(
        [&store = store_, kept, status, room = pool_.vault_list().size() < EnclavePool::kMaxVaults] {
            for (const auto& record : kept->records) {
                if (!*status)
                    return;
                switch (record.kind) {
                case wire::ItemKind::KeyRecord:
                    *status = store.put_key(record.bytes);
                    break;
                case wire::ItemKind::KeyUpdate:
                    *status = store.update_key(record.bytes);
                    break;
                case wire::ItemKind::VaultRecord:
                    *status = room ? store.put_vault(record.bytes)
                                   : Status(fail(Code::Conflict,
                                                 "the store has 64 vaults, and no more can be made"));
                    break;
                case wire::ItemKind::Policy:
                    *status = store.put_policy(record.bytes);
                    break;
                default:
                    *status = fail(Code::Internal, "the enclave made a record of a kind that is not stored");
                }
            }
        },
        [this, job, kept, status] { stored(job, kept, *status); });
    if (!taken)
        refuse(job, {Code::Overloaded, "the store has too much waiting work; try again in a second"});
}

void Router::stored(const JobPtr& job, const std::shared_ptr<wire::Reply>& reply, const Status& status) {
    const wire::Reply::Record* update = nullptr;
    for (const auto& record : reply->records) {
        if (status && record.kind == wire::ItemKind::VaultRecord)
            pool_.vault_stored(record.name, std::make_shared<const Bytes>(record.bytes));
        if (record.kind == wire::ItemKind::KeyUpdate)
            update = &record;
    }
    const auto head = update != nullptr ? sealed::read_key_head(update->bytes) : Result<sealed::KeyHead>();
    if (update != nullptr && !head)
        return refuse(job, head.error());
    for (const auto& record : reply->records)
        if (!status && record.kind == wire::ItemKind::VaultRecord && status.error().code != Code::Conflict)
            log(LogLevel::Error, "a vault that was made could not be stored; it is not used",
                {{"vault", record.name}, {"context", status.error().context}});
    // Somebody made the same key or vault meanwhile: the enclave looks again at what there is.
    if (!status && status.error().code == Code::Conflict && update == nullptr && !job->read_again) {
        job->read_again = true;
        job->items.clear();
        return forward(job);
    }
    const auto go_on = [this, job, reply, status] {
        // The enclave's last change had to be stored before another is made: now it is.
        if (reply->status == http_status(Code::StoreFailed) && !job->read_again) {
            job->read_again = true;
            job->items.clear();
            return forward(job);
        }
        if (!status)
            return refuse(job, status.error().code == Code::Conflict
                                   ? Error{Code::Conflict, "the key was changed meanwhile; look again"}
                                   : status.error());
        answer(job, std::move(*reply));
    };
    // The store did not take it: the enclave keeps it and gives it again.
    if (update == nullptr ||
        (!status && status.error().code != Code::Conflict && status.error().code != Code::UnknownKey))
        return go_on();
    pool_.forget(head->id, head->revision, go_on);
}

// Keys whose time has come. The store's clock is this host's, which could delete them anyway.
void Router::delete_due() {
    constexpr std::size_t kAtOnce = 100;
    deletion_timer_ = loop_.after(kDeletionMs, [this] { delete_due(); });
    auto gone = std::make_shared<Result<std::vector<sealed::KeyId>>>();
    (void)on_store([&store = store_, gone] { *gone = store.delete_due_keys(system_time_ms(), kAtOnce); },
                   [this, gone] {
                       if (!*gone) {
                           log(LogLevel::Error, "keys whose deletion is due cannot be deleted",
                               {{"why", gone->error().text.view()}, {"context", gone->error().context}});
                           return;
                       }
                       for (const auto& id : **gone) {
                           log(LogLevel::Info, "a key was deleted", {{"key", sealed::key_id_text(id)}});
                           pool_.forget(id, 0, [] {});
                       }
                   });
}

void Router::answer(const JobPtr& job, wire::Reply reply) {
    if (std::exchange(job->answered, true))
        return;
    auto response = reply.content_type == wire::ContentType::Text
                        ? net::HttpResponse::text(reply.status, std::move(reply.body))
                        : net::HttpResponse::json(reply.status, std::move(reply.body));
    job->respond(with_retry_after(std::move(response)));
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
    job->respond(refusal(error));
}

void Router::sweep() {
    timer_ = loop_.after(kSweepMs, [this] { sweep(); });
    const std::int64_t now = monotonic_ms();
    while (!deadlines_.empty()) {
        const auto job = deadlines_.front().lock();
        if (job && !job->answered && job->deadline > now)
            return;
        deadlines_.pop_front();
        if (job && !job->answered)
            refuse(job,
                   {Code::EnclaveTimeout, "the request took too long; nothing says whether it was signed"});
    }
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
