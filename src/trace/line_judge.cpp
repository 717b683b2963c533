// The full parser of a line: simdjson's tree, walked key by key because the last of several equal keys counts.
#include <simdjson.h>

#include <charconv>
#include <cmath>
#include <optional>

#include "trace/json_fault.h"
#include "trace/line_fields.h"

namespace assay {
namespace {

namespace dom = simdjson::dom;
using Type = dom::element_type;

constexpr size_t kKeptCapacity = 4 << 20;  // a parser that grew beyond it for one line is given back

const char* type_word(Type type) {
  switch (type) {
    case Type::ARRAY: return "a list";
    case Type::OBJECT: return "an object";
    case Type::STRING: return "a string";
    case Type::BOOL: return "a boolean";
    case Type::NULL_VALUE: return "null";
    default: return "a number";
  }
}

/// What Python takes for false.
bool is_falsy(const dom::element& value) {
  switch (value.type()) {
    case Type::ARRAY: return dom::array(value).size() == 0;
    case Type::OBJECT: return dom::object(value).size() == 0;
    case Type::STRING: return std::string_view(value).empty();
    case Type::BOOL: return !bool(value);
    case Type::NULL_VALUE: return true;
    default: return double(value) == 0;
  }
}

/// A number as Python prints a float: the fewest digits that give it back, a point or an exponent always.
std::string python_float(double value) {
  char scientific[40];
  const auto written = std::to_chars(scientific, scientific + sizeof scientific, std::abs(value), std::chars_format::scientific);
  const std::string_view text(scientific, static_cast<size_t>(written.ptr - scientific));
  const size_t e = text.find('e');
  int exponent = 0;
  const char* digits_of_exponent = text.data() + e + (text[e + 1] == '+' ? 2 : 1);
  std::from_chars(digits_of_exponent, written.ptr, exponent);
  std::string digits(text.substr(0, 1));
  if (e > 2) digits += text.substr(2, e - 2);
  const std::string sign = std::signbit(value) ? "-" : "";
  if (exponent < -4 || exponent >= 16) {
    std::string out = sign + digits.substr(0, 1) + (digits.size() > 1 ? "." + digits.substr(1) : "");
    const int size = std::abs(exponent);
    return out + (exponent < 0 ? "e-" : "e+") + (size < 10 ? "0" : "") + std::to_string(size);
  }
  if (exponent < 0) return sign + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  const auto whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole) return sign + digits + std::string(whole - digits.size(), '0') + ".0";
  return sign + digits.substr(0, whole) + "." + digits.substr(whole);
}

/// A field's value as Python's str() writes it; nothing for a list or an object.
std::optional<std::string> python_text(const dom::element& value) {
  switch (value.type()) {
    case Type::STRING: return std::string(std::string_view(value));
    case Type::INT64: return std::to_string(int64_t(value));
    case Type::UINT64: return std::to_string(uint64_t(value));
    case Type::DOUBLE: return python_float(double(value));
    case Type::BOOL: return bool(value) ? "True" : "False";
    case Type::NULL_VALUE: return "None";
    default: return std::nullopt;
  }
}

bool has_key(const dom::object& object, std::string_view wanted) {
  for (const auto [key, value] : object)
    if (key == wanted) return true;
  return false;
}

bool pack_object(const dom::object& object, std::string& packed) {
  MatmulFields fields;
  for (const auto [key, value] : object) {
    std::optional<std::string> text = python_text(value);
    if (!text) return false;
    fields.emplace_back(key, *std::move(text));
  }
  sort_fields(fields);
  packed = pack_fields(fields);
  return true;
}

TextField text_field(const dom::element& value) {
  if (value.is_string()) return {TextField::Kind::text, std::string_view(value)};
  if (value.is_null()) return {TextField::Kind::null, {}};
  return {is_falsy(value) ? TextField::Kind::falsy : TextField::Kind::other, {}};
}

DurationField duration_field(const dom::element& value) {
  using Kind = DurationField::Kind;
  switch (value.type()) {
    case Type::INT64: return {Kind::number, false, static_cast<uint64_t>(int64_t(value))};
    case Type::UINT64: return {Kind::number, true, uint64_t(value)};
    case Type::BOOL: return {Kind::number, false, bool(value)};
    case Type::STRING: return duration_of_text(std::string_view(value));
    case Type::DOUBLE: return truncated_duration(double(value), Kind::number);
    case Type::NULL_VALUE: return {Kind::absent, false, 0};
    default: return {};
  }
}

int64_t timestamp(const dom::element& value) {
  if (value.is_string()) return rfc3339_ns(std::string_view(value));
  return value.is<int64_t>() ? int64_t(value) : kNoTime;
}

uint64_t span(const dom::element& value) { return value.is<uint64_t>() ? uint64_t(value) : 0; }

void read_data(const dom::object& data, LineFields& f, std::optional<dom::element>& inner) {
  for (const auto [key, value] : data) {
    if (key == "op_name") f.op_name = text_field(value);
    else if (key == "duration_us") f.duration = duration_field(value);
    else if (key == "backend") f.backend = text_field(value);
    else if (key == "data") inner = value;
    else if (key == "parent_op_name") f.parent_op_name = text_field(value);
    else if (key == "internal_kernel_name") f.internal_kernel_name = text_field(value);
    else if (key == "kernel_name") f.kernel_name = text_field(value);
    else if (key == "reason") f.reason = text_field(value);
  }
}

}  // namespace

struct LineJudge::Parser {
  dom::parser lines, maps;
};

LineJudge::LineJudge() : parser_(std::make_unique<Parser>()) {}
LineJudge::~LineJudge() = default;

LineJudge::Verdict LineJudge::judge(std::string_view line, LineFields& f) {
  if (parser_->lines.capacity() > kKeptCapacity) parser_->lines = dom::parser();
  const auto wrong = [this](std::string message) {
    message_ = std::move(message);
    return Verdict::wrong_shape;
  };
  dom::element root;
  if (const auto error = parser_->lines.parse(line.data(), line.size(), false).get(root)) {
    message_ = json_fault(line, error);
    return Verdict::not_json;
  }
  if (!root.is_object()) return wrong(std::string("the line is ") + type_word(root.type()) + ", not an object");
  std::optional<dom::element> event, type, data, inner;
  for (const auto [key, value] : dom::object(root)) {
    if (key == "event") event = value;
    else if (key == "timestamp") f.timestamp_ns = timestamp(value);
    else if (key == "span_id") f.span_id = span(value);
    else if (key == "parent_span_id") f.parent_span_id = span(value);
    else if (key == "span_name") f.span_name = text_field(value);
  }
  if (!event) return Verdict::untyped;
  if (!event->is_object()) return wrong(std::string("event is ") + type_word(event->type()) + ", not an object");
  for (const auto [key, value] : dom::object(*event)) {
    if (key == "type") type = value;
    else if (key == "data") data = value;
  }
  if (!type || is_falsy(*type)) return Verdict::untyped;
  if (!type->is_string()) return wrong(std::string("event.type is ") + type_word(type->type()) + ", not a string");
  f.type = text_field(*type);
  if (!data) return Verdict::fields;
  if (!data->is_object()) return wrong(std::string("event.data is ") + type_word(data->type()) + ", not an object");
  read_data(*data, f, inner);
  if (f.type.text != "GpuOpCompleted") return Verdict::fields;
  const bool in_map = inner && inner->is_object() && has_key(*inner, "op");
  const bool direct = !in_map && has_key(*data, "op") && has_key(*data, "backend");
  if ((in_map || direct) && !pack_object(in_map ? *inner : *data, packed_)) return wrong("a field of the matmul is a list or an object");
  if (in_map || direct) f.packed = packed_;
  return Verdict::fields;
}

bool LineJudge::pack_matmul(std::string_view object_text, std::string& packed) {
  packed.clear();
  dom::object object;
  if (parser_->maps.parse(object_text.data(), object_text.size(), false).get_object().get(object)) return false;
  return !has_key(object, "op") || pack_object(object, packed);
}

}  // namespace assay
