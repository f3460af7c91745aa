// SPDX-License-Identifier: Apache-2.0
// What a policy adds to a request in the enclave: documents of 1 and 100 rules with three conditions each,
// where the last rule is the one that allows, so that every rule is looked at. One thread.
#include "base/clock.h"
#include "policy/evaluator.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace redoubt {
namespace {

void must(bool condition, const char* what) {
    if (condition)
        return;
    std::fprintf(stderr, "policy_bench: %s\n", what);
    std::exit(1);
}

// Microseconds each, in the fastest of the windows of 2 ms that `ms` has.
double cost(int ms, const policy::Document& document, const policy::Facts& facts) {
    double best = 1e9;
    const std::int64_t end = monotonic_ms() + ms;
    do {
        const std::int64_t begin = monotonic_us();
        int done = 0;
        std::int64_t now = begin;
        for (; now - begin < 2000; now = monotonic_us(), done += 10)
            for (int i = 0; i < 10; ++i)
                must(policy::evaluate(document, facts).allowed(), "the bench's own request is not allowed");
        best = std::min(best, static_cast<double>(now - begin) / done);
    } while (monotonic_ms() < end);
    return best;
}

std::string address(int number) {
    char text[43];
    std::snprintf(text, sizeof text, "0x%040d", number);
    return text;
}

// Conditions, given a rule's number; the request is what the rule of number 0 allows.
using Conditions = std::string (*)(int);

// The first two hold for every rule, as in a policy for one chain.
std::string of_fields(int rule) {
    return R"("conditions":{"transaction.chain_id":{"is":"1"},"transaction.value":{"at_most":"1000"},)"
           R"("transaction.to":{"in":[")" +
           address(rule) + "\",\"" + address(1000 + rule) + "\"]}}";
}
std::string of_call(int rule) {
    return R"-("function":"transfer(address to, uint256 amount)","conditions":{)-"
           R"("transaction.chain_id":{"is":"1"},"call.amount":{"at_most":"1000"},"call.to":{"in":[")" +
           address(rule) + "\",\"" + address(1000 + rule) + "\"]}}";
}

policy::Document document(int rules, Conditions conditions) {
    std::string text = R"({"redoubt_policy":1,"rules":[)";
    for (int i = rules - 1; i >= 0; --i)
        text += R"({"name":"rule-)" + std::to_string(i) +
                R"(","effect":"allow","principals":["anyone"],"operations":["sign-transaction"],)" +
                conditions(i) + (i == 0 ? "}]}" : "},");
    auto read = policy::parse_document(text);
    must(read.has_value(), "the bench's own policy is none");
    return std::move(*read);
}

int run(int ms) {
    ethereum::Transaction transaction;
    transaction.type = ethereum::TransactionType::DynamicFee;
    transaction.chain_id = ethereum::Uint256{1};
    transaction.gas = 60'000;
    transaction.to = ethereum::Address{};
    transaction.value = ethereum::Uint256{1000};
    transaction.data = *from_hex("a9059cbb" + std::string(64, '0') + std::string(61, '0') + "3e8");
    policy::Facts facts;
    facts.transaction = &transaction;
    std::printf("%-46s %10s %12s\n", "policy of three conditions a rule", "us each", "per second");
    for (const auto& [what, conditions] :
         {std::pair("fields of the transaction", Conditions(of_fields)), {"arguments of its call", of_call}})
        for (const int rules : {1, 100}) {
            const double us = cost(ms, document(rules, conditions), facts);
            const std::string name = std::to_string(rules) + (rules == 1 ? " rule, " : " rules, ") + what;
            std::printf("%-46s %10.2f %12.0f\n", name.c_str(), us, 1e6 / us);
        }
    return 0;
}

} // namespace
} // namespace redoubt

int main(int argc, char** argv) {
    const int ms = argc > 1 ? std::atoi(argv[1]) : 1000;
    if (ms <= 0) {
        std::fputs("policy_bench [MILLISECONDS]: what evaluating a policy costs; a window each\n", stderr);
        return 2;
    }
    return redoubt::run(ms);
}
