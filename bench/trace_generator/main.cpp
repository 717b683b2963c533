// trace_generator: JSONL traces with a known truth, to judge `assay analyze` by. It shares no code with the analyzer.
//
// Conventions of the traces (bench/README.md says the same at more length):
//  - One command buffer a kernel, committed and waited for at once, so buffers never overlap and walls add up.
//  - Its events stand together, in this order: op `SCOPE/SCOPE/kernel…` (absent for copies), `SCOPE/cb_wait`,
//  `SCOPE/cb_gpu`.
//    gpu <= wait <= op: each holds the next. Host cost of a buffer = op − gpu, or wait − gpu where no op names it.
//  - An event is written when what it tells of ends; timestamps are integer ns since the epoch.
//  - A prompt token ends with the cb_gpu of `Prompt Processing/generation_step_output` and begins where the one before
//  ended;
//    a decoded token is what its `iteration_total` spans, and that event is its last.
//  - `*_total` span what was reported one by one; InternalKernelCompleted without `_total` is CPU time beside the
//  buffers.
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <sstream>

#include "engine.h"

namespace trace_generator {
namespace {

constexpr const char* kHelp =
    R"(trace_generator [--events N] [--seed S] [--prompt TOKENS] [--context TOKENS] [--defects LIST] -o FILE
Writes FILE, a trace of N good events (default 210372, at least 3500) of a decoder like Qwen2.5-0.5B in Q8_0, and FILE.truth.json.
  --prompt TOKENS   of each sequence (default 46)
  --context TOKENS  a sequence ends there and a new prompt begins (default 4096)
  --defects LIST    comma-separated; added beyond the N events, and counted in the truth:
      malformed     lines of nine bad kinds          nested       totals within the block totals
      repeated      one buffer reported again        placeholder  cb_gpu of 1 us instead of the real time
      cutoff        the end is missing, within a token and a line
      all           all of these
)";

struct CommandLine {
  RunOptions run;
  std::string output;
};

int64_t whole_number(const std::string& flag, const std::string& text) {
  char* end = nullptr;
  const long long number = std::strtoll(text.c_str(), &end, 10);
  if (text.empty() || *end || number < 0) throw std::runtime_error(flag + " " + text + ": not a whole number");
  return number;
}

Defects parse_defects(const std::string& list) {
  Defects defects;
  std::istringstream words(list);
  for (std::string word; std::getline(words, word, ',');) {
    if (word == "all")
      defects = {true, true, true, true, true};
    else if (word == "malformed")
      defects.malformed = true;
    else if (word == "repeated")
      defects.repeated = true;
    else if (word == "nested")
      defects.nested = true;
    else if (word == "placeholder")
      defects.placeholder = true;
    else if (word == "cutoff")
      defects.cutoff = true;
    else
      throw std::runtime_error("--defects " + word + ": malformed, repeated, nested, placeholder, cutoff or all");
  }
  return defects;
}

CommandLine parse_arguments(int argc, char** argv) {
  CommandLine line;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (i + 1 == argc) throw std::runtime_error(flag + " needs a value (--help)");
    const std::string value = argv[++i];
    if (flag == "--events")
      line.run.events = whole_number(flag, value);
    else if (flag == "--seed")
      line.run.seed = uint64_t(whole_number(flag, value));
    else if (flag == "--prompt")
      line.run.prompt_tokens = std::max<int64_t>(1, whole_number(flag, value));
    else if (flag == "--context")
      line.run.context = std::max<int64_t>(2, whole_number(flag, value));
    else if (flag == "--defects")
      line.run.defects = parse_defects(value);
    else if (flag == "-o")
      line.output = value;
    else
      throw std::runtime_error("unknown argument " + flag + " (--help)");
  }
  if (line.output.empty()) throw std::runtime_error("-o FILE is missing (--help)");
  return line;
}

void generate(const CommandLine& line) {
  LineFile out(line.output);
  Truth truth;
  Engine(line.run, out, truth).write();
  truth.bytes = out.bytes();
  out.close();
  std::ofstream(line.output + ".truth.json") << truth_json(truth);
}

}  // namespace
}  // namespace trace_generator

int main(int argc, char** argv) {
  if (argc == 2 && !std::strcmp(argv[1], "--help")) {
    std::cout << trace_generator::kHelp;
    return 0;
  }
  try {
    trace_generator::generate(trace_generator::parse_arguments(argc, argv));
  } catch (const std::exception& e) {
    std::cerr << "trace_generator: " << e.what() << "\n";
    return 2;
  }
}
