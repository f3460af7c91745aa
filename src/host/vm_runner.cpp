// SPDX-License-Identifier: Apache-2.0
#include "host/vm_runner.h"

#include "image/eif.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace redoubt::host {

namespace {

std::unexpected<Error> system_failure(FixedText text, const std::string& path) {
    return fail(Code::RunnerFailed, text, path + ": " + std::strerror(errno));
}

Status write_new(const std::string& path, const std::vector<ByteView>& parts) {
    (void)unlink(path.c_str());
    const net::Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd)
        return system_failure("a file of the virtual machine cannot be made", path);
    for (ByteView part : parts)
        while (!part.empty()) {
            const ssize_t n = write(fd.get(), part.data(), part.size());
            if (n < 0 && errno == EINTR)
                continue;
            if (n <= 0)
                return system_failure("a file of the virtual machine cannot be written", path);
            part = part.subspan(static_cast<std::size_t>(n));
        }
    return {};
}

} // namespace

std::vector<std::string> qemu_arguments(const VmRunnerOptions& options, const std::string& folder,
                                        const std::string& kernel_cmdline) {
    const std::string memory = std::to_string(options.memory_mib) + "M";
    // Shared memory: the simulator reads and writes the guest's rings. TCG: the machine's own KVM, where
    // there is one, need not run nested guests.
    return {options.qemu,
            "-M",
            "microvm,acpi=off,memory-backend=m",
            "-object",
            "memory-backend-memfd,id=m,size=" + memory,
            "-m",
            memory,
            "-smp",
            std::to_string(options.cpus),
            "-accel",
            "tcg,thread=multi",
            "-cpu",
            "max",
            "-kernel",
            folder + "/kernel",
            "-initrd",
            folder + "/initrd",
            "-append",
            kernel_cmdline,
            "-chardev",
            "socket,id=c,path=" + folder + "/vsock-device.sock",
            "-device",
            "vhost-user-vsock-device,chardev=c",
            "-chardev",
            "socket,id=n,path=" + folder + "/nsm-device.sock",
            "-device",
            "vhost-user-test-device,virtio-id=33,num_vqs=1,chardev=n",
            "-nodefaults",
            "-display",
            "none",
            "-chardev", // append: whoever keeps the file short cuts it under QEMU
            "file,id=s,append=on,path=" + folder + "/console.log",
            "-serial",
            "chardev:s",
            "-device",
            "i8042", // by which the guest resets the machine: with -no-reboot, that ends QEMU
            "-no-reboot"};
}

VmRunner::VmRunner(net::EventLoop& loop, VmRunnerOptions options)
    : LocalRunner(loop, "vm", {options.directory, options.name, options.redoubt}),
      options_(std::move(options)) {}

std::string VmRunner::folder_of(std::uint32_t cid) const {
    return options_.directory + "/" + enclave_name(options_.name, cid);
}

Result<LocalRunner::Plan> VmRunner::plan(std::uint32_t cid) {
    const std::string folder = folder_of(cid);
    if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
        return system_failure("the virtual machine's folder cannot be made", folder);
    for (const char* left :
         {"/vsock-device.sock", "/nsm-device.sock", "/vsock", "/console.log", "/console.log.1"})
        (void)unlink((folder + left).c_str());
    REDOUBT_TRY(const Bytes file, read_image(options_.eif));
    REDOUBT_TRY(const image::Eif eif, image::read_eif(file));
    if (eif.crc_stored != eif.crc_computed)
        return fail(Code::ImageInvalid, "the image file's checksum is wrong: copy it again", options_.eif);
    if (eif.arm64)
        return fail(Code::ImageInvalid, "the image is for aarch64, and the virtual machine is x86-64",
                    options_.eif);
    // The simulator measures the bytes that boot, whatever becomes of the file meanwhile.
    REDOUBT_CHECK(write_new(folder + "/image.eif", {file}));
    REDOUBT_CHECK(write_new(folder + "/kernel", {eif.kernel()}));
    REDOUBT_CHECK(write_new(folder + "/initrd", eif.ramdisks()));
    for (const auto& [port, path] : options_.parent_ports) {
        const std::string link = folder + "/vsock_" + std::to_string(port);
        (void)unlink(link.c_str());
        if (symlink(path.c_str(), link.c_str()) != 0)
            return system_failure("the socket of a parent's port cannot be linked", link);
    }

    Plan out;
    out.enclave.name = enclave_name(options_.name, cid);
    out.enclave.pcr0 = to_hex(image::measure(eif).pcr0);
    REDOUBT_TRY(out.enclave.endpoint, net::parse_endpoint("unix:" + folder + "/enclave.sock"));
    out.console_file = folder + "/console.log";
    Plan::Part simulator;
    simulator.arguments = {
        options_.redoubt,    "nitro-sim",   "--eif", folder + "/image.eif", "--cid",
        std::to_string(cid), "--directory", folder,  "--development-root",  options_.development_root};
    simulator.environment = {"PATH=/usr/bin:/bin"};
    simulator.log_file = folder + "/nitro-sim.log";
    Plan::Part qemu;
    std::string cmdline(as_text(eif.cmdline()));
    while (!cmdline.empty() && (cmdline.back() == '\0' || cmdline.back() == '\n'))
        cmdline.pop_back();
    qemu.arguments = qemu_arguments(options_, folder, cmdline);
    qemu.environment = {"PATH=/usr/bin:/bin"};
    qemu.log_file = folder + "/qemu.log";
    qemu.after = {folder + "/vsock-device.sock", folder + "/nsm-device.sock"};
    out.bridge = Plan::Bridge{folder + "/vsock", options_.port};
    out.parts = {std::move(simulator), std::move(qemu)};
    return out;
}

} // namespace redoubt::host
