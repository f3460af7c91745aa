// SPDX-License-Identifier: Apache-2.0
#include "client/hpack_filter.h"

namespace redoubt::bench {

namespace {

// Section 6's kinds of fields: the bits that tell them, and how many bits of the first byte are left.
constexpr std::uint8_t kIndexed = 0x80, kIncremental = 0x40, kSizeUpdate = 0x20;
constexpr std::uint64_t kFirstStatus = 8, kLastStatus = 14; // of the static table's names
constexpr std::uint64_t kMost = 1 << 24;

class Reader {
  public:
    explicit Reader(ByteView in) : in_(in) {}
    bool empty() const noexcept { return at_ == in_.size(); }
    std::size_t at() const noexcept { return at_; }
    std::uint8_t peek() const noexcept { return in_[at_]; }
    bool ok() const noexcept { return ok_; }

    std::uint64_t integer(unsigned bits) noexcept { // section 5.1
        const std::uint8_t most = static_cast<std::uint8_t>((1u << bits) - 1);
        std::uint64_t value = next() & most;
        if (value < most)
            return value;
        for (unsigned shift = 0; shift < 28; shift += 7) {
            const std::uint8_t byte = next();
            value += std::uint64_t{byte & 0x7fu} << shift;
            if ((byte & 0x80) == 0)
                return value;
        }
        ok_ = false;
        return 0;
    }
    void skip_string() noexcept { // section 5.2
        const std::uint64_t size = integer(7);
        if (size > kMost || size > in_.size() - at_)
            ok_ = false;
        else
            at_ += size;
    }

  private:
    std::uint8_t next() noexcept {
        if (at_ == in_.size()) {
            ok_ = false;
            return 0;
        }
        return in_[at_++];
    }

    ByteView in_;
    std::size_t at_ = 0;
    bool ok_ = true;
};

} // namespace

bool append_without_literals(ByteView block, std::string& out) {
    const std::size_t before = out.size();
    for (Reader in(block); !in.empty();) {
        const std::size_t begin = in.at();
        const std::uint8_t first = in.peek();
        bool keep = true;
        if ((first & kIndexed) != 0) {
            (void)in.integer(7);
        } else if ((first & kIncremental) == 0 && (first & kSizeUpdate) != 0) {
            (void)in.integer(5);
        } else {
            const bool incremental = (first & kIncremental) != 0;
            const std::uint64_t name = in.integer(incremental ? 6 : 4);
            if (name == 0)
                in.skip_string();
            in.skip_string();
            keep = incremental || (name >= kFirstStatus && name <= kLastStatus);
        }
        if (!in.ok()) {
            out.resize(before);
            return false;
        }
        if (keep)
            out += as_text(block.subspan(begin, in.at() - begin));
    }
    return true;
}

} // namespace redoubt::bench
