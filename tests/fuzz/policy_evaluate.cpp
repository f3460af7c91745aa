// SPDX-License-Identifier: Apache-2.0
// Any policy on any transaction: the input is the policy up to the first zero byte, and after it a byte that
// says who asks and whether the transaction deploys, a byte of its type and nonce, 32 bytes of the value, and
// the calldata. Evaluation ends, its answer is consistent with itself, and what a rule says as allow it says
// as deny. Seeds: corpus/policy_evaluate.
#include "policy/evaluator.h"

#include <algorithm>
#include <cstdlib>

using namespace redoubt;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

ethereum::Transaction transaction_of(ByteView bytes) {
    ethereum::Transaction out;
    const auto byte = [&](std::size_t at) -> std::uint8_t { return at < bytes.size() ? bytes[at] : 0; };
    out.type = static_cast<ethereum::TransactionType>(byte(1) % (ethereum::kLastTransactionType + 1));
    out.nonce = byte(1) / 8;
    out.gas = 21'000;
    if (byte(1) % 7 != 0)
        out.chain_id = 1 + byte(1) % 3;
    out.gas_price = out.max_fee_per_gas = byte(2);
    if (byte(0) % 4 != 3)
        out.to.emplace().fill(0x11);
    if (out.type == ethereum::TransactionType::SetCode)
        out.authorization_list.resize(byte(1) % 3);
    const ByteView rest = bytes.subspan(std::min<std::size_t>(2, bytes.size()));
    out.value = *ethereum::from_big_endian(rest.first(std::min<std::size_t>(32, rest.size())));
    out.data = to_bytes(rest.subspan(std::min<std::size_t>(32, rest.size())));
    return out;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView bytes(data, size);
    const auto zero = std::find(bytes.begin(), bytes.end(), 0);
    const auto length = static_cast<std::size_t>(zero - bytes.begin());
    auto document = policy::parse_document(as_text(bytes.first(length)));
    if (!document)
        return 0;
    const ByteView rest = bytes.subspan(std::min(length + 1, size));
    const ethereum::Transaction transaction = transaction_of(rest);
    policy::Facts facts;
    facts.transaction = &transaction;
    facts.now = static_cast<UnixMs>(transaction.nonce * 3'600'000);
    if (!rest.empty() && rest[0] / 4 % 3 == 0 && !document->principals.empty())
        facts.asker.key = &document->principals[0].key;
    else if (!rest.empty() && rest[0] / 4 % 3 == 1)
        facts.asker.host_name = "app";

    const policy::Verdict verdict = policy::evaluate(*document, facts);
    require(verdict.denied_by == nullptr || (!verdict.denied_by->allow && verdict.candidates.empty()));
    require(verdict.misses.size() <= policy::kMaxMisses);
    require(verdict.misses.empty() || verdict.candidates.empty());
    for (const auto& candidate : verdict.candidates) {
        require(candidate.rule->allow);
        require(candidate.charges.size() >= candidate.rule->limits.size() &&
                candidate.charges.size() <= candidate.rule->limits.size() + document->limits.size());
        // Alone, as a deny rule, it denies.
        policy::Document other;
        other.functions = document->functions;
        other.rules.push_back(*candidate.rule);
        other.rules[0].allow = false;
        require(policy::evaluate(other, facts).denied_by == &other.rules[0]);
    }
    // Deny rules do not depend on each other.
    if (verdict.denied_by != nullptr) {
        policy::Document other;
        other.functions = document->functions;
        other.rules.push_back(*verdict.denied_by);
        require(policy::evaluate(other, facts).denied_by != nullptr);
    }
    return 0;
}
