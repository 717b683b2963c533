// The classic report: fifteen sections of exact sums over the events of one trace; docs/classic-report.md has its
// rules.
#pragma once
#include <string>
#include <unordered_map>
#include <vector>

#include "analysis/duration_counts.h"
#include "trace/event.h"
#include "trace/matmul_fields.h"

namespace assay {

struct ClassicOptions {
  size_t top = 20;         // rows of a section
  size_t kernel_top = 50;  // rows of "Kernel aggregate (all parents)"
  bool include_kernel_totals = false;
  std::string kernel_filter = {};  // a part of the names shown, in any case; "": all
};

/// What an op_name says an op is; told by the name alone.
enum class OpClass : uint8_t { kernel, wait, command_buffer };
OpClass op_class(std::string_view op_name);

/// The kind of kernel that an op_name ends in; "" if nothing is left of it.
std::string kernel_base_name(std::string_view op_name);

/// Whether they describe a product: all do but those whose op is another one that there is ("rms_norm").
bool describes_product(const MatmulFields& fields);

/// Counts what the report needs. Every list is in order of first appearance, which breaks ties.
class ClassicCounts : public EventConsumer {
 public:
  struct Type {
    StringId name;
    uint64_t events = 0;
    DurationCounts durations;
  };
  struct Op {
    StringId name;
    OpClass op_class;
    bool path_has_fields;  // that describe a matmul
    DurationCounts durations;
  };
  struct Internal {
    StringId parent, kernel;
    DurationCounts durations;
  };
  struct Matmul {
    StringId source;  // packed fields, or the op_name whose path holds them
    bool from_path;
    DurationCounts durations;
  };
  struct Selection {
    StringId op, backend, reason;
    uint64_t events = 0;
  };

  void consume(const Batch& batch, const StringTable& strings) override;

  uint64_t events() const { return events_; }
  std::vector<Type> types() const;
  const std::vector<Op>& ops() const { return ops_; }
  const std::vector<Internal>& internals() const { return internals_; }
  const std::vector<Matmul>& matmuls() const { return matmuls_; }
  const std::vector<Selection>& selections() const { return selections_; }
  const DurationCounts& sync() const { return sync_; }

 private:
  /// Where each string stands in a list; 0: not yet, else index + 1.
  using Places = std::vector<uint32_t>;

  void consume(const Event& event, const StringTable& strings);
  void count_op(const Event& event, const StringTable& strings);
  void count_sync(const Event& event, const StringTable& strings);
  void count_selection(const Event& event);

  uint64_t events_ = 0;
  std::vector<Type> types_;  // those of GpuOpCompleted lack durations: they are those of ops_ without op_texts_
  DurationCounts op_texts_;  // that were no numbers
  StringId ops_type_ = kMissing;
  std::vector<Op> ops_;
  std::vector<Internal> internals_;
  std::vector<Matmul> matmuls_;
  std::vector<Selection> selections_;
  DurationCounts sync_;
  Places type_places_, op_places_, matmul_places_, path_places_;
  std::vector<int8_t> says_sync_;  // by string: -1 unknown, else 0 or 1
  std::unordered_map<uint64_t, uint32_t> internal_places_;
  std::unordered_map<std::string, uint32_t> selection_places_;
};

/// "\n=== Analyzing PATH ===\n", the path without `./`, `/./`, doubled and trailing slashes.
std::string classic_header(std::string_view path);

/// All that follows the header and the lines about bad lines.
std::string classic_text(const ClassicCounts& counts, const StringTable& strings, const ClassicOptions& options);

}  // namespace assay
