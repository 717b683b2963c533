// Laws of the inputs: values in their documented ranges, copies that differ, guards around each, and arenas put back.
#include "proof/inputs.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>
#include <set>

#include "base/half.h"
#include "ops/matmul.h"

namespace assay {
namespace {

constexpr Format kFormats[] = {Format::f32,      Format::f16,  Format::bf16, Format::q8_0, Format::int8,
                               Format::q8_scale, Format::q4_0, Format::q4_1, Format::q5_0, Format::q5_1,
                               Format::q4_k,     Format::q5_k, Format::q6_k};
constexpr int64_t kBlockBytes = 34;

Spec spec_of(const std::string& rest) { return parse_spec("op=matmul | " + rest); }

/// Specs whose weights lie in every way that there is.
std::vector<Spec> every_storage() {
  return {
      spec_of("batch=1 | m=1 | n=77 | k=141 | tA=0 | tB=1 | dtA=f32 | dtB=f32 | dtD=f32"),
      spec_of("batch=1 | m=3 | n=77 | k=141 | tA=1 | tB=0 | dtA=f16 | dtB=f16 | dtD=f16 | bias=1 | beta=0.5 | alpha=2"),
      spec_of("batch=14 | m=1 | n=5 | k=33 | tA=0 | tB=1 | dtA=bf16 | dtB=bf16 | dtD=bf16 | alpha=0.125 | beta=-1"),
      spec_of("batch=1 | m=1 | n=77 | k=160 | tA=0 | tB=1 | dtA=f16 | dtB=q8_0 | dtD=f16"),
      spec_of("batch=1 | m=1 | n=77 | k=160 | tA=0 | tB=1 | dtA=f16 | dtB=q8_0 | dtD=f16 | loader=q8nk_split"),
      spec_of("batch=1 | m=1 | n=77 | k=160 | tA=0 | tB=1 | dtA=f32 | dtB=q4_0 | dtD=f32"),
      spec_of("batch=2 | m=1 | n=9 | k=512 | tA=0 | tB=1 | dtA=f16 | dtB=q6_k | dtD=f16"),
      spec_of("batch=1 | m=1 | n=? | n0=31 | n1=33 | k=96 | tA=? | tB=? | dtA=f16 | dtB=f16 | dtD=f16 | bias=1"),
      spec_of("batch=1 | m=1 | n=? | nq=65 | nk=3 | nv=3 | k=96 | tA=? | tB=? | dtA=f16 | dtB=q8_0 | dtD=f16"),
      spec_of("batch=1 | m=1 | n=? | n0=7 | n1=9 | k=64 | tA=? | tB=? | dtA=f16 | dtB=q8_0 | dtD=f16 | "
              "loader=q8nk_split"),
  };
}

std::vector<std::byte> copy_of(std::span<const std::byte> bytes) { return {bytes.begin(), bytes.end()}; }

uint16_t bits_at(const std::byte* at) {
  uint16_t bits;
  std::memcpy(&bits, at, 2);
  return bits;
}

/// One stretch of memory that a copy takes, between its two guards.
struct Piece {
  const std::byte* data;
  int64_t bytes;
};

std::vector<Piece> pieces_of(const std::vector<Tensor>& tensors) {
  std::vector<Piece> pieces;
  for (const Tensor& t : tensors) {
    pieces.push_back({t.data, t.bytes});
    if (t.scales) pieces.push_back({t.scales, t.scale_bytes});
  }
  return pieces;
}

struct Snapshot {
  explicit Snapshot(const Arenas& arenas) {
    for (const InputArena* arena : arenas.all()) bytes.push_back(copy_of(arena->bytes()));
  }
  bool operator==(const Snapshot&) const = default;
  std::vector<std::vector<std::byte>> bytes;
};

TEST(InputArena, RestoringAnyRangeGivesTheExactBytesBack) {
  std::mt19937_64 random(7);
  for (const Format format : kFormats) {
    InputArena arena(format, 300'000);
    const std::vector<std::byte> before = copy_of(arena.bytes());
    const int64_t whole = int64_t(before.size()) / unit_bytes(format) * unit_bytes(format);
    for (int i = 0; i < 300; ++i) {
      const int64_t offset = int64_t(random() % uint64_t(whole - 2000)), count = int64_t(1 + random() % 2000);
      std::memset(arena.bytes().data() + offset, kPoison, size_t(count));
      arena.restore(offset, count);
      ASSERT_EQ(std::memcmp(arena.bytes().data() + offset, &before[size_t(offset)], size_t(count)), 0);
    }
    EXPECT_TRUE(std::equal(before.begin(), before.end(), arena.bytes().begin())) << int(format);
  }
}

TEST(InputArena, WhoIsStoppedDoesNotFillTheRest) {
  for (const Format format : {Format::f16, Format::q8_0, Format::q4_0}) {
    std::atomic<int> asked = 0;  // on all threads
    InputArena arena(format, 64 << 20, true, [&] { return ++asked > 3; });
    const std::span<std::byte> bytes = arena.bytes();
    const auto filled = std::count_if(bytes.begin(), bytes.end(), [](std::byte b) { return b != std::byte(0); });
    EXPECT_GT(filled, 0);
    EXPECT_LT(filled, 8 << 20);
    arena.restore(0, std::ssize(bytes));
    EXPECT_EQ(copy_of(bytes), copy_of(InputArena(format, 64 << 20).bytes())) << "of use again";
  }
}

TEST(InputArena, BytesAreAFunctionOfFormatAndOffsetWhateverTheSize) {
  for (const Format format : kFormats) {
    const InputArena small(format, 1 << 20), large(format, 5 << 20);
    const size_t unit = size_t(unit_bytes(format)), common = small.bytes().size() / unit * unit;
    EXPECT_GE(small.bytes().size(), size_t(1 << 20));
    EXPECT_GE(large.bytes().size(), size_t(5 << 20));
    EXPECT_EQ(std::memcmp(small.bytes().data(), large.bytes().data(), common), 0) << int(format);
    EXPECT_EQ(copy_alignment(format) % 256, 0);
  }
}

TEST(InputArena, FloatsAreOfBothSignsAndEveryBinadeBetweenAnEighthAndTwo) {
  for (const Dtype dtype : {Dtype::f32, Dtype::f16, Dtype::bf16}) {
    const Format format = dtype == Dtype::f32 ? Format::f32 : dtype == Dtype::f16 ? Format::f16 : Format::bf16;
    const InputArena arena(format, 1 << 20);
    std::set<std::pair<bool, int>> binades;
    const int64_t size = dtype_bytes(dtype, 1);
    for (size_t at = 0; at < arena.bytes().size(); at += size_t(size)) {
      const double value = decode_value(dtype, &arena.bytes()[at]);
      ASSERT_TRUE(std::fabs(value) >= 0.125 && std::fabs(value) < 2) << value << " at " << at;
      binades.insert({value < 0, std::ilogb(value)});
    }
    EXPECT_EQ(binades.size(), 8u) << dtype_name(dtype);
  }
}

TEST(InputArena, QuantizedValuesAreValidBlocksWithNormalScalesAndNoMinus128) {
  const InputArena blocks(Format::q8_0, 1 << 20), values(Format::int8, 1 << 20), scales(Format::q8_scale, 1 << 20);
  std::set<int> seen;
  const auto expect_scale = [](const std::byte* at) {
    const double scale = double(half_to_float(bits_at(at)));
    ASSERT_TRUE(scale >= 0x1p-7 && scale < 0x1p-5) << scale;
  };
  for (size_t block = 0; block < blocks.bytes().size() / size_t(kBlockBytes); ++block) {
    const std::byte* at = &blocks.bytes()[block * size_t(kBlockBytes)];
    expect_scale(at);
    for (int i = 0; i < 32; ++i) seen.insert(int8_t(at[2 + i]));
  }
  EXPECT_EQ(seen.size(), 255u);
  EXPECT_EQ(seen.count(-128), 0u);
  seen.clear();
  for (const std::byte value : values.bytes()) seen.insert(int8_t(value));
  EXPECT_EQ(seen.size(), 255u);
  EXPECT_EQ(seen.count(-128), 0u);
  for (size_t at = 0; at < scales.bytes().size(); at += 2) expect_scale(&scales.bytes()[at]);
}

TEST(SpecInputs, EveryPieceOfEveryCopyLiesBetweenTwoGuardsAndKeepsTheArenasValues) {
  for (const Spec& spec : every_storage()) {
    SCOPED_TRACE(spec.line());
    Arenas arenas;
    arenas.reserve(spec, 300'000);
    const Snapshot before(arenas);
    const SpecInputs inputs(spec, arenas, 300'000);
    ASSERT_GT(inputs.copies(), 3);
    std::vector<std::pair<const std::byte*, const std::byte*>> taken;
    for (int64_t copy = 0; copy < inputs.copies(); ++copy)
      for (const auto& [data, bytes] : pieces_of(inputs.b(copy))) {
        for (int64_t i = 0; i < kGuardBytes; ++i)
          ASSERT_TRUE(data[-1 - i] == std::byte{kPoison} && data[bytes + i] == std::byte{kPoison}) << copy << " " << i;
        EXPECT_EQ(reinterpret_cast<uintptr_t>(data) % 64, 0u);
        bool found = false;
        size_t index = 0;
        for (const InputArena* arena : arenas.all()) {
          const auto offset = data - arena->bytes().data();
          if (offset >= 0 && offset < std::ptrdiff_t(arena->bytes().size()))
            found = std::memcmp(data, &before.bytes[index][size_t(offset)], size_t(bytes)) == 0;
          ++index;
        }
        EXPECT_TRUE(found) << "a copy's values are not the arena's";
        taken.push_back({data - kGuardBytes, data + bytes + kGuardBytes});
      }
    std::sort(taken.begin(), taken.end());
    for (size_t i = 1; i < taken.size(); ++i) EXPECT_LE(taken[i - 1].second, taken[i].first) << "copies overlap";
  }
}

TEST(SpecInputs, LeavingPutsEveryArenaBackBitForBit) {
  Arenas arenas;
  for (const Spec& spec : every_storage()) arenas.reserve(spec, 500'000);
  const Snapshot before(arenas);
  for (const Spec& spec : every_storage()) {
    {
      const SpecInputs inputs(spec, arenas, 500'000);
      EXPECT_FALSE(Snapshot(arenas) == before) << "no guards were written";
    }
    EXPECT_TRUE(Snapshot(arenas) == before) << spec.line();
  }
}

TEST(SpecInputs, EnteringAgainWritesWhatWasThereWhoeverWasThereBetween) {
  std::vector<Spec> specs = every_storage();
  for (const char* line : {"op=attention | m=1 | heads=4 | kv_heads=2 | head_size=32 | length=20 | capacity=32 "
                           "| dtA=f32 | dtCache=q8_0 | dtD=f32 | scale=0.25",
                           "op=rms_norm | m=1 | n=77 | dtA=f32 | dtB=f32 | dtD=f32 | eps=1e-06"})
    specs.push_back(parse_spec(line));
  Arenas arenas;
  for (const Spec& spec : specs) arenas.reserve(spec, 200'000);
  const Snapshot before(arenas);
  for (const Spec& spec : specs) {
    SpecInputs inputs(spec, arenas, 200'000);
    const Snapshot in(arenas);
    inputs.leave();
    EXPECT_TRUE(Snapshot(arenas) == before) << spec.line();
    { const SpecInputs other(specs.front(), arenas, 200'000); }
    inputs.enter();
    EXPECT_TRUE(Snapshot(arenas) == in) << spec.line();
    inputs.leave();
    inputs.leave();
    EXPECT_TRUE(Snapshot(arenas) == before) << "leaving twice restores nothing twice";
  }
}

TEST(SpecInputs, CopiesDifferFromEachOther) {
  for (const Spec& spec : every_storage()) {
    Arenas arenas;
    arenas.reserve(spec, 200'000);
    const SpecInputs inputs(spec, arenas, 200'000);
    std::set<std::vector<std::byte>> distinct;
    for (int64_t copy = 0; copy < inputs.copies(); ++copy)
      for (const auto& [data, bytes] : pieces_of(inputs.b(copy))) distinct.insert(copy_of({data, size_t(bytes)}));
    EXPECT_EQ(distinct.size(), size_t(inputs.copies()) * pieces_of(inputs.b(0)).size()) << spec.line();
  }
}

TEST(SpecInputs, CopiesCoverTheFootprintAndAreOneWhereItIsZero) {
  for (const Spec& spec : every_storage()) {
    SCOPED_TRACE(spec.line());
    Arenas arenas;
    arenas.reserve(spec, 3'000'000);
    const SpecInputs one(spec, arenas, 0);
    EXPECT_EQ(one.copies(), 1);
    int64_t covered = 0, piece_count = 0;
    const SpecInputs many(spec, arenas, 3'000'000);
    for (int64_t copy = 0; copy < many.copies(); ++copy)
      for (const auto& [data, bytes] : pieces_of(many.b(copy))) covered += bytes, ++piece_count;
    // Beside the values there are guards and what aligns whole blocks.
    const int64_t alignment = std::lcm(kCopyAlignment, dtype_facts(many.b(0)[0].dtype).block_bytes);
    EXPECT_GE(covered + piece_count * (2 * kGuardBytes + alignment), 3'000'000);
    const std::byte* first = many.covered()[0].data();
    for (const int64_t copy : {int64_t(0), many.copies() - 1}) {
      const Tensor& t = many.b(copy)[0];
      EXPECT_TRUE(t.data >= first && t.data + t.bytes <= first + many.covered()[0].size());
    }
  }
}

TEST(SpecInputs, BytesAndValuesOfHostTensorsSayTheSameAndUnreadCIsPoison) {
  for (const Spec& spec : every_storage()) {
    SCOPED_TRACE(spec.line());
    Arenas arenas;
    arenas.reserve(spec, 0);
    const SpecInputs inputs(spec, arenas, 0);
    const auto expect_same = [](const HostTensor& t, Dtype dtype) {
      ASSERT_EQ(t.bytes.size(), size_t(dtype_bytes(dtype, int64_t(t.values.size()))));
      for (size_t i = 0; i < t.values.size(); ++i) {
        ASSERT_EQ(decode_value(dtype, &t.bytes[i * size_t(dtype_bytes(dtype, 1))]), t.values[i]);
        ASSERT_TRUE(std::fabs(t.values[i]) >= 0.125 && std::fabs(t.values[i]) < 2);
      }
    };
    expect_same(inputs.a, matmul_of(spec).a);
    EXPECT_EQ(inputs.a_logical.size(), size_t(matmul_of(spec).batch * matmul_of(spec).m * matmul_of(spec).k));
    EXPECT_EQ(inputs.bias.size(), matmul_of(spec).bias ? inputs.b(0).size() : 0);
    for (const HostTensor& bias : inputs.bias) expect_same(bias, matmul_of(spec).d);
    ASSERT_EQ(inputs.c.size(), inputs.b(0).size());
    for (const HostTensor& c : inputs.c) {
      if (matmul_of(spec).beta != 0) {
        expect_same(c, matmul_of(spec).d);
        continue;
      }
      for (const double value : c.values) ASSERT_TRUE(std::isnan(value));
      for (const std::byte byte : c.bytes) ASSERT_EQ(byte, std::byte{kPoison});
    }
  }
}

TEST(SpecInputs, ATransposedAIsStoredColumnByColumn) {
  const Spec spec = spec_of("batch=2 | m=3 | n=4 | k=5 | tA=1 | tB=1 | dtA=f32 | dtB=f32 | dtD=f32");
  Arenas arenas;
  arenas.reserve(spec, 0);
  const SpecInputs inputs(spec, arenas, 0);
  for (int64_t batch = 0; batch < 2; ++batch)
    for (int64_t m = 0; m < 3; ++m)
      for (int64_t k = 0; k < 5; ++k)
        EXPECT_EQ(inputs.a_logical[size_t((batch * 3 + m) * 5 + k)], inputs.a.values[size_t(batch * 15 + k * 3 + m)]);
}

TEST(SpecInputs, VariedActivationsAreExactInEveryTypeAndStorage) {
  std::mt19937_64 random(11);
  for (const char* dtype : {"f32", "f16", "bf16"})
    for (const char* tA : {"0", "1"}) {
      const Spec spec =
          spec_of(fmt::format("batch=2 | m=3 | n=2 | k=71 | tA={} | tB=1 | dtA={} | dtB=f32 | dtD=f32", tA, dtype));
      Arenas arenas;
      arenas.reserve(spec, 0);
      const SpecInputs inputs(spec, arenas, 0);
      std::vector<std::byte> bytes;
      for (int exponent = -3; exponent <= 3; ++exponent)
        for (const bool is_free : {false, true}) {
          const Variation variation{std::ldexp(1, exponent), random(), random(), is_free};
          inputs.varied_a(variation, bytes);
          ASSERT_EQ(bytes.size(), inputs.a.bytes.size());
          for (int64_t i = 0; i < int64_t(inputs.a_logical.size()); ++i) {
            const double wanted = inputs.a_logical[size_t(i)] * variation.factor *
                                  variation.of_column(i % matmul_of(spec).k) * variation.of_row(i / matmul_of(spec).k);
            const int64_t at = inputs.a_storage_index(i) * dtype_bytes(matmul_of(spec).a, 1);
            ASSERT_EQ(decode_value(matmul_of(spec).a, &bytes[size_t(at)]), wanted)
                << spec.line() << " factor " << variation.factor;
          }
        }
    }
}

// What a kernel could still use of an earlier launch: columns whose sign, times one common factor, is what it was.
TEST(SpecInputs, AboutHalfOfTheColumnsOfALaunchDifferFromThoseOfEveryOther) {
  constexpr int64_t kColumns = 896;
  constexpr int kLaunches = 200;
  std::mt19937_64 random(5);
  std::vector<Variation> launches;
  for (int i = 0; i < kLaunches; ++i) launches.push_back({1, random(), random(), true});
  for (int i = 0; i < kLaunches; ++i)
    for (int j = 0; j < i; ++j) {
      int64_t alike = 0;
      for (int64_t k = 0; k < kColumns; ++k)
        alike += launches[size_t(i)].of_column(k) == launches[size_t(j)].of_column(k);
      ASSERT_LT(std::max(alike, kColumns - alike), kColumns * 6 / 10) << i << " " << j;
    }
}

TEST(SpecInputs, ManyAwkwardFootprintsFitTheArenaThatWasReservedForThem) {
  for (const int64_t footprint : {1, 4095, 65'536, 2'093'056, 2'097'152, 2'097'153, 4'190'208, 4'194'304})
    for (const Spec& spec : every_storage()) {
      Arenas arenas;
      arenas.reserve(spec, footprint);
      const SpecInputs inputs(spec, arenas, footprint);
      EXPECT_GE(inputs.copies(), 1);
    }
}

}  // namespace
}  // namespace assay
