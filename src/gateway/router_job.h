// SPDX-License-Identifier: Apache-2.0
// A request under way; internal to the router's files. Loop thread only.
#pragma once

#include "gateway/blob_sidecar.h"
#include "gateway/router.h"

namespace redoubt::gateway {

// Ends when it was answered.
struct Router::Job final : ReplyReceiver, Place, std::enable_shared_from_this<Job> {
    Job(Router& its_router, std::shared_ptr<Load> of, Call asked)
        : router(its_router), load(std::move(of)), call(std::move(asked)), request(call.request),
          size(request.body.size()) {
        ++load->jobs;
        load->bytes += size;
    }
    ~Job() override {
        --load->jobs;
        load->bytes -= size;
        if (early)
            router.early_.erase(*early);
        net::give_back(std::move(call.request));
    }
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;

    void receive(Result<wire::Reply>& reply) override {
        link = holder.lock();
        router.replied(shared_from_this(), reply);
    }

    Router& router; // of which nothing calls back once the pool has stopped
    std::shared_ptr<Load> load;
    Call call;
    net::HttpRequest& request; // the call's; its body stays, but for a sidecar
    std::size_t size;          // of the body as it came
    std::shared_ptr<const BlobSidecar> sidecar;
    std::int64_t deadline = 0; // monotonic
    std::optional<Early::iterator> early;
    bool answered = false;
    bool lost = false; // an enclave's answer: nothing says what it did
    int attempts = 0, rounds = 0;
    // What the answer's headers say of the decision, as it came; empty where it came with the answer itself.
    Bytes receipt, receipt_head;
    trust::ChainId receipt_chain{};
    std::optional<std::uint64_t> receipt_sequence; // of an answer that waits for its receipt to be written
    bool route_known = false;
    bool record_read = false; // the key's, because its enclave seemed to lack it
    // Of the enclave, or the key, that the request names, within it; or empty.
    std::string_view tag, key_id;
    std::string key_needed;                    // where the enclave names the key, what key_id points into
    std::optional<sealed::KeyId> to_sign_with; // that key, where it is to sign
    bool read_again = false;                   // records, because a newer one was there
    std::weak_ptr<EnclaveLink> holder;         // has the request at the moment
    std::shared_ptr<EnclaveLink> link;         // the one that asked for more
    std::optional<Inside> inside;
    std::vector<wire::Reply::Need> needs;
    struct Item {
        wire::ItemKind kind;
        std::string name;
        std::shared_ptr<const Bytes> bytes;
    };
    std::vector<Item> items;

    void encode(Bytes& out, std::int64_t now) const; // the request, for the enclave
};

} // namespace redoubt::gateway
