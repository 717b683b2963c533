// Strict reading of small JSON files.
#include "base/json_reader.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "base/suggest.h"

namespace assay {
namespace {

/// What is wrong, without the library's number of it: "[json.exception.parse_error.101] parse error at …".
std::string words_of(const Json::exception& e) {
  const std::string_view text = e.what();
  const size_t end = text.starts_with("[json.exception") ? text.find("] ") : std::string_view::npos;
  return std::string(text.substr(end == std::string_view::npos ? 0 : end + 2, 300));
}

}  // namespace

Json parse_json(const std::string& text, const std::string& file) {
  std::vector<std::set<std::string>> keys;
  std::string twice;
  try {
    const auto watch_keys = [&](int, Json::parse_event_t event, Json& parsed) {
      if (event == Json::parse_event_t::object_start) keys.emplace_back();
      if (event == Json::parse_event_t::object_end) keys.pop_back();
      if (event == Json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second && twice.empty())
        twice = parsed.get<std::string>();
      return true;
    };
    Json json = Json::parse(text, watch_keys);
    if (!twice.empty()) fail("{}: the key \"{}\" stands twice in one object", file, twice);
    return json;
  } catch (const Json::parse_error& e) {
    const size_t end = std::min(e.byte, text.size());
    fail("{}:{}: not valid JSON: {}", file, 1 + std::count(text.begin(), text.begin() + std::ptrdiff_t(end), '\n'),
         words_of(e));
  } catch (const Json::exception& e) {  // a number that no double holds
    fail("{}: not usable JSON: {}", file, words_of(e));
  }
}

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
  if (!value_->is_number_integer()) error("expected a whole number");
  if (value_->is_number_unsigned() && value_->get<uint64_t>() > uint64_t(INT64_MAX)) error("the number is too large");
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
