// The inputs of one spec: A, bias and C on the host, and the copies of B with guard bands, cut from the arenas.
#pragma once
#include <map>
#include <memory>
#include <vector>

#include "backend/device.h"
#include "probe/arena.h"

namespace assay {

inline constexpr int64_t kGuardBytes = 64;
inline constexpr unsigned char kPoison = 0xff;  // NaN in every float type
inline constexpr int64_t kSpareBytes = 4096;    // of an arena behind the copies: the least that a bulk read reads

/// The arenas of a sweep, made large enough before the first spec.
class Arenas {
 public:
  /// Makes or enlarges the arenas so that each spec has copies over `footprint` bytes (at least one copy).
  void reserve(const Spec& spec, int64_t footprint);
  /// How many bytes that would take beside what there is.
  int64_t growth(const Spec& spec, int64_t footprint) const;
  InputArena& get(Format format);
  std::vector<InputArena*> all() const;

 private:
  std::map<Format, std::unique_ptr<InputArena>> arenas_;
};

/// Decoded values beside the bytes that a device gets.
struct HostTensor {
  std::vector<std::byte> bytes;
  std::vector<double> values;
};

class SpecInputs {
 public:
  /// Cuts copies over about `footprint` bytes (0: one copy) and writes their guard bands; the destructor restores the arenas.
  SpecInputs(const Spec& spec, Arenas& arenas, int64_t footprint);
  ~SpecInputs();
  SpecInputs(const SpecInputs&) = delete;
  SpecInputs& operator=(const SpecInputs&) = delete;

  const Spec& spec() const { return spec_; }
  int64_t copies() const { return int64_t(copies_.size()); }
  /// The B tensors (one a segment) of a copy, with host addresses.
  const std::vector<Tensor>& b(int64_t copy) const { return copies_[size_t(copy)]; }
  /// The whole range that the copies cover in their first arena: what a bulk read reads.
  std::span<std::byte> covered() const { return covered_; }
  /// Of each arena that the copies lie in, its beginning up to their end and kSpareBytes more.
  const std::vector<std::span<std::byte>>& used() const { return used_; }

  HostTensor a;                   // [batch, m, k] logical order in values; storage order in bytes
  std::vector<HostTensor> bias;   // one a segment; empty without
  std::vector<HostTensor> c;      // one a segment; NaN where beta = 0
  std::vector<double> a_logical;  // values of op(A) as [batch][m][k]

  /// Index into op(A)'s values → index into its storage.
  int64_t a_storage_index(int64_t logical) const;
  /// A's bytes times factor (an exact power of two), with the sign of column `flipped` changed in every row.
  void scaled_a(double factor, int64_t flipped, std::vector<std::byte>& bytes) const;

 private:
  struct Guard {
    Format format;
    int64_t offset;
  };
  Spec spec_;
  Arenas& arenas_;
  std::vector<std::vector<Tensor>> copies_;
  std::vector<Guard> guards_;
  std::span<std::byte> covered_;
  std::vector<std::span<std::byte>> used_;
};

/// One value of a dense type from its bytes, and to them (round to nearest even).
double decode_value(Dtype dtype, const std::byte* at);
void encode_value(Dtype dtype, double value, std::byte* at);

/// All 65,536 values of f16 or bf16: decoding by look-up is several times faster than by arithmetic.
const float* value_table(Dtype dtype);

}  // namespace assay
