// What a kernel family can compute: as its manifest says it, and compared with a spec.
#pragma once
#include <limits>
#include <string>
#include <vector>

#include "base/json_reader.h"
#include "spec/spec.h"

namespace assay {

struct Range {
  int64_t least = 0, most = std::numeric_limits<int64_t>::max();
};

/// What a family can compute. Empty lists mean "any".
struct Supports {
  std::vector<std::string> op;                   // "matmul"
  std::vector<Dtype> a, b, d;                    // activations, weights, output
  std::vector<std::string> layout;               // "nn", "nt", "tn", "tt" (A then B; B as in memory: Spec::b_is_nk)
  std::vector<std::string> loader;               // "" is written "none"
  bool batch = false;                            // batch > 1
  bool bias = false, alpha_beta = false;         // alpha_beta: alpha != 1 or beta != 0
  bool segments = false;                         // fused outputs, if so
  bool strides = true;                           // rows and batches may lie apart; a spec's own are dense
  int64_t most_outputs = INT64_MAX;              // … this many: the backend's, not the family's
  Range m, n, k;                                 // n is the sum over fused outputs
  std::vector<int64_t> n_values, k_multiple_of;  // n one of these; k a multiple of each
};

/// The "supports" object of a family. Error with file and pointer on unknown keys and values, and on empty ranges.
Supports read_supports(const JsonReader& json);

/// "" if the spec is supported, else the first rule that it breaks in a few words ("b is q8_0, supports f16 f32").
std::string unsupported_reason(const Supports& supports, const Spec& spec);

}  // namespace assay
