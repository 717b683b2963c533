// Durations, counted by value: exact percentiles in memory that grows with distinct values, not with events.
#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include "trace/event.h"

namespace assay {

class DurationCounts {
 public:
  void add(Int128 us, uint64_t times = 1);
  void add(const DurationCounts& other);

  bool empty() const { return small_.used == 0 && large_.used == 0; }
  /// Value and count, ascending, each value once.
  std::vector<std::pair<Int128, uint64_t>> sorted() const;
  uint64_t count() const;
  Int128 total_us() const;

 private:
  /// Open addressing; a count of 0 is an empty place.
  template <typename Value, typename Count>
  struct Table {
    struct Place {
      Value value;
      Count count;
    };
    std::vector<Place> places;
    size_t used = 0;

    Count& count_of(Value value);
    static size_t hash(Value value) {
      return static_cast<size_t>((static_cast<uint64_t>(value) + static_cast<uint64_t>(value >> (sizeof(Value) * 4))) * 0x9E3779B97F4A7C15u >> 32);
    }
  };
  template <typename Visit>
  void each(Visit visit) const;

  Table<uint32_t, uint32_t> small_;  // nearly every duration: 0 µs to 71 minutes
  Table<Int128, uint64_t> large_;    // the rest, and counts beyond 32 bits
};

}  // namespace assay
