// SPDX-License-Identifier: Apache-2.0
#include "enclave/signing_queue.h"

#include <algorithm>

namespace redoubt::enclave {

namespace {

constexpr std::size_t kMostSpare = 1'024;
constexpr std::size_t kMostSpareBytes = 4 * 1024; // of one payload: few requests are longer

} // namespace

SigningQueue::TaskPtr SigningQueue::blank() {
    {
        const std::lock_guard lock(mutex_);
        if (!spare_.empty()) {
            TaskPtr task = std::move(spare_.back());
            spare_.pop_back();
            return task;
        }
    }
    return std::make_unique<SigningTask>();
}

void SigningQueue::recycle(TaskPtr task) {
    task->connection.reset(); // perhaps its end: not under the lock
    task->client.reset();
    task->number.reset();
    if (task->payload.capacity() > kMostSpareBytes)
        return;
    const std::lock_guard lock(mutex_);
    if (spare_.size() < kMostSpare)
        spare_.push_back(std::move(task));
}

void SigningQueue::push(std::vector<TaskPtr>& tasks, std::size_t own) {
    std::size_t wanted = 0;
    {
        const std::lock_guard lock(mutex_);
        for (TaskPtr& task : tasks) {
            bytes_ += task->payload.size();
            waiting_.push_back(std::move(task));
        }
        wanted = std::min(sleeping_, waiting_.size() - std::min(own, waiting_.size()));
    }
    tasks.clear();
    for (std::size_t i = 0; i < wanted; ++i)
        wake_.notify_one();
}

SigningQueue::TaskPtr SigningQueue::take() {
    TaskPtr task = std::move(waiting_.front());
    waiting_.pop_front();
    bytes_ -= task->payload.size();
    return task;
}

SigningQueue::TaskPtr SigningQueue::try_pop() {
    const std::lock_guard lock(mutex_);
    return waiting_.empty() ? nullptr : take();
}

SigningQueue::TaskPtr SigningQueue::pop() {
    std::unique_lock lock(mutex_);
    ++sleeping_;
    wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    --sleeping_;
    return stopping_ ? nullptr : take();
}

void SigningQueue::stop() {
    std::deque<TaskPtr> dropped; // their connections may end with them: outside the lock
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        dropped.swap(waiting_);
        bytes_ = 0;
    }
    wake_.notify_all();
}

std::size_t SigningQueue::size() const {
    const std::lock_guard lock(mutex_);
    return waiting_.size();
}

std::size_t SigningQueue::bytes() const {
    const std::lock_guard lock(mutex_);
    return bytes_;
}

} // namespace redoubt::enclave
