// SPDX-License-Identifier: Apache-2.0
#include "aws/error_type.h"
#include "aws/json_call.h"
#include "base/json.h"
#include "doctor/checks.h"
#include "doctor/key_policy_check.h"

namespace redoubt::doctor {

namespace {

constexpr const char* kKeyCheck = "kms-key";
constexpr const char* kPolicyCheck = "kms-policy";

class KeyChecks {
  public:
    KeyChecks(const Inputs& inputs, const Knowledge& known, Report& report, aws::KmsKeyArn arn,
              trust::KmsPurpose purpose, const net::TlsContext* tls)
        : inputs_(inputs), known_(known), report_(report), arn_(std::move(arn)), purpose_(purpose), tls_(tls),
          reader_(inputs.administrator ? *inputs.administrator : *known.credentials) {}

    void run() {
        report_.waiting("asking KMS about " + arn_.text);
        describe();
        policy();
    }

  private:
    Result<net::HttpResponse> call(const char* operation, bool names_policy) {
        std::string body;
        json::Writer writer(body);
        writer.begin_object().member("KeyId", std::string_view(arn_.text));
        if (names_policy)
            writer.member("PolicyName", "default");
        writer.end_object();
        aws::JsonService service{kms_url(inputs_, arn_), "kms", arn_.region, tls_, inputs_.timeout_ms};
        return aws::call_json_service(service, std::string("TrentService.") + operation, body, reader_);
    }

    // What KMS said, in its own words: an administrator reads this.
    static std::string message_of(const net::HttpResponse& response) {
        json::Document document;
        const auto root = document.parse(as_text(response.body));
        if (root)
            for (const char* name : {"message", "Message"})
                if (const auto value = root->get(name); value && value->is_string())
                    return ": " + printable(value->text());
        return {};
    }

    void refused(const char* check, const char* operation, const Result<net::HttpResponse>& response) {
        if (!response)
            return report_.fail(check, arn_.text,
                                "KMS does not answer: " + printable(response.error().describe()),
                                "see the check kms-reachable");
        const std::string type = aws::aws_error_type(*response);
        const std::string said = std::string("kms:") + operation + " is answered with " +
                                 (type.empty() ? "status " + std::to_string(response->status) : type) +
                                 message_of(*response);
        switch (aws::aws_error_kind(*response, type)) {
        case aws::ErrorKind::Denied:
            if (!inputs_.administrator)
                return report_.warn(
                    check, arn_.text, said + "; asked as " + (known_.caller.empty() ? "?" : known_.caller),
                    "as it should be for the gateway's role: Redoubt's key policy shows itself to the "
                    "administrator alone. Run the doctor with his credentials in the environment and "
                    "--administrator, to have the key checked");
            return report_.fail(check, arn_.text, said,
                                std::string("allow the administrator kms:") + operation +
                                    " in the key's policy");
        case aws::ErrorKind::Expired:
            return report_.fail(check, arn_.text, said, "renew the credentials that the doctor is run with");
        case aws::ErrorKind::Throttled:
            return report_.warn(check, arn_.text, said, "run the doctor again later");
        case aws::ErrorKind::Missing:
        case aws::ErrorKind::Other:
            break;
        }
        if (type == "NotFoundException")
            return report_.fail(check, arn_.text, said,
                                "the manifest names a key that does not exist in this account and region");
        if (type == "InvalidSignatureException" || type == "SignatureDoesNotMatch")
            return report_.fail(check, arn_.text, said, "see the clock check, and the secret access key");
        report_.fail(check, arn_.text, said, "see AWS's documentation of the error");
    }

    void describe() {
        const auto response = call("DescribeKey", false);
        if (!response || response->status != 200)
            return refused(kKeyCheck, "DescribeKey", response);
        json::Document document;
        const auto root = document.parse(as_text(response->body));
        const auto metadata = root ? root->get("KeyMetadata") : std::nullopt;
        if (!metadata)
            return report_.fail(kKeyCheck, arn_.text, "KMS's description of the key cannot be read",
                                "see that nothing stands between this host and KMS");
        const auto text = [&](const char* name) {
            const auto value = metadata->get(name);
            return value && value->is_string() ? printable(value->text()) : std::string();
        };
        if (text("Arn") != arn_.text)
            return report_.fail(kKeyCheck, arn_.text, "KMS describes another key: " + text("Arn"),
                                "name the key by its own full ARN in the manifest");
        const std::string state = text("KeyState");
        if (state == "Disabled")
            return report_.fail(kKeyCheck, arn_.text, "the key is disabled: KMS opens nothing with it",
                                "aws kms enable-key --region " + arn_.region + " --key-id " + arn_.key_id);
        if (state == "PendingDeletion")
            return report_.fail(kKeyCheck, arn_.text,
                                "the key is scheduled for deletion; what it encrypts is lost after that",
                                "aws kms cancel-key-deletion --region " + arn_.region + " --key-id " +
                                    arn_.key_id + ", then enable-key");
        if (!state.empty() && state != "Enabled")
            return report_.fail(kKeyCheck, arn_.text, "the key's state is " + state,
                                "see AWS KMS Developer Guide, \"Key states\"");
        if (const auto spec = text("KeySpec"); !spec.empty() && spec != "SYMMETRIC_DEFAULT")
            return report_.fail(kKeyCheck, arn_.text, "the key's spec is " + spec,
                                "use a symmetric key (SYMMETRIC_DEFAULT, ENCRYPT_DECRYPT)");
        report_.ok(kKeyCheck, arn_.text, "the key is enabled");
    }

    void policy() {
        const auto response = call("GetKeyPolicy", true);
        if (!response || response->status != 200)
            return refused(kPolicyCheck, "GetKeyPolicy", response);
        json::Document document;
        const auto root = document.parse(as_text(response->body));
        const auto text = root ? root->get("Policy") : std::nullopt;
        if (!text || !text->is_string())
            return report_.fail(kPolicyCheck, arn_.text, "KMS's answer holds no policy",
                                "see that nothing stands between this host and KMS");
        // What runs counts; without a gateway, what is to run.
        const auto pcr0 = known_.measured_pcr0 ? known_.measured_pcr0 : inputs_.pcr0;
        auto pcr16 = known_.measured_pcr16 ? known_.measured_pcr16 : inputs_.pcr16;
        if (!pcr16 && known_.manifest)
            pcr16 = to_bytes(nitro::pcr_of(known_.manifest->digest()));
        const auto image = pcr0 ? to_array<48>(*pcr0) : std::nullopt;
        const auto manifest = pcr16 ? to_array<48>(*pcr16) : std::nullopt;
        if (!image || !manifest)
            return report_.skipped(kPolicyCheck, arn_.text,
                                   "PCR0 is not known: name it (--pcr0 HEX), or a running gateway");
        PolicyQuestion question;
        question.purpose = purpose_;
        question.pair.pcr0 = *image;
        question.pair.pcr16 = *manifest;
        question.caller = known_.caller;
        const auto problems = examine_key_policy(text->text(), question);
        if (!problems)
            return report_.fail(kPolicyCheck, arn_.text, printable(problems.error().describe()),
                                "put the policy that docs/doctor.md shows on the key");
        for (const auto& problem : *problems)
            report_.add({problem.fails ? Level::Fail : Level::Warn, kPolicyCheck, arn_.text, problem.sentence,
                         problem.change});
        if (problems->empty())
            report_.ok(kPolicyCheck, arn_.text,
                       "the policy lets in PCR0 " + short_hex(*image) + " with PCR16 " +
                           short_hex(*manifest) + ", and denies others");
    }

    const Inputs& inputs_;
    const Knowledge& known_;
    Report& report_;
    aws::KmsKeyArn arn_;
    trust::KmsPurpose purpose_;
    const net::TlsContext* tls_;
    const aws::Credentials& reader_;
};

} // namespace

void check_keys(const Inputs& inputs, const Knowledge& known, Report& report) {
    if (!known.manifest) {
        for (const char* check : {kKeyCheck, kPolicyCheck})
            report.skipped(check, {}, "without a manifest no key is known");
        return;
    }
    for (const auto& key : known.manifest->kms_keys) {
        const auto arn = aws::parse_kms_key_arn(key.arn);
        if (!arn) {
            report.fail(kKeyCheck, printable(key.arn), "the manifest's key is no full key ARN",
                        "arn:aws:kms:REGION:ACCOUNT:key/KEY-ID");
            continue;
        }
        const char* why = !known.reachable.contains(kms_url(inputs, *arn)) ? "not asked: KMS does not answer"
                          : !inputs.administrator && !known.credentials
                              ? "not asked: there are no credentials"
                              : nullptr;
        if (why != nullptr) {
            for (const char* check : {kKeyCheck, kPolicyCheck})
                report.skipped(check, arn->text, why);
            continue;
        }
        const net::TlsContext* tls = known.tls ? &*known.tls : nullptr;
        KeyChecks(inputs, known, report, *arn, key.purpose, tls).run();
    }
}

} // namespace redoubt::doctor
