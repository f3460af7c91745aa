// SPDX-License-Identifier: Apache-2.0
// Random policies and requests, judged twice: by the evaluator, and by a plain reading of the policy's JSON
// (naive_evaluator.h).
#include "ethereum/abi.h"
#include "ethereum/typed_data.h"
#include "naive_evaluator.h"
#include "verdicts.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <random>

namespace redoubt::policy::test {
namespace {

std::mt19937_64& random_source() {
    static std::mt19937_64 source; // NOLINT: the seed is set, and printed
    return source;
}
std::size_t pick(std::size_t below) {
    return random_source()() % below;
}
template<class T>
const T& one_of(const std::vector<T>& list) {
    return list[pick(list.size())];
}

const std::vector<std::string> kNumbers = {"0", "1", "2", "9", "10", "255", "9007199254740991", kMost};
const std::vector<std::string> kSmall = {"-128", "-10", "-9", "-1", "0", "1", "9", "10", "127"};
const std::vector<std::string> kAddresses = {"0x1111111111111111111111111111111111111111",
                                             "0x2222222222222222222222222222222222222222",
                                             "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"};
const std::vector<std::string> kByteStrings = {"0x", "0x00", "0xaa", "0xaabb", "0xaabbcc"};
const std::vector<std::string> kTexts = {"a", "ab", "b", "ba", "ab ab"};

const std::string kKeys[] = {"0x" + std::string(64, 'a'), "0x" + std::string(64, 'b'),
                             "0x" + std::string(64, 'c')};

Node leaf(Kind kind) {
    switch (kind) {
    case Kind::Uint:
        return {kind, one_of(kNumbers), {}, {}};
    case Kind::Int:
        return {kind, one_of(kSmall), {}, {}};
    case Kind::Bool:
        return {kind, pick(2) == 0 ? "true" : "false", {}, {}};
    case Kind::Address:
        return {kind, one_of(kAddresses), {}, {}};
    case Kind::Bytes:
        return {kind, one_of(kByteStrings), {}, {}};
    default:
        return {Kind::Text, one_of(kTexts), {}, {}};
    }
}

// f(uint256 amount, int8 small, address[] to, Item[] items, bool ok); Item: bytes data, string note,
// uint256[] sizes.
constexpr std::string_view kSignature =
    "f(uint256 amount,int8 small,address[] to,(bytes data,string note,uint256[] sizes)[] items,bool ok)";
constexpr std::string_view kTypes =
    R"({"F":[{"name":"amount","type":"uint256"},{"name":"small","type":"int8"},{"name":"to","type":"address[]"},)"
    R"({"name":"items","type":"Item[]"},{"name":"ok","type":"bool"}],"Item":[{"name":"data","type":"bytes"},)"
    R"({"name":"note","type":"string"},{"name":"sizes","type":"uint256[]"}]})";

Node list_of(const std::function<Node()>& make) {
    Node out{Kind::List, {}, {}, {}};
    for (std::size_t i = pick(4); i > 0; --i)
        out.children.push_back(make());
    return out;
}

Node random_tree() {
    const auto item = [] {
        return Node{Kind::Tuple,
                    {},
                    {leaf(Kind::Bytes), leaf(Kind::Text), list_of([] { return leaf(Kind::Uint); })},
                    {"data", "note", "sizes"}};
    };
    return {Kind::Tuple,
            {},
            {leaf(Kind::Uint), leaf(Kind::Int), list_of([] { return leaf(Kind::Address); }), list_of(item),
             leaf(Kind::Bool)},
            {"amount", "small", "to", "items", "ok"}};
}

std::string as_json(const Node& node) {
    if (node.kind == Kind::Bool)
        return node.text;
    if (node.kind != Kind::List && node.kind != Kind::Tuple)
        return "\"" + node.text + "\"";
    std::string out;
    for (std::size_t i = 0; i < node.children.size(); ++i) {
        out += i == 0 ? "" : ",";
        if (node.kind == Kind::Tuple)
            out += "\"" + node.names[i] + "\":";
        out += as_json(node.children[i]);
    }
    return node.kind == Kind::List ? "[" + out + "]" : "{" + out + "}";
}

ethereum::Uint256 number_of(const std::string& text) {
    return text.starts_with('-') ? ethereum::negated(*ethereum::from_decimal(text.substr(1)))
                                 : *ethereum::from_decimal(text);
}

// `keep` holds the bytes that the value views.
ethereum::abi::Value as_value(const Node& node, const ethereum::abi::Type& type, std::deque<Bytes>& keep) {
    ethereum::abi::Value out;
    out.type = &type;
    if (node.kind == Kind::Uint || node.kind == Kind::Int)
        out.number = number_of(node.text);
    else if (node.kind == Kind::Bool)
        out.number = node.text == "true" ? 1 : 0;
    else if (node.kind == Kind::Address)
        out.number = *ethereum::from_big_endian(*from_hex0x(node.text));
    else if (node.kind == Kind::Bytes)
        out.bytes = keep.emplace_back(*from_hex0x(node.text));
    else if (node.kind == Kind::Text)
        out.bytes = keep.emplace_back(to_bytes(node.text));
    for (std::size_t i = 0; i < node.children.size(); ++i)
        out.children.push_back(
            as_value(node.children[i], type.children[node.kind == Kind::Tuple ? i : 0], keep));
    return out;
}

std::string in_quotes(const std::string& text) {
    return "\"" + text + "\"";
}

std::string list_of_operands(const std::vector<std::string>& from, std::size_t most) {
    std::vector<std::string> left = from;
    std::shuffle(left.begin(), left.end(), random_source());
    std::string out;
    for (std::size_t i = 0, count = 1 + pick(most); i < count; ++i)
        out += (i == 0 ? "" : ",") + in_quotes(left[i]);
    return "[" + out + "]";
}

std::string random_test(Kind kind) {
    const auto& values = kind == Kind::Uint      ? kNumbers
                         : kind == Kind::Int     ? kSmall
                         : kind == Kind::Address ? kAddresses
                         : kind == Kind::Bytes   ? kByteStrings
                                                 : kTexts;
    if (kind == Kind::Bool)
        return pick(2) == 0 ? R"({"is":true})" : R"({"is":false})";
    switch (pick(5)) {
    case 0:
        return R"({"is":)" +
               (kind == Kind::Address && pick(2) == 0 ? "\"@book\"" : in_quotes(one_of(values))) + "}";
    case 1:
        return R"({"in":)" + list_of_operands(values, 3) + "}";
    case 2:
        return R"({"not_in":)" + list_of_operands(values, 3) + "}";
    case 3:
        if (kind == Kind::Address)
            return R"({"in":["@book"],"not_in":)" + list_of_operands(values, 2) + "}";
        if (kind == Kind::Bytes || kind == Kind::Text)
            return R"({"starts_with":)" + in_quotes(kind == Kind::Bytes ? "0xaa" : "a") + "}";
        return R"({"at_least":)" + in_quotes(values[pick(4)]) + R"(,"at_most":)" +
               in_quotes(values[4 + pick(4)]) + "}";
    default:
        if (kind == Kind::Uint || kind == Kind::Int)
            return (pick(2) == 0 ? R"({"at_least":)" : R"({"at_most":)") + in_quotes(one_of(values)) + "}";
        return R"({"not_in":)" + list_of_operands(values, 1) + "}";
    }
}

struct Place {
    std::string path;
    Kind kind;
};
const std::vector<Place> kPlaces = {{".amount", Kind::Uint},
                                    {".small", Kind::Int},
                                    {".to[all]", Kind::Address},
                                    {".to[any]", Kind::Address},
                                    {".to[0]", Kind::Address},
                                    {".to[-1]", Kind::Address},
                                    {".to.length", Kind::Uint},
                                    {".items.length", Kind::Uint},
                                    {".items[all].data", Kind::Bytes},
                                    {".items[any].note", Kind::Text},
                                    {".items[1].note", Kind::Text},
                                    {".items[-2].data.length", Kind::Uint},
                                    {".items[all].sizes[any]", Kind::Uint},
                                    {".items[any].sizes[all]", Kind::Uint},
                                    {".items[0].sizes[-1]", Kind::Uint},
                                    {".items[any].note.length", Kind::Uint},
                                    {".ok", Kind::Bool}};
const std::vector<Place> kFields = {
    {"transaction.value", Kind::Uint},     {"transaction.chain_id", Kind::Uint},
    {"transaction.gas_price", Kind::Uint}, {"transaction.to", Kind::Address},
    {"transaction.deploys", Kind::Bool},   {"transaction.data_size", Kind::Uint}};

std::string random_rule(std::size_t index, bool& with_function) {
    const bool allow = pick(3) != 0;
    with_function = pick(3) == 0;
    const std::size_t about = with_function ? 0 : pick(3); // transactions, typed data, messages
    std::map<std::string, std::string> conditions;
    for (std::size_t i = pick(4); i > 0; --i) {
        Place place{"message_text", Kind::Text};
        if (pick(6) == 0) {
            conditions["time"] = pick(2) == 0 ? R"({"from":500})" : R"({"from":100,"before":800})";
            continue;
        }
        if (about == 0)
            place = one_of(kFields);
        if (with_function && pick(3) != 0) {
            place = one_of(kPlaces);
            place.path = "call" + place.path;
        } else if (about == 1) {
            place = one_of(kPlaces);
            place.path = (pick(8) == 0 ? "message.wrong" : "message") + place.path;
            if (pick(8) == 0)
                place.kind = static_cast<Kind>(pick(6)); // of another type than the request's
        }
        conditions[place.path] = random_test(place.kind);
    }
    std::string out =
        R"({"name":"r)" + std::to_string(index) + R"(","effect":")" + (allow ? "allow" : "deny") + "\",";
    if (with_function)
        out += R"("function":")" + std::string(kSignature) + "\",";
    const std::vector<std::string> who = {R"(["anyone"])", R"(["host"])", R"(["host:app","a"])",
                                          R"(["a","b"])"};
    out += R"("principals":)" + one_of(who) + R"(,"operations":)";
    const std::string operations[] = {R"(["sign-transaction"])", R"(["sign-typed-data"])",
                                      R"(["sign-message"])"};
    out += with_function || pick(4) != 0 ? operations[about] : R"(["any"])";
    std::string list;
    for (const auto& [field, test] : conditions)
        list += (list.empty() ? "" : ",") + in_quotes(field) + ":" + test;
    return out + (list.empty() ? "" : R"(,"conditions":{)" + list + "}") + "}";
}

std::string random_policy() {
    std::string rules;
    for (std::size_t i = 0, count = 1 + pick(5); i < count; ++i) {
        bool with_function = false;
        rules += (i == 0 ? "" : ",") + random_rule(i, with_function);
    }
    return R"({"redoubt_policy":1,"principals":[{"id":"a","algorithm":"ed25519","public_key":")" + kKeys[0] +
           R"("},{"id":"b","algorithm":"ed25519","public_key":")" + kKeys[1] +
           R"("}],"addresses":{"book":["0x2222222222222222222222222222222222222222",)"
           R"("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"]},"rules":[)" +
           rules + "]}";
}

// A request both ways: as the model has it and as the evaluator does.
struct Case {
    Request request;
    Facts facts;
    ethereum::Transaction transaction;
    Bytes message;
    std::string typed_data;
    json::Document json;
    PublicKey key;
};

void random_transaction(Case& out) {
    static const auto function = ethereum::abi::parse_function(kSignature);
    out.request.operation = "sign-transaction";
    ethereum::Transaction& to = out.transaction;
    to = transfer();
    const Node value = leaf(Kind::Uint);
    to.value = number_of(value.text);
    to.chain_id = 1 + pick(2);
    if (pick(3) == 0) {
        to.type = ethereum::TransactionType::Legacy;
        to.gas_price = pick(3);
        if (pick(2) == 0)
            to.chain_id.reset();
    }
    if (pick(6) == 0)
        to.to.reset();
    else
        to.to = *to_array<20>(*from_hex0x(one_of(kAddresses)));
    if (pick(4) != 0) {
        out.request.arguments = random_tree();
        out.request.other_function = pick(6) == 0 || !to.to;
        out.request.not_strict = pick(6) == 0;
        std::deque<Bytes> keep;
        std::vector<ethereum::abi::Value> values;
        for (std::size_t i = 0; i < function->inputs.size(); ++i)
            values.push_back(as_value(out.request.arguments->children[i], function->inputs[i], keep));
        to.data = to_bytes(ByteView(function->selector()));
        append(to.data, ethereum::abi::encode_arguments(values));
        if (to.to && out.request.other_function)
            to.data[pick(4)] ^= 0x40;
        if (out.request.not_strict)
            to.data.push_back(0);
    }
    auto& fields = out.request.fields;
    const auto number = [](std::uint64_t n) { return Node{Kind::Uint, std::to_string(n), {}, {}}; };
    fields["transaction.value"] = value;
    fields["transaction.chain_id"] =
        to.chain_id ? std::optional(number(to.chain_id->limbs[0])) : std::nullopt;
    fields["transaction.gas_price"] = to.type == ethereum::TransactionType::Legacy
                                          ? std::optional(number(to.gas_price.limbs[0]))
                                          : std::nullopt;
    fields["transaction.to"] =
        to.to ? std::optional(Node{Kind::Address, to_hex0x(*to.to), {}, {}}) : std::nullopt;
    fields["transaction.deploys"] = Node{Kind::Bool, to.to ? "false" : "true", {}, {}};
    fields["transaction.data_size"] = number(to.data.size());
    out.facts.operation = Operation::SignTransaction;
    out.facts.transaction = &to;
}

void random_typed_data(Case& out) {
    out.request.operation = "sign-typed-data";
    const Node message = random_tree();
    out.typed_data = R"({"types":)" + std::string(kTypes) +
                     R"(,"primaryType":"F","domain":{"name":"x"},"message":)" + as_json(message) + "}";
    const auto root = out.json.parse(out.typed_data);
    ASSERT_TRUE(root) << out.typed_data;
    ASSERT_TRUE(ethereum::typed_data_digest(*root)) << out.typed_data;
    out.request.fields["message"] = message;
    out.facts.operation = Operation::SignTypedData;
    out.facts.typed_data = *root;
}

void random_request(Case& out) {
    switch (pick(3)) {
    case 0:
        random_transaction(out);
        break;
    case 1:
        random_typed_data(out);
        break;
    default:
        out.request.operation = "sign-message";
        out.request.fields["message_text"] = leaf(Kind::Text);
        out.message = to_bytes(out.request.fields["message_text"]->text);
        out.facts.operation = Operation::SignMessage;
        out.facts.message = out.message;
    }
    out.facts.now = out.request.now = static_cast<UnixMs>(pick(10)) * 100;
    switch (pick(4)) {
    case 0:
        break;
    case 1:
        out.facts.asker.host_name = pick(2) == 0 ? "app" : "other";
        out.request.asker = "host:" + std::string(out.facts.asker.host_name);
        break;
    default: {
        const std::string& text = kKeys[pick(3)];
        out.request.asker = "key:" + text;
        out.key = {KeyAlgorithm::Ed25519, *from_hex0x(text)};
        out.facts.asker.key = &out.key;
    }
    }
}

TEST(PolicyProperty, the_evaluator_agrees_with_a_plain_reading_of_the_policy) {
    constexpr std::uint64_t kSeed = 20'261'129;
    std::cout << "seed " << kSeed << "\n";
    random_source().seed(kSeed);
    std::size_t denied = 0, allowed = 0, neither = 0;
    for (int i = 0; i < 2500 && !testing::Test::HasFailure(); ++i) {
        const std::string text = random_policy();
        const Document document = parsed(text);
        json::Document reader;
        const auto policy = reader.parse(text);
        ASSERT_TRUE(policy);
        for (int j = 0; j < 4; ++j) {
            Case each;
            random_request(each);
            const Answer expected = naive(*policy, each.request);
            const Verdict verdict = evaluate(document, each.facts);
            Answer got;
            if (verdict.denied_by != nullptr)
                got.denied_by = verdict.denied_by->name;
            for (const Candidate& candidate : verdict.candidates)
                got.candidates.push_back(candidate.rule->name);
            ASSERT_EQ(got.denied_by, expected.denied_by)
                << text << "\n"
                << each.typed_data << to_hex(each.transaction.data) << each.request.asker;
            ASSERT_EQ(got.candidates, expected.candidates)
                << text << "\n"
                << each.typed_data << to_hex(each.transaction.data) << each.request.asker;
            ++(verdict.denied_by != nullptr ? denied : verdict.allowed() ? allowed : neither);
        }
    }
    // All three happen often.
    EXPECT_GT(denied, 500u);
    EXPECT_GT(allowed, 1000u);
    EXPECT_GT(neither, 1000u);
}

} // namespace
} // namespace redoubt::policy::test
