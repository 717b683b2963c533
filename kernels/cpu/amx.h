// AMX: the eight tile registers, what they are set to hold, and the leave to use them.
#pragma once
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace assay {

/// The system gives a process leave to use tiles when it asks; its threads and children have it too. Asked for here as
/// well as by the device: another host of this module may not have done so.
inline bool may_use_tiles() {
  constexpr long kAskForState = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  static const bool may = syscall(SYS_arch_prctl, kAskForState, kTileData) == 0;
  return may;
}

// Registers 0 … 3 hold sums, 4 and 5 rows of A, 6 and 7 weights. The compiler's own functions for tiles do not tell it
// what memory they read.
template <int kTile>
inline __attribute__((always_inline)) void load_tile(const void* at, int64_t stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(at), "r"(stride), "i"(kTile) : "memory");
}
template <int kTile>
inline __attribute__((always_inline)) void store_tile(void* at, int64_t stride) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(at), "r"(stride), "i"(kTile) : "memory");
}
template <int kTile>
inline __attribute__((always_inline)) void clear_tile() {
  asm volatile("tilezero %%tmm%c0" : : "i"(kTile));
}
/// Sums of products of four int8 values of A and of the weights.
template <int kSums, int kA, int kWeights>
inline __attribute__((always_inline)) void add_int8_products() {
  asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kSums), "i"(kA), "i"(kWeights));
}
/// Of two bf16 values, summed in f32; what is below 2^-126 counts as 0.
template <int kSums, int kA, int kWeights>
inline __attribute__((always_inline)) void add_bf16_products() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kSums), "i"(kA), "i"(kWeights));
}

/// This thread's tile registers, as long as it lives: sums of `rows` x 16 words, A of `rows` x `step_bytes`, weights of
/// step_bytes / 4 x 16 words.
class TileRegisters {
 public:
  TileRegisters(int64_t rows, int64_t step_bytes) {
    struct {
      uint8_t palette, start, reserved[14];
      uint16_t row_bytes[16];
      uint8_t rows[16];
    } shape = {};
    shape.palette = 1;
    for (int tile = 0; tile < 8; ++tile) {
      const bool is_a = tile == 4 || tile == 5;
      shape.rows[tile] = uint8_t(tile < 6 ? rows : step_bytes / 4);
      shape.row_bytes[tile] = uint16_t(is_a ? step_bytes : 64);
    }
    asm volatile("ldtilecfg %0" : : "m"(shape));
  }
  ~TileRegisters() { asm volatile("tilerelease"); }
  TileRegisters(const TileRegisters&) = delete;
  TileRegisters& operator=(const TileRegisters&) = delete;
};

}  // namespace assay
