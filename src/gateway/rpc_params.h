// SPDX-License-Identifier: Apache-2.0
// A JSON-RPC call's parameters, read strictly: a parameter that is null counts as absent, and what a method
// does not know is refused. Internal to rpc_methods.cpp.
#pragma once

#include "ethereum/uint256.h"
#include "gateway/rpc_methods.h"

namespace redoubt::gateway {

RpcFault bad_param(FixedText text); // -32602

class RpcParams {
  public:
    explicit RpcParams(const std::optional<json::Value>& array) : array_(array) {}

    template<class T>
    using Read = std::expected<T, RpcFault>;

    // Nothing: there are no more than so many.
    std::optional<RpcFault> at_most(std::size_t count) const;
    std::optional<json::Value> at(std::size_t index) const noexcept;

    Read<ethereum::Address> address(std::size_t index) const;
    Read<std::string_view> hex(std::size_t index) const; // "0x…", of whole bytes
    // An object's JSON; it may come as text, too.
    Read<std::string> object(std::size_t index) const;

    struct Transaction {
        ethereum::Address from{};
        std::optional<ethereum::Uint256> chain_id;
        std::string json; // with the endpoint's chain id where the client gave none; after `before`
    };
    Read<Transaction> transaction(std::size_t index, const RpcPlace& place,
                                  std::string_view before = {}) const;

    struct Authorization {
        std::optional<ethereum::Address> from;
        std::string json; // {chainId, address, nonce}
    };
    // {chainId, address or contractAddress, nonce, from?}
    Read<Authorization> authorization(std::size_t index, const RpcPlace& place) const;

    // {address, message} of EIP-191's version 0x00: {"hex", "validator"}.
    Read<std::string> validator_message(std::size_t index) const;
    // Whose personal signature over the message it is.
    Read<ethereum::Address> signer_of_message(std::size_t message, std::size_t signature) const;

  private:
    std::optional<json::Value> array_;
};

} // namespace redoubt::gateway
