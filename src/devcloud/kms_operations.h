// SPDX-License-Identifier: Apache-2.0
// Private to KMS: one function an operation, and what they share. Each takes a KmsCall and returns the
// reply's JSON (empty: an empty body); what it learns about the call on the way goes into the event.
#pragma once

#include "devcloud/access.h"
#include "devcloud/cloud.h"
#include "devcloud/input.h"
#include "devcloud/kms_ciphertext.h"
#include "devcloud/recipient.h"

namespace redoubt::devcloud {

struct KmsCall {
    Cloud& cloud;
    const Call& call;
    const Input& input;
    Event& event;
};

using KmsOperation = Reply<std::string> (*)(KmsCall& kms);

// kms_keys.cpp
Reply<std::string> create_key(KmsCall& kms);
Reply<std::string> describe_key(KmsCall& kms);
Reply<std::string> list_keys(KmsCall& kms);
Reply<std::string> update_key_description(KmsCall& kms);

// kms_states.cpp
Reply<std::string> enable_key(KmsCall& kms);
Reply<std::string> disable_key(KmsCall& kms);
Reply<std::string> schedule_key_deletion(KmsCall& kms);
Reply<std::string> cancel_key_deletion(KmsCall& kms);

// kms_policies.cpp
Reply<std::string> put_key_policy(KmsCall& kms);
Reply<std::string> get_key_policy(KmsCall& kms);
Reply<std::string> list_key_policies(KmsCall& kms);

// kms_tags.cpp
Reply<std::string> tag_resource(KmsCall& kms);
Reply<std::string> untag_resource(KmsCall& kms);
Reply<std::string> list_resource_tags(KmsCall& kms);

// kms_aliases.cpp
Reply<std::string> create_alias(KmsCall& kms);
Reply<std::string> update_alias(KmsCall& kms);
Reply<std::string> delete_alias(KmsCall& kms);
Reply<std::string> list_aliases(KmsCall& kms);

// kms_grants.cpp
Reply<std::string> create_grant(KmsCall& kms);
Reply<std::string> list_grants(KmsCall& kms);
Reply<std::string> list_retirable_grants(KmsCall& kms);
Reply<std::string> revoke_grant(KmsCall& kms);
Reply<std::string> retire_grant(KmsCall& kms);

// kms_rotation.cpp
Reply<std::string> enable_key_rotation(KmsCall& kms);
Reply<std::string> disable_key_rotation(KmsCall& kms);
Reply<std::string> get_key_rotation_status(KmsCall& kms);
Reply<std::string> rotate_key_on_demand(KmsCall& kms);
Reply<std::string> list_key_rotations(KmsCall& kms);
// Deletes the keys and rotates the materials whose time has come.
Reply<void> do_what_is_due(Cloud& cloud, UnixMs now);

// kms_data.cpp
Reply<std::string> encrypt(KmsCall& kms);
Reply<std::string> decrypt(KmsCall& kms);
Reply<std::string> re_encrypt(KmsCall& kms);
Reply<std::string> generate_random(KmsCall& kms);

// kms_data_keys.cpp
Reply<std::string> generate_data_key(KmsCall& kms);
Reply<std::string> generate_data_key_without_plaintext(KmsCall& kms);

// kms_pairs.cpp
Reply<std::string> generate_data_key_pair(KmsCall& kms);
Reply<std::string> generate_data_key_pair_without_plaintext(KmsCall& kms);

// kms_authorise.cpp

// What a key's policy and grants are asked, beside who calls.
struct KeyQuestion {
    std::string action{};                       // empty: "kms:" and the operation
    const EncryptionContext* context = nullptr; // of a cryptographic operation
    const Recipient* recipient = nullptr;
    ConditionValues values{}; // further condition keys
    // AWS lets other accounts' principals use some operations only, and lets grants allow some only.
    bool other_accounts = false;
    bool grantable = false; // also reads GrantTokens
    std::function<bool(const Grant&)> grant_fits{};
};
// Error: AccessDeniedException, InvalidGrantTokenException.
Reply<void> authorise(KmsCall& kms, const KeyRecord& key, KeyQuestion question = {});
// For operations on no key: identity policies alone decide. `resource`: "*", or an alias's ARN.
Reply<void> authorise_by_iam(const KmsCall& kms, std::string_view action = {},
                             std::string_view resource = "*", ConditionValues values = {});
// The policy parses, and leaves the caller able to put another one (AWS's lockout check), unless `bypass`.
// Error: MalformedPolicyDocumentException.
Reply<void> check_new_policy(const KmsCall& kms, std::string_view policy, std::string_view key_arn,
                             bool bypass);
// Whether a grant on the key allows the question (empty: none does); grants count at once, without tokens.
Reply<std::optional<Grant>> find_grant(const KmsCall& kms, const KeyRecord& key, const KeyQuestion& question);

// kms_shared.cpp

inline constexpr Size kKeyIdSize = {1, 2048};
inline constexpr Size kPrincipalSize = {1, 256};

enum class Named { KeyOrAlias, KeyOnly }; // what an operation's KeyId may be
// By key id or ARN, or alias name or ARN; of this call's region. Error: NotFoundException.
Reply<KeyRecord> find_key(KmsCall& kms, std::string_view key_id, Named named);
// The member KeyId, found and authorised: for operations that no other account's principal may use.
Reply<KeyRecord> authorised_key(KmsCall& kms);
// Errors: DisabledException, KMSInvalidStateException.
Reply<void> check_usable(const KeyRecord& key);
// Error: KMSInvalidStateException.
Reply<void> check_not_pending(const KeyRecord& key);
// After every other check, before anything happens. Error: DryRunOperationException.
Reply<void> check_dry_run(const KmsCall& kms);
// EncryptionContext (or the member named). Also into the event.
Reply<EncryptionContext> read_context(KmsCall& kms, std::string_view member = "EncryptionContext");
// Error: InvalidKeyUsageException for what no symmetric key can do.
Reply<void> check_algorithm(const KmsCall& kms, std::string_view member);
Reply<std::optional<Recipient>> read_logged_recipient(KmsCall& kms);
// The material is there for every id that the key has or had. Error: InvalidCiphertextException.
Reply<Secret> material_of(const KmsCall& kms, const std::string& key_id, const std::string& material_id);
// Encrypts under the key's current material.
Reply<Bytes> seal_under(const KmsCall& kms, const KeyRecord& key, const EncryptionContext& context,
                        const Secret& plaintext);
// `member` without a recipient, "CiphertextForRecipient" with one: never both.
Reply<void> write_plaintext(const KmsCall& kms, json::Writer& writer, std::string_view member,
                            const std::optional<Recipient>& recipient, const Secret& plaintext);
// Limit and Marker. The marker is the sequence number of the last entry told. Error: InvalidMarkerException.
Reply<Page> read_page(const KmsCall& kms, std::size_t usual);
// Cuts a list that was asked for with one entry too many, and ends the reply with Truncated and NextMarker.
template<class T>
bool cut_page(std::vector<T>& entries, const Page& page) {
    const bool truncated = entries.size() > page.limit;
    if (truncated)
        entries.pop_back();
    return truncated;
}
template<class T>
void write_page_end(json::Writer& writer, const std::vector<T>& entries, bool truncated) {
    if (truncated)
        writer.member("NextMarker", std::to_string(entries.back().sequence));
    writer.member("Truncated", truncated).end_object();
}

} // namespace redoubt::devcloud
