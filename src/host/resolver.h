// SPDX-License-Identifier: Apache-2.0
// One host name's addresses, looked up in a helper thread so that the event loop never waits for DNS. Answers
// are used for 30 s; failures are not kept. Any number of callers share one look-up.
#pragma once

#include "net/event_loop.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace redoubt::host {

using Addresses = std::vector<std::string>; // numeric, in the order to try them; empty: the look-up failed

// Blocking. `family` 0 any, 4, 6. A numeric host is its own answer (none if of the other family).
Addresses look_up(const std::string& host, int family);
bool is_numeric_address(const std::string& host);

class Resolver {
  public:
    using Callback = std::function<void(const Addresses&)>;

    // The loop outlives the resolver. Waiting callbacks are dropped with the resolver; a look-up that is
    // under way then ends on its own.
    Resolver(net::EventLoop& loop, std::string host, int family);
    ~Resolver();
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;

    // Loop thread only. Calls back at once where the answer is known, else later from the loop.
    void resolve(Callback callback);

  private:
    struct Shared;
    void start();
    void finish(Addresses addresses);

    net::EventLoop& loop_;
    std::string host_;
    int family_;
    bool numeric_;
    Addresses known_;
    std::int64_t known_until_ms_ = 0;
    std::vector<Callback> waiting_;
    std::shared_ptr<Shared> shared_;
};

} // namespace redoubt::host
