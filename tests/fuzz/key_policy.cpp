// SPDX-License-Identifier: Apache-2.0
// Key policies as KMS or a person gives them, to the lint: whatever it is, each finding names what to change,
// and none is made twice. Seeds: corpus/key_policy.
#include "doctor/key_policy_lint.h"

#include <cstdlib>
#include <set>

using namespace redoubt;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = as_text({data, size});
    for (const auto purpose : {trust::KmsPurpose::Vault, trust::KmsPurpose::Reference}) {
        const auto findings = doctor::lint_key_policy(text, {purpose});
        if (!findings)
            continue;
        std::set<std::string> seen;
        for (const auto& finding : *findings)
            if (finding.code.empty() || finding.sentence.empty() || finding.change.empty() ||
                !seen.insert(finding.code + "\n" + finding.statement + "\n" + finding.sentence).second)
                std::abort();
    }
    return 0;
}
