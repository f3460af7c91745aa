// SPDX-License-Identifier: Apache-2.0
// redoubt-enclave-dev: the enclave's sources as a sandboxed process with unix sockets and a software NSM, for
// machines without Nitro. It protects nothing from this machine's root, and KMS at AWS refuses its documents:
// their root is a development root.
#include "base/log.h"
#include "crypto/hash.h"
#include "enclave/sandbox.h"
#include "enclave/server.h"
#include "nitro/software_nsm.h"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <thread>

namespace {

constexpr const char* kHelp =
    R"(usage: redoubt-enclave-dev --listen unix:PATH --kms-proxy [REGION=]unix:PATH --tls-roots FILE
                           --nsm-root FOLDER [--endpoint-suffix NAME] [--region NAME] [--module-id ID]
                           [--signers N]

The Redoubt enclave as a process, for development (`redoubt up` starts it).
  --listen           where the gateway connects
  --kms-proxy        the byte proxy towards KMS; several with a region each
  --tls-roots        PEM file: the CA roots that KMS's certificate must lead to
  --nsm-root         folder with root.pem and root.key of the development attestation root
  --endpoint-suffix  DNS suffix of the KMS host names (kms.REGION.SUFFIX)
  --module-id        the NSM's module id; default: drawn at random
  --signers          threads that sign, 1 to 64; default: one for each CPU
PCR0 is the measurement of this program's own file. Exit codes: 0 stopped, 1 cannot start, 2 usage.
)";

std::string read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

int fail(const redoubt::Error& error) {
    redoubt::log(
        redoubt::LogLevel::Error, "the enclave cannot start",
        {{"code", redoubt::code_name(error.code)}, {"why", error.text.view()}, {"context", error.context}});
    return 1;
}

int usage(const char* what) {
    std::fprintf(stderr, "redoubt-enclave-dev: %s\n%s", what, kHelp);
    return 2;
}

} // namespace

int main(int argc, char** argv) {
    using namespace redoubt;
    (void)harden_process(true); // without the right to lock memory (RLIMIT_MEMLOCK) development goes on
    set_log_program("enclave");
    enclave::Options options;
    options.image = enclave::Image::Development;
    nitro::SoftwareNsmOptions nsm_options;
    std::string listen, nsm_root;
    unsigned signers = std::clamp(std::thread::hardware_concurrency(), 1u, 64u);
    for (int i = 1; i < argc; ++i) {
        const std::string name = argv[i];
        if (name == "--help") {
            std::fputs(kHelp, stdout);
            return 0;
        }
        if (i + 1 >= argc)
            return usage("an option lacks its value, or is unknown");
        const std::string value = argv[++i];
        if (name == "--listen") {
            listen = value;
        } else if (name == "--kms-proxy") {
            const std::size_t equals = value.find('=');
            const std::string region = equals == std::string::npos ? "" : value.substr(0, equals);
            auto endpoint =
                net::parse_endpoint(equals == std::string::npos ? value : value.substr(equals + 1));
            if (!endpoint)
                return usage("--kms-proxy takes [REGION=]unix:PATH");
            options.kms_proxies[region] = std::move(*endpoint);
        } else if (name == "--tls-roots") {
            options.tls_roots_pem = read_file(value);
        } else if (name == "--nsm-root") {
            nsm_root = value;
        } else if (name == "--endpoint-suffix") {
            options.endpoint_suffix = value;
        } else if (name == "--region") {
            nsm_options.region = value;
        } else if (name == "--module-id") {
            nsm_options.module_id = value;
        } else if (name == "--signers") {
            const char* const end = value.data() + value.size();
            if (const auto read = std::from_chars(value.data(), end, signers);
                read.ec != std::errc() || read.ptr != end || signers < 1 || signers > 64)
                return usage("--signers takes 1 to 64");
        } else {
            return usage("unknown option");
        }
    }
    auto endpoint = net::parse_endpoint(listen);
    if (!endpoint || endpoint->kind != net::Endpoint::Kind::Unix)
        return usage("--listen takes unix:PATH");
    if (options.tls_roots_pem.empty() || nsm_root.empty() || options.kms_proxies.empty())
        return usage("--kms-proxy, --tls-roots and --nsm-root are needed");

    auto root = nitro::load_development_root(nsm_root);
    if (!root)
        return fail(root.error());
    const std::string self = read_file("/proc/self/exe");
    const nitro::Pcr pcr0 = nitro::pcr_of(crypto::sha384(as_bytes(self)));
    nsm_options.pcrs[0] = pcr0;
    nsm_options.pcrs[1] = pcr0;
    nsm_options.pcrs[2] = pcr0;
    auto nsm = nitro::make_software_nsm(*root, std::move(nsm_options));
    if (!nsm)
        return fail(nsm.error());
    auto enclave = enclave::Enclave::create(std::move(*nsm), std::move(options));
    if (!enclave)
        return fail(enclave.error());

    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, nullptr);
    const net::Fd stop(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    auto listener = net::listen_on(*endpoint);
    if (!listener)
        return fail(listener.error());
    enclave::ServerOptions server;
    server.listener = std::move(*listener);
    server.signers = static_cast<int>(signers);
    server.started = [] {
        if (const auto status = enclave::enter_sandbox(AF_UNIX); !status) {
            (void)fail(status.error());
            std::_Exit(1);
        }
    };
    log(LogLevel::Info, "serving", {{"listen", listen}, {"pcr0", to_hex(pcr0)}});
    enclave::serve(**enclave, std::move(server), stop.get());
    return 0;
}
