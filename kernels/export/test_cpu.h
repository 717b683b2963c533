/* Where the test's memory is, and on how many threads it runs: one, three, all. */
#include <unistd.h>

static dropin_team* teams[3];
static void* blocks[64];
static size_t block_count;

static int device_rounds(void) { return 3; }

static int device_open(void) {
  const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
  const int sizes[3] = {1, 3, cpus < 1 ? 1 : cpus > 256 ? 256 : (int)cpus};
  for (int i = 0; i < 3; ++i)
    if (!(teams[i] = dropin_team_start(sizes[i]))) fprintf(stderr, "no threads can be started\n");
  return teams[0] && teams[1] && teams[2];
}
static void device_close(void) {
  for (int i = 0; i < 3; ++i) dropin_team_stop(teams[i]);
}

static unsigned char* device_new(size_t bytes) {
  void* p = aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (!p || block_count == sizeof blocks / sizeof *blocks) {
    fprintf(stderr, "no memory for %zu bytes\n", bytes);
    exit(2);
  }
  blocks[block_count++] = p;
  return (unsigned char*)p;
}
static void device_release(void) {
  while (block_count > 0) free(blocks[--block_count]);
}
static void device_write(void* to, const void* from, size_t bytes) { memcpy(to, from, bytes); }
static void device_read(void* to, const void* from, size_t bytes) { memcpy(to, from, bytes); }

static size_t device_workspace_bytes(const dropin_spec* spec, const dropin_call* call, int round) {
  return dropin_workspace_bytes(spec, call, teams[round]);
}
static size_t device_prepared_bytes(const dropin_spec* spec, const dropin_call* call) {
  return dropin_prepared_bytes(spec, call);
}
static int device_prepare(const dropin_spec* spec, const dropin_call* call, int round) {
  return dropin_prepare(spec, call, teams[round]);
}
static int device_run(const dropin_spec* spec, const dropin_call* call, int round) {
  return dropin_run(spec, call, teams[round]);
}
