// What one line of a trace says, as a record of numbers; docs/trace-format.md is the schema.
#pragma once
#include <cstdint>
#include <limits>
#include <span>
#include <string>

#include "trace/string_table.h"

namespace assay {

/// Durations and their sums: a line may hold any integer of 64 bits, signed or not.
__extension__ typedef __int128 Int128;

enum class EventType : uint8_t {
  gpu_op_completed,
  internal_kernel_completed,
  gpu_kernel_dispatched,
  kernel_backend_selected,
  other,  // Event::type_name tells which
};

enum class DurationKind : uint8_t {
  none,
  number,  // a number, truncated towards 0, or a boolean as 0 or 1
  text,    // a numeric string: counts for kernels, not in the event type summary
};

constexpr int64_t kNoTime = std::numeric_limits<int64_t>::min();

struct Event {
  uint64_t line = 0;                         // in its file, from 0, blank lines counted
  int64_t timestamp_ns = kNoTime;            // an integer as it is, an RFC 3339 text as ns since 1970
  uint64_t span_id = 0, parent_span_id = 0;  // 0: none
  uint64_t duration_bits = 0;                // read it with duration_us()
  StringId type_name = kMissing, span_name = kMissing;
  StringId op_name = kMissing, backend = kMissing, reason = kMissing;
  StringId parent_op_name = kMissing, internal_kernel_name = kMissing, kernel_name = kMissing;
  StringId matmul = kMissing;  // a GpuOpCompleted's matmul fields, packed: unpack_fields() of trace/matmul_fields.h
  EventType type = EventType::other;
  DurationKind duration_kind = DurationKind::none;
  bool duration_unsigned = false;  // duration_bits is a uint64_t

  bool has_duration() const { return duration_kind != DurationKind::none; }
  Int128 duration_us() const {
    return duration_unsigned ? Int128(duration_bits) : Int128(static_cast<int64_t>(duration_bits));
  }
};

/// A line that no event came from although it is not blank and not merely without an event type.
struct BadLine {
  enum class Kind : uint8_t { not_json, wrong_shape };
  uint64_t line = 0;
  Kind kind = Kind::not_json;
  std::string message;
};

/// A stretch of a trace. Both lists are in file order.
struct Batch {
  std::span<const Event> events;
  std::span<const BadLine> bad_lines;
};

/// Gets every batch of a trace, one after the other in file order; on the thread that reads the trace.
class EventConsumer {
 public:
  virtual ~EventConsumer() = default;
  /// The ids in `batch` are those of `strings`; they are the same in all files read with one table.
  virtual void consume(const Batch& batch, const StringTable& strings) = 0;
};

}  // namespace assay
