// SPDX-License-Identifier: Apache-2.0
#include "trust/authorization.h"

#include "crypto/openssl.h"
#include "crypto/owner_signature.h"

#include <openssl/bio.h>
#include <openssl/pem.h>

#include <gtest/gtest.h>

namespace redoubt::trust {
namespace {

constexpr UnixMs kNow = 1'760'000'000'000;
const std::string kVault = "vault-00112233445566778899aabbccddeeff";
const std::string kOther = "vault-ffeeddccbbaa99887766554433221100";
const std::string kKey = "key-00112233445566778899aabbccddeeff";

struct Person {
    std::string id;
    Secret pem;
    ManifestOwner owner;
};

Person person(std::string id, bool ed25519) {
    const crypto::Pkey key(ed25519 ? EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")
                                   : EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
    const std::unique_ptr<BIO, crypto::Releaser<BIO_free_all>> bio(BIO_new(BIO_s_mem()));
    EXPECT_EQ(PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr), 1);
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    Person out{id, Secret::copy_of(as_bytes({text, static_cast<std::size_t>(size)})), {}};
    const auto made = crypto::sign_with_pem(out.pem, {});
    EXPECT_TRUE(made);
    out.owner = {std::move(id), ed25519 ? OwnerAlgorithm::Ed25519 : OwnerAlgorithm::EcdsaP256,
                 made->public_key};
    return out;
}

OwnerSignature sign(const Person& by, std::string_view document,
                    std::string_view context = kAuthorizationContext) {
    const std::string message = std::string(context) + std::string(document);
    return {by.id, crypto::sign_with_pem(by.pem, as_bytes(message)).value().signature};
}

// Two owners, one of each kind, and somebody else.
struct Authorizations : testing::Test {
    Person ada = person("ada", true), bob = person("bob", false), eve = person("eve", true);
    Manifest manifest = manifest_of({&ada, &bob});

    static Manifest manifest_of(std::initializer_list<const Person*> owners, std::string_view epoch = "1") {
        std::string list;
        for (const auto* each : owners)
            list += (list.empty() ? "" : ",") + (R"({"id":")" + each->id) + R"(","algorithm":")" +
                    (each->owner.algorithm == OwnerAlgorithm::Ed25519 ? "ed25519" : "ecdsa-p256-sha256") +
                    R"(","public_key":")" + to_hex(each->owner.public_key) + "\"}";
        const auto parsed =
            parse_manifest(R"({"redoubt_manifest":1,"kms_keys":[{"arn":"arn:a","purpose":"vault"}],)"
                           R"("min_epoch":)" +
                           std::string(epoch) + R"(,"owners":[)" + list + "]}");
        EXPECT_TRUE(parsed) << parsed.error().describe();
        return parsed.value();
    }

    Authorization of(std::string operation) const {
        Authorization out;
        out.operation = std::move(operation);
        out.manifest = manifest.digest();
        out.not_after = kNow + 1000;
        return out;
    }
    Authorization create() const {
        Authorization out = of("vault-create");
        out.vault_id = kVault;
        out.epoch = 7;
        return out;
    }
    Authorization move() const {
        Authorization out = of("vault-move");
        out.from = kVault;
        out.to = kOther;
        return out;
    }
    Authorization key_policy() const {
        Authorization out = of("key-policy");
        out.policy_digest = std::string(64, 'a');
        return out;
    }
    Authorization policy_change() const {
        Authorization out = of("policy-change");
        out.key_id = kKey;
        out.from_policy = std::string(64, 'a');
        out.to_policy = std::string(64, 'b');
        return out;
    }
    SignedAuthorization signed_by(const Authorization& what,
                                  std::initializer_list<const Person*> people) const {
        SignedAuthorization out{encode_authorization(what), {}};
        for (const auto* each : people)
            out.signatures.push_back(sign(*each, out.document));
        return out;
    }
    Code refusal(const SignedAuthorization& what, UnixMs now = kNow) const {
        const auto checked = check_authorization(manifest, what, now);
        EXPECT_FALSE(checked) << what.document;
        return checked ? Code::Internal : checked.error().code;
    }
};

Code parse_refusal(std::string_view document) {
    const auto parsed = parse_authorization(document);
    EXPECT_FALSE(parsed) << document;
    return parsed ? Code::Internal : parsed.error().code;
}

TEST(AuthorizationDocument, has_the_text_that_its_format_states) {
    Authorization what;
    what.manifest.fill(0xab);
    what.not_after = 1'760'000'000'000;
    std::string manifest;
    for (int i = 0; i < 48; ++i)
        manifest += "ab";

    what.operation = "vault-create";
    what.vault_id = kVault;
    what.epoch = 7;
    EXPECT_EQ(encode_authorization(what),
              R"({"epoch":7,"manifest":")" + manifest +
                  R"(","not_after":1760000000000,"operation":"vault-create","redoubt_authorization":1,)"
                  R"("vault_id":"vault-00112233445566778899aabbccddeeff"})");

    Authorization move = what;
    move.operation = "vault-move";
    move.from = kVault;
    move.to = kOther;
    EXPECT_EQ(encode_authorization(move),
              R"({"from":"vault-00112233445566778899aabbccddeeff","manifest":")" + manifest +
                  R"(","not_after":1760000000000,"operation":"vault-move","redoubt_authorization":1,)"
                  R"("to":"vault-ffeeddccbbaa99887766554433221100"})");

    Authorization policy = what;
    policy.operation = "key-policy";
    policy.policy_digest = std::string(64, 'c');
    EXPECT_EQ(encode_authorization(policy),
              R"({"manifest":")" + manifest +
                  R"(","not_after":1760000000000,"operation":"key-policy","policy_digest":")" +
                  std::string(64, 'c') + R"(","redoubt_authorization":1})");

    Authorization change = what;
    change.operation = "policy-change";
    change.key_id = kKey;
    change.from_policy = std::string(64, 'd');
    change.to_policy = std::string(64, 'e');
    EXPECT_EQ(encode_authorization(change),
              R"({"from_policy":")" + std::string(64, 'd') +
                  R"(","key_id":"key-00112233445566778899aabbccddeeff","manifest":")" + manifest +
                  R"(","not_after":1760000000000,"operation":"policy-change","redoubt_authorization":1,)"
                  R"("to_policy":")" +
                  std::string(64, 'e') + "\"}");
}

TEST_F(Authorizations, come_back_from_their_texts) {
    for (Authorization what : {create(), move(), key_policy(), policy_change()}) {
        for (const UnixMs not_after : {UnixMs{0}, kNow, UnixMs{9007199254740991}}) {
            what.not_after = not_after;
            const auto parsed = parse_authorization(encode_authorization(what));
            ASSERT_TRUE(parsed) << parsed.error().describe();
            EXPECT_EQ(*parsed, what);
        }
    }
    Authorization last = create();
    last.epoch = 9007199254740991;
    EXPECT_EQ(parse_authorization(encode_authorization(last)).value(), last);
}

struct Member {
    std::string name, json;
};

std::string object_of(const std::vector<Member>& members) {
    std::string out;
    for (const auto& [name, value] : members)
        out += (out.empty() ? "\"" : ",\"") + name + "\":" + value;
    return "{" + out + "}";
}

const std::string kManifestHex = '"' + std::string(96, 'a') + '"';

// In the order of the canonical form.
std::vector<std::vector<Member>> all_documents() {
    const std::string vault = '"' + kVault + '"', other = '"' + kOther + '"';
    return {
        {{"epoch", "0"},
         {"manifest", kManifestHex},
         {"not_after", "1"},
         {"operation", R"("vault-create")"},
         {"redoubt_authorization", "1"},
         {"vault_id", vault}},
        {{"from", vault},
         {"manifest", kManifestHex},
         {"not_after", "1"},
         {"operation", R"("vault-move")"},
         {"redoubt_authorization", "1"},
         {"to", other}},
        {{"manifest", kManifestHex},
         {"not_after", "1"},
         {"operation", R"("key-policy")"},
         {"policy_digest", '"' + std::string(64, 'b') + '"'},
         {"redoubt_authorization", "1"}},
        {{"from_policy", '"' + std::string(64, 'b') + '"'},
         {"key_id", '"' + kKey + '"'},
         {"manifest", kManifestHex},
         {"not_after", "1"},
         {"operation", R"("policy-change")"},
         {"redoubt_authorization", "1"},
         {"to_policy", '"' + std::string(64, 'c') + '"'}},
    };
}

TEST(AuthorizationDocument, needs_each_member_once_and_no_other) {
    for (const auto& good : all_documents()) {
        ASSERT_TRUE(parse_authorization(object_of(good))) << object_of(good);
        for (std::size_t i = 0; i < good.size(); ++i) {
            auto without = good, twice = good;
            without.erase(without.begin() + static_cast<std::ptrdiff_t>(i));
            EXPECT_EQ(parse_refusal(object_of(without)), Code::Unauthorized);
            twice.insert(twice.begin() + static_cast<std::ptrdiff_t>(i), good[i]);
            EXPECT_EQ(parse_refusal(object_of(twice)), Code::Unauthorized);
        }
        // Members of other operations are no less unknown than those of none.
        for (const Member& extra :
             {Member{"a", "1"}, Member{"epoch", "0"}, Member{"from", '"' + kVault + '"'},
              Member{"from_policy", '"' + std::string(64, 'b') + '"'}, Member{"key_id", '"' + kKey + '"'},
              Member{"policy_digest", '"' + std::string(64, 'b') + '"'}, Member{"to", '"' + kOther + '"'},
              Member{"to_policy", '"' + std::string(64, 'd') + '"'}, Member{"vault_id", '"' + kVault + '"'},
              Member{"zzz", "null"}}) {
            auto more = good;
            const auto at = std::find_if(more.begin(), more.end(),
                                         [&](const auto& member) { return member.name >= extra.name; });
            if (at != more.end() && at->name == extra.name)
                continue;
            more.insert(at, extra);
            EXPECT_EQ(parse_refusal(object_of(more)), Code::Unauthorized);
        }
    }
}

TEST(AuthorizationDocument, refuses_values_out_of_their_ranges) {
    const auto documents = all_documents();
    const auto refused = [](std::vector<Member> members, std::string_view name,
                            std::initializer_list<std::string> values) {
        for (const auto& value : values) {
            for (auto& member : members)
                if (member.name == name)
                    member.json = value;
            EXPECT_EQ(parse_refusal(object_of(members)), Code::Unauthorized) << name << ' ' << value;
        }
    };
    for (const auto& document : documents) {
        refused(document, "redoubt_authorization", {"0", "2", "1.0", R"("1")", "true"});
        refused(document, "operation", {R"("vault-delete")", R"("")", "1", R"("Vault-create")", "null"});
        refused(document, "not_after", {"-1", "1.5", "1e3", "9007199254740992", R"("1")", "null", "01"});
        refused(document, "manifest",
                {'"' + std::string(95, 'a') + '"', '"' + std::string(98, 'a') + '"',
                 '"' + std::string(94, 'a') + '"', '"' + std::string(96, 'A') + '"',
                 '"' + std::string(96, 'g') + '"', R"("")", "1", "null"});
    }
    const std::initializer_list<std::string> no_vaults = {R"("")",
                                                          R"("vault-")",
                                                          R"("key-00112233445566778899aabbccddeeff")",
                                                          R"("vault-00112233445566778899AABBCCDDEEFF")",
                                                          R"("Vault-00112233445566778899aabbccddeeff")",
                                                          R"("vault-00112233445566778899aabbccddeef")",
                                                          R"("vault-00112233445566778899aabbccddeeff0")",
                                                          R"("vault-00112233445566778899aabbccddeeff00")",
                                                          R"("vault-0x112233445566778899aabbccddeeff")",
                                                          "1",
                                                          "null",
                                                          "[]"};
    refused(documents[0], "vault_id", no_vaults);
    refused(documents[0], "epoch", {"-1", "1.0", "9007199254740992", R"("0")", "null"});
    refused(documents[1], "from", no_vaults);
    refused(documents[1], "to", no_vaults);
    refused(documents[1], "to", {'"' + kVault + '"'}); // to where they are
    const std::initializer_list<std::string> no_digests = {'"' + std::string(62, 'b') + '"',
                                                           '"' + std::string(66, 'b') + '"',
                                                           '"' + std::string(64, 'B') + '"',
                                                           "\"0x" + std::string(62, 'b') + '"',
                                                           R"("")",
                                                           "1",
                                                           "null"};
    refused(documents[2], "policy_digest", no_digests);
    refused(documents[3], "from_policy", no_digests);
    refused(documents[3], "to_policy", no_digests);
    refused(documents[3], "to_policy", {'"' + std::string(64, 'b') + '"'}); // to what is in force
    refused(documents[3], "key_id",
            {R"("")", R"("key-")", R"("vault-00112233445566778899aabbccddeeff")",
             R"("key-00112233445566778899AABBCCDDEEFF")", R"("key-00112233445566778899aabbccddee")",
             R"("key-00112233445566778899aabbccddeeff00")", R"("key-0x112233445566778899aabbccddeeff")", "1",
             "null"});
}

TEST(AuthorizationDocument, has_one_spelling) {
    for (const auto& document : all_documents()) {
        const std::string text = object_of(document);
        EXPECT_EQ(parse_refusal(text + " "), Code::Unauthorized);
        EXPECT_EQ(parse_refusal(" " + text), Code::Unauthorized);
        EXPECT_EQ(parse_refusal(text + "\n"), Code::Unauthorized);
        EXPECT_EQ(parse_refusal(text + text), Code::Unauthorized);
        EXPECT_EQ(parse_refusal("\xef\xbb\xbf" + text), Code::Unauthorized);
        auto spaced = document;
        spaced[0].json = " " + spaced[0].json;
        EXPECT_EQ(parse_refusal(object_of(spaced)), Code::Unauthorized);
        auto reversed = document;
        std::reverse(reversed.begin(), reversed.end());
        EXPECT_EQ(parse_refusal(object_of(reversed)), Code::Unauthorized);
        std::string escaped = text;
        escaped.replace(escaped.find("operation"), 1, "\\u006f");
        EXPECT_EQ(parse_refusal(escaped), Code::Unauthorized);
        EXPECT_EQ(parse_refusal(text.substr(0, text.size() - 1)), Code::Unauthorized);
    }
    for (const std::string text : {"", "{}", "[]", "null", "1", "\"vault-create\""})
        EXPECT_EQ(parse_refusal(text), Code::Unauthorized);
    EXPECT_EQ(parse_refusal("{\"a\":\"" + std::string(kMaxAuthorization, 'a') + "\"}"), Code::Unauthorized);
}

TEST_F(Authorizations, hold_when_an_owner_of_either_kind_signed) {
    for (const Authorization& what : {create(), move(), key_policy(), policy_change()}) {
        for (const auto& people : {std::vector<const Person*>{&ada}, {&bob}, {&ada, &bob}, {&bob, &ada}}) {
            SignedAuthorization made{encode_authorization(what), {}};
            for (const auto* each : people)
                made.signatures.push_back(sign(*each, made.document));
            const auto checked = check_authorization(manifest, made, kNow);
            ASSERT_TRUE(checked) << checked.error().describe();
            EXPECT_EQ(*checked, what);
        }
    }
}

TEST_F(Authorizations, hold_until_not_after_and_no_longer) {
    const auto made = signed_by(create(), {&ada});
    EXPECT_TRUE(check_authorization(manifest, made, kNow + 999));
    EXPECT_EQ(refusal(made, kNow + 1000), Code::Forbidden);
    EXPECT_EQ(refusal(made, kNow + 1001), Code::Forbidden);
    auto never = create();
    never.not_after = 0;
    EXPECT_EQ(refusal(signed_by(never, {&ada}), 0), Code::Forbidden);
}

TEST_F(Authorizations, hold_under_their_manifest_alone) {
    const auto made = signed_by(create(), {&ada, &bob});
    ASSERT_TRUE(check_authorization(manifest, made, kNow));
    // The same owners, another epoch; and other owners.
    const auto later = check_authorization(manifest_of({&ada, &bob}, "2"), made, kNow);
    ASSERT_FALSE(later);
    EXPECT_EQ(later.error().code, Code::Forbidden);
    const auto others = check_authorization(manifest_of({&eve}), made, kNow);
    ASSERT_FALSE(others);
    EXPECT_EQ(others.error().code, Code::Unauthorized);
    const auto nobody = check_authorization(manifest_of({}), made, kNow);
    ASSERT_FALSE(nobody);
    EXPECT_EQ(nobody.error().code, Code::Unauthorized);
    for (const std::size_t i : {0u, 47u}) {
        auto what = create();
        what.manifest[i] ^= 1;
        EXPECT_EQ(refusal(signed_by(what, {&ada})), Code::Forbidden);
    }
}

TEST_F(Authorizations, need_signatures_of_owners_each_once_and_each_right) {
    const auto what = create();
    EXPECT_EQ(refusal(signed_by(what, {})), Code::Unauthorized);
    EXPECT_EQ(refusal(signed_by(what, {&eve})), Code::Unauthorized);
    EXPECT_EQ(refusal(signed_by(what, {&ada, &eve})), Code::Unauthorized);
    EXPECT_EQ(refusal(signed_by(what, {&eve, &ada})), Code::Unauthorized);
    EXPECT_EQ(refusal(signed_by(what, {&ada, &ada})), Code::Unauthorized);
    EXPECT_EQ(refusal(signed_by(what, {&bob, &ada, &bob})), Code::Unauthorized);

    // Somebody under an owner's name, and owners under each other's.
    auto posing = signed_by(what, {&eve});
    posing.signatures[0].owner = "ada";
    EXPECT_EQ(refusal(posing), Code::Unauthorized);
    auto swapped = signed_by(what, {&ada, &bob});
    std::swap(swapped.signatures[0].owner, swapped.signatures[1].owner);
    EXPECT_EQ(refusal(swapped), Code::Unauthorized);
    for (const char* name : {"", "Ada", "ada ", "ad"}) {
        auto renamed = signed_by(what, {&ada});
        renamed.signatures[0].owner = name;
        EXPECT_EQ(refusal(renamed), Code::Unauthorized) << name;
    }

    // One of two signatures wrong, whichever, in every byte.
    const auto good = signed_by(what, {&ada, &bob});
    ASSERT_TRUE(check_authorization(manifest, good, kNow));
    for (std::size_t which = 0; which < 2; ++which) {
        for (std::size_t i = 0; i < 64; ++i) {
            auto bad = good;
            bad.signatures[which].signature[i] ^= 0x01;
            EXPECT_EQ(refusal(bad), Code::Unauthorized) << which << ' ' << i;
        }
    }

    auto many = signed_by(what, {&ada});
    while (many.signatures.size() <= kMaxOwnerSignatures)
        many.signatures.push_back(many.signatures[0]);
    EXPECT_EQ(refusal(many), Code::Unauthorized);
}

TEST_F(Authorizations, are_signed_as_a_whole_and_for_this_purpose) {
    for (const auto* who : {&ada, &bob}) {
        const auto made = signed_by(create(), {who});
        auto more = create();
        more.epoch = 8;
        auto later = create();
        later.not_after += 1;
        auto other_vault = create();
        other_vault.vault_id = kOther;
        for (const auto& what : {more, later, other_vault, move(), key_policy(), policy_change()}) {
            auto changed = made;
            changed.document = encode_authorization(what);
            EXPECT_EQ(refusal(changed), Code::Unauthorized) << changed.document;
        }
        for (const std::string_view context :
             {"", "redoubt authorization v1", "redoubt authorization v2\n"}) {
            auto bare = made;
            bare.signatures = {sign(*who, made.document, context)};
            EXPECT_EQ(refusal(bare), Code::Unauthorized) << context;
        }
        // A signed text that means the same in another spelling.
        SignedAuthorization spelt{made.document + "\n", {}};
        spelt.signatures = {sign(*who, spelt.document)};
        EXPECT_EQ(refusal(spelt), Code::Unauthorized);
    }
}

// Of a key's policy, whose owners are not the manifest's.
TEST_F(Authorizations, of_a_change_of_policy_need_as_many_owners_as_the_policy_says) {
    const Person carol = person("carol", true);
    const std::vector<ManifestOwner> owners{bob.owner, eve.owner, carol.owner};
    const auto check = [&](std::initializer_list<const Person*> people, std::size_t threshold,
                           UnixMs now = kNow) {
        const auto made = signed_by(policy_change(), people);
        const auto checked = check_authorization(manifest, made, now, owners, threshold);
        EXPECT_TRUE(!checked || *checked == policy_change());
        return checked ? std::string("allowed") : std::string(code_name(checked.error().code));
    };
    EXPECT_EQ(check({&eve}, 1), "allowed");
    EXPECT_EQ(check({&eve}, 2), "forbidden");
    EXPECT_EQ(check({&bob, &eve}, 2), "allowed");
    EXPECT_EQ(check({&carol, &eve, &bob}, 2), "allowed") << "more than it needs";
    EXPECT_EQ(check({&carol, &eve}, 3), "forbidden");
    EXPECT_EQ(check({&bob, &bob}, 2), "unauthorized") << "one owner, twice";
    EXPECT_EQ(check({&bob, &ada}, 1), "unauthorized") << "the manifest's owner is none of the policy's";
    EXPECT_EQ(check({}, 0), "unauthorized");
    EXPECT_EQ(check({&bob, &eve}, 2, kNow + 1000), "forbidden") << "past its time";
    auto wrong = signed_by(policy_change(), {&bob, &eve, &carol});
    wrong.signatures[2].signature[63] ^= 1;
    EXPECT_FALSE(check_authorization(manifest, wrong, kNow, owners, 2)) << "each that is given must be right";
    const auto others =
        check_authorization(manifest_of({&ada}, "9"), signed_by(policy_change(), {&bob}), kNow, owners, 1);
    ASSERT_FALSE(others);
    EXPECT_EQ(others.error().code, Code::Forbidden) << "under another manifest";
}

Result<SignedAuthorization> read(std::string_view text) {
    json::Document document;
    const auto root = document.parse(text);
    if (!root)
        return std::unexpected(root.error());
    return parse_signed_authorization(*root);
}

TEST_F(Authorizations, come_back_from_files_with_their_signatures) {
    for (const auto& made : {signed_by(create(), {&ada}), signed_by(move(), {&bob, &ada})}) {
        const std::string text = encode_signed_authorization(made);
        const auto back = read(text);
        ASSERT_TRUE(back) << back.error().describe();
        EXPECT_EQ(back->document, made.document);
        ASSERT_EQ(back->signatures.size(), made.signatures.size());
        for (std::size_t i = 0; i < made.signatures.size(); ++i) {
            EXPECT_EQ(back->signatures[i].owner, made.signatures[i].owner);
            EXPECT_EQ(back->signatures[i].signature, made.signatures[i].signature);
        }
        EXPECT_EQ(encode_signed_authorization(*back), text);
        EXPECT_TRUE(check_authorization(manifest, *back, kNow));
    }
    SignedAuthorization odd{"{\"\\\n", {{"\"Ä\\", {}}}};
    const auto back = read(encode_signed_authorization(odd));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->document, odd.document);
    EXPECT_EQ(back->signatures[0].owner, odd.signatures[0].owner);
}

TEST(SignedAuthorizationFile, refuses_what_has_not_its_shape) {
    const std::string signature(128, '0');
    const std::string entry = R"({"owner":"ada","signature":")" + signature + "\"}";
    ASSERT_TRUE(read(R"({"document":"{}","signatures":[)" + entry + "]}"));
    std::string seventeen = entry;
    for (int i = 1; i < 17; ++i)
        seventeen += "," + entry;
    for (const std::string& text : {
             std::string("[]"),
             std::string("null"),
             std::string(R"("text")"),
             std::string("{}"),
             R"({"signatures":[)" + entry + "]}",
             std::string(R"({"document":"{}"})"),
             R"({"document":{},"signatures":[)" + entry + "]}",
             R"({"document":1,"signatures":[)" + entry + "]}",
             R"({"document":"{}","more":1,"signatures":[)" + entry + "]}",
             R"({"document":")" + std::string(kMaxAuthorization + 1, 'a') + R"(","signatures":[)" + entry +
                 "]}",
             std::string(R"({"document":"{}","signatures":[]})"),
             R"({"document":"{}","signatures":)" + entry + "}",
             R"({"document":"{}","signatures":[)" + seventeen + "]}",
             std::string(R"({"document":"{}","signatures":["ada"]})"),
             std::string(R"({"document":"{}","signatures":[{"owner":"ada"}]})"),
             R"({"document":"{}","signatures":[{"signature":")" + signature + "\"}]}",
             R"({"document":"{}","signatures":[{"owner":"","signature":")" + signature + "\"}]}",
             R"({"document":"{}","signatures":[{"owner":1,"signature":")" + signature + "\"}]}",
             R"({"document":"{}","signatures":[{"owner":")" + std::string(65, 'a') + R"(","signature":")" +
                 signature + "\"}]}",
             R"({"document":"{}","signatures":[{"algorithm":"ed25519","owner":"ada","signature":")" +
                 signature + "\"}]}",
             R"({"document":"{}","signatures":[{"owner":"ada","signature":"0x)" + signature + "\"}]}",
             R"({"document":"{}","signatures":[{"owner":"ada","signature":")" + signature.substr(2) + "\"}]}",
             R"({"document":"{}","signatures":[{"owner":"ada","signature":")" + signature + "00\"}]}",
             R"({"document":"{}","signatures":[{"owner":"ada","signature":1}]})" + std::string(),
         }) {
        const auto parsed = read(text);
        ASSERT_FALSE(parsed) << text;
        EXPECT_EQ(parsed.error().code, Code::Unauthorized) << text;
    }
    std::string sixteen = entry;
    for (int i = 1; i < 16; ++i)
        sixteen += "," + entry;
    EXPECT_TRUE(read(R"({"document":"{}","signatures":[)" + sixteen + "]}"));
}

} // namespace
} // namespace redoubt::trust
