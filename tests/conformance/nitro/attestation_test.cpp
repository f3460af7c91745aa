// SPDX-License-Identifier: Apache-2.0
// Real attestation documents from Nitro hardware, 2021 to 2026, and some that must be refused.
#include "base/clock.h"
#include "nitro/attestation.h"
#include "support/vectors.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace redoubt::nitro {
namespace {

using nlohmann::json;

struct Vector {
    json facts;
    Bytes document;

    std::string name() const { return facts.at("file"); }
    // The manifest of a document that is not even CBOR states nothing about its contents.
    bool parses() const { return facts.contains("expect"); }
    bool genuine() const { return parses() && facts.at("expect").at("signature") == true; }
    UnixMs verify_at() const { return facts.value("verify_at_ms", UnixMs{1}); }
    // "2021-03-05T17:01:49+00:00"
    UnixMs window(std::size_t end) const {
        std::string text = facts.at("cert_window").at(end);
        EXPECT_TRUE(text.ends_with("+00:00")) << text;
        return from_iso8601(text.substr(0, text.size() - 6) + "Z").value();
    }
};

struct Vectors {
    std::vector<Vector> all;
    Bytes root;

    explicit Vectors(const std::filesystem::path& folder) {
        for (const json& entry : json::parse(tests::read_file(folder / "manifest.json")))
            all.push_back({entry, to_bytes(tests::read_file(folder / entry.at("file").get<std::string>()))});
        root = to_bytes(tests::read_file(folder / "roots/aws_nitro_root_g1.der"));
    }
};

std::string verdict(ByteView document, ByteView root, UnixMs at) {
    const auto result = verify_attestation(document, root, at);
    return result ? "verified" : std::string(code_name(result.error().code));
}

// The manifest's short form of an optional field: null, hex, or "bytes[N] sha256=…".
std::string stated(const json& field) {
    return field.is_null() ? "null" : field.get<std::string>();
}
std::string shown(const std::optional<Bytes>& field, const std::string& like) {
    if (!field)
        return "null";
    if (!like.starts_with("bytes["))
        return to_hex(*field);
    return "bytes[" + std::to_string(field->size()) + "] sha256=" + to_hex(crypto::sha256(*field));
}

TEST(NitroAttestation, the_vectors_are_the_known_ones) {
    REDOUBT_NEED_VECTORS(folder);
    const Vectors vectors(folder / "nitro-attestation");
    std::size_t genuine = 0, forged = 0, malformed = 0;
    for (const Vector& vector : vectors.all) {
        EXPECT_EQ(to_hex(crypto::sha256(vector.document)), vector.facts.at("sha256")) << vector.name();
        ++(vector.genuine() ? genuine : vector.parses() ? forged : malformed);
    }
    EXPECT_EQ(genuine, 15u);
    EXPECT_EQ(forged, 2u);
    EXPECT_EQ(malformed, 1u);
}

TEST(NitroAttestation, the_pinned_root_is_awss) {
    REDOUBT_NEED_VECTORS(folder);
    const Vectors vectors(folder / "nitro-attestation");
    EXPECT_EQ(crypto::sha256(vectors.root), kAwsNitroRootSha256);
    for (const Vector& vector : vectors.all) {
        if (vector.genuine()) {
            EXPECT_EQ(parse_attestation(vector.document)->cabundle.at(0), vectors.root) << vector.name();
        }
    }
}

TEST(NitroAttestation, every_genuine_document_verifies_at_its_time_and_states_what_the_manifest_says) {
    REDOUBT_NEED_VECTORS(folder);
    const Vectors vectors(folder / "nitro-attestation");
    std::size_t verified = 0, indefinite = 0, registers = 0;
    for (const Vector& vector : vectors.all) {
        if (!vector.genuine())
            continue;
        const auto read = verify_attestation(vector.document, vectors.root, vector.verify_at());
        ASSERT_TRUE(read) << vector.name() << ": " << read.error().describe();
        ++verified;
        EXPECT_EQ(read->module_id, vector.facts.at("module_id")) << vector.name();
        EXPECT_EQ(read->timestamp, vector.verify_at()) << vector.name();
        EXPECT_EQ(read->debug(), vector.facts.at("debug_mode")) << vector.name();
        EXPECT_EQ(vector.document.at(0) == 0xd2, vector.facts.at("cose_tagged")) << vector.name();
        EXPECT_EQ(read->payload.at(0) == 0xbf, vector.facts.at("payload_map_indefinite")) << vector.name();
        indefinite += read->payload.at(0) == 0xbf ? 1u : 0u;
        EXPECT_EQ(read->pcrs.size(), vector.facts.at("pcrs").size()) << vector.name();
        for (const auto& [index, value] : vector.facts.at("pcrs").items()) {
            const auto found = read->pcrs.find(static_cast<std::uint16_t>(std::stoul(index)));
            ASSERT_NE(found, read->pcrs.end()) << vector.name() << " PCR" << index;
            EXPECT_EQ(to_hex(found->second), value) << vector.name() << " PCR" << index;
            ++registers;
        }
        for (const auto& [name, field] :
             {std::pair{"public_key", read->public_key}, std::pair{"user_data", read->user_data},
              std::pair{"nonce", read->nonce}}) {
            const std::string expected = stated(vector.facts.at(name));
            EXPECT_EQ(shown(field, expected), expected) << vector.name() << " " << name;
        }
    }
    EXPECT_EQ(verified, 15u);
    EXPECT_EQ(indefinite, 5u);
    EXPECT_EQ(registers, 14u * 16u + 32u);
}

TEST(NitroAttestation, outside_its_certificates_window_a_document_is_expired) {
    REDOUBT_NEED_VECTORS(folder);
    const Vectors vectors(folder / "nitro-attestation");
    for (const Vector& vector : vectors.all) {
        if (!vector.genuine())
            continue;
        const UnixMs first = vector.window(0), last = vector.window(1);
        EXPECT_EQ(verdict(vector.document, vectors.root, first), "verified") << vector.name();
        EXPECT_EQ(verdict(vector.document, vectors.root, last), "verified") << vector.name();
        EXPECT_EQ(verdict(vector.document, vectors.root, first - 1), "attestation_expired") << vector.name();
        EXPECT_EQ(verdict(vector.document, vectors.root, last + 1000), "attestation_expired")
            << vector.name();
        EXPECT_EQ(verdict(vector.document, vectors.root, 0), "attestation_expired") << vector.name();
    }
}

TEST(NitroAttestation, documents_that_must_be_refused_are) {
    REDOUBT_NEED_VECTORS(folder);
    const Vectors vectors(folder / "nitro-attestation");
    std::size_t refused = 0;
    for (const Vector& vector : vectors.all) {
        if (vector.genuine())
            continue;
        ++refused;
        EXPECT_EQ(verdict(vector.document, vectors.root, vector.verify_at()),
                  vector.parses() ? "attestation_untrusted" : "attestation_invalid")
            << vector.name();
        EXPECT_EQ(parse_attestation(vector.document).has_value(), vector.parses()) << vector.name();
    }
    EXPECT_EQ(refused, 3u);
}

// docs.aws.amazon.com/enclaves: PCR4 is that of the parent instance's id.
TEST(NitroAttestation, pcr4_is_that_of_the_instance_id_in_the_module_id) {
    REDOUBT_NEED_VECTORS(folder);
    const Vectors vectors(folder / "nitro-attestation");
    for (const Vector& vector : vectors.all) {
        if (!vector.parses())
            continue;
        const auto read = parse_attestation(vector.document);
        ASSERT_TRUE(read) << vector.name();
        const std::string instance = read->module_id.substr(0, read->module_id.find("-enc"));
        EXPECT_EQ(read->pcrs.at(4), to_bytes(pcr_of(as_bytes(instance)))) << vector.name();
    }
}

TEST(NitroAttestation, no_altered_real_document_verifies) {
    REDOUBT_NEED_VECTORS(folder);
    const Vectors vectors(folder / "nitro-attestation");
    for (const Vector& vector : vectors.all) {
        if (!vector.genuine())
            continue;
        // Strides apart for each document, so that together they reach every kind of place.
        for (std::size_t i = static_cast<std::size_t>(vector.verify_at() % 97); i < vector.document.size();
             i += 97) {
            Bytes changed = vector.document;
            changed[i] ^= 0x01;
            const std::string result = verdict(changed, vectors.root, vector.verify_at());
            EXPECT_TRUE(result == "attestation_invalid" || result == "attestation_untrusted")
                << vector.name() << " " << i << " " << result;
        }
        Bytes unsigned_document = vector.document;
        std::fill(unsigned_document.end() - 96, unsigned_document.end(), std::uint8_t{0});
        EXPECT_EQ(verdict(unsigned_document, vectors.root, vector.verify_at()), "attestation_untrusted");
    }
}

} // namespace
} // namespace redoubt::nitro
