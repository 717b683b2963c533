// Fills a Gguf from its bytes, and believes none of them: every count, length and offset is held against the file.
#include "model/gguf_parser.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "base/terminal.h"

namespace assay {

static_assert(std::endian::native == std::endian::little, "GGUF is read where it lies, little-endian");

namespace {

// The format allows keys so long; tensors of other programs also have names beyond ggml's 64 bytes.
constexpr uint64_t kMostNameBytes = 65535;
// The least bytes that an entry (length, one letter, type, one byte) and a tensor (length, one letter, one dimension,
// type, offset) take.
constexpr uint64_t kLeastEntry = 8 + 1 + 4 + 1, kLeastTensor = 8 + 1 + 4 + 8 + 4 + 8;

/// Of one value; 0: it has its length before it.
uint64_t value_bytes(GgufType type) {
  constexpr std::array<uint64_t, 13> kBytes = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  return kBytes[size_t(type)];
}

/// A name as messages show it: it may have 65,535 bytes of any kind.
std::string shown(std::string_view name) { return cut_middle(one_line(name), 80); }

}  // namespace

void GgufParser::error(const std::string& message) const { fail("{}: byte {}: {}", file_.name_, at_, message); }

void GgufParser::error_cut(uint64_t needed, std::string_view what) const {
  fail(
      "{}: ends at byte {}, inside {}{}: that begins at byte {} and needs {} bytes, {} lack; the file is cut (an "
      "unfinished download?) or damaged",
      file_.name_, bytes_.size(), what, inside_, at_, needed, needed - left());
}

std::string_view GgufParser::take(uint64_t count, std::string_view what) {
  if (count > left()) error_cut(count, what);
  const std::string_view taken = bytes_.substr(size_t(at_), size_t(count));
  at_ += count;
  return taken;
}

template <typename T>
T GgufParser::number(std::string_view what) {
  T value;
  std::memcpy(&value, take(sizeof value, what).data(), sizeof value);
  return value;
}

std::string_view GgufParser::text(std::string_view what) {
  const auto length = number<uint64_t>(what);
  return take(length, what);
}

std::string_view GgufParser::name(std::string_view what) {
  const uint64_t began = at_;
  const std::string_view name = text(what);
  const bool is_bad = name.empty() || name.size() > kMostNameBytes || name.find('\0') != std::string_view::npos;
  if (!is_bad) return name;
  at_ = began;
  error(fmt::format("{}{} has {} bytes, or a zero byte among them; a name has 1 to {}", what, inside_, name.size(),
                    kMostNameBytes));
}

void GgufParser::parse() {
  header();
  for (uint64_t i = 0; i < entry_count_; ++i) entry(i);
  inside_.clear();
  alignment();
  for (uint64_t i = 0; i < tensor_count_; ++i) tensor(i);
  inside_.clear();
  place_tensors();
}

void GgufParser::header() {
  if (bytes_.empty()) fail("{}: is empty; a GGUF file is wanted", file_.name_);
  if (bytes_.substr(0, 4) != "GGUF") fail("{}: is {}", file_.name_, other_model_file(bytes_));
  at_ = 4;
  file_.version_ = number<uint32_t>("the version");
  const uint32_t version = file_.version_;
  at_ = 4;
  // The letters are the same in both byte orders; a small version read the wrong way round has its low bytes zero.
  if (version != 0 && (version & 0xffff) == 0)
    error("a big-endian GGUF; convert the model again for little-endian machines (gguf_convert_endian.py little)");
  if (version == 1)
    error(
        "GGUF version 1, of August 2023; convert the model again with a current converter: versions 2 and 3 are read");
  if (version != 2 && version != 3)
    error(fmt::format("GGUF version {}; versions 2 and 3 are read. Is it damaged, or newer than this assay?", version));
  at_ = 8;
  tensor_count_ = number<uint64_t>("the count of tensors");
  entry_count_ = number<uint64_t>("the count of keys");
  if (entry_count_ > left() / kLeastEntry) {
    at_ = 16;
    error(fmt::format(
        "claims {} keys, but the {} bytes that follow hold {} at most: it is cut (an unfinished download?) or damaged",
        entry_count_, left() - 8, (left() - 8) / kLeastEntry));
  }
  if (tensor_count_ > left() / kLeastTensor) {
    at_ = 8;
    error(
        fmt::format("claims {} tensors, but the {} bytes that follow describe {} at most: it is cut (an unfinished "
                    "download?) or damaged",
                    tensor_count_, left() - 16, (left() - 16) / kLeastTensor));
  }
}

void GgufParser::entry(uint64_t index) {
  inside_ = fmt::format(" {} of {}", index + 1, entry_count_);
  GgufEntry entry;
  entry.key = name("key");
  inside_ = fmt::format(" \"{}\"", shown(entry.key));
  const auto type = [&](const char* what) {
    const auto number_of_type = number<uint32_t>("the type of key");
    if (number_of_type > uint32_t(GgufType::f64)) {
      at_ -= 4;
      error(fmt::format("{}{} has type {}; types 0 to 12 are known", what, inside_, number_of_type));
    }
    return GgufType(number_of_type);
  };
  entry.type = entry.element = type("key");
  if (entry.is_array()) {
    entry.element = type("the array");
    if (entry.element == GgufType::array) error(fmt::format("key{} is an array of arrays, which is not read", inside_));
    entry.count = number<uint64_t>("the length of array");
    // Before anything is walked: a count beyond the file is told at once, not after millions of values.
    const uint64_t least =
        std::max<uint64_t>(value_bytes(entry.element), 1) * (entry.element == GgufType::string ? 8 : 1);
    if (entry.count > left() / least) {
      at_ -= 8;
      error(
          fmt::format("array{} claims {} values of {} bytes or more, but only {} bytes follow: the file is cut (an "
                      "unfinished download?) or damaged",
                      inside_, entry.count, least, left() - 8));
    }
  }
  values(entry);
  file_.entries_.push_back(entry);
}

void GgufParser::values(GgufEntry& entry) {
  const uint64_t began = at_;
  if (entry.element == GgufType::string)
    for (uint64_t i = 0; i < entry.count; ++i) text("the text of key");
  else
    take(entry.count * value_bytes(entry.element), "the value of key");
  entry.bytes = bytes_.substr(size_t(began), size_t(at_ - began));
  if (entry.element == GgufType::boolean)
    for (size_t i = 0; i < entry.bytes.size(); ++i)
      if (uint8_t(entry.bytes[i]) > 1) {
        at_ = began + i;
        error(fmt::format("key{} is a bool of value {}; 0 and 1 are known", inside_, uint8_t(entry.bytes[i])));
      }
  // No size or count is so large, and callers may take every integer as int64_t.
  if (entry.element == GgufType::u64)
    for (size_t i = 0; i < entry.bytes.size(); i += 8)
      if (uint8_t(entry.bytes[i + 7]) > 127) {
        at_ = began + i;
        error(fmt::format("key{} holds a number of 2^63 or more", inside_));
      }
}

void GgufParser::alignment() {
  for (const GgufEntry& entry : file_.entries_) {
    if (entry.key != "general.alignment") continue;
    at_ = uint64_t(entry.bytes.data() - bytes_.data());
    if (entry.type != GgufType::u32) error(fmt::format("general.alignment is {}, not u32", gguf_type_name(entry.type)));
    uint32_t value = 0;
    std::memcpy(&value, entry.bytes.data(), sizeof value);
    if (value < 8 || !std::has_single_bit(value))
      error(fmt::format("general.alignment is {}; a power of two of 8 or more is wanted", value));
    file_.alignment_ = value;
  }
  if (!file_.entries_.empty()) {
    const std::string_view last = file_.entries_.back().bytes;
    at_ = uint64_t(last.data() + last.size() - bytes_.data());
  }
}

void GgufParser::tensor(uint64_t index) {
  inside_ = fmt::format(" {} of {}", index + 1, tensor_count_);
  const uint64_t began = at_;
  GgufTensor tensor;
  tensor.name = name("the name of tensor");
  inside_ = fmt::format(" \"{}\"", shown(tensor.name));
  const auto lies = [&](const std::string& message) {
    at_ = began;
    error(fmt::format("tensor{} {}", inside_, message));
  };
  tensor.dimensions = number<uint32_t>("the dimensions of tensor");
  if (tensor.dimensions < 1 || tensor.dimensions > 4)
    lies(fmt::format("has {} dimensions; 1 to 4 are known", tensor.dimensions));
  int64_t values = 1;
  for (uint32_t d = 0; d < tensor.dimensions; ++d) {
    const auto size = number<uint64_t>("the dimensions of tensor");
    if (size < 1 || size > uint64_t(std::numeric_limits<int64_t>::max()) ||
        __builtin_mul_overflow(values, int64_t(size), &values))
      lies(fmt::format("has {} values along dimension {}: none, or more than there can be", size, d));
    tensor.dims[d] = int64_t(size);
  }
  const auto type = number<uint32_t>("the type of tensor");
  const TensorTypeFacts* facts = find_tensor_type(type);
  if (!facts && !removed_type_name(type).empty())
    lies(fmt::format("has type {} ({}), which the format no longer has; quantize the model again", type,
                     removed_type_name(type)));
  if (!facts) lies(fmt::format("has type {}, which is not known; known are {}", type, known_type_names()));
  tensor.type = facts->type;
  if (tensor.dims[0] % facts->block_values != 0)
    lies(fmt::format("has rows of {} values; {} comes in blocks of {}", tensor.dims[0], facts->name,
                     facts->block_values));
  int64_t bytes = 0;
  if (__builtin_mul_overflow(values / facts->block_values, facts->block_bytes, &bytes))
    lies(fmt::format("would have {} values: more than there can be", values));
  tensor.offset = number<uint64_t>("the offset of tensor");
  if (tensor.offset % file_.alignment_ != 0)
    lies(fmt::format("lies at offset {}, which is no multiple of {}", tensor.offset, file_.alignment_));
  file_.tensors_.push_back(tensor);
}

void GgufParser::place_tensors() {
  const uint64_t size = bytes_.size(), begin = (at_ + file_.alignment_ - 1) / file_.alignment_ * file_.alignment_;
  file_.data_begin_ = begin;
  std::vector<uint32_t> order(file_.tensors_.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return file_.tensors_[a].offset < file_.tensors_[b].offset; });
  // In the order of their offsets each must only be held against the one before it.
  uint64_t end = 0;  // of the one before, from the begin of the data
  const GgufTensor *before = nullptr, *first_cut = nullptr;
  for (const uint32_t i : order) {
    const GgufTensor& tensor = file_.tensors_[i];
    if (before && tensor.offset < end)
      fail(
          "{}: tensors \"{}\" and \"{}\" overlap: the second begins at offset {}, the first ends at {}; the file is "
          "damaged",
          file_.name_, shown(before->name), shown(tensor.name), tensor.offset, end);
    before = &tensor;
    if (__builtin_add_overflow(tensor.offset, uint64_t(tensor_bytes(tensor.type, tensor.values())), &end) ||
        end > std::numeric_limits<uint64_t>::max() - begin)
      fail("{}: tensor \"{}\" would end beyond 2^64 bytes (offset {}); the file is damaged", file_.name_,
           shown(tensor.name), tensor.offset);
    if (begin + end > size && !first_cut) first_cut = &tensor;
  }
  if (first_cut)
    fail(
        "{}: ends at byte {}, inside or before tensor \"{}\"; its tensors need {} bytes: {} lack. The file is cut (an "
        "unfinished download?) or damaged",
        file_.name_, size, shown(first_cut->name), begin + end, begin + end - size);
  for (GgufTensor& tensor : file_.tensors_) {
    tensor.offset += begin;
    tensor.bytes = bytes_.substr(size_t(tensor.offset), size_t(tensor_bytes(tensor.type, tensor.values())));
  }
}

}  // namespace assay
