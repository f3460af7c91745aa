// SPDX-License-Identifier: Apache-2.0
// What an enclave needs for a request, and what comes of one for the store: records are brought, put, changed
// and deleted here.
#include "base/log.h"
#include "gateway/router_job.h"

#include <utility>

namespace redoubt::gateway {

namespace {

constexpr int kDeletionMs = 10'000; // between looks for keys to be deleted

} // namespace

// A key may have been changed after its record was read for this request: the store has a newer one then.
bool Router::read_again(const JobPtr& job, const wire::Reply& reply) const {
    const auto status = status_of(reply);
    if (status || status.error().code != Code::RecordStale || job->read_again)
        return false;
    job->read_again = true;
    return std::erase_if(job->items, [](const Job::Item& item) {
               return item.kind == wire::ItemKind::KeyRecord || item.kind == wire::ItemKind::KeyIfAny ||
                      item.kind == wire::ItemKind::CountersIfAny;
           }) != 0;
}

// The record of a key that the enclave does not seem to hold goes along with the request, which spares both
// sides the question. What the store has to say against it is said when the enclave asks after all. While the
// store is slow nothing waits for it that may not need it.
bool Router::read_record_first(const JobPtr& job, const std::shared_ptr<EnclaveLink>& link) {
    if (job->record_read || !job->to_sign_with || link->held_keys().holds(*job->to_sign_with) ||
        !job->items.empty() || key_reader_.late())
        return false;
    job->record_read = true;
    key_reader_.read(*job->to_sign_with, [this, job, place = std::make_shared<EnclaveLink::Place>(link)](
                                             Result<std::optional<Bytes>> found) mutable {
        if (found && *found && job->items.empty())
            job->items.push_back({wire::ItemKind::KeyRecord, std::string(job->key_id),
                                  std::make_shared<const Bytes>(std::move(**found))});
        job->link = place->link();
        place.reset();
        forward(job);
    });
    return true;
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
    constexpr FixedText kNoSuchId = "the enclave asked for something of an id that is none";
    switch (need.kind) {
    case wire::ItemKind::KeyRecord:
    case wire::ItemKind::KeyIfAny: {
        const auto id = sealed::parse_key_id(need.name);
        if (!id)
            return refuse(job, {Code::Internal, kNoSuchId});
        return key_reader_.read(*id, [this, job, need](Result<std::optional<Bytes>> found) {
            fetched(job, need, std::move(found), {Code::UnknownKey, "there is no such key"});
        });
    }
    case wire::ItemKind::CountersIfAny: {
        const auto id = sealed::parse_key_id(need.name);
        if (!id)
            return refuse(job, {Code::Internal, kNoSuchId});
        // A route that names no key (the AWS sample's) has one all the same, which one enclave counts for.
        if (job->key_id.empty())
            job->key_id = job->key_needed = need.name;
        return fetch(job, need, [id = *id](store::Store& store) { return store.get_counters(id); },
                     {Code::Internal, "the enclave asked for counters that there are none of"});
    }
    case wire::ItemKind::Policy: {
        Hash32 digest;
        if (!from_hex_exact(need.name, digest))
            return refuse(job, {Code::Internal, kNoSuchId});
        return fetch(job, need, [digest](store::Store& store) { return store.get_policy(digest); },
                     {Code::StoreFailed,
                      "the store lacks the policy that the key is bound to; restore it from a backup"});
    }
    case wire::ItemKind::VaultRecord:
    case wire::ItemKind::VaultIfAny: {
        if (auto record = pool_.vault(need.name))
            return supplied(job, need.kind, need.name, std::move(record));
        // Another gateway on the same store may have made it.
        const auto id = sealed::parse_vault_id(need.name);
        if (!id)
            return refuse(job, {Code::Internal, kNoSuchId});
        return fetch(job, need, [id = *id](store::Store& store) { return store.get_vault(id); },
                     {Code::VaultUnknown, "the store does not hold the vault that the request needs"});
    }
    case wire::ItemKind::KeyUpdate:
    case wire::ItemKind::Counters:
    case wire::ItemKind::Receipt:
    case wire::ItemKind::ReceiptHead:
    case wire::ItemKind::ReceiptStart:
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

// From the store. What it lacks comes without bytes where the enclave asked for it "if any", else `missing`
// is the answer.
void Router::fetch(const JobPtr& job, const wire::Reply::Need& need, Read read, const Error& missing) {
    auto found = std::make_shared<Result<std::optional<Bytes>>>();
    const bool taken =
        on_store([&store = store_, found, read = std::move(read)] { *found = read(store); },
                 [this, job, found, need, missing] { fetched(job, need, std::move(*found), missing); });
    if (!taken)
        refuse(job, {Code::Overloaded, "the store has too much waiting work; try again in a second"});
}

void Router::fetched(const JobPtr& job, const wire::Reply::Need& need, Result<std::optional<Bytes>> found,
                     const Error& missing) {
    const bool if_any = need.kind == wire::ItemKind::KeyIfAny || need.kind == wire::ItemKind::VaultIfAny ||
                        need.kind == wire::ItemKind::CountersIfAny;
    const bool vault = need.kind == wire::ItemKind::VaultRecord || need.kind == wire::ItemKind::VaultIfAny;
    if (!found)
        return refuse(job, found.error());
    if (!*found && !if_any)
        return refuse(job, missing);
    auto bytes = std::make_shared<const Bytes>(*found ? std::move(**found) : Bytes());
    if (vault && !bytes->empty())
        pool_.vault_stored(need.name, bytes);
    supplied(job, need.kind, need.name, std::move(bytes));
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
            pool_.vault_stored(record.name.str(), std::make_shared<const Bytes>(record.bytes));
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
        answer(job, *reply);
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

} // namespace redoubt::gateway
