// SPDX-License-Identifier: Apache-2.0
// What the linked libsecp256k1 does by itself, which everything else is measured against: signatures a second
// with its own nonce function and with ours (crypto/nonce.h), and with a verification of each, on one core
// and on all. A verification is the library's plain one, which is the cheapest; the service recovers the key
// instead (crypto/secp256k1.h), which is shown beside it. Medians of several short windows, taken in turns,
// as the machine's speed drifts.
#include "base/clock.h"
#include "crypto/secp256k1.h"

#include <secp256k1.h>
#include <secp256k1_recovery.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <sched.h>
#include <string_view>
#include <thread>
#include <vector>

namespace redoubt::crypto {
namespace {

constexpr int kTrials = 5;

enum class Work { Sign, SignStockNonce, SignVerify, SignRecover };
constexpr Work kWorks[] = {Work::Sign, Work::SignStockNonce, Work::SignVerify, Work::SignRecover};
constexpr const char* kNames[] = {"sign", "sign_stock_nonce", "sign_verify", "sign_recover"};
constexpr const char* kTexts[] = {"sign", "sign, the library's own nonce function", "sign + verify",
                                  "sign + recover the key"};

void must(bool condition, const char* what) {
    if (condition)
        return;
    std::fprintf(stderr, "curve_bench: %s\n", what);
    std::exit(1);
}

// Signs one digest after the other until told to stop; returns how many.
std::uint64_t run(Work work, std::uint8_t thread, const std::atomic<bool>& stop) {
    secp256k1_context* context = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
    const Hash32 seed{7, thread};
    must(secp256k1_context_randomize(context, seed.data()) == 1, "cannot blind the context");
    Hash32 key{}, digest{};
    key.fill(static_cast<std::uint8_t>(0x11 + thread));
    secp256k1_pubkey expected;
    must(secp256k1_ec_pubkey_create(context, &expected, key.data()) == 1, "the bench's own key");
    const secp256k1_nonce_function nonce =
        work == Work::SignStockNonce ? secp256k1_nonce_function_rfc6979 : checked_nonce_function();
    std::uint64_t done = 0;
    for (; !stop.load(std::memory_order_relaxed); ++done) {
        std::memcpy(digest.data(), &done, sizeof done);
        secp256k1_ecdsa_recoverable_signature made;
        must(secp256k1_ecdsa_sign_recoverable(context, &made, digest.data(), key.data(), nonce, nullptr) == 1,
             "signing failed");
        if (work == Work::SignVerify) {
            secp256k1_ecdsa_signature plain;
            secp256k1_ecdsa_recoverable_signature_convert(context, &plain, &made);
            must(secp256k1_ecdsa_verify(context, &plain, digest.data(), &expected) == 1,
                 "a signature is wrong");
        } else if (work == Work::SignRecover) {
            secp256k1_pubkey signer;
            must(secp256k1_ecdsa_recover(context, &signer, &made, digest.data()) == 1 &&
                     secp256k1_ec_pubkey_cmp(context, &signer, &expected) == 0,
                 "a signature is wrong");
        }
    }
    secp256k1_context_destroy(context);
    return done;
}

double rate(Work work, unsigned int threads, int ms) {
    std::atomic<bool> stop = false;
    std::atomic<std::uint64_t> done = 0;
    std::vector<std::thread> all;
    const std::int64_t begin = monotonic_us();
    for (unsigned int i = 0; i < threads; ++i)
        all.emplace_back([&, i] { done += run(work, static_cast<std::uint8_t>(i), stop); });
    std::this_thread::sleep_for(std::chrono::milliseconds(ms));
    stop = true;
    for (auto& thread : all)
        thread.join();
    return 1e6 * static_cast<double>(done) / static_cast<double>(monotonic_us() - begin);
}

struct Rates {
    double of[std::size(kWorks)];
};

Rates measure(unsigned int threads, int ms) {
    std::vector<double> seen[std::size(kWorks)];
    for (int trial = -1; trial < kTrials; ++trial) // the first one warms up
        for (std::size_t i = 0; i < std::size(kWorks); ++i) {
            const double measured = rate(kWorks[i], threads, ms);
            if (trial >= 0)
                seen[i].push_back(measured);
        }
    Rates out{};
    for (std::size_t i = 0; i < std::size(kWorks); ++i) {
        std::ranges::sort(seen[i]);
        out.of[i] = seen[i][kTrials / 2];
    }
    return out;
}

void print_json(std::string_view library, const Rates& one, const Rates& all, unsigned int threads) {
    std::printf(R"({"library":"%.*s","threads":%u)", static_cast<int>(library.size()), library.data(),
                threads);
    for (std::size_t i = 0; i < std::size(kWorks); ++i)
        std::printf(R"(,"%s_per_s":%.0f)", kNames[i], all.of[i]);
    std::printf(R"(,"one_thread":{)");
    for (std::size_t i = 0; i < std::size(kWorks); ++i)
        std::printf(R"(%s"%s_per_s":%.0f)", i == 0 ? "" : ",", kNames[i], one.of[i]);
    std::printf("}}\n");
}

void print_table(std::string_view library, const Rates& one, const Rates& all, unsigned int threads) {
    std::printf("libsecp256k1 %-26.*s %10s %8s %6u cores %8s\n", static_cast<int>(library.size()),
                library.data(), "one core", "ratio", threads, "ratio");
    for (std::size_t i = 0; i < std::size(kWorks); ++i)
        std::printf("%-39s %8.0f/s %8.2f %10.0f/s %8.2f\n", kTexts[i], one.of[i], one.of[i] / one.of[0],
                    all.of[i], all.of[i] / all.of[0]);
}

// How long whoever runs here is kept from it: by the kernel, or by the host of a virtual machine, which no
// counter tells. One thread a core does nothing but look at the clock; to look again after more than kStop is
// to have been stopped.
constexpr std::int64_t kStopNs = 300'000;

struct Stops {
    std::int64_t count = 0, total_ns = 0, longest_ns = 0;
};

std::int64_t now_ns() {
    return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

Stops watch_clock(unsigned int core, int ms) {
    cpu_set_t own;
    CPU_ZERO(&own);
    CPU_SET(core, &own);
    must(sched_setaffinity(0, sizeof own, &own) == 0, "cannot stay on a core");
    Stops out;
    const std::int64_t end = now_ns() + std::int64_t{ms} * 1'000'000;
    for (std::int64_t last = now_ns(); last < end;) {
        const std::int64_t now = now_ns(), passed = now - last;
        if (passed > kStopNs) {
            ++out.count;
            out.total_ns += passed;
            out.longest_ns = std::max(out.longest_ns, passed);
        }
        last = now;
    }
    return out;
}

void print_stops(unsigned int threads, int ms, bool json) {
    std::vector<Stops> seen(threads);
    std::vector<std::thread> all;
    for (unsigned int i = 0; i < threads; ++i)
        all.emplace_back([&, i] { seen[i] = watch_clock(i, ms); });
    for (auto& thread : all)
        thread.join();
    Stops sum;
    for (const auto& each : seen) {
        sum.count += each.count;
        sum.total_ns += each.total_ns;
        sum.longest_ns = std::max(sum.longest_ns, each.longest_ns);
    }
    const double share = static_cast<double>(sum.total_ns) / (1e6 * ms * threads);
    const double mean =
        sum.count == 0 ? 0 : 1e-3 * static_cast<double>(sum.total_ns) / static_cast<double>(sum.count);
    const double longest = 1e-3 * static_cast<double>(sum.longest_ns);
    std::printf(json ? "{\"threads\":%u,\"ms\":%d,\"share\":%.5f,\"mean_us\":%.0f,\"longest_us\":%.0f}\n"
                     : "%u cores, %d ms: stopped for %.5f of the time, %.0f us each, the longest %.0f us\n",
                threads, ms, share, mean, longest);
}

} // namespace
} // namespace redoubt::crypto

int main(int argc, char** argv) {
    using namespace redoubt::crypto;
    bool json = false, stops = false, wrong = false;
    int ms = 300;
    unsigned int threads = std::max(1u, std::thread::hardware_concurrency());
    for (int i = 1; i < argc; ++i) {
        const std::string_view argument = argv[i];
        if (argument == "--json")
            json = true;
        else if (argument == "--stops")
            stops = true;
        else if (argument == "--ms" && i + 1 < argc)
            ms = std::atoi(argv[++i]);
        else if (argument == "--threads" && i + 1 < argc)
            threads = static_cast<unsigned int>(std::max(0, std::atoi(argv[++i])));
        else
            wrong = true;
    }
    if (wrong || ms <= 0 || threads == 0 || threads > 256) {
        std::fputs(
            "curve_bench [--json] [--ms MILLISECONDS] [--threads N]: what libsecp256k1 does by itself;\n"
            "five windows (300 ms each) of every kind, on one core and on N (all)\n"
            "curve_bench --stops …: for how much of so long the machine keeps N busy threads from running\n",
            stderr);
        return 2;
    }
    if (stops) {
        print_stops(threads, ms, json);
        return 0;
    }
    const Rates one = measure(1, ms);
    const Rates all = threads == 1 ? one : measure(threads, ms);
    (json ? print_json : print_table)(secp256k1_library(), one, all, threads);
    return 0;
}
