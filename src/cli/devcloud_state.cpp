// SPDX-License-Identifier: Apache-2.0
// redoubt devcloud export and import: its state as one JSON document.
#include "base/secret.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "devcloud/transfer.h"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>

namespace redoubt::cli {

namespace {

struct TransferCommand {
    std::string data_dir, file;
};

int run_export(const TransferCommand& command) {
    auto document = devcloud::export_state(command.data_dir);
    if (!document)
        return report(document.error(), false);
    Status status;
    if (command.file == "-") {
        if (std::fwrite(document->data(), 1, document->size(), stdout) != document->size() ||
            std::fflush(stdout) != 0)
            status = fail(Code::Io, "the export cannot be written to stdout");
    } else {
        status = write_file_atomically(command.file, *document, 0600);
    }
    wipe(*document);
    if (!status)
        return report(status.error(), false);
    std::fprintf(stderr, "redoubt: the export holds keys and secrets in the clear; %s\n",
                 command.file == "-" ? "keep it from others" : "its mode is 0600, keep it so");
    return kExitOk;
}

int run_import(const TransferCommand& command) {
    std::string document;
    if (command.file == "-") {
        document.assign(std::istreambuf_iterator<char>(std::cin), {});
    } else {
        auto text = read_text_file(command.file);
        if (!text)
            return report(text.error(), false);
        document = std::move(*text);
    }
    const auto status = devcloud::import_state(command.data_dir, document);
    wipe(document);
    return status ? kExitOk : report(status.error(), false);
}

} // namespace

void add_devcloud_state(CLI::App& devcloud, Context& context) {
    const auto add = [&](const char* name, const char* what, const char* file,
                         int (*run)(const TransferCommand&)) {
        auto* command = devcloud.add_subcommand(name, what);
        auto options = std::make_shared<TransferCommand>();
        command->add_option("--data-dir", options->data_dir, "devcloud's data folder, not in use")
            ->required();
        command->add_option("file", options->file, file)->required();
        command->callback([&context, options, run] { context.exit_code = run(*options); });
    };
    add("export", "write all state as JSON: keys and secrets in the clear",
        "file to write (mode 0600), or - for stdout", run_export);
    add("import", "read an export into a data folder without a database", "file to read, or - for stdin",
        run_import);
}

} // namespace redoubt::cli
