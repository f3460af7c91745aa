// SPDX-License-Identifier: Apache-2.0
// aws-nitro-enclaves-cli, src/common/json_output.rs: members and their order.
#include "cli/eif_report.h"

#include "base/json.h"
#include "image/metadata.h"

#include <algorithm>
#include <cstdio>

namespace redoubt::cli {

namespace {

// Two spaces a level, as nitro-cli prints. `json` is JSON; white space of its own goes.
std::string eif_pretty(std::string_view json) {
    std::string out;
    std::size_t depth = 0;
    bool quoted = false, escaped = false;
    const auto line = [&] {
        out.push_back('\n');
        out.append(2 * depth, ' ');
    };
    for (std::size_t i = 0; i < json.size(); ++i) {
        const char c = json[i];
        if (quoted) {
            out.push_back(c);
            quoted = escaped || c != '"';
            escaped = !escaped && c == '\\';
            continue;
        }
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
            continue;
        const bool closes = c == '}' || c == ']';
        if (closes) {
            --depth;
            if (out.back() != '{' && out.back() != '[')
                line();
        } else if (!out.empty() && (out.back() == '{' || out.back() == '[')) {
            line();
        }
        out.push_back(c);
        quoted = c == '"';
        depth += c == '{' || c == '[' ? 1 : 0;
        if (c == ',')
            line();
        else if (c == ':')
            out.push_back(' ');
    }
    return out;
}

void write_eif_measurements(json::Writer& out, const image::Measurements& measurements) {
    out.key("Measurements")
        .begin_object()
        .member("HashAlgorithm", "Sha384 { ... }")
        .member("PCR0", to_hex(measurements.pcr0))
        .member("PCR1", to_hex(measurements.pcr1))
        .member("PCR2", to_hex(measurements.pcr2));
    if (measurements.pcr8)
        out.member("PCR8", to_hex(*measurements.pcr8));
    out.end_object();
}

// "30:65:02:…"
std::string eif_colons(ByteView bytes) {
    std::string out;
    for (const std::uint8_t byte : bytes) {
        char text[4];
        std::snprintf(text, sizeof text, out.empty() ? "%02X" : ":%02X", unsigned{byte});
        out += text;
    }
    return out;
}

void write_eif_certificate(json::Writer& out, const image::SigningCertificate& certificate) {
    out.key("SigningCertificate").begin_object().key("IssuerName").begin_object();
    for (const auto& [name, value] : certificate.issuer)
        out.member(name, value);
    out.end_object()
        .member("Algorithm", certificate.algorithm)
        .member("NotBefore", certificate.not_before_text)
        .member("NotAfter", certificate.not_after_text)
        .member("Signature", eif_colons(certificate.signature))
        .end_object();
}

// The custom members stand beside the others; one that has another's name would make two of it and stays
// away.
void write_eif_metadata(json::Writer& out, const image::Metadata& metadata) {
    out.member("ImageName", metadata.name)
        .member("ImageVersion", metadata.version)
        .key("Metadata")
        .begin_object()
        .member("BuildTime", metadata.build_time)
        .member("BuildTool", metadata.build_tool)
        .member("BuildToolVersion", metadata.build_tool_version)
        .member("OperatingSystem", metadata.operating_system)
        .member("KernelVersion", metadata.kernel_version)
        .key("DockerInfo")
        .raw(metadata.docker_info);
    json::Document document;
    const auto custom = document.parse(metadata.custom);
    if (custom && custom->is_object()) {
        constexpr std::string_view kTaken[] = {"BuildTime",       "BuildTool",     "BuildToolVersion",
                                               "OperatingSystem", "KernelVersion", "DockerInfo"};
        for (const auto member : *custom)
            if (std::find(std::begin(kTaken), std::end(kTaken), member.name()) == std::end(kTaken))
                out.key(member.name()).raw(member.raw());
    }
    out.end_object();
}

std::string eif_algorithm_name(std::int64_t algorithm) {
    return algorithm == -7 ? "ES256" : algorithm == -35 ? "ES384" : "ES512";
}

EifCheck eif_failed(std::string name, const Error& error) {
    return {std::move(name), EifCheck::Outcome::Failed, std::string(error.text.view())};
}

void check_eif_signature(const image::Eif& eif, const image::Measurements& measured,
                         const EifDemands& demands, std::vector<EifCheck>& out) {
    using Outcome = EifCheck::Outcome;
    if (eif.signature().empty()) {
        out.push_back({"signature", Outcome::None, "the image is not signed"});
        if (demands.signer)
            out.push_back({"signer", Outcome::Failed, "the image is not signed"});
        return;
    }
    const auto signature = image::read_signature(eif.signature());
    if (!signature) {
        out.push_back(eif_failed("signature", signature.error()));
        if (demands.signer)
            out.push_back({"signer", Outcome::Failed, "the signature cannot be read"});
        return;
    }
    if (const auto status = image::check_signature(*signature, measured.pcr0); !status)
        out.push_back(eif_failed("signature", status.error()));
    else
        out.push_back({"signature", Outcome::Ok, eif_algorithm_name(signature->algorithm)});
    const auto& certificate = signature->certificate;
    if (certificate.valid_at(demands.now))
        out.push_back({"certificate", Outcome::Ok, "valid until " + certificate.not_after_text});
    else
        out.push_back({"certificate", Outcome::Warning,
                       "valid from " + certificate.not_before_text + " until " + certificate.not_after_text +
                           "; an enclave starts nevertheless"});
    if (demands.signer && demands.signer->der == certificate.der)
        out.push_back({"signer", Outcome::Ok, "the certificate that was asked for"});
    else if (demands.signer)
        out.push_back({"signer", Outcome::Failed, "the image carries another certificate"});
}

} // namespace

std::string eif_build_report(const image::Measurements& measurements) {
    std::string out;
    json::Writer writer(out);
    writer.begin_object();
    write_eif_measurements(writer, measurements);
    writer.end_object();
    return eif_pretty(out);
}

Result<std::string> eif_describe_report(const image::Eif& eif) {
    image::Measurements measured = image::measure(eif);
    std::optional<image::ImageSignature> signature;
    if (!eif.signature().empty()) {
        REDOUBT_TRY(signature, image::read_signature(eif.signature()));
        measured.pcr8 = image::pcr8_of(signature->certificate);
    }
    std::string out;
    json::Writer writer(out);
    writer.begin_object().member("EifVersion", std::uint64_t{eif.version});
    write_eif_measurements(writer, measured);
    writer.member("IsSigned", signature.has_value());
    if (signature)
        write_eif_certificate(writer, signature->certificate);
    writer.member("CheckCRC", eif.crc_stored == eif.crc_computed);
    if (signature)
        writer.member("SignatureCheck", image::check_signature(*signature, measured.pcr0).has_value());
    if (!eif.metadata().empty()) {
        REDOUBT_TRY(const auto metadata, image::read_metadata(eif.metadata()));
        write_eif_metadata(writer, metadata);
    }
    writer.end_object();
    return eif_pretty(out);
}

std::vector<EifCheck> check_eif(ByteView file, const EifDemands& demands) {
    using Outcome = EifCheck::Outcome;
    std::vector<EifCheck> out;
    const auto eif = image::read_eif(file);
    if (!eif) {
        out.push_back(eif_failed("structure", eif.error()));
        return out;
    }
    out.push_back({"structure", Outcome::Ok, "version " + std::to_string(eif->version)});
    if (eif->crc_stored == eif->crc_computed)
        out.push_back({"checksum", Outcome::Ok, ""});
    else
        out.push_back({"checksum", Outcome::Failed,
                       "the file is damaged or was changed: its checksum is not the one in its header"});
    if (eif->version >= 4) {
        if (const auto metadata = image::read_metadata(eif->metadata()); !metadata)
            out.push_back(eif_failed("metadata", metadata.error()));
        else
            out.push_back({"metadata", Outcome::Ok, ""});
    }
    const auto measured = image::measure(*eif);
    check_eif_signature(*eif, measured, demands, out);
    for (const auto& [index, expected] : demands.pcrs) {
        const std::optional<crypto::Hash48> value = index == 0   ? std::optional(measured.pcr0)
                                                    : index == 1 ? measured.pcr1
                                                    : index == 2 ? measured.pcr2
                                                                 : measured.pcr8;
        const std::string name = "PCR" + std::to_string(index);
        if (value == expected)
            out.push_back({name, Outcome::Ok, to_hex(expected)});
        else
            out.push_back({name, Outcome::Failed,
                           "expected " + to_hex(expected) + ", the image has " +
                               (value ? to_hex(*value) : "none: no signature of it holds")});
    }
    return out;
}

bool eif_passes(const std::vector<EifCheck>& checks) noexcept {
    return std::none_of(checks.begin(), checks.end(),
                        [](const EifCheck& check) { return check.outcome == EifCheck::Outcome::Failed; });
}

std::string_view eif_outcome_name(EifCheck::Outcome outcome) noexcept {
    using Outcome = EifCheck::Outcome;
    return outcome == Outcome::Ok        ? "ok"
           : outcome == Outcome::None    ? "none"
           : outcome == Outcome::Warning ? "warning"
                                         : "failed";
}

} // namespace redoubt::cli
