// Device code of the harness itself, as PTX that the driver compiles: a clock probe, a checksum, a survey of outputs, a
// gathering copy.
#pragma once
#include "backend/cuda/ptx_spread.h"

namespace assay {

/// clock_probe(out, ns), one thread: waits for a tick of the timer, then ns more; out = {cycles, ns} of the wait.
/// checksum(data, words, sum), words of 16 bytes: adds each word's hash to *sum, so that any change of one word changes
/// it. survey(memory, guard, bytes, step, infinity, upper, out), a row of blocks for each buffer and one more:
/// GuardedBuffers that lie as device.h says; `infinity` and `upper` are that value's bits and the mask of one element,
/// at the upper end of a word. Adds each word's hash to out[0], and to out[1] how many threads met a NaN or an infinity
/// inside of a buffer or no poison outside. project(memory, guard, step, columns, stretches, kind, weights, out), a
/// warp for each (row, stretch) of each buffer: GuardedBuffers' sums; kind is 0 for f32, 1 for f16, 2 for bf16.
/// gather(table), a row of blocks for each entry {from, to, words, bytes}: copies so many bytes, the first of them in
/// words of 16.
// Adds the hash of word i, which lies in low and high, and goes on to the next.
#define ASSAY_ADD_WORD(n)                                              \
  "  mad.lo.u64 %other, %i, 0x9e3779b97f4a7c15, 0xd1b54a32d192ed03;\n" \
  "  xor.b64 %low" n ", %low" n                                        \
  ", %other;\n"                                                        \
  "  mad.lo.u64 %hash, %low" n                                         \
  ", 0xbf58476d1ce4e5b9, %hash;\n"                                     \
  "  xor.b64 %high" n ", %high" n                                      \
  ", %other;\n"                                                        \
  "  mad.lo.u64 %hash, %high" n                                        \
  ", 0x94d049bb133111eb, %hash;\n"                                     \
  "  add.u64 %i, %i, %step;\n"
inline constexpr char kDeviceCode[] = R"(
.version 7.0
.target sm_75
.address_size 64

.visible .entry clock_probe(.param .u64 out, .param .u64 ns)
{
  .reg .u64 %out, %ns, %first, %start, %now, %passed, %cycle, %cycles;
  .reg .pred %go_on;
  ld.param.u64 %out, [out];
  ld.param.u64 %ns, [ns];
  cvta.to.global.u64 %out, %out;
  mov.u64 %first, %globaltimer;
tick:
  mov.u64 %start, %globaltimer;
  setp.eq.u64 %go_on, %start, %first;
  @%go_on bra tick;
  mov.u64 %cycle, %clock64;
wait:
  mov.u64 %now, %globaltimer;
  sub.u64 %passed, %now, %start;
  setp.lt.u64 %go_on, %passed, %ns;
  @%go_on bra wait;
  mov.u64 %cycles, %clock64;
  sub.u64 %cycles, %cycles, %cycle;
  st.global.u64 [%out], %cycles;
  st.global.u64 [%out+8], %passed;
  ret;
}

.visible .entry checksum(.param .u64 data, .param .u64 words, .param .u64 sum)
{
  .reg .u64 %data, %words, %sum, %at, %i, %step, %low, %high, %hash, %other, %ahead, %stride, %low1, %high1, %low2, %high2, %low3, %high3;
  .reg .u32 %thread, %block, %threads, %blocks, %part0, %part1, %lane;
  .reg .pred %done, %is_first;
  ld.param.u64 %data, [data];
  ld.param.u64 %words, [words];
  ld.param.u64 %sum, [sum];
  cvta.to.global.u64 %data, %data;
  cvta.to.global.u64 %sum, %sum;
  mov.u32 %thread, %tid.x;
  mov.u32 %block, %ctaid.x;
  mov.u32 %threads, %ntid.x;
  mov.u32 %blocks, %nctaid.x;
  mul.wide.u32 %i, %block, %threads;
  cvt.u64.u32 %step, %thread;
  add.u64 %i, %i, %step;
  mul.wide.u32 %step, %blocks, %threads;
  mov.u64 %hash, 0;
  mul.lo.u64 %ahead, %step, 3;
four:
  add.u64 %other, %i, %ahead;
  setp.ge.u64 %done, %other, %words;
  @%done bra next;
  shl.b64 %at, %i, 4;
  add.u64 %at, %at, %data;
  shl.b64 %stride, %step, 4;
  ld.global.v2.u64 {%low, %high}, [%at];
  add.u64 %at, %at, %stride;
  ld.global.v2.u64 {%low1, %high1}, [%at];
  add.u64 %at, %at, %stride;
  ld.global.v2.u64 {%low2, %high2}, [%at];
  add.u64 %at, %at, %stride;
  ld.global.v2.u64 {%low3, %high3}, [%at];
)" ASSAY_ADD_WORD("") ASSAY_ADD_WORD("1") ASSAY_ADD_WORD("2") ASSAY_ADD_WORD("3")
    R"(
  bra four;
next:
  setp.ge.u64 %done, %i, %words;
  @%done bra add_up;
  shl.b64 %at, %i, 4;
  add.u64 %at, %at, %data;
  ld.global.v2.u64 {%low, %high}, [%at];
)" ASSAY_ADD_WORD("")
        R"(
  bra next;
add_up:
)"
#define ASSAY_FOLD(lanes)                       \
  "  mov.b64 {%part0, %part1}, %hash;\n"        \
  "  shfl.sync.down.b32 %part0, %part0, " lanes \
  ", 31, 0xffffffff;\n"                         \
  "  shfl.sync.down.b32 %part1, %part1, " lanes \
  ", 31, 0xffffffff;\n"                         \
  "  mov.b64 %other, {%part0, %part1};\n"       \
  "  add.u64 %hash, %hash, %other;\n"
    ASSAY_FOLD("16") ASSAY_FOLD("8") ASSAY_FOLD("4") ASSAY_FOLD("2") ASSAY_FOLD("1")
        R"(
  and.b32 %lane, %thread, 31;
  setp.ne.u32 %is_first, %lane, 0;
  @%is_first ret;
  red.global.add.u64 [%sum], %hash;
  ret;
}

.visible .entry survey(.param .u64 memory, .param .u32 guard, .param .u32 bytes, .param .u32 step, .param .u32 infinity, .param .u32 upper,
                       .param .u64 out)
{
  .reg .u64 %row, %out, %at, %hash, %other, %place;
  .reg .u32 %guard, %end, %step, %infinity, %upper, %offset, %stride, %thread, %block, %threads, %buffer, %last, %word, %poison, %part0,
            %part1, %lane, %element, %broken, %left;
  .reg .pred %is_last, %done, %is_nan, %is_half, %outside, %inside, %is_first, %is_broken;
  ld.param.u64 %row, [memory];
  ld.param.u32 %guard, [guard];
  ld.param.u32 %end, [bytes];
  ld.param.u32 %step, [step];
  ld.param.u32 %infinity, [infinity];
  ld.param.u32 %upper, [upper];
  ld.param.u64 %out, [out];
  cvta.to.global.u64 %row, %row;
  cvta.to.global.u64 %out, %out;
  add.u32 %end, %end, %guard;
  shl.b32 %infinity, %infinity, 1;
  setp.ne.u32 %is_half, %upper, 0xffffffff;
  mov.u32 %thread, %tid.x;
  mov.u32 %threads, %ntid.x;
  mov.u32 %block, %ctaid.x;
  mov.u32 %buffer, %ctaid.y;
  mov.u32 %last, %nctaid.y;
  sub.u32 %last, %last, 1;
  mul.wide.u32 %place, %buffer, %step;
  add.u64 %row, %row, %place;
  // Behind the last buffer lies one guard more.
  setp.eq.u32 %is_last, %buffer, %last;
  selp.u32 %step, %guard, %step, %is_last;
  mad.lo.u32 %offset, %block, %threads, %thread;
  shl.b32 %offset, %offset, 2;
  mov.u32 %stride, %nctaid.x;
  mul.lo.u32 %stride, %stride, %threads;
  shl.b32 %stride, %stride, 2;
  mov.u64 %hash, 0;
  mov.u32 %broken, 0;
next:
  setp.ge.u32 %done, %offset, %step;
  @%done bra add_up;
  cvt.u64.u32 %at, %offset;
  add.u64 %at, %at, %row;
  ld.global.u32 %word, [%at];
  // The place in the whole row of buffers, so that two words that change places change the sum.
  cvt.u64.u32 %other, %offset;
  add.u64 %other, %other, %place;
  mad.lo.u64 %other, %other, 0x9e3779b97f4a7c15, 0xd1b54a32d192ed03;
  cvt.u64.u32 %at, %word;
  xor.b64 %other, %other, %at;
  mad.lo.u64 %hash, %other, 0xbf58476d1ce4e5b9, %hash;
  // Which bits lie outside of the buffer: all before it and behind it; the upper half where it ends in the middle of a word.
  sub.u32 %left, %end, %offset;
  setp.lt.u32 %outside, %offset, %guard;
  setp.le.or.s32 %outside, %left, 0, %outside;
  setp.ge.s32 %inside, %left, 4;
  selp.u32 %poison, 0, 0xffff0000, %inside;
  selp.u32 %poison, 0xffffffff, %poison, %outside;
  not.b32 %element, %word;
  and.b32 %element, %element, %poison;
  setp.ne.u32 %is_broken, %element, 0;
  not.b32 %poison, %poison;
  and.b32 %word, %word, %poison;
  and.b32 %element, %word, %upper;
  shl.b32 %element, %element, 1;
  setp.ge.or.u32 %is_broken, %element, %infinity, %is_broken;
  shl.b32 %element, %word, 17;
  setp.ge.and.u32 %is_nan, %element, %infinity, %is_half;
  or.pred %is_broken, %is_broken, %is_nan;
  @%is_broken mov.u32 %broken, 1;
  add.u32 %offset, %offset, %stride;
  bra next;
add_up:
)" ASSAY_FOLD("16") ASSAY_FOLD("8") ASSAY_FOLD("4") ASSAY_FOLD("2") ASSAY_FOLD("1")
            R"(
  setp.ne.u32 %is_broken, %broken, 0;
  cvt.u64.u32 %other, %broken;
  @%is_broken red.global.add.u64 [%out+8], %other;
  and.b32 %lane, %thread, 31;
  setp.ne.u32 %is_first, %lane, 0;
  @%is_first ret;
  red.global.add.u64 [%out], %hash;
  ret;
}

.visible .entry project(.param .u64 memory, .param .u32 guard, .param .u32 step, .param .u32 columns, .param .u32 stretches, .param .u32 kind,
                        .param .u64 weights, .param .u64 out)
{
  .reg .u64 %d, %weights, %out, %place, %at;
  .reg .u32 %columns, %stretches, %kind, %block, %blocks, %buffer, %lane, %column, %end, %row, %size, %bits, %part0, %part1;
  .reg .b16 %half;
  .reg .f32 %value;
  .reg .f64 %term, %weight, %sum, %squares, %other;
  .reg .pred %done, %is_f32, %is_f16, %is_not_first;
  ld.param.u64 %d, [memory];
  ld.param.u32 %part0, [guard];
  ld.param.u32 %part1, [step];
  ld.param.u32 %columns, [columns];
  ld.param.u32 %stretches, [stretches];
  ld.param.u32 %kind, [kind];
  ld.param.u64 %weights, [weights];
  ld.param.u64 %out, [out];
  cvta.to.global.u64 %d, %d;
  cvta.to.global.u64 %weights, %weights;
  cvta.to.global.u64 %out, %out;
  mov.u32 %block, %ctaid.x;
  mov.u32 %blocks, %nctaid.x;
  mov.u32 %buffer, %ctaid.y;
  mov.u32 %lane, %tid.x;
  setp.eq.u32 %is_f32, %kind, 0;
  setp.eq.u32 %is_f16, %kind, 1;
  selp.u32 %size, 4, 2, %is_f32;
  mul.wide.u32 %place, %buffer, %part1;
  add.u64 %d, %d, %place;
  cvt.u64.u32 %place, %part0;
  add.u64 %d, %d, %place;
  div.u32 %row, %block, %stretches;
  rem.u32 %column, %block, %stretches;
  // The row's first element.
  mul.wide.u32 %place, %row, %columns;
  cvt.u64.u32 %at, %size;
  mad.lo.u64 %d, %place, %at, %d;
  shl.b32 %column, %column, 8;
  add.u32 %end, %column, 256;
  min.u32 %end, %end, %columns;
  add.u32 %column, %column, %lane;
  mov.f64 %sum, 0d0000000000000000;
  mov.f64 %squares, 0d0000000000000000;
next:
  setp.ge.u32 %done, %column, %end;
  @%done bra add_up;
  mul.wide.u32 %at, %column, %size;
  add.u64 %at, %at, %d;
  @%is_f32 ld.global.f32 %value, [%at];
  @%is_f32 bra decoded;
  ld.global.b16 %half, [%at];
  @%is_f16 cvt.f32.f16 %value, %half;
  @%is_f16 bra decoded;
  cvt.u32.u16 %bits, %half;
  shl.b32 %bits, %bits, 16;
  mov.b32 %value, %bits;
decoded:
  cvt.f64.f32 %term, %value;
  mul.wide.u32 %at, %column, 4;
  add.u64 %at, %at, %weights;
  ld.global.f32 %value, [%at];
  cvt.f64.f32 %weight, %value;
  mul.f64 %term, %term, %weight;
  add.f64 %sum, %sum, %term;
  fma.rn.f64 %squares, %term, %term, %squares;
  add.u32 %column, %column, 32;
  bra next;
add_up:
)"
#define ASSAY_ADD_LANES(register, lanes) \
  "  mov.b64 {%part0, %part1}, " register ";\n"                       \
  "  shfl.sync.down.b32 %part0, %part0, " lanes ", 31, 0xffffffff;\n" \
  "  shfl.sync.down.b32 %part1, %part1, " lanes ", 31, 0xffffffff;\n" \
  "  mov.b64 %other, {%part0, %part1};\n"                             \
  "  add.f64 " register ", " register ", %other;\n"
#define ASSAY_ADD_WARP(register)  \
  ASSAY_ADD_LANES(register, "16") \
  ASSAY_ADD_LANES(register, "8")  \
  ASSAY_ADD_LANES(register, "4") ASSAY_ADD_LANES(register, "2") ASSAY_ADD_LANES(register, "1")
    ASSAY_ADD_WARP("%sum") ASSAY_ADD_WARP("%squares")
        R"(
  setp.ne.u32 %is_not_first, %lane, 0;
  @%is_not_first ret;
  mad.lo.u32 %row, %buffer, %blocks, %block;
  mul.wide.u32 %at, %row, 16;
  add.u64 %at, %at, %out;
  st.global.v2.f64 [%at], {%sum, %squares};
  ret;
}

.visible .entry gather(.param .u64 table)
{
  .reg .u64 %entry, %from, %to, %words, %bytes, %first, %i, %stride, %at, %low, %high;
  .reg .u32 %thread, %block, %threads, %blocks, %row, %byte;
  .reg .pred %done;
  ld.param.u64 %entry, [table];
  cvta.to.global.u64 %entry, %entry;
  mov.u32 %row, %ctaid.y;
  mul.wide.u32 %at, %row, 32;
  add.u64 %entry, %entry, %at;
  ld.global.v2.u64 {%from, %to}, [%entry];
  ld.global.v2.u64 {%words, %bytes}, [%entry+16];
  cvta.to.global.u64 %from, %from;
  cvta.to.global.u64 %to, %to;
)" ASSAY_PTX_SPREAD R"()" ASSAY_PTX_COPY R"(}
)";
#undef ASSAY_FOLD
#undef ASSAY_ADD_LANES
#undef ASSAY_ADD_WARP

}  // namespace assay
