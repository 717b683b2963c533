// The subcommands: each adds its options to the program, registers the files that they name, and returns what runs it.
#pragma once
#include <CLI/CLI.hpp>
#include <functional>

#include "cli/command_files.h"

namespace assay {

/// Runs a parsed subcommand; the result is the exit code: 0 fine, 1 a variant failed or a regression, 2 an Error, 130
/// Ctrl-C.
using CommandRun = std::function<int()>;

CommandRun add_probe(CLI::App& command, CommandFiles& files);
CommandRun add_devices(CLI::App& command, CommandFiles& files);
CommandRun add_selftest(CLI::App& command, CommandFiles& files);
CommandRun add_compare(CLI::App& command, CommandFiles& files);
CommandRun add_analyze(CLI::App& command, CommandFiles& files);
CommandRun add_audit(CLI::App& command, CommandFiles& files);
CommandRun add_inspect(CLI::App& command, CommandFiles& files);
CommandRun add_synth(CLI::App& command, CommandFiles& files);
CommandRun add_tokenize(CLI::App& command, CommandFiles& files);

}  // namespace assay
