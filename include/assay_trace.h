/* Traces for `assay analyze`, written by any engine. One C11 header, no library; it also compiles as C++.
 *
 *   assay_trace trace;
 *   if (assay_trace_open(&trace, "run.jsonl") != 0) …;                     an errno
 *   assay_trace_op(&trace, "Generation Loop/block_0/attn_qkv_block_0_op/matmul/my_gemv (Q)", "my_gemv",
 *                  ended_ns, duration_ns, "op=matmul | batch=1 | m=1 | n=896 | k=896 | tA=0 | tB=1 | dtA=f32 | …");
 *   assay_trace_host(&trace, "generation_loop", "iteration_total", ended_ns, duration_ns);
 *   if (assay_trace_close(&trace) != 0) …;                                 an errno: the disk is full, …
 *
 * docs/trace-format.md says what the events mean, docs/trace-accounting.md how time is read out of them. Write events
 * in the order in which things ended. Times are nanoseconds; when something ended counts from 1970
 * (assay_trace_now_ns). After a write has failed nothing more is written; the file ends with a whole line. A trace is
 * used by one thread at a time. */
#ifndef ASSAY_TRACE_H
#define ASSAY_TRACE_H
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifdef O_CLOEXEC
#define ASSAY_TRACE_CLOEXEC O_CLOEXEC
#else
#define ASSAY_TRACE_CLOEXEC 0
#endif
#if defined(__STRICT_ANSI__) && !defined(__cplusplus)
int ftruncate(int descriptor, off_t bytes); /* not said to be there */
#endif

typedef struct assay_trace {
  int descriptor, error; /* error: of the first write that failed, an errno */
  char* buffer;
  size_t used, capacity;
  int64_t file_bytes; /* written, all of them whole lines */
  uint64_t last_span;
} assay_trace;

static inline int64_t assay_trace_now_ns(void) {
  struct timespec t;
#ifdef TIME_UTC /* cc -std=c11 knows what C11 has; of POSIX little, in whatever order headers are included */
  timespec_get(&t, TIME_UTC);
#else
  clock_gettime(CLOCK_REALTIME, &t);
#endif
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* 0, or an errno. A file that was there is replaced. */
static inline int assay_trace_open(assay_trace* trace, const char* path) {
  memset(trace, 0, sizeof *trace);
  trace->capacity = 1 << 18;
  trace->descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | ASSAY_TRACE_CLOEXEC, 0644);
  if (trace->descriptor < 0) return trace->error = errno;
  trace->buffer = (char*)malloc(trace->capacity);
  if (!trace->buffer) {
    close(trace->descriptor);
    trace->descriptor = -1;
    return trace->error = ENOMEM;
  }
  return 0;
}

/* Hands all lines to the system. 0, or the errno of the first failure: then the file is cut after its last whole line. */
static inline int assay_trace_flush(assay_trace* trace) {
  size_t done = 0;
  while (trace->error == 0 && done < trace->used) {
    const ssize_t n = write(trace->descriptor, trace->buffer + done, trace->used - done);
    if (n > 0) done += (size_t)n;
    if (n < 0 && errno != EINTR) trace->error = errno;
    if (n == 0) trace->error = ENOSPC;
  }
  if (trace->error != 0) { /* what follows the last line end is no event */
    while (done > 0 && trace->buffer[done - 1] != '\n') --done;
    if (ftruncate(trace->descriptor, (off_t)(trace->file_bytes + (int64_t)done)) != 0) done = done + 0;
  }
  trace->file_bytes += (int64_t)done;
  trace->used = 0;
  return trace->error;
}

/* 0, or the errno of the first failure. */
static inline int assay_trace_close(assay_trace* trace) {
  if (trace->descriptor < 0) return trace->error;
  assay_trace_flush(trace);
  if (close(trace->descriptor) != 0 && trace->error == 0) trace->error = errno;
  trace->descriptor = -1;
  free(trace->buffer);
  trace->buffer = NULL;
  return trace->error;
}

/* A line is put together here: text as it is, or quoted. A line that does not fit is an error. */
static inline void assay_trace_put(assay_trace* trace, const char* text, size_t bytes) {
  if (trace->error != 0) return;
  if (bytes > trace->capacity - trace->used) {
    const size_t wanted = 2 * trace->capacity + bytes;
    char* const larger = (char*)realloc(trace->buffer, wanted);
    if (!larger) {
      trace->error = ENOMEM;
      return;
    }
    trace->buffer = larger;
    trace->capacity = wanted;
  }
  memcpy(trace->buffer + trace->used, text, bytes);
  trace->used += bytes;
}
static inline void assay_trace_text(assay_trace* trace, const char* text) { assay_trace_put(trace, text, strlen(text)); }
/* By hand: with printf a line takes a third longer. */
static inline void assay_trace_number(assay_trace* trace, int64_t number) {
  char digits[24], *at = digits + sizeof digits;
  uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
  do *--at = (char)('0' + rest % 10);
  while ((rest /= 10) != 0);
  if (number < 0) *--at = '-';
  assay_trace_put(trace, at, (size_t)(digits + sizeof digits - at));
}
static inline void assay_trace_quoted(assay_trace* trace, const char* text, size_t bytes) {
  size_t i, begin = 0;
  assay_trace_put(trace, "\"", 1);
  for (i = 0; i < bytes; ++i) {
    const unsigned char c = (unsigned char)text[i];
    char escaped[8];
    if (c >= ' ' && c != '"' && c != '\\') continue;
    assay_trace_put(trace, text + begin, i - begin);
    assay_trace_put(trace, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\u%04x", c));
    begin = i + 1;
  }
  assay_trace_put(trace, text + begin, bytes - begin);
  assay_trace_put(trace, "\"", 1);
}
static inline void assay_trace_member(assay_trace* trace, const char* key, const char* value) {
  assay_trace_text(trace, key);
  assay_trace_quoted(trace, value, strlen(value));
}

static inline void assay_trace_begin(assay_trace* trace, const char* type, int64_t ended_ns) {
  assay_trace_text(trace, "{\"timestamp\":");
  assay_trace_number(trace, ended_ns);
  assay_trace_text(trace, ",\"span_id\":");
  assay_trace_number(trace, (int64_t)++trace->last_span);
  assay_trace_member(trace, ",\"event\":{\"type\":", type);
  assay_trace_text(trace, ",\"data\":{");
}
static inline void assay_trace_end(assay_trace* trace) {
  assay_trace_text(trace, "}}}\n");
  if (trace->used > (size_t)1 << 17) assay_trace_flush(trace);
}
/* Whole microseconds, rounded, as all readers know them; and the nanoseconds. */
static inline void assay_trace_duration(assay_trace* trace, int64_t duration_ns) {
  assay_trace_text(trace, ",\"duration_us\":");
  assay_trace_number(trace, (duration_ns + 500) / 1000);
  assay_trace_text(trace, ",\"duration_ns\":");
  assay_trace_number(trace, duration_ns);
}

/* The fields of a spec line, "op=matmul | m=1 | …", as the map that describes an op, and the backend behind them. */
static inline void assay_trace_map(assay_trace* trace, const char* spec, const char* backend) {
  assay_trace_text(trace, ",\"data\":{");
  while (*spec) {
    const char* const end = strstr(spec, " | ");
    const size_t size = end ? (size_t)(end - spec) : strlen(spec);
    const char* const equals = (const char*)memchr(spec, '=', size);
    if (equals) {
      assay_trace_quoted(trace, spec, (size_t)(equals - spec));
      assay_trace_text(trace, ":");
      assay_trace_quoted(trace, equals + 1, size - (size_t)(equals + 1 - spec));
      assay_trace_text(trace, ",");
    }
    if (!end) break;
    spec = end + 3;
  }
  assay_trace_member(trace, "\"backend\":", backend);
  assay_trace_text(trace, "}");
}

/* A kernel that ran. op_name: its path, SCOPE/…/kernel; SCOPE/cb_gpu and SCOPE/cb_wait are a command buffer's own time
 * on its device, and the wait for it. spec: what was computed, as a spec line; NULL: not said. */
static inline void assay_trace_op(assay_trace* trace, const char* op_name, const char* backend, int64_t ended_ns,
                                  int64_t duration_ns, const char* spec) {
  assay_trace_begin(trace, "GpuOpCompleted", ended_ns);
  assay_trace_member(trace, "\"op_name\":", op_name);
  assay_trace_member(trace, ",\"backend\":", backend);
  assay_trace_duration(trace, duration_ns);
  if (spec) assay_trace_map(trace, spec, backend);
  assay_trace_end(trace);
}

/* Time on the host: parent "generation_loop", "sampling", "decoding"; a name that ends in _total holds what was told
 * one by one. "iteration_total" ends a token. */
static inline void assay_trace_host(assay_trace* trace, const char* parent, const char* name, int64_t ended_ns,
                                    int64_t duration_ns) {
  assay_trace_begin(trace, "InternalKernelCompleted", ended_ns);
  assay_trace_member(trace, "\"parent_op_name\":", parent);
  assay_trace_member(trace, ",\"internal_kernel_name\":", name);
  assay_trace_duration(trace, duration_ns);
  assay_trace_end(trace);
}

/* Which kernels an op gets, and why. */
static inline void assay_trace_selected(assay_trace* trace, const char* op_name, const char* backend,
                                        const char* reason, int64_t at_ns) {
  assay_trace_begin(trace, "KernelBackendSelected", at_ns);
  assay_trace_member(trace, "\"op_name\":", op_name);
  assay_trace_member(trace, ",\"backend\":", backend);
  assay_trace_member(trace, ",\"reason\":", reason);
  assay_trace_end(trace);
}

/* GgufFileMmap (key "size_bytes"), ModelWeights, HostMemory, TensorMemory, ForwardStep (key "total_bytes"). */
static inline void assay_trace_bytes(assay_trace* trace, const char* type, const char* key, int64_t bytes,
                                     int64_t at_ns) {
  assay_trace_begin(trace, type, at_ns);
  assay_trace_quoted(trace, key, strlen(key));
  assay_trace_text(trace, ":");
  assay_trace_number(trace, bytes);
  assay_trace_end(trace);
}

#ifdef __cplusplus
}
#endif
#endif
