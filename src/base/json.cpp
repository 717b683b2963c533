// JSON values: how they are kept, read and written.
#include "base/json.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>
#include <set>

#include "base/error.h"
#include "base/file.h"

namespace assay {
namespace {

using Library = nlohmann::ordered_json;

constexpr size_t kMostLevels = 1000;  // values are copied and destroyed by recursion

/// What is wrong, without the library's number of it: "[json.exception.parse_error.101] parse error at …".
std::string words_of(const char* what) {
  const std::string_view text = what;
  const size_t end = text.starts_with("[json.exception") ? text.find("] ") : std::string_view::npos;
  return std::string(text.substr(end == std::string_view::npos ? 0 : end + 2, 300));
}

/// Takes what the library reads, value by value.
class Builder : public nlohmann::json_sax<Library> {
 public:
  Json root;
  std::string twice, wrong;  // the first key that stands twice in one object; why reading ended
  size_t wrong_at = 0;       // bytes read until then
  bool is_syntax = true;     // else a number that no double holds

  bool null() override { return put(Json()); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return put(value); }
  bool number_unsigned(number_unsigned_t value) override { return put(value); }
  bool number_float(number_float_t value, const string_t&) override { return put(value); }
  bool string(string_t& value) override { return put(std::move(value)); }
  bool binary(binary_t&) override { return false; }
  bool start_object(size_t) override { return open(Json::object()); }
  bool start_array(size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    if (!levels_.back().keys.insert(name).second && twice.empty()) twice = name;
    levels_.back().slot = &(*levels_.back().json)[name];
    return true;
  }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception& e) override {
    wrong = words_of(e.what());
    wrong_at = position;
    is_syntax = dynamic_cast<const Library::parse_error*>(&e) != nullptr;
    return false;
  }

 private:
  struct Level {
    Json* json;
    Json* slot = nullptr;  // of an object: where the value of its last key goes
    std::set<std::string, std::less<>> keys;
  };

  Json& place(Json value) {
    if (levels_.empty()) return root = std::move(value);
    Level& level = levels_.back();
    if (level.slot) return *level.slot = std::move(value);
    level.json->push_back(std::move(value));
    return level.json->back();
  }
  bool put(Json value) {
    place(std::move(value));
    return true;
  }
  bool open(Json value) {
    if (levels_.size() == kMostLevels) {
      wrong = fmt::format("nested deeper than {} levels", kMostLevels);
      return false;
    }
    Json& placed = place(std::move(value));
    levels_.push_back({&placed, nullptr, {}});
    return true;
  }
  bool close() {
    levels_.pop_back();
    return true;
  }

  std::vector<Level> levels_;
};

}  // namespace

struct Json::Children {
  std::vector<std::string> keys;  // of an object, as many as values
  std::vector<Json> values;

  size_t find(std::string_view key) const { return size_t(std::find(keys.begin(), keys.end(), key) - keys.begin()); }
};

Json::Json(std::string_view text) : Json(std::string(text)) {}
Json::Json(std::string text) : kind_(Kind::string) { held_.string = new std::string(std::move(text)); }

Json::Json(List list) {
  const bool pairs = std::all_of(list.begin(), list.end(), [](const Item& item) {
    return item.value().is_array() && item.value().size() == 2 && item.value()[0].is_string();
  });
  *this = pairs ? object() : array(list);
  if (!pairs) return;
  for (const Item& item : list) {
    Json pair = item.take();
    (*this)[pair[0].as_string()] = std::move(pair[1]);
  }
}

Json::Json(const Json& other) : kind_(other.kind_), held_(other.held_) {
  if (kind_ == Kind::string) held_.string = new std::string(*other.held_.string);
  if (kind_ > Kind::string) held_.children = new Children(*other.held_.children);
}

Json& Json::operator=(Json other) noexcept {
  std::swap(kind_, other.kind_);
  std::swap(held_, other.held_);
  return *this;
}

void Json::release() {
  if (kind_ == Kind::string) delete held_.string;
  if (kind_ > Kind::string) delete held_.children;
}

Json Json::array() {
  Json json;
  json.held_.children = new Children();
  json.kind_ = Kind::array;
  return json;
}

Json Json::array(List list) {
  Json json = array();
  for (const Item& item : list) json.push_back(item.take());
  return json;
}

Json Json::object() {
  Json json = array();
  json.kind_ = Kind::object;
  return json;
}

Json Json::parse(const std::string& text) { return parse_json(text, "JSON"); }

Json Json::parse_or_null(const std::string& text) {
  Builder builder;
  return Library::sax_parse(text, &builder) ? std::move(builder.root) : Json();
}

Json parse_json(const std::string& text, const std::string& file) {
  Builder builder;
  if (!Library::sax_parse(text, &builder)) {
    if (const std::string packer = compressed_with(text); !packer.empty())
      fail("{}: is {}-compressed data; unpack it first", file, packer);
    if (!builder.is_syntax) fail("{}: not usable JSON: {}", file, builder.wrong);
    const auto end = text.begin() + std::ptrdiff_t(std::min(builder.wrong_at, text.size()));
    fail("{}:{}: not valid JSON: {}", file, 1 + std::count(text.begin(), end, '\n'), builder.wrong);
  }
  if (!builder.twice.empty()) fail("{}: the key \"{}\" stands twice in one object", file, builder.twice);
  return std::move(builder.root);
}

void Json::expected(const char* what) const { fail("JSON: expected {}, found {}", what, dump().substr(0, 60)); }

bool Json::as_boolean() const {
  if (!is_boolean()) expected("true or false");
  return held_.boolean;
}
int64_t Json::as_integer() const { return is_whole() ? held_.integer : int64_t(as_real()); }
double Json::as_real() const {
  if (!is_number()) expected("a number");
  return kind_ == Kind::real ? held_.real : kind_ == Kind::integer ? double(held_.integer) : double(held_.natural);
}
const std::string& Json::as_string() const {
  if (!is_string()) expected("a string");
  return *held_.string;
}

size_t Json::size() const { return is_null() ? 0 : kind_ <= Kind::string ? 1 : held_.children->values.size(); }
const Json* Json::begin() const { return kind_ > Kind::string ? held_.children->values.data() : this; }

Json::Members Json::items() const {
  if (!is_object()) expected("an object");
  const Children& all = *held_.children;
  return Members({all.keys.data(), all.values.data()},
                 {all.keys.data() + all.keys.size(), all.values.data() + all.values.size()});
}

bool Json::contains(std::string_view key) const { return is_object() && held_.children->find(key) < size(); }

const Json& Json::at(std::string_view key) const {
  if (!contains(key)) expected(fmt::format("an object with the key \"{}\"", key).c_str());
  return held_.children->values[held_.children->find(key)];
}

const Json& Json::at(size_t index) const {
  if (!is_array() || index >= size()) expected(fmt::format("an array with the index {}", index).c_str());
  return held_.children->values[index];
}

Json& Json::operator[](std::string_view key) {
  if (is_null()) *this = object();
  if (!contains(key)) {
    if (!is_object()) expected("an object");
    held_.children->keys.emplace_back(key);
    return held_.children->values.emplace_back();
  }
  return at(key);
}

void Json::push_back(Json value) {
  if (is_null()) *this = array();
  if (!is_array()) expected("an array");
  held_.children->values.push_back(std::move(value));
}

void Json::update(const Json& other) {
  for (const auto& [key, value] : other.items()) (*this)[key] = value;
}

void Json::erase(std::string_view key) {
  if (!contains(key)) return;
  const auto at = std::ptrdiff_t(held_.children->find(key));
  held_.children->keys.erase(held_.children->keys.begin() + at);
  held_.children->values.erase(held_.children->values.begin() + at);
}

bool operator==(const Json& a, const Json& b) {
  if (a.is_number() && b.is_number()) {
    if (a.is_whole() && b.is_whole()) return a.held_.natural == b.held_.natural && a.is_negative() == b.is_negative();
    return a.as_real() == b.as_real();
  }
  if (a.kind_ != b.kind_) return false;
  if (a.is_null()) return true;
  if (a.is_boolean()) return a.held_.boolean == b.held_.boolean;
  if (a.is_string()) return *a.held_.string == *b.held_.string;
  return a.held_.children->keys == b.held_.children->keys && a.held_.children->values == b.held_.children->values;
}

namespace {

Library to_library(const Json& json) {
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_natural()) return json.get<uint64_t>();
  if (json.is_whole()) return json.get<int64_t>();
  if (json.is_number()) return json.get<double>();
  if (json.is_string()) return json.get<std::string>();
  Library all;
  if (json.is_array()) {
    auto& values = (all = Library::array()).get_ref<Library::array_t&>();
    values.reserve(json.size());
    for (const Json& each : json) values.push_back(to_library(each));
  } else if (json.is_object()) {
    auto& members = (all = Library::object()).get_ref<Library::object_t&>();
    members.reserve(json.size());
    for (const auto& [key, value] : json.items()) members.emplace_back(key, to_library(value));
  }
  return all;
}

}  // namespace

std::string Json::dump(int indent) const {
  return to_library(*this).dump(indent, ' ', false, Library::error_handler_t::replace);
}

std::ostream& operator<<(std::ostream& out, const Json& json) { return out << json.dump(); }

}  // namespace assay
