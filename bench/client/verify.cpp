// SPDX-License-Identifier: Apache-2.0
#include "client/verify.h"

#include "base/json.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

namespace redoubt::bench {

namespace {

// What JSON-RPC says when it cannot for the moment (docs/json-rpc.md).
constexpr std::string_view kNotForTheMoment[] = {"-32002", "-32005"};

enum class Judgement { Right, Refused, Wrong };

class Judge {
  public:
    Judge(Operation operation, const Requests& requests, const crypto::Secp256k1& curve)
        : operation_(operation), requests_(requests), curve_(curve) {}

    // Calls `found` for each signature that the answer should have.
    template<class Found>
    void judge(const Answer& answer, const Found& found) {
        const auto all = [&](Judgement judgement) {
            for (std::size_t at = 0; at < requests_.batch(); ++at)
                found(judgement);
        };
        if (answer.status == 503 || answer.status == 429)
            return all(Judgement::Refused);
        const auto root = document_.parse(answer.text());
        if (answer.status != 200 || !root)
            return all(Judgement::Wrong);
        if (operation_ == Operation::SignTransaction)
            return found(rest(*root, answer.request));
        if (operation_ == Operation::Rpc)
            return found(call(*root, answer.request, 0));
        if (!root->is_array() || root->size() != requests_.batch())
            return all(Judgement::Wrong);
        std::size_t at = 0;
        for (const auto one : *root)
            found(call(one, answer.request, at++));
    }

  private:
    Judgement rest(const json::Value& body, std::size_t request) {
        const auto r = body.get("r"), s = body.get("s"), parity = body.get("y_parity"),
                   raw = body.get("raw_transaction");
        crypto::Signature signature{};
        if (!r || !s || !parity || !raw || !r->text().starts_with("0x") || !s->text().starts_with("0x") ||
            !from_hex_exact(r->text().substr(2), signature.r) ||
            !from_hex_exact(s->text().substr(2), signature.s) || parity->u64().value_or(2) > 1)
            return Judgement::Wrong;
        signature.y_parity = static_cast<std::uint8_t>(*parity->u64());
        const auto asked = requests_.transaction(request, 0);
        if (raw->text() != to_hex0x(ethereum::serialise(asked, signature)))
            return Judgement::Wrong;
        return sender(asked, signature, request, 0);
    }

    Judgement call(const json::Value& body, std::size_t request, std::size_t at) {
        const auto id = body.get("id"), result = body.get("result"), error = body.get("error");
        if (!id || id->u64() != at)
            return Judgement::Wrong;
        if (error) {
            const auto code = error->get("code");
            return code && std::ranges::find(kNotForTheMoment, code->text()) != std::end(kNotForTheMoment)
                       ? Judgement::Refused
                       : Judgement::Wrong;
        }
        const auto raw = result ? from_hex0x(result->text()) : std::nullopt;
        if (!raw)
            return Judgement::Wrong;
        const auto parsed = ethereum::parse_signed_transaction(*raw);
        const auto asked = requests_.transaction(request, at);
        if (!parsed || parsed->transaction != asked)
            return Judgement::Wrong;
        return sender(asked, parsed->signature, request, at);
    }

    Judgement sender(const ethereum::Transaction& asked, const crypto::Signature& signature,
                     std::size_t request, std::size_t at) const {
        const auto key = curve_.recover(ethereum::signing_hash(asked), signature);
        return key && ethereum::address_of(*key) == requests_.address(request, at) ? Judgement::Right
                                                                                   : Judgement::Wrong;
    }

    Operation operation_;
    const Requests& requests_;
    const crypto::Secp256k1& curve_;
    json::Document document_;
};

} // namespace

Verified verify(Operation operation, const Requests& requests, const Answers& answers) {
    constexpr std::size_t kAtOnce = 64;
    const crypto::Secp256k1 curve(Hash32{1});
    const auto& all = answers.all();
    Verified out;
    out.signatures.resize(all.size());
    std::atomic<std::size_t> next{0}, right{0}, wrong{0};
    std::mutex mutex;
    {
        std::vector<std::jthread> threads;
        for (unsigned i = 0; i < std::max(std::thread::hardware_concurrency(), 1u); ++i)
            threads.emplace_back([&] {
                Judge judge(operation, requests, curve);
                for (std::size_t from; (from = next.fetch_add(kAtOnce)) < all.size();)
                    for (std::size_t at = from; at < std::min(from + kAtOnce, all.size()); ++at) {
                        std::size_t signatures = 0;
                        std::size_t faults = 0;
                        judge.judge(all[at], [&](Judgement judgement) {
                            signatures += judgement == Judgement::Right ? 1u : 0u;
                            faults += judgement == Judgement::Wrong ? 1u : 0u;
                        });
                        out.signatures[at] = static_cast<std::uint16_t>(signatures);
                        right += signatures;
                        wrong += faults;
                        if (faults == 0)
                            continue;
                        const std::lock_guard lock(mutex);
                        if (out.first_fault.empty())
                            out.first_fault = "status " + std::to_string(all[at].status) + ": " +
                                              std::string(all[at].text().substr(0, 2'000));
                    }
            });
    }
    out.right = right;
    out.wrong = wrong;
    return out;
}

} // namespace redoubt::bench
