// SPDX-License-Identifier: Apache-2.0
#include "forge.h"

#include "crypto/hash.h"

#include <algorithm>

namespace redoubt::nitro {
namespace {

using namespace tests;

// One chain for all: making keys and signatures is what takes time here.
const Chain& chain() {
    static const Chain instance;
    return instance;
}
const std::vector<Bytes>& certificates() {
    static const std::vector<Bytes> instance = chain().certificates();
    return instance;
}
Fields fields() {
    return make_fields({certificates().begin(), certificates().end() - 1}, certificates().back());
}
Forged sign(ByteView payload) {
    return {certificates().front(), sign_document(payload, chain().keys.back())};
}

// Structure is judged before anything is trusted, so a signature of any 96 bytes will do.
std::string parsing(ByteView payload) {
    const auto result = parse_attestation(cose(payload, Bytes(96, 1)));
    return result ? "parsed" : std::string(code_name(result.error().code));
}
std::string parsing_with(const std::string& name, Bytes value) {
    Fields changed = fields();
    changed[name] = std::move(value);
    return parsing(changed.encode());
}

constexpr const char* kInvalid = "attestation_invalid";
constexpr const char* kUntrusted = "attestation_untrusted";

TEST(Attestation, its_fields_are_read) {
    Fields all = fields();
    all["public_key"] = encode_bytes(as_bytes("a key"));
    all["user_data"] = encode_bytes(as_bytes("data"));
    all["nonce"] = encode_bytes({});
    const Bytes payload = all.encode();
    const Forged forged = sign(payload);
    const auto read = verify_attestation(forged.document, forged.root, kNow);
    ASSERT_TRUE(read) << read.error().describe();
    EXPECT_EQ(read->module_id, "i-00000000000000001-enc0000000000000002");
    EXPECT_EQ(read->timestamp, kNow);
    ASSERT_EQ(read->pcrs.size(), 16u);
    EXPECT_EQ(read->pcrs.at(15), Bytes(48, 16));
    EXPECT_EQ(read->certificate, certificates().back());
    EXPECT_EQ(read->cabundle.size(), 4u);
    EXPECT_EQ(read->public_key, to_bytes("a key"));
    EXPECT_EQ(read->user_data, to_bytes("data"));
    EXPECT_EQ(read->nonce, Bytes{});
    EXPECT_EQ(read->payload, payload);
    EXPECT_EQ(read->signature.size(), 96u);
    EXPECT_FALSE(read->debug());
}

TEST(Attestation, tag_18_or_none_and_definite_or_indefinite_payloads_verify) {
    for (const bool indefinite : {false, true}) {
        Forged forged = sign(fields().encode(indefinite));
        EXPECT_EQ(verdict(forged), "verified");
        forged.document.insert(forged.document.begin(), 0xd2);
        EXPECT_EQ(verdict(forged), "verified");
        forged.document[0] = 0xd1; // COSE_Mac0
        EXPECT_EQ(verdict(forged), kInvalid);
        forged.document[0] = 0xd2;
        forged.document.insert(forged.document.begin(), 0xd2); // twice
        EXPECT_EQ(verdict(forged), kInvalid);
    }
}

TEST(Attestation, optional_fields_may_be_null_or_left_out_and_no_others) {
    for (const char* name : {"public_key", "user_data", "nonce"}) {
        EXPECT_EQ(parsing_with(name, encode_null()), "parsed") << name;
        Fields without = fields();
        without.erase(name);
        EXPECT_EQ(parsing(without.encode()), "parsed") << name;
        EXPECT_EQ(parsing(without.encode(true)), "parsed") << name;
    }
    for (const char* name : {"module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle"}) {
        EXPECT_EQ(parsing_with(name, encode_null()), kInvalid) << name;
        Fields without = fields();
        without.erase(name);
        EXPECT_EQ(parsing(without.encode()), kInvalid) << name;
        EXPECT_EQ(parsing(without.encode(true)), kInvalid) << name;
    }
}

TEST(Attestation, order_of_the_fields_is_free_but_each_comes_once_and_none_is_unknown) {
    Fields reversed = fields();
    std::reverse(reversed.members.begin(), reversed.members.end());
    EXPECT_EQ(parsing(reversed.encode()), "parsed");
    for (const auto& member : fields().members) {
        Fields twice = fields();
        twice.members.push_back(member);
        EXPECT_EQ(parsing(twice.encode()), kInvalid) << member.first;
        EXPECT_EQ(parsing(twice.encode(true)), kInvalid) << member.first;
    }
    EXPECT_EQ(parsing_with("comment", encode_null()), kInvalid);
    EXPECT_EQ(parsing_with("Nonce", encode_null()), kInvalid);
    EXPECT_EQ(parsing_with("", encode_null()), kInvalid);
}

TEST(Attestation, fields_have_their_types_and_limits) {
    EXPECT_EQ(parsing_with("module_id", encode_text("")), kInvalid);
    EXPECT_EQ(parsing_with("module_id", encode_text(std::string(256, 'x'))), "parsed");
    EXPECT_EQ(parsing_with("module_id", encode_text(std::string(257, 'x'))), kInvalid);
    EXPECT_EQ(parsing_with("module_id", encode_bytes(as_bytes("i-1"))), kInvalid);
    EXPECT_EQ(parsing_with("digest", encode_text("SHA256")), kInvalid);
    EXPECT_EQ(parsing_with("digest", encode_text("sha384")), kInvalid);
    EXPECT_EQ(parsing_with("timestamp", encode_u64(0)), kInvalid);
    EXPECT_EQ(parsing_with("timestamp", encode_u64(1)), "parsed");
    EXPECT_EQ(parsing_with("timestamp", encode_u64(253'402'300'799'999)), "parsed");
    EXPECT_EQ(parsing_with("timestamp", encode_u64(253'402'300'800'000)), kInvalid);
    EXPECT_EQ(parsing_with("timestamp", encode_u64(~0ull)), kInvalid);
    EXPECT_EQ(parsing_with("timestamp", {0x20}), kInvalid); // -1
    EXPECT_EQ(parsing_with("certificate", encode_bytes({})), kInvalid);
    EXPECT_EQ(parsing_with("certificate", encode_bytes(Bytes(1024))), "parsed");
    EXPECT_EQ(parsing_with("certificate", encode_bytes(Bytes(1025))), kInvalid);
    EXPECT_EQ(parsing_with("cabundle", encode_bundle({})), kInvalid);
    EXPECT_EQ(parsing_with("cabundle", encode_bundle({Bytes{}})), kInvalid);
    EXPECT_EQ(parsing_with("cabundle", encode_bundle({Bytes(1024)})), "parsed");
    EXPECT_EQ(parsing_with("cabundle", encode_bundle({Bytes(1025)})), kInvalid);
    EXPECT_EQ(parsing_with("cabundle", encode_bundle(std::vector<Bytes>(9, Bytes(1)))), "parsed");
    EXPECT_EQ(parsing_with("cabundle", encode_bundle(std::vector<Bytes>(10, Bytes(1)))), kInvalid);
    EXPECT_EQ(parsing_with("cabundle", {0x9f, 0x41, 0x00, 0xff}), kInvalid); // indefinite
    for (const char* name : {"public_key", "user_data", "nonce"}) {
        EXPECT_EQ(parsing_with(name, encode_bytes(Bytes(1024))), "parsed") << name;
        EXPECT_EQ(parsing_with(name, encode_bytes(Bytes(1025))), kInvalid) << name;
        EXPECT_EQ(parsing_with(name, encode_bytes({})), "parsed") << name; // public_key: hardware, 2021
        EXPECT_EQ(parsing_with(name, encode_text("text")), kInvalid) << name;
        EXPECT_EQ(parsing_with(name, {0xf7}), kInvalid) << name; // undefined
    }
}

TEST(Attestation, registers_have_their_indices_and_sizes) {
    const auto with = [](std::initializer_list<std::pair<std::uint64_t, std::size_t>> registers) {
        return parsing_with("pcrs", encoded([&](cbor::Writer& w) {
                                w.map(registers.size());
                                for (const auto& [index, size] : registers)
                                    w.u64(index).bytes(Bytes(size));
                            }));
    };
    EXPECT_EQ(with({{0, 48}}), "parsed");
    EXPECT_EQ(with({{0, 32}, {31, 64}}), "parsed");
    EXPECT_EQ(with({}), kInvalid);
    EXPECT_EQ(with({{32, 48}}), kInvalid);
    EXPECT_EQ(with({{65536, 48}}), kInvalid);
    EXPECT_EQ(with({{0, 48}, {0, 48}}), kInvalid);
    for (const std::size_t size : {0u, 31u, 33u, 47u, 49u, 63u, 65u})
        EXPECT_EQ(with({{0, size}}), kInvalid) << size;
    EXPECT_EQ(parsing_with("pcrs", {0xbf, 0xff}), kInvalid);
    EXPECT_EQ(parsing_with("pcrs", {0xa1, 0x61, 0x30, 0x41, 0x00}), kInvalid);
    EXPECT_EQ(parsing_with("pcrs", encoded([](cbor::Writer& w) {
                               w.map(32);
                               for (std::uint16_t index = 0; index < 32; ++index)
                                   w.u64(index).bytes(Bytes(48));
                           })),
              "parsed");
}

TEST(Attestation, the_envelope_has_one_form) {
    const Bytes payload = fields().encode();
    const Bytes signature(96, 1), header = es384_header();
    const auto parse = [](const Bytes& document) {
        const auto result = parse_attestation(document);
        return result ? "parsed" : std::string(code_name(result.error().code));
    };
    const Bytes good = cose(payload, signature);
    EXPECT_EQ(parse(good), "parsed");
    for (const char* other : {"a10126", "a10120", "a1013823", "a0", "",
                              "a2013822"
                              "0300",
                              "bf013822ff",
                              "a1013822"
                              "00",
                              "a101390022"})
        EXPECT_EQ(parse(cose(payload, signature, from_hex(other).value())), kInvalid) << other;
    EXPECT_EQ(parse(cose({}, signature)), kInvalid);
    EXPECT_EQ(parse(cose(payload, Bytes(95, 1))), kInvalid);
    EXPECT_EQ(parse(cose(payload, Bytes(97, 1))), kInvalid);
    EXPECT_EQ(parse(cose(payload, {})), kInvalid);
    // A member in the unprotected map; three or five parts; a null payload; an indefinite array.
    const auto parts = [&](auto write) { return parse(encoded(write)); };
    EXPECT_EQ(parts([&](cbor::Writer& w) {
                  w.array(4).bytes(header).map(1).u64(4).bytes({}).bytes(payload).bytes(signature);
              }),
              kInvalid);
    // Such a map with what looks like the rest for its member.
    EXPECT_EQ(
        parts([&](cbor::Writer& w) { w.array(4).bytes(header).map(1).bytes(payload).bytes(signature); }),
        kInvalid);
    EXPECT_EQ(parts([&](cbor::Writer& w) { w.array(3).bytes(header).map(0).bytes(payload); }), kInvalid);
    EXPECT_EQ(parts([&](cbor::Writer& w) {
                  w.array(5).bytes(header).map(0).bytes(payload).bytes(signature).null();
              }),
              kInvalid);
    EXPECT_EQ(parts([&](cbor::Writer& w) { w.array(4).bytes(header).map(0).null().bytes(signature); }),
              kInvalid);
    EXPECT_EQ(parts([&](cbor::Writer& w) {
                  const Bytes indefinite = {0x9f};
                  w.raw(indefinite).bytes(header).map(0).bytes(payload).bytes(signature).end();
              }),
              kInvalid);
    Bytes longer = good;
    longer.push_back(0);
    EXPECT_EQ(parse(longer), kInvalid);
    for (std::size_t size = 0; size < good.size(); ++size)
        EXPECT_EQ(parse(to_bytes(ByteView(good).first(size))), kInvalid) << size;
}

TEST(Attestation, a_payload_has_nothing_after_it_and_at_most_16384_bytes) {
    Bytes longer = fields().encode();
    longer.push_back(0xf6);
    EXPECT_EQ(parsing(longer), kInvalid);
    longer = fields().encode(true);
    longer.push_back(0xff);
    EXPECT_EQ(parsing(longer), kInvalid);
    Bytes open = fields().encode(true);
    open.pop_back();
    EXPECT_EQ(parsing(open), kInvalid);
    // The largest that the other limits allow stays below; so padding stands in for it.
    Bytes large = fields().encode();
    large.resize(16385);
    EXPECT_EQ(parsing(large), kInvalid);
}

TEST(Attestation, no_altered_byte_verifies) {
    const Forged forged = sign(fields().encode());
    ASSERT_EQ(verdict(forged), "verified");
    std::size_t untrusted = 0;
    // All of the envelope, and every third byte of what the signature covers; real documents are changed in
    // every byte elsewhere (tests/sdk/js/long/agree.test.mjs).
    const std::size_t size = forged.document.size();
    for (std::size_t i = 0; i < size; i += i < 64 || i + 128 > size ? 1 : 3) {
        Forged changed = forged;
        changed.document[i] ^= static_cast<std::uint8_t>(1u << (i % 8));
        const std::string result = verdict(changed);
        EXPECT_TRUE(result == kInvalid || result == kUntrusted) << i << " " << result;
        untrusted += result == kUntrusted ? 1u : 0u;
    }
    EXPECT_GT(untrusted, size / 6); // most bytes are inside a value, and only the signature tells
}

TEST(Attestation, no_shortened_or_lengthened_document_verifies) {
    const Forged forged = sign(fields().encode(true));
    for (std::size_t size = 0; size < forged.document.size(); size += 7) {
        Forged changed = forged;
        changed.document.resize(size);
        EXPECT_EQ(verdict(changed), kInvalid) << size;
    }
    Forged longer = forged;
    longer.document.push_back(0);
    EXPECT_EQ(verdict(longer), kInvalid);
}

TEST(Attestation, a_signature_of_zeros_is_refused) {
    const Bytes payload = fields().encode();
    EXPECT_EQ(verdict({certificates().front(), cose(payload, Bytes(96))}), kUntrusted);
    Bytes r_only = sign_raw(chain().keys.back(), to_be_signed(payload));
    std::fill(r_only.begin() + 48, r_only.end(), std::uint8_t{0});
    EXPECT_EQ(verdict({certificates().front(), cose(payload, r_only)}), kUntrusted);
}

// What QEMU's nitro-enclave machine makes: algorithm -1, a signature of zeros, no certificates.
TEST(Attestation, an_unsigned_document_is_refused) {
    Fields unsigned_fields = fields();
    unsigned_fields["certificate"] = encode_bytes(Bytes(1));
    unsigned_fields["cabundle"] = encode_bundle({Bytes(1)});
    const Bytes none = {0xa1, 0x01, 0x20};
    const Bytes payload = unsigned_fields.encode();
    EXPECT_EQ(verdict({certificates().front(), cose(payload, Bytes(96), none)}), kInvalid);
    EXPECT_EQ(verdict({certificates().front(), cose(payload, Bytes(64), none)}), kInvalid);
    EXPECT_EQ(verdict({certificates().front(), cose(payload, Bytes(96))}), kUntrusted);
    EXPECT_EQ(verdict({Bytes(1), cose(payload, Bytes(96))}), kUntrusted); // even as its own root
    EXPECT_EQ(verdict({certificates().front(), cose(fields().encode(), Bytes(96), none)}), kInvalid);
}

TEST(Attestation, a_signature_over_something_else_is_refused) {
    const Bytes payload = fields().encode();
    const auto& key = chain().keys.back();
    const auto with = [&](ByteView message) {
        return verdict({certificates().front(), cose(payload, sign_raw(key, message))});
    };
    EXPECT_EQ(with(to_be_signed(payload)), "verified");
    EXPECT_EQ(with(payload), kUntrusted);
    EXPECT_EQ(with(to_be_signed(payload, Bytes{})), kUntrusted);
    EXPECT_EQ(with(encoded([&](cbor::Writer& w) {
                  w.array(4).text("Signature").bytes(es384_header()).bytes({}).bytes(payload);
              })),
              kUntrusted);
    EXPECT_EQ(with(encoded([&](cbor::Writer& w) {
                  w.array(4).text("Signature1").bytes(es384_header()).bytes(Bytes(1)).bytes(payload);
              })),
              kUntrusted);
    // The same fields written otherwise: what was received is what must be signed.
    EXPECT_EQ(with(to_be_signed(fields().encode(true))), kUntrusted);
    EXPECT_EQ(
        verdict({certificates().front(), cose(payload, sign_raw(key, to_be_signed(payload), EVP_sha512()))}),
        kUntrusted);
}

TEST(Attestation, zero_registers_mean_debug_mode_and_still_verify) {
    const auto registers = [](std::initializer_list<std::pair<std::uint16_t, std::uint8_t>> values) {
        Fields out = fields();
        out["pcrs"] = encoded([&](cbor::Writer& w) {
            w.map(values.size());
            for (const auto& [index, byte] : values)
                w.u64(index).bytes(Bytes(48, byte));
        });
        return sign(out.encode());
    };
    const auto debug = [](const Forged& forged) {
        const auto read = verify_attestation(forged.document, forged.root, kNow);
        EXPECT_TRUE(read);
        return read && read->debug();
    };
    EXPECT_TRUE(debug(registers({{0, 0}, {1, 0}, {2, 0}, {4, 9}})));
    EXPECT_TRUE(debug(registers({{4, 9}})));
    EXPECT_TRUE(debug(registers({{1, 0}})));
    EXPECT_FALSE(debug(registers({{0, 1}, {1, 0}, {2, 0}})));
    EXPECT_FALSE(debug(registers({{0, 0}, {1, 0}, {2, 1}})));
}

TEST(UserData, is_the_map_of_version_purpose_and_digest) {
    Hash32 digest;
    digest.fill(0xab);
    const Bytes encoded = encode_user_data("clock", digest);
    EXPECT_EQ(to_hex(encoded), "a30101"
                               "0265636c6f636b"
                               "035820" +
                                   to_hex(digest));
    const auto read = parse_user_data(encoded);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->purpose, "clock");
    EXPECT_EQ(read->digest, digest);
}

TEST(UserData, nothing_else_is_read) {
    const std::string digest(64, '7');
    const auto reads = [](const std::string& hex) {
        return parse_user_data(from_hex(hex).value()).has_value();
    };
    EXPECT_TRUE(reads("a30101026178035820" + digest));
    for (const std::string& bad : std::vector<std::string>{
             std::string(),
             "a30102026178035820" + digest,          // version 2
             "a20101026178",                         // no digest
             "a40101026178035820" + digest + "0400", // more
             "a30101026178035820" + digest + "00",   // more after it
             "a30260"
             "0101"
             "035820" +
                 digest, // another order
             "a3010102"
             "60"
             "035820" +
                 digest, // an empty purpose
             "a3010102417803"
             "5820" +
                 digest, // a purpose of bytes
             "a30101026178"
             "03581f" +
                 digest.substr(2), // 31 bytes
             "a30101026178"
             "035821" +
                 digest + "00",                    // 33 bytes
             "bf0101026178035820" + digest + "ff", // indefinite
             "a30101"
             "027841" +
                 std::string(130, '6') + "035820" + digest, // 65 bytes
             "a3010102617801"
             "5820" +
                 digest, // a key twice
         })
        EXPECT_FALSE(reads(bad)) << bad;
    EXPECT_TRUE(reads("a30101"
                      "027840" +
                      std::string(128, '6') + "035820" + digest));
    const Bytes whole = from_hex("a30101026178035820" + digest).value();
    for (std::size_t size = 0; size < whole.size(); ++size)
        EXPECT_FALSE(parse_user_data(ByteView(whole).first(size))) << size;
}

} // namespace
} // namespace redoubt::nitro
