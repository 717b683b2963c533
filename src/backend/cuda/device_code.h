// Device code of the harness itself, as PTX that the driver compiles: a clock probe and a checksum.
#pragma once

namespace assay {

/// clock_probe(out, ns), one thread: waits for a tick of the timer, then ns more; out = {cycles, ns} of the wait.
/// checksum(data, words, sum), words of 16 bytes: adds each word's hash to *sum, so that any change of one word changes it.
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
  .reg .u64 %data, %words, %sum, %at, %i, %step, %low, %high, %hash, %other;
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
next:
  setp.ge.u64 %done, %i, %words;
  @%done bra add_up;
  shl.b64 %at, %i, 4;
  add.u64 %at, %at, %data;
  ld.global.v2.u64 {%low, %high}, [%at];
  mad.lo.u64 %other, %i, 0x9e3779b97f4a7c15, 0xd1b54a32d192ed03;
  xor.b64 %low, %low, %other;
  mad.lo.u64 %hash, %low, 0xbf58476d1ce4e5b9, %hash;
  xor.b64 %high, %high, %other;
  mad.lo.u64 %hash, %high, 0x94d049bb133111eb, %hash;
  add.u64 %i, %i, %step;
  bra next;
add_up:
)"
#define ASSAY_FOLD(lanes)                            \
  "  mov.b64 {%part0, %part1}, %hash;\n"             \
  "  shfl.sync.down.b32 %part0, %part0, " lanes ", 31, 0xffffffff;\n" \
  "  shfl.sync.down.b32 %part1, %part1, " lanes ", 31, 0xffffffff;\n" \
  "  mov.b64 %other, {%part0, %part1};\n"            \
  "  add.u64 %hash, %hash, %other;\n"
    ASSAY_FOLD("16") ASSAY_FOLD("8") ASSAY_FOLD("4") ASSAY_FOLD("2") ASSAY_FOLD("1")
#undef ASSAY_FOLD
        R"(
  and.b32 %lane, %thread, 31;
  setp.ne.u32 %is_first, %lane, 0;
  @%is_first ret;
  red.global.add.u64 [%sum], %hash;
  ret;
}
)";

}  // namespace assay
