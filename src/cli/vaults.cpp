// SPDX-License-Identifier: Apache-2.0
// redoubt vault list|create|rotate. Keys are sealed again inside the enclave; this only says which.
#include "cli/attested.h"
#include "cli/commands.h"
#include "crypto/random.h"
#include "sealed/key_record.h"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <thread>

namespace redoubt::cli {

namespace {

constexpr std::size_t kPage = 1'000;
constexpr int kMostIdle = 60;                 // seconds without a key that could be moved
constexpr int kAttempts = 20, kPauseMs = 250; // for what a repeat may mend: an enclave that is started again

struct VaultOptions {
    Connection connection;
    bool json = false;
    std::string client_token, authorization_file, create_authorization_file, from, to;
    std::uint64_t epoch = 0;
    bool has_epoch = false;
    unsigned connections = 4;
};

Result<trust::VaultStatement> create(const VaultOptions& options, const std::string& token,
                                     const std::string& authorization_file) {
    REDOUBT_TRY(auto gateway, Gateway::connect(options.connection));
    const auto nonce = crypto::SystemRandom().array<32>();
    std::string body;
    json::Writer writer(body);
    writer.begin_object().member("client_token", token).member("nonce", to_hex(nonce));
    if (options.has_epoch)
        writer.member("epoch", options.epoch);
    if (!authorization_file.empty()) {
        REDOUBT_TRY(const std::string authorization, read_authorization(authorization_file));
        writer.key("authorization").raw(authorization);
    }
    writer.end_object();
    REDOUBT_TRY(const auto answer, gateway.post("/v1/vaults", body));
    json::Document document;
    REDOUBT_TRY(const auto root, document.parse(answer.body));
    REDOUBT_TRY(const auto parts, attested(options.connection, root, nonce));
    REDOUBT_TRY(auto statement, trust::verify_vault_statement(as_text(parts.statement), parts.document,
                                                              parts.pins, system_time_ms()));
    if (statement.vault_id != sealed::vault_id_text(sealed::vault_id_of_token(token, statement.epoch)) ||
        (options.has_epoch && statement.epoch != options.epoch))
        return fail(Code::AttestationUntrusted, "the enclave attested another vault than the one asked for");
    return statement;
}

void print(const trust::VaultStatement& statement, const VaultOptions& options,
           std::optional<std::uint64_t> moved) {
    const bool pinned = is_pinned(options.connection);
    if (options.json) {
        std::string out;
        json::Writer writer(out);
        writer.begin_object()
            .member("vault_id", statement.vault_id)
            .member("vault_commitment", statement.vault_commitment)
            .member("epoch", statement.epoch);
        if (moved)
            writer.member("keys_moved", *moved);
        writer.member("attested", true).member("pinned", pinned).end_object();
        std::printf("%s\n", out.c_str());
        return;
    }
    std::printf(
        "vault       %s\ncommitment  %s\nepoch       %llu\nattested    yes: the enclave's statement and %s "
        "verify\n",
        statement.vault_id.c_str(), statement.vault_commitment.c_str(),
        static_cast<unsigned long long>(statement.epoch),
        pinned ? "the pinned PCR0 and PCR16" : "the root (PCRs are NOT pinned)");
    if (moved)
        std::printf("moved       %llu keys\n", static_cast<unsigned long long>(*moved));
}

Status list(const VaultOptions& options) {
    REDOUBT_TRY(auto gateway, Gateway::connect(options.connection));
    REDOUBT_TRY(const auto answer, gateway.get("/v1/vaults"));
    if (options.json) {
        std::printf("%s\n", answer.body.c_str());
        return {};
    }
    json::Document document;
    REDOUBT_TRY(const auto root, document.parse(answer.body));
    const auto vaults = root.get("vaults");
    if (!vaults || !vaults->is_array())
        return fail(Code::BadRequest, "the gateway's list is malformed");
    for (const auto vault : *vaults) {
        const auto epoch = vault.get("epoch"), open = vault.get("enclaves_open");
        std::printf("%s  epoch %llu  %s  open in %llu enclaves\n  commitment %s\n",
                    text_of(vault, "vault_id").c_str(),
                    static_cast<unsigned long long>(epoch ? epoch->u64().value_or(0) : 0),
                    text_of(vault, "created").c_str(),
                    static_cast<unsigned long long>(open ? open->u64().value_or(0) : 0),
                    text_of(vault, "vault_commitment").c_str());
        if (const auto keys = vault.get("kms_keys"); keys && keys->is_array())
            for (const auto key : *keys)
                if (key.is_string())
                    std::printf("  wrapped under %.*s\n", static_cast<int>(key.text().size()),
                                key.text().data());
    }
    std::printf("The list is the gateway's word; a key's statement names the commitment of its vault.\n");
    return {};
}

// Moves every key of one vault into another; what was moved before stays moved, so it may be cut off and
// begun again.
class Rotation {
  public:
    Rotation(const VaultOptions& options, std::string to, std::string authorization)
        : options_(options), to_(std::move(to)), authorization_(std::move(authorization)) {}

    Result<std::uint64_t> run() {
        auto told = std::chrono::steady_clock::now();
        int idle = 0;
        for (;;) {
            REDOUBT_TRY(keys_, page());
            if (keys_.empty())
                return moved_.load();
            const std::uint64_t before = moved_;
            next_ = 0;
            std::vector<std::thread> workers;
            for (unsigned i = 0; i < options_.connections; ++i)
                workers.emplace_back([this] { work(); });
            for (auto& worker : workers)
                worker.join();
            if (failed_)
                return std::unexpected(*failed_);
            // Keys whose deletion is due stay in the list until the gateway has deleted them, some seconds.
            if (moved_ == before) {
                if (++idle > kMostIdle)
                    return fail(
                        Code::Conflict,
                        "the list names keys of the old vault that are gone; is another store behind it?");
                std::this_thread::sleep_for(std::chrono::seconds(1));
            } else {
                idle = 0;
            }
            if (const auto now = std::chrono::steady_clock::now(); now - told > std::chrono::seconds(1)) {
                told = now;
                std::fprintf(stderr, "redoubt: %llu keys moved\n",
                             static_cast<unsigned long long>(moved_.load()));
            }
        }
    }

  private:
    Result<std::vector<std::string>> page() {
        REDOUBT_TRY(auto gateway, Gateway::connect(options_.connection));
        std::vector<std::string> out;
        std::string after;
        // A filter may give short pages; the first that has keys is enough.
        do {
            REDOUBT_TRY(const auto answer,
                        gateway.get("/v1/keys?vault_id=" + options_.from + "&limit=" + std::to_string(kPage) +
                                    (after.empty() ? "" : "&after=" + after)));
            json::Document document;
            REDOUBT_TRY(const auto root, document.parse(answer.body));
            const auto keys = root.get("keys");
            if (!keys || !keys->is_array())
                return fail(Code::BadRequest, "the gateway's list is malformed");
            for (const auto key : *keys)
                out.push_back(text_of(key, "key_id"));
            after = text_of(root, "next");
        } while (out.empty() && !after.empty());
        return out;
    }

    void work() {
        auto gateway = Gateway::connect(options_.connection);
        if (!gateway)
            return give_up(gateway.error());
        for (std::size_t i = next_++; i < keys_.size() && !stopped_; i = next_++) {
            const auto moved = move(*gateway, keys_[i]);
            if (!moved)
                return give_up(moved.error());
            moved_ += *moved ? 1 : 0;
        }
    }

    // False: it was deleted meanwhile, and there is nothing left to move.
    Result<bool> move(Gateway& gateway, const std::string& key_id) {
        std::string body;
        json::Writer writer(body);
        writer.begin_object().member("vault_id", to_);
        if (!authorization_.empty())
            writer.key("authorization").raw(authorization_);
        writer.end_object();
        for (int attempt = 1;; ++attempt) {
            const auto answer = gateway.post("/v1/keys/" + key_id + "/move", body);
            if (answer)
                return true;
            const Code code = answer.error().code;
            if (code == Code::UnknownKey)
                return false;
            const bool may_pass = http_status(code) >= 500 || code == Code::Conflict ||
                                  code == Code::RecordStale || code == Code::TooManyRequests;
            if (!may_pass || attempt >= kAttempts)
                return std::unexpected(answer.error());
            std::this_thread::sleep_for(std::chrono::milliseconds(kPauseMs));
        }
    }

    void give_up(const Error& error) {
        stopped_ = true;
        const std::lock_guard lock(mutex_);
        if (!failed_)
            failed_ = error;
    }

    const VaultOptions& options_;
    std::string to_, authorization_;
    std::vector<std::string> keys_;
    std::atomic<std::size_t> next_{0};
    std::atomic<std::uint64_t> moved_{0};
    std::atomic<bool> stopped_{false};
    std::mutex mutex_;
    std::optional<Error> failed_;
};

Status rotate(const VaultOptions& options) {
    const auto from = sealed::parse_vault_id(options.from);
    if (!from)
        return fail(Code::Usage, "name the vault whose keys are to move: vault- and 32 hex digits");
    // The new vault's id comes of the old one's, so that a rotation that was cut off finds it again.
    const std::string token =
        options.to.empty()
            ? "rotate." + to_hex(*from) + (options.has_epoch ? "." + std::to_string(options.epoch) : "")
            : "";
    trust::VaultStatement target;
    target.vault_id = options.to;
    if (!token.empty()) {
        REDOUBT_TRY(target, create(options, token, options.create_authorization_file));
        std::fprintf(stderr, "redoubt: keys go to %s\n", target.vault_id.c_str());
    }
    if (target.vault_id == options.from)
        return fail(Code::Usage, "the two vaults are the same");
    std::string authorization;
    if (!options.authorization_file.empty()) {
        REDOUBT_TRY(authorization, read_authorization(options.authorization_file));
    }
    REDOUBT_TRY(const std::uint64_t moved, Rotation(options, target.vault_id, authorization).run());
    if (token.empty()) {
        if (options.json)
            std::printf("{\"vault_id\":\"%s\",\"keys_moved\":%llu}\n", target.vault_id.c_str(),
                        static_cast<unsigned long long>(moved));
        else
            std::printf("%llu keys moved to %s\n", static_cast<unsigned long long>(moved),
                        target.vault_id.c_str());
        return {};
    }
    print(target, options, moved);
    if (!options.json)
        std::printf(
            "Next: name the new commitment in the manifest's vault_commitments, and raise min_epoch to the "
            "new vault's epoch\nif older records must not be taken any more (docs/vaults.md).\n");
    return {};
}

} // namespace

void add_vaults(CLI::App& app, Context& context) {
    auto* vault = app.add_subcommand("vault", "list, create and rotate vaults");
    vault->require_subcommand(1);
    const auto command = [&](const char* name, const char* about, Status (*run)(const VaultOptions&),
                             CLI::App** made) {
        *made = vault->add_subcommand(name, about);
        auto options = std::make_shared<VaultOptions>();
        add_connection(**made, options->connection, options->json);
        (*made)->callback([&context, options, run] {
            auto status = complete(options->connection);
            if (status)
                status = run(*options);
            context.exit_code = status ? kExitOk : report(status.error(), options->json);
        });
        return options;
    };
    const auto with_epoch = [](CLI::App& to, const std::shared_ptr<VaultOptions>& options) {
        to.add_option_function<std::uint64_t>(
            "--epoch",
            [options](const std::uint64_t& epoch) {
                options->epoch = epoch;
                options->has_epoch = true;
            },
            "the new vault's epoch, which its keys are sealed with (default: the manifest's min_epoch)");
    };
    CLI::App* made = nullptr;
    command("list", "the vaults in the gateway's store, their commitments, and where they are open", list,
            &made);

    auto created = command(
        "create", "draw a vault inside the enclave, wrapped for every region of the manifest",
        [](const VaultOptions& options) -> Status {
            const std::string token = options.client_token.empty()
                                          ? to_hex(crypto::SystemRandom().array<16>())
                                          : options.client_token;
            REDOUBT_TRY(const auto statement, create(options, token, options.authorization_file));
            print(statement, options, std::nullopt);
            return {};
        },
        &made);
    made->add_option("--client-token", created->client_token,
                     "the vault's id comes of it: a repeat makes no second vault (default: a random one)");
    with_epoch(*made, created);
    made->add_option(
        "--authorization", created->authorization_file,
        "owners' authorization, where the manifest names owners (redoubt authorize vault-create)");

    auto rotated = command("rotate", "seal every key of a vault again, in a new one", rotate, &made);
    made->add_option("vault", rotated->from, "the vault whose keys move, vault-…")->required();
    made->add_option("--to", rotated->to, "an existing vault instead of a new one");
    with_epoch(*made, rotated);
    made->add_option("--authorization", rotated->authorization_file,
                     "owners' authorization to move keys (redoubt authorize vault-move)");
    made->add_option("--create-authorization", rotated->create_authorization_file,
                     "owners' authorization to make the new vault (redoubt authorize vault-create)");
    made->add_option("--connections", rotated->connections, "requests at a time")
        ->check(CLI::Range(1u, 64u))
        ->capture_default_str();
    made->footer(
        "Example: redoubt vault rotate vault-… --epoch 2\n"
        "Keys sign all the while. A rotation that was cut off goes on where it was when it is begun again.");
}

} // namespace redoubt::cli
