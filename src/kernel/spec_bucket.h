// A bucket of specs, written like a spec line: fields that must be equal, sizes that may be ranges, all else open.
#pragma once
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "spec/spec.h"

namespace assay {

/// "op=matmul | m=1 | n=256..4096 | dtB=q8_0"; "m=2.." has no end. A field that it does not name may be anything, also
/// absent. What it names is compared with a spec's canonical fields (Spec::math).
class SpecBucket {
 public:
  /// Error for an unknown op or field, an empty range, a field twice. `where` leads the message.
  SpecBucket(const std::string& line, const std::string& where);

  bool matches(const SpecFields& math) const;
  /// Whether it takes every spec that the other takes.
  bool covers(const SpecBucket& other) const;
  /// One form for all ways to write it: two buckets with equal lines are the same.
  const std::string& line() const { return line_; }
  std::string op() const;

  /// Specs that lie in both whatever they have for `apart`: one at the least sizes and one at the largest, `apart` left
  /// out. Nothing where there are none.
  std::vector<SpecFields> shared_with(const SpecBucket& other, const std::string& apart) const;
  /// Where what it takes of a size begins, and where it has ended: 1 and nothing for a size that it does not name.
  std::vector<int64_t> edges(const std::string& key) const;

 private:
  struct Field {
    std::string key, text;         // text: of what is no range
    int64_t least = 0, most = -1;  // of what is one; most < least: none
    bool is_range() const { return most >= least; }
    std::string value() const;
    bool takes(const std::string& value) const;
  };
  static std::optional<std::pair<std::string, std::string>> common(const Field& a, const Field& b);
  const Field* find(const std::string& key) const;

  std::vector<Field> fields_;
  std::string line_;
};

}  // namespace assay
