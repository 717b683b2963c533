// The program: the table of subcommands, and the one place that catches Error.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <list>
#include <new>
#include <string>

#include "base/error.h"
#include "base/interruption.h"
#include "base/memory.h"
#include "base/standard_streams.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/installation.h"
#include "cli/number_option.h"
#include "cli/version.h"
#include "store/database.h"

namespace assay {
namespace {

struct CommandEntry {
  const char* name;
  const char* summary;
  CommandRun (*add)(Options, CommandFiles&);
};

constexpr CommandEntry kCommands[] = {
    {"probe", "measure kernel variants on a model's matmul shapes, prove each result, rank them", add_probe},
    {"devices", "what this machine has, and what its memory and arithmetic were measured to reach", add_devices},
    {"selftest", "run kernels that are wrong on purpose: each must be caught, on this machine", add_selftest},
    {"compare", "two stores or JSON reports: which cases became faster or slower, and how sure that is", add_compare},
    {"analyze", "what a trace of a run says: where the time went, by kernel, shape and backend", add_analyze},
    {"report", "one page to look at: stores, traces, tables as pictures, in a file of its own", add_report},
    {"audit", "a probe log judged anew: wrong rows, crowns that sit on them, the corrected ranking", add_audit},
    {"inspect", "a model file (GGUF): its network, tensors and types, and what a decode step reads of it", add_inspect},
    {"specs", "what a model file's step computes: every op as a spec line, as a table or a workload file", add_specs},
    {"export", "winners as source with a C header and tests, for an engine that knows nothing of assay", add_export},
    {"tune", "the fastest proved kernel for each op of a model, as a dispatch table that is proved in context",
     add_tune},
    {"replay", "a whole step as one program: what it takes against the sum of its ops, and what submitting costs",
     add_replay},
    {"store", "results of several machines in one file", add_store},
    {"table", "a dispatch table: its entries with their evidence, whether it holds here, what two have apart",
     add_table},
    {"synth", "write a model file of a known shape and type with drawn weights, to try and measure with", add_synth},
    {"tokenize", "text to the tokens of a model file, and back", add_tokenize},
    {"run", "a model answers a prompt: streamed text, its speed, a trace", add_run},
    {"chat", "a talk with a model over several turns", add_chat},
    {"bench", "a model's speed: prompts and decoding, tokens per second and GB/s", add_bench},
    {"logits", "what a model makes of given tokens: every logit, as float32", add_logits},
    {"opbench", "21 operations by several frameworks (LibTorch, oneDNN, our own), proved and timed", add_opbench},
    {"perplexity", "how well a model foretells a text: perplexity, with its uncertainty", add_perplexity},
};

constexpr char kFooter[] = R"(Begin with:
  assay probe                                   three Qwen2.5-0.5B workloads, about two minutes the first time
  assay probe --shape n=9728 --variant 'gemv*'  one shape, some variants
  assay probe --device cuda:0                   the same on an NVIDIA GPU, beside cuBLASLt
  assay probe --kernels my_folder               your own kernel beside the shipped ones
  assay help probe                              all options of a subcommand

Exit codes: 0 fine; 1 a variant failed, a mutant got away, a case became slower or a crown sits on a wrong row; 2 an error, named on stderr; 130 Ctrl-C (SIGINT, SIGTERM, SIGHUP).)";

/// Numbers that variables hold: one that cannot be read must not pass for one that is not there.
void check_variables() {
  for (const char* name : {"ASSAY_COMPILE_LIMIT_S", "ASSAY_MEMORY_MB"}) {
    const char* text = std::getenv(name);
    if (!text || !*text) continue;
    const bool is_whole = name == std::string_view("ASSAY_MEMORY_MB");
    const double value =
        is_whole ? double(parse_number<int64_t>(text).value_or(0)) : parse_number<double>(text).value_or(0);
    if (!(value > 0 && value <= 1e9))
      fail("{}: {} is no {}number above 0 and up to 1e9", name, text, is_whole ? "whole " : "");
  }
}

int run(int argc, char** argv) {
  CommandLine line("assay", version_text,
                   "assay finds, proves and ships the fastest kernel for every shape a language model really runs.",
                   kFooter);
  struct Command {
    std::string name;
    CommandFiles files;
    CommandRun run;
  };
  std::list<Command> commands;  // options refer to their files
  for (const CommandEntry& entry : kCommands) {
    Command& command = commands.emplace_back(Command{entry.name, {}, {}});
    command.run = entry.add(line.add_subcommand(entry.name, entry.summary), command.files);
    command.files.add(CommandFiles::Part::input, [] {
      std::vector<NamedFile> files;
      for (const auto& [what, file] : shipped_files()) files.push_back({what, file.string()});
      return files;
    });
  }
  const CommandLine::Parsed parsed = line.parse(argc, argv);
  for (const Command& command : commands)
    if (command.name == parsed.subcommand) {
      check_variables();
      command.files.check();
      return command.run();
    }
  return parsed.exit_code;
}

}  // namespace
}  // namespace assay

int main(int argc, char** argv) {
  constexpr size_t kLongestError = 2000;  // columns
  assay::prepare_standard_streams();
  assay::end_when_interrupted();
  assay::Database::hurry_when(assay::interrupted);
  int exit_code = 2;
  try {
    exit_code = assay::run(argc, argv);
  } catch (const std::bad_alloc&) {
    assay::flush(stdout);
    const assay::MemoryRoom room = assay::memory_room();
    assay::remark("assay: there is not enough memory: {} MB are left ({}); ask for less at once, or give it more\n",
                  room.bytes >> 20, room.limit);
  } catch (const std::exception& e) {
    assay::flush(stdout);
    // A name in it may hold any bytes, and as many as a file has.
    assay::remark("assay: {}\n", assay::cut_middle(assay::one_line(e.what()), kLongestError));
    if (assay::interrupted()) exit_code = assay::kInterruptedExit;  // what it was about did not come to its end
  }
  const std::string lost = assay::lost_output();
  if (lost.empty()) return exit_code;
  assay::remark("assay: standard output could not be written to its end ({})\n", lost);
  return exit_code == assay::kInterruptedExit ? exit_code : 2;
}
