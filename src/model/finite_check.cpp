// Whether the weights of a model file are numbers. What decides are the exponents of floats, and of a block's scales:
// only where one of them has all bits values are decoded.
#include "model/finite_check.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/parallel.h"
#include "model/block_decoder.h"

namespace assay {
namespace {

constexpr int64_t kPartValues = 1 << 20;  // a multiple of every block

/// A word's exponent, and what added to it alone carries into the word's highest bit where all its bits are set.
template <typename Word>
struct FloatFormat {
  Word exponent, step;
};
constexpr FloatFormat<uint16_t> kHalf{0x7c00, 0x0400}, kBfloat{0x7f80, 0x0080};
constexpr FloatFormat<uint32_t> kFloat{0x7f800000, 0x00800000};

template <typename Word>
Word word_at(const char* at) {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

/// Whether one of `count` words, `apart` bytes from each other, is infinite or NaN.
template <typename Word>
bool has_infinite(const char* at, int64_t count, int64_t apart, FloatFormat<Word> format) {
  Word carries = 0;
  for (int64_t i = 0; i < count; ++i)
    carries = Word(carries | ((word_at<Word>(at + i * apart) & format.exponent) + format.step));
  return carries >> (8 * sizeof(Word) - 1) != 0;
}

/// The same of words that follow each other: pieces of a fixed size, which become vector instructions.
template <typename Word>
bool has_infinite(const char* at, int64_t count, FloatFormat<Word> format) {
  constexpr int64_t kPiece = 2048;
  for (; count >= kPiece; count -= kPiece, at += kPiece * int64_t(sizeof(Word)))
    if (has_infinite(at, kPiece, sizeof(Word), format)) return true;
  return has_infinite(at, count, sizeof(Word), format);
}

/// Where a block has its scales, as halves; -1: no second one. All that it holds is finite where they are.
struct ScalePlaces {
  int64_t first, second;
};
ScalePlaces scale_places(TensorType type) {
  switch (type) {
    case TensorType::q4_1:
    case TensorType::q5_1:
    case TensorType::q4_k:
    case TensorType::q5_k:
      return {0, 2};
    case TensorType::q6_k:
      return {208, -1};
    default:
      return {0, -1};
  }
}

bool may_be_infinite(TensorType type, const char* at, int64_t values) {
  if (type == TensorType::f16) return has_infinite(at, values, kHalf);
  if (type == TensorType::bf16) return has_infinite(at, values, kBfloat);
  if (type == TensorType::f32) return has_infinite(at, values, kFloat);
  const TensorTypeFacts& facts = tensor_type_facts(type);
  const ScalePlaces places = scale_places(type);
  const int64_t blocks = values / facts.block_values;
  return has_infinite(at + places.first, blocks, facts.block_bytes, kHalf) ||
         (places.second >= 0 && has_infinite(at + places.second, blocks, facts.block_bytes, kHalf));
}

/// Values [begin, begin + kPartValues) of the tensor, as far as it has them.
void check_part(const Gguf& file, const GgufTensor& tensor, int64_t begin) {
  const char* const at = tensor.bytes.data() + tensor_bytes(tensor.type, begin);
  const int64_t count = std::min(kPartValues, tensor.values() - begin);
  if (!may_be_infinite(tensor.type, at, count)) return;
  std::vector<float> values(static_cast<size_t>(count));
  decode_blocks(tensor.type, at, count, values.data());
  const auto bad = std::find_if(values.begin(), values.end(), [](float value) { return !std::isfinite(value); });
  if (bad == values.end()) return;  // a scale whose block's steps are all 0, where that is a number
  const int64_t place = begin + (bad - values.begin());
  fail(
      "{}: tensor \"{}\" holds {} in row {}, column {}; the file is damaged or was quantized badly: get it again, or "
      "convert it anew",
      file.name(), tensor.name, std::isnan(*bad) ? std::fabs(*bad) : *bad, place / tensor.dims[0],
      place % tensor.dims[0]);
}

struct Part {
  const GgufTensor* tensor;
  int64_t begin;
};

void add_parts(const GgufTensor& tensor, std::vector<Part>& parts) {
  if (!tensor_type_facts(tensor.type).is_decoded) return;
  for (int64_t begin = 0; begin < tensor.values(); begin += kPartValues) parts.push_back({&tensor, begin});
}

void check_parts(const Gguf& file, const std::vector<Part>& parts) {
  in_parallel(std::ssize(parts),
              [&](int64_t i) { check_part(file, *parts[size_t(i)].tensor, parts[size_t(i)].begin); });
  file.check_whole();
}

}  // namespace

void check_finite(const Gguf& file, const GgufTensor& tensor) {
  std::vector<Part> parts;
  add_parts(tensor, parts);
  check_parts(file, parts);
}

void check_finite(const Gguf& file) {
  std::vector<Part> parts;
  for (const GgufTensor& tensor : file.tensors()) add_parts(tensor, parts);
  check_parts(file, parts);
}

}  // namespace assay
