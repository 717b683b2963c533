// Durations, counted by value: exact percentiles in memory that grows with distinct values, not with events.
#pragma once
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "trace/event.h"

namespace assay {

class DurationCounts {
 public:
  void add(Int128 us) {
    if (us < 0 || us > std::numeric_limits<uint32_t>::max()) return add(us, 1);
    waiting_[waiting_count_++] = static_cast<uint32_t>(us);
    if (waiting_count_ == kMostWaiting) settle();
  }
  void add(Int128 us, uint64_t times);
  void add(const DurationCounts& other);
  /// `other` must be a part of these.
  void remove(const DurationCounts& other);

  bool empty() const { return waiting_count_ == 0 && small_.used == 0 && large_.used == 0; }
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
    void fetch(Value value) const {
      if (!places.empty()) __builtin_prefetch(&places[hash(value) & (places.size() - 1)], 1);
    }
    static size_t hash(Value value) {
      return static_cast<size_t>((static_cast<uint64_t>(value) + static_cast<uint64_t>(value >> (sizeof(Value) * 4))) *
                                     0x9E3779B97F4A7C15u >>
                                 32);
    }
  };
  template <typename Visit>
  void each(Visit visit) const;
  void settle();

  // A trace's tables together are larger than caches: looked up one by one, each place would be waited for.
  static constexpr uint32_t kMostWaiting = 15;
  uint32_t waiting_count_ = 0, waiting_[kMostWaiting] = {};
  Table<uint32_t, uint32_t> small_;  // nearly every duration: 0 µs to 71 minutes
  Table<Int128, uint64_t> large_;    // the rest, and counts beyond 32 bits
};

}  // namespace assay
