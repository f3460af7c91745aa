// SPDX-License-Identifier: Apache-2.0
// A message's header fields in their order, several of one name among them. What clear() takes out leaves its
// memory to what comes next, so that a message which is used again allocates nothing. Not thread-safe.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace redoubt::net {

struct Header {
    std::string name;  // lower-case
    std::string value; // surrounding white space removed
};

class Headers {
  public:
    using value_type = Header;
    using iterator = Header*;
    using const_iterator = const Header*;

    Headers() = default;
    Headers(std::vector<Header> all) noexcept : all_(std::move(all)), size_(all_.size()) {}
    Headers(std::initializer_list<Header> all) : all_(all), size_(all_.size()) {}
    Headers(const Headers& other) : all_(other.begin(), other.end()), size_(other.size_) {}
    Headers(Headers&& other) noexcept : all_(std::move(other.all_)), size_(std::exchange(other.size_, 0)) {}
    Headers& operator=(Headers other) noexcept {
        all_.swap(other.all_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~Headers() = default;

    Header* begin() noexcept { return all_.data(); }
    Header* end() noexcept { return all_.data() + size_; }
    const Header* begin() const noexcept { return all_.data(); }
    const Header* end() const noexcept { return all_.data() + size_; }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    Header& operator[](std::size_t at) noexcept { return all_[at]; }
    const Header& operator[](std::size_t at) const noexcept { return all_[at]; }
    Header& front() noexcept { return all_.front(); }
    Header& back() noexcept { return all_[size_ - 1]; }

    void clear() noexcept { size_ = 0; }
    void reserve(std::size_t count) { all_.reserve(count); }
    // One that says nothing yet.
    Header& add() {
        if (size_ == all_.size())
            all_.emplace_back();
        Header& out = all_[size_++];
        out.name.clear();
        out.value.clear();
        return out;
    }
    Header& add(std::string_view name, std::string_view value) {
        Header& out = add();
        out.name = name;
        out.value = value;
        return out;
    }
    void push_back(Header header) { add() = std::move(header); }
    void truncate(std::size_t size) noexcept { size_ = std::min(size, size_); }

    // What it holds memory for, in use or not.
    std::size_t capacity_bytes() const noexcept {
        std::size_t out = all_.capacity() * sizeof(Header);
        for (const auto& header : all_)
            out += header.name.capacity() + header.value.capacity();
        return out;
    }

  private:
    std::vector<Header> all_; // from size_ on: of no meaning
    std::size_t size_ = 0;
};

// As std::erase_if of a vector.
template<class Predicate>
std::size_t erase_if(Headers& headers, Predicate predicate) {
    Header* const last = std::remove_if(headers.begin(), headers.end(), std::move(predicate));
    const auto out = static_cast<std::size_t>(headers.end() - last);
    headers.truncate(static_cast<std::size_t>(last - headers.begin()));
    return out;
}

} // namespace redoubt::net
