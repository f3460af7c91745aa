// SPDX-License-Identifier: Apache-2.0
// What belongs to decisions: which enclave has to decide, what it counted, and its receipts. The gateway
// looks at the signature's parameters to route by them, and at nothing else of it.
#include "base/log.h"
#include "gateway/router_job.h"
#include "sealed/counter_record.h"

#include <utility>

namespace redoubt::gateway {

namespace {

constexpr std::size_t kTagDigits = 16;

bool is_tag(std::string_view text) noexcept {
    ByteArray<8> tag;
    return from_hex_exact(text, tag);
}

// The enclave that a challenge or a session of the signature is of: nonce="TAG-…", keyid="session-TAG…".
std::string_view tag_of(std::string_view signature_input) {
    for (const std::string_view before : {R"(keyid="session-)", R"(nonce=")"}) {
        const std::size_t at = signature_input.find(before);
        if (at == std::string_view::npos)
            continue;
        const std::string_view rest = signature_input.substr(at + before.size());
        const bool session = before.starts_with("keyid");
        if (rest.size() > kTagDigits && is_tag(rest.substr(0, kTagDigits)) &&
            (session || rest[kTagDigits] == '-'))
            return rest.substr(0, kTagDigits);
    }
    return {};
}

// "key-…" of /v1/keys/key-…/action.
std::string_view key_of(std::string_view path) noexcept {
    constexpr std::string_view kPrefix = "/v1/keys/";
    if (!path.starts_with(kPrefix))
        return {};
    const std::string_view rest = path.substr(kPrefix.size());
    const std::size_t slash = rest.find('/');
    return slash != std::string_view::npos && rest.starts_with("key-") ? rest.substr(0, slash)
                                                                       : std::string_view();
}

// …/sign-transaction and the like: for these the enclave opens the key.
bool is_signing(std::string_view path) noexcept {
    return path.substr(path.rfind('/') + 1).starts_with("sign-");
}

} // namespace

Result<std::shared_ptr<EnclaveLink>> Router::link_for(const JobPtr& job) {
    if (job->link && job->link->open())
        return job->link;
    if (!std::exchange(job->route_known, true)) {
        job->tag = tag_of(job->request.header("signature-input"));
        job->key_id = key_of(job->request.path);
        if (is_signing(job->request.path))
            job->to_sign_with = sealed::parse_key_id(job->key_id);
    }
    const auto only = [&]() -> std::shared_ptr<EnclaveLink> {
        if (!job->tag.empty())
            if (auto link = pool_.tagged(job->tag))
                return link;
        if (job->key_id.empty())
            return nullptr;
        const auto owner = owners_.find(job->key_id);
        if (owner != owners_.end()) {
            if (auto link = pool_.tagged(owner->second))
                return link;
            owners_.erase(owner); // it is gone: another one takes over
            if (auto link = pool_.affine(job->key_id))
                return link;
        }
        // A session is of use where its key is counted for.
        return job->request.path.ends_with("/session") ? pool_.affine(job->key_id) : nullptr;
    };
    if (auto link = only()) {
        if (!pool_.has_room(*link, job->lost))
            return fail(Code::Overloaded, "too many requests are waiting; try again in a second");
        return link;
    }
    return pool_.pick(job->lost);
}

// Most answers are whole as they come: what there is beside them is their receipt.
bool Router::answer_at_once(const JobPtr& job, const wire::Reply& reply) {
    if (reply.status != 200 || job->answered || job->sidecar)
        return false;
    const wire::Reply::Record *receipt = nullptr, *head = nullptr;
    for (const auto& record : reply.records) {
        if (record.kind == wire::ItemKind::Receipt)
            receipt = &record;
        else if (record.kind == wire::ItemKind::ReceiptHead)
            head = &record;
        else if (record.kind != wire::ItemKind::ReceiptStart)
            return false;
    }
    if (receipt != nullptr)
        job->receipt_chain = to_array<16>(as_bytes(receipt->name)).value_or(trust::ChainId{});
    answer(job, reply, receipt != nullptr ? ByteView(receipt->bytes) : ByteView(),
           head != nullptr ? ByteView(head->bytes) : ByteView());
    return true;
}

// Receipts stand in the log, and go into the answer's headers; what is left is for the store.
void Router::take_decision(const JobPtr& job, wire::Reply& reply) {
    // That of an answer which is withheld is not the next one's.
    job->receipt.clear();
    job->receipt_head.clear();
    for (auto& record : reply.records) {
        if (record.kind == wire::ItemKind::Receipt) {
            job->receipt = std::move(record.bytes);
            job->receipt_chain = to_array<16>(as_bytes(record.name)).value_or(trust::ChainId{});
        }
        if (record.kind == wire::ItemKind::ReceiptHead)
            job->receipt_head = std::move(record.bytes);
    }
    std::erase_if(reply.records, [](const wire::Reply::Record& record) {
        return record.kind == wire::ItemKind::Receipt || record.kind == wire::ItemKind::ReceiptHead ||
               record.kind == wire::ItemKind::ReceiptStart;
    });
}

// The answer is given once what it took from limits is stored.
void Router::store_counters(const JobPtr& job, wire::Reply reply) {
    const auto head = sealed::read_counter_head(reply.records.front().bytes);
    if (!head)
        return refuse(job, {Code::Internal, "the enclave made counters that cannot be read"});
    if (owners_.size() >= kMaxOwners)
        owners_.clear();
    owners_.insert_or_assign(sealed::key_id_text(head->key), to_hex(head->owner));
    auto kept = std::make_shared<wire::Reply>(std::move(reply));
    Bytes record = std::move(kept->records.front().bytes);
    kept->records.erase(kept->records.begin());
    counters_.put(std::move(record),
                  [this, job, kept, key_id = sealed::key_id_text(head->key)](const Status& status) {
                      if (status) {
                          if (job->sidecar && kept->status == 200)
                              return add_network_form(job, std::move(*kept));
                          return answer(job, *kept);
                      }
                      // Another enclave counts now: the signature is withheld, and that one asked.
                      if (status.error().code == Code::Conflict && !job->read_again) {
                          job->read_again = true;
                          job->link.reset();
                          owners_.erase(key_id);
                          // Whichever is asked next is shown what the store holds.
                          std::erase_if(job->items, [](const Job::Item& item) {
                              return item.kind == wire::ItemKind::CountersIfAny;
                          });
                          job->needs = {{wire::ItemKind::CountersIfAny, key_id}};
                          return supply_next(job);
                      }
                      refuse(job, status.error().code == Code::Conflict
                                      ? Error{Code::LimitsElsewhere,
                                              "another enclave counts for the key now; try again in a second"}
                                      : status.error());
                  });
}

// The counters that were shown say who counts. That one is asked, or if it is gone this one again, until the
// lease has ended.
bool Router::count_elsewhere(const JobPtr& job) {
    std::string owner;
    std::erase_if(job->items, [&](const Job::Item& item) {
        if (item.kind != wire::ItemKind::CountersIfAny)
            return false;
        if (const auto head = sealed::read_counter_head(*item.bytes))
            owner = to_hex(head->owner);
        return true;
    });
    if (owner.empty() || monotonic_ms() + kElsewhereMs >= job->deadline)
        return false;
    const auto link = pool_.tagged(owner);
    if (link && link != job->link && job->inside)
        return false; // its client has to come by another connection
    if (link && link != job->link) {
        owners_.insert_or_assign(std::string(job->key_id), owner);
        job->link = link;
        job->attempts = 0;
        job->rounds = 0;
        forward(job);
        return true;
    }
    loop_.after(kElsewhereMs, [this, job, alive = std::weak_ptr<Alive>(alive_)] {
        if (alive.expired())
            return;
        job->link.reset();
        job->attempts = 0;
        job->rounds = 0;
        forward(job);
    });
    return true;
}

} // namespace redoubt::gateway
