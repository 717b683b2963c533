// What `assay specs` shows of a model's step.
#include "report/step_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/joined.h"
#include "report/inspect_facts.h"
#include "report/table.h"

namespace assay {
namespace {

/// "M:1 N:128 K:64" and "f16": as the spec says them, or the line where it is none.
struct LineWords {
  std::string sizes, type;
};
LineWords words_of(const StepEntry& entry) {
  LineWords words;
  if (entry.spec) words.sizes = entry.spec->short_name();
  for (const auto& [key, value] : parse_spec_fields(entry.line)) {
    if (key == "dtB" || key == "dtCache") words.type = value;
    if (!entry.spec && (key == "m" || key == "n" || key == "k"))
      words.sizes += fmt::format("{}{}:{}", words.sizes.empty() ? "" : " ", char(std::toupper(uint8_t(key[0]))), value);
  }
  return words;
}

}  // namespace

std::string step_text(const std::string& name, const StepRequest& request, const std::vector<StepFold>& folds,
                      const Terminal& terminal) {
  int64_t all = 0, measured = 0;
  for (const StepFold& fold : folds) {
    all += fold.bytes;
    if (fold.first.spec) measured += fold.bytes;
  }
  const auto share = [&](int64_t bytes) { return all > 0 ? 100 * double(bytes) / double(all) : 0.0; };
  using Format = Column::Format;
  Table table{fmt::format("{}: {}{}, {} activations", one_line(name),
                          request.tokens == 1 ? "a decode step" : fmt::format("a chunk of {} tokens", request.tokens),
                          request.context > 0 ? fmt::format(" at a context of {}", request.context) : "",
                          dtype_name(request.activations)),
              {{"op", "op", Format::text, 9, 0},
               {"sizes", "sizes", Format::text, 9, 0},
               {"type", "type", Format::text, 8, 0},
               {"calls", "calls", Format::whole, 7, 0},
               {"mb", "MB", Format::fixed3, 6, 0},
               {"share", "% bytes", Format::fixed1, 7, 0},
               {"tensors", "tensors", Format::text, 5, 16},
               {"not_yet", "not yet", Format::text, 8, 0}},
              {},
              {},
              {}};
  for (const StepFold& fold : folds) {
    const LineWords words = words_of(fold.first);
    table.rows.push_back({fold.first.op, words.sizes, words.type.empty() ? Cell() : Cell(words.type),
                          double(fold.calls), double(fold.bytes) / 1e6, share(fold.bytes),
                          one_line(joined(fold.tensors, ", ")), fold.first.not_yet});
  }
  table.notes.push_back(
      fmt::format("bytes are those of weights and KV cache, {} in all; assay measures {:.1f} % of them",
                  bytes_text(all), share(measured)));
  return render_table(table, terminal.width, terminal.colour);
}

}  // namespace assay
