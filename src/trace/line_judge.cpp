// The full parser of a line: simdjson's tree, walked key by key because the last of several equal keys counts.
#include <fmt/format.h>
#include <simdjson.h>

#include <charconv>
#include <cmath>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "base/joined.h"
#include "trace/json_fault.h"
#include "trace/line_fields.h"

namespace assay {
namespace {

namespace dom = simdjson::dom;
using Type = dom::element_type;

constexpr size_t kKeptCapacity = 4 << 20;  // a parser that grew beyond it for one line is given back

const char* type_word(Type type) {
  switch (type) {
    case Type::ARRAY:
      return "a list";
    case Type::OBJECT:
      return "an object";
    case Type::STRING:
      return "a string";
    case Type::BOOL:
      return "a boolean";
    case Type::NULL_VALUE:
      return "null";
    default:
      return "a number";
  }
}

/// What Python takes for false.
bool is_falsy(const dom::element& value) {
  switch (value.type()) {
    case Type::ARRAY:
      return dom::array(value).size() == 0;
    case Type::OBJECT:
      return dom::object(value).size() == 0;
    case Type::STRING:
      return std::string_view(value).empty();
    case Type::BOOL:
      return !bool(value);
    case Type::NULL_VALUE:
      return true;
    default:
      return double(value) == 0;
  }
}

/// A number as Python prints a float: the fewest digits that give it back, a point or an exponent always.
std::string python_float(double value) {
  char scientific[40];
  const auto written =
      std::to_chars(scientific, scientific + sizeof scientific, std::abs(value), std::chars_format::scientific);
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

/// A text within a list or an object, as Python writes it there; what is not ASCII stays as it is.
std::string python_quoted(std::string_view text) {
  const char quote = text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos ? '"' : '\'';
  std::string out(1, quote);
  for (const char c : text) {
    if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (c == '\r')
      out += "\\r";
    else if (c == '\\' || c == quote)
      out.append({'\\', c});
    else if ((c >= 0 && c < ' ') || c == 0x7f)
      out += fmt::format("\\x{:02x}", c);
    else
      out += c;
  }
  return out + quote;
}

/// A value as Python's str() writes it. In an object a key that stands twice keeps its first place and its last value.
std::string python_text(const dom::element& value, bool within = false) {
  switch (value.type()) {
    case Type::STRING:
      return within ? python_quoted(std::string_view(value)) : std::string(std::string_view(value));
    case Type::INT64:
      return std::to_string(int64_t(value));
    case Type::UINT64:
      return std::to_string(uint64_t(value));
    case Type::DOUBLE:
      return python_float(double(value));
    case Type::BOOL:
      return bool(value) ? "True" : "False";
    case Type::NULL_VALUE:
      return "None";
    case Type::ARRAY: {
      std::vector<std::string> items;
      for (const dom::element item : dom::array(value)) items.push_back(python_text(item, true));
      return fmt::format("[{}]", joined(items, ", "));
    }
    case Type::OBJECT:
      break;
  }
  std::vector<std::string> members;
  std::unordered_map<std::string_view, size_t> places;
  for (const auto [key, member] : dom::object(value)) {
    const auto [at, is_new] = places.try_emplace(key, members.size());
    if (is_new) members.emplace_back();
    members[at->second] = python_quoted(key) + ": " + python_text(member, true);
  }
  return fmt::format("{{{}}}", joined(members, ", "));
}

/// The last value of a key; nothing where it is missing.
std::optional<dom::element> find_key(const dom::object& object, std::string_view wanted) {
  std::optional<dom::element> found;
  for (const auto [key, value] : object)
    if (key == wanted) found = value;
  return found;
}

/// The packed fields of the map that describes a matmul: `map`'s own `data` if that has `op`, else `map` if it has `op`
/// and `backend`; "" if neither does.
std::string pack_matmul_map(const dom::object& map) {
  const std::optional<dom::element> inner = find_key(map, "data");
  const bool in_inner = inner && inner->is_object() && find_key(*inner, "op");
  if (!in_inner && !(find_key(map, "op") && find_key(map, "backend"))) return "";
  MatmulFields fields;
  for (const auto [key, value] : in_inner ? dom::object(*inner) : map) fields.emplace_back(key, python_text(value));
  sort_fields(fields);
  return pack_fields(fields);
}

TextField text_field(const dom::element& value) {
  if (value.is_string()) return {TextField::Kind::text, std::string_view(value)};
  if (value.is_null()) return {TextField::Kind::null, {}};
  return {is_falsy(value) ? TextField::Kind::falsy : TextField::Kind::other, {}};
}

DurationField duration_field(const dom::element& value) {
  using Kind = DurationField::Kind;
  switch (value.type()) {
    case Type::INT64:
      return {Kind::number, false, static_cast<uint64_t>(int64_t(value))};
    case Type::UINT64:
      return {Kind::number, true, uint64_t(value)};
    case Type::BOOL:
      return {Kind::number, false, bool(value)};
    case Type::STRING:
      return duration_of_text(std::string_view(value));
    case Type::DOUBLE:
      return truncated_duration(double(value), Kind::number);
    case Type::NULL_VALUE:
      return {Kind::absent, false, 0};
    default:
      return {};
  }
}

int64_t timestamp(const dom::element& value) {
  if (value.is_string()) return rfc3339_ns(std::string_view(value));
  return value.is<int64_t>() ? int64_t(value) : kNoTime;
}

uint64_t span(const dom::element& value) { return value.is<uint64_t>() ? uint64_t(value) : 0; }

void read_data(const dom::object& data, LineFields& f, std::optional<dom::element>& inner) {
  for (const auto [key, value] : data) {
    if (key == "op_name")
      f.op_name = text_field(value);
    else if (key == "duration_us")
      f.duration = duration_field(value);
    else if (key == "backend")
      f.backend = text_field(value);
    else if (key == "data")
      inner = value;
    else if (key == "parent_op_name")
      f.parent_op_name = text_field(value);
    else if (key == "internal_kernel_name")
      f.internal_kernel_name = text_field(value);
    else if (key == "kernel_name")
      f.kernel_name = text_field(value);
    else if (key == "reason")
      f.reason = text_field(value);
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
    if (key == "event")
      event = value;
    else if (key == "timestamp")
      f.timestamp_ns = timestamp(value);
    else if (key == "span_id")
      f.span_id = span(value);
    else if (key == "parent_span_id")
      f.parent_span_id = span(value);
    else if (key == "span_name")
      f.span_name = text_field(value);
  }
  if (!event) return Verdict::untyped;
  if (!event->is_object()) return wrong(std::string("event is ") + type_word(event->type()) + ", not an object");
  for (const auto [key, value] : dom::object(*event)) {
    if (key == "type")
      type = value;
    else if (key == "data")
      data = value;
  }
  if (!type || is_falsy(*type)) return Verdict::untyped;
  if (!type->is_string()) return wrong(std::string("event.type is ") + type_word(type->type()) + ", not a string");
  f.type = text_field(*type);
  if (!data) return Verdict::fields;
  if (!data->is_object()) return wrong(std::string("event.data is ") + type_word(data->type()) + ", not an object");
  read_data(*data, f, inner);
  if (f.type.text != "GpuOpCompleted") return Verdict::fields;
  if (inner && inner->is_object()) f.packed = packed_ = pack_matmul_map(*inner);
  return Verdict::fields;
}

std::string LineJudge::pack_matmul(std::string_view object_text) {
  dom::object object;
  ASSAY_CHECK(!parser_->maps.parse(object_text.data(), object_text.size(), false).get_object().get(object));
  return pack_matmul_map(object);
}

}  // namespace assay
