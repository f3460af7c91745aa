// SPDX-License-Identifier: Apache-2.0
#include "gateway/blob_sidecar.h"

#include "base/json.h"
#include "crypto/hash.h"
#include "ethereum/rlp.h"
#include "ethereum/transaction.h"
#include "wire/frame.h"

#include <cstring>

namespace redoubt::gateway {

namespace {

constexpr std::size_t kBlobSize = 131'072;      // EIP-4844: 4096 field elements of 32 bytes
constexpr std::size_t kKzgSize = 48;            // a commitment or a proof: a compressed point of G1
constexpr std::size_t kCellProofsPerBlob = 128; // EIP-7594, CELLS_PER_EXT_BLOB
constexpr std::uint8_t kBlobType = 0x03;
constexpr json::Limits kReplyLimits{.bytes = wire::kMaxFrame, .depth = 64, .values = 1 << 17};
constexpr json::Limits kLimits{.bytes = kMaxBodyWithBlobs, .depth = 64, .values = 1 << 16};

Result<std::vector<Bytes>> read_list(const json::Value& sidecar, std::string_view name, std::size_t most,
                                     std::size_t size) {
    const auto list = sidecar.get(name);
    if (!list)
        return fail(Code::MissingField, "sidecar needs blobs, commitments and proofs");
    if (!list->is_array() || list->size() == 0 || list->size() > most)
        return fail(Code::InvalidField,
                    "sidecar has 1 to 6 blobs, a commitment each, and 1 or 128 proofs each");
    std::vector<Bytes> out;
    out.reserve(list->size());
    for (const json::Value entry : *list) {
        auto bytes = entry.is_string() ? from_hex0x(entry.text()) : std::nullopt;
        if (!bytes || bytes->size() != size)
            return fail(Code::InvalidField,
                        "a blob has 131,072 bytes, a commitment or proof 48, in hexadecimal with 0x");
        out.push_back(std::move(*bytes));
    }
    return out;
}

Result<BlobSidecar> read_sidecar(const json::Value& object) {
    REDOUBT_CHECK(json::check_members(object, {"version", "blobs", "commitments", "proofs"}));
    BlobSidecar out;
    if (const auto version = object.get("version")) {
        const auto number = version->u64();
        if (!number || *number > 1)
            return fail(Code::InvalidField,
                        "sidecar.version is 0 (a proof a blob) or 1 (cell proofs, EIP-7594)");
        out.cell_proofs = *number == 1;
    }
    const std::size_t proofs_per_blob = out.cell_proofs ? kCellProofsPerBlob : 1;
    REDOUBT_TRY(out.blobs, read_list(object, "blobs", ethereum::kMostBlobs, kBlobSize));
    REDOUBT_TRY(out.commitments, read_list(object, "commitments", ethereum::kMostBlobs, kKzgSize));
    REDOUBT_TRY(out.proofs, read_list(object, "proofs", ethereum::kMostBlobs * proofs_per_blob, kKzgSize));
    if (out.commitments.size() != out.blobs.size() || out.proofs.size() != out.blobs.size() * proofs_per_blob)
        return fail(Code::InvalidField,
                    "sidecar needs a commitment a blob, and a proof a blob (version 0) or 128 (version 1)");
    return out;
}

template<class Sink>
void put_list(Sink& sink, const std::vector<Bytes>& list) {
    ethereum::rlp::Sizer sizer;
    for (const auto& entry : list)
        sizer.string(entry);
    sink.list(sizer.size());
    for (const auto& entry : list)
        sink.string(entry);
}

} // namespace

std::vector<Hash32> BlobSidecar::versioned_hashes() const {
    std::vector<Hash32> out;
    for (const auto& commitment : commitments) {
        Hash32 hash = crypto::sha256(commitment);
        hash[0] = 0x01; // EIP-4844, VERSIONED_HASH_VERSION_KZG
        out.push_back(hash);
    }
    return out;
}

bool may_have_sidecar(std::string_view path, std::string_view body) noexcept {
    // memmem, since every request is looked at: find() would stop at each quotation mark.
    constexpr std::string_view kMember = R"("sidecar")";
    return path.ends_with("/sign-transaction") && !body.empty() &&
           memmem(body.data(), body.size(), kMember.data(), kMember.size()) != nullptr;
}

Result<SplitBody> split_sidecar(std::string_view body) {
    json::Document document;
    REDOUBT_TRY(const json::Value root, document.parse(body, kLimits));
    SplitBody out;
    const auto sidecar = root.get("sidecar");
    if (!sidecar) {
        out.body = std::string(body);
        return out;
    }
    REDOUBT_TRY(out.sidecar, read_sidecar(*sidecar));
    json::Writer writer(out.body);
    writer.begin_object();
    for (const json::Value member : root)
        if (member.name() != "sidecar")
            writer.key(member.name()).raw(member.raw());
    writer.end_object();
    return out;
}

Result<std::string> with_network_transaction(std::string_view reply_body, const BlobSidecar& sidecar) {
    json::Document document;
    REDOUBT_TRY(const json::Value root, document.parse(reply_body, kReplyLimits));
    const auto text = root.get("raw_transaction");
    const auto raw = text && text->is_string() ? from_hex0x(text->text()) : std::nullopt;
    const auto parsed = raw ? ethereum::parse_signed_transaction(*raw)
                            : Result<ethereum::SignedTransaction>(fail(Code::Internal, "no transaction"));
    if (!parsed || parsed->transaction.type != ethereum::TransactionType::Blob ||
        parsed->transaction.blob_versioned_hashes != sidecar.versioned_hashes())
        return fail(Code::InvalidField,
                    "the sidecar's commitments are not those of blobVersionedHashes; send the "
                    "sidecar that belongs to the transaction");
    const ByteView signed_list = ByteView(*raw).subspan(1);
    const auto put = [&](auto& sink) {
        if (sidecar.cell_proofs)
            sink.integer(std::uint64_t{1});
        put_list(sink, sidecar.blobs);
        put_list(sink, sidecar.commitments);
        put_list(sink, sidecar.proofs);
    };
    ethereum::rlp::Sizer sizer;
    put(sizer);
    const std::size_t payload = signed_list.size() + sizer.size();
    Bytes network{kBlobType};
    network.reserve(1 + ethereum::rlp::size_of_list(payload));
    ethereum::rlp::Writer writer(network);
    writer.list(payload);
    append(network, signed_list);
    put(writer);

    std::string out;
    json::Writer json(out);
    json.begin_object();
    for (const json::Value member : root)
        json.key(member.name()).raw(member.raw());
    json.member("network_transaction", to_hex0x(network)).end_object();
    return out;
}

} // namespace redoubt::gateway
