// From counted matmuls to specs with bytes, rates and what could be won.
#include "analysis/shapes.h"

#include <algorithm>
#include <array>
#include <future>
#include <unordered_map>

#include "base/error.h"

namespace assay {
namespace {

constexpr std::array<std::string_view, 7> kFirst = {"op", "batch", "m", "n", "k", "tA", "tB"};

/// The fields as a spec line has them: a fused line may leave n, tA and tB open, any other lacks what it does not say.
SpecFields spec_fields(const MatmulFields& fields) {
  const bool fused =
      std::any_of(fields.begin(), fields.end(), [](const auto& f) { return f.first == "n0" || f.first == "nq"; });
  SpecFields line;
  line.reserve(16);
  for (const std::string_view name : kFirst) {
    const std::string_view value = field_or(fields, name, "");
    const bool may_be_open = fused && (name == "n" || name == "tA" || name == "tB");
    if (!value.empty())
      line.emplace_back(name, value);
    else if (may_be_open)
      line.emplace_back(name, "?");
  }
  for (const auto& [key, value] : fields)
    if (key != "backend" && std::find(kFirst.begin(), kFirst.end(), key) == kFirst.end()) line.emplace_back(key, value);
  return line;
}

/// Without the place that make_spec() was told.
std::string reason_of(const Error& e) { return std::string(e.what()).substr(std::string_view("trace: ").size()); }

/// Arithmetic needs no types and no epilogue: any that the grammar accepts will do.
int64_t flops_of(SpecFields fields) {
  for (const std::string& name : missing_fields(fields)) {
    if (name == "dtA" || name == "dtB" || name == "dtD")
      fields.emplace_back(
          name, name == "dtB" && find_field(fields, "loader") && *find_field(fields, "loader") == "q8nk_split" ? "q8_0"
                                                                                                               : "f16");
    else if (name == "alpha" || name == "beta" || name == "bias")
      fields.emplace_back(name, "1");
  }
  try {
    return make_spec(fields, "trace").flops;
  } catch (const Error&) {
    return 0;
  }
}

/// Whether parse_spec_fields(print_spec_fields(fields)) gives these fields again.
bool survives_printing(const SpecFields& fields) {
  const auto is_whole = [](const std::string& text, const char* separators) {
    return !text.empty() && text.find_first_of(separators) == std::string::npos && text.front() != ' ' &&
           text.back() != ' ' && std::none_of(text.begin(), text.end(), [](char c) {
             return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
           });
  };
  return std::all_of(fields.begin(), fields.end(),
                     [&](const auto& field) { return is_whole(field.first, "|:=") && is_whole(field.second, "|:"); });
}

void complete(Shape& shape, const SpecFields& fields, const std::vector<CompletionRule>& rules) {
  if (!survives_printing(fields)) {
    shape.unknown = "has a field that is empty or holds what separates fields in a spec line";
    return;
  }
  const SpecFields completed = complete_fields(fields, rules, shape.rules);
  const std::vector<std::string> missing = missing_fields(completed);
  if (!missing.empty()) {
    shape.flops = flops_of(fields);
    shape.unknown = "lacks";
    for (const std::string& name : missing) shape.unknown += (name == missing.front() ? " " : ", ") + name;
    return;
  }
  try {
    shape.spec = make_spec(completed, "trace");
    shape.flops = shape.spec->flops;
  } catch (const Error& e) {
    shape.flops = flops_of(fields);
    shape.unknown = reason_of(e);
  }
}

void rate(const Shape& shape, ShapeBackend& on, const ShapeReport& report) {
  on.op = on.op_counts.summary();
  on.gpu = on.gpu_counts.summary();
  on.by_gpu = on.gpu.count > 0 && on.gpu.count * 2 >= on.op.count;
  const DurationSummary& time = on.by_gpu ? on.gpu : on.op;
  on.time_us = time.avg_ms * 1e3;
  if (!(on.time_us > 0)) return;
  on.gflops = double(shape.flops) / on.time_us / 1e3;
  if (!shape.spec) return;
  on.gbps = double(shape.spec->min_bytes()) / on.time_us / 1e3;
  const double ceiling = report.options.ceiling_gbps;
  if (!(ceiling > 0)) return;
  on.percent = 100 * on.gbps / ceiling;
  const double floor_us = double(shape.spec->min_bytes()) / ceiling / 1e3;
  const double won_us = std::max(0.0, on.time_us - floor_us) * double(on.op.count);
  on.to_win_ms = won_us / 1e3 / double(std::max<uint64_t>(report.tokens, 1));
}

/// Calls body(0) to body(count - 1): there are thousands of shapes where a context grew.
template <typename Body>
void on_two_threads(size_t count, const Body& body) {
  const auto every_second = [&](size_t first) {
    for (size_t i = first; i < count; i += 2) body(i);
  };
  auto others = std::async(std::launch::async, every_second, 1);
  every_second(0);
  others.get();
}

/// What a counted matmul says of its shape.
struct Said {
  SpecFields fields;
  std::string text, line, backend;

  Said() = default;
  explicit Said(const MatmulFields& of)
      : fields(spec_fields(of)),
        text(print_spec_fields(fields)),
        line(describes_product(of) ? shape_line(of) : text),
        backend(field_or(of, "backend", "<unknown>")) {}
};

/// Groups the counted matmuls by shape, then by backend, in order of first appearance.
class ShapeGroups {
 public:
  std::vector<Shape> shapes;
  std::vector<SpecFields> fields;  // of each shape

  void add(Said said, const DurationCounts& op, const DurationCounts& gpu, uint64_t first_line) {
    const auto [at, is_new] = places_.try_emplace(said.text, shapes.size());
    if (is_new) {
      shapes.emplace_back();
      shapes.back().line = std::move(said.line);
      shapes.back().text = std::move(said.text);
      shapes.back().first_line = first_line;
      fields.push_back(std::move(said.fields));
    }
    std::vector<ShapeBackend>& backends = shapes[at->second].backends;
    auto on = std::find_if(backends.begin(), backends.end(),
                           [&](const ShapeBackend& b) { return b.backend == said.backend; });
    if (on == backends.end()) {
      backends.emplace_back().backend = std::move(said.backend);
      on = backends.end() - 1;
    }
    on->op_counts.add(op);
    on->gpu_counts.add(gpu);
  }

 private:
  std::unordered_map<std::string, size_t> places_;
};

}  // namespace

ShapeReport report_shapes(const ClassicCounts& counts, const ShapeCounts& gpu, const StringTable& strings,
                          const ShapeOptions& options) {
  ASSAY_CHECK(counts.matmuls().size() == gpu.matmuls().size());
  std::vector<Said> said(counts.matmuls().size());
  on_two_threads(said.size(), [&](size_t i) {
    const ClassicCounts::Matmul& matmul = counts.matmuls()[i];
    const std::string_view source = strings.text(matmul.source);
    said[i] = Said(matmul.from_path ? fields_of_path(source) : unpack_fields(source));
  });
  ShapeGroups groups;
  for (size_t i = 0; i < said.size(); ++i) {
    const ClassicCounts::Matmul& matmul = counts.matmuls()[i];
    const ShapeCounts::Matmul& paired = gpu.matmuls()[i];
    ASSAY_CHECK(matmul.source == paired.source && matmul.from_path == paired.from_path);
    groups.add(std::move(said[i]), matmul.durations, paired.gpu, paired.first_line);
  }
  ShapeReport report;
  report.options = options;
  report.tokens = options.tokens ? options.tokens : gpu.tokens();
  report.tokens_from = options.tokens ? options.tokens_from : std::string(gpu.tokens_from());
  report.rules = shape_rules(options.dtype, groups.fields);
  report.shapes = std::move(groups.shapes);
  on_two_threads(report.shapes.size(), [&](size_t i) {
    complete(report.shapes[i], groups.fields[i], report.rules);
    for (ShapeBackend& on : report.shapes[i].backends) rate(report.shapes[i], on, report);
  });
  for (Shape& shape : report.shapes) {
    for (const ShapeBackend& on : shape.backends) {
      shape.calls += on.op.count;
      shape.total_us += on.time_us * double(on.op.count);
      report.to_win_ms += on.to_win_ms;
      if (!on.is_implausible()) report.best_gbps = std::max(report.best_gbps, on.gbps);
    }
    std::stable_sort(shape.backends.begin(), shape.backends.end(), [](const ShapeBackend& a, const ShapeBackend& b) {
      return a.time_us * double(a.op.count) > b.time_us * double(b.op.count);
    });
    report.total_us += shape.total_us;
  }
  std::stable_sort(report.shapes.begin(), report.shapes.end(),
                   [](const Shape& a, const Shape& b) { return a.total_us > b.total_us; });
  return report;
}

}  // namespace assay
