// The #include lines of a C++ source, comments and spliced lines taken as the preprocessor takes them.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace assay {

struct IncludeLine {
  std::string name;  // between "…" or <…>; of .incbin as well
  bool quoted = false;
  bool raw = false;  // .incbin: the file is taken as bytes
};

struct IncludeLines {
  std::vector<IncludeLine> found;
  bool unclear = false;  // one names its file by a macro, or is #include_next, #import or #embed
};

/// What an #if leaves out counts as well.
IncludeLines include_lines(std::string_view text);

}  // namespace assay
