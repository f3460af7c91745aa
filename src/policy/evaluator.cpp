// SPDX-License-Identifier: Apache-2.0
#include "policy/evaluator.h"

#include "crypto/hash.h"
#include "policy/request_fields.h"

#include <algorithm>

namespace redoubt::policy {

namespace {

bool is_signature(Operation operation) noexcept {
    return operation <= Operation::SignData;
}

// The bit that rules name the asker by; 0: the document names no such key.
std::uint64_t bit_of(const Document& document, const Asker& asker) noexcept {
    const Principal* const known = asker.key != nullptr ? document.find_principal(*asker.key) : nullptr;
    return known != nullptr ? std::uint64_t{1} << (known - document.principals.data()) : 0;
}

bool speaks_of(const Rule& rule, const Asker& asker, std::uint64_t bit) noexcept {
    if (rule.anyone)
        return true;
    if (asker.key != nullptr)
        return (rule.principals & bit) != 0;
    return !asker.host_name.empty() && (rule.any_host || std::find(rule.hosts.begin(), rule.hosts.end(),
                                                                   asker.host_name) != rule.hosts.end());
}

// What limits take from the request, or the field that says why the request cannot be counted.
struct Charges {
    std::vector<Charge> list;
    std::string_view unreadable;
};

class Evaluation {
  public:
    Evaluation(const Document& document, const Facts& facts) noexcept
        : document_(document), facts_(facts), asker_bit_(bit_of(document, facts.asker)),
          fields_(document, facts) {}

    Verdict run() {
        Verdict out;
        for (const Rule& rule : document_.rules) {
            if (!rule.allow && asked(rule) && speaks_of(rule, facts_.asker, asker_bit_) &&
                first_not_holding(rule) == nullptr) {
                out.denied_by = &rule;
                return out;
            }
        }
        allow(out, Misses::Untold);
        if (out.candidates.empty())
            allow(out, Misses::Told); // once more, for the answer: most requests are allowed
        return out;
    }

  private:
    bool asked(const Rule& rule) const noexcept {
        return (rule.operations & operation_bit(facts_.operation)) != 0;
    }

    const Condition* first_not_holding(const Rule& rule) {
        for (const auto& condition : rule.conditions) {
            const Truth truth = fields_.check(*condition, !rule.allow);
            if (truth == Truth::False || (rule.allow && truth == Truth::Unreadable))
                return condition.get();
        }
        return nullptr;
    }

    enum class Misses { Untold, Told };
    void allow(Verdict& out, Misses misses) {
        for (const Rule& rule : document_.rules)
            if (rule.allow && asked(rule))
                allow(rule, out, misses);
    }

    void allow(const Rule& rule, Verdict& out, Misses misses) {
        const auto miss = [&](Miss::Why why, std::string_view field) {
            if (misses == Misses::Untold || out.misses.size() >= kMaxMisses)
                return;
            if (out.misses.empty())
                out.misses.reserve(std::min(document_.rules.size(), kMaxMisses));
            out.misses.push_back({&rule, why, field});
        };
        if (!speaks_of(rule, facts_.asker, asker_bit_))
            return miss(Miss::Why::Principal, {});
        if (const Condition* condition = first_not_holding(rule))
            return miss(Miss::Why::Condition, condition->name);
        Charges charges = charges_of(rule.limits, true);
        if (!charges.unreadable.empty())
            return miss(Miss::Why::Amount, charges.unreadable);
        if (!of_document_)
            of_document_ = charges_of(document_.limits, false);
        if (!of_document_->unreadable.empty())
            return miss(Miss::Why::Amount, of_document_->unreadable);
        if (misses == Misses::Told) // the first time has decided
            return;
        charges.list.insert(charges.list.end(), of_document_->list.begin(), of_document_->list.end());
        out.candidates.push_back({&rule, std::move(charges.list)});
    }

    // In a rule an amount must be there: what it allows is counted.
    Charges charges_of(const std::vector<Limit>& limits, bool in_rule) {
        Charges out;
        for (const Limit& limit : limits) {
            ethereum::Uint256 value;
            if (limit.most_amount) {
                const auto amount = fields_.amount(*limit.amount_of);
                if (amount.read == Truth::Unreadable || (in_rule && amount.read == Truth::False)) {
                    out.unreadable = limit.amount_of->name;
                    return out;
                }
                if (amount.read == Truth::False)
                    continue;
                value = amount.value;
            } else if (!in_rule && !is_signature(facts_.operation)) {
                continue;
            }
            out.list.push_back({&limit, counter_id(limit, facts_.asker), value});
        }
        return out;
    }

    const Document& document_;
    const Facts& facts_;
    std::uint64_t asker_bit_;
    RequestFields fields_;
    std::optional<Charges> of_document_; // the same whichever rule allows
};

} // namespace

// SHA-256("redoubt limit v1" ‖ 0x00 ‖ rule ‖ 0x00 ‖ name ‖ 0x00 ‖ whose), its first 16 bytes. `whose` is
// nothing, or where it counts for each principal 0x01 and the principal's digest, or 0x02: all who do not
// sign are one, since a host may vouch for as many names as it likes.
ByteArray<16> counter_id(const Limit& limit, const Asker& asker) noexcept {
    Bytes text = to_bytes("redoubt limit v1");
    for (const std::string_view part : {std::string_view(limit.rule), std::string_view(limit.name)}) {
        text.push_back(0x00);
        append(text, as_bytes(part));
    }
    text.push_back(0x00);
    if (limit.per == Limit::Per::Principal) {
        text.push_back(asker.key != nullptr ? 0x01 : 0x02);
        if (asker.key != nullptr)
            append(text, principal_digest(*asker.key));
    }
    return *to_array<16>(ByteView(crypto::sha256(text)).first(16));
}

Verdict evaluate(const Document& document, const Facts& facts) {
    return Evaluation(document, facts).run();
}

} // namespace redoubt::policy
