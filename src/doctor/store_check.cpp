// SPDX-License-Identifier: Apache-2.0
#include "doctor/checks.h"
#include "store/inspect.h"

#include <algorithm>
#include <map>

namespace redoubt::doctor {

namespace {

constexpr const char* kRestore = "stop the gateway and restore the store from a backup";

// " (2 disabled, 1 pending-deletion)", or nothing.
std::string not_enabled(const std::map<sealed::State, std::uint64_t>& keys) {
    std::string out;
    for (const auto& [state, count] : keys)
        if (state != sealed::State::Enabled)
            out += (out.empty() ? " (" : ", ") + std::to_string(count) + " " +
                   std::string(sealed::state_name(state));
    return out.empty() ? out : out + ")";
}

void check_vaults(const Inputs& inputs, const store::Inspection& store, const trust::Manifest& manifest,
                  Report& report) {
    constexpr const char* kCheck = "store-vaults";
    bool sound = true;
    const auto fail = [&](const sealed::VaultRecord& vault, std::string sentence, std::string change) {
        sound = false;
        report.fail(kCheck, sealed::vault_id_text(vault.id), std::move(sentence), std::move(change));
    };
    for (const auto& vault : store.vaults) {
        const bool opens = std::ranges::any_of(vault.wraps, [&](const sealed::VaultWrap& wrap) {
            const auto* key = manifest.find_kms_key(wrap.kms_key_arn);
            return key != nullptr && key->purpose == trust::KmsPurpose::Vault;
        });
        if (!opens)
            fail(vault,
                 "it is wrapped under " +
                     printable(vault.wraps.empty() ? "nothing" : vault.wraps[0].kms_key_arn) +
                     ", which the manifest does not name as a vault key",
                 "name that key in the manifest with the purpose vault, or name the store that belongs to "
                 "this "
                 "manifest");
        if (vault.epoch < manifest.min_epoch)
            fail(vault,
                 "its epoch " + std::to_string(vault.epoch) + " is below the manifest's min_epoch " +
                     std::to_string(manifest.min_epoch),
                 "it is an old vault, and refused on purpose: restore the newest store");
        if (!manifest.vault_commitments.empty()) {
            const auto known = manifest.vault_commitments.find(vault.id);
            if (known == manifest.vault_commitments.end())
                fail(vault, "the manifest's vault_commitments do not name it: it is not opened",
                     "add its commitment, if it is yours");
            else if (known->second != vault.commitment)
                fail(vault,
                     "its commitment is " + short_hex(vault.commitment) + ", but the manifest names " +
                         short_hex(known->second),
                     "somebody put another vault into the store: restore it from a backup");
        }
    }
    if (!store.vaults.empty() && sound)
        report.ok(kCheck, {},
                  "each of " + std::to_string(store.vaults.size()) + " vaults belongs to the manifest");
    if (store.vaults.empty() && store.keys == 0)
        report.warn(kCheck, inputs.store_path, "the store holds no vault yet",
                    "start the gateway with --create-vault");
}

} // namespace

void check_store(const Inputs& inputs, const Knowledge& known, Report& report) {
    constexpr const char* kCheck = "store";
    if (inputs.store_path.empty())
        return report.skipped(kCheck, {}, "name it (--store FILE) to have it checked");
    if (inputs.store_path.find("://") != std::string::npos)
        return report.skipped(kCheck, {},
                              "only SQLite files are looked into; use the database server's own checks");
    if (inputs.store_path.starts_with("secretsmanager:"))
        return report.skipped(
            kCheck, {},
            "only SQLite files are looked into; the gateway's log names secrets of this store "
            "that cannot be read");
    report.waiting("reading the store " + inputs.store_path);
    const std::uint64_t min_epoch = known.manifest ? known.manifest->min_epoch : 0;
    std::uint64_t stale = 0;
    std::map<sealed::VaultId, std::uint64_t> keys_by_vault;
    std::map<sealed::State, std::uint64_t> keys_by_state;
    const auto store = store::inspect_sqlite_store(inputs.store_path, [&](const sealed::KeyHead& head) {
        stale += head.epoch < min_epoch ? 1u : 0u;
        ++keys_by_vault[head.vault];
        ++keys_by_state[head.state];
    });
    if (!store)
        return report.fail(kCheck, inputs.store_path, printable(store.error().describe()),
                           std::string("see the path and its permissions; if it is damaged, ") + kRestore);
    if (!store->integrity.empty())
        return report.fail(kCheck, inputs.store_path,
                           "SQLite finds the database damaged: " + printable(store->integrity), kRestore);
    const std::uint64_t damaged = store->damaged_keys + store->damaged_vaults + store->damaged_policies;
    report.ok(kCheck, inputs.store_path,
              "the database is sound: " + std::to_string(store->keys) + " keys" + not_enabled(keys_by_state) +
                  ", " + std::to_string(store->vaults.size()) + " vaults, " +
                  std::to_string(store->policies) + " policies");
    if (damaged > 0)
        report.fail("store-records", inputs.store_path,
                    std::to_string(store->damaged_keys) + " keys, " + std::to_string(store->damaged_vaults) +
                        " vaults and " + std::to_string(store->damaged_policies) + " policies cannot be read",
                    kRestore);
    if (store->damaged_counters > 0)
        report.fail("store-records", inputs.store_path,
                    "the counters of " + std::to_string(store->damaged_counters) +
                        " keys cannot be read: these keys sign nothing that a limit counts",
                    kRestore);
    if (stale > 0)
        report.fail("store-records", inputs.store_path,
                    std::to_string(stale) + " keys have an epoch below the manifest's min_epoch " +
                        std::to_string(min_epoch) + " and are refused",
                    "they are old records, and refused on purpose: restore the newest store");
    std::uint64_t orphans = 0;
    for (const auto& [vault, keys] : keys_by_vault)
        if (std::ranges::none_of(store->vaults, [&](const auto& v) { return v.id == vault; }))
            orphans += keys;
    if (orphans > 0)
        report.fail("store-records", inputs.store_path,
                    std::to_string(orphans) + " keys belong to vaults that the store does not hold",
                    kRestore);
    if (damaged + store->damaged_counters + stale + orphans == 0)
        report.ok("store-records", inputs.store_path, "every record can be read");
    if (known.manifest)
        check_vaults(inputs, *store, *known.manifest, report);
}

} // namespace redoubt::doctor
