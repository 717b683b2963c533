// assay synth: a model file of a known shape with drawn weights, for trying and measuring without a download.

#include <map>
#include <memory>

#include "base/clock.h"
#include "base/error.h"
#include "base/interruption.h"
#include "base/joined.h"
#include "base/standard_streams.h"
#include "base/suggest.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "model/synthetic_file.h"
#include "report/inspect_facts.h"

namespace assay {
namespace {

struct SynthOptions {
  std::string shape, type = "q8_0", out, tokenizer;
  uint64_t seed = 1;
};

TensorType wanted_type(const std::string& name) {
  const auto type = parse_tensor_type(name);
  if (type && tensor_type_facts(*type).is_decoded) return *type;
  std::vector<std::string> known;
  for (uint32_t number = 0; number < 64; ++number)
    if (const TensorTypeFacts* facts = find_tensor_type(number); facts && facts->is_decoded)
      known.emplace_back(facts->name);
  fail("--type {}: {}; there are {}{}", name.empty() ? "\"\"" : name,
       type ? "is not supported" : "no type has that name", joined(known, ", "), did_you_mean(name, known));
}

/// One line that is redrawn, ten times a second at most.
class WriteProgress {
 public:
  WriteProgress(bool live, uint64_t total) : live_(live), total_(total) {}
  ~WriteProgress() {
    if (drawn_) put(stderr, "\r\x1b[K");
  }
  void draw(uint64_t written) {
    const int64_t now = now_ns();
    if (!live_ || now - last_ns_ < 100'000'000) return;
    last_ns_ = now, drawn_ = true;
    const double seconds = double(now - began_ns_) / 1e9, share = double(written) / double(total_);
    const size_t filled = size_t(share * 24);
    remark("\r[{}{}] {:3.0f} %  {} of {}, {:.0f} MB/s\x1b[K", std::string(filled, '#'), std::string(24 - filled, '.'),
           100 * share, bytes_text(int64_t(written)), bytes_text(int64_t(total_)), double(written) / 1e6 / seconds);
  }

 private:
  bool live_, drawn_ = false;
  uint64_t total_;
  int64_t began_ns_ = now_ns(), last_ns_ = began_ns_;
};

/// "Q4_K 24 tensors, Q5_0 145, F32 121", and why there is more than one.
void show_types(const SyntheticModel& model, TensorType wanted) {
  std::map<TensorType, int64_t> counts;
  for (const SyntheticTensor& tensor : model.tensors) ++counts[tensor.type];
  std::string text;
  for (const auto& [type, count] : counts) text += fmt::format(", {} x {}", count, tensor_type_name(type));
  show("  tensors: {}\n", text.substr(2));
  std::map<int64_t, TensorType> others;
  for (const SyntheticTensor& tensor : model.tensors) {
    const bool is_weight = tensor.facts.use == WeightUse::matmul || tensor.facts.use == WeightUse::embedding;
    if (is_weight && tensor.type != wanted) others[tensor.facts.dims[0]] = tensor.type;
  }
  for (const auto& [row, type] : others)
    show("  rows of {} values are no multiple of {}: {} instead of {}, as quantizers do\n", row,
         tensor_type_facts(wanted).block_values, tensor_type_name(type), tensor_type_name(wanted));
}

int run_synth(const SynthOptions& options) {
  const ModelShape& shape = find_model_shape(options.shape);
  const TensorType type = wanted_type(options.type);
  std::unique_ptr<Gguf> tokenizer;
  if (!options.tokenizer.empty()) tokenizer = std::make_unique<Gguf>(std::filesystem::path(options.tokenizer));
  const SyntheticModel model = plan_synthetic_model(shape, type, options.seed, tokenizer.get());
  if (tokenizer) tokenizer->check_whole();
  const int64_t began = now_ns();
  bool is_done = false;
  {
    const CatchInterrupt catch_interrupt;
    WriteProgress progress(describe_terminal(stderr).live, model.file_bytes);
    is_done = write_synthetic_model(model, options.out,
                                    {[] { return interrupted(); }, [&](uint64_t written) { progress.draw(written); }});
  }
  if (!is_done) {
    remark("assay: interrupted; {} is as it was\n", one_line(options.out));
    return 130;
  }
  const double seconds = double(now_ns() - began) / 1e9;
  const std::string text =
      fmt::format("{}: {}, {} in {:.1f} s ({:.0f} MB/s), seed {}, tokenizer {}", one_line(options.out), shape.name,
                  bytes_text(int64_t(model.file_bytes)), seconds, double(model.file_bytes) / 1e6 / seconds,
                  options.seed, tokenizer ? one_line(options.tokenizer) : "built in");
  show("{}\n", wrap(text, describe_terminal(stdout).width, 2));
  show_types(model, type);
  return 0;
}

}  // namespace

CommandRun add_synth(Options options, CommandFiles& files) {
  const auto o = std::make_shared<SynthOptions>();
  options.footer(fmt::format(
      "Shapes: {}.\nWeights are drawn, so the model talks nonsense at its real speed. Products and the embedding get "
      "the "
      "type; norms and biases are F32. Where a row is no multiple of 256 values, Q4_K becomes Q5_0, Q5_K Q5_1 and Q6_K "
      "Q8_0. The same seed gives the same weights in every type, up to their rounding.\n"
      "Example: assay synth --shape qwen2.5-0.5b --type q4_0 --out q.gguf\n\n"
      "Exit codes: 0 fine; 2 an error, named on stderr; 130 Ctrl-C: no file is made, and one of that name is as it "
      "was.",
      joined(model_shape_names(), ", ")));
  options.add("--shape", o->shape, "whose sizes: see below").required().type("NAME");
  options.add("--type", o->type, "of the weights: f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q4_k, q5_k, q6_k")
      .show_default()
      .type("TYPE");
  files.add(CommandFiles::Part::output, options.add("--out", o->out, "the file to write").required().type("FILE"));
  files.add(CommandFiles::Part::input,
            options
                .add("--tokenizer", o->tokenizer,
                     "the model whose tokenizer it gets, with as many tokens (default: a small built-in one)")
                .type("FILE"));
  options.add("--seed", o->seed, "of the weights").show_default().whole(0, INT64_MAX).type("NUMBER");
  return [o] { return run_synth(*o); };
}

}  // namespace assay
