// SPDX-License-Identifier: Apache-2.0
// Paths that must not verify, each one change away from one that does.
#include "forge.h"

#include <algorithm>

namespace redoubt::nitro {
namespace {

using namespace tests;

constexpr const char* kUntrusted = "attestation_untrusted";
constexpr const char* kExpired = "attestation_expired";
constexpr const char* kInvalid = "attestation_invalid";

enum { Root, Regional, Zonal, Instance, Leaf };

TEST(AttestationChain, a_chain_of_any_length_from_one_to_nine_authorities_verifies) {
    for (const std::size_t authorities : {0u, 1u, 3u, 8u})
        EXPECT_EQ(verdict(forge(Chain(authorities))), "verified") << authorities;
    EXPECT_EQ(verdict(forge(Chain(9))), kInvalid);
}

TEST(AttestationChain, path_lengths_as_on_hardware_verify_and_shorter_ones_do_not) {
    Chain chain;
    const auto allow = [&](int regional, int zonal, int instance) {
        const auto constraints = [](int n) { return "critical,CA:TRUE,pathlen:" + std::to_string(n); };
        chain.shapes[Regional].basic_constraints = constraints(regional);
        chain.shapes[Zonal].basic_constraints = constraints(zonal);
        chain.shapes[Instance].basic_constraints = constraints(instance);
        return verdict(forge(chain));
    };
    EXPECT_EQ(allow(2, 1, 0), "verified");
    EXPECT_EQ(allow(9, 9, 9), "verified");
    EXPECT_EQ(allow(1, 1, 0), kUntrusted);
    EXPECT_EQ(allow(2, 0, 0), kUntrusted);
    EXPECT_EQ(allow(0, 1, 0), kUntrusted);
    chain = Chain();
    chain.shapes[Root].basic_constraints = "critical,CA:TRUE,pathlen:2";
    EXPECT_EQ(verdict(forge(chain)), kUntrusted);
    chain.shapes[Root].basic_constraints = "critical,CA:TRUE,pathlen:3";
    EXPECT_EQ(verdict(forge(chain)), "verified");
}

TEST(AttestationChain, authorities_that_issue_themselves_count_against_a_path_length) {
    Chain chain(2); // root, two authorities, leaf
    chain.shapes[1].subject = chain.shapes[2].subject = "the same";
    chain.shapes[1].basic_constraints = "critical,CA:TRUE,pathlen:0";
    EXPECT_EQ(verdict(forge(chain)), kUntrusted);
}

TEST(AttestationChain, another_root_is_refused_even_with_the_same_name_and_key) {
    const Chain chain;
    Forged forged = forge(chain);
    ASSERT_EQ(verdict(forged), "verified");
    const Bytes right = forged.root;
    forged.root = forge(Chain()).root;
    EXPECT_EQ(verdict(forged), kUntrusted);
    forged.root = make_certificate(chain.shapes[Root], chain.keys[Root], chain.shapes[Root].subject,
                                   chain.keys[Root]); // another signature by the same key
    ASSERT_NE(forged.root, right);
    EXPECT_EQ(verdict(forged), kUntrusted);
    forged.root = to_bytes(ByteView(right).first(right.size() - 1));
    EXPECT_EQ(verdict(forged), kUntrusted);
    forged.root.clear();
    EXPECT_EQ(verdict(forged), kUntrusted);
    forged.root = right;
    EXPECT_EQ(verdict(forged), "verified");
}

TEST(AttestationChain, a_root_must_be_a_root) {
    Chain chain;
    auto certificates = chain.certificates();
    certificates.erase(certificates.begin()); // the regional authority as the pinned one
    EXPECT_EQ(verdict(forge(certificates, chain.keys[Leaf])), kUntrusted);
    chain.shapes[Root].key_usage = "critical,digitalSignature";
    EXPECT_EQ(verdict(forge(chain)), kUntrusted);
}

TEST(AttestationChain, an_authority_needs_ca_and_key_cert_sign) {
    for (const std::size_t level : {Root, Regional, Zonal, Instance}) {
        Chain chain;
        chain.shapes[level].basic_constraints = "critical,CA:FALSE";
        EXPECT_EQ(verdict(forge(chain)), kUntrusted) << level;
        chain.shapes[level] = Shape{chain.shapes[level].subject};
        chain.shapes[level].key_usage = "critical,digitalSignature,cRLSign";
        EXPECT_EQ(verdict(forge(chain)), kUntrusted) << level;
        chain.shapes[level].key_usage.clear();
        EXPECT_EQ(verdict(forge(chain)), kUntrusted) << level;
        chain.shapes[level].key_usage = "critical,keyCertSign";
        EXPECT_EQ(verdict(forge(chain)), "verified") << level;
    }
}

TEST(AttestationChain, a_leaf_issued_by_a_leaf_is_refused) {
    Chain chain;
    chain.shapes[Leaf].subject = "an honest enclave";
    chain.add(leaf_shape("the attacker's"));
    EXPECT_EQ(verdict(forge(chain)), kUntrusted);
    // The same with the honest leaf left out of the bundle: the names do not meet.
    auto certificates = chain.certificates();
    certificates.erase(certificates.begin() + Leaf);
    EXPECT_EQ(verdict(forge(certificates, chain.keys.back())), kUntrusted);
}

TEST(AttestationChain, a_leaf_must_be_for_signing_documents_only) {
    Chain chain;
    const auto leaf = [&](const char* constraints, const char* usage) {
        chain.shapes[Leaf].basic_constraints = constraints;
        chain.shapes[Leaf].key_usage = usage;
        return verdict(forge(chain));
    };
    EXPECT_EQ(leaf("critical,CA:FALSE", "digitalSignature"), "verified");
    EXPECT_EQ(leaf("critical,CA:FALSE", "critical,digitalSignature,nonRepudiation"), "verified");
    EXPECT_EQ(leaf("critical,CA:FALSE", "nonRepudiation"), kUntrusted);
    EXPECT_EQ(leaf("critical,CA:FALSE", "digitalSignature,keyCertSign"), kUntrusted);
    EXPECT_EQ(leaf("critical,CA:TRUE", "digitalSignature"), kUntrusted);
    EXPECT_EQ(leaf("critical,CA:TRUE,pathlen:0", "digitalSignature"), kUntrusted);
    EXPECT_EQ(leaf("critical,CA:FALSE,pathlen:0", "digitalSignature"), kUntrusted);
}

TEST(AttestationChain, names_must_meet_byte_for_byte) {
    Chain chain;
    auto certificates = chain.certificates();
    for (std::size_t level = Regional; level <= Leaf; ++level) {
        auto changed = certificates;
        changed[level] = make_certificate(chain.shapes[level], chain.keys[level], "Authority 0",
                                          chain.keys[level - 1]); // the right key, another name
        EXPECT_EQ(verdict(forge(changed, chain.keys[Leaf])), kUntrusted) << level;
    }
    EXPECT_EQ(verdict(forge(certificates, chain.keys[Leaf])), "verified");
}

TEST(AttestationChain, each_certificate_must_be_signed_by_the_one_above) {
    const Chain chain;
    const auto certificates = chain.certificates();
    const auto stranger = make_key();
    for (std::size_t level = Regional; level <= Leaf; ++level) {
        auto changed = certificates;
        changed[level] = make_certificate(chain.shapes[level], chain.keys[level],
                                          chain.shapes[level - 1].subject, stranger);
        EXPECT_EQ(verdict(forge(changed, chain.keys[Leaf])), kUntrusted) << level;
        // By the root's key directly, under the right name.
        if (level > Regional) {
            changed[level] = make_certificate(chain.shapes[level], chain.keys[level],
                                              chain.shapes[level - 1].subject, chain.keys[Root]);
            EXPECT_EQ(verdict(forge(changed, chain.keys[Leaf])), kUntrusted) << level;
        }
    }
}

TEST(AttestationChain, order_and_number_of_the_bundle_matter) {
    const Chain chain;
    const auto certificates = chain.certificates();
    const auto& key = chain.keys[Leaf];
    const auto with = [&](auto change) {
        auto changed = certificates;
        change(changed);
        return verdict(forge(changed, key));
    };
    EXPECT_EQ(with([](auto&) {}), "verified");
    EXPECT_EQ(with([](auto& c) { std::swap(c[Regional], c[Zonal]); }), kUntrusted);
    EXPECT_EQ(with([](auto& c) { std::swap(c[Zonal], c[Instance]); }), kUntrusted);
    EXPECT_EQ(with([](auto& c) { std::reverse(c.begin(), c.end() - 1); }), kUntrusted);
    EXPECT_EQ(with([](auto& c) { c.erase(c.begin() + Zonal); }), kUntrusted);
    EXPECT_EQ(with([](auto& c) { c.erase(c.begin() + Instance); }), kUntrusted);
    EXPECT_EQ(with([](auto& c) { c.insert(c.begin() + Zonal, c[Zonal]); }), kUntrusted);
    EXPECT_EQ(with([](auto& c) { c.insert(c.begin() + Root, c[Root]); }), kUntrusted);
    // Certificates that have nothing to do with it, at every place below the root.
    const Bytes foreign = forge(Chain()).root;
    for (std::size_t at = Regional; at <= Leaf; ++at)
        EXPECT_EQ(with([&](auto& c) { c.insert(c.begin() + static_cast<std::ptrdiff_t>(at), foreign); }),
                  kUntrusted)
            << at;
    // The leaf in the bundle as well.
    EXPECT_EQ(with([](auto& c) { c.insert(c.begin() + Leaf, c[Leaf]); }), kUntrusted);
}

TEST(AttestationChain, other_curves_and_hashes_are_refused_at_every_level) {
    for (std::size_t level = Root; level <= Leaf; ++level) {
        Chain chain;
        chain.keys[level] = make_key("P-256");
        if (level != Leaf) { // a P-256 leaf signs another length; see below
            EXPECT_EQ(verdict(forge(chain)), kUntrusted) << level;
        }
        chain = Chain();
        chain.keys[level] = make_key("brainpoolP384r1"); // the same size
        EXPECT_EQ(verdict(forge(chain)), kUntrusted) << level;
        for (const EVP_MD* digest : {EVP_sha256(), EVP_sha512(), EVP_sha1()}) {
            chain = Chain();
            chain.shapes[level].digest = digest;
            EXPECT_EQ(verdict(forge(chain)), kUntrusted) << level;
        }
    }
    Chain chain;
    chain.keys[Leaf] = make_key("P-256");
    EXPECT_EQ(verdict(forge(chain)), kInvalid); // a signature of 64 bytes
    // A P-256 key's certificate, with a signature of the right length by another key.
    EXPECT_EQ(verdict(forge(chain.certificates(), make_key())), kUntrusted);
}

TEST(AttestationChain, a_critical_extension_that_is_not_understood_is_refused_at_every_level) {
    for (std::size_t level = Root; level <= Leaf; ++level) {
        Chain chain;
        chain.shapes[level].more = {{NID_ext_key_usage, "critical,codeSigning"}};
        EXPECT_EQ(verdict(forge(chain)), kUntrusted) << level;
        chain.shapes[level].more = {{NID_ext_key_usage, "codeSigning"}};
        EXPECT_EQ(verdict(forge(chain)), "verified") << level;
    }
}

TEST(AttestationChain, every_certificate_must_be_valid_at_the_time_asked_for) {
    for (std::size_t level = Root; level <= Leaf; ++level) {
        Chain chain;
        chain.shapes[level].not_before = kNow;
        chain.shapes[level].not_after = kNow + 1000;
        const Forged forged = forge(chain);
        EXPECT_EQ(verdict(forged, kNow - 1), kExpired) << level;
        EXPECT_EQ(verdict(forged, kNow), "verified") << level;
        EXPECT_EQ(verdict(forged, kNow + 1000), "verified") << level;
        EXPECT_EQ(verdict(forged, kNow + 1001), kExpired) << level;
        EXPECT_EQ(verdict(forged, 0), kExpired) << level;
        EXPECT_EQ(verdict(forged, INT64_MAX), kExpired) << level;
        EXPECT_EQ(verdict(forged, INT64_MIN), kExpired) << level;
    }
}

TEST(AttestationChain, a_document_that_is_both_forged_and_expired_is_called_untrusted) {
    const Chain chain;
    const auto certificates = chain.certificates();
    EXPECT_EQ(verdict(forge(certificates, make_key()), kNow + 9 * kHour), kUntrusted);
    EXPECT_EQ(verdict(forge(certificates, chain.keys[Leaf]), kNow + 9 * kHour), kExpired);
}

TEST(AttestationChain, certificates_that_are_not_der_are_refused) {
    const Chain chain;
    const auto certificates = chain.certificates();
    for (std::size_t level = Root; level <= Leaf; ++level) {
        auto longer = certificates, garbage = certificates;
        longer[level].push_back(0);
        garbage[level] = Bytes(300, 0x30);
        EXPECT_EQ(verdict(forge(longer, chain.keys[Leaf])), kUntrusted) << level;
        EXPECT_EQ(verdict(forge(garbage, chain.keys[Leaf])), kUntrusted) << level;
    }
}

} // namespace
} // namespace redoubt::nitro
