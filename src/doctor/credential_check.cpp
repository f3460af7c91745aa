// SPDX-License-Identifier: Apache-2.0
#include "aws/sts_client.h"
#include "doctor/checks.h"

namespace redoubt::doctor {

namespace {

constexpr std::int64_t kSoonMs = 5 * 60'000;

// What to change where a configured source fails.
const char* change_for(aws::CredentialSource source) {
    switch (source) {
    case aws::CredentialSource::Environment:
        return "correct the gateway's variables, or unset them all to have the next source asked";
    case aws::CredentialSource::WebIdentity:
        return "see the role's trust policy (the cluster's OIDC provider, the service account) and the token "
               "file";
    case aws::CredentialSource::Container:
        return "see the task's role (ECS), or the pod identity association and its agent (EKS)";
    case aws::CredentialSource::Imds:
        return "attach an IAM role to the instance and enable IMDSv2 (in a container with a hop limit of 2); "
               "no "
               "firewall rule may stand before 169.254.169.254";
    }
    return "";
}

void check_identity(const Inputs& inputs, Knowledge& known, Report& report) {
    constexpr const char* kCheck = "identity";
    const std::string url = sts_endpoint_url(inputs);
    const auto tls = tls_for(url, inputs, known);
    if (!tls)
        return report.fail(kCheck, url, printable(tls.error().describe()),
                           "install the package ca-certificates");
    report.waiting("asking STS who the credentials are");
    const auto identity =
        aws::get_caller_identity({url, inputs.region, *tls, inputs.timeout_ms}, *known.credentials);
    if (identity) {
        known.caller = identity->arn;
        return report.ok(kCheck, {}, "AWS knows the credentials as " + printable(identity->arn));
    }
    const std::string why = printable(identity.error().describe());
    if (identity.error().code == Code::AwsUnavailable)
        return report.warn(kCheck, url, "STS does not tell whose the credentials are: " + why,
                           "signing does not need STS; a VPC endpoint for it lets this check work");
    report.fail(kCheck, url, "AWS does not take the credentials: " + why,
                "renew them at their source, and see the clock check");
}

} // namespace

void check_credentials(const Inputs& inputs, Knowledge& known, Report& report) {
    constexpr const char* kCheck = "credentials";
    aws::ChainOptions options;
    const auto only = aws::parse_credential_source(inputs.credential_source);
    if (!only)
        return report.fail(kCheck, {}, printable(only.error().describe()), "correct --credentials");
    options.only = *only;
    options.region = inputs.region;
    options.sts_endpoint = inputs.sts_endpoint;
    options.imds_endpoint = inputs.imds_endpoint;
    options.roots_file = inputs.roots_file;
    options.environment = inputs.environment;
    options.tries = 1;
    aws::CredentialChain chain(std::move(options));
    report.waiting("asking for AWS credentials");
    auto credentials = chain.fetch();
    if (!credentials) {
        report.fail(kCheck, {}, "no source gives AWS credentials",
                    "configure one of the sources below; on EC2 attach a role to the instance, on EKS to the "
                    "service account");
        for (const auto& failure : chain.failures())
            report.add(
                {failure.configured ? Level::Fail : Level::Skipped, "credentials",
                 std::string(aws::source_name(failure.source)),
                 std::string(failure.configured ? "" : "not configured, ") +
                     std::string(failure.error.text.view()) +
                     (failure.error.context.empty() ? "" : " (" + printable(failure.error.context) + ")"),
                 failure.configured ? change_for(failure.source) : ""});
        return report.skipped("identity", {}, "there are no credentials to ask about");
    }
    const std::string source(aws::source_name(*chain.answered()));
    if (credentials->expires == 0) {
        report.ok(kCheck, source, "long-term credentials, or ones whose end is not told");
    } else {
        const auto minutes = (credentials->expires - system_time_ms()) / 60'000;
        const std::string sentence = "temporary credentials, valid until " +
                                     to_iso8601(credentials->expires) + " (" + std::to_string(minutes) +
                                     " minutes)";
        if (credentials->expires - system_time_ms() < kSoonMs)
            report.warn(
                kCheck, source, sentence,
                "a source renews them at least five minutes ahead: see the clock check, and the source");
        else
            report.ok(kCheck, source, sentence);
    }
    known.credentials = std::move(*credentials);
    check_identity(inputs, known, report);
}

} // namespace redoubt::doctor
