// What kernels share on the device: element types, loads with cache hints, sums over lanes, tensor-core products, the
// epilogue.
#pragma once
#include "assay_cuda.h"

namespace assay {

struct Half {
  uint16_t bits;
};
struct Bfloat {
  uint16_t bits;
};

__device__ __forceinline__ float to_float(float v) { return v; }
__device__ __forceinline__ float to_float(Half v) {
  float f;
  asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(v.bits));
  return f;
}
__device__ __forceinline__ float to_float(Bfloat v) { return __uint_as_float(uint32_t(v.bits) << 16); }

template <class T>
__device__ __forceinline__ T from_float(float v);
template <>
__device__ __forceinline__ float from_float<float>(float v) {
  return v;
}
template <>
__device__ __forceinline__ Half from_float<Half>(float v) {
  Half h;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h.bits) : "f"(v));
  return h;
}
template <>
__device__ __forceinline__ Bfloat from_float<Bfloat>(float v) {
  Bfloat b;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(b.bits) : "f"(v));
  return b;
}

// In mode chained (ASSAY_CHAINED) a launch begins before the one before it has ended. It asks for its weights, then
// waits for that one, and reads what that wrote only behind the wait: nothing else of it may come before. Loads of
// constant memory (ld.global.nc) are moved behind the wait by the compiler, to save registers: weights that are to come
// early are no constants there either.
#ifdef ASSAY_CHAINED
constexpr bool kChained = true;
#else
constexpr bool kChained = false;
#endif
__device__ __forceinline__ void let_next_begin() {
#ifdef ASSAY_CHAINED
  asm volatile("griddepcontrol.launch_dependents;");
#endif
}
__device__ __forceinline__ void wait_for_previous() {
#ifdef ASSAY_CHAINED
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

/// 16 bytes: what one lane loads at once.
struct alignas(16) Words {
  uint32_t w[4];
};

/// How a 16-byte load of weights treats the caches; weights are read once. kAnyTime: as kNoAllocate, but in a chain the
/// compiler may move it behind the wait.
enum Hint { kCached = 0, kNoAllocate = 1, kStreaming = 2, kEvictFirst = 3, kWholeLine = 4, kAnyTime = 5 };

template <int kHint>
__device__ __forceinline__ Words load_words(const void* p) {
  Words v;
  // What another launch may still be writing when this one begins is no constant.
#ifdef ASSAY_CHAINED
#define ASSAY_CONSTANT ""
#else
#define ASSAY_CONSTANT ".nc"
#endif
  if constexpr (kHint == kCached)
    asm volatile("ld.global" ASSAY_CONSTANT ".v4.u32 {%0,%1,%2,%3}, [%4];"
                 : "=r"(v.w[0]), "=r"(v.w[1]), "=r"(v.w[2]), "=r"(v.w[3])
                 : "l"(p));
  if constexpr (kHint == kNoAllocate)
    asm volatile("ld.global" ASSAY_CONSTANT ".L1::no_allocate.v4.u32 {%0,%1,%2,%3}, [%4];"
                 : "=r"(v.w[0]), "=r"(v.w[1]), "=r"(v.w[2]), "=r"(v.w[3])
                 : "l"(p));
  if constexpr (kHint == kAnyTime)
    asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0,%1,%2,%3}, [%4];"
                 : "=r"(v.w[0]), "=r"(v.w[1]), "=r"(v.w[2]), "=r"(v.w[3])
                 : "l"(p));
  if constexpr (kHint == kStreaming)
    asm volatile("ld.global.cs.v4.u32 {%0,%1,%2,%3}, [%4];"
                 : "=r"(v.w[0]), "=r"(v.w[1]), "=r"(v.w[2]), "=r"(v.w[3])
                 : "l"(p));
  if constexpr (kHint == kEvictFirst) {
    uint64_t policy;
    asm("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
    asm volatile("ld.global" ASSAY_CONSTANT ".L1::no_allocate.L2::cache_hint.v4.u32 {%0,%1,%2,%3}, [%4], %5;"
                 : "=r"(v.w[0]), "=r"(v.w[1]), "=r"(v.w[2]), "=r"(v.w[3])
                 : "l"(p), "l"(policy));
  }
  if constexpr (kHint == kWholeLine)
    asm volatile("ld.global" ASSAY_CONSTANT ".L1::no_allocate.L2::256B.v4.u32 {%0,%1,%2,%3}, [%4];"
                 : "=r"(v.w[0]), "=r"(v.w[1]), "=r"(v.w[2]), "=r"(v.w[3])
                 : "l"(p));
  return v;
}

/// The same where `wanted`, else zeros and no access.
template <int kHint>
__device__ __forceinline__ Words load_words_if(bool wanted, const void* p) {
  Words v = {};
  if (wanted) v = load_words<kHint>(p);
  return v;
}

/// In a chain: until these have come from memory. What the compiler may move is then asked for before the wait.
template <int kCount>
__device__ __forceinline__ void await(const Words (&v)[kCount]) {
  uint32_t all = 0;
#pragma unroll
  for (int i = 0; i < kCount; ++i) all ^= v[i].w[3];
  asm volatile("{.reg .pred never; setp.eq.u32 never, %0, 0x9e3779b9; @never nanosleep.u32 0;}" ::"r"(all) : "memory");
}

__device__ __forceinline__ void unpack(uint32_t word, Half, float* to) {
  asm("{.reg .b16 l, h; mov.b32 {l, h}, %2; cvt.f32.f16 %0, l; cvt.f32.f16 %1, h;}"
      : "=f"(to[0]), "=f"(to[1])
      : "r"(word));
}
__device__ __forceinline__ void unpack(uint32_t word, Bfloat, float* to) {
  to[0] = __uint_as_float(word << 16), to[1] = __uint_as_float(word & 0xffff0000u);
}
__device__ __forceinline__ void unpack(uint32_t word, float, float* to) { to[0] = __uint_as_float(word); }

/// Elements of T in one 32-bit word, and in 16 bytes.
template <class T>
constexpr int kPerWord = int(4 / sizeof(T));
template <class T>
constexpr int kPerLoad = int(16 / sizeof(T));

template <class T>
__device__ __forceinline__ float dot_words(const Words& a, const Words& b, float sum) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    float x[2], y[2];
    unpack(a.w[i], T{}, x);
    unpack(b.w[i], T{}, y);
#pragma unroll
    for (int j = 0; j < kPerWord<T>; ++j) sum = fmaf(x[j], y[j], sum);
  }
  return sum;
}

/// Sum over groups of kLanes neighbouring lanes; every lane gets it.
template <int kLanes>
__device__ __forceinline__ float lanes_sum(float v) {
#pragma unroll
  for (int offset = kLanes / 2; offset > 0; offset /= 2) v += __shfl_xor_sync(0xffffffffu, v, offset);
  return v;
}

/// c[16x8] += a[16x16] · b[16x8] on tensor cores, F32 sums. Lane (g, t) = (lane / 4, lane % 4) holds of a: rows g and
/// g+8, columns 2t, 2t+1 (a0, a1) and 2t+8, 2t+9 (a2, a3); of b: rows 2t, 2t+1 (b0) and 2t+8, 2t+9 (b1) of column g; of
/// c: columns 2t, 2t+1 of rows g and g+8.
__device__ __forceinline__ void multiply_tile(float* c, uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3, uint32_t b0,
                                              uint32_t b1, Half) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}
__device__ __forceinline__ void multiply_tile(float* c, uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3, uint32_t b0,
                                              uint32_t b1, Bfloat) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

template <class T>
__device__ __forceinline__ const T* element(const assay_cuda_tensor& t, int64_t batch, int64_t row, int64_t column) {
  return static_cast<const T*>(t.data) + batch * t.strides[0] + row * t.strides[1] + column * t.strides[2];
}

/// beta·C + bias of one output: what can be read before the product is known.
template <class T>
__device__ __forceinline__ float addend(const assay_cuda_call& call, const assay_cuda_segment& s, int batch, int row,
                                        int column) {
  float v = 0;
  if (call.params[1].value != 0) v = call.params[1].value * to_float(*element<T>(s.c, batch, row, column));
  if (s.bias.data) v += to_float(*element<T>(s.bias, 0, 0, column));
  return v;
}

template <class T>
__device__ __forceinline__ void store(const assay_cuda_segment& s, int batch, int row, int column, float value) {
  *const_cast<T*>(element<T>(s.d, batch, row, column)) = from_float<T>(value);
}

/// Writes one output: alpha · sum + beta·C + bias.
template <class T>
__device__ __forceinline__ void write(const assay_cuda_call& call, const assay_cuda_segment& s, int batch, int row,
                                      int column, float sum) {
  store<T>(s, batch, row, column, call.params[0].value * sum + addend<T>(call, s, batch, row, column));
}

/// Rows of B that a group of lanes works on, and where their products go: one segment's weights, its outputs, the
/// group's first row.
struct Rows {
  const void *b, *scales;
  void* d;
  const void* bias;
  uint32_t stride;
  int n, row, segment;
};

/// Group `group` of `rows` rows each; segments begin with a new group. A group past the last gets row >= n. kFused:
/// several outputs.
template <bool kFused>
__device__ __forceinline__ Rows rows_of(const assay_cuda_call& call, int group, int rows) {
  const assay_cuda_brief& brief = call.brief;
  const uint32_t stride = uint32_t(brief.stride);
  const auto& beside = brief.beside;
  if constexpr (!kFused) return {brief.b, beside[0].scales, brief.d, beside[0].bias, stride, brief.n, group * rows, 0};
  // Selected without a branch: see dot_m1.cu.
  const int first = (brief.n + rows - 1) / rows, second = first + (brief.more_n[0] + rows - 1) / rows;
  const bool later = group >= first, last = brief.segments > 2 && group >= second;
#define ASSAY_OF_SEGMENT(a, b, c) (last ? c : later ? b : a)
  return {ASSAY_OF_SEGMENT(brief.b, brief.more_b[0], brief.more_b[1]),
          ASSAY_OF_SEGMENT(beside[0].scales, beside[1].scales, beside[2].scales),
          ASSAY_OF_SEGMENT(brief.d, brief.more_d[0], brief.more_d[1]),
          ASSAY_OF_SEGMENT(beside[0].bias, beside[1].bias, beside[2].bias),
          stride,
          ASSAY_OF_SEGMENT(brief.n, brief.more_n[0], brief.more_n[1]),
          (group - ASSAY_OF_SEGMENT(0, first, second)) * rows,
          ASSAY_OF_SEGMENT(0, 1, 2)};
#undef ASSAY_OF_SEGMENT
}

/// The address of `column` in row `row` of memory that has `stride` elements a row: one multiplication of 32 by 32
/// bits.
template <class T>
__device__ __forceinline__ const T* row_at(const void* base, uint32_t row, uint32_t stride, uint32_t column) {
  return reinterpret_cast<const T*>(static_cast<const char*>(base) + uint64_t(row) * (stride * uint32_t(sizeof(T))) +
                                    column * sizeof(T));
}

/// The number at `p` where `wanted`, else 0 and no access. No branch, so that it is asked for where the call stands.
template <class T>
__device__ __forceinline__ float load_if(bool wanted, const T* p) {
  if constexpr (sizeof(T) == 4) {
    float v;
    asm volatile("{.reg .pred p; setp.ne.u32 p, %2, 0; mov.f32 %0, 0f00000000; @p ld.global" ASSAY_CONSTANT
                 ".f32 %0, [%1];}"
                 : "=f"(v)
                 : "l"(p), "r"(uint32_t(wanted)));
    return v;
  } else {
    T v;
    asm volatile("{.reg .pred p; setp.ne.u32 p, %2, 0; mov.b16 %0, 0; @p ld.global" ASSAY_CONSTANT ".u16 %0, [%1];}"
                 : "=h"(v.bits)
                 : "l"(p), "r"(uint32_t(wanted)));
    return to_float(v);
  }
}

/// beta·C + bias of output `row` of a product of one row where `wanted`; to be asked for while the weights are on their
/// way. kPlain: beta is 0 here, and then there is no branch.
template <class T, bool kPlain = false>
__device__ __forceinline__ float addend(const assay_cuda_call& call, const Rows& r, int row, bool wanted) {
  float v = load_if(wanted && (call.brief.biased >> r.segment & 1), static_cast<const T*>(r.bias) + row);
  if (!kPlain && call.brief.adds_c)
    v = fmaf(call.brief.beta, load_if(wanted, static_cast<const T*>(call.matmul.segment[r.segment].c.data) + row), v);
  return v;
}
template <class T>
__device__ __forceinline__ void finish(const assay_cuda_call& call, const Rows& r, int row, float sum, float add) {
  static_cast<T*>(r.d)[row] = from_float<T>(fmaf(call.brief.alpha, sum, add));
}

/// Shared memory by address. It is taken before the loads and kept in a register by adding a 0 that the compiler does
/// not know: else it is put together behind them, twice, from a special register (0.03 µs on an H100).
__device__ __forceinline__ uint32_t shared_address(const assay_cuda_call& call, const void* shared) {
  return uint32_t(__cvta_generic_to_shared(shared)) + call.brief.zero;
}
__device__ __forceinline__ void store_shared(uint32_t at, float v) {
  asm volatile("st.shared.f32 [%0], %1;" ::"r"(at), "f"(v) : "memory");
}
__device__ __forceinline__ float load_shared(uint32_t at) {
  float v;
  asm volatile("ld.shared.f32 %0, [%1];" : "=f"(v) : "r"(at) : "memory");
  return v;
}

// Thread-block clusters: barrier halves, and writing into another block's shared memory.
__device__ __forceinline__ void cluster_arrive() { asm volatile("barrier.cluster.arrive.release;" ::: "memory"); }
__device__ __forceinline__ void cluster_wait() { asm volatile("barrier.cluster.wait.acquire;" ::: "memory"); }
__device__ __forceinline__ uint32_t cluster_rank() {
  uint32_t r;
  asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(r));
  return r;
}
__device__ __forceinline__ void store_in_block(float* shared, uint32_t rank, float value) {
  uint32_t here = uint32_t(__cvta_generic_to_shared(shared)), there;
  asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"(here), "r"(rank));
  asm volatile("st.shared::cluster.f32 [%0], %1;" ::"r"(there), "f"(value) : "memory");
}

}  // namespace assay
