// What kernels deserve that are wrong on purpose or honest, and whether they got it.
#pragma once
#include <map>
#include <set>
#include <string>
#include <vector>

#include "probe/ranking.h"

namespace assay {

inline constexpr std::string_view kChained = ", chained";

/// What one kernel deserves on one spec.
struct Expectation {
  std::string variant, why, spec;
  Outcome outcome = Outcome::pass;
  std::string tag, ties_with;
  bool never_best = false;
};

struct Expectations {
  std::map<std::string, Spec> specs;
  std::vector<Expectation> all;
  std::set<std::string> chained = {};  // those of `specs` that are run in mode chained: their names end with kChained
};

/// Without what needs launches that overlap, where they cannot, or more threads than these. Error FILE at /pointer
/// where the file is none of expectations.
Expectations load_expectations(const std::string& file, bool can_overlap, int threads);

/// What a kernel got. open: time alone stood in the way, which a busy machine can do once and a fault does always.
/// unranked: an honest kernel, too noisy to say more.
enum class Desert { exact, unranked, open, missed };

struct Trial {
  Expectation expected;
  Desert desert = Desert::open;
  std::string problem = "was not measured", outcome = "-", detail;  // "" where it got exactly what it deserves
  bool is_settled() const { return desert == Desert::exact || desert == Desert::missed; }
  bool is_fine() const { return desert == Desert::exact || desert == Desert::unranked; }
};

/// Trials over several attempts. What a kernel got exactly stays so, unless a later attempt lets it get away or accuses
/// it.
class Trials {
 public:
  explicit Trials(const Expectations& expectations);

  const std::vector<Trial>& all() const { return trials_; }
  /// Variants that another attempt at the spec needs: those that are not settled, with the honest ones beside them.
  std::vector<std::string> needed(const std::string& spec) const;
  void add_attempt(const std::string& spec, const RankedSpec& ranked);

 private:
  std::vector<Trial> trials_;
};

}  // namespace assay
