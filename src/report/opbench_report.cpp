// Tables of an operation benchmark.
#include "report/opbench_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/json.h"
#include "base/terminal.h"
#include "opbench/classic_table.h"
#include "report/markdown.h"
#include "report/progress.h"
#include "report/table_json.h"
#include "stats/comparison.h"

namespace assay {
namespace {

using F = Column::Format;

constexpr double kAbsent = 0.8, kMostCounted = 10;  // of a ratio, in means that say so

struct Fastest {
  const OpbenchCell* cell = nullptr;
  std::string names;  // with its ties
};

Fastest fastest_of(const OpbenchRow& row, OpbenchMethod method) {
  Fastest best;
  for (const OpbenchCell& cell : row.cells)
    if (cell.passes() && (!best.cell || cell.us(method) < best.cell->us(method))) best.cell = &cell;
  if (!best.cell) return best;
  best.names = best.cell->framework->info->name;
  for (const OpbenchCell& cell : row.cells)
    if (cell.passes() && &cell != best.cell && tied(cell.summary(method), best.cell->summary(method)))
      best.names += " = " + cell.framework->info->name;
  return best;
}

const OpbenchCell* cell_named(const OpbenchRow& row, const std::string& name) {
  for (const OpbenchCell& cell : row.cells)
    if (cell.framework->info->name == name) return &cell;
  return nullptr;
}

/// What a cell could take at best on its device, µs; 0: not known.
double floor_us(const OpbenchCell& cell) { return cell.record ? cell.record->floor_us : 0; }

double gbps(const OpbenchRow& row, double us) {
  return double(row.row->bytes_read + row.row->bytes_written) / us * 1e-3;
}

bool is_used(const Opbench& bench, size_t framework) { return bench.options().frameworks[framework].missing.empty(); }

struct Mean {
  double logs = 0;
  size_t count = 0;
  void add(double ratio) { logs += std::log(ratio), ++count; }
  Cell value() const { return count > 0 ? Cell(std::exp(logs / double(count))) : Cell(); }
};

Cell shown_ms(const OpbenchCell& cell, OpbenchMethod method) {
  if (!cell.passes()) return cell.word();
  const double ms = cell.us(method) * 1e-3;
  return cell.record->has_tag(kDisturbedTag) ? Cell(fmt::format("~{:.3f}", ms)) : Cell(ms);
}

std::string disturbed_line(const Opbench& bench) {
  size_t disturbed = 0;
  for (const OpbenchRow& row : bench.rows())
    for (const OpbenchCell& cell : row.cells) disturbed += cell.passes() && cell.record->has_tag(kDisturbedTag);
  if (disturbed == 0) return "";
  return fmt::format(
      "{} cells marked ~: others took the processor in most of their samples, also in those taken anew; measure on a "
      "quieter machine with --fresh\n",
      disturbed);
}

std::string missing_lines(const Opbench& bench) {
  std::string out;
  for (const FrameworkModule& module : bench.options().frameworks)
    if (!module.missing.empty()) out += fmt::format("  {}: not here: {}\n", module.info->name, module.missing);
  return out;
}

std::string not_passed(const Opbench& bench) {
  std::string out;
  for (const OpbenchRow& row : bench.rows())
    for (const OpbenchCell& cell : row.cells)
      if (cell.record && !cell.passes() && cell.record->outcome != Outcome::unsupported)
        out += fmt::format("  {} @ {}: {}: {}\n", row.row->name, cell.framework->info->name, cell.word(),
                           cell.record->detail);
  return out;
}

}  // namespace

Table opbench_table(const Opbench& bench) {
  const OpbenchMethod method = bench.options().method;
  Table table;
  table.title = method == OpbenchMethod::rounds
                    ? "Median ms of a call, every cell proved before it is timed"
                    : "Mean ms of a call, as the seed took it (40 calls, 10 dropped before)";
  table.columns = {{"row", "row", F::text, 20, 24}, {"limit", "limit", F::text, 4, 0}};
  for (size_t i = 0; i < bench.options().frameworks.size(); ++i)
    if (is_used(bench, i))
      table.columns.push_back(
          {bench.options().frameworks[i].info->name, bench.options().frameworks[i].info->name, F::fixed3, 10});
  table.columns.push_back({"fastest", "fastest", F::text, 9, 0});
  table.columns.push_back({"gbps", "GB/s", F::fixed1, 6, 0});
  table.columns.push_back({"ceiling_percent", "% of ceiling", F::fixed1, 7, 0});
  for (const OpbenchRow& row : bench.rows()) {
    const Fastest best = fastest_of(row, method);
    std::vector<Cell> cells = {row.row->name,
                               std::string(bench.limit(row, best.cell ? *best.cell : row.cells.front()))};
    for (size_t i = 0; i < row.cells.size(); ++i)
      if (is_used(bench, i)) cells.push_back(shown_ms(row.cells[i], method));
    const double us = best.cell ? best.cell->us(method) : 0, floor = best.cell ? floor_us(*best.cell) : 0;
    cells.push_back(best.names);
    cells.push_back(us > 0 ? Cell(gbps(row, us)) : Cell());
    cells.push_back(us > 0 && floor > 0 ? Cell(100 * floor / us) : Cell());
    table.rows.push_back(std::move(cells));
  }
  table.notes.push_back(
      "% of ceiling, of the fastest: the time of only moving the row's bytes in the same rounds, or of its flops at "
      "the f32 peak");
  return table;
}

Table opbench_means(const Opbench& bench) {
  const OpbenchMethod method = bench.options().method;
  Table table;
  table.title = "Against torch on the same device over the rows of the seed (how many times as fast, geometric means)";
  table.columns = {{"framework", "framework", F::text, 20},
                   {"passed", "rows passed", F::whole, 9},
                   {"wins", "fastest", F::whole, 8},
                   {"mean", "where both pass", F::fixed2, 9},
                   {"mean_absent", "absent as 0.8", F::fixed2, 7},
                   {"mean_capped", "… and at most 10", F::fixed2, 6},
                   {"least", "least", F::fixed2, 6},
                   {"least_row", "where", F::text, 3, 16},
                   {"below", "rows < 0.8", F::whole, 5},
                   {"memory_percent", "% of ceiling, bytes rows (median)", F::fixed1, 5},
                   {"memory_reached", ">= 85 %", F::text, 5}};
  for (size_t i = 0; i < bench.options().frameworks.size(); ++i) {
    if (!is_used(bench, i)) continue;
    Mean both, absent, capped;
    double least = HUGE_VAL, passed = 0, wins = 0, below = 0;
    std::string least_row;
    std::vector<double> shares;
    for (const OpbenchRow& row : bench.rows()) {
      const OpbenchCell& cell = row.cells[i];
      passed += cell.passes();
      wins += fastest_of(row, method).cell == &cell;
      if (cell.passes() && floor_us(cell) > 0 && std::string_view(bench.limit(row, cell)) == "bytes")
        shares.push_back(100 * floor_us(cell) / cell.us(method));
      const OpbenchCell* base = cell_named(row, cell.framework->info->baseline());
      if (!row.row->of_seed || !base || !base->passes()) continue;
      const double ratio = cell.passes() ? base->us(method) / cell.us(method) : kAbsent;
      absent.add(ratio);
      capped.add(std::min(ratio, kMostCounted));
      if (!cell.passes()) continue;
      both.add(ratio);
      below += ratio < kAbsent;
      if (ratio < least) least = ratio, least_row = row.row->name;
    }
    const auto reached = std::count_if(shares.begin(), shares.end(), [](double s) { return s >= 85; });
    table.rows.push_back({bench.options().frameworks[i].info->name, passed, wins, both.value(), absent.value(),
                          capped.value(), both.count > 0 ? Cell(least) : Cell(), least_row,
                          both.count > 0 ? Cell(below) : Cell(), shares.empty() ? Cell() : Cell(percentile(shares, 50)),
                          shares.empty() ? std::string() : fmt::format("{} of {}", reached, shares.size())});
  }
  return table;
}

Table opbench_cells(const Opbench& bench) {
  const OpbenchMethod method = bench.options().method;
  Table table;
  table.columns = {{"row", "row", F::text, 9},
                   {"operation", "operation", F::text, 8},
                   {"framework", "framework", F::text, 8},
                   {"outcome", "outcome", F::text, 8},
                   {"median_us", "us", F::fixed2, 8},
                   {"ci_low_us", "low", F::fixed2, 5},
                   {"ci_high_us", "high", F::fixed2, 5},
                   {"min_us", "min", F::fixed2, 5},
                   {"spread_percent", "spread %", F::fixed1, 5},
                   {"samples", "samples", F::whole, 4},
                   {"gbps", "GB/s", F::fixed1, 6},
                   {"ceiling_percent", "% of ceiling", F::fixed1, 6},
                   {"bytes", "bytes", F::whole, 3},
                   {"flops", "flops", F::whole, 3},
                   {"limit", "limit", F::text, 3},
                   {"ceiling_us", "only moved us", F::fixed2, 3},
                   {"error_of_bound", "error of bound", F::fixed3, 3},
                   {"elements_checked", "checked", F::whole, 3},
                   {"disturbed", "disturbed samples", F::whole, 3},
                   {"of_seed", "of seed", F::whole, 2},
                   {"detail", "detail", F::text, 3},
                   {"version", "version", F::text, 1}};
  for (const OpbenchRow& row : bench.rows())
    for (const OpbenchCell& cell : row.cells) {
      const Summary s = cell.summary(method);
      const auto known = [&](double value) { return cell.passes() ? Cell(value) : Cell(); };
      const double floor = floor_us(cell);
      table.rows.push_back({row.row->name,
                            row.row->group,
                            cell.framework->info->name,
                            cell.word(),
                            known(s.median),
                            known(s.ci_low),
                            known(s.ci_high),
                            known(s.min),
                            known(100 * s.spread),
                            known(double(s.count)),
                            known(gbps(row, s.median)),
                            floor > 0 ? known(100 * floor / s.median) : Cell(),
                            double(row.row->bytes_read + row.row->bytes_written),
                            double(row.row->flops),
                            std::string(bench.limit(row, cell)),
                            cell.record && cell.record->reachable_us > 0 ? Cell(cell.record->reachable_us) : Cell(),
                            cell.record ? Cell(cell.record->errors.worst_ratio) : Cell(),
                            cell.record ? Cell(double(cell.record->errors.elements_checked)) : Cell(),
                            cell.record ? Cell(double(std::count(cell.record->disturbed.begin(),
                                                                 cell.record->disturbed.end(), uint8_t(1))))
                                        : Cell(),
                            row.row->of_seed ? 1.0 : 0.0,
                            cell.record ? cell.record->detail : cell.framework->missing,
                            cell.framework->version});
    }
  return table;
}

std::string opbench_plan(const Opbench& bench, size_t width, bool colour) {
  Table table;
  table.title = fmt::format("{} rows", bench.rows().size());
  table.columns = {{"row", "row", F::text, 9, 24},          {"read", "MB read", F::fixed1, 6},
                   {"written", "MB written", F::fixed1, 6}, {"gflop", "GFLOP", F::fixed2, 5},
                   {"memory", "MB at once", F::whole, 7},   {"cells", "cells to measure", F::whole, 7}};
  int64_t most = 0;
  for (const OpbenchRow& row : bench.rows()) {
    const auto to_measure = std::count_if(row.cells.begin(), row.cells.end(), [](const OpbenchCell& cell) {
      return !cell.record && cell.framework->missing.empty();
    });
    const int64_t needed = bench.needed_bytes(*row.row);
    most = std::max(most, needed);
    table.rows.push_back({row.row->name, double(row.row->bytes_read) * 1e-6, double(row.row->bytes_written) * 1e-6,
                          double(row.row->flops) * 1e-9, double(needed >> 20), double(to_measure)});
  }
  std::string out = render_table(table, width, colour);
  std::string lines = "\nFrameworks:\n";
  for (const FrameworkModule& module : bench.options().frameworks)
    lines += fmt::format("  {:<16} {}\n", module.info->name,
                         module.missing.empty() ? module.version : "not here: " + module.missing);
  lines += fmt::format("\n{} cells to measure, about {}; the largest row takes {} MB at once.\n", bench.missing(),
                       duration_text(bench.expected_seconds()), most >> 20);
  return out + wrap_lines(lines, width, 4);
}

std::string opbench_text(const Opbench& bench, size_t width, bool colour) {
  std::string out =
      render_table(opbench_table(bench), width, colour) + "\n" + render_table(opbench_means(bench), width, colour);
  std::string lines = not_passed(bench);
  if (!lines.empty()) lines = "\nWithout a time:\n" + lines;
  if (const std::string line = disturbed_line(bench); !line.empty()) lines += "\n" + line;
  lines +=
      "\nFrameworks (all write into outputs that were made before, unless a cell's detail says copies or allocates):\n";
  for (const FrameworkModule& module : bench.options().frameworks)
    if (module.missing.empty()) lines += fmt::format("  {}: {}\n", module.info->name, module.version);
  return out + wrap_lines(lines + missing_lines(bench), width, 4);
}

std::string opbench_markdown(const Opbench& bench) {
  std::string out =
      "# assay opbench\n\n" + markdown_table(opbench_table(bench)) + "\n" + markdown_table(opbench_means(bench));
  if (const std::string lines = not_passed(bench); !lines.empty())
    out += "\nWithout a time:\n\n```\n" + lines + "```\n";
  if (const std::string line = disturbed_line(bench); !line.empty()) out += "\n" + line;
  return out;
}

std::string opbench_json(const Opbench& bench) {
  Json frameworks = Json::array();
  for (const FrameworkModule& module : bench.options().frameworks)
    frameworks.push_back({{"name", module.info->name}, {"version", module.version}, {"missing", module.missing}});
  return json_line({{"schema", "assay-opbench"},
                    {"version", 1},
                    {"device", bench.options().device.name},
                    {"method", bench.options().method == OpbenchMethod::rounds ? "rounds" : "seed"},
                    {"frameworks", frameworks},
                    {"means", to_json(opbench_means(bench))},
                    {"cells", to_json(opbench_cells(bench))}});
}

std::string opbench_classic(const Opbench& bench) {
  OperationTable table;
  for (size_t i = 0; i < bench.options().frameworks.size(); ++i)
    if (is_used(bench, i)) table.columns.push_back(bench.options().frameworks[i].info->column);
  for (const OpbenchRow& row : bench.rows()) {
    OperationTimes times{0, row.row->name, {}};
    for (size_t i = 0; i < row.cells.size(); ++i)
      if (is_used(bench, i))
        times.ms.push_back(row.cells[i].passes() ? row.cells[i].us(bench.options().method) * 1e-3 : std::nan(""));
    table.rows.push_back(std::move(times));
  }
  return classic_operations(table);
}

}  // namespace assay
