// A GGUF file (versions 2 and 3): its metadata by key and type, its tensors by name.
#include "model/gguf.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "base/suggest.h"
#include "model/gguf_parser.h"

namespace assay {
namespace {

template <typename T>
T value_at(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

bool is_integer(GgufType type) {
  return type != GgufType::f32 && type != GgufType::f64 && type != GgufType::boolean && type != GgufType::string &&
         type != GgufType::array;
}
bool is_number(GgufType type) { return is_integer(type) || type == GgufType::f32 || type == GgufType::f64; }

/// The value as T, whatever its type; u64 above int64_t's range becomes its largest value.
template <typename T>
T value_of(GgufType type, const char* at) {
  switch (type) {
    case GgufType::u8:
    case GgufType::boolean:
      return T(value_at<uint8_t>(at));
    case GgufType::i8:
      return T(value_at<int8_t>(at));
    case GgufType::u16:
      return T(value_at<uint16_t>(at));
    case GgufType::i16:
      return T(value_at<int16_t>(at));
    case GgufType::u32:
      return T(value_at<uint32_t>(at));
    case GgufType::i32:
      return T(value_at<int32_t>(at));
    case GgufType::u64:
      return T(std::min<uint64_t>(value_at<uint64_t>(at), std::numeric_limits<int64_t>::max()));
    case GgufType::i64:
      return T(value_at<int64_t>(at));
    case GgufType::f32:
      return T(value_at<float>(at));
    case GgufType::f64:
      return T(value_at<double>(at));
    case GgufType::string:
    case GgufType::array:
      break;
  }
  ASSAY_CHECK(!"a value that is no number");
  return T();
}

int64_t whole_part(GgufType type, const char* at) {
  if (type != GgufType::f32 && type != GgufType::f64) return value_of<int64_t>(type, at);
  const double value = value_of<double>(type, at);
  constexpr double kLimit = 9.2e18;  // what is beyond, and NaN, has no int64_t
  return value >= -kLimit && value <= kLimit ? int64_t(value) : 0;
}

template <typename Item, typename Name>
const Item* find_by_name(const std::vector<Item>& items, const std::vector<uint32_t>& order, std::string_view wanted,
                         Name name) {
  const auto found = std::lower_bound(order.begin(), order.end(), wanted,
                                      [&](uint32_t i, std::string_view key) { return name(items[i]) < key; });
  return found != order.end() && name(items[*found]) == wanted ? &items[*found] : nullptr;
}

std::string_view key_of(const GgufEntry& entry) { return entry.key; }
std::string_view name_of(const GgufTensor& tensor) { return tensor.name; }

template <typename Item, typename Name>
std::vector<uint32_t> sorted_order(const std::vector<Item>& items, Name name, const std::string& file,
                                   const char* what) {
  std::vector<uint32_t> order(items.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return name(items[a]) < name(items[b]); });
  // Doubles stand side by side in a sorted list. Which of two a reader takes would be chance.
  for (size_t i = 1; i < order.size(); ++i)
    if (name(items[order[i - 1]]) == name(items[order[i]]))
      fail("{}: {} \"{}\" stands in it twice; the file is damaged or was put together wrongly", file, what,
           name(items[order[i]]));
  return order;
}

template <typename Item, typename Name>
std::string near_ones(std::string_view wanted, const std::vector<Item>& items, Name name) {
  std::vector<std::string> known;
  for (const Item& item : items)
    // Edit distances of many long names would take seconds, for a hint.
    if (known.size() < 4096 && name(item).size() < 200) known.emplace_back(name(item));
  return did_you_mean(std::string(wanted), known);
}

}  // namespace

std::string_view gguf_type_name(GgufType type) {
  constexpr std::array<std::string_view, 13> kNames = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                                       "bool", "string", "array", "u64", "i64", "f64"};
  ASSAY_CHECK(size_t(type) < kNames.size());
  return kNames[size_t(type)];
}

int64_t GgufArray::integer(size_t i) const {
  ASSAY_CHECK(i < size());
  return whole_part(entry_->element, entry_->bytes.data() + i * entry_->bytes.size() / size());
}

double GgufArray::number(size_t i) const {
  ASSAY_CHECK(i < size());
  return value_of<double>(entry_->element, entry_->bytes.data() + i * entry_->bytes.size() / size());
}

std::string GgufTensor::shape_text() const {
  std::string text;
  for (uint32_t d = 0; d < dimensions; ++d) text += (d ? " x " : "") + std::to_string(dims[d]);
  return text;
}

Gguf::Gguf(const std::filesystem::path& path) : file_(std::make_unique<MappedFile>(path)), name_(path.string()) {
  bytes_ = file_->bytes();
  try {
    GgufParser(*this).parse();
    make_indexes();
  } catch (const Error&) {
    file_->check_whole();  // what was read instead is no reason
    throw;
  }
  file_->check_whole();
}

Gguf::Gguf(std::string_view bytes, std::string name) : name_(std::move(name)), bytes_(bytes) {
  GgufParser(*this).parse();
  make_indexes();
}

void Gguf::make_indexes() {
  entries_by_key_ = sorted_order(entries_, key_of, name_, "the key");
  tensors_by_name_ = sorted_order(tensors_, name_of, name_, "the tensor");
}

const GgufEntry* Gguf::find(std::string_view key) const { return find_by_name(entries_, entries_by_key_, key, key_of); }

const GgufTensor* Gguf::find_tensor(std::string_view name) const {
  return find_by_name(tensors_, tensors_by_name_, name, name_of);
}

const GgufEntry& Gguf::entry(std::string_view key) const {
  const GgufEntry* found = find(key);
  if (!found)
    fail("{}: has no key \"{}\"{}; convert the model again with a current converter", name_, key,
         near_ones(key, entries_, key_of));
  return *found;
}

const GgufTensor& Gguf::tensor(std::string_view name) const {
  const GgufTensor* found = find_tensor(name);
  if (!found)
    fail("{}: has no tensor \"{}\"{}; convert the model again with a current converter", name_, name,
         near_ones(name, tensors_, name_of));
  return *found;
}

void Gguf::wrong_type(const GgufEntry& entry, std::string_view wanted) const {
  const std::string is = entry.is_array() ? fmt::format("an array of {}", gguf_type_name(entry.element))
                                          : std::string(gguf_type_name(entry.type));
  fail("{}: key \"{}\" is {}, not {}; convert the model again with a current converter", name_, entry.key, is, wanted);
}

std::string_view Gguf::string(std::string_view key) const {
  const GgufEntry& found = entry(key);
  if (found.type != GgufType::string) wrong_type(found, "a string");
  return found.bytes.substr(8);
}

int64_t Gguf::integer(std::string_view key) const {
  const GgufEntry& found = entry(key);
  if (!is_integer(found.type)) wrong_type(found, "an integer");
  return value_of<int64_t>(found.type, found.bytes.data());
}

double Gguf::number(std::string_view key) const {
  const GgufEntry& found = entry(key);
  if (!is_number(found.type)) wrong_type(found, "a number");
  return value_of<double>(found.type, found.bytes.data());
}

bool Gguf::boolean(std::string_view key) const {
  const GgufEntry& found = entry(key);
  if (found.type != GgufType::boolean) wrong_type(found, "a bool");
  return found.bytes[0] != 0;
}

std::vector<std::string_view> Gguf::strings(std::string_view key) const {
  const GgufEntry& found = entry(key);
  if (!found.is_array() || found.element != GgufType::string) wrong_type(found, "an array of strings");
  std::vector<std::string_view> texts;
  texts.reserve(size_t(found.count));
  for (const char* at = found.bytes.data(); texts.size() < found.count;) {
    const auto length = size_t(value_at<uint64_t>(at));
    texts.emplace_back(at + 8, length);
    at += 8 + length;
  }
  return texts;
}

GgufArray Gguf::integers(std::string_view key) const {
  const GgufEntry& found = entry(key);
  if (!found.is_array() || !(is_integer(found.element) || found.element == GgufType::boolean))
    wrong_type(found, "an array of integers");
  return GgufArray(found);
}

GgufArray Gguf::numbers(std::string_view key) const {
  const GgufEntry& found = entry(key);
  if (!found.is_array() || !is_number(found.element)) wrong_type(found, "an array of numbers");
  return GgufArray(found);
}

std::string_view Gguf::string_or(std::string_view key, std::string_view fallback) const {
  return has(key) ? string(key) : fallback;
}
int64_t Gguf::integer_or(std::string_view key, int64_t fallback) const { return has(key) ? integer(key) : fallback; }
double Gguf::number_or(std::string_view key, double fallback) const { return has(key) ? number(key) : fallback; }
bool Gguf::boolean_or(std::string_view key, bool fallback) const { return has(key) ? boolean(key) : fallback; }

}  // namespace assay
