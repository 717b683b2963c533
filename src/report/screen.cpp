// Choosing what a probe prints.
#include "report/screen.h"

#include <algorithm>

#include "report/skips.h"
#include "report/text.h"
#include "report/verdict.h"

namespace assay {
namespace {

// One screen is 40 lines at most, so that the verdict is seen whole; below 24 nothing worth reading is left.
constexpr size_t kLeastHeight = 24, kMostHeight = 40;

}  // namespace

std::string probe_text(const SweepReport& report, const ScreenOptions& options, const Terminal& terminal) {
  const bool all = terminal.width == 0 || options.full || options.verbose;
  std::string text =
      all ? text_report(report, {options.verbose, terminal.colour, terminal.width})
          : verdict_report(report, {terminal.width, std::clamp(terminal.height, kLeastHeight, kMostHeight)},
                           terminal.colour);
  if (!options.skips) return text;
  const std::string skips = skip_report(report.skips, terminal.width);
  return text + "\n" + (skips.empty() ? "No pair was left out.\n" : skips);
}

}  // namespace assay
