// The one table model of all reports: columns with a number format and a rank of importance; its form on a terminal.
#pragma once
#include <string>
#include <variant>
#include <vector>

namespace assay {

/// Nothing known, a text, or a number (NaN counts as nothing known).
using Cell = std::variant<std::monostate, std::string, double>;

struct Column {
  enum class Format { text, whole, fixed1, fixed2, fixed3, scientific };
  std::string key;    // in data formats: "median_us"
  std::string title;  // where people read: "us"
  Format format = Format::text;
  int importance = 0;   // 0: in data formats only; a narrow terminal drops the lowest first
  size_t shortest = 0;  // text may be cut in the middle down to this many columns; 0: never
};

struct Table {
  std::string title;
  std::vector<Column> columns;
  std::vector<std::vector<Cell>> rows;  // a cell a column
  std::vector<Cell> sums;               // a last row set apart, or empty
  std::vector<std::string> notes;       // lines below it
};

/// The cell as people read it ("-" where nothing is known), always one line.
std::string cell_text(const Cell& cell, Column::Format format);

/// Without the columns that only data formats show, and without those named.
Table shown_columns(const Table& table, const std::vector<std::string>& without = {});

/// At most `width` columns wide (0: as wide as needed): names are shortened first, then columns dropped and named
/// below.
std::string render_table(const Table& table, size_t width = 0, bool colour = false);

}  // namespace assay
