// The seed's two tables of operations, character for character.
#include "opbench/classic_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace assay {
namespace {

const char* const kSeedColumns[] = {"mlx_gpu", "mlx_gpu_compile", "mlx_cpu", "mps", "cpu", "cuda"};

bool contains(const std::vector<std::string>& all, const std::string& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

std::string head(const std::vector<std::string>& columns) {
  std::string flags;
  const auto add = [&](const std::string& name) {
    flags += fmt::format("{}include_{}={}", flags.empty() ? "" : ", ", name, contains(columns, name) ? 1 : 0);
  };
  for (const char* name : kSeedColumns) add(name);
  bool any_mlx = false;
  for (const std::string& name : columns) {
    any_mlx |= name.starts_with("mlx_");
    if (std::find(std::begin(kSeedColumns), std::end(kSeedColumns), name) == std::end(kSeedColumns)) add(name);
  }
  std::string out = fmt::format("Namespace({})\nUse MLX: {}\n\n", flags, any_mlx ? "True" : "False");
  for (size_t i = 0; i < columns.size(); ++i)
    out += fmt::format("Running benchmarks on {} ({}/{})\n\n", columns[i], i + 1, columns.size());
  return out;
}

struct NamedTimes {
  std::string name;
  std::vector<double> ms;
};

std::string one_table(const std::vector<std::string>& columns, const std::vector<NamedTimes>& rows) {
  const auto pairs = speedup_pairs(columns);
  size_t width = 0;
  for (const NamedTimes& row : rows) width = std::max(width, row.name.size());
  std::vector<std::string> titles = columns;
  for (const auto& [a, b] : pairs) titles.push_back(fmt::format("{}/{} speedup", a, b));
  std::string out = fmt::format("| {:<{}} |", "Operation", width + 4), rule = fmt::format("|{:-<{}}|", "", width + 6);
  for (const std::string& title : titles) {
    out += fmt::format(" {} |", title);
    rule += fmt::format("{:-<{}}|", "", std::max<size_t>(title.size(), 6));
  }
  out += "\n" + rule + "\n";
  const auto time_of = [&](const NamedTimes& row, const std::string& column) {
    return row.ms[size_t(std::find(columns.begin(), columns.end(), column) - columns.begin())];
  };
  for (const NamedTimes& row : rows) {
    out += fmt::format("| {:<{}} |", row.name, width);
    for (const double ms : row.ms) out += std::isnan(ms) ? std::string("    nan |") : fmt::format(" {:>6.2f} |", ms);
    for (const auto& [a, b] : pairs) out += fmt::format(" {:>7} |", speedup_text(time_of(row, a), time_of(row, b)));
    out += "\n";
  }
  return out;
}

/// The mean over an operation's rows; NaN where one is missing, as the seed's was.
std::vector<NamedTimes> averages(const OperationTable& table) {
  std::vector<NamedTimes> means;
  std::vector<size_t> counts;
  for (const OperationTimes& row : table.rows) {
    const std::string group = row.name.substr(0, row.name.find('/'));
    if (means.empty() || means.back().name != group) {
      means.push_back({group, std::vector<double>(table.columns.size(), 0)});
      counts.push_back(0);
    }
    for (size_t i = 0; i < row.ms.size(); ++i) means.back().ms[i] += row.ms[i];
    ++counts.back();
  }
  for (size_t i = 0; i < means.size(); ++i)
    for (double& ms : means[i].ms) ms /= double(counts[i]);
  return means;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> speedup_pairs(const std::vector<std::string>& columns) {
  std::vector<std::pair<std::string, std::string>> pairs;
  const auto add = [&](const char* a, const char* b) {
    if (contains(columns, a) && contains(columns, b)) pairs.emplace_back(a, b);
  };
  add("mlx_gpu_compile", "mlx_gpu");
  for (const char* other : {"mps", "mlx_cpu", "cpu", "cuda"}) add("mlx_gpu", other);
  for (const char* own : {"assay_cpu", "onednn"}) add(own, "cpu");
  add("assay_cpu", "onednn");
  add("assay_cuda", "cuda");
  return pairs;
}

std::string speedup_text(double a, double b) {
  if (std::isnan(a) || std::isnan(b) || a <= 0) return "nan%";
  const double percent = (b / a - 1) * 100;
  return fmt::format("{}{:.0f}%", percent > 0 ? "+" : "", std::trunc(percent) + 0.0);
}

std::string classic_operations(const OperationTable& table) {
  std::vector<NamedTimes> rows;
  for (const OperationTimes& row : table.rows) rows.push_back({row.name, row.ms});
  return head(table.columns) + "Detailed benchmark:\n" + one_table(table.columns, rows) + "\n Average benchmark:\n" +
         one_table(table.columns, averages(table));
}

}  // namespace assay
