// SPDX-License-Identifier: Apache-2.0
#include "host/nitro_cli.h"

#include "base/bytes.h"
#include "base/json.h"

#include <algorithm>
#include <optional>

namespace redoubt::host::nitro_cli {

namespace {

constexpr json::Limits kLimits{.bytes = 256 * 1024, .depth = 16, .values = 16 * 1024};
constexpr std::size_t kMaxEnclaves = 64; // Nitro runs four on one host
constexpr std::size_t kMaxName = 256;
constexpr std::size_t kPcrDigits = 96;
constexpr std::size_t kMaxMessage = 400; // of nitro-cli's own words in an error's context

std::unexpected<Error> unreadable(std::string_view what) {
    return fail(Code::RunnerFailed,
                "nitro-cli's answer is not as expected: this version of nitro-cli may be too old or too new",
                std::string(what));
}

// Reads the members of one object; the first that is not as it should be is kept.
class Members {
  public:
    explicit Members(const json::Value& object) : object_(object) {
        if (!object.is_object())
            wrong_ = "an object is missing";
    }
    // Not empty, without control characters: names are free text of whoever started the enclave.
    std::string text(std::string_view name, bool needed = true) {
        const auto value = take(name, needed);
        if (!value)
            return {};
        const std::string_view text = value->text();
        if (!value->is_string() || text.empty() || text.size() > kMaxName ||
            !std::all_of(text.begin(), text.end(),
                         [](char c) { return static_cast<unsigned char>(c) >= ' ' && c != 0x7f; }))
            refuse(name);
        return std::string(text);
    }
    // "i-…-enc…". It becomes an argument of nitro-cli.
    std::string id() {
        const std::string id = text("EnclaveID");
        if (!id.starts_with("i-") || !std::all_of(id.begin(), id.end(), [](char c) {
                return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
            }))
            refuse("EnclaveID");
        return id;
    }
    std::uint64_t number(std::string_view name, std::uint64_t limit = UINT64_MAX) {
        const auto value = take(name, true);
        const auto number = value ? value->u64() : std::nullopt;
        if (value && (!number || *number > limit))
            refuse(name);
        return number.value_or(0);
    }
    bool boolean(std::string_view name) {
        const auto value = take(name, true);
        if (value && !value->is_bool())
            refuse(name);
        return value && value->is_bool() && value->boolean();
    }
    std::vector<std::uint64_t> numbers(std::string_view name) {
        std::vector<std::uint64_t> out;
        const auto value = take(name, true);
        if (value && !value->is_array())
            refuse(name);
        if (!value || !value->is_array())
            return out;
        for (const auto item : *value) {
            const auto number = item.u64();
            if (!number)
                refuse(name);
            out.push_back(number.value_or(0));
        }
        return out;
    }
    std::optional<json::Value> any(std::string_view name) { return take(name, false); }
    // The last is "any" (vsock(7)).
    std::uint32_t cid() {
        const std::uint64_t cid = number("EnclaveCID", UINT32_MAX - 1);
        return static_cast<std::uint32_t>(cid);
    }
    void refuse(std::string_view name) {
        if (wrong_.empty())
            wrong_ = "member " + std::string(name);
    }
    // Every member was asked for, and all were right.
    Status finish() {
        if (wrong_.empty() && object_.size() != taken_)
            wrong_ = "a member that is not known";
        if (!wrong_.empty())
            return unreadable(wrong_);
        return {};
    }

  private:
    std::optional<json::Value> take(std::string_view name, bool needed) {
        const auto value = object_.get(name);
        if (value)
            ++taken_;
        else if (needed)
            refuse(name);
        return value;
    }
    const json::Value& object_;
    std::size_t taken_ = 0;
    std::string wrong_;
};

Result<json::Value> parse(json::Document& document, std::string_view text) {
    auto root = document.parse(text, kLimits);
    if (!root)
        return unreadable(root.error().text.view());
    return *root;
}

bool is_pcr(std::string_view text) {
    return text.size() == kPcrDigits && std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

Result<std::string> pcr0_of(const json::Value& value) {
    Members members(value);
    // "Sha384 { ... }": the name of a type of the Rust library that computes it.
    const auto algorithm = members.any("HashAlgorithm");
    if (!algorithm || !algorithm->is_string() || !algorithm->text().starts_with("Sha384"))
        members.refuse("HashAlgorithm");
    std::string pcr0;
    for (const char* name : {"PCR0", "PCR1", "PCR2", "PCR8"}) {
        const bool needed = std::string_view(name) != "PCR8";
        const std::string pcr = members.text(name, needed);
        if ((needed || !pcr.empty()) && !is_pcr(pcr))
            members.refuse(name);
        if (std::string_view(name) == "PCR0")
            pcr0 = pcr;
    }
    REDOUBT_CHECK(members.finish());
    return pcr0;
}

Result<Described> described_of(const json::Value& value) {
    Members members(value);
    Described out;
    out.name = members.text("EnclaveName", false);
    out.id = members.id();
    out.process_id = members.number("ProcessID");
    out.cid = members.cid();
    (void)members.number("NumberOfCPUs");
    (void)members.numbers("CPUIDs");
    (void)members.number("MemoryMiB");
    const std::string state = members.text("State");
    if (state == "RUNNING")
        out.state = Described::State::Running;
    else if (state == "TERMINATING")
        out.state = Described::State::Terminating;
    else if (state != "EMPTY")
        members.refuse("State");
    const std::string flags = members.text("Flags");
    out.debug = flags == "DEBUG_MODE";
    if (!out.debug && flags != "NONE")
        members.refuse("Flags");
    const auto measurements = members.any("Measurements");
    if (measurements) {
        REDOUBT_TRY(out.pcr0, pcr0_of(*measurements));
    }
    // Free text of whoever built the image; it decides nothing here.
    (void)members.any("ImageName");
    (void)members.any("ImageVersion");
    (void)members.any("Metadata");
    REDOUBT_CHECK(members.finish());
    return out;
}

struct Explained {
    std::string_view code;
    FixedText text;
};

// Each code is described at https://docs.aws.amazon.com/enclaves/latest/user/cli-errors.html
constexpr Explained kExplained[] = {
    {"E05", "nitro-cli could not start its enclave process: look whether the machine is out of processes or "
            "memory"},
    {"E07", "nitro-cli cannot read /run/nitro_enclaves: run as root or as a member of the group ne"},
    {"E18", "nitro-cli cannot write its log: /var/log/nitro_enclaves belongs to another user"},
    {"E19", "nitro-cli cannot read the image file or write its log: check the paths and rights"},
    {"E20", "a CPU is named twice: give each once"},
    {"E21", "a CPU is not in the pool: name it in cpu_pool of /etc/nitro_enclaves/allocator.yaml and restart "
            "nitro-enclaves-allocator"},
    {"E22",
     "too few CPUs are free for the enclave: raise cpu_count in /etc/nitro_enclaves/allocator.yaml and "
     "restart nitro-enclaves-allocator, or run fewer enclaves"},
    {"E26", "the enclave has too little memory for its image: raise --memory"},
    {"E27", "too little memory is set aside for enclaves: raise memory_mib in "
            "/etc/nitro_enclaves/allocator.yaml and restart nitro-enclaves-allocator, or run fewer enclaves"},
    {"E28", "the kernel makes no enclave: start the instance with enclave options enabled, and look whether "
            "the CID is in use"},
    {"E29", "the Nitro driver refused a step: look into /var/log/nitro_enclaves/nitro_enclaves.log"},
    {"E31", "the Nitro driver took no memory: set aside contiguous huge pages by restarting "
            "nitro-enclaves-allocator, or reboot the machine"},
    {"E32", "the Nitro driver took no CPU: both threads of a core go together, so give CPUs in pairs"},
    {"E33", "the Nitro hypervisor did not start the enclave: look whether another enclave has its CID, or "
            "memory and CPUs are too few"},
    {"E35", "the image file cannot be read as an image: check it with redoubt eif verify"},
    {"E36", "the enclave did not boot: check the image with redoubt eif verify, raise --memory, and look at "
            "its console in debug mode"},
    {"E37", "nitro-cli lost sight of the enclave: look whether its process was killed"},
    {"E38", "an enclave's process does not answer nitro-cli: end it by its id, or reboot the machine"},
    {"E39",
     "nitro-cli cannot reach an enclave's process: it may have been killed, or belong to another user; "
     "remove its socket in /run/nitro_enclaves if its process is gone"},
    {"E44", "the console of an enclave can only be read in debug mode"},
    {"E58", "an enclave of that name is not there, or the name is in use: nitro-cli describe-enclaves lists "
            "them"},
};

} // namespace

Result<Run> parse_run(std::string_view text) {
    json::Document document;
    REDOUBT_TRY(const auto root, parse(document, text));
    Members members(root);
    Run out;
    out.name = members.text("EnclaveName");
    out.id = members.id();
    out.process_id = members.number("ProcessID");
    out.cid = members.cid();
    out.cpus = members.number("NumberOfCPUs");
    out.cpu_ids = members.numbers("CPUIDs");
    out.memory_mib = members.number("MemoryMiB");
    REDOUBT_CHECK(members.finish());
    return out;
}

Result<std::vector<Described>> parse_describe(std::string_view text) {
    json::Document document;
    REDOUBT_TRY(const auto root, parse(document, text));
    if (!root.is_array() || root.size() > kMaxEnclaves)
        return unreadable("the answer is no list of enclaves");
    std::vector<Described> out;
    for (const auto item : root) {
        REDOUBT_TRY(Described one, described_of(item));
        if (std::any_of(out.begin(), out.end(), [&](const Described& other) { return other.id == one.id; }))
            return unreadable("two enclaves with one id");
        out.push_back(std::move(one));
    }
    return out;
}

Result<std::string> parse_terminate(std::string_view text) {
    json::Document document;
    REDOUBT_TRY(const auto root, parse(document, text));
    Members members(root);
    (void)members.text("EnclaveName", false);
    std::string id = members.id();
    const bool terminated = members.boolean("Terminated");
    REDOUBT_CHECK(members.finish());
    if (!terminated)
        return fail(Code::RunnerFailed, "nitro-cli did not end the enclave: end it by hand with its id", id);
    return id;
}

std::string error_code(std::string_view err) {
    for (std::size_t at = err.find("[ E"); at != std::string_view::npos; at = err.find("[ E", at + 1)) {
        const std::string_view code = err.substr(at + 2, 5); // "E36 ]"
        if (code.size() == 5 && code[1] >= '0' && code[1] <= '9' && code[2] >= '0' && code[2] <= '9' &&
            code.substr(3) == " ]")
            return std::string(code.substr(0, 3));
    }
    return {};
}

Error explain(std::string_view err) {
    const std::string code = error_code(err);
    // From the code on, printable: it goes into logs.
    const std::size_t at = code.empty() ? 0 : err.find("[ " + code);
    std::string said;
    for (const char c : err.substr(at, kMaxMessage))
        said.push_back(c >= ' ' && c < 0x7f ? c : ' ');
    for (const Explained& one : kExplained)
        if (one.code == code)
            return {Code::RunnerFailed, one.text, said};
    return {Code::RunnerFailed,
            "nitro-cli failed: its words follow, and its log is in /var/log/nitro_enclaves", said};
}

} // namespace redoubt::host::nitro_cli
