// SPDX-License-Identifier: Apache-2.0
#include "devcloud/secrets_operations.h"

#include <algorithm>
#include <array>

namespace redoubt::devcloud {

namespace {

// Limits: the Secrets Manager service model.
constexpr Size kNameSize = {1, 512};
constexpr Size kValueSize = {1, 65'536};
constexpr Size kDescriptionSize = {0, 2048};
constexpr Size kKmsKeyIdSize = {0, 2048};
constexpr std::uint64_t kMaxPassword = 4096, kDefaultPassword = 32;
constexpr UnixMs kDayMs = 24LL * 60 * 60 * 1000;

// The value in the request as a version, or nullopt when it has none.
Reply<std::optional<SecretVersion>> read_version(SecretsCall& secrets) {
    const auto& input = secrets.input;
    REDOUBT_TRY(auto token, input.string("ClientRequestToken", kVersionIdSize));
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

// Members that would change what a secret is and that devcloud does not have.
Reply<void> refuse_unsupported(const SecretsCall& secrets) {
    for (const auto name : {"AddReplicaRegions", "Type"})
        if (const auto value = secrets.input.member(name);
            value &&
            ((value->is_array() && value->size() > 0) || (value->is_string() && !value->text().empty())))
            return refuse("InvalidParameterException",
                          std::string("devcloud does not support the parameter ") + name);
    return {};
}

std::unexpected<ServiceError> bad_parameter(std::string message) {
    return refuse("InvalidParameterException", std::move(message));
}

// One of `set`, without bias.
char random_of(crypto::Random& random, std::string_view set) {
    return random_text(random, 1, set)[0];
}

} // namespace

Reply<std::string> create_secret(SecretsCall& secrets) {
    auto& store = secrets.store();
    REDOUBT_TRY(const auto name, secrets.input.required_string("Name", kNameSize));
    const bool valid = std::all_of(name.begin(), name.end(), [](char c) {
        return kAlphanumeric.find(c) != std::string_view::npos ||
               std::string_view("/_+=.@-").find(c) != std::string_view::npos;
    });
    if (!valid)
        return refuse("ValidationException",
                      "Invalid name. Must be a valid name containing alphanumeric characters, or any of the "
                      "following: -/_+=.@!");
    REDOUBT_CHECK(refuse_unsupported(secrets));
    SecretRecord secret;
    secret.name = name;
    secret.arn = secrets.arn_prefix() + name + "-" + random_text(secrets.cloud.random, 6, kAlphanumeric);
    secret.region = secrets.call.region;
    secret.account = secrets.call.principal.account;
    REDOUBT_CHECK(authorise_by_identity(secrets, secret.arn));
    secret.created = secret.changed = secrets.call.now;
    REDOUBT_TRY(const auto description, secrets.input.string("Description", kDescriptionSize));
    REDOUBT_TRY(const auto kms_key_id, secrets.input.string("KmsKeyId", kKmsKeyIdSize));
    secret.description = description.value_or("");
    secret.kms_key_id = kms_key_id.value_or("");
    REDOUBT_TRY(const auto tags, secrets.input.tags("Tags", "Key", "Value", "InvalidParameterException"));
    REDOUBT_TRY(const auto version, read_version(secrets));

    REDOUBT_TRY(const auto existing, or_internal(store.find_by_name(secret.account, secret.region, name)));
    if (existing && existing->deletion != 0)
        return refuse("InvalidRequestException", "You can't create this secret because a secret with this "
                                                 "name is already scheduled for deletion.");
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
    auto& store = secrets.store();
    REDOUBT_TRY(const auto version_id, secrets.input.string("VersionId", kVersionIdSize));
    REDOUBT_TRY(const auto stage, secrets.input.string("VersionStage", kStageSize));
    REDOUBT_TRY(auto secret, find_secret(secrets));

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

    const UnixMs today = secrets.call.now / kDayMs * kDayMs;
    if (secret.accessed != today) {
        secret.accessed = today;
        REDOUBT_CHECK(or_internal(store.update(secret, nullptr, {})));
    }
    const auto value = version->value.view(SecretAccess("answer GetSecretValue"));
    std::string body;
    json::Writer writer(body);
    writer.begin_object()
        .member("ARN", secret.arn)
        .member("Name", secret.name)
        .member("VersionId", id)
        .key("CreatedDate")
        .raw(epoch_seconds(version->created));
    if (!own.empty()) {
        writer.key("VersionStages");
        write_strings(writer, own);
    }
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
    auto& store = secrets.store();
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
    auto& store = secrets.store();
    REDOUBT_TRY(const auto description, secrets.input.string("Description", kDescriptionSize));
    REDOUBT_TRY(const auto kms_key_id, secrets.input.string("KmsKeyId", kKmsKeyIdSize));
    REDOUBT_CHECK(refuse_unsupported(secrets));
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

Reply<std::string> update_secret_version_stage(SecretsCall& secrets) {
    auto& store = secrets.store();
    REDOUBT_TRY(const auto stage, secrets.input.required_string("VersionStage", kStageSize));
    REDOUBT_TRY(const auto from, secrets.input.string("RemoveFromVersionId", kVersionIdSize));
    REDOUBT_TRY(const auto to, secrets.input.string("MoveToVersionId", kVersionIdSize));
    REDOUBT_TRY(auto secret, find_secret(secrets));
    if (!from && !to)
        return bad_parameter("You must specify RemoveFromVersionId, MoveToVersionId or both.");
    REDOUBT_TRY(const auto standing, or_internal(store.version_of_stage(secret.arn, stage)));
    if (from && (!standing || *standing != *from))
        return bad_parameter("The staging label " + stage + " isn't attached to the version " + *from + ".");
    if (!to && stage == kCurrentStage)
        return bad_parameter("You can only move staging label AWSCURRENT to a different secret version. It "
                             "can't be completely removed.");
    if (to) {
        REDOUBT_TRY(const auto target, or_internal(store.version(secret.arn, *to)));
        if (!target)
            return refuse("ResourceNotFoundException",
                          "Secrets Manager can't find the specified secret value for VersionId: " + *to);
        if (standing && *standing == *to)
            return write_identity(secret);
        if (standing && !from)
            return bad_parameter("The parameter RemoveFromVersionId can't be empty. Staging label " + stage +
                                 " is currently attached to version " + *standing +
                                 ", so you must explicitly reference that version in RemoveFromVersionId.");
        REDOUBT_TRY(auto stages, or_internal(store.stages_by_version(secret.arn)));
        if (stages[*to].size() >= kMaxStages)
            return refuse("LimitExceededException", "A version can have at most 20 staging labels.");
    }
    secret.changed = secrets.call.now;
    REDOUBT_CHECK(or_internal(store.move_stage(secret, stage, to.value_or(""))));
    return write_identity(secret);
}

Reply<std::string> get_random_password(SecretsCall& secrets) {
    const auto& input = secrets.input;
    REDOUBT_TRY(const auto asked, input.integer("PasswordLength", 1, kMaxPassword));
    REDOUBT_TRY(const auto excluded, input.string("ExcludeCharacters", {0, 4096}));
    struct Kind {
        std::string_view switch_name, characters;
        bool wanted_by_switch; // IncludeSpace; the others exclude
    };
    static constexpr std::array<Kind, 5> kKinds = {{
        {"ExcludeLowercase", "abcdefghijklmnopqrstuvwxyz", false},
        {"ExcludeUppercase", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", false},
        {"ExcludeNumbers", "0123456789", false},
        {"ExcludePunctuation", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", false},
        {"IncludeSpace", " ", true},
    }};
    std::vector<std::string> sets;
    for (const auto& kind : kKinds) {
        REDOUBT_TRY(const bool on, input.boolean(kind.switch_name));
        if (on != kind.wanted_by_switch)
            continue;
        std::string set(kind.characters);
        std::erase_if(set, [&](char c) { return excluded && excluded->find(c) != std::string::npos; });
        if (!set.empty())
            sets.push_back(std::move(set));
    }
    bool each = true; // RequireEachIncludedType's default
    if (input.member("RequireEachIncludedType")) {
        REDOUBT_TRY(each, input.boolean("RequireEachIncludedType"));
    }
    REDOUBT_CHECK(authorise_by_identity(secrets, "*"));
    const auto length = static_cast<std::size_t>(asked.value_or(kDefaultPassword));
    if (sets.empty())
        return bad_parameter("The excluded characters leave none for the password.");
    if (each && length < sets.size())
        return bad_parameter("The password length is too short based on the required types.");

    auto& random = secrets.cloud.random;
    std::string all, password;
    for (const auto& set : sets) {
        all += set;
        if (each)
            password.push_back(random_of(random, set));
    }
    while (password.size() < length)
        password.push_back(random_of(random, all));
    // Fisher and Yates, so that the required ones stand anywhere.
    for (std::size_t i = password.size(); i-- > 1;) {
        const auto bytes = random.array<8>();
        std::uint64_t number = 0; // 64 bits over at most 4096: the bias is below 2^-51
        for (const auto byte : bytes)
            number = number << 8 | byte;
        std::swap(password[i], password[number % (i + 1)]);
    }
    std::string body;
    json::Writer(body).begin_object().member("RandomPassword", password).end_object();
    wipe(password);
    return body;
}

} // namespace redoubt::devcloud
