// SPDX-License-Identifier: Apache-2.0
// A devcloud without sockets: a fresh data folder, a development root, a settable clock, signed calls.
#pragma once

#include "aws/sigv4.h"
#include "crypto/cms.h"
#include "crypto/random.h"
#include "crypto/recipient_key.h"
#include "devcloud/dispatcher.h"
#include "devcloud/iam_admin.h"
#include "nitro/attestation.h"
#include "nitro/software_nsm.h"
#include "unit/devcloud/service_model.h"

#include <filesystem>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <stdlib.h>

namespace redoubt::devcloud::tests {

using Json = nlohmann::json;

class TemporaryFolder {
  public:
    TemporaryFolder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "redoubt-devcloud-XXXXXX").string();
        path_ = ::mkdtemp(pattern.data());
    }
    ~TemporaryFolder() { std::filesystem::remove_all(path_); }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

struct Answer {
    int status;
    std::string text;
    Json body; // null when the text is no JSON
    net::HttpResponse response;
    std::string type() const { return body.is_object() ? body.value("__type", "") : ""; }
};

inline aws::Credentials root_credentials() {
    aws::Credentials credentials;
    credentials.access_key_id = "AKIAREDOUBTROOT00000";
    credentials.secret_access_key = Secret::copy_of(as_bytes("root secret of a test"));
    return credentials;
}

inline const nitro::DevelopmentRoot& development_root() {
    static const auto* const root = new nitro::DevelopmentRoot(nitro::make_development_root().value());
    return *root;
}

inline const crypto::RecipientKey& recipient_key() {
    static const auto* const key = new crypto::RecipientKey(crypto::RecipientKey::generate().value());
    return *key;
}

inline net::HttpRequest make_request(std::string method, std::string target,
                                     std::vector<net::Header> headers = {}, std::string_view body = "") {
    net::HttpRequest request;
    request.method = std::move(method);
    request.target = std::move(target);
    const auto mark = request.target.find('?');
    request.path = request.target.substr(0, mark);
    request.has_query = mark != std::string::npos;
    if (request.has_query)
        request.query = request.target.substr(mark + 1);
    request.authority = "127.0.0.1:4566";
    request.headers = std::move(headers);
    request.body = to_bytes(body);
    return request;
}

// What a server would see of the request.
inline net::HttpRequest over_the_wire(const net::HttpRequest& request) {
    net::HttpParser parser(net::HttpParser::Kind::Request);
    const auto bytes = net::serialise_request(request);
    EXPECT_EQ(parser.feed(bytes).value_or(0), bytes.size());
    EXPECT_TRUE(parser.done());
    return parser.take_request();
}

class DevcloudTest : public ::testing::Test {
  protected:
    void SetUp() override { open(); }

    // Also opens the same folder again, as a restart would.
    void open() {
        cloud_.reset();
        events_.reset();
        state_.reset();
        auto state = State::open(folder_.path());
        ASSERT_TRUE(state) << state.error().describe();
        state_ = std::move(*state);
        auto events = EventLog::open(folder_.path() + "/events.jsonl");
        ASSERT_TRUE(events);
        events_.emplace(std::move(*events));
        auto root = root_credentials();
        cloud_.reset(new Cloud{{}, *state_, *events_, random_, [this] { return now_; }});
        cloud_->settings.access_key_id = root.access_key_id;
        cloud_->settings.secret_access_key = std::move(root.secret_access_key);
        cloud_->settings.attestation_root_der = development_root().certificate_der;
        cloud_->settings.imds_token_key = random_.array<32>();
        ASSERT_TRUE(prepare_iam(*cloud_));
    }

    Answer send(const net::HttpRequest& request, Listener listener = Listener::Plain) {
        auto received = over_the_wire(request);
        auto response = dispatch(*cloud_, received, listener);
        Answer answer{response.status, std::string(as_text(response.body)), nullptr, response};
        answer.body = Json::parse(answer.text, nullptr, false);
        if (answer.body.is_discarded())
            answer.body = nullptr;
        return answer;
    }

    net::HttpRequest signed_request(const std::string& service, const std::string& target,
                                    std::string_view body, const aws::Credentials& credentials) {
        auto request = make_request(
            "POST", "/", {{"content-type", "application/x-amz-json-1.1"}, {"x-amz-target", target}}, body);
        aws::SigV4Options options;
        options.region = "us-east-1";
        options.service = service;
        EXPECT_TRUE(aws::sign_sigv4(request, credentials, options, now_));
        return request;
    }

    Answer kms(const std::string& operation, const Json& input, const aws::Credentials& credentials) {
        const auto answer =
            send(signed_request("kms", "TrentService." + operation, input.dump(), credentials));
        // Every reply of every test has the shape of AWS's service model, where the vectors are.
        const auto* model = ServiceModel::find("kms/2014-11-01");
        if (model != nullptr && answer.status == 200) {
            EXPECT_EQ(model->check_output(operation, answer.text), "");
        }
        return answer;
    }
    Answer kms(const std::string& operation, const Json& input) {
        return kms(operation, input, root_credentials());
    }
    Answer secrets(const std::string& operation, const Json& input, const aws::Credentials& credentials) {
        const auto answer =
            send(signed_request("secretsmanager", "secretsmanager." + operation, input.dump(), credentials));
        const auto* model = ServiceModel::find("secretsmanager/2017-10-17");
        if (model != nullptr && answer.status == 200) {
            EXPECT_EQ(model->check_output(operation, answer.text), "");
        }
        return answer;
    }
    Answer secrets(const std::string& operation, const Json& input) {
        return secrets(operation, input, root_credentials());
    }

    std::string create_key() {
        const auto answer = kms("CreateKey", Json::object());
        EXPECT_EQ(answer.status, 200) << answer.text;
        return answer.body["KeyMetadata"]["Arn"];
    }

    // Credentials as an instance gets them.
    std::string imds_token(int seconds = 60) {
        const auto answer = send(make_request(
            "PUT", "/latest/api/token", {{"x-aws-ec2-metadata-token-ttl-seconds", std::to_string(seconds)}}));
        EXPECT_EQ(answer.status, 200);
        return answer.text;
    }
    Answer imds(const std::string& path, const std::string& token) {
        return send(make_request("GET", path, {{"x-aws-ec2-metadata-token", token}}));
    }
    aws::Credentials instance_credentials() {
        const auto answer = imds("/latest/meta-data/iam/security-credentials/redoubt-instance", imds_token());
        aws::Credentials credentials;
        credentials.access_key_id = answer.body["AccessKeyId"];
        credentials.secret_access_key =
            Secret::copy_of(as_bytes(answer.body["SecretAccessKey"].get<std::string>()));
        credentials.session_token = Secret::copy_of(as_bytes(answer.body["Token"].get<std::string>()));
        return credentials;
    }

    TemporaryFolder folder_;
    crypto::SystemRandom random_;
    UnixMs now_ = system_time_ms();
    std::unique_ptr<State> state_;
    std::optional<EventLog> events_;
    std::unique_ptr<Cloud> cloud_;
};

} // namespace redoubt::devcloud::tests
