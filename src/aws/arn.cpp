// SPDX-License-Identifier: Apache-2.0
#include "aws/arn.h"

#include <algorithm>
#include <array>
#include <utility>

namespace redoubt::aws {

namespace {

constexpr std::size_t kMaxArn = 256; // what a vault record holds (sealed/vault_record.h)
constexpr std::size_t kMaxPart = 32; // of a partition or region; AWS's longest have 14 characters

bool is_lower(char c) noexcept {
    return c >= 'a' && c <= 'z';
}

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

bool is_lower_hex(char c) noexcept {
    return is_digit(c) || (c >= 'a' && c <= 'f');
}

template<class Predicate>
bool all(std::string_view text, std::size_t size, Predicate predicate) noexcept {
    return text.size() == size && std::all_of(text.begin(), text.end(), predicate);
}

// Takes up to the separator; what follows it stays in `rest`. Without a separator everything is taken.
std::string_view take_part(std::string_view& rest, char separator) noexcept {
    const auto end = std::min(rest.find(separator), rest.size());
    const std::string_view part = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return part;
}

// Lower-case words of at least one letter, joined by single hyphens.
bool is_words(std::string_view text) noexcept {
    char before = '-';
    for (const char c : text) {
        if (!is_lower(c) && (c != '-' || before == '-'))
            return false;
        before = c;
    }
    return before != '-';
}

// "aws", "aws-us-gov"
bool is_partition(std::string_view text) noexcept {
    return text.size() <= kMaxPart && is_words(text) && (text == "aws" || text.starts_with("aws-"));
}

bool is_uuid(std::string_view text) noexcept {
    constexpr std::array<std::size_t, 5> kGroups{8, 4, 4, 4, 12};
    if (text.size() != 36)
        return false;
    for (const std::size_t size : kGroups)
        if (!all(take_part(text, '-'), size, is_lower_hex))
            return false;
    return text.empty();
}

bool is_multi_region_id(std::string_view text) noexcept {
    return text.starts_with("mrk-") && all(text.substr(4), 32, is_lower_hex);
}

std::unexpected<Error> refused() {
    return fail(Code::InvalidField,
                "not a KMS key ARN; give the full ARN: arn:aws:kms:REGION:ACCOUNT:key/KEY-ID");
}

} // namespace

// AWS KMS Developer Guide, "Key identifiers (KeyId)": a key ARN. One spelling of each key only, because ARNs
// are compared as texts.
Result<KmsKeyArn> parse_kms_key_arn(std::string_view text) {
    if (text.size() > kMaxArn || std::count(text.begin(), text.end(), ':') != 5)
        return refused();
    KmsKeyArn out;
    out.text = text;
    std::string_view rest = text;
    const std::string_view scheme = take_part(rest, ':');
    out.partition = take_part(rest, ':');
    const std::string_view service = take_part(rest, ':');
    out.region = take_part(rest, ':');
    out.account = take_part(rest, ':');
    constexpr std::string_view kKey = "key/";
    if (scheme != "arn" || service != "kms" || !is_partition(out.partition) || !is_region(out.region) ||
        !all(out.account, 12, is_digit) || !rest.starts_with(kKey))
        return refused();
    out.key_id = rest.substr(kKey.size());
    if (!is_uuid(out.key_id) && !is_multi_region_id(out.key_id))
        return refused();
    return out;
}

// botocore data/partitions.json, outputs.dnsSuffix.
Result<std::string> partition_suffix(std::string_view partition) {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kSuffixes{{
        {"aws", "amazonaws.com"},
        {"aws-cn", "amazonaws.com.cn"},
        {"aws-us-gov", "amazonaws.com"},
        {"aws-eusc", "amazonaws.eu"},
        {"aws-iso", "c2s.ic.gov"},
        {"aws-iso-b", "sc2s.sgov.gov"},
        {"aws-iso-e", "cloud.adc-e.uk"},
        {"aws-iso-f", "csp.hci.ic.gov"},
    }};
    for (const auto& [name, suffix] : kSuffixes)
        if (name == partition)
            return std::string(suffix);
    return fail(Code::InvalidField, "an AWS partition whose DNS suffix is not known");
}

std::string kms_host(const KmsKeyArn& arn, std::string_view suffix) {
    return kms_host(arn.region, suffix);
}

std::string kms_host(std::string_view region, std::string_view suffix) {
    return "kms." + std::string(region) + "." + std::string(suffix);
}

bool is_region(std::string_view text) noexcept {
    if (text.empty() || text.size() > kMaxPart)
        return false;
    const auto last = text.rfind('-');
    if (last == text.npos)
        return false;
    const std::string_view words = text.substr(0, last), number = text.substr(last + 1);
    return is_words(words) && words.find('-') != words.npos && !number.empty() && number.size() <= 2 &&
           std::all_of(number.begin(), number.end(), is_digit);
}

// botocore data/partitions.json, regionRegex.
std::string_view partition_of_region(std::string_view region) noexcept {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kPrefixes{{
        {"cn-", "aws-cn"},
        {"us-gov-", "aws-us-gov"},
        {"eusc-", "aws-eusc"},
        {"us-iso-", "aws-iso"},
        {"us-isob-", "aws-iso-b"},
        {"eu-isoe-", "aws-iso-e"},
        {"us-isof-", "aws-iso-f"},
    }};
    for (const auto& [prefix, partition] : kPrefixes)
        if (region.starts_with(prefix))
            return partition;
    return "aws";
}

} // namespace redoubt::aws
