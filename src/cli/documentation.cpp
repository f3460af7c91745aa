// SPDX-License-Identifier: Apache-2.0
// Shell completion and man pages, written from the same definitions as --help.
#include "cli/client.h"
#include "cli/commands.h"

#include <CLI/CLI.hpp>

#include <cstdio>

namespace redoubt::cli {

namespace {

// Not those that only the program itself starts.
bool shown(const CLI::App* command) {
    return !command->get_group().empty();
}

std::string words(const CLI::App& command) {
    std::string out;
    for (const CLI::App* sub : command.get_subcommands(shown))
        out += sub->get_name() + " ";
    for (const CLI::Option* option : command.get_options())
        for (const auto& name : option->get_lnames())
            out += "--" + name + " ";
    return out;
}

// One case for each command path: "key create" → its words.
void completion_cases(const CLI::App& command, const std::string& path, std::string& out) {
    out += "    \"" + path + "\") words=\"" + words(command) + "\" ;;\n";
    for (const CLI::App* sub : command.get_subcommands(shown))
        completion_cases(*sub, path.empty() ? sub->get_name() : path + " " + sub->get_name(), out);
}

std::string bash_completion(const CLI::App& app) {
    std::string cases;
    completion_cases(app, "", cases);
    return "# redoubt completion for bash: source <(redoubt completion)\n"
           "_redoubt() {\n"
           "  local path=\"\" words=\"\" i\n"
           "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
           "    case \"${COMP_WORDS[i]}\" in -*) ;; *) path=\"${path:+$path }${COMP_WORDS[i]}\" ;; esac\n"
           "  done\n"
           "  case \"$path\" in\n" +
           cases +
           "  esac\n"
           "  COMPREPLY=($(compgen -W \"$words\" -f -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
           "}\n"
           "complete -F _redoubt redoubt\n";
}

std::string roff(std::string text) {
    std::string out;
    for (const char c : text) {
        if (c == '-' || c == '\\')
            out += '\\';
        out += c;
        if (c == '\n')
            out += ".br\n";
    }
    return out;
}

void man_command(const CLI::App& command, const std::string& path, std::string& out) {
    out += ".SS \"" + path + "\"\n" + roff(command.get_description()) + "\n";
    for (const CLI::Option* option : command.get_options()) {
        if (option->get_name(false, true) == "--help")
            continue;
        out +=
            ".TP\n.B " + roff(option->get_name(true, true)) + "\n" + roff(option->get_description()) + "\n";
    }
    if (!command.get_footer().empty())
        out += ".PP\n" + roff(command.get_footer()) + "\n";
    for (const CLI::App* sub : command.get_subcommands(shown))
        man_command(*sub, path + " " + sub->get_name(), out);
}

std::string man_page(const CLI::App& app) {
    std::string out = ".TH REDOUBT 1 \"\" \"redoubt " REDOUBT_VERSION
                      "\"\n.SH NAME\nredoubt \\- Ethereum signing in an "
                      "attested enclave\n.SH DESCRIPTION\n" +
                      roff(app.get_description()) + "\n.SH COMMANDS\n";
    for (const CLI::App* sub : app.get_subcommands(shown))
        man_command(*sub, "redoubt " + sub->get_name(), out);
    out += ".SH EXIT STATUS\n" + roff(app.get_footer()) + "\n";
    return out;
}

} // namespace

void add_documentation(CLI::App& app, Context& context) {
    auto* completion =
        app.add_subcommand("completion", "print shell completion for bash: source <(redoubt completion)");
    completion->callback([&app, &context] {
        std::fputs(bash_completion(app).c_str(), stdout);
        context.exit_code = kExitOk;
    });
    auto* man = app.add_subcommand("man", "print the manual page: redoubt man | man -l -");
    man->callback([&app, &context] {
        std::fputs(man_page(app).c_str(), stdout);
        context.exit_code = kExitOk;
    });
}

} // namespace redoubt::cli
