// What a search found out about one op of a step: the kernel it gets, and why.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "probe/ranking.h"
#include "tune/engine_step.h"

namespace assay {

/// Kernels of one weight: for a token, and for the pieces of a prompt. One storage and one accuracy class serve both.
struct KernelPair {
  const Variant* decode = nullptr;
  const Variant* prompt = nullptr;  // nullptr: what the manifests have, or plain loops
  bool operator==(const KernelPair&) const = default;
};

struct TunedOp {
  StepOp op;
  KernelPair before, after;                          // what the default table gives, what was chosen
  double before_us = 0, after_us = 0;                // a call while decoding; 0: not measured
  double prompt_before_us = 0, prompt_after_us = 0;  // of a prompt's piece; 0: not measured
  double in_context_us = 0;                          // of `after` where the model runs; 0: not run
  std::string result;                                // the chosen one's key in the store
  double margin_percent = 0;                         // over the next that does not tie
  std::vector<std::string> ties;
  size_t candidates = 0, proved = 0;  // decode kernels that were tried, and that passed
  std::string taken_back;  // why the default stands though another one was faster alone; "" where it does not
  bool is_changed() const { return !(before == after); }
};

/// Of each op of a step the kernel for one token: the chosen one, or the default.
std::vector<const Variant*> decode_kernels(const std::vector<TunedOp>& step, bool chosen);

struct PairOptions {
  std::vector<const Variant*> variants;  // that the engine may use
  const DeviceInfo* device = nullptr;
  Accuracy accuracy = Accuracy::int8_activation;  // the least accurate class
  double mix = 4;                                 // prompt tokens for each decoded one
  int64_t prompt_tokens = 64;                     // of a piece
};

/// Chooses by these rankings; `prompt` may have no cases: then any kernel that computes prompts is as good. Where the
/// default ties with the best it stays. `before`, `op` are set, the rest is filled in.
void choose_kernels(TunedOp& tuned, const RankedSpec& decode, const RankedSpec& prompt, const PairOptions& options);

/// The default stands, and why.
void take_back(TunedOp& tuned, const std::string& why);

}  // namespace assay
