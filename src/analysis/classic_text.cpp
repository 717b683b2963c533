// The fifteen sections as text, from counts that are kept per name.
#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "analysis/classic.h"
#include "analysis/duration_summary.h"

namespace assay {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

/// A titled line of a section, and its durations: only those of lines that are printed are put together.
struct Row {
  std::string title;
  DurationParts durations;
  Int128 total_us = 0;
};

/// A key of two names, which one title may be made of in two ways.
std::string pair_key(std::string_view a, std::string_view b) { return fmt::format("{}:{}{}", a.size(), a, b); }

/// Rows in order of first appearance; a key that comes again adds to its row.
class Rows {
 public:
  void add(const std::string& title, const DurationCounts& durations) { add(title, title, durations); }
  void add(const std::string& key, const std::string& title, const DurationCounts& durations) {
    const auto [at, is_new] = places_.try_emplace(key, rows_.size());
    if (is_new) rows_.push_back({title, {}, 0});
    rows_[at->second].durations.add(durations);
    rows_[at->second].total_us += durations.total_us();
  }
  bool empty() const { return rows_.empty(); }

  void sort_by_name() {
    std::stable_sort(rows_.begin(), rows_.end(), [](const Row& a, const Row& b) { return a.title < b.title; });
  }
  void keep_if(const std::function<bool(const std::string& title)>& wanted) {
    std::erase_if(rows_, [&](const Row& row) { return !wanted(row.title); });
  }
  /// Longest total first.
  const std::vector<Row>& sorted() {
    std::stable_sort(rows_.begin(), rows_.end(), [](const Row& a, const Row& b) { return a.total_us > b.total_us; });
    return rows_;
  }

 private:
  std::vector<Row> rows_;
  std::unordered_map<std::string, size_t> places_;
};

class Report {
 public:
  Report(const ClassicCounts& counts, const StringTable& strings, const ClassicOptions& options)
      : counts_(counts), strings_(strings), options_(options), filter_(lower(options.kernel_filter)) {}

  std::string text() {
    event_types();
    selections();
    internals();
    ops();
    matmuls();
    ops_of(OpClass::wait, "GPU wait breakdown");
    ops_of(OpClass::command_buffer, "Command buffer GPU timing");
    out_ += "\nSync operations:\n" + summary_line("sync kernels", summarize(counts_.sync()));
    return std::move(out_);
  }

 private:
  std::string name(StringId id) const { return std::string(strings_.text(id)); }
  bool passes(const std::string& shown) const {
    return filter_.empty() || lower(shown).find(filter_) != std::string::npos;
  }

  void print(Rows& rows, size_t top, const std::string& before_title = "") {
    const std::vector<Row>& sorted = rows.sorted();
    for (size_t i = 0; i < std::min(top, sorted.size()); ++i)
      out_ += summary_line(before_title + sorted[i].title, sorted[i].durations.summary());
  }

  void print_kernels(Rows& rows, const char* title, size_t top) {
    out_ += fmt::format("\n{}:\n", title);
    rows.keep_if([this](const std::string& shown) { return passes(shown); });
    if (rows.empty()) out_ += "  (no kernels matched)\n";
    print(rows, top);
  }

  void event_types() {
    out_ += fmt::format("Total events: {}\n\nEvent type summary:\n", counts_.events());
    std::vector<ClassicCounts::Type> types = counts_.types();
    std::stable_sort(types.begin(), types.end(), [](const auto& a, const auto& b) { return a.events > b.events; });
    for (const ClassicCounts::Type& type : types)
      out_ += summary_line(fmt::format("{} (count={})", name(type.name), type.events), summarize(type.durations));
  }

  template <typename Title>
  void selection_section(const char* title, Title key_and_title) {
    std::vector<std::pair<std::string, uint64_t>> rows;
    std::unordered_map<std::string, size_t> places;
    for (const ClassicCounts::Selection& selection : counts_.selections()) {
      const auto [key, shown] = key_and_title(selection);
      const auto [at, is_new] = places.try_emplace(key, rows.size());
      if (is_new) rows.emplace_back(shown, 0);
      rows[at->second].second += selection.events;
    }
    std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
    out_ += fmt::format("\n{}:\n", title);
    for (size_t i = 0; i < std::min(options_.top, rows.size()); ++i)
      out_ += fmt::format("  {}: count={}\n", rows[i].first, rows[i].second);
  }

  void selections() {
    if (counts_.selections().empty()) return;
    using Shown = std::pair<std::string, std::string>;
    selection_section("Backend selection summary",
                      [this](const auto& s) { return Shown(name(s.backend), "backend=" + name(s.backend)); });
    selection_section("Backend selection reasons",
                      [this](const auto& s) { return Shown(name(s.reason), "reason=" + name(s.reason)); });
    selection_section("Backend selection by op/backend", [this](const auto& s) {
      const std::string_view op = strings_.text(s.op), backend = strings_.text(s.backend);
      return Shown(pair_key(op, backend), fmt::format("op={} backend={}", op, backend));
    });
  }

  void internals() {
    if (counts_.internals().empty()) return;
    Rows parents, pairs, kernels;
    for (const ClassicCounts::Internal& internal : counts_.internals()) {
      parents.add(name(internal.parent), internal.durations);
      const std::string_view parent = strings_.text(internal.parent), kernel = strings_.text(internal.kernel);
      pairs.add(pair_key(parent, kernel), fmt::format("{} :: {}", parent, kernel), internal.durations);
      kernels.add(name(internal.kernel), internal.durations);
    }
    out_ += "\nInternal kernel by parent:\n";
    parents.sort_by_name();
    print(parents, options_.top);
    out_ += "\nInternal kernel by parent/op:\n";
    print(pairs, options_.top);
    if (!options_.include_kernel_totals)
      kernels.keep_if(
          [](const std::string& kernel) { return !kernel.ends_with("_total") && !kernel.ends_with("cb_wait"); });
    print_kernels(kernels, "Kernel aggregate (all parents)", options_.kernel_top);
  }

  void ops() {
    Rows kernels, types;
    for (const ClassicCounts::Op& op : counts_.ops()) {
      if (op.op_class != OpClass::kernel) continue;
      kernels.add(name(op.name), op.durations);
      types.add(kernel_base_name(strings_.text(op.name)), op.durations);
    }
    if (kernels.empty()) return;
    print_kernels(kernels, "GPU kernel durations (excluding waits)", options_.top);
    print_kernels(types, "GPU kernel aggregate (by kernel type)", options_.top);
  }

  void matmuls() {
    if (counts_.matmuls().empty()) return;
    Rows backends, ops;
    std::vector<std::string> shapes;
    std::unordered_map<std::string, Rows> backends_of_shape;
    for (const ClassicCounts::Matmul& matmul : counts_.matmuls()) {
      const MatmulFields fields =
          matmul.from_path ? fields_of_path(strings_.text(matmul.source)) : unpack_fields(strings_.text(matmul.source));
      if (!describes_product(fields)) continue;
      const std::string backend(field_or(fields, "backend", "<unknown>")), shape = shape_line(fields);
      backends.add(backend, matmul.durations);
      const std::string_view op = field_or(fields, "op", "<unknown>");
      ops.add(pair_key(op, backend), fmt::format("{} @ {}", op, backend), matmul.durations);
      if (!backends_of_shape.contains(shape)) shapes.push_back(shape);
      backends_of_shape[shape].add(backend, matmul.durations);
    }
    const auto passing = [this](const std::string& shown) { return passes(shown); };
    out_ += "\nMatmul backend summary:\n";
    backends.keep_if(passing);
    print(backends, options_.top, "backend=");
    out_ += "\nMatmul op/backend summary:\n";
    ops.keep_if(passing);
    print(ops, options_.top);
    out_ += "\nMatmul shape backend summary:\n";
    print_shapes(shapes, backends_of_shape);
  }

  void print_shapes(const std::vector<std::string>& shapes, std::unordered_map<std::string, Rows>& backends_of_shape) {
    struct Shape {
      const std::string* line;
      const std::vector<Row>* backends;
      Int128 total_us = 0;
    };
    std::vector<Shape> rows;
    for (const std::string& shape : shapes) {
      const std::vector<Row>& backends = backends_of_shape[shape].sorted();
      if (!passes(shape) &&
          std::none_of(backends.begin(), backends.end(), [this](const Row& row) { return passes(row.title); }))
        continue;
      rows.push_back({&shape, &backends, 0});
      for (const Row& row : backends) rows.back().total_us += row.total_us;
    }
    std::stable_sort(rows.begin(), rows.end(), [](const Shape& a, const Shape& b) { return a.total_us > b.total_us; });
    for (size_t i = 0; i < std::min(options_.top, rows.size()); ++i) {
      out_ += fmt::format("  {}:\n", *rows[i].line);
      for (const Row& row : *rows[i].backends) out_ += summary_line("backend=" + row.title, row.durations.summary(), 4);
    }
  }

  void ops_of(OpClass wanted, const char* title) {
    Rows rows;
    for (const ClassicCounts::Op& op : counts_.ops())
      if (op.op_class == wanted) rows.add(name(op.name), op.durations);
    if (rows.empty()) return;
    out_ += fmt::format("\n{}:\n", title);
    print(rows, options_.top);
  }

  const ClassicCounts& counts_;
  const StringTable& strings_;
  const ClassicOptions& options_;
  std::string filter_, out_;
};

}  // namespace

std::string kernel_base_name(std::string_view op_name) {
  std::string_view base = op_name.substr(op_name.rfind('/') + 1);  // npos + 1 = 0
  const bool is_op = base.ends_with("_op");
  if (is_op && base.starts_with("sdpa_block_"))
    base = "sdpa";
  else if (is_op && base.starts_with("mlp_swiglu_block_"))
    base = "mlp_swiglu";
  else if (base.starts_with("forward_cpu_block_"))
    base = "forward_cpu";
  else if (is_op)
    base = base.substr(0, base.rfind('_'));
  while (base.ends_with('_')) base.remove_suffix(1);
  return std::string(base);
}

std::string classic_header(std::string_view path) {
  std::string shown(path.starts_with('/') ? "/" : "");
  for (size_t at = 0; at < path.size();) {
    const size_t slash = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, slash - at);
    if (!part.empty() && part != ".") {
      if (!shown.empty() && shown != "/") shown += '/';
      shown += part;
    }
    at = slash + 1;
  }
  return fmt::format("\n=== Analyzing {} ===\n", shown.empty() ? "." : shown);
}

std::string classic_text(const ClassicCounts& counts, const StringTable& strings, const ClassicOptions& options) {
  return Report(counts, strings, options).text();
}

}  // namespace assay
