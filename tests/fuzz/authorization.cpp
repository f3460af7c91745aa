// SPDX-License-Identifier: Apache-2.0
// Authorizations, and the files that hold them with their signatures, on any text: a document that is read is
// written as the same bytes, a file that is read comes back from what is written, and nothing is allowed
// that no owner signed. Seeds: corpus/authorization.
#include "trust/authorization.h"

#include <cstdlib>

using namespace redoubt;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

// One owner of each kind: the published keys of RFC 8032 and RFC 6979, whose signatures no seed holds.
trust::Manifest manifest_of_owners() {
    const auto parsed = trust::parse_manifest(
        R"({"redoubt_manifest":1,"kms_keys":[{"arn":"arn:a","purpose":"vault"}],"owners":[)"
        R"({"id":"ada","algorithm":"ed25519","public_key":)"
        R"("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"},)"
        R"({"id":"bob","algorithm":"ecdsa-p256-sha256","public_key":)"
        R"("0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6)"
        R"(7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"}]})");
    require(parsed.has_value());
    return *parsed;
}

void read_document(std::string_view text) {
    const auto parsed = trust::parse_authorization(text);
    if (!parsed)
        return;
    require(text.size() <= trust::kMaxAuthorization && parsed->not_after >= 0);
    require(trust::encode_authorization(*parsed) == text);
    require(trust::parse_authorization(text) == *parsed);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const trust::Manifest manifest = manifest_of_owners();
    const std::string_view text = as_text(ByteView(data, size));
    read_document(text);
    json::Document document;
    const auto root = document.parse(text);
    if (!root)
        return 0;
    const auto file = trust::parse_signed_authorization(*root);
    if (!file)
        return 0;
    require(!file->signatures.empty() && file->signatures.size() <= trust::kMaxOwnerSignatures);
    read_document(file->document);
    require(!trust::check_authorization(manifest, *file, 0));
    const std::string written = trust::encode_signed_authorization(*file);
    json::Document again;
    const auto value = again.parse(written);
    require(value.has_value());
    const auto same = trust::parse_signed_authorization(*value);
    require(same && same->document == file->document && trust::encode_signed_authorization(*same) == written);
    return 0;
}
