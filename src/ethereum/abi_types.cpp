// SPDX-License-Identifier: Apache-2.0
// Functions and types as text.
#include "crypto/keccak.h"
#include "ethereum/abi_draft.h"

#include <algorithm>
#include <utility>

namespace redoubt::ethereum::abi {

namespace {

void append_canonical(std::string& out, const Type& type);

void append_list(std::string& out, const std::vector<Type>& types) {
    out.push_back('(');
    for (std::size_t i = 0; i < types.size(); ++i) {
        if (i > 0)
            out.push_back(',');
        append_canonical(out, types[i]);
    }
    out.push_back(')');
}

void append_canonical(std::string& out, const Type& type) {
    switch (type.kind) {
    case Kind::Uint:
        (out += "uint") += std::to_string(type.size);
        return;
    case Kind::Int:
        (out += "int") += std::to_string(type.size);
        return;
    case Kind::FixedBytes:
        (out += "bytes") += std::to_string(type.size);
        return;
    case Kind::Bool:
        out += "bool";
        return;
    case Kind::Address:
        out += "address";
        return;
    case Kind::Bytes:
        out += "bytes";
        return;
    case Kind::String:
        out += "string";
        return;
    case Kind::Function:
        out += "function";
        return;
    case Kind::Tuple:
        append_list(out, type.children);
        return;
    case Kind::Array:
    case Kind::FixedArray:
        for (const auto& element : type.children)
            append_canonical(out, element);
        out.push_back('[');
        if (type.kind == Kind::FixedArray)
            out += std::to_string(type.length);
        out.push_back(']');
        return;
    }
}

bool contains(std::initializer_list<std::string_view> words, std::string_view word) noexcept {
    return std::find(words.begin(), words.end(), word) != words.end();
}

bool is_reserved(std::string_view word) noexcept {
    return is_elementary(word) ||
           contains({"calldata", "memory", "storage", "payable", "indexed", "tuple", "mapping", "returns"},
                    word);
}

// May a data location be said of it? Solidity: of arrays, structs, bytes and strings.
bool is_reference(Kind kind) noexcept {
    return kind == Kind::Bytes || kind == Kind::String || kind == Kind::Array || kind == Kind::FixedArray ||
           kind == Kind::Tuple;
}

class SignatureParser {
  public:
    explicit SignatureParser(std::string_view text) : rest_(text) { next(); }

    Result<Function> function() {
        (void)accept("function");
        if (!is_identifier(token_))
            return fail(Code::InvalidField,
                        "a function is its name and its arguments' types: transfer(address,uint256)");
        Function out;
        out.name = token_;
        next();
        Drafter drafter;
        REDOUBT_TRY(auto inputs, parameters(drafter, 0));
        REDOUBT_TRY(out.inputs, Drafter::list(std::move(inputs)));
        REDOUBT_CHECK(after_arguments());
        return out;
    }

  private:
    // One token: a word, a number, a character of the grammar, or nothing at the end of the text.
    void next() {
        const auto space = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
        while (!rest_.empty() && space(rest_[0]))
            rest_.remove_prefix(1);
        std::size_t size = 0;
        while (size < rest_.size() && is_name_part(rest_[size]))
            ++size;
        if (size == 0 && !rest_.empty())
            size = 1;
        token_ = rest_.substr(0, size);
        rest_.remove_prefix(size);
    }

    bool accept(std::string_view token) {
        if (token_ != token)
            return false;
        next();
        return true;
    }

    // In parentheses; `depth` tuples are around them.
    Result<std::vector<Draft>> parameters(Drafter& drafter, std::size_t depth) {
        std::vector<Draft> out;
        if (!accept("("))
            return fail(Code::InvalidField, "a function's arguments are in parentheses after its name");
        if (accept(")"))
            return out;
        do {
            REDOUBT_TRY(auto draft, parameter(drafter, depth));
            out.push_back(std::move(draft));
        } while (accept(","));
        if (!accept(")"))
            return fail(Code::InvalidField, "an argument is a type and perhaps a name, and a comma or a "
                                            "closing parenthesis follows it");
        return out;
    }

    Result<Draft> parameter(Drafter& drafter, std::size_t depth) {
        Draft draft;
        if (accept("tuple") || token_ == "(") {
            if (depth == kMaxDepth)
                return fail(Code::InvalidField, "tuples and arrays nest at most 16 deep");
            REDOUBT_TRY(auto components, parameters(drafter, depth + 1));
            REDOUBT_TRY(draft, drafter.tuple(std::move(components)));
        } else {
            REDOUBT_TRY(draft, drafter.elementary(token_));
            next();
            if (draft.type.kind == Kind::Address)
                (void)accept("payable");
        }
        while (accept("[")) {
            std::optional<std::string_view> length;
            if (token_ != "]") {
                length = token_;
                next();
            }
            if (!accept("]"))
                return fail(Code::InvalidField, "an array is [] or [LENGTH] after the type of its elements");
            REDOUBT_CHECK(drafter.wrap(draft, length));
        }
        if (token_ == "storage")
            return fail(Code::InvalidField, "functions with storage arguments are a library's own and not "
                                            "of the contract ABI");
        if (is_reference(draft.type.kind) && (token_ == "calldata" || token_ == "memory"))
            next();
        if (is_identifier(token_)) {
            if (is_reserved(token_))
                return fail(Code::InvalidField, "an argument is named like a type or another word of "
                                                "signatures; is a comma missing?");
            draft.type.name = token_;
            next();
        }
        return draft;
    }

    Status after_arguments() {
        bool visibility = false, mutability = false, is_virtual = false, overrides = false, returns = false;
        const auto once = [](bool& seen) { return !std::exchange(seen, true); };
        while (is_identifier(token_)) {
            const std::string_view word = token_;
            next();
            bool fits = false;
            if (contains({"external", "public"}, word)) {
                fits = once(visibility);
            } else if (contains({"view", "pure", "payable", "nonpayable", "constant"}, word)) {
                fits = once(mutability);
            } else if (word == "virtual") {
                fits = once(is_virtual);
            } else if (word == "override") {
                fits = once(overrides);
            } else if (word == "returns" && once(returns)) {
                Drafter drafter;
                REDOUBT_TRY(auto outputs, parameters(drafter, 0));
                REDOUBT_CHECK(Drafter::list(std::move(outputs)));
                fits = true;
            }
            if (!fits)
                return fail(Code::InvalidField, "after a function's arguments come external or public, its "
                                                "mutability, virtual, override, returns (...), each once");
        }
        (void)accept(";");
        if (!token_.empty())
            return fail(Code::InvalidField, "the signature of a function goes on where it should end");
        return {};
    }

    std::string_view token_;
    std::string_view rest_;
};

} // namespace

std::string canonical(const Type& type) {
    std::string out;
    append_canonical(out, type);
    return out;
}

std::string Function::signature() const {
    std::string out = name;
    append_list(out, inputs);
    return out;
}

ByteArray<4> Function::selector() const {
    const Hash32 hash = crypto::keccak256(as_bytes(signature()));
    return {hash[0], hash[1], hash[2], hash[3]};
}

Result<Function> parse_function(std::string_view text) {
    if (text.size() > kMaxSignature)
        return fail(Code::InvalidField, "the signature of a function has at most 4096 characters");
    return SignatureParser(text).function();
}

} // namespace redoubt::ethereum::abi
