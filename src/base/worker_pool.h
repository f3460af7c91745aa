// SPDX-License-Identifier: Apache-2.0
// Threads for work that waits, behind a bounded queue. Destroying the pool finishes what was begun and drops
// the rest.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace redoubt {

class WorkerPool {
  public:
    WorkerPool(int threads, std::size_t max_waiting) : max_waiting_(max_waiting) {
        for (int i = 0; i < threads; ++i)
            threads_.emplace_back([this] { run(); });
    }
    ~WorkerPool() {
        std::deque<std::function<void()>> dropped; // destroyed after the threads, and outside the lock
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
            dropped.swap(jobs_);
        }
        wake_.notify_all();
        for (auto& thread : threads_)
            thread.join();
    }
    WorkerPool(const WorkerPool&) = delete;
    WorkerPool& operator=(const WorkerPool&) = delete;

    // False: the queue is full, the job was not taken.
    bool submit(std::function<void()> job) {
        {
            const std::lock_guard lock(mutex_);
            if (jobs_.size() >= max_waiting_)
                return false;
            jobs_.push_back(std::move(job));
        }
        wake_.notify_one();
        return true;
    }

  private:
    void run() {
        for (;;) {
            std::function<void()> job;
            {
                std::unique_lock lock(mutex_);
                wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
                if (jobs_.empty())
                    return;
                job = std::move(jobs_.front());
                jobs_.pop_front();
            }
            job();
        }
    }

    std::size_t max_waiting_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<std::function<void()>> jobs_;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
};

} // namespace redoubt
