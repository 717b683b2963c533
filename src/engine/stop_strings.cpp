// Texts that end an answer.
#include "engine/stop_strings.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace assay {

StopStrings::StopStrings(std::vector<std::string> stops) : stops_(std::move(stops)) {
  for (const std::string& stop : stops_)
    if (stop.empty()) fail("--stop: an empty text ends every answer before it begins; leave it out");
}

std::string StopStrings::add(std::string_view text) {
  if (!found_.empty()) return "";
  held_ += text;
  // The first to begin ends the answer; of those that begin together, the first that was named.
  size_t begin = std::string::npos;
  for (const std::string& stop : stops_)
    if (const size_t at = held_.find(stop); at < begin) begin = at, found_ = stop;
  if (!found_.empty()) {
    std::string shown = held_.substr(0, begin);
    held_.clear();
    return shown;
  }
  size_t kept = 0;  // the longest end that some stop string begins with
  for (const std::string& stop : stops_)
    for (size_t length = std::min(stop.size() - 1, held_.size()); length > kept; --length)
      if (held_.ends_with(std::string_view(stop).substr(0, length))) kept = length;
  std::string shown = held_.substr(0, held_.size() - kept);
  held_.erase(0, shown.size());
  return shown;
}

std::string StopStrings::finish() { return std::exchange(held_, {}); }

}  // namespace assay
