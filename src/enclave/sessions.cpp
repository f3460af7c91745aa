// SPDX-License-Identifier: Apache-2.0
#include "enclave/sessions.h"

#include "crypto/random.h"

#include <algorithm>
#include <utility>

namespace redoubt::enclave {

namespace {

constexpr std::size_t kKeySize = 32;
constexpr std::string_view kPrefix = "session-";
constexpr std::size_t kIdSize = 8 + 16 + 32;

} // namespace

Result<std::string> Sessions::add(Session session, UnixMs now) {
    if (session.key.size() != kKeySize)
        return fail(Code::InvalidField, "a session's key must be of 32 bytes");
    if (session.expires <= now || session.expires - now > kLongestMs)
        return fail(Code::InvalidField, "a session must end later than now, and within 24 hours");
    std::string id = std::string(kPrefix) + to_hex(tag_) + to_hex(random_.array<16>());

    const std::unique_lock lock(mutex_);
    std::erase_if(sessions_, [now](const auto& entry) { return entry.second->expires <= now; });
    const auto of_one = std::ranges::count_if(
        sessions_, [&](const auto& entry) { return entry.second->principal == session.principal; });
    if (static_cast<std::size_t>(of_one) >= kMaxOfOne)
        return fail(Code::TooManyRequests,
                    "this principal has 64 sessions: use one of them, or wait until one ends");
    if (sessions_.size() >= kMaxSessions)
        return fail(Code::TooManyRequests, "the enclave has as many sessions as it keeps: sign with the "
                                           "principal's own key, or wait until one ends");
    sessions_.emplace(id, std::make_shared<const Session>(std::move(session)));
    return id;
}

std::shared_ptr<const Session> Sessions::find(std::string_view id, UnixMs now) const {
    if (id.size() != kIdSize)
        return nullptr;
    const std::shared_lock lock(mutex_);
    const auto found = sessions_.find(id);
    return found != sessions_.end() && found->second->expires > now ? found->second : nullptr;
}

void Sessions::remove_ended(UnixMs now) {
    const std::unique_lock lock(mutex_);
    std::erase_if(sessions_, [now](const auto& entry) { return entry.second->expires <= now; });
}

std::size_t Sessions::size() const {
    const std::shared_lock lock(mutex_);
    return sessions_.size();
}

std::string session_info(const ByteArray<32>& enclave_key, const policy::PublicKey& principal,
                         UnixMs expires) {
    return R"({"enclave":")" + to_hex(enclave_key) + R"(","expires":)" + std::to_string(expires) +
           R"(,"principal":")" + to_hex(policy::principal_digest(principal)) + R"(","redoubt_session":1})";
}

} // namespace redoubt::enclave
