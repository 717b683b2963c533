// A bucket of specs.
#include "kernel/spec_bucket.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/suggest.h"
#include "spec/completion.h"
#include "spec/field_reader.h"
#include "spec/op.h"

namespace assay {
namespace {

constexpr int64_t kNoEnd = std::numeric_limits<int64_t>::max();

std::optional<int64_t> whole(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

bool is_segment(const std::string& key) { return key.size() > 1 && key[0] == 'n' && whole(key.substr(1)); }

const OpField& known_field(const Op& op, const std::string& key, const std::string& where) {
  std::vector<std::string> known;
  for (const OpField& field : op.fields) {
    if (field.name == key || (field.name == "n#" && is_segment(key))) return field;
    known.emplace_back(field.name);
  }
  fail("{}: field {} is unknown to {}{}", where, key, op.name, did_you_mean(key, known));
}

}  // namespace

SpecBucket::SpecBucket(const std::string& line, const std::string& where) {
  for (const auto& [key, value] : parse_spec_fields(line, where)) {
    Field field{key, value, 0, -1};
    if (const size_t dots = value.find(".."); dots != std::string::npos) {
      const auto least = whole(value.substr(0, dots));
      const auto most = dots + 2 == value.size() ? std::optional(kNoEnd) : whole(value.substr(dots + 2));
      if (!least || !most || *most < *least)
        fail("{}: field {}={}: a range is LEAST..MOST, or LEAST.. without an end", where, key, value);
      field.least = *least, field.most = *most;
    } else if (const auto size = whole(value); size && value.size() < 19 && key[0] != 't') {
      field.least = field.most = *size;
    }
    fields_.push_back(std::move(field));
  }
  const Field* op = find("op");
  if (!op) fail("{}: field op is missing; a bucket names the op that its specs have", where);
  const Op* known = find_op(op->text);
  if (!known || known->name != op->text) {
    std::vector<std::string> names;
    for (const Op* each : all_ops()) names.emplace_back(each->name);
    fail("{}: field op={}: no such op{}", where, op->text, did_you_mean(op->text, names));
  }
  for (const Field& field : fields_)
    if (known_field(*known, field.key, where).says == kSaysSize && field.most < 1)
      fail("{}: field {}={}: no spec has such a size; a number from 1 on is wanted, or a range LEAST..MOST", where,
           field.key, field.text);
  std::sort(fields_.begin(), fields_.end(), [](const Field& a, const Field& b) {
    return std::pair(a.key != "op", a.key) < std::pair(b.key != "op", b.key);
  });
  for (const Field& field : fields_) line_ += (line_.empty() ? "" : " | ") + field.key + "=" + field.value();
}

std::string SpecBucket::Field::value() const {
  if (!is_range()) return text;
  if (least == most) return std::to_string(least);
  return most == kNoEnd ? fmt::format("{}..", least) : fmt::format("{}..{}", least, most);
}

bool SpecBucket::Field::takes(const std::string& value) const {
  if (!is_range()) return value == text;
  const auto size = whole(value);
  return size && *size >= least && *size <= most;
}

const SpecBucket::Field* SpecBucket::find(const std::string& key) const {
  for (const Field& field : fields_)
    if (field.key == key) return &field;
  return nullptr;
}

std::string SpecBucket::op() const { return find("op")->text; }

std::vector<int64_t> SpecBucket::edges(const std::string& key) const {
  const Field* field = find(key);
  if (!field || !field->is_range()) return {1};
  if (field->most == kNoEnd) return {field->least};
  return {field->least, field->most + 1};
}

bool SpecBucket::matches(const SpecFields& math) const {
  return std::all_of(fields_.begin(), fields_.end(), [&](const Field& field) {
    const std::string* value = find_field(math, field.key);
    return value && field.takes(*value);
  });
}

bool SpecBucket::covers(const SpecBucket& other) const {
  return std::all_of(fields_.begin(), fields_.end(), [&](const Field& field) {
    const Field* narrower = other.find(field.key);
    if (!narrower || narrower->is_range() != field.is_range()) return false;
    return field.is_range() ? field.least <= narrower->least && narrower->most <= field.most
                            : field.text == narrower->text;
  });
}

/// The least and the largest value that both take.
std::optional<std::pair<std::string, std::string>> SpecBucket::common(const Field& a, const Field& b) {
  if (a.is_range() != b.is_range()) return std::nullopt;
  if (!a.is_range()) return a.text == b.text ? std::optional(std::pair(a.text, a.text)) : std::nullopt;
  const int64_t least = std::max(a.least, b.least), most = std::min(a.most, b.most);
  if (least > most) return std::nullopt;
  return std::pair(std::to_string(least), std::to_string(most));
}

std::vector<SpecFields> SpecBucket::shared_with(const SpecBucket& other, const std::string& apart) const {
  std::vector<SpecFields> corners(2);
  const auto add = [&](const Field& a, const Field& b) {
    const auto both = common(a, b);
    if (!both) return false;
    corners[0].emplace_back(a.key, both->first);
    corners[1].emplace_back(a.key, both->second);
    return true;
  };
  for (const Field& field : fields_) {
    const Field* same = other.find(field.key);
    if (field.key != apart && !add(field, same ? *same : field)) return {};
  }
  for (const Field& field : other.fields_)
    if (field.key != apart && !find(field.key)) add(field, field);
  return corners;
}

}  // namespace assay
