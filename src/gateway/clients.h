// SPDX-License-Identifier: Apache-2.0
// Who may ask a gateway for what: the clients document (docs/clients.md), read strictly and as a whole. What
// is parsed never changes; a reload makes another one. Pure functions of the document and a request.
#pragma once

#include "base/clock.h"
#include "gateway/rate_limits.h"
#include "gateway/routes.h"
#include "sealed/key_record.h"

#include <bitset>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace redoubt::gateway {

// What a client may ask for.
struct Grant {
    using Address = ByteArray<20>;

    std::string name; // 1 … 64 of A-Z a-z 0-9 . _ -; empty: of whoever shows nothing ("anonymous")
    std::bitset<kOperations> operations;
    bool every_key = false;
    std::vector<sealed::KeyId> key_ids; // sorted, as the next two
    std::vector<Address> addresses;     // of keys, however they are named in a request
    std::vector<std::string> secrets;   // Secrets Manager's ids of reference keys
    bool every_chain = true;            // or `chains`: whose nodes the client may use
    std::vector<std::uint64_t> chains;
    ClientLimit limit;

    bool may(Operation operation) const noexcept {
        return operations.test(static_cast<std::size_t>(operation));
    }
    // One that is named by id or address is the client's. An address is worth as much as its source: the
    // store's word, or what the enclave checks (`from`).
    bool may_use(const sealed::KeyId& id, const std::optional<Address>& address) const noexcept;
    bool may_use_secret(std::string_view secret_id) const noexcept;
    bool may(Operation operation, const sealed::KeyId& id,
             const std::optional<Address>& address) const noexcept {
        return may(operation) && may_use(id, address);
    }
    bool may_use_chain(std::uint64_t chain_id) const noexcept;
};

// "rdt_" ID "_" SECRET: 16 and 64 lower-case hex digits. The document holds the SHA-256 of the whole text;
// the secret is 256 bits of a generator, so no slower hash is needed.
inline constexpr std::size_t kTokenIdDigits = 16, kTokenSecretDigits = 64;
std::optional<std::string_view> token_id(std::string_view token) noexcept;
bool valid_client_name(std::string_view name) noexcept; // as the enclave takes it for a host principal

class Clients {
  public:
    static constexpr std::size_t kMaxBytes = 4u << 20;
    static constexpr std::size_t kMaxClients = 10'000;
    static constexpr std::size_t kMaxKeys = 10'000;    // of one client
    static constexpr std::size_t kMaxCredentials = 64; // tokens, and certificates, of one client
    static constexpr std::size_t kMaxHosts = 64;

    // Errors: BadJson, TooLarge, UnknownField, MissingField, InvalidField, AmbiguousField (two clients by one
    // credential), PrecisionLost; the context says where.
    static Result<Clients> parse(std::string_view document);

    // Whose request it is. Error: Unauthorized. An unknown certificate or token is never taken for nobody's;
    // beside a token that is good, a certificate must only be no other client's.
    Result<std::shared_ptr<const Grant>> identify(const net::HttpRequest& request, UnixMs now) const;
    // Whether the gateway goes by this name: `authority` as a Host header has it. An entry without a port
    // stands for every port.
    bool serves_host(std::string_view authority) const;

    bool wants_certificates() const noexcept {
        return !certificates_.empty() || !dns_names_.empty() || !subjects_.empty();
    }
    const std::vector<std::string>& ca_files() const noexcept { return ca_files_; }
    std::size_t size() const noexcept { return grants_.size(); }
    // For `redoubt client list`: in the document's order.
    const std::vector<std::shared_ptr<const Grant>>& grants() const noexcept { return grants_; }

  private:
    class Reader; // clients_document.cpp
    struct Token {
        std::size_t client = 0;
        Hash32 sha256{};
        std::optional<UnixMs> expires;
        bool revoked = false;
    };
    Result<std::optional<std::size_t>> by_token(const net::HttpRequest& request, UnixMs now) const;
    Result<std::optional<std::size_t>> by_certificate(const net::HttpRequest& request, UnixMs now) const;

    std::vector<std::shared_ptr<const Grant>> grants_;
    std::shared_ptr<const Grant> anonymous_; // nullptr: nobody is let in without a credential
    std::vector<std::string> hosts_;         // lower-case; empty: any
    std::vector<std::string> ca_files_;
    std::map<std::string, Token, std::less<>> tokens_; // by id
    std::map<Hash32, std::size_t> certificates_;
    std::map<std::string, std::size_t, std::less<>> dns_names_, subjects_;
    std::set<Hash32> revoked_certificates_;
};

} // namespace redoubt::gateway
