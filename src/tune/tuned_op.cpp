// What a search found out about one op of a step.
#include "tune/tuned_op.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "stats/comparison.h"

namespace assay {
namespace {

constexpr double kWorthChanging = 0.99;  // of the default's cost, where kernels are chosen in pairs

bool is_ranked(const RankedCase& c) { return c.record.outcome == Outcome::pass && c.device.median > 0; }

const RankedCase* case_of(const RankedSpec& spec, const Variant* variant) {
  for (const RankedCase& c : spec.cases)
    if (variant && c.record.variant == variant->id() && is_ranked(c)) return &c;
  return nullptr;
}

double us_of(const RankedSpec& spec, const Variant* variant) {
  const RankedCase* found = case_of(spec, variant);
  return found ? found->device.median : 0;
}

const Variant* variant_of(const std::vector<const Variant*>& variants, const std::string& id) {
  const auto found = std::find_if(variants.begin(), variants.end(), [&](const Variant* v) { return v->id() == id; });
  return found == variants.end() ? nullptr : *found;
}

bool can_compute(const Variant& variant, const Spec& spec, const DeviceInfo& device) {
  return variant.role == Role::kernel && variant.supports.is_of(*spec.op) && choose_isa(variant, device) &&
         unsupported_reason(variant, spec).empty();
}

bool share_weights(const Variant& a, const Variant& b) { return a.storage == b.storage && a.accuracy == b.accuracy; }

/// The kernel for prompts beside one for tokens, where prompts were not measured: they stay as fast as they are, so it
/// is the default's, which must read the same storage. Where the default is a plain loop anything is as good.
const Variant* partner_of(const Variant& decode, const TunedOp& tuned, const PairOptions& o) {
  const Variant* usual = tuned.before.prompt;
  if (usual && !usual->baseline) return share_weights(decode, *usual) ? usual : nullptr;
  return !decode.baseline && can_compute(decode, *tuned.op.prompt, *o.device) ? &decode : nullptr;
}

struct Offer {
  KernelPair pair;
  double cost = 0;  // µs a token of the mix
};

/// All pairs whose members were measured, or whose prompt kernel is the partner.
std::vector<Offer> offers(const TunedOp& tuned, const RankedSpec& decode, const RankedSpec& prompt,
                          const PairOptions& o) {
  std::vector<Offer> all;
  const bool pairs = tuned.op.prompt && tuned.op.spec.op->multiplies_weights();
  for (const RankedCase& d : decode.cases) {
    const Variant* variant = variant_of(o.variants, d.record.variant);
    if (!is_ranked(d) || !variant || variant->accuracy > o.accuracy) continue;
    if (!pairs) {
      all.push_back({{variant, tuned.before.prompt}, d.device.median});
      continue;
    }
    if (prompt.cases.empty()) {
      const Variant* partner = variant == tuned.before.decode ? tuned.before.prompt : partner_of(*variant, tuned, o);
      // Without one, prompts get what the defaults have: it must be as slow today, and of the weight's class.
      const Variant* usual = tuned.before.prompt;
      if (partner || !usual || (usual->baseline && usual->accuracy == variant->accuracy))
        all.push_back({{variant, partner}, d.device.median});
      continue;
    }
    for (const RankedCase& p : prompt.cases) {
      const Variant* other = variant_of(o.variants, p.record.variant);
      if (!is_ranked(p) || !other || !share_weights(*variant, *other)) continue;
      all.push_back({{variant, other}, d.device.median + o.mix * p.device.median / double(o.prompt_tokens)});
    }
  }
  return all;
}

void add_evidence(TunedOp& tuned, const RankedSpec& decode) {
  const RankedCase* chosen = case_of(decode, tuned.after.decode);
  if (!chosen) return;
  tuned.result = chosen->record.key;
  double next_us = HUGE_VAL;
  for (const RankedCase& c : decode.cases) {
    if (!is_ranked(c) || &c == chosen || c.record.accuracy > chosen->record.accuracy) continue;
    if (tied(chosen->device, c.device))
      tuned.ties.push_back(c.record.variant);
    else
      next_us = std::min(next_us, c.device.median);
  }
  if (std::isfinite(next_us)) tuned.margin_percent = std::max(0.0, 100 * (next_us / chosen->device.median - 1));
}

}  // namespace

std::vector<const Variant*> decode_kernels(const std::vector<TunedOp>& step, bool chosen) {
  std::vector<const Variant*> kernels;
  for (const TunedOp& tuned : step) kernels.push_back(chosen ? tuned.after.decode : tuned.before.decode);
  return kernels;
}

void choose_kernels(TunedOp& tuned, const RankedSpec& decode, const RankedSpec& prompt, const PairOptions& options) {
  tuned.after = tuned.before;
  tuned.candidates = decode.cases.size();
  tuned.proved = size_t(std::count_if(decode.cases.begin(), decode.cases.end(), is_ranked));
  const std::vector<Offer> all = offers(tuned, decode, prompt, options);
  const auto cheaper = [](const Offer& a, const Offer& b) { return a.cost < b.cost; };
  const auto best = std::min_element(all.begin(), all.end(), cheaper);
  const auto usual =
      std::find_if(all.begin(), all.end(), [&](const Offer& offer) { return offer.pair == tuned.before; });
  if (best != all.end()) {
    const RankedCase *fastest = case_of(decode, best->pair.decode), *usual_case = case_of(decode, tuned.before.decode);
    const bool ties = prompt.cases.empty() && fastest && usual_case && tied(fastest->device, usual_case->device);
    const bool is_little = usual != all.end() && best->cost > usual->cost * kWorthChanging;
    if (!ties && !is_little) tuned.after = best->pair;
  }
  tuned.before_us = us_of(decode, tuned.before.decode);
  tuned.after_us = us_of(decode, tuned.after.decode);
  tuned.prompt_before_us = us_of(prompt, tuned.before.prompt);
  tuned.prompt_after_us = us_of(prompt, tuned.after.prompt);
  add_evidence(tuned, decode);
}

void take_back(TunedOp& tuned, const std::string& why) {
  tuned.taken_back = why;
  tuned.after = tuned.before;
  tuned.after_us = tuned.before_us;
  tuned.prompt_after_us = tuned.prompt_before_us;
  tuned.result.clear(), tuned.ties.clear(), tuned.margin_percent = 0;
}

}  // namespace assay
