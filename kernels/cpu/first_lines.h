// The first lines of a thread's streams of weights, fetched while A is prepared: memory has nothing to do until then.
#pragma once
#include <cstdint>

namespace assay {

struct FirstLines {
  const char* at = nullptr;
  int64_t apart = 0, streams = 0;  // bytes from one stream to the next
  int64_t lines = 0;               // of each stream, still to be fetched

  /// Line by line of all streams, as they are read: a stream's at once would keep the others waiting.
  void fetch(int64_t count) {
    for (; count > 0 && lines > 0; --count, --lines, at += 64)
      for (int64_t s = 0; s < streams; ++s) __builtin_prefetch(at + s * apart, 0, 2);
  }
};

}  // namespace assay
