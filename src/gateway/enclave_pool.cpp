// SPDX-License-Identifier: Apache-2.0
#include "gateway/enclave_pool.h"

#include "base/json.h"
#include "base/log.h"

#include <algorithm>
#include <utility>

namespace redoubt::gateway {

namespace {

void encode_nothing(Bytes&) {}

// As a probe's answer tells.
std::optional<std::set<std::string>> vaults_open_in(const wire::Reply& reply) {
    json::Document document;
    const auto root = document.parse(reply.body);
    const auto vaults = root ? root->get("vaults") : std::nullopt;
    if (!vaults || !vaults->is_array())
        return std::nullopt;
    std::set<std::string> out;
    for (const auto vault : *vaults)
        if (vault.is_string())
            out.emplace(vault.text());
    return out;
}

} // namespace

Status status_of(const Result<wire::Reply>& reply) {
    if (!reply)
        return std::unexpected(reply.error());
    if (reply->status == wire::kNeeds)
        return fail(Code::CredentialsMissing, "the enclave needs AWS credentials, or newer ones");
    if (reply->status < 300)
        return {};
    json::Document document;
    const auto root = document.parse(reply->body);
    const auto name = root ? root->get("code") : std::nullopt;
    const auto code = name ? code_from_name(name->text()) : std::nullopt;
    return fail(code.value_or(Code::Internal), "the enclave refused", reply->body);
}

void take_receipts(ReceiptLog& log, const wire::Reply& reply) {
    for (const auto& record : reply.records) {
        const auto chain = to_array<16>(as_bytes(record.name));
        if (!chain)
            continue;
        if (record.kind == wire::ItemKind::ReceiptStart)
            log.start(*chain, record.bytes);
        else if (record.kind == wire::ItemKind::Receipt)
            log.take(*chain, record.bytes);
        else if (record.kind == wire::ItemKind::ReceiptHead)
            log.head(*chain, record.bytes);
    }
}

EnclavePool::EnclavePool(net::EventLoop& loop, WorkerPool& store_workers, store::Store& store,
                         CredentialKeeper& credentials, Setup setup, std::vector<Bytes> vaults,
                         std::function<void()> can_sign)
    : loop_(loop), store_workers_(store_workers), store_(store), credentials_(credentials),
      setup_(std::move(setup)), held_keys_(held_keys_of(setup_.manifest)), can_sign_(std::move(can_sign)) {
    for (auto& record : vaults) {
        if (const auto decoded = sealed::decode_vault(record)) {
            vaults_.push_back(
                {sealed::vault_id_text(decoded->id), std::make_shared<const Bytes>(std::move(record))});
        } else {
            damaged_ = true;
            log(LogLevel::Error,
                "the store holds a vault record that cannot be read; restore it from a backup");
        }
    }
    for (const auto& endpoint : setup_.endpoints)
        add_member(endpoint);
}

EnclavePool::~EnclavePool() {
    stop();
}

void EnclavePool::start() {
    running_ = true;
    for (const auto& member : members_)
        member->link->start();
    timer_ = loop_.after(kProbeMs, [this] { watch(); });
    if (setup_.short_queues)
        measure_timer_ = loop_.after(QueueBound::kEveryMs, [this] { measure(); });
}

void EnclavePool::stop() {
    if (!std::exchange(running_, false))
        return;
    loop_.cancel(timer_);
    loop_.cancel(measure_timer_);
    for (const auto& member : members_)
        member->link->stop();
}

void EnclavePool::opened(Member& member) {
    member.pause_ms = 0;
    member.not_before = 0;
    offer_manifest(member);
}

void EnclavePool::closed(Member& member) {
    member.manifest_taken = member.vaults_open = member.opening = member.probing = false;
    member.open.clear();
    member.refused.clear();
    member.manifest_again_at = 0;
    member.tag.clear();
    member.chain = {};
    member.asking_receipts = false;
    member.measured_at_us = 0;
    member.queue = queue_bound(); // the next one may be quicker
    member.discarded.reset();
}

void EnclavePool::offer_manifest(Member& member) {
    member.manifest_again_at = 0;
    member.link->send(
        wire::Kind::Manifest, [this](Bytes& out) { append(out, as_bytes(setup_.manifest)); },
        [this, &member](Result<wire::Reply> reply) {
            if (const auto status = status_of(reply); !status) {
                if (reply)
                    log(LogLevel::Error, "an enclave refuses the manifest",
                        {{"enclave", member.link->endpoint().text()}, {"answer", reply->body}});
                member.manifest_again_at = monotonic_ms() + kRefusedPauseMs;
                return;
            }
            // An enclave that was there before may hold keys that were changed while it was not told.
            member.link->send(wire::Kind::Forget, encode_nothing, [](const Result<wire::Reply>&) {});
            member.manifest_taken = true;
            ask_receipts(member);
            bring_up(member);
        });
}

// Credentials first, for everything else that an enclave asks of KMS needs them.
void EnclavePool::bring_up(Member& member) {
    if (!member.manifest_taken || member.vaults_open || member.opening || !credentials_.current())
        return;
    member.opening = true;
    give_credentials(*member.link, [this, &member](const Status& status) {
        if (!status)
            return vaults_done(member, status);
        if (vaults_.empty() && setup_.create_vault && !damaged_)
            return create_vault(member);
        open_vaults(member, 0, {});
    });
}

void EnclavePool::give_credentials(EnclaveLink& link, std::function<void(Status)> done) {
    const auto credentials = credentials_.current();
    if (!credentials)
        return done(fail(Code::CredentialsMissing, "the gateway has no AWS credentials; its log says why"));
    link.send(
        wire::Kind::Credentials,
        [&](Bytes& out) {
            auto copy = credentials->clone();
            wire::CredentialsMessage message;
            message.access_key_id = copy.access_key_id;
            message.secret_access_key = std::move(copy.secret_access_key);
            message.session_token = std::move(copy.session_token);
            message.expires = copy.expires;
            wire::encode_credentials(out, message);
        },
        [done = std::move(done)](const Result<wire::Reply>& reply) { done(status_of(reply)); });
}

void EnclavePool::credentials_changed() {
    for (const auto& member : members_) {
        if (!member->manifest_taken)
            continue;
        if (member->vaults_open)
            give_credentials(*member->link, [](const Status&) {});
        else
            bring_up(*member);
    }
}

// One after the other; one that fails keeps none of the others closed. `status`: the first failure so far.
void EnclavePool::open_vaults(Member& member, std::size_t index, Status status) {
    // The youngest first: new keys go into the newest that is open.
    const auto nth = [this](std::size_t n) -> const Vault& { return vaults_[vaults_.size() - 1 - n]; };
    while (index < vaults_.size() &&
           (member.open.contains(nth(index).id) || member.refused.contains(nth(index).id)))
        ++index;
    if (index >= vaults_.size()) {
        // None for this manifest: then that is what is wrong.
        if (status && member.open.empty() && !vaults_.empty())
            status = fail(Code::VaultUnknown, "the manifest lets none of the store's vaults be opened");
        return vaults_done(member, status);
    }
    member.link->send(
        wire::Kind::VaultOpen, [record = nth(index).record](Bytes& out) { append(out, *record); },
        [this, &member, index, status, id = nth(index).id](const Result<wire::Reply>& reply) {
            auto now = status_of(reply);
            if (!now && now.error().code == Code::EnclaveUnavailable)
                return vaults_done(member, now);
            if (now)
                member.open.insert(id);
            // A vault that was, or is going to be, another manifest's keeps nothing closed.
            if (!now && (now.error().code == Code::VaultUnknown || now.error().code == Code::RecordStale)) {
                log(LogLevel::Info, "a vault of the store is not for this manifest",
                    {{"enclave", member.link->endpoint().text()},
                     {"vault", id},
                     {"code", code_name(now.error().code)}});
                member.refused.insert(id);
                now = {};
            }
            open_vaults(member, index + 1, status ? now : status);
        });
}

// One enclave makes the vault; the others open it once its record is stored.
void EnclavePool::create_vault(Member& member) {
    if (std::exchange(creating_vault_, true))
        return vaults_done(member, fail(Code::VaultClosed, "another enclave is making the vault"));
    member.link->send(wire::Kind::VaultCreate, encode_nothing, [this, &member](Result<wire::Reply> reply) {
        auto status = status_of(reply);
        if (status && (reply->records.size() != 1 || reply->records[0].kind != wire::ItemKind::VaultRecord))
            status = fail(Code::Internal, "the enclave made a vault and sent no record of it");
        if (!status) {
            creating_vault_ = false;
            return vaults_done(member, status);
        }
        vault_made(member, std::move(*reply));
    });
}

void EnclavePool::vault_made(Member& member, wire::Reply reply) {
    auto record = std::make_shared<const Bytes>(std::move(reply.records[0].bytes));
    const auto stored = [this, weak = member.weak_from_this(), record,
                         name = reply.records[0].name.str()](const Status& status) {
        creating_vault_ = false;
        const auto maker = weak.lock(); // nothing: it has been let go meanwhile
        if (!status)
            return maker ? vaults_done(*maker, status) : void();
        if (maker)
            maker->opening = false;
        vault_stored(name, record); // this enclave opens it, too: it uses none that is not stored
    };
    const bool taken = store_workers_.submit(
        [&store = store_, alive = std::weak_ptr<Alive>(alive_), &loop = loop_, record, stored] {
            auto status = std::make_shared<Status>(store.put_vault(*record));
            loop.post([alive, stored, status] {
                if (!alive.expired())
                    stored(*status);
            });
        });
    if (!taken)
        stored(fail(Code::Overloaded, "the store has too much waiting work"));
}

void EnclavePool::vault_stored(const std::string& id, std::shared_ptr<const Bytes> record) {
    if (vault(id))
        return;
    vaults_.push_back({id, std::move(record)});
    log(LogLevel::Info, "a vault is new in the store", {{"vault", id}});
    for (const auto& member : members_) {
        if (!all_open(*member))
            member->vaults_open = false;
        member->not_before = 0;
        bring_up(*member);
    }
}

void EnclavePool::forget(const sealed::KeyId& id, std::uint32_t revision, std::function<void()> done) {
    // Called when the last of those who hold it has let go.
    const std::shared_ptr<void> last(nullptr, [done = std::move(done)](void*) { done(); });
    for (const auto& member : members_) {
        if (!member->link->open())
            continue;
        member->link->send(
            wire::Kind::Forget,
            [&](Bytes& out) {
                wire::encode_forget(out, {id, revision});
            },
            [last](const Result<wire::Reply>&) {});
    }
}

void EnclavePool::store_changes(const wire::Reply& reply) {
    Bytes policy; // a document comes before the record that names it
    for (const auto& record : reply.records) {
        if (record.kind == wire::ItemKind::Policy)
            policy = record.bytes;
        const auto head = record.kind == wire::ItemKind::KeyUpdate
                              ? sealed::read_key_head(record.bytes)
                              : Result<sealed::KeyHead>(std::unexpected(Error{Code::Internal, "?"}));
        if (!head)
            continue;
        (void)store_workers_.submit([this, &store = store_, alive = std::weak_ptr<Alive>(alive_),
                                     &loop = loop_, id = head->id, revision = head->revision,
                                     bytes = record.bytes, document = std::exchange(policy, {})] {
            if (!document.empty() && !store.put_policy(document))
                return;
            const Status status = store.update_key(bytes);
            // Settled either way: it is stored, or another enclave's change was first, or the key is gone.
            if (!status && status.error().code != Code::Conflict && status.error().code != Code::UnknownKey)
                return;
            loop.post([this, alive, id, revision] {
                if (!alive.expired())
                    forget(id, revision, [] {});
            });
        });
    }
}

bool EnclavePool::all_open(const Member& member) const {
    return std::ranges::all_of(vaults_, [&](const Vault& vault) {
        return member.open.contains(vault.id) || member.refused.contains(vault.id);
    });
}

std::vector<EnclavePool::VaultView> EnclavePool::vault_list() const {
    std::vector<VaultView> out;
    for (const auto& vault : vaults_) {
        out.push_back({vault.id, vault.record, 0});
        for (const auto& member : members_)
            out.back().open += member->open.contains(vault.id) ? 1u : 0u;
    }
    return out;
}

void EnclavePool::vaults_done(Member& member, const Status& status) {
    member.opening = false;
    if (status) {
        member.vaults_open = true;
        member.pause_ms = 0;
        log(LogLevel::Info, "an enclave is ready", {{"enclave", member.link->endpoint().text()}});
        if (const auto told = std::exchange(can_sign_, nullptr))
            told();
        return;
    }
    member.pause_ms = std::clamp<std::int64_t>(member.pause_ms * 2, 250, kLongestPauseMs);
    member.not_before = monotonic_ms() + member.pause_ms;
    const auto& error = status.error();
    const auto why = error.context.empty() ? error.text.view() : std::string_view(error.context);
    if (error.code == Code::KmsDenied || error.code == Code::KmsRefused)
        // KMS says no more than "denied"; what differs can be looked up.
        log(LogLevel::Warning, "a vault is not open",
            {{"enclave", member.link->endpoint().text()},
             {"code", code_name(error.code)},
             {"why", why},
             {"hint", "run `redoubt doctor`: it compares the key policy with the measured PCR0 and PCR16"}});
    else
        log(LogLevel::Warning, "a vault is not open",
            {{"enclave", member.link->endpoint().text()}, {"code", code_name(error.code)}, {"why", why}});
    if (error.code == Code::CredentialsMissing || error.code == Code::CredentialsExpired)
        credentials_.refresh([](const Status&) {}); // a change brings the members up again
}

void EnclavePool::watch() {
    timer_ = loop_.after(kProbeMs, [this] { watch(); });
    const std::int64_t now = monotonic_ms();
    retire(now);
    let_go(now);
    for (const auto& kept : members_) {
        Member& member = *kept;
        if (!member.link->open())
            continue;
        if (member.link->silent_ms(now) > kSilentMs) {
            member.link->reset("it stopped answering");
            continue;
        }
        if (!member.manifest_taken) {
            if (member.manifest_again_at != 0 && now >= member.manifest_again_at)
                offer_manifest(member);
            continue;
        }
        if (!member.vaults_open && now >= member.not_before)
            bring_up(member);
        ask_receipts(member);
        if (!std::exchange(member.probing, true))
            member.link->send(wire::Kind::Probe, encode_nothing,
                              [this, &member](const Result<wire::Reply>& reply) {
                                  member.probing = false;
                                  if (!status_of(reply))
                                      return member.link->reset("its probe signature failed");
                                  store_changes(*reply);
                                  // A lease that ended closes its vault inside the enclave: it is opened
                                  // again as at the start.
                                  if (auto open = vaults_open_in(*reply); open && !member.opening)
                                      member.open = std::move(*open);
                                  if (member.vaults_open && !all_open(member))
                                      member.vaults_open = false;
                              });
    }
}

Result<std::shared_ptr<EnclaveLink>> EnclavePool::pick(bool again) const {
    Member* best = nullptr;
    for (const auto& member : members_) {
        if (!member->manifest_taken || member->service == Service::Retired)
            continue;
        // One with its vaults open comes before one without, whatever waits there.
        const auto rank = [](const Member& m) { return m.vaults_open ? 2 : m.open.empty() ? 0 : 1; };
        // One that is slow, and so full with few, must not hide that another has room.
        const auto worse = [&](const Member& a, const Member& b) {
            if (rank(a) != rank(b))
                return rank(a) < rank(b);
            return full(a) != full(b) ? full(a) : a.link->outstanding() > b.link->outstanding();
        };
        if (best == nullptr || worse(*best, *member))
            best = member.get();
    }
    if (best == nullptr)
        return fail(Code::EnclaveUnavailable, "no enclave is able to sign; try again in a second");
    if (again && best->link->outstanding() < setup_.max_outstanding) {
        best->queue.let_in();
        return best->link;
    }
    if (full(*best)) { // and so are all that are as good: they are crowded, and one has refused a request
        for (const auto& member : members_)
            if (member.get() == best || (member->manifest_taken && member->service != Service::Retired &&
                                         !member->queue.crowded() && full(*member)))
                turned_away(*member);
        return fail(Code::Overloaded, "too many requests are waiting; try again in a second");
    }
    best->queue.let_in();
    return best->link;
}

std::vector<std::shared_ptr<EnclaveLink>> EnclavePool::usable() const {
    std::vector<std::shared_ptr<EnclaveLink>> ready, others;
    for (const auto& member : members_)
        if (member->manifest_taken && member->service != Service::Retired)
            (member->vaults_open ? ready : others).push_back(member->link);
    return ready.empty() ? others : ready;
}

std::shared_ptr<EnclaveLink> EnclavePool::tagged(std::string_view tag) const {
    for (const auto& member : members_) {
        if (!member->manifest_taken || member->tag.empty() || member->tag != tag)
            continue;
        const bool over =
            member->service == Service::Retired && monotonic_ms() - member->since >= setup_.grace_ms;
        return over ? nullptr : member->link;
    }
    return nullptr;
}

// Rendezvous hashing: each key has an order of all enclaves, and the first that is there has it.
std::shared_ptr<EnclaveLink> EnclavePool::affine(std::string_view key_id) const {
    const Member* best = nullptr;
    std::size_t best_rank = 0;
    for (const auto& kept : members_) {
        const Member& member = *kept;
        if (!member.manifest_taken || member.service == Service::Retired ||
            (!member.vaults_open && member.open.empty()))
            continue;
        const std::size_t rank = std::hash<std::string>()(std::string(key_id) + '/' + member.name);
        if (best == nullptr || rank > best_rank) {
            best = &member;
            best_rank = rank;
        }
    }
    return best != nullptr ? best->link : nullptr;
}

// Says what the log has, and gets what it lacks: receipts whose answers were lost, and a head over all.
void EnclavePool::ask_receipts(Member& member) {
    if (std::exchange(member.asking_receipts, true))
        return;
    wire::ReceiptsAsked asked;
    // A chain whose start the log does not have is asked for from its beginning.
    if (setup_.receipts == nullptr || setup_.receipts->started(member.chain)) {
        asked.chain = member.chain;
        asked.through =
            setup_.receipts != nullptr ? setup_.receipts->through(member.chain) : member.discarded;
    }
    member.link->send(
        wire::Kind::Receipts, [&](Bytes& out) { wire::encode_receipts_asked(out, asked); },
        [this, &member, had = asked.through](const Result<wire::Reply>& reply) {
            member.asking_receipts = false;
            if (!status_of(reply))
                return;
            json::Document document;
            const auto root = document.parse(reply->body);
            if (const auto tag = root ? root->get("tag") : std::nullopt; tag && tag->is_string())
                member.tag = tag->text();
            for (const auto& record : reply->records) {
                if (const auto chain = to_array<16>(as_bytes(record.name)))
                    member.chain = *chain;
                const auto head = record.kind == wire::ItemKind::ReceiptHead
                                      ? trust::decode_receipt_head(record.bytes)
                                      : fail(Code::ReceiptInvalid, "no head");
                if (head)
                    member.discarded = head->sequence;
            }
            if (setup_.receipts == nullptr)
                return;
            const bool stood_still = setup_.receipts->through(member.chain) == had;
            take_receipts(*setup_.receipts, *reply);
            if (const auto status = setup_.receipts->write(); status) {
                // What answers do not bring any more is brought at once, however much it is: until then every
                // answer waits for its receipt.
                if (stood_still && setup_.receipts->through(member.chain) != had)
                    ask_receipts(member);
            } else
                log(LogLevel::Error, "the log of receipts cannot be written",
                    {{"why", status.error().text.view()}, {"context", status.error().context}});
        });
}

bool EnclavePool::ready() const noexcept {
    for (const auto& member : members_)
        if (member->manifest_taken && (member->vaults_open || !member->open.empty() || vaults_.empty()))
            return true;
    return false;
}

std::shared_ptr<const Bytes> EnclavePool::vault(const std::string& id) const {
    for (const auto& vault : vaults_)
        if (vault.id == id)
            return vault.record;
    return nullptr;
}

EnclavePool::Counts EnclavePool::counts() const noexcept {
    Counts out;
    for (const auto& member : members_) {
        if (member->service == Service::Retired)
            continue;
        ++out.total;
        out.usable += member->manifest_taken ? 1u : 0u;
        out.vault_open += member->vaults_open ? 1u : 0u;
    }
    return out;
}

} // namespace redoubt::gateway
