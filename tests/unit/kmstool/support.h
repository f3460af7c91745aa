// SPDX-License-Identifier: Apache-2.0
// A command line as main gets it: writable texts.
#pragma once

#include "kmstool/kmstool.h"

#include <gtest/gtest.h>
#include <map>
#include <string>
#include <vector>

namespace redoubt::kmstool::tests {

class CommandLine {
  public:
    explicit CommandLine(std::vector<std::string> words) : words_(std::move(words)) {
        for (auto& word : words_)
            pointers_.push_back(word.data());
    }
    std::span<char* const> arguments() const { return pointers_; }
    const std::string& operator[](std::size_t i) const { return words_[i]; }

  private:
    std::vector<std::string> words_;
    std::vector<char*> pointers_;
};

class TestVariables {
  public:
    TestVariables() = default;
    TestVariables(std::initializer_list<std::pair<const std::string, std::string>> values)
        : values_(values) {}
    Variables lookup() {
        return [this](const char* name) {
            const auto found = values_.find(name);
            return found == values_.end() ? nullptr : found->second.data();
        };
    }
    const std::string& operator[](const char* name) const { return values_.at(name); }

  private:
    std::map<std::string, std::string> values_;
};

inline std::expected<Options, Saying> read(std::vector<std::string> words, TestVariables variables = {},
                                           Program program = Program::Production) {
    const CommandLine line(std::move(words));
    return read_options(line.arguments(), variables.lookup(), program);
}

inline const std::vector<std::string> kCredentials{"--aws-access-key-id",     "AKIATEST",
                                                   "--aws-secret-access-key", "SecretOfATest/+",
                                                   "--aws-session-token",     "TokenOfATest=="};

// COMMAND, credentials, the rest.
inline std::vector<std::string> words(const std::string& command, const std::vector<std::string>& rest) {
    std::vector<std::string> out{command};
    out.insert(out.end(), kCredentials.begin(), kCredentials.end());
    out.insert(out.end(), rest.begin(), rest.end());
    return out;
}

inline std::string text_of(const Secret& secret) {
    return std::string(secret.text(SecretAccess("compare it in a test")));
}

} // namespace redoubt::kmstool::tests
