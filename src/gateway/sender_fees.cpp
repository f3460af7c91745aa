// SPDX-License-Identifier: Apache-2.0
#include "gateway/sender_fees.h"

#include "base/json.h"

#include <algorithm>

namespace redoubt::gateway {

namespace {

using ethereum::Uint256;

constexpr FixedText kNoQuantity = "the node's answer is no quantity where one must stand";
constexpr std::uint64_t kTransferGas = 21'000;
constexpr unsigned kLeastRise = 10; // percent; geth, reth, Nethermind and Besu take no less for a replacement

Uint256 highest() noexcept {
    Uint256 out;
    out.limbs.fill(~std::uint64_t{0});
    return out;
}

Uint256 sum(const Uint256& a, const Uint256& b) noexcept {
    return ethereum::add(a, b).value_or(highest());
}

// Long division, 32 bits at a time.
Uint256 divided(const Uint256& value, std::uint32_t by, bool& exact) noexcept {
    Uint256 out;
    std::uint64_t rest = 0;
    for (std::size_t i = value.limbs.size(); i-- > 0;) {
        const std::uint64_t high = rest << 32 | value.limbs[i] >> 32;
        const std::uint64_t low = (high % by) << 32 | (value.limbs[i] & 0xffff'ffff);
        out.limbs[i] = (high / by) << 32 | low / by;
        rest = low % by;
    }
    exact = rest == 0;
    return out;
}

} // namespace

Result<Uint256> read_quantity(std::string_view result) {
    json::Document document;
    const auto root = document.parse(result);
    if (!root || !root->is_string())
        return fail(Code::NodeRefused, kNoQuantity);
    const auto value = ethereum::from_quantity(root->text());
    if (!value)
        return fail(Code::NodeRefused, kNoQuantity);
    return *value;
}

Result<std::uint64_t> read_count(std::string_view result) {
    REDOUBT_TRY(const Uint256 value, read_quantity(result));
    if (!value.fits_u64() || value.limbs[0] > INT64_MAX)
        return fail(Code::NodeRefused, "the node's answer is a number above 2^63");
    return value.limbs[0];
}

Result<std::optional<Uint256>> read_base_fee(std::string_view result) {
    json::Document document;
    const auto root = document.parse(result);
    if (!root || !root->is_object())
        return fail(Code::NodeRefused, "the node's fee history cannot be read");
    const auto fees = root->get("baseFeePerGas");
    if (!fees || fees->is_null() || (fees->is_array() && fees->size() == 0))
        return std::optional<Uint256>();
    if (!fees->is_array())
        return fail(Code::NodeRefused, "the node's fee history cannot be read");
    std::optional<Uint256> last;
    for (const json::Value fee : *fees)
        last = fee.is_string() ? ethereum::from_quantity(fee.text()) : std::nullopt;
    if (!last)
        return fail(Code::NodeRefused, "the node's fee history cannot be read");
    return last;
}

Uint256 fee_cap(const Uint256& base_fee, const Uint256& priority) noexcept {
    return sum(sum(base_fee, base_fee), priority);
}

Result<std::uint64_t> gas_with_margin(const Uint256& estimate) {
    if (!estimate.fits_u64() || estimate.limbs[0] > ethereum::kTransactionGasCap)
        return fail(Code::InvalidField,
                    "the node estimates more gas than a transaction may have (16,777,216): "
                    "split the work, or give gas");
    const std::uint64_t gas = estimate.limbs[0];
    return gas == kTransferGas ? gas : std::min(gas + gas / 5, ethereum::kTransactionGasCap);
}

Uint256 raised(const Uint256& value, unsigned percent) noexcept {
    const auto product = ethereum::multiply(value, 100ull + percent);
    if (!product)
        return highest();
    bool exact = false;
    const Uint256 quotient = divided(*product, 100, exact);
    return exact ? quotient : sum(quotient, 1);
}

std::optional<ethereum::Transaction> with_higher_fees(ethereum::Transaction t, unsigned percent,
                                                      const ChainFees& now,
                                                      const std::optional<Uint256>& most) {
    percent = std::max(percent, kLeastRise);
    const auto higher = [&](const Uint256& fee, const Uint256& wanted) {
        const Uint256 out = std::max(raised(fee, percent), wanted);
        return most ? std::min(out, *most) : out;
    };
    const auto enough = [](const Uint256& before, const Uint256& after) {
        return after >= raised(before, kLeastRise) && (after > before || before.is_zero());
    };
    if (t.type < ethereum::TransactionType::DynamicFee) {
        const Uint256 before = t.gas_price;
        t.gas_price = higher(before, now.gas_price);
        if (!enough(before, t.gas_price) || t.gas_price.is_zero())
            return std::nullopt;
    } else {
        const Uint256 priority = t.max_priority_fee_per_gas, cap = t.max_fee_per_gas;
        t.max_priority_fee_per_gas = higher(priority, now.priority);
        t.max_fee_per_gas =
            higher(cap, now.base_fee ? fee_cap(*now.base_fee, t.max_priority_fee_per_gas) : Uint256());
        t.max_priority_fee_per_gas = std::min(t.max_priority_fee_per_gas, t.max_fee_per_gas);
        if (!enough(priority, t.max_priority_fee_per_gas) || !enough(cap, t.max_fee_per_gas))
            return std::nullopt;
    }
    if (!ethereum::validate(t))
        return std::nullopt;
    return t;
}

} // namespace redoubt::gateway
