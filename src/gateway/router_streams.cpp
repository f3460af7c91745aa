// SPDX-License-Identifier: Apache-2.0
// Requests that reach their enclave inside TLS: the same care for what they need and make, without the
// requests themselves.
#include "base/json.h"
#include "base/spare.h"
#include "gateway/router_job.h"

#include <utility>

namespace redoubt::gateway {

namespace {

// What an answer means to the enclave. Its own has no body, or the code of a refusal that it keeps itself.
Status outcome_of(const net::HttpResponse& response) {
    if (response.body.empty())
        return {};
    json::Document document;
    const auto root = document.parse(as_text(response.body));
    const auto name = root ? root->get("code") : std::nullopt;
    const auto code = name && name->is_string() ? code_from_name(name->text()) : std::nullopt;
    return fail(code.value_or(Code::Internal), "the request cannot be served");
}

} // namespace

void Router::attend(Inside inside, wire::Reply first, std::function<void(Status)> done) {
    if (load_->jobs >= kMaxJobs)
        return done(fail(Code::Overloaded, "too many requests are waiting; try again in a second"));
    Call call;
    call.respond = [done = std::move(done)](net::HttpResponse response) { done(outcome_of(response)); };
    const auto job = make_spare_shared<Job>(*this, load_, std::move(call));
    job->deadline = monotonic_ms() + deadline_ms_;
    deadlines_.add_last(*job);
    job->link = inside.link;
    job->inside = std::move(inside);
    job->attempts = kMaxAttempts; // no other enclave has the request
    Result<wire::Reply> reply(std::move(first));
    replied(job, reply);
}

void Router::forward_inside(const JobPtr& job) {
    std::vector<wire::Item> items;
    for (const auto& item : job->items)
        items.push_back({item.kind, item.name, *item.bytes});
    job->attempts = kMaxAttempts;
    job->inside->again(std::move(items), [this, job](Result<wire::Reply> reply) {
        job->link = job->inside->link;
        replied(job, reply);
    });
}

} // namespace redoubt::gateway
