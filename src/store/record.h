// One measured case as it is kept: its identity, its raw samples, its errors, its outcome.
#pragma once
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "spec/accuracy.h"

namespace assay {

/// Of the store's tables, and in every result's key: 2 added `completion`, 4 `accuracy` and `bound_used`, 5
/// the hardware's counts.
inline constexpr int64_t kStoreSchema = 5;

enum class Outcome {
  pass,
  wrong,
  impossible,
  noisy,
  unsupported,
  build_failed,
  device_limit,
  launch_failed,
  crashed,
  timed_out
};
std::string_view outcome_name(Outcome outcome);
Outcome parse_outcome(std::string_view name);  // Error if unknown

/// Whether a key's text, from before records had a class, is of a variant with int8 activations.
bool is_old_int8_key(std::string_view key_text);

/// A tag of what failed and may not fail again: memory that others had taken, a folder mounted noexec, a signal from
/// outside. A later run measures it anew.
inline constexpr std::string_view kRetryTag = "retry";
/// Was clearly slower than the best, and was measured no further.
inline constexpr std::string_view kAbandonedTag = "abandoned";
/// Of the numbers that the op looks up only some were tried.
inline constexpr std::string_view kSomeNumbersTag = "some_numbers";
/// As others were better, not all numbers or special values were tried. It is measured anew before it is crowned.
inline constexpr std::string_view kProvedInPartTag = "proved_in_part";

/// Raw error statistics of all checked launches against the reference: enough to judge again under another tolerance.
struct ErrorStats {
  int64_t elements_checked = 0, launches_checked = 0, launches_scanned = 0;
  double max_abs = 0;        // max |Δ|
  double max_rel = 0;        // max |Δ| / max(1, |a|, |b|): the seeds' rule
  double nmse = 0;           // Σ Δ² / Σ ref²
  double worst_ratio = 0;    // max |Δ| / (the bound with c = 1)
  double bound_c = 0;        // the c that was allowed
  int64_t worst_index = -1;  // element of D with worst_ratio
  double worst_value = 0, worst_reference = 0;
  int64_t nan_count = 0;
  double bound_used = 0;  // max |Δ| / (what the class allows that element): above 1 is wrong
};

/// One case. Times in µs. Every launch's sample is kept in the order taken.
struct CaseRecord {
  std::string key;        // hash of key_text
  std::string key_text;   // readable: spec, variant, build key, device, libraries, method, schema
  std::string spec_line;  // Spec::line() after completion: enough to run it again
  std::string math_line;
  std::vector<std::string> completion;  // Spec::completion: how spec_line got what its source lacks
  std::string variant;                  // family/name
  Accuracy accuracy = Accuracy::exact;  // the class whose bound it was held to
  std::string device;                   // "cpu:0"
  std::string mode;                     // decode, cold, hot, batched, chained
  Outcome outcome = Outcome::pass;
  std::string detail;                      // why, when it is not a clean pass: one line
  std::vector<std::string> tags;           // nondeterministic, abandoned, disturbed, …
  std::vector<double> device_us, host_us;  // per launch
  std::vector<double> head_to_head_us;  // what ranks: median of each turn in the shuffled rounds among the contenders,
                                        // drift divided out
  std::vector<uint8_t> disturbed;       // per launch: kept though it was disturbed
  double encode_us = 0, submit_us = 0, wait_us = 0;  // medians: the parts of host time
  double prepare_us = 0;
  int64_t prepared_bytes = 0, workspace_bytes = 0;
  int64_t registers = 0, shared_bytes = 0,
          local_bytes = 0;       // of a thread, a block, a thread's spills; 0 registers: not known
  int64_t bytes = 0, flops = 0;  // one launch
  double floor_us = 0;           // physics: bytes over the measured bandwidth, or flops over the peak
  double reachable_us = 0;       // a kernel that only reads the same bytes, in the same rounds
  double ceiling_gbps = 0;       // the read bandwidth measured around this case
  double dram_bytes = NAN, instructions = NAN, cycles = NAN;  // of a launch, by the hardware's count; NaN: not counted
  double case_us = 0, check_us = 0;  // all of its steps by the parent's clock; the part spent poisoning and checking
  ErrorStats errors;
  std::string environment;  // id of the environment row
  int64_t measured_at = 0;  // Unix seconds
  bool has_tag(std::string_view tag) const;
};

/// One measurement without its samples, as a history needs it.
struct CaseGlance {
  std::string key, math_line, variant, device, mode, environment;
  Outcome outcome = Outcome::pass;
  double median_us = 0;  // of all device samples; 0 without any
  int64_t measured_at = 0;
  bool abandoned = false;
};

/// The machine and program of a sweep, once per store: readable text (CPU, flags, compiler, commit, kernel version …).
struct EnvironmentRecord {
  std::string id;    // hash of text
  std::string text;  // "key: value" lines
};

/// Ceilings of a device as measured: raw, so that drift can be seen.
struct CeilingRecord {
  std::string device_key;  // what the device's identity text hashes to
  std::string text;        // JSON of the ceilings
  int64_t measured_at = 0;
};

}  // namespace assay
