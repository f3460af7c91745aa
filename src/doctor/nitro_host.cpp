// SPDX-License-Identifier: Apache-2.0
#include "doctor/nitro_host.h"

#include "base/json.h"
#include "host/process.h"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <yaml-cpp/yaml.h>

namespace redoubt::doctor {

namespace {

constexpr std::size_t kMaxFile = 64 * 1024;
constexpr std::size_t kMaxOutput = 1 << 20;
constexpr int kNitroCliMs = 10'000;

std::optional<std::uint64_t> number_of(std::string_view text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' '))
        text.remove_suffix(1);
    std::uint64_t out = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size())
        return std::nullopt;
    return out;
}

// "2,3,6-9" → 6
std::optional<std::uint64_t> count_pool(std::string_view pool) {
    std::uint64_t out = 0;
    while (!pool.empty()) {
        const auto comma = pool.find(',');
        const auto part = pool.substr(0, comma);
        pool = comma == pool.npos ? std::string_view() : pool.substr(comma + 1);
        const auto dash = part.find('-');
        const auto first = number_of(part.substr(0, dash));
        const auto last = dash == part.npos ? first : number_of(part.substr(dash + 1));
        if (!first || !last || *last < *first || *last > 100'000)
            return std::nullopt;
        out += *last - *first + 1;
    }
    return out;
}

void check_device(const Inputs& inputs, Report& report) {
    constexpr const char* kCheck = "nitro-device";
    const std::string path = inputs.system_root + "/dev/nitro_enclaves";
    struct stat info {};
    if (stat(path.c_str(), &info) != 0)
        return report.fail(
            kCheck, {}, "/dev/nitro_enclaves is missing: this is no instance with Nitro Enclaves",
            "start the instance with --enclave-options Enabled=true on a type that supports it, "
            "and load the kernel module nitro_enclaves");
    if (access(path.c_str(), R_OK | W_OK) != 0)
        return report.fail(kCheck, {}, "this user may not use /dev/nitro_enclaves",
                           "add the user to the group ne (usermod -aG ne USER), and log in again");
    report.ok(kCheck, {}, "/dev/nitro_enclaves is there and may be used");
}

// Looked at, never opened.
void check_vsock(const Inputs& inputs, Report& report) {
    struct stat info {};
    if (stat((inputs.system_root + "/dev/vsock").c_str(), &info) != 0)
        return report.fail("nitro-vsock", {}, "/dev/vsock is missing: no connection reaches an enclave",
                           "load the kernel module vhost_vsock or vsock (modprobe vsock)");
    report.ok("nitro-vsock", {}, "/dev/vsock is there");
}

std::uint64_t huge_page_mib(const std::string& folder) {
    std::uint64_t out = 0;
    DIR* open = opendir(folder.c_str());
    if (open == nullptr)
        return 0;
    constexpr std::string_view kPrefix = "hugepages-";
    while (const dirent* entry = readdir(open)) {
        std::string_view name(entry->d_name);
        if (!name.starts_with(kPrefix) || !name.ends_with("kB"))
            continue;
        const auto kib = number_of(name.substr(kPrefix.size(), name.size() - kPrefix.size() - 2));
        const auto text = read_file(folder + "/" + std::string(name) + "/nr_hugepages", 64);
        const auto pages = text ? number_of(*text) : std::nullopt;
        if (kib && pages)
            out += *kib * *pages / 1024;
    }
    closedir(open);
    return out;
}

void check_allocator(const Inputs& inputs, Report& report) {
    constexpr const char* kCheck = "nitro-allocator";
    constexpr const char* kRestart =
        "systemctl restart nitro-enclaves-allocator (after a reboot, if memory is "
        "too fragmented)";
    const auto text = read_file(inputs.system_root + "/etc/nitro_enclaves/allocator.yaml", kMaxFile);
    if (!text)
        return report.fail(kCheck, {}, "/etc/nitro_enclaves/allocator.yaml cannot be read",
                           "install aws-nitro-enclaves-cli and set memory_mib and cpu_count there");
    const auto allocator = parse_allocator(*text);
    if (!allocator)
        return report.fail(kCheck, {},
                           "/etc/nitro_enclaves/allocator.yaml: " + printable(allocator.error().describe()),
                           "it holds memory_mib: N, and cpu_count: N or cpu_pool: LIST");
    const std::string wanted =
        std::to_string(allocator->memory_mib) + " MiB and " + std::to_string(allocator->cpus) + " CPUs";
    report.ok(kCheck, {}, "the allocator reserves " + wanted + " for enclaves");

    const std::uint64_t reserved = huge_page_mib(inputs.system_root + "/sys/kernel/mm/hugepages");
    if (reserved < allocator->memory_mib)
        report.fail("nitro-hugepages", {},
                    "huge pages hold " + std::to_string(reserved) + " MiB of the " +
                        std::to_string(allocator->memory_mib) + " MiB that the allocator is to reserve",
                    kRestart);
    else
        report.ok("nitro-hugepages", {}, "huge pages hold " + std::to_string(reserved) + " MiB");
}

// The output of `nitro-cli describe-enclaves`, which talks to its own daemons by unix sockets.
Result<std::string> describe_enclaves(const std::string& program) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return redoubt::fail(Code::Io, "a pipe cannot be made");
    const net::Fd read_end(ends[0]);
    net::Fd write_end(ends[1]);
    (void)fcntl(read_end.get(), F_SETFL, O_NONBLOCK); // the child's end keeps blocking
    host::ChildOptions options;
    options.arguments = {program, "describe-enclaves"};
    options.environment = {"PATH=/usr/bin:/bin"};
    const net::Fd nothing(open("/dev/null", O_WRONLY | O_CLOEXEC));
    options.descriptors = {{write_end.get(), 1}, {nothing.get(), 2}};
    REDOUBT_TRY(auto child, host::spawn(options));
    write_end.reset();
    std::string out;
    const std::int64_t deadline = monotonic_ms() + kNitroCliMs;
    for (;;) {
        const auto left = deadline - monotonic_ms();
        pollfd waiting{read_end.get(), POLLIN, 0};
        if (left <= 0 || poll(&waiting, 1, static_cast<int>(left)) <= 0)
            return redoubt::fail(Code::Timeout, "it did not end in time");
        char buffer[4096];
        const ssize_t n = read(read_end.get(), buffer, sizeof buffer);
        if (n == 0)
            break;
        if (n > 0)
            out.append(buffer, static_cast<std::size_t>(n));
        if ((n < 0 && errno != EAGAIN && errno != EINTR) || out.size() > kMaxOutput)
            return redoubt::fail(Code::Io, "its output cannot be read");
    }
    const int status = host::reap(child, true);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return redoubt::fail(Code::Io, "it failed");
    return out;
}

void check_enclaves(const Inputs& inputs, Report& report) {
    constexpr const char* kCheck = "nitro-enclave";
    const std::string program = inputs.system_root + "/usr/bin/nitro-cli";
    if (access(program.c_str(), X_OK) != 0)
        return report.fail(kCheck, {}, "nitro-cli is not installed", "install aws-nitro-enclaves-cli");
    report.waiting("asking nitro-cli which enclaves run");
    const auto text = describe_enclaves(program);
    const auto enclaves = text ? parse_enclaves(*text) : std::unexpected(text.error());
    if (!enclaves)
        return report.fail(kCheck, {},
                           "nitro-cli describe-enclaves does not work: " +
                               printable(enclaves.error().describe()),
                           "run it by hand; its log is /var/log/nitro_enclaves/nitro_enclaves.log");
    std::size_t running = 0;
    for (const auto& enclave : *enclaves) {
        if (enclave.state != "RUNNING")
            continue;
        ++running;
        if (enclave.debug)
            report.fail(kCheck, enclave.id,
                        "it runs in debug mode: its PCRs are zero and no key policy lets it in",
                        "start it without --debug-mode");
        else if (inputs.pcr0 && !enclave.pcr0.empty() && to_hex(*inputs.pcr0) != enclave.pcr0)
            report.fail(kCheck, enclave.id,
                        "it runs an image with PCR0 " + short_hex(enclave.pcr0) + ", but PCR0 " +
                            short_hex(*inputs.pcr0) + " is expected",
                        "start the image that is pinned, or pin the one that runs");
        else
            report.ok(kCheck, enclave.id, "it runs");
    }
    if (running == 0)
        report.fail(kCheck, {}, "no enclave runs",
                    "nitro-cli run-enclave --eif-path IMAGE --memory … --cpu-count …");
}

std::string text_of(const json::Value& object, std::string_view name) {
    const auto value = object.get(name);
    return value && value->is_string() ? std::string(value->text()) : std::string();
}

} // namespace

Result<Allocator> parse_allocator(const std::string& yaml) {
    try {
        const YAML::Node root = YAML::Load(yaml);
        if (!root.IsMap())
            return redoubt::fail(Code::Usage, "the file is no mapping");
        const auto scalar = [&](const char* name) {
            const YAML::Node node = root[name];
            return node && node.IsScalar() ? node.Scalar() : std::string();
        };
        const auto memory = number_of(scalar("memory_mib"));
        const std::string count = scalar("cpu_count"), pool = scalar("cpu_pool");
        if (!memory || *memory == 0)
            return redoubt::fail(Code::Usage, "memory_mib is missing or no number");
        if (count.empty() == pool.empty())
            return redoubt::fail(Code::Usage, "exactly one of cpu_count and cpu_pool is needed");
        const auto cpus = pool.empty() ? number_of(count) : count_pool(pool);
        if (!cpus || *cpus == 0)
            return redoubt::fail(Code::Usage, "the CPUs are not a number or a list like 2,3,6-9");
        return Allocator{*memory, *cpus};
    } catch (const YAML::Exception&) {
        return redoubt::fail(Code::Usage, "the file is not YAML");
    }
}

Result<std::vector<DescribedEnclave>> parse_enclaves(std::string_view text) {
    json::Document document;
    REDOUBT_TRY(const auto root, document.parse(text));
    if (!root.is_array())
        return redoubt::fail(Code::BadJson, "the answer is no list");
    std::vector<DescribedEnclave> out;
    for (const auto item : root) {
        DescribedEnclave enclave;
        enclave.id = printable(text_of(item, "EnclaveID"));
        enclave.state = text_of(item, "State");
        enclave.debug = text_of(item, "Flags").find("DEBUG_MODE") != std::string::npos;
        if (const auto measurements = item.get("Measurements"))
            enclave.pcr0 = text_of(*measurements, "PCR0");
        out.push_back(std::move(enclave));
    }
    return out;
}

void check_nitro_host(const Inputs& inputs, const Knowledge&, Report& report) {
    if (inputs.process_mode) {
        for (const char* check :
             {"nitro-device", "nitro-vsock", "nitro-allocator", "nitro-hugepages", "nitro-enclave"})
            report.skipped(check, {}, "process mode: the enclave is a process of this machine");
        return;
    }
    check_device(inputs, report);
    check_vsock(inputs, report);
    check_allocator(inputs, report);
    check_enclaves(inputs, report);
}

} // namespace redoubt::doctor
