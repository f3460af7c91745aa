// SPDX-License-Identifier: Apache-2.0
// Attested statements: what the enclave says of a key, bound to a fresh attestation document (user_data = {1,
// purpose, SHA-256(statement)}), so that a host can't answer with a key or address of its own. The client
// checks before it shows or uses an address. docs/formats/statement.md.
#pragma once

#include "nitro/attestation.h"

#include <string>
#include <string_view>
#include <vector>

namespace redoubt::trust {

// user_data purposes.
inline constexpr std::string_view kPurposeKey = "key-statement";           // digest of a key statement
inline constexpr std::string_view kPurposeAddresses = "address-statement"; // digest of an address statement
inline constexpr std::string_view kPurposeImport = "import-offer";         // digest of an import offer
inline constexpr std::string_view kPurposeVault = "vault-statement";       // digest of a vault statement
inline constexpr std::string_view kPurposeExport = "export-statement";     // digest of an export statement
inline constexpr std::string_view kPurposeSession = "session-offer";       // digest of a session offer
inline constexpr std::string_view kPurposeIdentity =
    "identity"; // digest of the manifest's canonical form (SHA-256)
inline constexpr std::string_view kPurposeKms = "kms-recipient"; // digest of the public key; for KMS calls
inline constexpr std::string_view kPurposeTls = "tls";     // digest of the TLS key's SubjectPublicKeyInfo
inline constexpr std::string_view kPurposeClock = "clock"; // digest zero; the enclave asks the time

struct KeyStatement {
    std::string key_id;     // "key-…"
    std::string address;    // EIP-55
    std::string public_key; // "0x" and 128 hex digits
    std::string algorithm;  // "secp256k1"; "bip32-secp256k1": keys below a seed, and address and
                            // public key are those at m/44'/60'/0'/0/0
    std::string vault_id, vault_commitment; // hex
    std::string policy_digest;              // hex; the one that decides now
    std::string pending_policy;             // hex; the one that will from `pending_from` (ms) on, or empty
    std::uint64_t pending_from = 0;
    std::uint64_t epoch = 0;
    bool exportable = false;
    bool raw_signing = false; // may sign digests as they are: a grant of the whole account
    std::string state;        // "enabled", "disabled", "pending-deletion"
    std::uint64_t revision = 0;
    std::string nonce; // the client's, hex
};

std::string encode_statement(const KeyStatement& statement); // canonical JSON
Result<KeyStatement> parse_statement(std::string_view json); // Error: AttestationInvalid

// Addresses below an HD key's seed.
struct AddressStatement {
    std::string key_id, vault_id, vault_commitment, policy_digest;
    std::string nonce; // the client's, hex
    struct Entry {
        std::string path, address;
    };
    std::vector<Entry> addresses;
};

inline constexpr std::size_t kMaxStatementAddresses = 1000;

std::string encode_statement(const AddressStatement& statement);         // canonical JSON
Result<AddressStatement> parse_address_statement(std::string_view json); // Error: AttestationInvalid

// Where a key may be sealed to for import: an X25519 key that every enclave with this vault open has.
struct ImportOffer {
    std::string public_key;                 // "0x" and 64 hex digits
    std::uint64_t epoch = 0;                // that the key will be sealed under
    std::string vault_id, vault_commitment; // hex
    std::string nonce;                      // the client's, hex
};
std::string encode_statement(const ImportOffer& offer);        // canonical JSON
Result<ImportOffer> parse_import_offer(std::string_view json); // Error: AttestationInvalid
// HPKE's info for an import: canonical JSON of what the key shall be, so that no host can change it on the
// way.
struct ImportInfo {
    std::string key_id, vault_id, policy_digest; // key_id: of the client's token
    std::uint64_t epoch = 0;
    bool hd = false, exportable = false, raw_signing = false;
};
std::string import_info(const ImportInfo& info);

// A vault and its key's commitment, for the manifest.
struct VaultStatement {
    std::string vault_id, vault_commitment; // hex
    std::uint64_t epoch = 0;
    std::string nonce; // the client's, hex
};
std::string encode_statement(const VaultStatement& statement);       // canonical JSON
Result<VaultStatement> parse_vault_statement(std::string_view json); // Error: AttestationInvalid

// What was exported, to whom: HPKE's ciphertext is of this enclave, and holds this key.
struct ExportStatement {
    std::string key_id, address, algorithm, vault_id, policy_digest;
    std::string recipient, recipient_public_key; // as the policy has them; "0x" and 64 hex digits
    std::string encapsulated_key, ciphertext;    // "0x" and hex digits
    std::string nonce;                           // the client's, hex
};
std::string encode_statement(const ExportStatement& statement);        // canonical JSON
Result<ExportStatement> parse_export_statement(std::string_view json); // Error: AttestationInvalid
// HPKE's info for an export: canonical JSON of what the secret is.
std::string export_info(const ExportStatement& statement);

// Where a principal's session key may be sealed to: an X25519 key that this enclave alone has.
struct SessionOffer {
    std::string public_key; // "0x" and 64 hex digits
    std::string challenge;  // the nonce that the request must be signed with
    std::string nonce;      // the client's, hex
};
std::string encode_statement(const SessionOffer& offer);         // canonical JSON
Result<SessionOffer> parse_session_offer(std::string_view json); // Error: AttestationInvalid

struct Pins {
    Bytes root_der; // the root certificate to trust
    std::optional<Bytes> pcr0, pcr16;
    Bytes nonce; // what the client sent
};

// Verifies document and statement together: chain, signature, not debug, PCRs, nonce, purpose, digest, and
// that the statement repeats the nonce. Errors: Attestation*.
Result<KeyStatement> verify_key_statement(std::string_view statement, ByteView document, const Pins& pins,
                                          UnixMs now);
Result<AddressStatement> verify_address_statement(std::string_view statement, ByteView document,
                                                  const Pins& pins, UnixMs now);
Result<ImportOffer> verify_import_offer(std::string_view statement, ByteView document, const Pins& pins,
                                        UnixMs now);
Result<SessionOffer> verify_session_offer(std::string_view statement, ByteView document, const Pins& pins,
                                          UnixMs now);
Result<VaultStatement> verify_vault_statement(std::string_view statement, ByteView document, const Pins& pins,
                                              UnixMs now);
Result<ExportStatement> verify_export_statement(std::string_view statement, ByteView document,
                                                const Pins& pins, UnixMs now);
// The same for a bare document of a purpose. Gives the attestation.
Result<nitro::Attestation> verify_document(ByteView document, std::string_view purpose, const Pins& pins,
                                           UnixMs now);

} // namespace redoubt::trust
