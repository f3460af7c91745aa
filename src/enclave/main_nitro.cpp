// SPDX-License-Identifier: Apache-2.0
// redoubt-enclave: the only program of the image. It takes no options: what can differ between images is
// files of the image, and so measured (design invariant 10). This program links the /dev/nsm driver and no
// other NSM.
#include "base/log.h"
#include "enclave/sandbox.h"
#include "enclave/server.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sys/socket.h>
#include <thread>

namespace {

constexpr std::uint32_t kServicePort = 5000; // vsock, as the AWS sample's signing server
constexpr const char* kKmsProxy = "vsock:3:8000";
constexpr const char* kRoots = "/etc/redoubt/roots.pem";
// Only development images carry these, in a ramdisk of their own, so that PCR0 and PCR2 differ.
constexpr const char* kDevelopmentRoots = "/etc/redoubt/development/roots.pem";
constexpr const char* kDevelopmentSuffix = "/etc/redoubt/development/endpoint-suffix";

std::string read_file(const char* path) {
    std::ifstream in(path, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(in), {}};
    while (!text.empty() && text.back() == '\n')
        text.pop_back();
    return text;
}

int fail(const redoubt::Error& error) {
    redoubt::log(redoubt::LogLevel::Error, "the enclave cannot start",
                 {{"code", redoubt::code_name(error.code)}, {"why", error.text.view()}});
    return 1;
}

} // namespace

int main(int argc, char** argv) {
    using namespace redoubt;
    if (argc > 1) {
        const bool version =
            std::string_view(argv[1]) == "--version" || std::string_view(argv[1]) == "--help";
        std::puts("redoubt-enclave: the signing program of a Redoubt enclave image. It runs inside an AWS "
                  "Nitro Enclave, takes "
                  "no options,\nand serves vsock port 5000. On a machine without Nitro, `redoubt up` runs "
                  "redoubt-enclave-dev.");
        return version ? 0 : 2;
    }
    if (!harden_process(true))
        return fail({Code::Internal, "memory cannot be locked"});
    set_log_program("enclave");
    auto nsm = nitro::open_nsm_device();
    if (!nsm)
        return fail(nsm.error());

    enclave::Options options;
    options.tls_roots_pem = read_file(kRoots);
    const std::string development_roots = read_file(kDevelopmentRoots);
    if (!development_roots.empty()) {
        options.image = enclave::Image::Development;
        options.tls_roots_pem = development_roots;
        options.endpoint_suffix = read_file(kDevelopmentSuffix);
    }
    options.kms_proxies[""] = *net::parse_endpoint(kKmsProxy);
    auto enclave = enclave::Enclave::create(std::move(*nsm), std::move(options));
    if (!enclave)
        return fail(enclave.error());

    net::Endpoint listen;
    listen.kind = net::Endpoint::Kind::Vsock;
    listen.cid = 0xffffffff;
    listen.port = kServicePort;
    auto listener = net::listen_on(listen);
    if (!listener)
        return fail(listener.error());
    enclave::ServerOptions server;
    server.listener = std::move(*listener);
    server.signers = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    server.started = [] {
        if (const auto status = enclave::enter_sandbox(AF_VSOCK); !status) {
            (void)fail(status.error());
            std::_Exit(1);
        }
    };
    log(LogLevel::Info, "serving", {{"vsock_port", "5000"}});
    enclave::serve(**enclave, std::move(server), -1);
    return 0;
}
