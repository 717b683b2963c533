// Tables on a terminal: fitting them to its width.
#include "report/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/terminal.h"

namespace assay {
namespace {

constexpr size_t kIndent = 2, kGap = 2;

using Texts = std::vector<std::vector<std::string>>;

/// Every row's texts; the first is the titles, the last the sums where there are any.
Texts all_texts(const Table& table) {
  Texts texts(1);
  for (const Column& column : table.columns) texts[0].push_back(column.title);
  const auto add = [&](const std::vector<Cell>& cells, bool sum) {
    ASSAY_CHECK(cells.size() == table.columns.size());
    auto& row = texts.emplace_back();
    for (size_t i = 0; i < cells.size(); ++i) {
      const bool empty = sum && std::holds_alternative<std::monostate>(cells[i]);
      row.push_back(empty ? "" : cell_text(cells[i], table.columns[i].format));
    }
  };
  for (const auto& cells : table.rows) add(cells, false);
  if (!table.sums.empty()) add(table.sums, true);
  return texts;
}

std::vector<size_t> natural_widths(const Texts& texts) {
  std::vector<size_t> widths(texts[0].size(), 0);
  for (const auto& row : texts)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], display_width(row[i]));
  return widths;
}

size_t total_width(const std::vector<size_t>& widths) {
  if (widths.empty()) return 0;
  return kIndent + std::accumulate(widths.begin(), widths.end(), size_t(0)) + kGap * (widths.size() - 1);
}

/// Takes columns off the widest text that may be shortened until the table fits; false where it cannot.
bool shorten(const Table& table, std::vector<size_t>& widths, size_t width) {
  while (total_width(widths) > width) {
    size_t widest = widths.size();
    for (size_t i = 0; i < widths.size(); ++i) {
      const size_t shortest = table.columns[i].shortest;
      if (shortest > 0 && widths[i] > shortest && (widest == widths.size() || widths[i] > widths[widest])) widest = i;
    }
    if (widest == widths.size()) return false;
    --widths[widest];
  }
  return true;
}

void drop_column(Table& table, size_t index) {
  const auto erase_at = [index](auto& list) { list.erase(list.begin() + std::ptrdiff_t(index)); };
  erase_at(table.columns);
  for (auto& row : table.rows) erase_at(row);
  if (!table.sums.empty()) erase_at(table.sums);
}

size_t least_important(const Table& table) {
  const auto least = std::min_element(table.columns.begin(), table.columns.end(),
                                      [](const Column& a, const Column& b) { return a.importance < b.importance; });
  return size_t(least - table.columns.begin());
}

std::string padded(const std::string& text, size_t width, bool right) {
  const std::string cut = cut_middle(text, width);
  const std::string blanks(width - std::min(width, display_width(cut)), ' ');
  return right ? blanks + cut : cut + blanks;
}

std::string render_row(const Table& table, const std::vector<std::string>& row, const std::vector<size_t>& widths) {
  std::string line(kIndent, ' ');
  for (size_t i = 0; i < row.size(); ++i) {
    if (i > 0) line.append(kGap, ' ');
    line += padded(row[i], widths[i], table.columns[i].format != Column::Format::text);
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

}  // namespace

std::string cell_text(const Cell& cell, Column::Format format) {
  if (const std::string* text = std::get_if<std::string>(&cell)) return text->empty() ? "-" : one_line(*text);
  const double* number = std::get_if<double>(&cell);
  if (!number || std::isnan(*number)) return "-";
  switch (format) {
    case Column::Format::text:
      break;
    case Column::Format::whole:
      return fmt::format("{:.0f}", *number);
    case Column::Format::fixed1:
      return fmt::format("{:.1f}", *number);
    case Column::Format::fixed2:
      return fmt::format("{:.2f}", *number);
    case Column::Format::fixed3:
      return fmt::format("{:.3f}", *number);
    case Column::Format::scientific:
      return fmt::format("{:.4e}", *number);
  }
  return fmt::format("{}", *number);
}

Table shown_columns(const Table& table, const std::vector<std::string>& without) {
  Table shown = table;
  for (size_t i = shown.columns.size(); i-- > 0;) {
    const bool unwanted = std::find(without.begin(), without.end(), shown.columns[i].key) != without.end();
    if (shown.columns[i].importance == 0 || unwanted) drop_column(shown, i);
  }
  return shown;
}

std::string render_table(const Table& full, size_t width, bool colour) {
  Table table = shown_columns(full);
  Texts texts = all_texts(table);
  std::vector<size_t> widths = natural_widths(texts);
  std::string dropped;
  while (width > 0 && table.columns.size() > 1 && !shorten(table, widths, width)) {
    const size_t index = least_important(table);
    dropped += (dropped.empty() ? "" : ", ") + table.columns[index].title;
    drop_column(table, index);
    texts = all_texts(table);
    widths = natural_widths(texts);
  }
  const size_t limit = width > 0 ? width : std::string::npos;
  const auto fit = [&](const std::string& line) { return cut_end(line, limit); };
  const std::string rule = fit(std::string(kIndent, ' ') + std::string(total_width(widths) - kIndent, '-')) + "\n";
  std::string out;
  if (!table.title.empty()) {
    const std::string title = one_line(table.title);
    out += paint(width > 0 ? cut_end(title, width) : title, Colour::bold, colour) + "\n";
  }
  for (size_t i = 0; i < texts.size(); ++i) {
    const bool is_sum = !table.sums.empty() && i + 1 == texts.size();
    if (is_sum) out += rule;
    const std::string line = fit(render_row(table, texts[i], widths));
    out += (i == 0 || is_sum ? paint(line, Colour::bold, colour) : line) + "\n";
    if (i == 0) out += rule;
  }
  for (const std::string& note : table.notes) out += fit("  " + one_line(note)) + "\n";
  if (!dropped.empty()) out += paint(fit("  (too narrow for: " + dropped + ")"), Colour::dim, colour) + "\n";
  return out;
}

}  // namespace assay
