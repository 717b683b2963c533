// The products of attention_mma: rows of keys and values as tiles of the tensor cores, and F32 factors as sums of
// terms. In a cache of F16 a query's are halves, of what a power of two brought near their upper end, and a weight's
// are TF32, which has the range of F32: the largest weights may meet zeros. Of Q8_0 blocks they are bfloats, which have
// that range and hold a block's whole numbers exactly.
#pragma once
#include "packs.h"

namespace assay {

constexpr float kLeast = -1e30f;  // below every score; finite, so that its difference to itself is 0
constexpr int kColumnTiles = SIZE / 16;
static_assert(HEADS <= 8 && SIZE % 64 == 0, "a tile has eight heads");

struct OfHalf {
  using Term = Half;
};
struct OfQ8 {
  using Term = Bfloat;
};

// In a chain the launch before may have written the last position: no constant.
constexpr int kCacheHint = kChained ? kCached : kNoAllocate;

__device__ __forceinline__ float power_of_two(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/// The nearest terms of two numbers in a word, `low` in the lower half; what they leave out stays.
__device__ __forceinline__ uint32_t take_term(float& low, float& high, Half) {
  uint32_t word;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  float taken[2];
  unpack(word, Half{}, taken);
  low -= taken[0], high -= taken[1];
  return word;
}
__device__ __forceinline__ uint32_t take_term(float& low, float& high, Bfloat) {
  uint32_t word;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  float taken[2];
  unpack(word, Bfloat{}, taken);
  low -= taken[0], high -= taken[1];
  return word;
}

/// Lane (g, t) has columns 2t and 2t+1 of row g in a word, and gets row 2t and 2t+1 of column g.
__device__ __forceinline__ uint32_t turned(uint32_t word) {
  uint32_t to;
  asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(to) : "r"(word));
  return to;
}

/// The same of floats, whose halves are turned apart.
__device__ __forceinline__ void turn_floats(float first, float second, float (&to)[2]) {
  const uint32_t a = __float_as_uint(first), b = __float_as_uint(second);
  const uint32_t low = turned(__byte_perm(a, b, 0x5410)), high = turned(__byte_perm(a, b, 0x7632));
  to[0] = __uint_as_float(__byte_perm(low, high, 0x5410)), to[1] = __uint_as_float(__byte_perm(low, high, 0x7632));
}

/// What TF32 keeps of a float: the rest of it is another's.
constexpr uint32_t kTf32Bits = 0xffffe000u;
/// c[16x8] += a[16x8] · b[8x8]. Lane (g, t) holds of a: rows g and g+8 of column t (`first`) and of column t+4
/// (`second`); of b: rows t and t+4 of column g.
__device__ __forceinline__ void multiply_tf32(float (&c)[4], const float (&first)[2], const float (&second)[2],
                                              const float (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(__float_as_uint(first[0])), "r"(__float_as_uint(first[1])), "r"(__float_as_uint(second[0])),
        "r"(__float_as_uint(second[1])), "r"(__float_as_uint(b[0]) & kTf32Bits),
        "r"(__float_as_uint(b[1]) & kTf32Bits));
}

/// The lower, or the upper, halves of two words.
__device__ __forceinline__ uint32_t lower_of(uint32_t a, uint32_t b) { return __byte_perm(a, b, 0x5410); }
__device__ __forceinline__ uint32_t upper_of(uint32_t a, uint32_t b) { return __byte_perm(a, b, 0x7632); }

__device__ __forceinline__ uint32_t load_word_if(bool wanted, const void* p) {
  uint32_t v = 0;
  if (wanted) asm volatile("ld.global" ASSAY_CONSTANT ".u32 %0, [%1];" : "=r"(v) : "l"(p));
  return v;
}

/// Four bytes with signs as four bfloats: 128 + seven bits, less 128 or, where there is the sign, 256.
__device__ __forceinline__ void bytes_to_bfloats(uint32_t bytes, uint32_t& low, uint32_t& high) {
  const uint32_t seven = bytes & 0x7f7f7f7fu, sign = bytes & 0x80808080u;
  const uint32_t minus_one = 0xbf80bf80u;
  asm("fma.rn.bf16x2 %0, %1, %2, %3;"
      : "=r"(low)
      : "r"(__byte_perm(sign, 0x43434343u, 0x4140)), "r"(minus_one), "r"(__byte_perm(seven, 0x43434343u, 0x4140)));
  asm("fma.rn.bf16x2 %0, %1, %2, %3;"
      : "=r"(high)
      : "r"(__byte_perm(sign, 0x43434343u, 0x4342)), "r"(minus_one), "r"(__byte_perm(seven, 0x43434343u, 0x4342)));
}

}  // namespace assay
