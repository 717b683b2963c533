// Attention at every context length would be hundreds of rows.
#include "report/shape_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <unordered_map>

namespace assay {
namespace {

constexpr size_t kLeastFolded = 8;

ShapeRow row_of(const Shape& shape, const ShapeBackend& on) {
  const double calls = double(on.op.count);
  return {&shape,
          short_shape(shape),
          on.backend,
          0,
          on.by_gpu,
          calls,
          on.op.avg_ms * 1e3 * calls,
          on.time_us * calls,
          shape.spec ? calls * double(shape.spec->min_bytes()) : 0,
          calls * double(shape.flops),
          on.to_win_ms};
}

/// A size as a spec's line and its short form name it.
struct SizeName {
  std::string_view in_line, in_label;
};

/// Where the digits after " n=" (" N:" in short form) begin and end; both 0: there are none.
std::pair<size_t, size_t> find_size(const std::string& text, const SizeName& name) {
  for (const std::string_view key : {name.in_line, name.in_label}) {
    const size_t at = text.find(key);
    if (at == std::string::npos) continue;
    const size_t begin = at + key.size(), end = std::min(text.find_first_not_of("0123456789", begin), text.size());
    if (end > begin && end - begin < 16 && (end == text.size() || text[end] == ' ')) return {begin, end};
  }
  return {0, 0};
}

/// Attention at every context length is one row, not hundreds.
std::vector<ShapeRow> fold(std::vector<ShapeRow> rows, const SizeName& name) {
  struct Group {
    std::vector<size_t> rows;
    int64_t least = 0, most = 0;
  };
  std::unordered_map<std::string, Group> groups;
  std::vector<Group*> group_of(rows.size(), nullptr);
  for (size_t i = 0; i < rows.size(); ++i) {
    std::string text = rows[i].shape->text;
    const auto [begin, end] = find_size(text, name);
    if (end == 0 || rows[i].folded > 0) continue;
    const int64_t size = std::stoll(text.substr(begin, end - begin));
    text.erase(begin, end - begin);
    const int known = rows[i].by_gpu | (rows[i].bytes > 0) << 1 | (rows[i].flops > 0) << 2;
    Group& group = groups[rows[i].backend + char('0' + known) + text];
    group.least = group.rows.empty() ? size : std::min(group.least, size);
    group.most = std::max(group.most, size);
    group.rows.push_back(i);
    group_of[i] = &group;
  }
  std::vector<ShapeRow> folded;
  for (size_t i = 0; i < rows.size(); ++i) {
    const Group* group = group_of[i];
    if (!group || group->rows.size() < kLeastFolded) {
      folded.push_back(std::move(rows[i]));
    } else if (group->rows.front() == i) {
      ShapeRow sum = rows[i];
      for (size_t other = 1; other < group->rows.size(); ++other) {
        const ShapeRow& row = rows[group->rows[other]];
        sum.calls += row.calls, sum.op_us += row.op_us, sum.time_us += row.time_us;
        sum.bytes += row.bytes, sum.flops += row.flops, sum.to_win_ms += row.to_win_ms;
      }
      sum.folded = group->rows.size();
      const auto [begin, end] = find_size(sum.label, name);
      sum.label.replace(begin, end - begin, fmt::format("{}..{}", group->least, group->most));
      folded.push_back(std::move(sum));
    }
  }
  return folded;
}

}  // namespace

std::string short_shape(const Shape& shape) {
  if (!shape.spec) return shape.text;
  const Spec& spec = *shape.spec;
  return fmt::format("{} {} {}", spec.op_name, spec.short_name_with_layout(),
                     dtype_name(spec.dtype(Operand::b).value_or(Dtype::f32)));
}

std::vector<ShapeRow> folded_rows(const ShapeReport& report) {
  std::vector<ShapeRow> rows;
  for (const Shape& shape : report.shapes)
    for (const ShapeBackend& on : shape.backends) rows.push_back(row_of(shape, on));
  for (const SizeName name : {SizeName{" n=", " N:"}, SizeName{" k=", " K:"}, SizeName{" length=", " L:"}})
    rows = fold(std::move(rows), name);
  std::stable_sort(rows.begin(), rows.end(),
                   [](const ShapeRow& a, const ShapeRow& b) { return a.time_us > b.time_us; });
  return rows;
}

}  // namespace assay
