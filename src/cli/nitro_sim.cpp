// SPDX-License-Identifier: Apache-2.0
// redoubt nitro-sim: what an enclave finds around it on Nitro hardware, for a virtual machine that runs the
// very image on a machine without it.
#include "nitrosim/nitro_sim.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/stop_signal.h"
#include "host/vm_runner.h"
#include "nitro/software_nsm.h"

#include <CLI/CLI.hpp>

#include <csignal>
#include <cstdio>
#include <sys/epoll.h>
#include <unistd.h>

namespace redoubt::cli {

namespace {

struct NitroSimCommand {
    std::string eif, directory, development_root, ready_file, module_id;
    std::string region = "us-east-1";
    std::string qemu = "qemu-system-x86_64";
    std::uint32_t cid = 0;
    unsigned memory_mib = 128, cpus = 1;
    bool show_qemu = false;
};

std::string shell_word(const std::string& text) {
    constexpr std::string_view kPlain =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=,:+";
    if (!text.empty() && text.find_first_not_of(kPlain) == std::string::npos)
        return text;
    std::string out = "'";
    for (const char c : text)
        out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out + "'";
}

// The root's folder, also where its certificate is named.
std::string root_folder(const std::string& path) {
    constexpr std::string_view kCertificate = "root.pem";
    if (!path.ends_with(kCertificate))
        return path;
    const std::string folder = path.substr(0, path.size() - kCertificate.size());
    return folder.empty() ? "." : folder;
}

// The image's kernel and ramdisks beside the sockets, and the command that boots them there.
Status show_qemu_command(const NitroSimCommand& command, const image::Eif& eif) {
    std::string initrd;
    for (const ByteView ramdisk : eif.ramdisks())
        initrd += as_text(ramdisk);
    REDOUBT_CHECK(write_file_atomically(command.directory + "/kernel", as_text(eif.kernel()), 0600));
    REDOUBT_CHECK(write_file_atomically(command.directory + "/initrd", initrd, 0600));
    std::string cmdline(as_text(eif.cmdline()));
    while (!cmdline.empty() && (cmdline.back() == '\0' || cmdline.back() == '\n'))
        cmdline.pop_back();
    host::VmRunnerOptions options;
    options.qemu = command.qemu;
    options.memory_mib = command.memory_mib;
    options.cpus = command.cpus;
    std::string line;
    for (const auto& word : host::qemu_arguments(options, command.directory, cmdline))
        line += (line.empty() ? "" : " ") + shell_word(word);
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
    return {};
}

Status serve_nitro_sim(const NitroSimCommand& command) {
    REDOUBT_TRY(const auto root, nitro::load_development_root(root_folder(command.development_root)));
    nitro::SoftwareNsmOptions nsm;
    nsm.module_id = command.module_id;
    nsm.region = command.region;
    {
        REDOUBT_TRY(const std::string file, read_text_file(command.eif));
        REDOUBT_TRY(const image::Eif eif, image::read_eif(as_bytes(file)));
        if (eif.crc_stored != eif.crc_computed)
            return fail(Code::ImageInvalid, "the image file's checksum is wrong: copy it again", command.eif);
        nsm.pcrs = nitrosim::boot_registers(image::measure(eif));
        if (command.show_qemu)
            REDOUBT_CHECK(show_qemu_command(command, eif));
    }
    const std::string pcr0 = to_hex(nsm.pcrs[0]);
    // What is wrong with the options is said now, not when the machine asks for the first document.
    REDOUBT_CHECK(nitro::make_software_nsm(root, nsm));

    net::EventLoop loop;
    const net::Fd stop = stop_signal();
    loop.add(stop.get(), EPOLLIN, [&](std::uint32_t) { loop.stop(); });

    nitrosim::NitroSimOptions options;
    options.folder = command.directory;
    options.guest_cid = command.cid;
    options.make_nsm = [&] { return nitro::make_software_nsm(root, nsm); };
    options.booted = [] { log(LogLevel::Info, "the enclave's image has booted"); };
    REDOUBT_TRY(const auto simulator, nitrosim::NitroSim::create(loop, std::move(options)));
    if (!command.ready_file.empty()) {
        std::string text;
        json::Writer(text)
            .begin_object()
            .member("vsock_device", command.directory + "/vsock-device.sock")
            .member("nsm_device", command.directory + "/nsm-device.sock")
            .member("vsock", command.directory + "/vsock")
            .member("cid", std::uint64_t{command.cid})
            .member("pcr0", pcr0)
            .end_object();
        REDOUBT_CHECK(write_file_atomically(command.ready_file, text + "\n", 0600));
    }
    log(LogLevel::Info, "waiting for the virtual machine",
        {{"directory", command.directory}, {"pcr0", pcr0}});
    loop.run();
    if (!command.ready_file.empty())
        (void)unlink(command.ready_file.c_str());
    return {};
}

} // namespace

void add_nitro_sim(CLI::App& app, Context& context) {
    auto* command =
        app.add_subcommand("nitro-sim", "the devices of a Nitro enclave for a virtual machine that "
                                        "boots its image (development only)");
    auto c = std::make_shared<NitroSimCommand>();
    command->add_option("--eif", c->eif, "the image that the machine boots; its PCRs come from it")
        ->required();
    command->add_option("--cid", c->cid, "the enclave's CID, 4 and up")->required();
    command->add_option("--directory", c->directory, "an existing folder for the sockets")->required();
    command
        ->add_option("--development-root", c->development_root,
                     "folder with root.pem and root.key of the development attestation root")
        ->required();
    command->add_option("--region", c->region, "region in the certificates' names")->capture_default_str();
    command->add_option("--module-id", c->module_id, "the NSM's module id (default: drawn at random)");
    command->add_option("--ready-file", c->ready_file, "a JSON file that is there while the devices are");
    command->add_flag("--show-qemu", c->show_qemu,
                      "unpack kernel and ramdisks into the folder and print the command that boots them");
    command->add_option("--qemu", c->qemu, "QEMU's program in that command")->capture_default_str();
    command->add_option("--memory-mib", c->memory_mib, "memory in that command")->capture_default_str();
    command->add_option("--cpus", c->cpus, "CPUs in that command")->capture_default_str();
    command->callback([&context, c] {
        set_log_program("nitro-sim");
        const Status status = serve_nitro_sim(*c);
        context.exit_code = status ? kExitOk : report(status.error(), false);
    });
}

} // namespace redoubt::cli
