// Says in a reader's words why a line is no JSON; the parser's own words name what it missed, not what stands there.
#pragma once
#include <simdjson.h>

#include <string>
#include <string_view>

namespace assay {

/// `line` is bad, and `error` is what the parser says of it. Equal faults get equal texts, so that they can be counted.
std::string json_fault(std::string_view line, simdjson::error_code error);

}  // namespace assay
