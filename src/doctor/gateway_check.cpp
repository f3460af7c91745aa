// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"
#include "crypto/random.h"
#include "doctor/checks.h"
#include "trust/statement.h"

namespace redoubt::doctor {

namespace {

constexpr std::size_t kMaxPem = 1 << 20;
constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kSoonMs = 14 * kDayMs;

void check_certificate(const Inputs& inputs, Report& report) {
    constexpr const char* kCheck = "gateway-certificate";
    if (inputs.certificate_file.empty())
        return report.skipped(kCheck, {}, "name it (--certificate FILE) to have its dates checked");
    const auto pem = read_file(inputs.certificate_file, kMaxPem);
    const auto certificate =
        pem ? read_pem_certificate(*pem) : Result<PemCertificate>(std::unexpected(pem.error()));
    if (!certificate)
        return report.fail(kCheck, inputs.certificate_file,
                           "it cannot be read: " + printable(certificate.error().text.view()),
                           "name the PEM file that the gateway is started with");
    const UnixMs now = system_time_ms();
    const std::string until = "valid until " + to_iso8601(certificate->not_after);
    if (now < certificate->not_before)
        return report.fail(kCheck, inputs.certificate_file,
                           "not valid before " + to_iso8601(certificate->not_before),
                           "set this machine's clock, or wait");
    if (now > certificate->not_after)
        return report.fail(kCheck, inputs.certificate_file, "it was " + until,
                           "renew it and restart the gateway");
    if (certificate->not_after - now < kSoonMs)
        return report.warn(kCheck, inputs.certificate_file, "it is only " + until,
                           "renew it and restart the gateway");
    report.ok(kCheck, inputs.certificate_file, "it is " + until);
}

// A context of the gateway's own CA, where one is named.
Result<std::optional<net::TlsContext>> gateway_tls(const Inputs& inputs) {
    if (!inputs.gateway.starts_with("https:"))
        return std::nullopt;
    REDOUBT_TRY(
        const std::string pem,
        read_file(inputs.gateway_ca_file.empty() ? inputs.roots_file : inputs.gateway_ca_file, 16 << 20));
    REDOUBT_TRY(auto context, net::TlsContext::client(pem, {"http/1.1"}));
    return std::optional(std::move(context));
}

std::optional<std::uint64_t> count_of(const json::Value& enclaves, std::string_view name) {
    const auto value = enclaves.get(name);
    return value ? value->u64() : std::nullopt;
}

// "code: sentence" of a gateway's refusal.
std::string refusal_of(const net::HttpResponse& response) {
    json::Document document;
    const auto root = document.parse(as_text(response.body));
    std::string out = "status " + std::to_string(response.status);
    if (!root)
        return out;
    for (const char* name : {"code", "error"})
        if (const auto value = root->get(name); value && value->is_string())
            out += ", " + printable(value->text());
    return out;
}

// False: the gateway does not answer at all.
bool check_health(const Inputs& inputs, const net::TlsContext* tls, Report& report) {
    constexpr const char* kCheck = "gateway-health";
    report.waiting("asking the gateway at " + inputs.gateway);
    const auto response = http_get(inputs.gateway, "/healthz", tls, inputs.timeout_ms);
    if (!response) {
        const bool distrusted = response.error().code == Code::TlsFailed;
        report.fail(kCheck, inputs.gateway,
                    std::string(distrusted ? "no TLS connection" : "it does not answer") + ": " +
                        printable(response.error().describe()),
                    distrusted ? "name the CA of its certificate (--ca FILE), and an address that the "
                                 "certificate names"
                               : "see that `redoubt gateway` runs and listens there; its log says why not");
        return false;
    }
    // 503 with the counts: enclaves sign, and have no vault open.
    json::Document document;
    const auto root = document.parse(as_text(response->body));
    const auto enclaves = root ? root->get("enclaves") : std::nullopt;
    if (response->status != 200 && !enclaves) {
        report.fail(
            kCheck, inputs.gateway, "no enclave signs: " + refusal_of(*response),
            "see that the enclaves run and that the gateway's --enclave names them; the gateway's log "
            "says what they refuse");
        return true;
    }
    const auto total = enclaves ? count_of(*enclaves, "total") : std::nullopt;
    const auto usable = enclaves ? count_of(*enclaves, "usable") : std::nullopt;
    const auto open = enclaves ? count_of(*enclaves, "vault_open") : std::nullopt;
    if (!total || !usable || !open) {
        report.fail(kCheck, inputs.gateway, "its answer to /healthz is not a Redoubt gateway's",
                    "name the gateway's own address");
        return true;
    }
    const auto of_all = [&](std::uint64_t n) { return std::to_string(n) + " of " + std::to_string(*total); };
    if (*usable < *total)
        report.warn(kCheck, inputs.gateway, "only " + of_all(*usable) + " enclaves can sign",
                    "see the log of the enclaves that are missing");
    if (*open < *total)
        report.fail("gateway-vaults", inputs.gateway, of_all(*open) + " enclaves have their vaults open",
                    "KMS does not open them: the checks credentials, kms-key and kms-policy say why; the "
                    "gateway's log has KMS's code");
    else
        report.ok("gateway-vaults", inputs.gateway, "every enclave has its vaults open");
    if (*usable == *total)
        report.ok(kCheck, inputs.gateway, "an enclave signed a probe; " + of_all(*usable) + " can sign");
    return true;
}

// Which root to trust; AWS's is known by its digest, and the document brings it along.
Result<Bytes> root_of(const Inputs& inputs, const nitro::Attestation& attestation) {
    if (!inputs.attestation_root_file.empty()) {
        REDOUBT_TRY(const std::string pem, read_file(inputs.attestation_root_file, kMaxPem));
        REDOUBT_TRY(auto certificate, read_pem_certificate(pem));
        return std::move(certificate.der);
    }
    if (attestation.cabundle.empty() || crypto::sha256(attestation.cabundle[0]) != nitro::kAwsNitroRootSha256)
        return redoubt::fail(Code::AttestationUntrusted, "the document does not lead to AWS's root");
    return attestation.cabundle[0];
}

struct Attested {
    nitro::Attestation attestation;
    std::string manifest; // the gateway's word: compare its digest
};

Result<Attested> fetch_attestation(const Inputs& inputs, const net::TlsContext* tls) {
    const auto nonce = crypto::SystemRandom().array<32>();
    REDOUBT_TRY(const auto response,
                http_get(inputs.gateway, "/v1/attestation?nonce=" + to_hex(nonce), tls, inputs.timeout_ms));
    if (response.status != 200)
        return redoubt::fail(Code::EnclaveUnavailable, "no attestation document is given",
                             refusal_of(response));
    json::Document document;
    REDOUBT_TRY(const auto root, document.parse(as_text(response.body)));
    const auto text = root.get("attestation"), manifest = root.get("manifest");
    const auto bytes = text && text->is_string() ? from_base64(text->text()) : std::nullopt;
    if (!bytes)
        return redoubt::fail(Code::AttestationInvalid, "the answer holds no attestation document");
    REDOUBT_TRY(const auto parsed, nitro::parse_attestation(*bytes));
    trust::Pins pins;
    REDOUBT_TRY(pins.root_der, root_of(inputs, parsed));
    pins.nonce = to_bytes(nonce);
    REDOUBT_TRY(auto verified,
                trust::verify_document(*bytes, trust::kPurposeIdentity, pins, system_time_ms()));
    return Attested{std::move(verified),
                    manifest && manifest->is_string() ? std::string(manifest->text()) : ""};
}

void compare_pcr(const char* name, const char* what, const std::optional<Bytes>& expected, const Bytes& found,
                 Report& report) {
    const std::string check = std::string("attestation-") + name;
    if (!expected)
        return report.skipped(check, {},
                              std::string("the enclave measures ") + short_hex(found) +
                                  "; name what is expected to have it compared");
    if (*expected != found)
        return report.fail(check, {},
                           std::string("the enclave measures ") + short_hex(found) + ", but " +
                               short_hex(*expected) + " is expected: another " + what + " runs",
                           std::string("start the ") + what + " that is pinned, or pin the one that runs");
    report.ok(check, {}, std::string("the enclave measures ") + short_hex(found) + ", as expected");
}

void check_attestation(const Inputs& inputs, const net::TlsContext* tls, Knowledge& known, Report& report) {
    constexpr const char* kCheck = "attestation";
    report.waiting("asking the enclave for an attestation document");
    const auto attested = fetch_attestation(inputs, tls);
    if (!attested) {
        const auto& error = attested.error();
        const char* change = "see the gateway's and the enclave's log";
        if (error.code == Code::AttestationUntrusted)
            change = "name the root that the enclave's documents lead to (--attestation-root FILE; none for "
                     "AWS's); a document of another origin is worth nothing";
        else if (error.code == Code::AttestationExpired)
            change = "set this machine's clock";
        return report.fail(kCheck, inputs.gateway,
                           "the enclave's attestation does not verify: " + printable(error.describe()),
                           change);
    }
    const auto& pcrs = attested->attestation.pcrs;
    report.ok(kCheck, inputs.gateway,
              "document of " + printable(attested->attestation.module_id) +
                  " verifies against the root, fresh and for this request");
    const auto pcr0 = pcrs.find(0), pcr16 = pcrs.find(16);
    if (pcr0 == pcrs.end() || pcr16 == pcrs.end())
        return report.fail(kCheck, inputs.gateway, "the document has no PCR0 and PCR16",
                           "run an image of Redoubt's");
    known.measured_pcr0 = pcr0->second;
    known.measured_pcr16 = pcr16->second;
    compare_pcr("pcr0", "image", inputs.pcr0, pcr0->second, report);
    std::optional<Bytes> expected = inputs.pcr16;
    if (!expected && known.manifest)
        expected = to_bytes(nitro::pcr_of(known.manifest->digest()));
    compare_pcr("pcr16", "manifest", expected, pcr16->second, report);
    if (known.manifest && to_bytes(nitro::pcr_of(known.manifest->digest())) != pcr16->second)
        report.fail(
            "manifest-in-force", inputs.manifest_file,
            "the enclaves took another manifest than this file" +
                std::string(attested->manifest.empty() || attested->manifest == known.manifest->canonical
                                ? ""
                                : ", and the gateway shows it at /v1/attestation"),
            "an enclave keeps its first manifest: restart the enclaves and the gateway with this file, or "
            "name the file that they were started with");
}

} // namespace

void check_gateway(const Inputs& inputs, Knowledge& known, Report& report) {
    check_certificate(inputs, report);
    if (inputs.gateway.empty()) {
        for (const char* check : {"gateway-health", "attestation"})
            report.skipped(check, {}, "name the gateway (--gateway URL) to have it asked");
        return;
    }
    const auto tls = gateway_tls(inputs);
    if (!tls)
        return report.fail("gateway-health", inputs.gateway, printable(tls.error().describe()),
                           "name a PEM file of CA certificates (--ca FILE)");
    const net::TlsContext* context = *tls ? &**tls : nullptr;
    if (check_health(inputs, context, report))
        check_attestation(inputs, context, known, report);
    else
        report.skipped("attestation", inputs.gateway, "not asked: the gateway does not answer");
}

} // namespace redoubt::doctor
