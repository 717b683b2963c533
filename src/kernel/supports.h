// What a kernel family can compute: as its manifest says it, and compared with a spec.
#pragma once
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "base/json_reader.h"
#include "spec/spec.h"

namespace assay {

struct Range {
  int64_t least = 0, most = std::numeric_limits<int64_t>::max();
};

/// Of one size of the op: within the range, one of the values, and a multiple of each (empty: any).
struct SizeRule {
  Range range;
  std::vector<int64_t> values, multiple_of;
};

/// What a family can compute. Empty lists mean "any"; the words are those of its ops (spec/op.h).
struct Supports {
  std::vector<std::string> op;                  // "matmul"
  std::map<Operand, std::vector<Dtype>> types;  // "a", "b", "d"
  std::vector<std::string> layout;              // "nn", "nt", "tn", "tt": Spec::layout
  std::vector<std::string> loader;              // "" is written "none"
  std::vector<std::string> features;            // those of the op's that it takes: "batch", "bias", "alpha_beta" …
  bool strides = true;                          // rows and batches may lie apart; a spec's own are dense
  int64_t most_outputs = INT64_MAX;             // fused ones: the backend's limit, not the family's
  std::map<std::string, SizeRule, std::less<>> sizes;  // n is the sum over fused outputs

  /// Whether it has anything to do with such specs.
  bool is_of(const Op& of) const;
};

/// The "supports" object of a family. Error with file and pointer on unknown keys and values, and on empty ranges.
Supports read_supports(const JsonReader& json);

/// "" if the spec is supported, else the first rule that it breaks in a few words ("b is q8_0, supports f16 f32").
std::string unsupported_reason(const Supports& supports, const Spec& spec);

}  // namespace assay
