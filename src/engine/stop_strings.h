// Texts that end an answer: found across the pieces in which it comes.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace assay {

class StopStrings {
 public:
  /// Error for an empty one.
  explicit StopStrings(std::vector<std::string> stops);

  /// What of the answer can be shown now; a stop string, and what may become one, is held back.
  std::string add(std::string_view text);
  /// What was held back, at the end of an answer that no stop string ended.
  std::string finish();
  /// The stop string that was found, or "". Nothing after it is shown.
  const std::string& found() const { return found_; }

 private:
  std::vector<std::string> stops_;
  std::string held_, found_;
};

}  // namespace assay
