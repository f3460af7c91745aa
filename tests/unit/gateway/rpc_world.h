// SPDX-License-Identifier: Apache-2.0
// A store with keys, and an enclave and a node that the tests script, around what speaks for the gateway.
#pragma once

#include "ethereum/address.h"
#include "gateway/key_book.h"
#include "gateway/rpc.h"
#include "support.h"

namespace redoubt::tests {

// A record whose key is of no account: only its head is read.
inline sealed::KeyHead stored_head(std::uint8_t number, const ByteArray<20>& address, UnixMs created = 0,
                                   sealed::State state = sealed::State::Enabled) {
    sealed::KeyHead head;
    head.id[0] = number;
    head.address = address;
    head.created = created;
    head.state = state;
    if (state == sealed::State::PendingDeletion)
        head.deletes = 4'000'000'000'000;
    return head;
}
inline Bytes stored_record(const sealed::KeyHead& head) {
    static crypto::SystemRandom random;
    return sealed::seal_key(random.secret(32), head, random.secret(32), random);
}
inline ByteArray<20> address_number(std::uint8_t number) {
    ByteArray<20> out{};
    out[19] = number;
    return out;
}

struct Asked { // of the enclave, or of the node
    std::string method, path, body;
    bool operator==(const Asked&) const = default;
};

class RpcWorld {
  public:
    using Request = net::HttpRequest;

    void put(std::uint8_t number, const ByteArray<20>& address, UnixMs created = 0,
             sealed::State state = sealed::State::Enabled) {
        const auto status = store->put_key(stored_record(stored_head(number, address, created, state)));
        ASSERT_TRUE(status) << status.error().describe();
    }

    // Runs the loop until `done`; a test that waits in vain fails.
    template<class Done>
    void run_until(Done done) {
        const std::int64_t limit = monotonic_ms() + 10'000;
        while (!done() && monotonic_ms() < limit) {
            const auto timer = loop.after(2, [this] { loop.stop(); });
            loop.run();
            loop.cancel(timer);
        }
        ASSERT_TRUE(done()) << "waited in vain";
    }

    static Request request(const std::string& method, const std::string& path, const std::string& body) {
        Request out;
        out.method = method;
        out.target = out.path = path;
        out.authority = "localhost";
        if (!body.empty())
            out.headers.push_back({"content-type", "application/json"});
        out.body = to_bytes(body);
        return out;
    }
    template<class Server>
    net::HttpResponse ask(Server& server, Request sent) {
        std::optional<net::HttpResponse> got;
        int answers = 0;
        gateway::Call call;
        call.request = std::move(sent);
        call.caller = caller;
        call.request_id = "00112233445566778899aabbccddeeff";
        call.respond = [&](net::HttpResponse response) {
            ++answers;
            got = std::move(response);
        };
        server.serve(std::move(call));
        run_until([&] { return got.has_value(); });
        EXPECT_EQ(answers, 1);
        return got ? std::move(*got) : net::HttpResponse{};
    }

    gateway::Serve enclave() {
        return [this](gateway::Call call) {
            asked.push_back({call.request.method, call.request.target, text_of(call.request.body)});
            names.push_back(call.caller.name);
            ++in_work;
            most_in_work = std::max(most_in_work, in_work);
            auto shared = std::make_shared<gateway::Call>(std::move(call));
            const auto reply = [this, shared] {
                --in_work;
                shared->respond(answer(shared->request));
            };
            later ? loop.post(reply) : reply();
        };
    }
    static std::string text_of(ByteView bytes) { return std::string(as_text(bytes)); }

    Folder folder;
    net::EventLoop loop;
    WorkerPool workers{1, 64};
    std::unique_ptr<store::Store> store = *store::open_store(folder.file("store.db"));
    gateway::KeyBook book{loop, workers, *store};
    gateway::Caller caller;
    std::vector<Asked> asked;       // of the enclave
    std::vector<std::string> names; // in whose name
    bool later = true;              // the enclave answers in another turn
    std::size_t in_work = 0, most_in_work = 0;
    std::function<net::HttpResponse(const Request&)> answer = [](const Request&) {
        return net::HttpResponse::json(200, "{}");
    };
};

} // namespace redoubt::tests
