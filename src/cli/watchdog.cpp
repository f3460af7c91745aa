// SPDX-License-Identifier: Apache-2.0
// redoubt watchdog: keeps enclaves running. docs/watchdog.md.
#include "host/watchdog.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/stop_signal.h"
#include "host/minder_files.h"
#include "host/nitro_runner.h"
#include "host/process_runner.h"
#include "host/vm_runner.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace redoubt::cli {

namespace {

constexpr const char* kWatchdogAbout = "Keeps enclaves running: starts them, asks each whether it can sign, "
                                       "restarts those that cannot, and replaces them "
                                       "one by one when the image on disk changes.";
constexpr const char* kWatchdogFooter =
    "Runners:\n"
    "  nitro    on an AWS instance with enclaves enabled: nitro-cli starts the image. Enclaves outlive the "
    "watchdog, "
    "which finds them again by their names\n"
    "           (NAME-CID). As a systemd service it needs Type=notify and KillMode=process "
    "(docs/watchdog.md).\n"
    "  vm       the same image in QEMU with simulated Nitro devices, without AWS.\n"
    "  process  redoubt-enclave-dev as a process, for development.\n"
    "           Both run on when the watchdog is killed, for 20 s or until the next watchdog takes them "
    "over.\n"
    "Examples:\n"
    "  redoubt watchdog --runner nitro --image /opt/redoubt/redoubt.eif --memory 256 --cpus 2 --enclaves 2\n"
    "  redoubt watchdog --runner process --image /usr/bin/redoubt-enclave-dev --directory /run/redoubt -- "
    "\\\n"
    "      --kms-proxy unix:/run/redoubt/kms.sock --tls-roots ca.pem --nsm-root attestation\n"
    "To roll out an image, move the new file over the old one (mv, not cp). GET /status of --listen shows "
    "how it goes.\n"
    "Exit codes: 0 stopped; 1 the start limit was reached for every enclave, or it cannot start; 2 wrong "
    "usage.";

constexpr int kMindersEndMs = host::Minder::kStopLimitMs + 1'000;

struct WatchdogCommand {
    std::string runner = "nitro", image, directory, listen;
    std::string nitro_cli = "/usr/bin/nitro-cli", endpoint_prefix;
    std::string qemu = "/usr/bin/qemu-system-x86_64", development_root;
    std::vector<std::string> parent_ports, arguments;
    unsigned memory_mib = 256, cpus = 2;
    std::uint32_t port = 5000;
    unsigned start_interval_s = 600, boot_limit_s = 60, silent_limit_ms = 5'000, longest_delay_ms = 30'000;
    host::WatchdogOptions options;
    int ready_fd = -1;
};

bool watchdog_can_run(const std::string& program) {
    return access(program.c_str(), X_OK) == 0;
}

// Sockets and logs are for this user alone.
Status watchdog_folder(const std::string& path) {
    if (path.empty())
        return fail(Code::Usage, "this runner needs --directory: a folder for sockets and logs");
    struct stat info {};
    if (mkdir(path.c_str(), 0700) != 0 && (stat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)))
        return fail(Code::Io,
                    "the folder for sockets and logs cannot be made: make its parent, or name another", path);
    return {};
}

// Enclaves of one name have one watchdog: two would take each from the other. Held until this process ends,
// however it does.
Result<net::Fd> watchdog_alone(const WatchdogCommand& command) {
    const std::string path = command.directory + "/" + command.options.name + ".watchdog.lock";
    net::Fd lock(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!lock)
        return fail(Code::Io, "the lock of the folder for sockets and logs cannot be made: check its rights",
                    path);
    if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
        return fail(Code::Conflict,
                    "another watchdog keeps the enclaves of this name in this folder: stop it, or choose "
                    "another --name or --directory",
                    path);
    return lock;
}

// "8000=/run/redoubt/kms.sock".
Result<std::pair<std::uint32_t, std::string>> watchdog_parent_port(const std::string& text) {
    const std::size_t equals = text.find('=');
    const auto endpoint = net::parse_endpoint("vsock:3:" + text.substr(0, equals));
    if (equals == std::string::npos || !endpoint || equals + 1 == text.size() || text[equals + 1] != '/')
        return fail(Code::Usage, "--parent-port is PORT=/PATH, the path of a unix socket", text);
    return std::pair(endpoint->port, text.substr(equals + 1));
}

Result<std::unique_ptr<host::EnclaveRunner>> make_watchdog_runner(const WatchdogCommand& command,
                                                                  net::EventLoop& loop, const char* program) {
    if (!command.arguments.empty() && command.runner != "process")
        return fail(Code::Usage, "only the process runner passes arguments on: an image takes none");
    if (command.options.wants_debug && command.runner != "nitro")
        return fail(Code::Usage,
                    "--debug-mode is the nitro runner's: the others have nothing to hide from this host");
    if (command.runner == "nitro") {
        if (!watchdog_can_run(command.nitro_cli))
            return fail(Code::Usage,
                        "nitro-cli is not there: install aws-nitro-enclaves-cli, or name it with --nitro-cli",
                        command.nitro_cli);
        host::NitroRunnerOptions options;
        options.nitro_cli = command.nitro_cli;
        options.eif = command.image;
        options.memory_mib = command.memory_mib;
        options.cpus = command.cpus;
        options.name = command.options.name;
        options.first_cid = command.options.first_cid;
        options.enclaves = command.options.enclaves;
        options.debug = command.options.wants_debug;
        options.port = command.port;
        options.endpoint_prefix = command.endpoint_prefix;
        return std::make_unique<host::NitroRunner>(loop, std::move(options));
    }
    REDOUBT_CHECK(watchdog_folder(command.directory));
    if (command.runner == "process") {
        if (!watchdog_can_run(command.image))
            return fail(Code::Usage, "the process runner's --image is a program: redoubt-enclave-dev",
                        command.image);
        host::ProcessRunnerOptions options;
        options.program = command.image;
        options.arguments = command.arguments;
        options.directory = command.directory;
        options.name = command.options.name;
        options.redoubt = program;
        return std::make_unique<host::ProcessRunner>(loop, std::move(options));
    }
    if (!watchdog_can_run(command.qemu))
        return fail(Code::Usage, "QEMU is not there: name it with --qemu (version 11 or later)",
                    command.qemu);
    if (command.development_root.empty())
        return fail(Code::Usage,
                    "the vm runner needs --development-root, which signs the simulator's documents");
    host::VmRunnerOptions options;
    options.qemu = command.qemu;
    options.redoubt = program;
    options.eif = command.image;
    options.development_root = command.development_root;
    options.directory = command.directory;
    options.name = command.options.name;
    options.memory_mib = command.memory_mib;
    options.cpus = command.cpus;
    options.port = command.port;
    for (const std::string& text : command.parent_ports) {
        REDOUBT_TRY(auto port, watchdog_parent_port(text));
        options.parent_ports.push_back(std::move(port));
    }
    return std::make_unique<host::VmRunner>(loop, std::move(options));
}

// Enclaves' names become file names and arguments of nitro-cli.
bool watchdog_name(const std::string& name) {
    return !name.empty() && name.size() <= 64 && name.front() != '-' && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
               c == '_' || c == '-';
    });
}

Status watch_enclaves(WatchdogCommand& command, const char* program) {
    if (!watchdog_name(command.options.name))
        return fail(Code::Usage,
                    "--name is 1 to 64 letters, digits, '.', '_' or '-', and begins with no '-'");
    // One answer that is late, or lost with its connection, is no silence.
    if (command.silent_limit_ms < 3 * static_cast<unsigned>(command.options.probe_ms))
        return fail(Code::Usage,
                    "--silent-limit-ms is at least three times --probe-ms: raise the one or lower "
                    "the other");
    (void)std::signal(SIGPIPE, SIG_IGN); // whoever reads the log or the ready line may go away
    const net::Fd stop = stop_signal();
    if (!command.listen.empty()) {
        REDOUBT_TRY(command.options.listen, net::parse_endpoint(command.listen));
    }
    command.options.runner_name = command.runner;
    command.options.manager = host::ServiceManager::from_environment();
    auto& limits = command.options.limits;
    limits.start_interval_ms = std::int64_t{1000} * command.start_interval_s;
    limits.boot_limit_ms = std::int64_t{1000} * command.boot_limit_s;
    limits.silent_limit_ms = command.silent_limit_ms;
    limits.longest_delay_ms = command.longest_delay_ms;
    limits.first_delay_ms = std::min(limits.first_delay_ms, limits.longest_delay_ms);

    net::EventLoop loop;
    REDOUBT_TRY(const auto runner, make_watchdog_runner(command, loop, program));
    const bool local = command.runner != "nitro";
    net::Fd alone;
    if (local) {
        REDOUBT_TRY(alone, watchdog_alone(command));
        command.options.end_enclaves = true;
    }
    host::Watchdog watchdog(loop, *runner,
                            host::ImageFile(command.image, command.runner == "process"
                                                               ? host::ImageFile::Kind::Program
                                                               : host::ImageFile::Kind::Eif),
                            command.options);
    const auto status = watchdog.run(stop.get(), [&command](const std::optional<net::Endpoint>& listening) {
        std::string line;
        json::Writer(line)
            .begin_object()
            .member("ready", true)
            .member("listen", listening ? listening->text() : std::string())
            .end_object();
        line.push_back('\n');
        if (command.ready_fd >= 0)
            (void)!write(command.ready_fd, line.data(), line.size());
        else
            std::fputs(line.c_str(), stdout), std::fflush(stdout);
    });
    // Also those that it was told to leave before it had found them, or that did not end in time.
    if (local)
        (void)host::end_minders(command.directory, command.options.name, kMindersEndMs);
    return status;
}

} // namespace

void add_watchdog(CLI::App& app, Context& context) {
    auto* watchdog = app.add_subcommand("watchdog", kWatchdogAbout);
    auto w = std::make_shared<WatchdogCommand>();
    watchdog->footer(kWatchdogFooter);
    watchdog->add_option("--runner", w->runner, "what enclaves run in")
        ->check(CLI::IsMember({"nitro", "vm", "process"}))
        ->capture_default_str();
    watchdog->add_option("--image", w->image, "the EIF; for the process runner redoubt-enclave-dev")
        ->required();
    watchdog->add_option("--enclaves", w->options.enclaves, "how many")->capture_default_str();
    watchdog->add_option("--first-cid", w->options.first_cid, "CID of the first; the others follow")
        ->capture_default_str();
    watchdog
        ->add_option("--name", w->options.name,
                     "enclaves are called NAME-CID; what is called so is this watchdog's")
        ->capture_default_str();
    watchdog->add_option("--memory", w->memory_mib, "MiB for each enclave (nitro, vm)")
        ->capture_default_str();
    watchdog->add_option("--cpus", w->cpus, "for each enclave (nitro, vm)")->capture_default_str();
    watchdog->add_option("--port", w->port, "vsock port where enclaves serve (nitro, vm)")
        ->capture_default_str();
    watchdog->add_option("--listen", w->listen,
                         "unix:PATH or tcp:127.0.0.1:PORT for GET /metrics (Prometheus) and /status");
    watchdog->add_option("--nitro-cli", w->nitro_cli, "AWS's tool (nitro)")->capture_default_str();
    watchdog->add_option("--endpoint-prefix", w->endpoint_prefix,
                         "where a stand-in for nitro-cli serves: unix:PREFIX, to which CID.sock is added");
    watchdog->add_flag(
        "--debug-mode", w->options.wants_debug,
        "start enclaves whose console can be read (nitro); their PCRs are zero, and no key opens");
    watchdog->add_flag(
        "--end-enclaves", w->options.end_enclaves,
        "end the enclaves when the watchdog is stopped in order (nitro; the others then always end)");
    watchdog->add_option("--directory", w->directory, "folder for sockets and logs (vm, process)");
    watchdog->add_option("--qemu", w->qemu, "qemu-system-x86_64, version 11 or later (vm)")
        ->capture_default_str();
    watchdog->add_option("--development-root", w->development_root, "as redoubt nitro-sim takes it (vm)");
    watchdog->add_option(
        "--parent-port", w->parent_ports,
        "PORT=/PATH: what the guest finds at vsock CID 3 (vm); repeat, for instance 8000=…/kms.sock");
    watchdog
        ->add_option("--boot-limit", w->boot_limit_s,
                     "seconds from an enclave's start to its first signature")
        ->check(CLI::Range(1u, 86'400u))
        ->capture_default_str();
    watchdog
        ->add_option("--silent-limit-ms", w->silent_limit_ms,
                     "time without a signature, then it is started anew (at least 3 times --probe-ms)")
        ->check(CLI::Range(500u, 600'000u))
        ->capture_default_str();
    watchdog->add_option("--probe-ms", w->options.probe_ms, "between the questions to an enclave")
        ->check(CLI::Range(50, 60'000))
        ->capture_default_str();
    watchdog->add_option("--list-ms", w->options.list_ms, "between looks at what runs (nitro)")
        ->check(CLI::Range(100, 600'000))
        ->capture_default_str();
    watchdog->add_option("--image-ms", w->options.image_ms, "between looks at the image on disk")
        ->check(CLI::Range(100, 600'000))
        ->capture_default_str();
    watchdog
        ->add_option("--longest-delay-ms", w->longest_delay_ms, "before a failed enclave is started again")
        ->check(CLI::Range(10u, 3'600'000u))
        ->capture_default_str();
    watchdog
        ->add_option("--start-limit", w->options.limits.start_limit,
                     "failures of one enclave within --start-interval, then it rests; when all rest, the "
                     "watchdog ends")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    watchdog->add_option("--start-interval", w->start_interval_s, "seconds")
        ->check(CLI::Range(1u, 86'400u))
        ->capture_default_str();
    watchdog->add_option("--ready-fd", w->ready_fd, "descriptor for the ready line (default: stdout)");
    watchdog->add_option("arguments", w->arguments,
                         "after --: what redoubt-enclave-dev gets beside --listen (process)");
    watchdog->callback([&context, w] {
        set_log_program("watchdog");
        const auto status = watch_enclaves(*w, context.program);
        context.exit_code = status ? kExitOk : report(status.error(), false);
    });
}

} // namespace redoubt::cli
