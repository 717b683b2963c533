// The subcommands: each adds its options to the program, registers the files that they name, and returns what runs it.
#pragma once
#include <functional>

#include "cli/command_files.h"
#include "cli/options.h"

namespace assay {

/// Runs a parsed subcommand; the result is the exit code: 0 fine, 1 a variant failed or a regression, 2 an Error, 130
/// Ctrl-C.
using CommandRun = std::function<int()>;

CommandRun add_probe(Options options, CommandFiles& files);
CommandRun add_devices(Options options, CommandFiles& files);
CommandRun add_selftest(Options options, CommandFiles& files);
CommandRun add_compare(Options options, CommandFiles& files);
CommandRun add_analyze(Options options, CommandFiles& files);
CommandRun add_report(Options options, CommandFiles& files);
CommandRun add_audit(Options options, CommandFiles& files);
CommandRun add_inspect(Options options, CommandFiles& files);
CommandRun add_specs(Options options, CommandFiles& files);
CommandRun add_export(Options options, CommandFiles& files);
CommandRun add_tune(Options options, CommandFiles& files);
CommandRun add_replay(Options options, CommandFiles& files);
CommandRun add_store(Options options, CommandFiles& files);
CommandRun add_table(Options options, CommandFiles& files);
CommandRun add_synth(Options options, CommandFiles& files);
CommandRun add_tokenize(Options options, CommandFiles& files);
CommandRun add_run(Options options, CommandFiles& files);
CommandRun add_chat(Options options, CommandFiles& files);
CommandRun add_bench(Options options, CommandFiles& files);
CommandRun add_logits(Options options, CommandFiles& files);
CommandRun add_opbench(Options options, CommandFiles& files);
CommandRun add_perplexity(Options options, CommandFiles& files);

}  // namespace assay
