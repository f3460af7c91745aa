// SPDX-License-Identifier: Apache-2.0
// redoubt up: the whole system on one machine without AWS, as supervised child processes.
//
// Two threads: the main one runs the supervisor's loop (children die with the thread that started them), the
// other sets the system up step by step and then ends.
#include "base/json.h"
#include "base/log.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/stop_signal.h"
#include "cli/up_cloud.h"
#include "cli/up_files.h"
#include "crypto/random.h"
#include "host/minder.h"
#include "host/minder_files.h"
#include "host/supervisor.h"
#include "store/store.h"

#include <CLI/CLI.hpp>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <future>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <thread>
#include <unistd.h>

namespace redoubt::cli {

namespace {

constexpr int kReadyTimeoutMs = 120'000; // a virtual machine boots in it, on a busy machine, too
constexpr std::uint32_t kFirstCid = 16;  // of enclaves in virtual machines, as the watchdog counts them
constexpr int kReadyFd = 3;              // in the child
constexpr int kHealthyAfterMs = 2'000;   // a part that lived this long is started again at once

constexpr int kEndLimitMs = host::Minder::kStopLimitMs + 1'000;

struct UpOptions {
    std::string data_dir;
    std::string listen = "127.0.0.1:8443";
    std::string clients, tls_enclave; // the gateway's; empty: without
    std::vector<std::string> nodes;
    bool short_queues = false;
    unsigned enclaves = 1;
    std::string ready_file;
    std::string store; // empty: store.db in the data folder
    std::string region = "us-east-1";
    std::string account = "000000000000";
    unsigned vault_lease_seconds = 3600;
    unsigned deletion_wait_seconds = 604'800;
    bool quiet = false;
    std::string enclave = "process";
    std::string eif, qemu; // with "vm"
    bool vm() const noexcept { return enclave == "vm"; }
};

std::string directory_of(const std::string& path) {
    return path.substr(0, path.rfind('/'));
}

// A pipe whose write end a child gets as its ready descriptor. The write end stays open here for the child's
// restarts.
struct ReadyPipe {
    net::Fd read_end, write_end;

    static Result<ReadyPipe> make() {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
            return fail(Code::Io, "a pipe cannot be made");
        ReadyPipe out;
        out.read_end = net::Fd(ends[0]);
        out.write_end = net::Fd(ends[1]);
        return out;
    }

    // A line from the child. Ends early when `ending` becomes true.
    Result<std::string> wait(const std::atomic<bool>& ending) const {
        constexpr int kSliceMs = 100;
        std::string line;
        pollfd waiting{read_end.get(), POLLIN, 0};
        const std::int64_t deadline = monotonic_ms() + kReadyTimeoutMs;
        while (line.empty() || line.back() != '\n') {
            if (ending)
                return fail(Code::ShuttingDown, "stopped before everything was ready");
            if (monotonic_ms() > deadline)
                return fail(Code::Timeout, "a part of the system did not become ready; its log says why");
            if (poll(&waiting, 1, kSliceMs) <= 0)
                continue;
            char buffer[512];
            const ssize_t n = read(read_end.get(), buffer, sizeof buffer);
            if (n > 0)
                line.append(buffer, static_cast<std::size_t>(n));
        }
        return line;
    }
};

class Up {
  public:
    Up(UpOptions options, std::string program)
        : options_(std::move(options)), program_(std::move(program)),
          supervisor_(loop_, {.healthy_after_ms = kHealthyAfterMs},
                      {[this](const std::string& name, pid_t pid) { started(name, pid); },
                       [](const std::string& name, pid_t, int status, int restart_ms) {
                           if (restart_ms >= 0)
                               log(LogLevel::Warning, "a part ended and is started again",
                                   {{"part", name}, {"status", std::to_string(status)}});
                       }}) {}

    int run() {
        const net::Fd stop = stop_signal();
        loop_.add(stop.get(), EPOLLIN, [&](std::uint32_t) {
            signalfd_siginfo info;
            (void)!read(stop.get(), &info, sizeof info);
            end();
        });
        std::thread setup([this] {
            const auto status = set_up();
            loop_.post([this, status] {
                if (!status && !ending_) {
                    exit_code_ = report(status.error(), false);
                    std::fprintf(stderr, "redoubt: logs are in %s\n", folder_.file("log").c_str());
                    end();
                }
            });
        });
        loop_.run();
        loop_ended_ = true;
        setup.join();
        // The watchdog ends its machines; where it was killed a moment ago, nobody has.
        if (options_.vm() && !folder_.run.empty())
            (void)host::end_minders(folder_.run, "", kEndLimitMs);
        if (lock_fd_ >= 0)
            close(lock_fd_);
        // A folder made for this run alone, not one in a data folder that is called so.
        if (folder_.run.starts_with("/tmp/redoubt-") && folder_.run != folder_.file("run")) {
            std::error_code ignored;
            std::filesystem::remove_all(folder_.run, ignored);
        }
        return exit_code_;
    }

  private:
    // Runs `work` on the loop's thread and waits for it; once the loop has ended, ShuttingDown.
    Status on_loop(std::function<Status()> work) {
        auto promise = std::make_shared<std::promise<Status>>();
        auto result = promise->get_future();
        loop_.post([promise, work = std::move(work)] { promise->set_value(work()); });
        while (result.wait_for(std::chrono::milliseconds(50)) != std::future_status::ready)
            if (loop_ended_)
                return fail(Code::ShuttingDown, "stopped before everything was ready");
        return result.get();
    }

    void end() {
        ending_ = true;
        supervisor_.stop([this] {
            (void)unlink(folder_.file("ready.json").c_str());
            loop_.stop();
        });
    }

    void say(const std::string& text) const {
        if (!options_.quiet)
            std::fprintf(stderr, "redoubt up: %s\n", text.c_str());
    }

    Status start(const std::string& name, int stage, std::vector<std::string> arguments,
                 const ReadyPipe* ready) {
        host::SupervisedChild child;
        child.name = name;
        child.stage = stage;
        child.options.arguments = std::move(arguments);
        child.options.environment = {"PATH=/usr/bin:/bin"};
        child.options.log_file = folder_.file("log/" + name + ".log");
        if (ready != nullptr) {
            child.options.arguments.insert(child.options.arguments.end(),
                                           {"--ready-fd", std::to_string(kReadyFd)});
            child.options.descriptors = {{ready->write_end.get(), kReadyFd}};
        }
        return on_loop([this, kept = std::move(child)] { return supervisor_.add(kept); });
    }

    Status set_up() {
        REDOUBT_TRY(const auto listen, net::parse_endpoint("tcp:" + options_.listen));
        REDOUBT_TRY(folder_, open_folder(options_.data_dir, lock_fd_));
        REDOUBT_CHECK(make_attestation_root(folder_));
        REDOUBT_CHECK(make_certificates(folder_, options_.region, listen.host));
        REDOUBT_TRY(access_key_, make_access_key(folder_));
        REDOUBT_TRY(state_, load_state(folder_));

        say("starting devcloud (stand-ins for KMS, Secrets Manager, STS, IMDSv2)");
        REDOUBT_TRY(const std::uint16_t tls_port, start_devcloud());
        Cloud cloud(cloud_url_, options_.region, access_key_);
        if (state_.kms_key_arn.empty()) {
            say("creating the KMS keys");
            REDOUBT_TRY(state_.kms_key_arn, cloud.create_kms_key("Redoubt vault key"));
            REDOUBT_TRY(state_.reference_kms_key_arn, cloud.create_kms_key("Redoubt reference keys"));
            REDOUBT_CHECK(save_state(folder_, state_));
        }
        const std::string enclave_program = directory_of(program_) + "/redoubt-enclave-dev";
        REDOUBT_TRY(
            const std::string manifest,
            make_manifest(folder_, state_, {options_.vault_lease_seconds, options_.deletion_wait_seconds}));
        if (options_.vm()) {
            REDOUBT_TRY(pair_, make_development_image(folder_, options_.eif, manifest));
        } else {
            REDOUBT_TRY(pair_, measure(enclave_program, manifest));
        }
        say("pinning the KMS keys to PCR0 " + to_hex(pair_.pcr0).substr(0, 16) + "… and PCR16 " +
            to_hex(pair_.pcr16).substr(0, 16) + "…");
        REDOUBT_CHECK(pin(cloud, state_.kms_key_arn, trust::KmsPurpose::Vault));
        REDOUBT_CHECK(pin(cloud, state_.reference_kms_key_arn, trust::KmsPurpose::Reference));

        if (const auto prefix = store::secrets_store_prefix(options_.store))
            REDOUBT_CHECK(cloud.allow_secrets_store(options_.account, "redoubt-instance", *prefix));
        REDOUBT_CHECK(start_proxy(tls_port));
        say("starting " + std::to_string(options_.enclaves) +
            (options_.enclaves == 1 ? " enclave" : " enclaves") + " and the gateway");
        REDOUBT_CHECK(start_enclaves(enclave_program));
        REDOUBT_CHECK(start_gateway(listen));
        REDOUBT_CHECK(first_keys(cloud));
        return on_loop([this]() -> Status {
            ready_ = true;
            REDOUBT_CHECK(write_ready_file());
            std::printf("ready %s\n", gateway_url_.c_str());
            std::fflush(stdout);
            say("status at " + metrics_url_ + "/status");
            say("data in " + folder_.path + "; stop with Ctrl-C");
            return {};
        });
    }

    // A free port that stays ours, whichever of our children has it, until we end.
    Result<std::uint16_t> reserve(const std::string& host) {
        REDOUBT_TRY(auto reserved, net::reserve_port(host));
        ports_.push_back(std::move(reserved.held));
        return reserved.port;
    }

    Result<std::uint16_t> start_devcloud() {
        // Fixed ports, so that a devcloud that is started again is found where it was.
        REDOUBT_TRY(const std::uint16_t http_port, reserve("127.0.0.1"));
        REDOUBT_TRY(const std::uint16_t tls_port, reserve("127.0.0.1"));
        REDOUBT_TRY(devcloud_ready_, ReadyPipe::make());
        REDOUBT_CHECK(start("devcloud", 0,
                            {program_,
                             "devcloud",
                             "--data-dir",
                             folder_.file("devcloud"),
                             "--http-listen",
                             "tcp:127.0.0.1:" + std::to_string(http_port),
                             "--tls-listen",
                             "tcp:127.0.0.1:" + std::to_string(tls_port),
                             "--tls-certificate",
                             folder_.file("tls/devcloud.pem"),
                             "--tls-key",
                             folder_.file("tls/devcloud.key"),
                             "--attestation-root",
                             folder_.file("attestation/root.pem"),
                             "--access-key-file",
                             folder_.file("devcloud/access-key.json"),
                             "--region",
                             options_.region,
                             "--account",
                             options_.account},
                            &devcloud_ready_));
        REDOUBT_TRY(const std::string line, devcloud_ready_.wait(ending_));
        cloud_url_ = "http://127.0.0.1:" + std::to_string(http_port);
        return tls_port;
    }

    Status pin(Cloud& cloud, const std::string& arn, trust::KmsPurpose purpose) {
        trust::KeyPolicyInput input;
        input.purpose = purpose;
        input.administrators = {"arn:aws:iam::" + options_.account + ":root"};
        input.users = {"arn:aws:iam::" + options_.account + ":role/redoubt-instance"};
        if (purpose == trust::KmsPurpose::Reference)
            input.encryptors = input.administrators; // on one machine there is one person
        input.pairs = {pair_};
        return cloud.put_key_policy(arn, trust::render_key_policy(input));
    }

    Status start_proxy(std::uint16_t tls_port) {
        const std::string allowlist = folder_.file("vsock-proxy.yaml");
        REDOUBT_CHECK(write_file_atomically(
            allowlist, "allowlist:\n- {address: 127.0.0.1, port: " + std::to_string(tls_port) + "}\n", 0644));
        REDOUBT_TRY(proxy_ready_, ReadyPipe::make());
        REDOUBT_CHECK(start("vsock-proxy", 1,
                            {program_, "vsock-proxy", "unix:" + folder_.socket("kms.sock"), "127.0.0.1",
                             std::to_string(tls_port), "--config", allowlist},
                            &proxy_ready_));
        const auto line = proxy_ready_.wait(ending_);
        return line ? Status{} : Status(std::unexpected(line.error()));
    }

    std::string enclave_socket(unsigned index) const {
        if (options_.vm())
            return "unix:" + folder_.socket("redoubt-" + std::to_string(kFirstCid + index) + "/enclave.sock");
        return "unix:" + folder_.socket("enclave-" + std::to_string(index) + ".sock");
    }

    // In virtual machines, which the watchdog keeps as it keeps enclaves on Nitro.
    Status start_watchdog() {
        return start("watchdog", 2,
                     {program_, "watchdog", "--runner", "vm", "--image", folder_.file("enclave.eif"),
                      "--enclaves", std::to_string(options_.enclaves), "--first-cid",
                      std::to_string(kFirstCid), "--qemu", options_.qemu, "--development-root",
                      folder_.file("attestation"), "--directory", folder_.run, "--parent-port",
                      "8000=" + folder_.socket("kms.sock")},
                     nullptr);
    }

    Status start_enclaves(const std::string& enclave_program) {
        if (options_.vm())
            return start_watchdog();
        for (unsigned i = 0; i < options_.enclaves; ++i)
            REDOUBT_CHECK(start("enclave", 2,
                                {enclave_program, "--listen", enclave_socket(i), "--kms-proxy",
                                 "unix:" + folder_.socket("kms.sock"), "--tls-roots",
                                 folder_.file("tls/ca.pem"), "--nsm-root", folder_.file("attestation"),
                                 "--endpoint-suffix", kDevelopmentSuffix, "--region", options_.region},
                                nullptr));
        return {};
    }

    Status start_gateway(const net::Endpoint& listen) {
        std::string port = std::to_string(listen.port);
        if (listen.port == 0) {
            REDOUBT_TRY(const std::uint16_t free, reserve(listen.host));
            port = std::to_string(free);
        }
        const std::string host =
            listen.host.find(':') != std::string::npos ? "[" + listen.host + "]" : listen.host;
        REDOUBT_TRY(const std::uint16_t metrics, reserve("127.0.0.1"));
        const std::string metrics_port = std::to_string(metrics);
        std::vector<std::string> arguments{program_,
                                           "gateway",
                                           "--listen",
                                           "tcp:" + host + ":" + port,
                                           "--certificate",
                                           folder_.file("tls/gateway.pem"),
                                           "--key",
                                           folder_.file("tls/gateway.key"),
                                           "--manifest",
                                           folder_.file("manifest.json"),
                                           "--store",
                                           options_.store.empty() ? folder_.file("store.db") : options_.store,
                                           "--receipts",
                                           folder_.file("receipts"),
                                           "--region",
                                           options_.region,
                                           "--create-vault",
                                           "--secretsmanager-endpoint",
                                           cloud_url_,
                                           "--imds-endpoint",
                                           cloud_url_,
                                           "--metrics",
                                           "tcp:127.0.0.1:" + metrics_port};
        for (unsigned i = 0; i < options_.enclaves; ++i)
            arguments.insert(arguments.end(), {"--enclave", enclave_socket(i)});
        if (!options_.clients.empty())
            arguments.insert(arguments.end(), {"--clients", options_.clients});
        if (!options_.tls_enclave.empty())
            arguments.insert(arguments.end(), {"--tls-enclave", "tcp:" + options_.tls_enclave});
        if (options_.short_queues)
            arguments.emplace_back("--short-queues");
        for (const auto& node : options_.nodes)
            arguments.insert(arguments.end(), {"--node", node});
        REDOUBT_TRY(gateway_ready_, ReadyPipe::make());
        REDOUBT_CHECK(start("gateway", 3, std::move(arguments), &gateway_ready_));
        REDOUBT_TRY(const std::string line, gateway_ready_.wait(ending_));
        const std::string shown = listen.host == "0.0.0.0" ? "127.0.0.1"
                                  : listen.host == "::"    ? "[::1]"
                                                           : host;
        gateway_url_ = "https://" + shown + ":" + port;
        metrics_url_ = "http://127.0.0.1:" + metrics_port;
        return {};
    }

    Connection connection() const {
        Connection out;
        out.gateway = gateway_url_;
        out.ca_file = folder_.file("tls/ca.pem");
        out.attestation_root = folder_.file("attestation/root.pem");
        out.pcr0 = to_hex(pair_.pcr0);
        out.pcr16 = to_hex(pair_.pcr16);
        return out;
    }

    // On the first run: one vault key, and one reference key made inside the enclave and stored in Secrets
    // Manager.
    Status first_keys(Cloud& cloud) {
        const Connection where = connection();
        REDOUBT_TRY(auto gateway, Gateway::connect(where));
        json::Document document;
        if (state_.key_id.empty()) {
            const auto nonce = crypto::SystemRandom().array<32>();
            REDOUBT_TRY(const auto answer,
                        gateway.post("/v1/keys", R"({"nonce":")" + to_hex(nonce) + R"("})"));
            REDOUBT_TRY(const auto root, document.parse(answer.body));
            const auto statement = root.get("statement");
            const auto attestation = root.get("attestation");
            if (!statement || !attestation)
                return fail(Code::AttestationInvalid, "the first key came without an attested statement");
            const Bytes text = from_base64(statement->text()).value_or(Bytes{});
            const Bytes proof = from_base64(attestation->text()).value_or(Bytes{});
            REDOUBT_TRY(const auto pins, pins_for(where, proof, nonce));
            REDOUBT_TRY(const auto verified,
                        trust::verify_key_statement(as_text(text), proof, pins, system_time_ms()));
            state_.key_id = verified.key_id;
            state_.address = verified.address;
            say("created key " + state_.key_id + ", address " + state_.address + " (statement verified)");
            REDOUBT_CHECK(save_state(folder_, state_));
        }
        if (state_.secret_id.empty()) {
            REDOUBT_TRY(
                const auto answer,
                gateway.post("/generate_key", R"({"key_id":")" + state_.reference_kms_key_arn + R"("})"));
            REDOUBT_TRY(const auto root, document.parse(answer.body));
            const auto encrypted = root.get("encrypted_key");
            const auto address = root.get("address");
            if (!encrypted || !address)
                return fail(Code::Internal, "generate_key answered without a key");
            state_.secret_address = std::string(address->text());
            const std::string name = "redoubt/reference-key-" + to_hex(crypto::SystemRandom().array<4>());
            REDOUBT_TRY(state_.secret_id, cloud.create_secret(name, std::string(encrypted->text())));
            REDOUBT_CHECK(save_state(folder_, state_));
        }
        return {};
    }

    void started(const std::string&, pid_t) {
        // A restart changes a pid: whoever reads the ready file finds the new one.
        if (ready_ && !ending_)
            loop_.defer([this] { (void)write_ready_file(); });
    }

    Status write_ready_file() {
        std::string text;
        json::Writer writer(text);
        const auto first_pid = [&](const std::string& name) {
            const auto pids = supervisor_.pids(name);
            return static_cast<std::int64_t>(pids.empty() ? -1 : pids[0]);
        };
        writer.begin_object()
            .member("gateway", gateway_url_)
            .member("metrics", metrics_url_)
            .member("ca_cert", folder_.file("tls/ca.pem"))
            .key("devcloud")
            .begin_object()
            .member("kms", cloud_url_)
            .member("secretsmanager", cloud_url_)
            .member("sts", cloud_url_)
            .member("imds", cloud_url_)
            .end_object()
            .member("region", options_.region)
            .member("access_key_id", access_key_.id)
            .member("secret_access_key", access_key_.secret)
            .member("kms_key_arn", state_.kms_key_arn)
            .member("reference_kms_key_arn", state_.reference_kms_key_arn)
            .member("secret_id", state_.secret_id)
            .member("secret_address", state_.secret_address)
            .member("key_id", state_.key_id)
            .member("address", state_.address)
            .member("attestation_root", folder_.file("attestation/root.pem"))
            .member("pcr0", to_hex(pair_.pcr0))
            .member("pcr16", to_hex(pair_.pcr16))
            .member("data_dir", folder_.path)
            .key("pids")
            .begin_object();
        writer.key("gateway").number(first_pid("gateway"));
        writer.key("enclaves").begin_array();
        for (const pid_t pid : supervisor_.pids("enclave"))
            writer.number(std::int64_t{pid});
        writer.end_array();
        writer.key("devcloud").number(first_pid("devcloud"));
        writer.key("vsock_proxy").number(first_pid("vsock-proxy"));
        if (options_.vm())
            writer.key("watchdog").number(first_pid("watchdog"));
        writer.end_object().end_object();
        text.push_back('\n');
        REDOUBT_CHECK(write_file_atomically(folder_.file("ready.json"), text, 0600));
        if (!options_.ready_file.empty())
            return write_file_atomically(options_.ready_file, text, 0600);
        return {};
    }

    UpOptions options_;
    std::string program_;
    net::EventLoop loop_;
    host::Supervisor supervisor_;
    int exit_code_ = kExitOk;
    int lock_fd_ = -1;
    bool ready_ = false;
    std::atomic<bool> ending_{false}, loop_ended_{false};
    UpFolder folder_;
    AccessKey access_key_;
    UpState state_;
    trust::MeasurementPair pair_{};
    std::vector<net::Fd> ports_;
    ReadyPipe devcloud_ready_, proxy_ready_, gateway_ready_;
    std::string cloud_url_, gateway_url_, metrics_url_;
};

std::string default_data_dir() {
    if (const char* data = std::getenv("XDG_DATA_HOME"); data != nullptr && *data != '\0')
        return std::string(data) + "/redoubt";
    const char* home = std::getenv("HOME");
    return std::string(home != nullptr ? home : ".") + "/.local/share/redoubt";
}

} // namespace

void add_up(CLI::App& app, Context& context) {
    auto* up = app.add_subcommand("up", "start the whole system on this machine, without AWS");
    auto options = std::make_shared<UpOptions>();
    options->data_dir = default_data_dir();
    up->add_option("--data-dir", options->data_dir, "keys, store, certificates, logs; kept between runs")
        ->capture_default_str();
    up->add_option(
        "--clients", options->clients,
        "JSON: who may ask for what (docs/clients.md); needed where the gateway listens beyond loopback");
    up->add_option("--node", options->nodes,
                   "CHAIN_ID=URL of an Ethereum node, for JSON-RPC and sending; may be repeated");
    up->add_flag("--short-queues", options->short_queues,
                 "the gateway refuses at once what an enclave that has too much to do would not begin soon");
    up->add_option("--tls-enclave", options->tls_enclave,
                   "address:port for TLS that ends inside the enclaves");
    up->add_option("--listen", options->listen, "the gateway's address:port; port 0: any free")
        ->capture_default_str();
    up->add_option("--enclaves", options->enclaves, "how many enclaves")
        ->check(CLI::Range(1, 16))
        ->capture_default_str();
    up->add_option(
        "--store", options->store,
        "sealed records: a SQLite file (default: in the data folder), postgresql://user@host/database, or "
        "secretsmanager:PREFIX");
    up->add_option("--ready-file", options->ready_file,
                   "also write the ready file here, when everything works");
    up->add_option("--region", options->region, "AWS region that the stand-ins play")->capture_default_str();
    up->add_option("--vault-lease-seconds", options->vault_lease_seconds,
                   "how long a vault stays open without KMS; for the manifest of the first run")
        ->check(CLI::Range(10, 86'400))
        ->capture_default_str();
    up->add_option("--deletion-wait-seconds", options->deletion_wait_seconds,
                   "how long a key's deletion waits at least; for the manifest of the first run")
        ->check(CLI::Range(0, 31'536'000))
        ->capture_default_str();
    up->add_option(
          "--enclave", options->enclave,
          "process: a sandboxed process with a software NSM; vm: the image in a virtual machine, with the "
          "kernel's own vsock and NSM drivers")
        ->check(CLI::IsMember({"process", "vm"}))
        ->capture_default_str();
    up->add_option("--eif", options->eif,
                   "with --enclave vm: the image, as `make eif` builds it; one ramdisk with this "
                   "folder's CA is added")
        ->check(CLI::ExistingFile);
    up->add_option("--qemu", options->qemu, "with --enclave vm: qemu-system-x86_64, version 11 or later")
        ->check(CLI::ExistingFile);
    up->add_flag("--quiet", options->quiet, "no progress on stderr");
    up->footer("Prints `ready URL` on stdout when a key can sign. DATA_DIR/ready.json then tells addresses, "
               "credentials and pins.\n"
               "Stop with Ctrl-C or SIGTERM: nothing is left running, the data stays.\n"
               "The enclave is a sandboxed process or a virtual machine here, its NSM is software, and this "
               "machine's owner can read it: for development, not for funds.");
    up->callback([&context, options] {
        if (options->vm() && (options->eif.empty() || options->qemu.empty()))
            throw CLI::RequiredError("--enclave vm: --eif and --qemu");
        context.exit_code = Up(*options, context.program).run();
    });
}

} // namespace redoubt::cli
