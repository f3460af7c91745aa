// SPDX-License-Identifier: Apache-2.0
#include "client/spec.h"

#include "base/json.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>

namespace redoubt::bench {

namespace {

double number_of(const json::Value& of, std::string_view name, double otherwise) {
    const auto value = of.get(name);
    if (!value)
        return otherwise;
    const std::string text(value->text());
    char* end = nullptr;
    const double number = std::strtod(text.c_str(), &end);
    if (!value->is_number() || *end != '\0' || number < 0)
        die(std::string(name) + " is no number from 0 on");
    return number;
}

std::size_t count_of(const json::Value& of, std::string_view name, std::size_t otherwise) {
    const auto value = of.get(name);
    if (!value)
        return otherwise;
    const auto number = value->u64();
    if (!number || *number > 1'000'000)
        die(std::string(name) + " is no integer up to 1,000,000");
    return *number;
}

std::string text_of(const json::Value& of, std::string_view name, std::string_view otherwise) {
    const auto value = of.get(name);
    if (value && !value->is_string())
        die(std::string(name) + " is no string");
    return std::string(value ? value->text() : otherwise);
}

std::string text_of(const json::Value& of, std::string_view name) {
    const std::string text = text_of(of, name, "");
    if (text.empty())
        die(std::string(name) + " is missing");
    return text;
}

template<class T>
T one_of(const std::string& text, std::initializer_list<std::pair<std::string_view, T>> choices) {
    for (const auto& [name, value] : choices)
        if (name == text)
            return value;
    die("there is no choice " + text);
}

void only(const json::Value& of, std::initializer_list<std::string_view> members) {
    if (const auto status = json::check_members(of, members); !status)
        die("the specification, or a part of it, has a member that is not known: " + std::string(of.raw()));
}

PrincipalSpec read_principal(const json::Value& of) {
    only(of, {"kind", "keyid", "key_file", "sessions"});
    using Kind = PrincipalSpec::Kind;
    PrincipalSpec out;
    out.kind = one_of<Kind>(
        text_of(of, "kind"),
        {{"host", Kind::Host}, {"session", Kind::Session}, {"p256", Kind::Key}, {"ed25519", Kind::Key}});
    if (out.kind == Kind::Host)
        return out;
    out.key_id = text_of(of, "keyid");
    out.key_file = text_of(of, "key_file");
    out.sessions = std::max<std::size_t>(count_of(of, "sessions", 1), 1);
    return out;
}

StepSpec read_step(const json::Value& of) {
    only(of, {"mode", "warmup_s", "seconds", "trials", "rate", "times", "arrivals", "turn_us", "resumed",
              "count"});
    StepSpec out;
    out.mode = one_of<Mode>(text_of(of, "mode"), {{"closed", Mode::Closed},
                                                  {"open", Mode::Open},
                                                  {"handshakes", Mode::Handshakes},
                                                  {"create", Mode::Create}});
    out.warmup_s = number_of(of, "warmup_s", 0);
    out.seconds = number_of(of, "seconds", 0);
    out.trials = count_of(of, "trials", 1);
    out.rate = number_of(of, "rate", 0);
    out.times = number_of(of, "times", 0);
    out.turn_us = static_cast<std::int64_t>(count_of(of, "turn_us", 250));
    out.poisson = one_of<bool>(text_of(of, "arrivals", "even"), {{"even", false}, {"poisson", true}});
    if (const auto resumed = of.get("resumed"))
        out.resumed = resumed->boolean();
    out.count = count_of(of, "count", 0);
    if (out.mode == Mode::Create) {
        if (out.count == 0)
            die("a step that makes keys needs a count");
        return out;
    }
    if (out.seconds <= 0 || out.trials == 0)
        die("a step needs seconds and trials above 0");
    if (out.mode == Mode::Open && (out.rate > 0) == (out.times > 0))
        die("an open step has either a rate or times");
    return out;
}

std::vector<Hash32> read_pins(const json::Value& of) {
    only(of, {"pins"});
    std::vector<Hash32> out;
    if (const auto pins = of.get("pins"))
        for (const auto pin : *pins) {
            Hash32 digest{};
            if (!from_hex_exact(pin.text(), digest))
                die("a pin is 64 hexadecimal digits: a key's SHA-256");
            out.push_back(digest);
        }
    if (out.empty())
        die("tls_enclave names no pins");
    return out;
}

} // namespace

void die(const std::string& what) {
    std::fprintf(stderr, "bench_client: %s\n", what.c_str());
    std::exit(2);
}

std::string read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in)
        die("cannot read " + path);
    return {std::istreambuf_iterator<char>(in), {}};
}

Spec read_spec(const std::string& path) {
    const std::string text = read_file(path);
    json::Document document;
    const auto root = document.parse(text);
    if (!root)
        die("the specification is no JSON");
    only(*root,
         {"url", "ca", "tls_enclave", "protocol", "connections", "streams", "operation", "batch", "keys_file",
          "pick", "seed", "principal", "headers", "prepare_per_s", "allocations", "create_body", "steps"});
    Spec out;
    const auto url = net::parse_url(text_of(*root, "url"));
    if (!url || !url->tls)
        die("url is no https:// URL");
    out.url = *url;
    out.protocol = one_of<Protocol>(text_of(*root, "protocol", "http/1.1"),
                                    {{"http/1.1", Protocol::Http1}, {"h2", Protocol::Http2}});
    out.connections = std::max<std::size_t>(count_of(*root, "connections", 1), 1);
    out.streams = std::max<std::size_t>(count_of(*root, "streams", 1), 1);
    if (out.protocol == Protocol::Http1 && out.streams != 1)
        die("http/1.1 has one request in flight on a connection");
    out.operation =
        one_of<Operation>(text_of(*root, "operation"), {{"v1-sign-transaction", Operation::SignTransaction},
                                                        {"rpc", Operation::Rpc},
                                                        {"rpc-batch", Operation::RpcBatch},
                                                        {"create-keys", Operation::CreateKeys}});
    if (out.operation == Operation::RpcBatch)
        out.batch = std::max<std::size_t>(count_of(*root, "batch", 100), 1);
    if (out.batch > 1'000)
        die("a batch has at most 1,000 calls");
    out.keys_file = text_of(*root, "keys_file");
    out.pick = one_of<Pick>(text_of(*root, "pick", "first"),
                            {{"first", Pick::First}, {"uniform", Pick::Uniform}, {"zipf", Pick::Zipf}});
    out.seed = count_of(*root, "seed", 1);
    out.prepare_per_s = count_of(*root, "prepare_per_s", 0);
    if (const auto principal = root->get("principal"))
        out.principal = read_principal(*principal);
    if (out.principal.kind != PrincipalSpec::Kind::Host && out.operation != Operation::SignTransaction)
        die("what is not v1-sign-transaction is not signed");
    if (const auto headers = root->get("headers"))
        for (const auto header : *headers)
            out.headers.emplace_back(header.name(), header.text());
    if (const auto counted = root->get("allocations"))
        for (const auto process : *counted)
            for (const auto file : process)
                out.allocations.emplace_back(process.name(), file.text());
    if (const auto pinned = root->get("tls_enclave"))
        out.pins = read_pins(*pinned);
    if (out.pins.empty())
        out.ca_pem = read_file(text_of(*root, "ca"));
    if (const auto steps = root->get("steps"))
        for (const auto step : *steps)
            out.steps.push_back(read_step(step));
    for (const auto& step : out.steps)
        if (step.mode != Mode::Handshakes &&
            (step.mode == Mode::Create) != (out.operation == Operation::CreateKeys))
            die("the operation create-keys has steps that create, and no other has them");
    if (const auto body = root->get("create_body"))
        out.create_body = body->raw();
    if (out.steps.empty())
        die("there are no steps");
    return out;
}

} // namespace redoubt::bench
