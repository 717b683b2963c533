// What an analysis of a trace found, as Markdown: the sections of the text as they are, the shapes as a table.
#include <fmt/format.h>

#include "base/terminal.h"
#include "report/analysis_text.h"
#include "report/markdown.h"

namespace assay {
namespace {

/// A fence that no line of the text ends. What is in it is no HTML, whatever it looks like.
std::string fenced(const std::string& any) {
  const std::string text = printable(any);
  std::string fence = "```";
  while (text.find(fence) != std::string::npos) fence += '`';
  const bool ends = text.ends_with('\n');
  return fence + "\n" + text + (ends ? "" : "\n") + fence + "\n";
}

}  // namespace

std::string analysis_markdown(const std::string& trace, const std::string& sections, const ShapeReport& shapes,
                              const TraceDiff* diff, const AnalysisTextOptions& options) {
  std::string out = fmt::format("# assay analyze: {}\n\n{}", markdown_code(trace), fenced(sections));
  if (!shapes.shapes.empty()) {
    const Table table = shapes_table(shapes, options);
    out += fmt::format("\n## {}\n\n{}", table.title, markdown_table(table));
  }
  if (diff)
    out += fmt::format("\n## Against {}\n\n{}", markdown_code(diff->before), fenced(diff_text(*diff, {options.top})));
  return out + "\n";
}

}  // namespace assay
