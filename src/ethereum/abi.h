// SPDX-License-Identifier: Apache-2.0
// Contract ABI (Solidity's "Contract ABI Specification"), as far as decoding calldata needs it: what a call
// means, given the function. Policies and decoded replies build on it. Malformed calldata is reported, never
// fatal, and bounded in depth, size and count. Thread-safe.
#pragma once

#include "base/json.h"
#include "ethereum/address.h"
#include "ethereum/uint256.h"

#include <string>
#include <vector>

namespace redoubt::ethereum::abi {

inline constexpr std::size_t kMaxDepth = 16;       // tuples and arrays around a value
inline constexpr std::size_t kMaxTypes = 256;      // in one function's arguments, nested ones counted
inline constexpr std::size_t kMaxLength = 1 << 20; // of T[n]
inline constexpr std::size_t kMaxValues = 8192;    // decoded from one calldata; arrays, tuples and elements
                                                   // without bytes count
inline constexpr std::size_t kMaxText = 1 << 20;   // characters of names and types that write_call_json gives
inline constexpr std::size_t kMaxName = 256;       // characters
inline constexpr std::size_t kMaxSignature = 4096; // characters
inline constexpr std::size_t kMaxAbiTypes = 8192;  // in all functions of one JSON ABI, nested ones counted
inline constexpr std::size_t kMaxFunctions = 1024; // in one JSON ABI

enum class Kind : std::uint8_t {
    Uint,
    Int,
    Bool,
    Address,
    FixedBytes,
    Bytes,
    String,
    Array,
    FixedArray,
    Tuple,
    Function
};

// The functions below want types within the bounds above, as every parse_… gives them; decode_call alone
// looks itself, and refuses others.
struct Type {
    Kind kind = Kind::Uint;
    std::uint16_t size = 0;     // Uint, Int: bits (8 … 256, by 8); FixedBytes: bytes (1 … 32)
    std::uint32_t length = 0;   // FixedArray: elements, 0 … kMaxLength
    std::vector<Type> children; // Array, FixedArray: one; Tuple: any number
    std::string name;           // the argument's or component's; may be empty
    bool operator==(const Type&) const = default;
};

struct Function {
    std::string name;
    std::vector<Type> inputs;

    std::string signature() const; // canonical: "transfer(address,uint256)"
    ByteArray<4> selector() const; // first four bytes of keccak256(signature)
};

std::string canonical(const Type& type); // "(address,uint256[2])[]"

// "transfer(address,uint256)", with or without the word `function`, argument names, `calldata` or `memory`,
// `address payable`, `tuple` before a tuple's parenthesis, and what follows the arguments (`external` or
// `public`, mutability, `virtual`, `override`, `returns (…)`, a semicolon). `uint`, `int` and `byte` are read
// as Solidity does: uint256, int256, bytes1. Refused are
//  - `fixed` and `ufixed`: no Solidity compiles them;
//  - names of structs, enums and contracts: the ABI has their types, which the text doesn't tell;
//  - `storage`: of libraries only, where it is a part of the signature and changes the selector;
//  - names that are types or the grammar's own words (a comma is missing), and one name for two arguments or
//    for two components of a tuple: rules that use names must not be ambiguous.
// Error: InvalidField.
Result<Function> parse_function(std::string_view text);
// An entry of type "function" of a contract's JSON ABI: `name`, `inputs`, and of each input `type`, `name`
// (may be absent) and a tuple's `components`. Types are as above; names are any identifiers, but not twice in
// one list. Other members are ignored: compilers add some. Error: InvalidField.
Result<Function> parse_function(const json::Value& entry);
// A whole JSON ABI: entries of other types than "function" are skipped. Errors: InvalidField; TooLarge above
// kMaxFunctions or kMaxAbiTypes; AmbiguousField when two functions have one selector.
Result<std::vector<Function>> parse_abi(const json::Value& array);

// A decoded value; what it holds is told by its type.
struct Value {
    const Type* type = nullptr; // of the Function, which must outlive it unchanged
    Uint256 number;             // Uint, Bool (0, 1), Address (as a number); Int: two's complement of 256 bits
    ByteView bytes;             // FixedBytes, Bytes, String, Function: views the calldata
    std::vector<Value> children;
};

// Decodes all of `calldata` after its selector by the strict encoding: offsets exactly where the canonical
// encoder puts them (so: ascending, no gap, nothing shared), padding zero, bool 0 or 1, integers within their
// width, addresses of 20 bytes, strings UTF-8, nothing after the last byte. What it accepts, encode_arguments
// gives back byte for byte. Contracts themselves read more than this; whoever needs such a call signed needs
// a rule that does not look into its arguments. Errors: InvalidField (another selector, malformed, or a type
// out of bounds), TooLarge (kMaxValues, kMaxText).
Result<std::vector<Value>> decode_call(const Function& function, ByteView calldata);

// The arguments, without selector. Of values as decode_call gives them: each with its type, what that type
// says within its range, and as many children as it has elements. Others give some other bytes.
Bytes encode_arguments(const std::vector<Value>& values);

// {"function": "transfer(address,uint256)", "name": …, "selector": "0x…", "arguments": [{"name": …, "type":
// …, "value": …}, …]}, of what decode_call gave for this function. The value is for integers a decimal
// string, for bool true or false, for bytes and function 0x-hex, for addresses the checksummed form, for
// string the string, for arrays an array of values, and for tuples an array of objects like those in
// "arguments". At most 2·kMaxDepth + 3 arrays and objects deep.
void write_call_json(json::Writer& writer, const Function& function, const std::vector<Value>& values);

} // namespace redoubt::ethereum::abi
