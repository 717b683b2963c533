// What a file is that a page shall show, told by its content.
#pragma once
#include <string>

#include "base/json.h"

namespace assay {

struct PageInput {
  enum class Kind { store, report, trace, table, opbench };
  Kind kind = Kind::trace;
  std::string file;
  std::string text;         // of a JSON report
  Json json;                // of a table or of opbench's results
  std::string packed_with;  // "gzip" …: taken for a trace, as nothing else is unpacked
};

/// Reads no more than it takes to tell, but JSON files whole. Error for what is none of these: with what it looks like
/// where that is a trace's reader to say.
PageInput page_input(const std::string& file);

}  // namespace assay
