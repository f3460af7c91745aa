// SPDX-License-Identifier: Apache-2.0
#include "nitro/software_nsm.h"

#include "crypto/random.h"
#include "nitro/cbor_map.h"
#include "nitro/cose.h"
#include "nitro/software_nsm_certificates.h"

#include <algorithm>
#include <mutex>
#include <utility>

namespace redoubt::nitro {

namespace {

// aws-nitro-enclaves-nsm-api, nsm-test/src/bin/nsm-check.rs: the state at boot and what must be refused.
constexpr std::uint16_t kLockedAtBoot = 16;
constexpr std::size_t kMaxField = 1024; // of an attestation request; the same test sends so much
constexpr std::size_t kRandomSize = 256;
constexpr std::size_t kMaxRegion = 20; // with it, every common name fits into 64

Bytes error(std::string_view name) {
    Bytes out;
    cbor::Writer(out).map(1).text("Error").text(name);
    return out;
}

Bytes bare(std::string_view name) {
    Bytes out;
    cbor::Writer(out).text(name);
    return out;
}

void write_optional(cbor::Writer& out, std::string_view name, const std::optional<Bytes>& value) {
    out.text(name);
    if (value)
        out.bytes(*value);
    else
        out.null();
}

bool is_hex(std::string_view text) {
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// "i-<17 hex>-enc<16 hex>"
bool is_module_id(std::string_view text) {
    return text.size() == 39 && text.starts_with("i-") && is_hex(text.substr(2, 17)) &&
           text.substr(19, 4) == "-enc" && is_hex(text.substr(23));
}

bool is_region(std::string_view text) {
    return !text.empty() && text.size() <= kMaxRegion && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-';
    });
}

// Hardware counts the enclave's part from its start: 48 bits of milliseconds, then 16 random ones.
std::string make_module_id(UnixMs now) {
    crypto::SystemRandom random;
    Bytes enclave;
    Writer(enclave)
        .u32(static_cast<std::uint32_t>(now >> 16))
        .u16(static_cast<std::uint16_t>(now))
        .bytes(random.array<2>());
    return "i-0" + to_hex(random.array<8>()) + "-enc" + to_hex(enclave);
}

class SoftwareNsm final : public NsmTransport {
  public:
    SoftwareNsm(CertificateChain chain, std::string module_id, std::map<std::uint16_t, Pcr> pcrs,
                bool indefinite_payload, std::function<UnixMs()> now)
        : chain_(std::move(chain)), module_id_(std::move(module_id)), indefinite_payload_(indefinite_payload),
          now_(std::move(now)) {
        for (std::uint16_t index = 0; index < kLockedAtBoot; ++index)
            pcrs_[index].locked = true;
        for (const auto& [index, value] : pcrs)
            pcrs_[index].value = value;
    }

    Result<Bytes> exchange(ByteView request) override {
        if (request.size() > kNsmMaxRequest)
            return error("InputTooLarge");
        const std::lock_guard lock(mutex_);
        return answer(request);
    }

  private:
    Bytes answer(ByteView request) {
        cbor::Reader in(request);
        if (in.peek() == cbor::Major::Text) {
            const auto name = in.text();
            if (in.finished() && name == "GetRandom")
                return get_random();
            if (in.finished() && name == "DescribeNSM")
                return describe();
            return error("InvalidOperation");
        }
        const auto head = in.map();
        const auto name = head && head->size == 1 ? in.text() : std::nullopt;
        if (name == "DescribePCR")
            return describe_pcr(in);
        if (name == "ExtendPCR")
            return extend_pcr(in);
        if (name == "LockPCR")
            return lock_pcr(in);
        if (name == "LockPCRs")
            return lock_pcrs(in);
        if (name == "Attestation")
            return attestation(in);
        return error("InvalidOperation");
    }

    static Bytes get_random() {
        Bytes out;
        cbor::Writer(out)
            .map(1)
            .text("GetRandom")
            .map(1)
            .text("random")
            .bytes(crypto::SystemRandom().array<kRandomSize>());
        return out;
    }

    Bytes describe() const {
        Bytes out;
        cbor::Writer writer(out);
        writer.map(1).text("DescribeNSM").map(7);
        writer.text("version_major").u64(1).text("version_minor").u64(0).text("version_patch").u64(0);
        writer.text("module_id").text(module_id_).text("max_pcrs").u64(kPcrCount);
        writer.text("locked_pcrs")
            .array(static_cast<std::size_t>(
                std::count_if(pcrs_.begin(), pcrs_.end(), [](const PcrState& pcr) { return pcr.locked; })));
        for (std::uint16_t index = 0; index < kPcrCount; ++index) {
            if (pcrs_[index].locked)
                writer.u64(index);
        }
        writer.text("digest").text("SHA384");
        return out;
    }

    // The members of a request that has nothing but a number, which is the whole of it.
    static std::optional<std::uint16_t> read_number(cbor::Reader& in, std::string_view field) {
        std::uint16_t out = 0;
        if (!cbor::read_map(in, {{field, [&](cbor::Reader& r) { return cbor::read_u16(r, out); }}}) ||
            !in.finished())
            return std::nullopt;
        return out;
    }

    Bytes describe_pcr(cbor::Reader& in) const {
        const auto index = read_number(in, "index");
        if (!index)
            return error("InvalidOperation");
        if (*index >= kPcrCount)
            return error("InvalidIndex");
        Bytes out;
        cbor::Writer(out)
            .map(1)
            .text("DescribePCR")
            .map(2)
            .text("lock")
            .boolean(pcrs_[*index].locked)
            .text("data")
            .bytes(pcrs_[*index].value);
        return out;
    }

    Bytes extend_pcr(cbor::Reader& in) {
        std::uint16_t index = 0;
        Bytes data;
        if (!cbor::read_map(
                in,
                {{"index", [&](cbor::Reader& r) { return cbor::read_u16(r, index); }},
                 {"data", [&](cbor::Reader& r) { return cbor::read_bytes(r, data, 0, kNsmMaxRequest); }}}) ||
            !in.finished())
            return error("InvalidOperation");
        if (index >= kPcrCount)
            return error("InvalidIndex");
        PcrState& pcr = pcrs_[index];
        if (pcr.locked)
            return error("ReadOnlyIndex");
        pcr.value = crypto::sha384({pcr.value, data});
        Bytes out;
        cbor::Writer(out).map(1).text("ExtendPCR").map(1).text("data").bytes(pcr.value);
        return out;
    }

    Bytes lock_pcr(cbor::Reader& in) {
        const auto index = read_number(in, "index");
        if (!index)
            return error("InvalidOperation");
        if (*index >= kPcrCount)
            return error("InvalidIndex");
        if (pcrs_[*index].locked)
            return error("ReadOnlyIndex");
        pcrs_[*index].locked = true;
        return bare("LockPCR");
    }

    Bytes lock_pcrs(cbor::Reader& in) {
        const auto range = read_number(in, "range");
        if (!range)
            return error("InvalidOperation");
        if (*range > kPcrCount)
            return error("InvalidIndex");
        for (std::uint16_t index = 0; index < *range; ++index)
            pcrs_[index].locked = true;
        return bare("LockPCRs");
    }

    Bytes attestation(cbor::Reader& in) {
        AttestationRequest request;
        const auto field = [](std::optional<Bytes>& into) {
            return [&into](cbor::Reader& r) { return cbor::read_optional_bytes(r, into, kNsmMaxRequest); };
        };
        if (!cbor::read_map(in, {{"user_data", field(request.user_data)},
                                 {"nonce", field(request.nonce)},
                                 {"public_key", field(request.public_key)}}) ||
            !in.finished())
            return error("InvalidOperation");
        for (const auto* part : {&request.user_data, &request.nonce, &request.public_key}) {
            if (*part && (*part)->size() > kMaxField)
                return error("InputTooLarge");
        }
        const UnixMs now = now_();
        if (now <= 0 || !chain_.renew(now))
            return error("InternalError");
        const auto document = sign(make_payload(request, now));
        if (!document)
            return error("InternalError");
        Bytes out;
        cbor::Writer(out).map(1).text("Attestation").map(1).text("document").bytes(*document);
        return out;
    }

    Bytes make_payload(const AttestationRequest& request, UnixMs now) const {
        // The first sixteen registers, and what was locked since.
        const auto shown = [&](std::uint16_t index) { return index < kLockedAtBoot || pcrs_[index].locked; };
        std::size_t count = 0;
        for (std::uint16_t index = 0; index < kPcrCount; ++index)
            count += shown(index) ? 1u : 0u;

        Bytes out;
        cbor::Writer writer(out);
        if (indefinite_payload_)
            writer.map_indefinite();
        else
            writer.map(9);
        writer.text("module_id").text(module_id_).text("digest").text("SHA384");
        writer.text("timestamp").u64(static_cast<std::uint64_t>(now)).text("pcrs").map(count);
        for (std::uint16_t index = 0; index < kPcrCount; ++index) {
            if (shown(index))
                writer.u64(index).bytes(pcrs_[index].value);
        }
        const auto bundle = chain_.bundle();
        writer.text("certificate").bytes(chain_.leaf()).text("cabundle").array(bundle.size());
        for (const Bytes& certificate : bundle)
            writer.bytes(certificate);
        write_optional(writer, "public_key", request.public_key);
        write_optional(writer, "user_data", request.user_data);
        write_optional(writer, "nonce", request.nonce);
        if (indefinite_payload_)
            writer.end();
        return out;
    }

    Result<Bytes> sign(ByteView payload) const {
        REDOUBT_TRY(const Es384Signature signature, chain_.sign(sig_structure(kProtectedEs384, payload)));
        Bytes out;
        cbor::Writer(out).array(4).bytes(kProtectedEs384).map(0).bytes(payload).bytes(signature);
        return out;
    }

    std::mutex mutex_;
    CertificateChain chain_;
    std::string module_id_;
    bool indefinite_payload_;
    std::function<UnixMs()> now_;
    std::array<PcrState, kPcrCount> pcrs_{};
};

} // namespace

Result<std::unique_ptr<NsmTransport>> make_software_nsm(const DevelopmentRoot& root,
                                                        SoftwareNsmOptions options) {
    if (!options.now)
        options.now = system_time_ms;
    if (options.module_id.empty())
        options.module_id = make_module_id(options.now());
    if (!is_module_id(options.module_id) || !is_region(options.region))
        return fail(Code::InvalidField,
                    "the software NSM takes a module id \"i-<17 hex>-enc<16 hex>\" and a region's name");
    if (!options.pcrs.empty() && options.pcrs.rbegin()->first >= kLockedAtBoot)
        return fail(Code::InvalidField, "the software NSM takes values at boot for PCR0 to PCR15");
    // As on hardware: PCR4 is the instance's.
    options.pcrs.try_emplace(4, pcr_of(as_bytes(std::string_view(options.module_id).substr(0, 19))));

    REDOUBT_TRY(auto chain, CertificateChain::create(root.certificate_der, root.private_key_der,
                                                     options.module_id, options.region));
    REDOUBT_CHECK(chain.renew(options.now()));
    return std::make_unique<SoftwareNsm>(std::move(chain), std::move(options.module_id),
                                         std::move(options.pcrs), options.indefinite_payload,
                                         std::move(options.now));
}

} // namespace redoubt::nitro
