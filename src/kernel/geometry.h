// Launch geometry: how many blocks and threads a kernel is launched with, and what memory it needs, as its manifest
// says it.
#pragma once
#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/json_reader.h"
#include "kernel/expression.h"
#include "kernel/parameters.h"

namespace assay {

/// What the expressions may use beside the family's parameters. n is the sum over segments, n0, n1, n2 are theirs (0 if
/// absent); bytes: all of B's; sms: the device's processors.
struct GeometrySizes {
  int64_t m = 1, n = 0, n0 = 0, n1 = 0, n2 = 0, k = 0, batch = 1, segments = 1, bytes = 0, sms = 0;

  /// A size of an op by its name: n is added up over segments, others are those of the last.
  void add(std::string_view name, uint32_t segment, int64_t value);
};

/// One launch: blocks, threads a block, blocks a cluster (1: none), dynamic shared memory a block, and buffers.
struct Geometry {
  std::array<int64_t, 3> grid{1, 1, 1}, block{1, 1, 1}, prepare_grid{1, 1, 1}, prepare_block{1, 1, 1};
  int64_t cluster = 1, shared_bytes = 0, workspace_bytes = 0, prepared_bytes = 0;
  bool cooperative = false;  // all blocks are there at once, and may wait for each other
  int64_t block_threads() const { return block[0] * block[1] * block[2]; }
};

/// The "launch" object of a family, parsed once and shared by its variants.
class GeometryRules {
 public:
  /// Error with file and pointer on unknown keys and bad expressions. prepares: the keys of a prepare step must, else
  /// must not be there.
  GeometryRules(const JsonReader& launch, const std::vector<Parameter>& parameters, bool prepares);

  /// Error "FILE at /pointer: …" where a value is no whole number, below 1 (bytes: below 0), or above 2^31 (bytes:
  /// 2^40).
  Geometry evaluate(const ParameterValues& values, const GeometrySizes& sizes);

  /// The expressions as the manifest writes them, by key ("grid": one to three); none of keys that it lacks.
  std::map<std::string, std::vector<std::string>> expressions() const;
  bool is_cooperative() const { return cooperative_; }

 private:
  struct Rule {
    JsonReader json;
    Expression expression;
  };
  using Rules = std::vector<Rule>;
  Rules read(const JsonReader& launch, const std::string& key, bool required) const;
  static int64_t value(Rule& rule, const std::vector<int64_t>& values, bool is_bytes);

  std::shared_ptr<const Json> launch_;  // what the rules' readers stand on
  std::vector<std::string> names_;
  bool cooperative_ = false;
  Rules grid_, block_, prepare_grid_, prepare_block_, cluster_, shared_bytes_, workspace_bytes_, prepared_bytes_;
};

/// Processor generations that a kernel runs on, as compute capability times ten, ends included.
struct ArchRange {
  int least = 0, most = 1'000'000;
};
ArchRange read_arch(const JsonReader& json);

}  // namespace assay
