// The values of one spec line.
#include "spec/field_reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "spec/completion.h"

namespace assay {

bool is_named(std::string_view pattern, std::string_view key) {
  if (!pattern.ends_with('#')) return pattern == key;
  const std::string_view stem = pattern.substr(0, pattern.size() - 1);
  if (!key.starts_with(stem)) return false;
  const std::string_view digits = key.substr(stem.size());
  return !digits.empty() && (digits.size() == 1 || digits[0] != '0') &&
         std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool FieldReader::has(std::string_view key) const { return find_field(fields_, key) != nullptr; }

const std::string& FieldReader::text(std::string_view key) const {
  const std::string* value = find_field(fields_, key);
  ASSAY_CHECK(value);
  return *value;
}

std::vector<std::string> FieldReader::segments() const {
  std::vector<std::string> names;
  for (const auto& [key, value] : fields_)
    for (const OpField& field : op_.fields)
      if (field.is_segment && is_named(field.name, key)) names.push_back(key);
  return names;
}

int64_t FieldReader::size(std::string_view key) const {
  int64_t value = 0;
  const std::string& digits = text(key);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error == std::errc::result_out_of_range) refuse(key, "the number is too large");
  if (error != std::errc() || end != digits.data() + digits.size() || value < 1) refuse(key);
  return value;
}

bool FieldReader::flag(std::string_view key, bool otherwise) const {
  if (!has(key)) return otherwise;
  const std::string& value = text(key);
  if (value != "0" && value != "1" && value != "false" && value != "true") refuse(key);
  return value == "1" || value == "true";
}

double FieldReader::factor(std::string_view key, double otherwise) const {
  if (!has(key)) return otherwise;
  double value = 0;
  const std::string& digits = text(key);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size() || !std::isfinite(value)) refuse(key);
  return value + 0.0;  // -0 and 0 are the same maths
}

Dtype FieldReader::dtype(std::string_view key, bool may_be_quantized) const {
  const auto type = parse_dtype(text(key));
  if (!type || (is_quantized(*type) && !may_be_quantized)) refuse(key);
  return *type;
}

size_t FieldReader::choice(std::string_view key, std::span<const std::string_view> words) const {
  const auto found = std::find(words.begin(), words.end(), text(key));
  if (found == words.end()) refuse(key);
  return size_t(found - words.begin());
}

int64_t FieldReader::values(std::string_view what, std::initializer_list<int64_t> sizes) const {
  constexpr int64_t kMost = int64_t(1) << 40;
  int64_t count = 1;
  for (const int64_t size : sizes) {
    if (size > kMost / count) refuse_all(fmt::format("{} would have more than 2^40 values", what));
    count *= size;
  }
  return count;
}

void FieldReader::refuse(std::string_view key) const {
  std::string_view says = kSaysSize;
  for (const OpField& field : op_.fields)
    if (is_named(field.name, key)) says = field.says;
  refuse(key, fmt::format("it must be {}", says));
}

void FieldReader::refuse(std::string_view key, const std::string& why) const {
  fail("{}: field {}={}: {}", where_, key, text(key), why);
}

void FieldReader::refuse_all(const std::string& why) const { fail("{}: {}", where_, why); }

}  // namespace assay
