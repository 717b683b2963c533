// Packing is by length, so that no byte of a value can be taken for a separator.
#include "trace/matmul_fields.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

namespace assay {
namespace {

constexpr std::array<std::string_view, 7> kShapeKeys = {"op", "batch", "m", "n", "k", "tA", "tB"};

void pack_text(std::string& to, std::string_view text) {
  const auto length = static_cast<uint32_t>(text.size());
  to.append(reinterpret_cast<const char*>(&length), sizeof length);
  to.append(text);
}

std::string unpack_text(std::string_view& from) {
  uint32_t length;
  std::memcpy(&length, from.data(), sizeof length);
  std::string text(from.substr(sizeof length, length));
  from.remove_prefix(sizeof length + length);
  return text;
}

}  // namespace

void sort_fields(MatmulFields& fields) {
  std::stable_sort(fields.begin(), fields.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  size_t kept = 0;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (i + 1 < fields.size() && fields[i + 1].first == fields[i].first) continue;
    if (kept != i) fields[kept] = std::move(fields[i]);
    ++kept;
  }
  fields.resize(kept);
}

std::string pack_fields(const MatmulFields& sorted) {
  std::string packed;
  for (const auto& [key, value] : sorted) {
    pack_text(packed, key);
    pack_text(packed, value);
  }
  return packed;
}

MatmulFields unpack_fields(std::string_view packed) {
  MatmulFields fields;
  fields.reserve(16);
  while (!packed.empty()) {
    std::string key = unpack_text(packed);
    fields.emplace_back(std::move(key), unpack_text(packed));
  }
  return fields;
}

MatmulFields fields_of_path(std::string_view op_name) {
  size_t begin = op_name.find("matmul_cache/");
  if (begin == std::string_view::npos) begin = op_name.find("matmul/");
  if (begin == std::string_view::npos) return {};
  MatmulFields fields;
  for (size_t slash = op_name.find('/', begin); slash != std::string_view::npos;) {
    const size_t next = op_name.find('/', slash + 1);
    std::string_view segment = op_name.substr(slash + 1, next == std::string_view::npos ? next : next - slash - 1);
    if (segment.find("::") != std::string_view::npos) break;
    segment = segment.substr(0, segment.find('#'));
    if (const size_t equals = segment.find('='); equals != std::string_view::npos)
      fields.emplace_back(segment.substr(0, equals), segment.substr(equals + 1));
    slash = next;
  }
  sort_fields(fields);
  return fields;
}

std::string_view field_or(const MatmulFields& fields, std::string_view key, std::string_view fallback) {
  for (const auto& [name, value] : fields)
    if (name == key) return value;
  return fallback;
}

std::string shape_line(const MatmulFields& fields) {
  std::string line;
  const auto append = [&line](std::string_view key, std::string_view value) {
    if (!line.empty()) line += " | ";
    line.append(key).append("=").append(value);
  };
  for (const std::string_view key : kShapeKeys) append(key, field_or(fields, key, "?"));
  for (const auto& [key, value] : fields)
    if (key != "backend" && std::find(kShapeKeys.begin(), kShapeKeys.end(), key) == kShapeKeys.end())
      append(key, value);
  return line;
}

}  // namespace assay
