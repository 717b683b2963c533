// What a file that is no trace looks like, and what to do with it.
#pragma once
#include <string>
#include <string_view>

#include "trace/reader.h"

namespace assay {

struct FileKind {
  std::string what;    // "xz-compressed data"; "": nothing known
  std::string advice;  // "pipe it in: xz -dc run.jsonl.xz | assay analyze -"
};

/// Archives and compressed files that analyze does not unpack, by their first bytes (of a tar 262).
FileKind packed_kind(std::string_view head, const std::string& path);

/// Of a file in which no event was found: what it looks like. `head`: its first bytes, unpacked.
FileKind other_kind(std::string_view head, const ReadTotals& totals, const std::string& path);

}  // namespace assay
