// Strict reading of small JSON files.
#include "base/json_reader.h"

#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "base/suggest.h"

namespace assay {

void JsonReader::error(const std::string& message) const {
  fail("{} at {}: {}", file_, pointer_.empty() ? "/" : pointer_, message);
}

void JsonReader::only_keys(const std::vector<std::string>& known) const {
  if (!value_->is_object()) error("expected an object");
  for (const auto& [key, ignored] : value_->items())
    if (std::find(known.begin(), known.end(), key) == known.end())
      error(fmt::format("unknown key \"{}\"{}", key, did_you_mean(key, known)));
}

bool JsonReader::has(const std::string& key) const { return value_->is_object() && value_->contains(key); }

JsonReader JsonReader::at(const std::string& key) const {
  if (!value_->is_object()) error("expected an object");
  if (!value_->contains(key)) error(fmt::format("missing key \"{}\"", key));
  return JsonReader((*value_)[key], file_, pointer_ + "/" + key);
}

std::vector<JsonReader> JsonReader::items() const {
  if (!value_->is_array()) error("expected an array");
  std::vector<JsonReader> result;
  for (size_t i = 0; i < value_->size(); ++i)
    result.emplace_back((*value_)[i], file_, fmt::format("{}/{}", pointer_, i));
  return result;
}

std::vector<std::pair<std::string, JsonReader>> JsonReader::members() const {
  if (!value_->is_object()) error("expected an object");
  std::vector<std::pair<std::string, JsonReader>> result;
  for (const auto& [key, value] : value_->items())
    result.emplace_back(key, JsonReader(value, file_, pointer_ + "/" + key));
  return result;
}

std::string JsonReader::string() const {
  if (!value_->is_string()) error("expected a string");
  return value_->get<std::string>();
}

int64_t JsonReader::integer() const {
  if (!value_->is_whole()) error("expected a whole number");
  if (value_->is_natural() && value_->get<uint64_t>() > uint64_t(INT64_MAX)) error("the number is too large");
  return value_->get<int64_t>();
}

double JsonReader::number() const {
  if (!value_->is_number()) error("expected a number");
  return value_->get<double>();
}

bool JsonReader::boolean() const {
  if (!value_->is_boolean()) error("expected true or false");
  return value_->get<bool>();
}

std::vector<std::string> JsonReader::strings() const {
  std::vector<std::string> result;
  for (const JsonReader& item : items()) result.push_back(item.string());
  return result;
}

}  // namespace assay
