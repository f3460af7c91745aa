// SPDX-License-Identifier: Apache-2.0
#include "aws/credential_chain.h"

#include "aws/container_credentials.h"
#include "aws/environment_credentials.h"
#include "aws/imds_credentials.h"
#include "aws/web_identity_credentials.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>

namespace redoubt::aws {

namespace {

struct Named {
    CredentialSource source;
    std::string_view name;
};
// In the order of the search: AWS SDKs and Tools Reference, "Standardized credential providers".
constexpr std::array<Named, 4> kSources = {{{CredentialSource::Environment, "environment"},
                                            {CredentialSource::WebIdentity, "web-identity"},
                                            {CredentialSource::Container, "container"},
                                            {CredentialSource::Imds, "imds"}}};

constexpr std::size_t kMaxRoots = 16 << 20;

bool is_true(std::string_view text) noexcept {
    constexpr std::string_view kTrue = "true";
    return std::ranges::equal(text, kTrue,
                              [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
}

// What a failed source's code means for whoever waits for credentials.
Code outer_code(Code code) noexcept {
    switch (code) {
    case Code::AwsRefused:
    case Code::AwsUnavailable:
    case Code::CredentialsExpired:
        return code;
    default:
        return Code::CredentialsMissing;
    }
}

} // namespace

std::string_view source_name(CredentialSource source) noexcept {
    return std::ranges::find(kSources, source, &Named::source)->name;
}

Result<std::optional<CredentialSource>> parse_credential_source(std::string_view text) {
    if (text == "auto")
        return std::nullopt;
    const auto* found = std::ranges::find(kSources, text, &Named::name);
    if (found == kSources.end())
        return fail(Code::Usage,
                    "credentials come from auto, environment, web-identity, container or imds; name one",
                    std::string(text));
    return found->source;
}

std::string SourceFailure::text() const {
    std::string out = std::string(source_name(source)) + ": ";
    if (!configured)
        out += "not configured, ";
    out += error.text.view();
    if (!error.context.empty())
        out += " (" + error.context + ")";
    return out;
}

CredentialChain::CredentialChain(ChainOptions options) : options_(std::move(options)) {}

Result<const net::TlsContext*> CredentialChain::tls() {
    if (!tls_) {
        std::ifstream in(options_.roots_file, std::ios::binary);
        const std::string pem{std::istreambuf_iterator<char>(in), {}};
        if (!in || pem.empty() || pem.size() > kMaxRoots)
            return fail(Code::Io, "the file of CA roots cannot be read", options_.roots_file);
        REDOUBT_TRY(auto context, net::TlsContext::client(pem, {"http/1.1"}));
        tls_ = std::move(context);
    }
    return &*tls_;
}

Result<Credentials> CredentialChain::ask(CredentialSource source) {
    switch (source) {
    case CredentialSource::Environment:
        return credentials_from_environment(options_.environment);
    case CredentialSource::WebIdentity: {
        WebIdentityOptions options;
        options.environment = options_.environment;
        options.sts_url = options_.sts_endpoint;
        options.region = options_.region;
        options.tls = [this] { return tls(); };
        options.timeout_ms = options_.sts_timeout_ms;
        options.tries = options_.tries;
        return fetch_web_identity_credentials(options);
    }
    case CredentialSource::Container: {
        ContainerOptions options;
        options.environment = options_.environment;
        if (!options_.container_endpoint.empty())
            options.endpoint = options_.container_endpoint;
        options.tls = [this] { return tls(); };
        options.timeout_ms = options_.container_timeout_ms;
        options.tries = options_.tries;
        return fetch_container_credentials(options);
    }
    case CredentialSource::Imds: {
        if (is_true(options_.environment("AWS_EC2_METADATA_DISABLED")))
            return fail(Code::CredentialsMissing, "AWS_EC2_METADATA_DISABLED switches it off");
        std::string endpoint = options_.imds_endpoint;
        if (endpoint.empty())
            endpoint = options_.environment("AWS_EC2_METADATA_SERVICE_ENDPOINT");
        if (endpoint.empty())
            endpoint = kImdsEndpoint;
        return fetch_imds_credentials(endpoint, options_.imds_timeout_ms);
    }
    }
    return fail(Code::Internal, "there is no such source of credentials");
}

Result<Credentials> CredentialChain::fetch() {
    const std::lock_guard lock(mutex_);
    failures_.clear();
    Code code = Code::CredentialsMissing;
    for (const auto& [source, name] : kSources) {
        if ((options_.only && source != *options_.only) || (answered_ && source != *answered_))
            continue;
        auto credentials = ask(source);
        if (credentials && credentials->expires != 0 && credentials->expires <= system_time_ms())
            credentials = fail(Code::AwsRefused, "the credentials given have expired");
        if (credentials) {
            answered_ = source;
            return credentials;
        }
        const bool configured = credentials.error().code != Code::CredentialsMissing;
        failures_.push_back({source, configured, std::move(credentials).error()});
        if (configured) {
            code = outer_code(failures_.back().error.code);
            break;
        }
    }
    return fail(code, "no source gives AWS credentials", diagnosis_locked());
}

std::optional<CredentialSource> CredentialChain::answered() const {
    const std::lock_guard lock(mutex_);
    return answered_;
}

std::vector<SourceFailure> CredentialChain::failures() const {
    const std::lock_guard lock(mutex_);
    return failures_;
}

std::string CredentialChain::diagnosis_locked() const {
    std::string out;
    for (const auto& failure : failures_)
        out += (out.empty() ? "" : "; ") + failure.text();
    if (!failures_.empty() && failures_.back().configured && !options_.only && !answered_ &&
        failures_.back().source != CredentialSource::Imds)
        out += "; later sources are not asked, so that no other identity is used";
    return out;
}

std::string CredentialChain::diagnosis() const {
    const std::lock_guard lock(mutex_);
    return diagnosis_locked();
}

} // namespace redoubt::aws
