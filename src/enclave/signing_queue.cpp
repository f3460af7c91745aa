// SPDX-License-Identifier: Apache-2.0
#include "enclave/signing_queue.h"

#include <algorithm>
#include <iterator>

namespace redoubt::enclave {

namespace {

constexpr std::size_t kMostSpare = 1'024;
constexpr std::size_t kBlanksAtOnce = 32;
constexpr std::size_t kMostSpareBytes = 4 * 1024; // of one payload: few requests are longer

} // namespace

void SigningQueue::blanks(std::vector<TaskPtr>& out) {
    {
        const std::lock_guard lock(mutex_);
        const std::size_t count = std::min(spare_.size(), kBlanksAtOnce);
        std::move(spare_.end() - static_cast<std::ptrdiff_t>(count), spare_.end(), std::back_inserter(out));
        spare_.resize(spare_.size() - count);
    }
    if (out.empty())
        out.push_back(std::make_unique<SigningTask>());
}

void SigningQueue::recycle(std::vector<TaskPtr>& tasks) {
    for (TaskPtr& task : tasks) {
        task->connection.reset(); // perhaps its end: not under the lock
        task->client.reset();
        task->number.reset();
        if (task->payload.capacity() > kMostSpareBytes)
            task.reset();
    }
    std::erase(tasks, nullptr);
    {
        const std::lock_guard lock(mutex_);
        const std::size_t count = std::min(tasks.size(), kMostSpare - spare_.size());
        std::move(tasks.begin(), tasks.begin() + static_cast<std::ptrdiff_t>(count),
                  std::back_inserter(spare_));
    }
    tasks.clear();
}

void SigningQueue::push(std::vector<TaskPtr>& tasks, std::size_t own) {
    std::size_t wanted = 0;
    {
        const std::lock_guard lock(mutex_);
        std::size_t bytes = bytes_;
        for (TaskPtr& task : tasks) {
            bytes += task->payload.size();
            waiting_.push_back(std::move(task));
        }
        bytes_ = bytes;
        size_ = waiting_.size();
        wanted = std::min(sleeping_, waiting_.size() - std::min(own, waiting_.size()));
    }
    tasks.clear();
    for (std::size_t i = 0; i < wanted; ++i)
        wake_.notify_one();
}

// So few that the others find some, too.
void SigningQueue::take(std::vector<TaskPtr>& out) {
    const std::size_t share = std::min((waiting_.size() + signers_ - 1) / signers_, kMostTogether);
    std::size_t taken = 0;
    for (std::size_t i = 0; i < share; ++i) {
        const std::size_t size = waiting_.front()->payload.size();
        if (i > 0 && taken + size > kMostBytesTogether)
            break;
        taken += size;
        out.push_back(std::move(waiting_.front()));
        waiting_.pop_front();
    }
    bytes_ = bytes_ - taken;
    size_ = waiting_.size();
}

bool SigningQueue::try_pop(std::vector<TaskPtr>& out) {
    const std::lock_guard lock(mutex_);
    if (waiting_.empty())
        return false;
    take(out);
    return true;
}

bool SigningQueue::pop(std::vector<TaskPtr>& out) {
    std::unique_lock lock(mutex_);
    ++sleeping_;
    wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    --sleeping_;
    if (stopping_)
        return false;
    take(out);
    return true;
}

void SigningQueue::stop() {
    std::deque<TaskPtr> dropped; // their connections may end with them: outside the lock
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        dropped.swap(waiting_);
        size_ = 0;
        bytes_ = 0;
    }
    wake_.notify_all();
}

} // namespace redoubt::enclave
