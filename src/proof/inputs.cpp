// The inputs of one spec: host tensors, and copies of B with guard bands, cut from the arenas.
#include "proof/inputs.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <utility>

#include "base/clones.h"
#include "base/error.h"
#include "base/half.h"
#include "base/round_up.h"
#include "proof/some_special.h"
#include "proof/unread_rows.h"
#include "spec/op.h"

namespace assay {
namespace {

constexpr int64_t kMostCopies = 1 << 14;

Format format_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::f32:
    case Dtype::i32:  // whose values the op draws anew
      return Format::f32;
    case Dtype::f16:
      return Format::f16;
    case Dtype::bf16:
      return Format::bf16;
    default:
      return block_format(dtype);
  }
}

/// The pieces of memory that a B tensor takes: (format, bytes), its values first.
std::vector<std::pair<Format, int64_t>> pieces(const Tensor& b) {
  if (b.storage == Storage::q8_0_split) return {{Format::int8, b.bytes}, {Format::q8_scale, b.scale_bytes}};
  return {{format_of(b.dtype), b.bytes}};
}

std::vector<Tensor> b_tensors(const Spec& spec) {
  std::vector<Tensor> result;
  for (const Tensor& t : spec.tensors)
    if (t.use == Use::weight) result.push_back(t);
  return result;
}

/// Bytes that one copy takes in each arena, guard bands and alignment included.
std::map<Format, int64_t> copy_sizes(const std::vector<Tensor>& b) {
  std::map<Format, int64_t> sizes;
  for (const Tensor& t : b)
    for (const auto& [format, bytes] : pieces(t))
      sizes[format] += round_up(bytes + 2 * kGuardBytes, copy_alignment(format));
  return sizes;
}

int64_t copies_over(int64_t footprint, const std::map<Format, int64_t>& sizes) {
  int64_t one = 0;
  for (const auto& [format, bytes] : sizes) one += bytes;
  if (one == 0) return 1;
  return std::clamp((footprint + one - 1) / one, int64_t(1), kMostCopies);
}

HostTensor random_tensor(Dtype dtype, int64_t count, uint64_t stream) {
  HostTensor t;
  t.bytes.resize(size_t(round_up(dtype_bytes(dtype, count), 8)));
  for (size_t i = 0; i < t.bytes.size() / 8; ++i) {
    const uint64_t word = random_word(format_of(dtype), (stream << 32) + i);
    std::memcpy(&t.bytes[8 * i], &word, 8);
  }
  t.bytes.resize(size_t(dtype_bytes(dtype, count)));
  for (int64_t i = 0; i < count; ++i) t.values.push_back(decode_value(dtype, &t.bytes[size_t(dtype_bytes(dtype, i))]));
  return t;
}

}  // namespace

double decode_value(Dtype dtype, const std::byte* at) {
  if (dtype == Dtype::f32) {
    float value;
    std::memcpy(&value, at, 4);
    return double(value);
  }
  if (dtype == Dtype::i32) {
    int32_t value;
    std::memcpy(&value, at, 4);
    return double(value);
  }
  uint16_t bits;
  std::memcpy(&bits, at, 2);
  return double(dtype == Dtype::f16 ? half_to_float(bits) : bf16_to_float(bits));
}

void encode_value(Dtype dtype, double value, std::byte* at) {
  const float single = float(value);
  if (dtype == Dtype::f32) {
    std::memcpy(at, &single, 4);
    return;
  }
  if (dtype == Dtype::i32) {
    const auto whole = int32_t(value);
    std::memcpy(at, &whole, 4);
    return;
  }
  const uint16_t bits = dtype == Dtype::f16 ? float_to_half(single) : float_to_bf16(single);
  std::memcpy(at, &bits, 2);
}

const float* value_table(Dtype dtype) {
  static const auto make = [](auto decode) {
    std::vector<float> table(65536);
    for (uint32_t i = 0; i < 65536; ++i) table[i] = decode(uint16_t(i));
    return table;
  };
  static const std::vector<float> halves = make(half_to_float), bf16s = make(bf16_to_float);
  return dtype == Dtype::bf16 ? bf16s.data() : halves.data();
}

InputArena& Arenas::get(Format format) {
  const auto found = arenas_.find(format);
  ASSAY_CHECK(found != arenas_.end());
  return *found->second;
}

std::vector<InputArena*> Arenas::all() const {
  std::vector<InputArena*> result;
  for (const auto& [format, arena] : arenas_) result.push_back(arena.get());
  return result;
}

void Arenas::reserve(const Spec& spec, int64_t footprint) {
  const std::map<Format, int64_t> sizes = copy_sizes(b_tensors(spec));
  const int64_t count = copies_over(footprint, sizes);
  for (const auto& [format, bytes] : sizes) {
    const int64_t wanted = count * bytes + kSpareBytes;
    auto& arena = arenas_[format];
    if (arena && int64_t(arena->bytes().size()) >= wanted) continue;
    arena.reset();
    arena = std::make_unique<InputArena>(format, wanted, huge_pages_, stopped_);
  }
}

int64_t Arenas::growth(const Spec& spec, int64_t footprint) const {
  const std::map<Format, int64_t> sizes = copy_sizes(b_tensors(spec));
  const int64_t count = copies_over(footprint, sizes);
  int64_t more = 0;
  for (const auto& [format, bytes] : sizes) {
    const auto found = arenas_.find(format);
    const int64_t had = found == arenas_.end() ? 0 : int64_t(found->second->bytes().size());
    more += std::max(count * bytes + kSpareBytes - had, int64_t(0));
  }
  return more;
}

SpecInputs::SpecInputs(const Spec& spec, Arenas& arenas, int64_t footprint) : spec_(spec), arenas_(arenas) {
  const std::vector<Tensor> shape = b_tensors(spec_);
  const std::map<Format, int64_t> sizes = copy_sizes(shape);
  int64_t count = copies_over(footprint, sizes);
  for (const auto& [format, bytes] : sizes)
    count = std::min(
        count, std::max(int64_t(1), (int64_t(arenas.get(format).bytes().size()) - copy_alignment(format)) / bytes));

  std::map<Format, int64_t> next;
  const auto place = [&](Format format, int64_t bytes) {
    InputArena& arena = arenas.get(format);
    const int64_t data = round_up(next[format] + kGuardBytes, copy_alignment(format));
    ASSAY_CHECK(data + bytes + kGuardBytes <= int64_t(arena.bytes().size()));
    for (const int64_t offset : {data - kGuardBytes, data + bytes}) guards_.push_back({format, offset, kGuardBytes});
    next[format] = data + bytes + kGuardBytes;
    return arena.bytes().data() + data;
  };
  for (int64_t copy = 0; copy < count; ++copy) {
    std::vector<Tensor> tensors = shape;
    for (Tensor& t : tensors) {
      const auto parts = pieces(t);
      t.data = place(parts[0].first, parts[0].second);
      if (parts.size() > 1) t.scales = place(parts[1].first, parts[1].second);
    }
    copies_.push_back(std::move(tensors));
  }
  for (const auto& [format, end] : next) {
    const std::span<std::byte> arena = arenas.get(format).bytes();
    covered_.push_back(arena.first(size_t(end)));
    used_.push_back(arena.first(std::min(size_t(end + kSpareBytes), arena.size())));
  }

  enter();
  uint64_t stream = 1;
  for (size_t i = 0; i < spec_.tensors.size(); ++i) {
    const Tensor& t = spec_.tensors[i];
    if (t.use == Use::weight || t.use == Use::output) continue;
    HostTensor host = random_tensor(t.dtype, t.values(), stream++);
    if (!spec_.op->is_product) {
      (t.use == Use::varied ? varied : constants)[i] = std::move(host);
      continue;
    }
    if (!t.is_read) {
      std::fill(host.bytes.begin(), host.bytes.end(), std::byte{kPoison});
      std::fill(host.values.begin(), host.values.end(), std::numeric_limits<double>::quiet_NaN());
    }
    if (t.use == Use::varied) a_ = t, a = std::move(host);
    if (t.operand == Operand::bias) bias.push_back(std::move(host));
    if (t.operand == Operand::c) c.push_back(std::move(host));
  }
  for (int64_t i = 0; i < int64_t(a.values.size()); ++i) a_logical.push_back(a.values[size_t(a_storage_index(i))]);
  a_floats.assign(a_logical.begin(), a_logical.end());
  is_plain_ = a_.dtype != Dtype::f32 && !a_.by_columns &&
              std::all_of(a_floats.begin(), a_floats.end(),
                          [](float value) { return std::fabs(value) >= 0x1p-6f && std::fabs(value) < 0x1p6f; });
}

/// In the first rows of each batch and in the last ones, which are read more often than others. Rows that no launch
/// reads are poisoned, in all copies.
void SpecInputs::add_special_weights() {
  constexpr int64_t kRows = 8, kMostCopies = 256;
  for (size_t copy = 0; copy < std::min(copies_.size(), size_t(kMostCopies)); ++copy)
    for (const Tensor& t : copies_[copy])
      for (int64_t batch = 0; batch < t.dims[0]; ++batch)
        for (int64_t row = 0; row < t.dims[1]; ++row) {
          if (row == kRows) row = std::max(row, t.dims[1] - kRows);
          const int64_t bytes = dtype_bytes(t.dtype, t.dims[2]);
          std::byte* const first = t.data + bytes * (batch * t.dims[1] + row);
          // Large keys would have all the weight, large columns of a product sums beyond D's range.
          const bool may_be_large = !spec_.op->ends_product && (t.operand != Operand::cache || t.segment > 0);
          make_some_special(t.dtype, first, t.dims[2], (uint64_t(copy) << 40) + uint64_t(batch * t.dims[1] + row),
                            may_be_large);
          const Format format = format_of(t.dtype);
          special_.push_back({format, first - arenas_.get(format).bytes().data(), bytes});
        }
  const std::vector<UnreadRows> unread = unread_rows(spec_, nullptr);
  for (size_t copy = 0; copy < copies_.size(); ++copy)
    for (const UnreadRows& rows : unread) {
      const Tensor& t = copies_[copy][rows.weight];
      poison_rows(t, t.data, rows, uint64_t(copy));
      const Format format = format_of(t.dtype);
      const int64_t bytes = dtype_bytes(t.dtype, t.dims[2]);
      for (int64_t batch = 0; batch < t.dims[0]; ++batch)
        special_.push_back({format,
                            t.data - arenas_.get(format).bytes().data() + (batch * t.dims[1] + rows.first) * bytes,
                            (rows.end - rows.first) * bytes});
    }
}

SpecInputs::~SpecInputs() { leave(); }

void SpecInputs::enter() {
  for (const Piece& guard : guards_)
    std::memset(arenas_.get(guard.format).bytes().data() + guard.offset, kPoison, size_t(guard.bytes));
  if (!spec_.op->is_product) add_special_weights();
  is_in_ = true;
}

void SpecInputs::leave() {
  if (!std::exchange(is_in_, false)) return;
  for (const std::vector<Piece>* pieces : {&guards_, &special_})
    for (const Piece& piece : *pieces) arenas_.get(piece.format).restore(piece.offset, piece.bytes);
  special_.clear();
}

int64_t SpecInputs::a_storage_index(int64_t logical) const {
  if (!a_.by_columns) return logical;
  const int64_t column = logical % a_.dims[2], row = logical / a_.dims[2] % a_.dims[1],
                batch = logical / a_.dims[2] / a_.dims[1];
  return batch * a_.strides[0] + row * a_.strides[1] + column * a_.strides[2];
}

void SpecInputs::store_a(const std::vector<double>& logical, std::vector<std::byte>& bytes) const {
  bytes.resize(a.bytes.size());
  const int64_t size = dtype_bytes(a_.dtype, 1);
  for (int64_t i = 0; i < std::ssize(logical); ++i)
    encode_value(a_.dtype, logical[size_t(i)], &bytes[size_t(a_storage_index(i) * size)]);
}

namespace {

/// ±1 by the bits of one word after another.
ASSAY_CLONES void signs_of(const uint64_t* words, int64_t count, float* to) {
  for (int64_t first = 0; first < count; first += 64) {
    const uint64_t bits = words[first / 64];
    const auto put = [&](int64_t k) {
      to[first + k] = std::bit_cast<float>(0x3f800000u | uint32_t(bits >> k & 1) << 31);
    };
    if (first + 64 <= count)
      for (int64_t k = 0; k < 64; ++k) put(k);
    else
      for (int64_t k = 0; k < count - first; ++k) put(k);
  }
}

/// The factor is a power of two and its sign: exact.
ASSAY_CLONES void varied_floats(const float* values, const float* of_columns, float factor, int64_t count, float* to) {
  for (int64_t k = 0; k < count; ++k) to[k] = values[k] * of_columns[k] * factor;
}

/// Normal numbers that f16, or bf16, holds exactly: what encode_value() makes of them, in lanes.
ASSAY_CLONES void plain_halves(const float* values, int64_t count, uint16_t* to) {
  constexpr uint32_t kExponentsApart = (127 - 15) << 10;
  for (int64_t k = 0; k < count; ++k) {
    const uint32_t bits = std::bit_cast<uint32_t>(values[k]);
    to[k] = uint16_t((bits >> 16 & 0x8000u) | (((bits & 0x7fffffffu) >> 13) - kExponentsApart));
  }
}

ASSAY_CLONES void plain_bf16s(const float* values, int64_t count, uint16_t* to) {
  for (int64_t k = 0; k < count; ++k) to[k] = uint16_t(std::bit_cast<uint32_t>(values[k]) >> 16);
}

}  // namespace

std::vector<float> Variation::of_columns(int64_t count) const {
  static_assert(kGroups == 16);
  std::vector<uint64_t> words(static_cast<size_t>((count + 63) / 64), (signs & 0xffff) * 0x0001000100010001u);
  for (size_t i = 0; is_free && i < words.size(); ++i) words[i] = random_bits(signs + i);
  std::vector<float> factors(static_cast<size_t>(count));
  signs_of(words.data(), count, factors.data());
  return factors;
}

void SpecInputs::varied_row(int64_t row, std::span<const float> of_columns, double factor, float* to) const {
  varied_floats(&a_floats[size_t(row * std::ssize(of_columns))], of_columns.data(), float(factor),
                std::ssize(of_columns), to);
}

void SpecInputs::varied_a(const Variation& variation, std::vector<std::byte>& bytes) const {
  bytes.resize(a.bytes.size());
  const std::vector<float> of_column = variation.of_columns(a_.dims[2]);
  const int64_t size = dtype_bytes(a_.dtype, 1), columns = a_.dims[2];
  static thread_local std::vector<float> values;  // before each launch: memory for it would cost more than its values
  values.resize(size_t(columns));
  for (int64_t row = 0; row < a_.dims[0] * a_.dims[1]; ++row) {
    varied_row(row, of_column, variation.factor * variation.of_row(row), values.data());
    if (a_.dtype == Dtype::f32 && !a_.by_columns) {
      std::memcpy(&bytes[size_t(row * columns * size)], values.data(), size_t(columns * size));
      continue;
    }
    if (is_plain_ && std::fabs(variation.factor) >= 0x1p-6 && std::fabs(variation.factor) <= 0x1p9) {
      (a_.dtype == Dtype::f16 ? plain_halves : plain_bf16s)(
          values.data(), columns, reinterpret_cast<uint16_t*>(&bytes[size_t(row * columns * size)]));
      continue;
    }
    for (int64_t k = 0; k < columns; ++k)
      encode_value(a_.dtype, double(values[size_t(k)]), &bytes[size_t(a_storage_index(row * columns + k) * size)]);
  }
}

}  // namespace assay
