// SPDX-License-Identifier: Apache-2.0
#include "trust/manifest_review.h"

#include "base/json.h"

#include <algorithm>

namespace redoubt::trust {

namespace {

// An element's own name, if it has one.
std::string name_of(const json::Value& element) {
    for (const std::string_view member : {"arn", "id", "address"})
        if (const auto value = element.get(member); value && value->is_string())
            return std::string(value->text());
    return std::string(element.raw());
}

// Leaves by path. Canonical texts go in, so raw() is canonical.
void flatten(const json::Value& value, const std::string& path, std::map<std::string, std::string>& out) {
    if (value.is_object() && value.size() > 0) {
        for (const auto member : value)
            flatten(member,
                    path.empty() ? std::string(member.name()) : path + "." + std::string(member.name()), out);
        return;
    }
    if (value.is_array() && value.size() > 0) {
        std::string order;
        for (const auto element : value) {
            const std::string name = name_of(element);
            flatten(element, path + "[" + name + "]", out);
            order += (order.empty() ? "" : ", ") + name;
        }
        out[path + " order"] = order;
        return;
    }
    out[path] = std::string(value.raw());
}

std::map<std::string, std::string> flattened(const Manifest& manifest) {
    std::map<std::string, std::string> out;
    json::Document document;
    // What was parsed before parses again.
    if (const auto root =
            document.parse(manifest.canonical, {.bytes = 2 * kMaxManifest, .depth = 8, .values = 1 << 16}))
        flatten(*root, "", out);
    return out;
}

} // namespace

std::vector<std::string> manifest_warnings(const Manifest& manifest) {
    std::vector<std::string> out;
    if (manifest.reference_keys.mode == ReferenceKeys::Mode::Any)
        out.emplace_back("reference_keys is \"any\": whoever can write a reference key's secret decides what "
                         "signs; list addresses instead");
    const auto raw =
        std::count_if(manifest.reference_keys.by_address.begin(), manifest.reference_keys.by_address.end(),
                      [](const auto& entry) { return entry.second.raw_signing; });
    if (raw > 0)
        out.push_back(std::to_string(raw) +
                      " of reference_keys may sign raw digests: each is a grant of its whole account");
    if (!manifest.require_policy)
        out.emplace_back("require_policy is false: a key without a policy signs whatever a client asks for");
    if (manifest.owners.empty())
        out.emplace_back("there are no owners: nobody's signature is needed to create a vault");
    if (manifest.principals.empty() && manifest.owners.empty())
        out.emplace_back(
            "there are neither principals nor owners: whoever reaches the enclave makes and imports "
            "keys, under policies of their own");
    if (manifest.vault_commitments.empty() &&
        std::any_of(manifest.kms_keys.begin(), manifest.kms_keys.end(),
                    [](const auto& key) { return key.purpose == KmsPurpose::Vault; }))
        out.emplace_back(
            "there are no vault_commitments: any vault under the KMS keys opens; name yours once "
            "it exists");
    if (!manifest.verify_before_release)
        out.emplace_back("verify_before_release is false: only a development image takes this manifest");
    if (manifest.authorities.empty())
        out.emplace_back("there are no authorities: a request for any host name is served");
    if (manifest.min_epoch == 0)
        out.emplace_back("min_epoch is 0: no stored record is ever too old");
    return out;
}

std::vector<ManifestChange> manifest_changes(const Manifest& before, const Manifest& after) {
    using Kind = ManifestChange::Kind;
    std::vector<ManifestChange> out;
    auto old_leaves = flattened(before), new_leaves = flattened(after);
    for (const auto& [path, value] : old_leaves) {
        const auto found = new_leaves.find(path);
        if (found == new_leaves.end())
            out.push_back({Kind::Removed, path, value, {}});
        else if (found->second != value)
            out.push_back({Kind::Changed, path, value, found->second});
    }
    for (const auto& [path, value] : new_leaves)
        if (!old_leaves.contains(path))
            out.push_back({Kind::Added, path, {}, value});
    std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
    // Leaves that are told apart by nothing above, two lists whose elements swap parts, say.
    if (out.empty() && before.canonical != after.canonical)
        out.push_back({Kind::Changed, "(whole)", before.canonical, after.canonical});
    return out;
}

} // namespace redoubt::trust
