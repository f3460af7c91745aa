// SPDX-License-Identifier: Apache-2.0
#include "host/process_runner.h"

namespace redoubt::host {

ProcessRunner::ProcessRunner(net::EventLoop& loop, ProcessRunnerOptions options)
    : LocalRunner(loop, "process", {options.directory, options.name, options.redoubt, options.orphan_ms}),
      options_(std::move(options)), image_(options_.program, ImageFile::Kind::Program) {}

Result<LocalRunner::Plan> ProcessRunner::plan(std::uint32_t cid) {
    Plan out;
    // Measured before it is started. One that is replaced in between is told apart by its own NSM.
    REDOUBT_TRY(out.enclave.pcr0, image_.pcr0());
    out.enclave.name = enclave_name(options_.name, cid);
    const std::string base = options_.directory + "/" + out.enclave.name;
    REDOUBT_TRY(out.enclave.endpoint, net::parse_endpoint("unix:" + base + ".sock"));
    Plan::Part part;
    part.arguments = {options_.program, "--listen", out.enclave.endpoint.text()};
    part.arguments.insert(part.arguments.end(), options_.arguments.begin(), options_.arguments.end());
    part.environment = {"PATH=/usr/bin:/bin"};
    part.log_file = base + ".log";
    out.console_file = part.log_file;
    out.parts.push_back(std::move(part));
    return out;
}

} // namespace redoubt::host
