// Strict reading of small JSON files: every key is asked for or is an error, named by file and JSON pointer.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace assay {

class Json;

/// Parses `text`; Error `FILE:LINE: …` for bad JSON or a key that stands twice in one object.
Json parse_json(const std::string& text, const std::string& file);

/// One value of a file and where it stands. Getters throw Error "FILE at /pointer: …" on a missing key or a wrong type.
class JsonReader {
 public:
  JsonReader(const Json& value, std::string file, std::string pointer = "")
      : value_(&value), file_(std::move(file)), pointer_(std::move(pointer)) {}

  const Json& json() const { return *value_; }
  const std::string& file() const { return file_; }
  const std::string& pointer() const { return pointer_; }

  /// Error unless this is an object whose keys are all among `known`; near names are suggested.
  void only_keys(const std::vector<std::string>& known) const;
  bool has(const std::string& key) const;
  JsonReader at(const std::string& key) const;
  std::vector<JsonReader> items() const;                            // of an array
  std::vector<std::pair<std::string, JsonReader>> members() const;  // of an object, in file order

  std::string string() const;
  int64_t integer() const;
  double number() const;
  bool boolean() const;
  std::vector<std::string> strings() const;

  std::string string_or(const std::string& key, std::string fallback) const {
    return has(key) ? at(key).string() : std::move(fallback);
  }
  bool boolean_or(const std::string& key, bool fallback) const { return has(key) ? at(key).boolean() : fallback; }

  /// Throws Error "FILE at /pointer: message".
  [[noreturn]] void error(const std::string& message) const;

 private:
  const Json* value_;
  std::string file_, pointer_;
};

}  // namespace assay
