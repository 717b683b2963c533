// Reads a trace: bytes to lines to events on several threads, handed on in file order.
#pragma once
#include <functional>
#include <span>
#include <string>

#include "trace/byte_source.h"
#include "trace/event.h"

namespace assay {

struct ReadTotals {
  uint64_t bytes = 0;                                      // after decompression
  uint64_t lines = 0, blank = 0, untyped = 0, events = 0;  // untyped: JSON without an event type, skipped
  uint64_t not_json = 0, wrong_shape = 0;
  std::string cut_off;  // why reading ended before the file did ("" mostly); what came before it was handed on
};

struct ReadOptions {
  unsigned threads = 0;             // that parse, the caller's too; 0: as many as there are CPUs, four at most
  size_t chunk_bytes = 256 * 1024;  // read and parsed at once
  uint64_t longest_line = uint64_t(1) << 30;  // bytes; a longer one is a bad line
  std::function<void(uint64_t file_bytes_read)> progress =
      nullptr;  // after every batch; compressed bytes where they are
};

/// Reads to the end (open_byte_source() opens a trace) and gives the events to every consumer; strings go to `strings`.
ReadTotals read_trace(std::unique_ptr<ByteSource> bytes, StringTable& strings,
                      std::span<EventConsumer* const> consumers, const ReadOptions& options = {});

}  // namespace assay
