// SPDX-License-Identifier: Apache-2.0
// A request answered as the dispatcher does, with the faults that were asked for. No sockets: what the
// network would do is told to the caller.
#pragma once

#include "devcloud/dispatcher.h"
#include "devcloud/faults.h"

namespace redoubt::devcloud {

struct Outcome {
    net::HttpResponse response;
    int delay_ms = 0;
    std::optional<std::size_t> cut_after; // the connection is dropped after so many bytes of the answer
};

// Wipes the request's body when done.
Outcome answer(Cloud& cloud, net::HttpRequest& request, Listener listener);

// Which operation of which service a request asks for, by its looks alone; nullopt: none of them (the admin
// endpoint, say), and no fault meets it.
std::optional<CallName> name_call(const Cloud& cloud, const net::HttpRequest& request, Listener listener);

} // namespace redoubt::devcloud
