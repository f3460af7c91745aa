// SPDX-License-Identifier: Apache-2.0
// How long-running commands are told to end.
#pragma once

#include "net/endpoint.h"

namespace redoubt::cli {

// A descriptor that becomes readable on SIGTERM or SIGINT, which end nothing by themselves from here on. Call
// it before other threads start: they inherit the mask.
net::Fd stop_signal();

// The same for SIGHUP: read your files again. Each readable moment is one signalfd_siginfo or more.
net::Fd reload_signal();

} // namespace redoubt::cli
