// The inputs of one spec: A, bias and C on the host, and the copies of B with guard bands, cut from the arenas.
#pragma once
#include <array>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "proof/arena.h"
#include "proof/poison.h"
#include "spec/spec.h"

namespace assay {

inline constexpr int64_t kGuardBytes = 64;
inline constexpr int64_t kFileAlignment = 32;  // of weights in a mapped file: all that a kernel may rely on
inline constexpr int64_t kSpareBytes = 4096;   // of an arena behind the copies: the least that a bulk read reads

/// The arenas of a sweep, made large enough before the first spec.
class Arenas {
 public:
  /// stopped: asked while arenas are filled; what it ends is of no use.
  explicit Arenas(bool huge_pages = true, std::function<bool()> stopped = {})
      : huge_pages_(huge_pages), stopped_(std::move(stopped)) {}
  /// Makes or enlarges the arenas so that each spec has copies over `footprint` bytes (at least one copy).
  void reserve(const Spec& spec, int64_t footprint);
  /// How many bytes that would take beside what there is.
  int64_t growth(const Spec& spec, int64_t footprint) const;
  InputArena& get(Format format);
  std::vector<InputArena*> all() const;

 private:
  const bool huge_pages_;
  const std::function<bool()> stopped_;
  std::map<Format, std::unique_ptr<InputArena>> arenas_;
};

/// Decoded values beside the bytes that a device gets.
struct HostTensor {
  std::vector<std::byte> bytes;
  std::vector<double> values;
};

/// How A of a launch differs from its base value: by a power of two, and by a sign for each column k and each row
/// (batch · m + row).
struct Variation {
  static constexpr int kGroups = 16;
  double factor = 1;
  uint64_t signs = 0;  // of column k bit k % kGroups: the reference keeps a sum for each …
  uint64_t rows = 0;   // of row r the bit that is drawn from this
  bool is_free =
      false;  // … or of column k the bit that is drawn from `signs`: nothing remembered of other launches is of use
  int special = -1;            // of an op that is no product, which is varied in its own way: one of its special draws
  bool other_numbers = false;  // … and whether its launch has other numbers than the spec (with_other_numbers)
  uint64_t constants = 0;      // … and which constants: 0 those of its inputs, else others (other_constant)
  double of_column(int64_t k) const { return is_free ? drawn(signs, k) : signs >> (k % kGroups) & 1 ? -1 : 1; }
  /// Of the first so many columns, at once.
  std::vector<float> of_columns(int64_t count) const;
  double of_row(int64_t row) const { return drawn(rows, row); }

  bool operator==(const Variation&) const = default;

  /// The groups' signs as ±1.
  using Signs = std::array<double, kGroups>;
  static Signs factors(uint64_t signs) {
    Signs factors;
    for (int group = 0; group < kGroups; ++group) factors[size_t(group)] = signs >> group & 1 ? -1 : 1;
    return factors;
  }

 private:
  static double drawn(uint64_t seed, int64_t i) {
    return random_bits(seed + uint64_t(i / 64)) >> (i % 64) & 1 ? -1 : 1;
  }
};

class SpecInputs {
 public:
  /// Cuts copies over about `footprint` bytes (0: one copy), and enters.
  SpecInputs(const Spec& spec, Arenas& arenas, int64_t footprint);
  ~SpecInputs();
  SpecInputs(const SpecInputs&) = delete;
  SpecInputs& operator=(const SpecInputs&) = delete;

  /// Writes the copies' guard bands, and for an op that is no product special weights here and there (some_special.h):
  /// the same ones each time. No other SpecInputs may be in the arenas.
  void enter();
  /// Restores the arenas; nothing more where it is not in them.
  void leave();

  const Spec& spec() const { return spec_; }
  int64_t copies() const { return int64_t(copies_.size()); }
  /// The weights of a copy (of a product B, one a segment), in the spec's order, with host addresses.
  const std::vector<Tensor>& b(int64_t copy) const { return copies_[size_t(copy)]; }
  /// The range that the copies cover in each of their arenas: what bulk reads read.
  const std::vector<std::span<std::byte>>& covered() const { return covered_; }
  /// Of each arena that the copies lie in, its beginning up to their end and kSpareBytes more.
  const std::vector<std::span<std::byte>>& used() const { return used_; }

  // Of a product:
  HostTensor a;                   // in storage order
  std::vector<HostTensor> bias;   // one a segment; empty without
  std::vector<HostTensor> c;      // one a segment; NaN where it is not read
  std::vector<double> a_logical;  // A's values as [batch][rows][columns]
  std::vector<float> a_floats;    // … which no type of A loses anything as
  // Of another op, whose operands are dense, by their place in the spec:
  std::map<size_t, HostTensor> constants, varied;

  /// Index into A's values in logical order → index into its storage.
  int64_t a_storage_index(int64_t logical) const;
  /// A's bytes as a launch of a product gets them.
  void varied_a(const Variation& variation, std::vector<std::byte>& bytes) const;
  /// A row of A, counted over batches, with the variation's signs of columns and times `factor`.
  void varied_row(int64_t row, std::span<const float> of_columns, double factor, float* to) const;
  /// A's bytes from values in logical order.
  void store_a(const std::vector<double>& logical, std::vector<std::byte>& bytes) const;

 private:
  struct Piece {
    Format format;
    int64_t offset, bytes;
  };
  void add_special_weights();

  Spec spec_;
  Tensor a_;
  Arenas& arenas_;
  std::vector<std::vector<Tensor>> copies_;
  std::vector<Piece> guards_, special_;  // what is written into the arenas: bands, and weights
  bool is_in_ = false;
  bool is_plain_ = false;  // all of A, however it is varied, is a normal number of A's type
  std::vector<std::span<std::byte>> covered_, used_;
};

/// One value of a dense type from its bytes, and to them (round to nearest even).
double decode_value(Dtype dtype, const std::byte* at);
void encode_value(Dtype dtype, double value, std::byte* at);

/// All 65,536 values of f16 or bf16: decoding by look-up is several times faster than by arithmetic.
const float* value_table(Dtype dtype);

}  // namespace assay
