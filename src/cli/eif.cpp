// SPDX-License-Identifier: Apache-2.0
// redoubt eif build|describe|verify|sign|extract: enclave images, without Docker, nitro-cli or a machine of
// AWS's. None of these talks to anybody.
#include "base/clock.h"
#include "base/json.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/eif_report.h"
#include "host/image_file.h"
#include "image/metadata.h"
#include "net/endpoint.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <unistd.h>

namespace redoubt::cli {

namespace {

constexpr std::size_t kMaxEifKey = 16 * 1024;            // bytes of a PEM file
constexpr std::int64_t kLastEifSecond = 253'402'300'799; // the end of the year 9999

struct EifOptions {
    std::string file, output, kernel, cmdline, cmdline_file, metadata, private_key, certificate, directory;
    std::string arch = "x86_64", name = "redoubt-enclave", version = REDOUBT_VERSION;
    std::vector<std::string> ramdisks;
    std::string pcr0, pcr1, pcr2, pcr8;
    std::int64_t build_time = -1;
    bool json = false;
};

// The file's name beside what is wrong with its contents.
template<class T>
Result<T> eif_of_file(Result<T> result, const std::string& path) {
    if (!result && result.error().context.empty())
        result.error().context = path;
    return result;
}

Result<Secret> read_eif_key(const std::string& path) {
    const net::Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file)
        return fail(Code::Io, "the private key cannot be read", path + ": " + std::strerror(errno));
    Secret buffer(kMaxEifKey + 1);
    const auto bytes = buffer.mutable_view(SecretAccess("read the key that signs an image"));
    std::size_t size = 0;
    ssize_t n = 0;
    while (size < bytes.size() && (n = read(file.get(), bytes.data() + size, bytes.size() - size)) > 0)
        size += static_cast<std::size_t>(n);
    if (n < 0 || size == 0 || size == bytes.size())
        return fail(Code::Io, "the private key cannot be read, or is longer than a key's file can be", path);
    return Secret::copy_of(bytes.first(size));
}

// --build-time, else SOURCE_DATE_EPOCH (reproducible-builds.org), else 1970: never the clock.
Result<std::string> eif_build_time(std::int64_t option) {
    std::int64_t seconds = option;
    if (seconds < 0) {
        const char* const text = std::getenv("SOURCE_DATE_EPOCH");
        const std::string_view value = text == nullptr ? "0" : text;
        const auto [stop, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
        if (error != std::errc() || stop != value.data() + value.size() || seconds < 0 ||
            seconds > kLastEifSecond)
            return fail(Code::Usage, "SOURCE_DATE_EPOCH is not a number of seconds since 1970",
                        std::string(value));
    }
    return to_iso8601(seconds * 1000);
}

// What was given, or a file's text without the line's end that editors leave there.
Result<std::string> eif_cmdline(const EifOptions& options) {
    if (options.cmdline_file.empty())
        return options.cmdline;
    REDOUBT_TRY(std::string text, read_text_file(options.cmdline_file));
    text.erase(text.find_last_not_of("\r\n") + 1);
    return text;
}

Result<Bytes> sign_eif(const image::Eif& eif, const EifOptions& options) {
    REDOUBT_TRY(const Secret key, read_eif_key(options.private_key));
    REDOUBT_TRY(const std::string certificate, read_text_file(options.certificate));
    REDOUBT_TRY(const Bytes section,
                image::sign_pcr0(image::measure(eif).pcr0, key, as_bytes(certificate), system_time_ms()));
    return image::replace_signature(eif, section);
}

// What was written is read again: the report is of the file, not of what went into it.
Status finish_eif(const std::string& path, ByteView file, const char* sentence) {
    REDOUBT_TRY(const auto eif, image::read_eif(file));
    const auto measured = image::measure(eif);
    REDOUBT_CHECK(write_file_atomically(path, as_text(file), 0644));
    std::fprintf(stderr, "%s\n", sentence);
    std::printf("%s\n", eif_build_report(measured).c_str());
    return {};
}

Status build_eif(const EifOptions& options) {
    image::EifParts parts;
    parts.arm64 = options.arch == "aarch64";
    REDOUBT_TRY(parts.cmdline, eif_cmdline(options));
    REDOUBT_TRY(parts.kernel, host::read_image(options.kernel));
    for (const auto& path : options.ramdisks) {
        REDOUBT_TRY(Bytes ramdisk, host::read_image(path));
        parts.ramdisks.push_back(std::move(ramdisk));
    }
    image::Metadata metadata;
    metadata.name = options.name;
    metadata.version = options.version;
    metadata.build_tool_version = REDOUBT_VERSION;
    metadata.kernel_version = image::kernel_version(parts.kernel);
    REDOUBT_TRY(metadata.build_time, eif_build_time(options.build_time));
    if (!options.metadata.empty()) {
        REDOUBT_TRY(metadata.custom, read_text_file(options.metadata));
    }
    REDOUBT_TRY(parts.metadata, image::write_metadata(metadata));
    REDOUBT_TRY(Bytes file, image::write_eif(parts));
    if (!options.private_key.empty()) {
        REDOUBT_TRY(const auto eif, image::read_eif(file));
        REDOUBT_TRY(Bytes with_signature, sign_eif(eif, options));
        file = std::move(with_signature);
    }
    return finish_eif(options.output, file, "Enclave Image successfully created.");
}

Status sign_eif_file(const EifOptions& options) {
    REDOUBT_TRY(const Bytes file, host::read_image(options.file));
    REDOUBT_TRY(const auto eif, eif_of_file(image::read_eif(file), options.file));
    if (eif.crc_stored != eif.crc_computed)
        return fail(Code::ImageInvalid,
                    "the file is damaged or was changed: its checksum is not the one in its header",
                    options.file);
    REDOUBT_TRY(const Bytes with_signature, sign_eif(eif, options));
    return finish_eif(options.output.empty() ? options.file : options.output, with_signature,
                      "Enclave Image successfully signed.");
}

Status describe_eif(const EifOptions& options) {
    REDOUBT_TRY(const Bytes file, host::read_image(options.file));
    REDOUBT_TRY(const auto eif, eif_of_file(image::read_eif(file), options.file));
    REDOUBT_TRY(const std::string report, eif_of_file(eif_describe_report(eif), options.file));
    std::printf("%s\n", report.c_str());
    return {};
}

Result<EifDemands> eif_demands(const EifOptions& options) {
    EifDemands out;
    out.now = system_time_ms();
    const std::pair<unsigned, const std::string&> pins[] = {
        {0, options.pcr0}, {1, options.pcr1}, {2, options.pcr2}, {8, options.pcr8}};
    for (const auto& [index, text] : pins) {
        if (text.empty())
            continue;
        crypto::Hash48 value;
        if (!from_hex_exact(text, value))
            return fail(Code::Usage, "a measurement is 96 hexadecimal digits", text);
        out.pcrs.emplace_back(index, value);
    }
    if (!options.certificate.empty()) {
        REDOUBT_TRY(const std::string pem, read_text_file(options.certificate));
        REDOUBT_TRY(out.signer,
                    eif_of_file(image::read_signing_certificate(as_bytes(pem)), options.certificate));
    }
    return out;
}

// Pins that name one image, or its signer: PCR1 or PCR2 alone leaves a part of the image open.
bool pins_eif(const EifDemands& demands) {
    const auto has = [&](unsigned index) {
        return std::ranges::any_of(demands.pcrs, [&](const auto& pcr) { return pcr.first == index; });
    };
    return has(0) || (has(1) && has(2)) || has(8) || demands.signer.has_value();
}

// An unset variable of a script's must not count as an option that was not given.
std::string eif_not_empty(const std::string& value) {
    return value.empty() ? "the value is empty: give one, or leave the option out" : "";
}

void print_eif_checks(const std::vector<EifCheck>& checks, bool pinned, bool json) {
    const bool ok = eif_passes(checks);
    if (json) {
        std::string out;
        json::Writer writer(out);
        writer.begin_object().member("ok", ok).member("pinned", pinned).key("checks").begin_array();
        for (const auto& check : checks)
            writer.begin_object()
                .member("name", check.name)
                .member("result", eif_outcome_name(check.outcome))
                .member("detail", check.detail)
                .end_object();
        writer.end_array().end_object();
        std::printf("%s\n", out.c_str());
        return;
    }
    for (const auto& check : checks)
        std::printf("%-12s %-8s %s\n", check.name.c_str(),
                    std::string(eif_outcome_name(check.outcome)).c_str(), check.detail.c_str());
    std::printf("\n%s\n", !ok      ? "NOT verified"
                          : pinned ? "verified"
                                   : "whole; nothing was pinned that says whose image it is: give --pcr0, "
                                     "--pcr1 and --pcr2, --pcr8 or --signing-certificate");
}

int verify_eif(const EifOptions& options) {
    const auto demands = eif_demands(options);
    if (!demands)
        return report(demands.error(), options.json);
    const auto file = host::read_image(options.file);
    if (!file)
        return report(file.error(), options.json);
    const auto checks = check_eif(*file, *demands);
    print_eif_checks(checks, pins_eif(*demands), options.json);
    return eif_passes(checks) ? kExitOk : kExitFailed;
}

// The parts of an image as files: all of them, or none.
class EifExtraction {
  public:
    explicit EifExtraction(std::filesystem::path folder) : folder_(std::move(folder)) {}
    // Removes what it made, unless it is to be kept.
    ~EifExtraction() {
        std::error_code ignored; // nobody could do more about it
        for (auto path = made_.rbegin(); path != made_.rend(); ++path)
            std::filesystem::remove(*path, ignored); // a folder only where nobody else has put anything
    }
    EifExtraction(const EifExtraction&) = delete;
    EifExtraction& operator=(const EifExtraction&) = delete;

    Status make_folder() {
        std::filesystem::path path;
        for (const auto& part : folder_) {
            path /= part;
            std::error_code error;
            if (std::filesystem::create_directory(path, error))
                made_.push_back(path);
            else if (error)
                return fail(Code::Io, "the folder cannot be made", path.string() + ": " + error.message());
        }
        return {};
    }
    Status write(const std::string& name, ByteView data) {
        REDOUBT_CHECK(write_file_atomically(folder_ / name, as_text(data), 0644));
        made_.push_back(folder_ / name);
        return {};
    }
    void keep() { made_.clear(); }

  private:
    std::filesystem::path folder_;
    std::vector<std::filesystem::path> made_;
};

Status extract_eif(const EifOptions& options) {
    REDOUBT_TRY(const Bytes file, host::read_image(options.file));
    REDOUBT_TRY(const auto eif, eif_of_file(image::read_eif(file), options.file));
    EifExtraction out(options.directory);
    REDOUBT_CHECK(out.make_folder());
    REDOUBT_CHECK(out.write("kernel", eif.kernel()));
    REDOUBT_CHECK(out.write("cmdline", eif.cmdline()));
    std::size_t index = 0;
    for (const ByteView ramdisk : eif.ramdisks())
        REDOUBT_CHECK(out.write("ramdisk-" + std::to_string(index++), ramdisk));
    if (!eif.metadata().empty())
        REDOUBT_CHECK(out.write("metadata.json", eif.metadata()));
    if (!eif.signature().empty())
        REDOUBT_CHECK(out.write("signature.cbor", eif.signature()));
    out.keep();
    return {};
}

} // namespace

void add_eif(CLI::App& app, Context& context) {
    auto* eif = app.add_subcommand("eif", "build, describe, verify, sign and take apart enclave images");
    eif->require_subcommand(1);
    auto o = std::make_shared<EifOptions>();
    const auto finish = [&context, o](const Status& status) {
        context.exit_code = status ? kExitOk : report(status.error(), o->json);
    };
    const auto json = [&](CLI::App* command) {
        command->add_flag("--json", o->json, "machine-readable output, of errors too");
    };
    const auto file = [&](CLI::App* command) {
        command->add_option("file", o->file, "enclave image file")->required();
        json(command);
    };
    const auto key = [&](CLI::App* command) {
        auto* private_key = command->add_option(
            "--private-key", o->private_key, "PEM file: the P-384 key that signs the image, not encrypted");
        auto* certificate = command->add_option("--signing-certificate", o->certificate,
                                                "PEM file: that key's certificate, PCR8");
        private_key->needs(certificate)->check(eif_not_empty);
        certificate->needs(private_key);
        return private_key;
    };

    auto* build = eif->add_subcommand("build", "make an image; prints what an enclave with it measures");
    build->add_option("--kernel", o->kernel, "kernel: bzImage (x86_64) or Image (aarch64)")->required();
    auto* cmdline = build->add_option_group("cmdline", "which command line");
    cmdline->add_option("--cmdline", o->cmdline, "the kernel's command line");
    cmdline
        ->add_option("--cmdline-file", o->cmdline_file, "file with it; a line's end there is no part of it")
        ->check(CLI::ExistingFile);
    cmdline->require_option(1);
    build
        ->add_option(
            "--ramdisk", o->ramdisks,
            "cpio archive, compressed or not; repeatable: the first is PCR1's, the others are PCR2's")
        ->required()
        ->allow_extra_args(false);
    build->add_option("--output", o->output, "file to write")->required();
    build->add_option("--arch", o->arch, "x86_64 or aarch64")->check(CLI::IsMember({"x86_64", "aarch64"}));
    build->add_option("--name", o->name, "name of the image, not measured");
    build->add_option("--version", o->version, "version of the image, not measured");
    build->add_option("--metadata", o->metadata, "file with a JSON object of your own, not measured");
    build
        ->add_option("--build-time", o->build_time,
                     "seconds since 1970 (default: SOURCE_DATE_EPOCH, else 0), not measured")
        ->check(CLI::Range(std::int64_t{0}, kLastEifSecond));
    (void)key(build);
    json(build);
    build->footer("The same inputs give the same file, but for a signature, which is never twice the same.\n"
                  "Example: redoubt eif build --kernel bzImage --cmdline \"reboot=k panic=30 nomodule\" "
                  "--ramdisk init.cpio --ramdisk app.cpio --output enclave.eif");
    build->callback([=] { finish(build_eif(*o)); });

    auto* describe = eif->add_subcommand("describe", "what an image is and measures, as nitro-cli tells it");
    file(describe);
    describe->footer(
        "Describes; whether it is the image that you expect is what redoubt eif verify answers.");
    describe->callback([=] { finish(describe_eif(*o)); });

    auto* verify =
        eif->add_subcommand("verify", "is an image whole, rightly signed, and the one you expect?");
    file(verify);
    const auto pin = [&](const char* name, std::string& into, const char* what) {
        return verify->add_option(name, into, what)->check(eif_not_empty);
    };
    pin("--pcr0", o->pcr0, "hexadecimal: what kernel, command line and ramdisks must measure");
    pin("--pcr1", o->pcr1, "hexadecimal: kernel, command line and first ramdisk");
    pin("--pcr2", o->pcr2, "hexadecimal: the other ramdisks");
    auto* pcr8 = pin("--pcr8", o->pcr8, "hexadecimal: the certificate of a valid signature");
    pin("--signing-certificate", o->certificate, "PEM file: the certificate that must be the signer's")
        ->excludes(pcr8);
    verify->footer("Exit code 0: every check passes; 1: one fails, and the table says which and why.\n"
                   "Example: redoubt eif verify enclave.eif --pcr0 … --signing-certificate release.pem");
    verify->callback([&context, o] { context.exit_code = verify_eif(*o); });

    auto* sign = eif->add_subcommand("sign", "sign an image, or sign it anew; PCR0 to PCR2 stay as they are");
    file(sign);
    key(sign)->required();
    sign->add_option("--output", o->output, "file to write (default: the image itself)");
    sign->footer(
        "Example: redoubt eif sign enclave.eif --private-key release.key --signing-certificate release.pem");
    sign->callback([=] { finish(sign_eif_file(*o)); });

    auto* extract = eif->add_subcommand(
        "extract", "write kernel, cmdline, ramdisk-0 …, metadata.json and signature.cbor into a folder");
    file(extract);
    extract->add_option("--directory", o->directory, "folder, made if it is not there")->required();
    extract->callback([=] { finish(extract_eif(*o)); });
}

} // namespace redoubt::cli
