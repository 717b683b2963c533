// PTX that kernels of the harness share: how a range is spread over a row of blocks, and copied.
#pragma once

/// %first and %stride: where this thread begins, and how far its next place lies.
#define ASSAY_PTX_SPREAD                       \
  "  mov.u32 %thread, %tid.x;\n"               \
  "  mov.u32 %block, %ctaid.x;\n"              \
  "  mov.u32 %threads, %ntid.x;\n"             \
  "  mov.u32 %blocks, %nctaid.x;\n"            \
  "  mul.wide.u32 %first, %block, %threads;\n" \
  "  cvt.u64.u32 %at, %thread;\n"              \
  "  add.u64 %first, %first, %at;\n"           \
  "  mul.wide.u32 %stride, %blocks, %threads;\n"

/// %words words of 16 bytes, then bytes up to %bytes, of `%from` to `%to`; then it returns.
#define ASSAY_PTX_COPY                          \
  "  mov.u64 %i, %first;\n"                     \
  "next_word:\n"                                \
  "  setp.ge.u64 %done, %i, %words;\n"          \
  "  @%done bra rest;\n"                        \
  "  shl.b64 %at, %i, 4;\n"                     \
  "  add.u64 %low, %from, %at;\n"               \
  "  add.u64 %at, %to, %at;\n"                  \
  "  ld.global.v2.u64 {%low, %high}, [%low];\n" \
  "  st.global.v2.u64 [%at], {%low, %high};\n"  \
  "  add.u64 %i, %i, %stride;\n"                \
  "  bra next_word;\n"                          \
  "rest:\n"                                     \
  "  shl.b64 %i, %words, 4;\n"                  \
  "  add.u64 %i, %i, %first;\n"                 \
  "next_byte:\n"                                \
  "  setp.ge.u64 %done, %i, %bytes;\n"          \
  "  @%done ret;\n"                             \
  "  add.u64 %at, %from, %i;\n"                 \
  "  ld.global.u8 %byte, [%at];\n"              \
  "  add.u64 %at, %to, %i;\n"                   \
  "  st.global.u8 [%at], %byte;\n"              \
  "  add.u64 %i, %i, %stride;\n"                \
  "  bra next_byte;\n"
