// SPDX-License-Identifier: Apache-2.0
#include "cli/up_files.h"

#include "base/json.h"
#include "cli/client.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "image/cpio.h"
#include "image/eif.h"
#include "net/tls.h"
#include "nitro/software_nsm.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace redoubt::cli {

namespace {

constexpr std::size_t kLongestSocketFolder =
    72; // of sockaddr_un's 107 bytes, less "/redoubt-16/vsock-device.sock"

Status make_folder(const std::string& path) {
    if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
        return fail(Code::Io, "a folder cannot be made", path + ": " + std::strerror(errno));
    return {};
}

bool exists(const std::string& path) {
    struct stat info {};
    return stat(path.c_str(), &info) == 0;
}

std::string random_text(std::string_view alphabet, std::size_t size) {
    std::string out;
    crypto::SystemRandom random;
    while (out.size() < size) {
        const std::uint8_t byte = random.array<1>()[0];
        if (byte < 256 / alphabet.size() * alphabet.size()) // no bias
            out.push_back(alphabet[byte % alphabet.size()]);
    }
    return out;
}

} // namespace

Result<UpFolder> open_folder(const std::string& path, int& lock_fd) {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error)
        return fail(Code::Io, "the data folder cannot be made", path + ": " + error.message());
    UpFolder folder;
    folder.path = std::filesystem::canonical(path, error).string();
    if (error)
        return fail(Code::Io, "the data folder cannot be found", path + ": " + error.message());
    (void)chmod(folder.path.c_str(), 0700);
    for (const char* name : {"attestation", "tls", "devcloud", "log"})
        REDOUBT_CHECK(make_folder(folder.file(name)));
    lock_fd = open(folder.file("lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock_fd < 0 || flock(lock_fd, LOCK_EX | LOCK_NB) != 0)
        return fail(Code::Conflict,
                    "another redoubt up uses this data folder; stop it or name another with --data-dir",
                    folder.path);
    folder.run = folder.file("run");
    if (folder.run.size() > kLongestSocketFolder) {
        char short_path[] = "/tmp/redoubt-XXXXXX";
        if (mkdtemp(short_path) == nullptr)
            return fail(Code::Io, "a folder for sockets cannot be made", std::strerror(errno));
        folder.run = short_path;
    }
    REDOUBT_CHECK(make_folder(folder.run));
    return folder;
}

Status make_attestation_root(const UpFolder& folder) {
    if (exists(folder.file("attestation/root.key")))
        return {};
    REDOUBT_TRY(const auto root, nitro::make_development_root());
    return nitro::save_development_root(root, folder.file("attestation"));
}

Status make_certificates(const UpFolder& folder, const std::string& region, const std::string& listen_host) {
    net::PemPair authority;
    if (exists(folder.file("tls/ca.key"))) {
        REDOUBT_TRY(authority.certificate, read_text_file(folder.file("tls/ca.pem")));
        REDOUBT_TRY(authority.key, read_text_file(folder.file("tls/ca.key")));
    } else {
        REDOUBT_TRY(authority, net::make_certificate_authority("Redoubt development CA"));
        REDOUBT_CHECK(write_file_atomically(folder.file("tls/ca.pem"), authority.certificate, 0644));
        REDOUBT_CHECK(write_file_atomically(folder.file("tls/ca.key"), authority.key, 0600));
    }
    const auto write = [&](const std::string& name, const std::vector<std::string>& names) -> Status {
        REDOUBT_TRY(const auto pair, net::make_server_certificate(authority, names));
        REDOUBT_CHECK(write_file_atomically(folder.file("tls/" + name + ".pem"), pair.certificate, 0644));
        return write_file_atomically(folder.file("tls/" + name + ".key"), pair.key, 0600);
    };
    std::vector<std::string> names{"localhost", "127.0.0.1", "::1"};
    if (listen_host != "localhost" && listen_host != "127.0.0.1" && listen_host != "::1" &&
        listen_host != "0.0.0.0" && listen_host != "::")
        names.push_back(listen_host);
    REDOUBT_CHECK(write("gateway", names));
    return write("devcloud", {"kms." + region + "." + kDevelopmentSuffix});
}

Result<AccessKey> make_access_key(const UpFolder& folder) {
    const std::string path = folder.file("devcloud/access-key.json");
    if (!exists(path)) {
        const std::string upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        const std::string any = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        std::string text;
        json::Writer(text)
            .begin_object()
            .member("access_key_id", "AKIA" + random_text(upper, 16))
            .member("secret_access_key", random_text(any, 40))
            .end_object();
        REDOUBT_CHECK(write_file_atomically(path, text, 0600));
    }
    REDOUBT_TRY(const std::string text, read_text_file(path));
    json::Document document;
    REDOUBT_TRY(const auto root, document.parse(text));
    const auto id = root.get("access_key_id");
    const auto secret = root.get("secret_access_key");
    if (!id || !secret)
        return fail(Code::Io, "the access key file is damaged; remove it", path);
    return AccessKey{std::string(id->text()), std::string(secret->text())};
}

Result<UpState> load_state(const UpFolder& folder) {
    UpState state;
    if (!exists(folder.file("state.json")))
        return state;
    REDOUBT_TRY(const std::string text, read_text_file(folder.file("state.json")));
    json::Document document;
    REDOUBT_TRY(const auto root, document.parse(text));
    const auto fill = [&](std::string& into, std::string_view name) {
        const auto value = root.get(name);
        if (value && value->is_string())
            into = std::string(value->text());
    };
    fill(state.kms_key_arn, "kms_key_arn");
    fill(state.reference_kms_key_arn, "reference_kms_key_arn");
    fill(state.secret_id, "secret_id");
    fill(state.secret_address, "secret_address");
    fill(state.key_id, "key_id");
    fill(state.address, "address");
    return state;
}

Status save_state(const UpFolder& folder, const UpState& state) {
    std::string text;
    json::Writer(text)
        .begin_object()
        .member("kms_key_arn", state.kms_key_arn)
        .member("reference_kms_key_arn", state.reference_kms_key_arn)
        .member("secret_id", state.secret_id)
        .member("secret_address", state.secret_address)
        .member("key_id", state.key_id)
        .member("address", state.address)
        .end_object();
    return write_file_atomically(folder.file("state.json"), text, 0600);
}

Result<std::string> make_manifest(const UpFolder& folder, const UpState& state, const UpLimits& limits) {
    const std::string path = folder.file("manifest.json");
    if (!exists(path)) {
        // The development manifest: any reference key signs, keys need no policy. Production writes its own.
        std::string text;
        json::Writer writer(text);
        writer.begin_object()
            .member("redoubt_manifest", std::uint64_t{1})
            .key("kms_keys")
            .begin_array()
            .begin_object()
            .member("arn", state.kms_key_arn)
            .member("purpose", "vault")
            .end_object()
            .begin_object()
            .member("arn", state.reference_kms_key_arn)
            .member("purpose", "reference")
            .end_object()
            .end_array()
            .member("reference_keys", "any")
            .member("require_policy", false)
            .member("min_epoch", std::uint64_t{1})
            .key("limits")
            .begin_object()
            .member("vault_lease_seconds", std::uint64_t{limits.vault_lease_seconds})
            .member("deletion_wait_seconds", std::uint64_t{limits.deletion_wait_seconds})
            .end_object()
            .end_object();
        REDOUBT_CHECK(write_file_atomically(path, text, 0644));
    }
    return read_text_file(path);
}

Result<trust::MeasurementPair> measure(const std::string& enclave_program, const std::string& manifest) {
    REDOUBT_TRY(const std::string program, read_text_file(enclave_program));
    REDOUBT_TRY(const auto parsed, trust::parse_manifest(manifest));
    return trust::MeasurementPair{nitro::pcr_of(crypto::sha384(as_bytes(program))),
                                  nitro::pcr_of(parsed.digest())};
}

Result<trust::MeasurementPair> make_development_image(const UpFolder& folder, const std::string& eif,
                                                      const std::string& manifest) {
    REDOUBT_TRY(const std::string file, read_text_file(eif));
    REDOUBT_TRY(const auto base, image::read_eif(as_bytes(file)));
    if (base.crc_stored != base.crc_computed)
        return fail(Code::ImageInvalid, "the image file's checksum is wrong: copy it again", eif);
    REDOUBT_TRY(const std::string roots, read_text_file(folder.file("tls/ca.pem")));
    REDOUBT_TRY(const auto parsed, trust::parse_manifest(manifest));
    REDOUBT_TRY(auto ramdisk,
                image::write_cpio({{"etc", 0755, true},
                                   {"etc/redoubt", 0755, true},
                                   {"etc/redoubt/development", 0755, true},
                                   {"etc/redoubt/development/endpoint-suffix", 0444, false,
                                    to_bytes(std::string(kDevelopmentSuffix) + "\n")},
                                   {"etc/redoubt/development/roots.pem", 0444, false, to_bytes(roots)}}));
    image::EifParts parts;
    parts.arm64 = base.arm64;
    parts.cmdline = as_text(base.cmdline());
    parts.metadata = as_text(base.metadata());
    parts.kernel.assign(base.kernel().begin(), base.kernel().end());
    for (const ByteView disk : base.ramdisks())
        parts.ramdisks.emplace_back(disk.begin(), disk.end());
    parts.ramdisks.push_back(std::move(ramdisk));
    REDOUBT_TRY(const Bytes made, image::write_eif(parts));
    REDOUBT_CHECK(write_file_atomically(folder.file("enclave.eif"), as_text(made), 0600));
    REDOUBT_TRY(const auto eif_made, image::read_eif(made));
    return trust::MeasurementPair{image::measure(eif_made).pcr0, nitro::pcr_of(parsed.digest())};
}

} // namespace redoubt::cli
