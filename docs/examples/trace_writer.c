/* An engine that is not assay's writes a trace: two tokens of one block. cc -I include docs/examples/trace_writer.c */
#include <assay_trace.h>

static int64_t now; /* a made-up clock, so that the example always writes the same */

static void op(assay_trace* trace, const char* name, const char* backend, int64_t ns, const char* spec) {
  now += ns;
  assay_trace_op(trace, name, backend, now, ns, spec);
}

int main(int argc, char** argv) {
  assay_trace trace;
  int token;
  if (argc != 2) {
    fprintf(stderr, "say where the trace goes\n");
    return 2;
  }
  if (assay_trace_open(&trace, argv[1]) != 0) {
    fprintf(stderr, "%s: %s\n", argv[1], strerror(trace.error));
    return 2;
  }
  now = INT64_C(1762100000000000000);
  assay_trace_bytes(&trace, "GgufFileMmap", "size_bytes", 675710816, now);
  assay_trace_selected(&trace, "matmul", "my_gemv", "default", now);
  for (token = 0; token < 2; ++token) {
    const int64_t began = now;
    op(&trace, "Generation Loop/block_0/attn_qkv_block_0_op/matmul/my_gemv (Q)", "my_gemv", 41250,
       "op=matmul | batch=1 | m=1 | n=896 | k=896 | tA=0 | tB=1 | dtA=f32 | dtB=q8_0 | dtD=f32");
    op(&trace, "Generation Loop/block_0/attn_norm_block_0_op/rms_norm", "my_norm", 900, NULL);
    assay_trace_op(&trace, "Generation Loop/cb_wait", "cpu", now, now - began, NULL);
    assay_trace_op(&trace, "Generation Loop/cb_gpu", "cpu", now, now - began, NULL);
    assay_trace_host(&trace, "generation_loop", "block_0_total", now, now - began);
    now += 3000;
    assay_trace_host(&trace, "sampling", "sample", now, 3000);
    assay_trace_host(&trace, "generation_loop", "iteration_total", now, now - began);
  }
  if (assay_trace_close(&trace) != 0) {
    fprintf(stderr, "%s: %s\n", argv[1], strerror(trace.error));
    return 2;
  }
  return 0;
}
