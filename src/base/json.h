// A JSON value. The library that reads and writes it is json.cpp's alone: its header costs a source 2 s.
#pragma once
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/json_reader.h"

namespace assay {

/// Null, true or false, a number, a text, an array, or an object whose keys keep their order. Whoever asks it for what
/// it is not gets an Error; a null becomes an array by push_back(), an object by operator[].
class Json {
 public:
  class Item;
  using List = std::initializer_list<Item>;
  struct Member;
  class Members;

  Json() = default;
  Json(std::nullptr_t) {}
  Json(const char* text) : Json(std::string_view(text)) {}
  Json(std::string_view text);
  Json(std::string text);
  template <typename Number>
    requires std::is_arithmetic_v<Number>
  Json(Number number) {
    if constexpr (std::same_as<Number, bool>)
      kind_ = Kind::boolean, held_.boolean = number;
    else if constexpr (std::floating_point<Number>)
      kind_ = Kind::real, held_.real = double(number);
    else if constexpr (std::is_signed_v<Number>)
      kind_ = Kind::integer, held_.integer = number;
    else
      kind_ = Kind::natural, held_.natural = number;
  }
  /// A map becomes an object, another container an array.
  template <typename Container>
    requires requires(const Container& all) { all.begin() != all.end(); } &&
             (!std::convertible_to<const Container&, std::string>) && (!std::same_as<Container, Json>)
  Json(const Container& all) {
    if constexpr (requires { typename Container::mapped_type; }) {
      for (*this = object(); const auto& [key, value] : all) (*this)[key] = Json(value);
    } else {
      for (*this = array(); const auto& each : all) push_back(Json(each));
    }
  }
  /// An object if each of the list is a pair that begins with a text, else an array.
  Json(List list);

  Json(const Json& other);
  Json(Json&& other) noexcept : kind_(other.kind_), held_(other.held_) { other.kind_ = Kind::null; }
  Json& operator=(Json other) noexcept;
  ~Json() {
    if (kind_ >= Kind::string) release();
  }

  static Json array();
  static Json array(List list);
  static Json object();
  /// As parse_json(), which can say what file it was.
  static Json parse(const std::string& text);
  /// Null where `text` is no JSON. Of a key that stands twice the last value counts.
  static Json parse_or_null(const std::string& text);

  bool is_null() const { return kind_ == Kind::null; }
  bool is_boolean() const { return kind_ == Kind::boolean; }
  bool is_natural() const { return kind_ == Kind::natural; }
  bool is_whole() const { return kind_ == Kind::integer || kind_ == Kind::natural; }
  bool is_number() const { return is_whole() || kind_ == Kind::real; }
  bool is_string() const { return kind_ == Kind::string; }
  bool is_array() const { return kind_ == Kind::array; }
  bool is_object() const { return kind_ == Kind::object; }

  /// bool, std::string, a number (of a wider or narrower type as by a cast), or a vector of such.
  template <typename Value>
  Value get() const {
    if constexpr (std::same_as<Value, bool>) {
      return as_boolean();
    } else if constexpr (std::floating_point<Value>) {
      return Value(as_real());
    } else if constexpr (std::integral<Value>) {
      return Value(as_integer());
    } else if constexpr (std::same_as<Value, std::string>) {
      return as_string();
    } else {
      Value all;
      for (const Json& each : *this) all.push_back(each.get<typename Value::value_type>());
      return all;
    }
  }

  template <typename Number>
    requires std::is_arithmetic_v<Number> && (!std::same_as<Number, char>)
  operator Number() const {
    return get<Number>();
  }
  operator std::string() const { return as_string(); }

  /// Of an array or object; a null has none, another value is one.
  size_t size() const;
  bool empty() const { return size() == 0; }
  /// Values of an array or object, in order.
  const Json* begin() const;
  const Json* end() const { return begin() + (is_array() || is_object() ? size() : 0); }
  Json* begin() { return const_cast<Json*>(std::as_const(*this).begin()); }
  Json* end() { return const_cast<Json*>(std::as_const(*this).end()); }
  const Json& back() const { return at(size() - 1); }
  Json& back() { return at(size() - 1); }
  /// Pairs of key and value, of an object.
  Members items() const;

  bool contains(std::string_view key) const;
  const Json& at(std::string_view key) const;
  const Json& at(size_t index) const;
  Json& at(std::string_view key) { return const_cast<Json&>(std::as_const(*this).at(key)); }
  Json& at(size_t index) { return const_cast<Json&>(std::as_const(*this).at(index)); }
  template <typename Value>
  Value value_or(std::string_view key, Value fallback) const {
    return contains(key) ? at(key).get<Value>() : fallback;
  }
  const Json& operator[](std::string_view key) const { return at(key); }
  /// A key that is new gets a null.
  Json& operator[](std::string_view key);
  const Json& operator[](const char* key) const { return at(std::string_view(key)); }
  Json& operator[](const char* key) { return (*this)[std::string_view(key)]; }
  template <std::integral Index>
  const Json& operator[](Index index) const {
    return at(size_t(index));
  }
  template <std::integral Index>
  Json& operator[](Index index) {
    return at(size_t(index));
  }

  void push_back(Json value);
  template <typename... Arguments>
  Json& emplace_back(Arguments&&... arguments) {
    push_back(Json(std::forward<Arguments>(arguments)...));
    return back();
  }
  /// Sets the keys of another object.
  void update(const Json& other);
  void erase(std::string_view key);

  /// As text: on one line, or with `indent` spaces a level. What is no UTF-8 becomes U+FFFD.
  std::string dump(int indent = -1) const;

  friend bool operator==(const Json& a, const Json& b);
  template <typename Value>
    requires(!std::same_as<Value, Json>) && std::constructible_from<Json, const Value&>
  friend bool operator==(const Json& a, const Value& b) {
    return a == Json(b);
  }
  friend std::ostream& operator<<(std::ostream& out, const Json& json);

 private:
  enum class Kind : uint8_t { null, boolean, integer, natural, real, string, array, object };
  struct Children;
  bool is_negative() const { return kind_ == Kind::integer && held_.integer < 0; }
  void release();
  bool as_boolean() const;
  int64_t as_integer() const;
  double as_real() const;
  const std::string& as_string() const;
  [[noreturn]] void expected(const char* what) const;

  Kind kind_ = Kind::null;
  union Held {
    bool boolean;
    int64_t integer;
    uint64_t natural = 0;
    double real;
    std::string* string;
    Children* children;
  } held_;
};

/// One of a list in braces: what is given for good is moved out of it.
class Json::Item {
 public:
  Item(List list) : value_(list) {}
  template <typename Value>
    requires std::constructible_from<Json, Value&&>
  Item(Value&& value) : value_(std::forward<Value>(value)) {}
  const Json& value() const { return value_; }
  Json take() const { return std::move(value_); }

 private:
  mutable Json value_;
};

struct Json::Member {
  const std::string& key;
  const Json& value;
};

class Json::Members {
 public:
  class Iterator {
   public:
    Iterator(const std::string* key, const Json* value) : key_(key), value_(value) {}
    Member operator*() const { return {*key_, *value_}; }
    Iterator& operator++() { return ++key_, ++value_, *this; }
    bool operator==(const Iterator&) const = default;

   private:
    const std::string* key_;
    const Json* value_;
  };
  Members(Iterator begin, Iterator end) : begin_(begin), end_(end) {}
  Iterator begin() const { return begin_; }
  Iterator end() const { return end_; }

 private:
  Iterator begin_, end_;
};

}  // namespace assay
