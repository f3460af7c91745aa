// SPDX-License-Identifier: Apache-2.0
#include "ethereum/abi_layout.h"

#include <algorithm>

namespace redoubt::ethereum::abi {

namespace {

// Has it the size, the length and the children of its kind?
bool is_well_formed(const Type& type) noexcept {
    const bool numbered = type.kind == Kind::Uint || type.kind == Kind::Int;
    const bool array = type.kind == Kind::Array || type.kind == Kind::FixedArray;
    if (numbered && (type.size == 0 || type.size > 256 || type.size % 8 != 0))
        return false;
    if (type.kind == Kind::FixedBytes && (type.size == 0 || type.size > 32))
        return false;
    if (type.kind == Kind::FixedArray && type.length > kMaxLength)
        return false;
    if (array)
        return type.children.size() == 1;
    return type.kind == Kind::Tuple || type.children.empty();
}

std::uint64_t sum_of_heads(const std::vector<Layout>& layouts) noexcept {
    std::uint64_t out = 0;
    for (const auto& layout : layouts)
        out += layout.head; // at most kMaxTypes · kUnreachable
    return std::min(out, kUnreachable);
}

class Planner {
  public:
    Result<std::vector<Layout>> list(const std::vector<Type>& types, std::size_t depth) {
        if (types.size() > left_)
            return fail(Code::InvalidField, "a type of the function is malformed or out of bounds");
        left_ -= types.size();
        std::vector<Layout> out;
        out.reserve(types.size());
        for (const auto& type : types) {
            REDOUBT_TRY(auto layout, one(type, depth));
            out.push_back(std::move(layout));
        }
        return out;
    }

  private:
    Result<Layout> one(const Type& type, std::size_t depth) {
        const bool nests = type.kind == Kind::Tuple || !type.children.empty();
        if (!is_well_formed(type) || (nests && depth == kMaxDepth))
            return fail(Code::InvalidField, "a type of the function is malformed or out of bounds");
        Layout out;
        out.type = &type;
        REDOUBT_TRY(out.children, list(type.children, depth + 1));
        out.dynamic = is_dynamic(type);
        if (type.kind == Kind::Tuple)
            out.heads = sum_of_heads(out.children);
        else if (type.kind == Kind::FixedArray) // at most kMaxLength · kUnreachable
            out.heads = std::min(type.length * out.children[0].head, kUnreachable);
        else
            out.heads = 32;
        out.head = out.dynamic ? 32 : out.heads;
        out.text = type.name.size() + canonical(type).size();
        return out;
    }

    std::size_t left_ = kMaxTypes;
};

} // namespace

bool is_dynamic(const Type& type) noexcept {
    if (type.kind == Kind::FixedArray || type.kind == Kind::Tuple)
        return std::any_of(type.children.begin(), type.children.end(), is_dynamic);
    return type.kind == Kind::Bytes || type.kind == Kind::String || type.kind == Kind::Array;
}

Result<Layout> layout_of(const Function& function) {
    Layout out;
    REDOUBT_TRY(out.children, Planner().list(function.inputs, 0));
    out.heads = sum_of_heads(out.children);
    return out;
}

} // namespace redoubt::ethereum::abi
