// The kernel that hands inputs over late, as PTX that the driver compiles, and chains of launches behind it.
#include "backend/cuda/late_inputs.h"

#include "backend/cuda/own_kernel.h"
#include "backend/cuda/ptx_spread.h"

namespace assay {
namespace {

// A launch that may begin early does so within two or three microseconds; its first loads follow at once.
constexpr uint64_t kLateNs = 10'000;
constexpr unsigned kBlocks = 8;  // of one input
constexpr size_t kMostInputs = 16;

/// late(table, ns), a row of blocks for each entry {to, from, words, bytes}: fills `to` with ones (NaN), lets the next
/// launch begin once all blocks have done so, and after so many ns copies `from` there, in words of 16 bytes and the
/// rest by bytes. What it writes is there for a launch that waits for its end.
constexpr char kLateCode[] = R"(
.version 7.8
.target sm_90
.address_size 64

.visible .entry late(.param .u64 table, .param .u64 ns)
{
  .reg .u64 %entry, %from, %to, %words, %bytes, %first, %i, %stride, %at, %low, %high, %ns, %start, %now;
  .reg .u32 %thread, %block, %threads, %blocks, %row, %byte;
  .reg .pred %done;
  ld.param.u64 %entry, [table];
  ld.param.u64 %ns, [ns];
  cvta.to.global.u64 %entry, %entry;
  mov.u32 %row, %ctaid.y;
  mul.wide.u32 %at, %row, 32;
  add.u64 %entry, %entry, %at;
  ld.global.v2.u64 {%to, %from}, [%entry];
  ld.global.v2.u64 {%words, %bytes}, [%entry+16];
  cvta.to.global.u64 %from, %from;
  cvta.to.global.u64 %to, %to;
)" ASSAY_PTX_SPREAD R"(  mov.u64 %low, -1;
  mov.u64 %i, %first;
poison_word:
  setp.ge.u64 %done, %i, %words;
  @%done bra poison_rest;
  shl.b64 %at, %i, 4;
  add.u64 %at, %to, %at;
  st.global.v2.u64 [%at], {%low, %low};
  add.u64 %i, %i, %stride;
  bra poison_word;
poison_rest:
  mov.u32 %byte, 255;
  shl.b64 %i, %words, 4;
  add.u64 %i, %i, %first;
poison_byte:
  setp.ge.u64 %done, %i, %bytes;
  @%done bra poisoned;
  add.u64 %at, %to, %i;
  st.global.u8 [%at], %byte;
  add.u64 %i, %i, %stride;
  bra poison_byte;
poisoned:
  membar.gl;
  bar.sync 0;
  griddepcontrol.launch_dependents;
  mov.u64 %start, %globaltimer;
wait:
  mov.u64 %now, %globaltimer;
  sub.u64 %now, %now, %start;
  setp.lt.u64 %done, %now, %ns;
  @%done bra wait;
)" ASSAY_PTX_COPY R"(}
)";

}  // namespace

void LateInputs::open() {
  if (kernel_) return;
  CUmodule module = nullptr;
  check(driver().cuModuleLoadData_(&module, kLateCode), "loading what hands inputs over");
  check(driver().cuModuleGetFunction_(&kernel_, module, "late"), "loading what hands inputs over");
  for (Entry*& table : tables_) table = static_cast<Entry*>(allocate_on_host(int64_t(kMostInputs * sizeof(Entry))));
}

void LateInputs::run(std::span<const Launch> launches, std::span<const HandedOver> inputs, CUstream stream,
                     const std::function<void()>& meanwhile) {
  ASSAY_CHECK(!inputs.empty() && inputs.size() <= kMostInputs);
  open();
  for (size_t odd = 0; odd < 2; ++odd)
    for (size_t i = 0; i < inputs.size(); ++i) {
      const HandedOver& input = inputs[i];
      const bool in_words = pointer(input.to) % 16 == 0 && pointer(input.from[odd]) % 16 == 0;
      tables_[odd][i] = {pointer(input.to), pointer(input.from[odd]), in_words ? uint64_t(input.bytes) / 16 : 0,
                         uint64_t(input.bytes)};
    }
  // It begins when the launch before it has ended: what that reads must not be poisoned under it.
  CudaProgram program(launches, stream, [&](size_t i) {
    uint64_t ns = kLateNs;
    void* parameters[] = {&tables_[i % 2], &ns};
    launch_own_kernel(kernel_, kBlocks, unsigned(inputs.size()), stream, parameters);
  });
  program.run();
  meanwhile();
  program.wait();
}

}  // namespace assay
