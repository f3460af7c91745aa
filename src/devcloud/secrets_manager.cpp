// SPDX-License-Identifier: Apache-2.0
#include "devcloud/secrets_manager.h"

#include "devcloud/input.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

namespace redoubt::devcloud {

namespace {

// Limits: the Secrets Manager service model.
constexpr Size kNameSize = {1, 512};
constexpr Size kSecretIdSize = {1, 2048};
constexpr Size kTokenSize = {32, 64};
constexpr Size kStageSize = {1, 256};
constexpr Size kValueSize = {1, 65'536};
constexpr Size kDescriptionSize = {0, 2048};
constexpr Size kKmsKeyIdSize = {0, 2048};
constexpr std::size_t kMaxStages = 20;
// The alphabet of the six characters after a secret's name in its ARN.
constexpr std::string_view kAlphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

struct SecretsCall {
    Cloud& cloud;
    const Call& call;
    const Input& input;
};
using SecretsOperation = Reply<std::string> (*)(SecretsCall& secrets);

std::string arn_prefix(const Cloud& cloud) {
    return "arn:aws:secretsmanager:" + cloud.settings.region + ":" + cloud.settings.account + ":secret:";
}

Reply<SecretRecord> find_secret(SecretsCall& secrets) {
    REDOUBT_TRY(const auto id, secrets.input.required_string("SecretId", kSecretIdSize));
    REDOUBT_TRY(auto found, or_internal(secrets.cloud.state.secrets.find(id, arn_prefix(secrets.cloud))));
    if (!found)
        return refuse("ResourceNotFoundException", "Secrets Manager can't find the specified secret.");
    return std::move(*found);
}

// The value in the request as a version, or nullopt when it has none.
Reply<std::optional<SecretVersion>> read_version(SecretsCall& secrets) {
    const auto& input = secrets.input;
    REDOUBT_TRY(auto token, input.string("ClientRequestToken", kTokenSize));
    REDOUBT_TRY(auto text, input.string("SecretString", kValueSize));
    REDOUBT_TRY(auto binary, input.blob("SecretBinary", kValueSize));
    if (text && binary) {
        wipe(*text);
        return refuse("InvalidParameterException",
                      "You can't specify both a binary secret value and a string secret value in the same "
                      "secret.");
    }
    if (!text && !binary)
        return std::nullopt;
    SecretVersion version;
    // The SDKs always send a token; a raw request without one is given one here.
    version.id = token ? std::move(*token) : random_uuid(secrets.cloud.random);
    version.created = secrets.call.now;
    version.binary = binary.has_value();
    version.value = binary ? std::move(*binary) : Secret::take(*text);
    return version;
}

bool same_value(const SecretVersion& a, const SecretVersion& b) {
    return a.binary == b.binary && equal_secrets(a.value, b.value);
}

std::unexpected<ServiceError> token_in_use(const SecretVersion& version, const SecretRecord& secret) {
    return refuse("ResourceExistsException", "You can't use ClientRequestToken " + version.id +
                                                 " because that value is already in use for a version of "
                                                 "secret " +
                                                 secret.arn + ".");
}

void write_stages(json::Writer& writer, const std::vector<std::string>& stages) {
    writer.begin_array();
    for (const auto& stage : stages)
        writer.string(stage);
    writer.end_array();
}

std::string write_identity(const SecretRecord& secret, const std::string* version_id,
                           const std::vector<std::string>* stages = nullptr) {
    std::string body;
    json::Writer writer(body);
    writer.begin_object().member("ARN", secret.arn).member("Name", secret.name);
    if (version_id != nullptr)
        writer.member("VersionId", *version_id);
    if (stages != nullptr) {
        writer.key("VersionStages");
        write_stages(writer, *stages);
    }
    writer.end_object();
    return body;
}

Reply<std::string> create_secret(SecretsCall& secrets) {
    auto& store = secrets.cloud.state.secrets;
    REDOUBT_TRY(const auto name, secrets.input.required_string("Name", kNameSize));
    const bool valid = std::all_of(name.begin(), name.end(), [](char c) {
        return kAlphanumeric.find(c) != std::string_view::npos ||
               std::string_view("/_+=.@-").find(c) != std::string_view::npos;
    });
    if (!valid)
        return refuse("ValidationException",
                      "Invalid name. Must be a valid name containing alphanumeric characters, or any of the "
                      "following: -/_+=.@!");
    SecretRecord secret;
    secret.name = name;
    secret.arn = arn_prefix(secrets.cloud) + name + "-" + random_text(secrets.cloud.random, 6, kAlphanumeric);
    secret.created = secret.changed = secrets.call.now;
    REDOUBT_TRY(const auto description, secrets.input.string("Description", kDescriptionSize));
    REDOUBT_TRY(const auto kms_key_id, secrets.input.string("KmsKeyId", kKmsKeyIdSize));
    secret.description = description.value_or("");
    secret.kms_key_id = kms_key_id.value_or("");
    REDOUBT_TRY(const auto tags, secrets.input.tags("Tags", "Key", "Value", "InvalidParameterException"));
    REDOUBT_TRY(const auto version, read_version(secrets));

    REDOUBT_TRY(const auto existing, or_internal(store.find(name, arn_prefix(secrets.cloud))));
    if (existing) {
        // The same request again, as its token and value say, is answered as the first one was.
        if (version) {
            REDOUBT_TRY(const auto same, or_internal(store.version(existing->arn, version->id)));
            if (same && same_value(*same, *version))
                return write_identity(*existing, &version->id);
        }
        return refuse("ResourceExistsException",
                      "The operation failed because the secret " + name + " already exists.");
    }
    REDOUBT_CHECK(or_internal(store.create(secret, tags, version ? &*version : nullptr)));
    return write_identity(secret, version ? &version->id : nullptr);
}

Reply<std::string> get_secret_value(SecretsCall& secrets) {
    auto& store = secrets.cloud.state.secrets;
    REDOUBT_TRY(const auto version_id, secrets.input.string("VersionId", kTokenSize));
    REDOUBT_TRY(const auto stage, secrets.input.string("VersionStage", kStageSize));
    REDOUBT_TRY(const auto secret, find_secret(secrets));

    const std::string wanted_stage = stage.value_or(std::string(kCurrentStage));
    std::string id;
    if (version_id) {
        id = *version_id;
    } else {
        REDOUBT_TRY(const auto standing, or_internal(store.version_of_stage(secret.arn, wanted_stage)));
        if (!standing)
            return refuse("ResourceNotFoundException",
                          "Secrets Manager can't find the specified secret value "
                          "for staging label: " +
                              wanted_stage);
        id = *standing;
    }
    REDOUBT_TRY(const auto version, or_internal(store.version(secret.arn, id)));
    if (!version)
        return refuse("ResourceNotFoundException",
                      "Secrets Manager can't find the specified secret value for VersionId: " + id);
    REDOUBT_TRY(auto stages, or_internal(store.stages_by_version(secret.arn)));
    const auto& own = stages[id];
    if (version_id && stage && std::find(own.begin(), own.end(), *stage) == own.end())
        return refuse("InvalidRequestException",
                      "You provided a VersionStage that is not associated to the provided VersionId.");

    const auto value = version->value.view(SecretAccess("answer GetSecretValue"));
    std::string body;
    json::Writer writer(body);
    writer.begin_object()
        .member("ARN", secret.arn)
        .member("Name", secret.name)
        .member("VersionId", id)
        .key("CreatedDate")
        .raw(epoch_seconds(version->created))
        .key("VersionStages");
    write_stages(writer, own);
    if (version->binary) {
        auto text = to_base64(value);
        writer.member("SecretBinary", text);
        wipe(text);
    } else {
        writer.member("SecretString", as_text(value));
    }
    writer.end_object();
    return body;
}

Reply<std::string> put_secret_value(SecretsCall& secrets) {
    auto& store = secrets.cloud.state.secrets;
    REDOUBT_TRY(auto stages, secrets.input.strings("VersionStages", {0, kMaxStages}));
    for (const auto& stage : stages)
        if (stage.empty() || stage.size() > kStageSize.max)
            return refuse_value(stage, "VersionStages", "Member must have length between 1 and 256");
    if (stages.empty())
        stages.emplace_back(kCurrentStage);
    REDOUBT_TRY(auto secret, find_secret(secrets));
    REDOUBT_TRY(const auto version, read_version(secrets));
    if (!version)
        return refuse("InvalidRequestException", "You must provide either SecretString or SecretBinary.");

    REDOUBT_TRY(const auto same, or_internal(store.version(secret.arn, version->id)));
    if (same) {
        if (!same_value(*same, *version))
            return token_in_use(*version, secret);
        REDOUBT_TRY(auto standing, or_internal(store.stages_by_version(secret.arn)));
        return write_identity(secret, &version->id, &standing[version->id]);
    }
    // A secret's first version is its current one, whatever the request says.
    REDOUBT_TRY(const auto current, or_internal(store.version_of_stage(secret.arn, kCurrentStage)));
    if (!current && std::find(stages.begin(), stages.end(), kCurrentStage) == stages.end())
        stages.emplace_back(kCurrentStage);
    secret.changed = secrets.call.now;
    REDOUBT_CHECK(or_internal(store.update(secret, &*version, stages)));
    return write_identity(secret, &version->id, &stages);
}

Reply<std::string> update_secret(SecretsCall& secrets) {
    auto& store = secrets.cloud.state.secrets;
    REDOUBT_TRY(const auto description, secrets.input.string("Description", kDescriptionSize));
    REDOUBT_TRY(const auto kms_key_id, secrets.input.string("KmsKeyId", kKmsKeyIdSize));
    REDOUBT_TRY(auto secret, find_secret(secrets));
    REDOUBT_TRY(const auto version, read_version(secrets));
    if (description)
        secret.description = *description;
    if (kms_key_id)
        secret.kms_key_id = *kms_key_id;
    secret.changed = secrets.call.now;

    const SecretVersion* added = version ? &*version : nullptr;
    if (version) {
        REDOUBT_TRY(const auto same, or_internal(store.version(secret.arn, version->id)));
        if (same && !same_value(*same, *version))
            return token_in_use(*version, secret);
        if (same)
            added = nullptr;
    }
    REDOUBT_CHECK(or_internal(store.update(secret, added, {std::string(kCurrentStage)})));
    return write_identity(secret, version ? &version->id : nullptr);
}

Reply<void> write_description(SecretsCall& secrets, json::Writer& writer, const SecretRecord& secret,
                              std::string_view stages_member) {
    auto& store = secrets.cloud.state.secrets;
    REDOUBT_TRY(const auto tags, or_internal(store.tags(secret.arn)));
    REDOUBT_TRY(const auto versions, or_internal(store.stages_by_version(secret.arn)));
    writer.begin_object().member("ARN", secret.arn).member("Name", secret.name);
    if (!secret.description.empty())
        writer.member("Description", secret.description);
    if (!secret.kms_key_id.empty())
        writer.member("KmsKeyId", secret.kms_key_id);
    writer.key("LastChangedDate").raw(epoch_seconds(secret.changed));
    writer.key("CreatedDate").raw(epoch_seconds(secret.created));
    writer.key("Tags").begin_array();
    for (const auto& [name, value] : tags)
        writer.begin_object().member("Key", name).member("Value", value).end_object();
    writer.end_array();
    writer.key(stages_member).begin_object();
    for (const auto& [id, stages] : versions) {
        writer.key(id);
        write_stages(writer, stages);
    }
    writer.end_object().end_object();
    return {};
}

Reply<std::string> describe_secret(SecretsCall& secrets) {
    REDOUBT_TRY(const auto secret, find_secret(secrets));
    std::string body;
    json::Writer writer(body);
    REDOUBT_CHECK(write_description(secrets, writer, secret, "VersionIdsToStages"));
    return body;
}

Reply<std::string> list_secrets(SecretsCall& secrets) {
    REDOUBT_TRY(const auto limit, secrets.input.integer("MaxResults", 1, 100));
    REDOUBT_TRY(const auto token, secrets.input.string("NextToken", {1, 4096}));
    if (const auto filters = secrets.input.member("Filters"); filters && filters->size() > 0)
        return refuse("InvalidParameterException", "devcloud does not filter secrets.");
    // The token is the sequence number of the last secret told.
    std::int64_t after = 0;
    if (token) {
        const auto* end = token->data() + token->size();
        const auto [rest, error] = std::from_chars(token->data(), end, after);
        if (error != std::errc{} || rest != end || after < 0)
            return refuse("InvalidNextTokenException", "Invalid token");
    }
    const std::size_t wanted = limit.value_or(100);
    REDOUBT_TRY(auto found, or_internal(secrets.cloud.state.secrets.list(after, wanted + 1)));
    const bool truncated = found.size() > wanted;
    if (truncated)
        found.pop_back();

    std::string body;
    json::Writer writer(body);
    writer.begin_object().key("SecretList").begin_array();
    for (const auto& secret : found)
        REDOUBT_CHECK(write_description(secrets, writer, secret, "SecretVersionsToStages"));
    writer.end_array();
    if (truncated)
        writer.member("NextToken", std::to_string(found.back().sequence));
    writer.end_object();
    return body;
}

constexpr std::array<std::pair<std::string_view, SecretsOperation>, 6> kOperations = {{
    {"CreateSecret", create_secret},
    {"DescribeSecret", describe_secret},
    {"GetSecretValue", get_secret_value},
    {"ListSecrets", list_secrets},
    {"PutSecretValue", put_secret_value},
    {"UpdateSecret", update_secret},
}};

Reply<std::string> run(Cloud& cloud, const Call& call) {
    const auto found = std::find_if(kOperations.begin(), kOperations.end(),
                                    [&](const auto& entry) { return entry.first == call.operation; });
    if (found == kOperations.end())
        return refuse("UnknownOperationException", "devcloud has no such operation");
    const std::string action = "secretsmanager:" + std::string(call.operation);
    if (!iam_allows(call.principal, action))
        return refuse("AccessDeniedException",
                      "User: " + call.principal.arn + " is not authorized to perform: " + action +
                          " because no identity-based policy allows the " + action + " action");
    json::Document document;
    const auto body = as_text(call.request.body);
    const auto root = document.parse(body.empty() ? "{}" : body);
    if (!root || !root->is_object())
        return refuse("SerializationException", "The body is not a JSON object.");
    const Input input(*root);
    SecretsCall secrets{cloud, call, input};
    return found->second(secrets);
}

} // namespace

net::HttpResponse serve_secrets_manager(Cloud& cloud, const Call& call) {
    auto reply = run(cloud, call);
    if (reply)
        return json_reply(std::move(*reply));
    // The service model's exceptions spell their member "Message".
    reply.error().capital_message = true;
    return json_error(reply.error());
}

} // namespace redoubt::devcloud
