// What the classic counts lack of a trace's matmuls: the GPU time of each call's own command buffer, where it first
// stood, and how many tokens the trace holds.
#pragma once
#include <string>
#include <vector>

#include "analysis/classic.h"

namespace assay {

/// The scope of an op whose name is SCOPE/SCOPE/kernel: its command buffer is SCOPE/cb_gpu. "" for other names.
std::string_view doubled_scope(std::string_view op_name);

/// Whether the command buffer SCOPE/cb_gpu can be that of the op: same doubled scope, or, for an op without one, the
/// name begins with SCOPE/.
bool buffer_belongs(std::string_view op_name, std::string_view buffer_name);

class ShapeCounts : public EventConsumer {
 public:
  struct Matmul {
    StringId source;  // as ClassicCounts::Matmul
    bool from_path;
    uint64_t first_line;  // from 0
    DurationCounts gpu;   // of the calls whose command buffer is known
  };

  void consume(const Batch& batch, const StringTable& strings) override;

  /// In order of first appearance: the same list as ClassicCounts::matmuls() of the same events.
  const std::vector<Matmul>& matmuls() const { return matmuls_; }
  /// Command buffers named …/generation_step_output/cb_gpu, one a token; where there are none, `iteration_total`
  /// events.
  uint64_t tokens() const { return step_outputs_ ? step_outputs_ : iterations_; }
  std::string_view tokens_from() const;

 private:
  enum class Name : uint8_t { unknown, kernel, kernel_with_fields, wait, buffer, token_buffer, iteration };
  struct Known {
    Name name = Name::unknown;
    uint32_t of_fields = 0, of_path = 0;  // the matmul of this source: index + 1
    StringId buffer = kMissing;           // that an op of this name was paired with last
  };
  static constexpr uint32_t kNone = UINT32_MAX;

  Known& known(StringId id);
  Name name_of(StringId id, const StringTable& strings);
  void op_ended(const Event& event, Name name);
  void buffer_ended(const Event& event, const StringTable& strings);

  std::vector<Matmul> matmuls_;
  std::vector<Known> known_;  // by string
  uint32_t pending_ = kNone;  // the matmul whose command buffer has not been seen yet
  StringId pending_op_ = kMissing;
  uint64_t step_outputs_ = 0, iterations_ = 0;
};

}  // namespace assay
