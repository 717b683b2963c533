/* One launch, as the kernel's manifest says it for a shape. */
typedef struct dropin_geometry {
  double grid[3], block[3], prepare_grid[3], prepare_block[3];
  double cluster, shared_bytes, workspace_bytes, prepared_bytes;
  int cooperative;
} dropin_geometry;

/* What a manifest's expressions may name. */
typedef struct dropin_launch_sizes {
  double m, n, n0, n1, n2, k, batch, segments, bytes, sms;
} dropin_launch_sizes;

typedef struct dropin_code {
  const unsigned char* image; /* a cubin */
  void (*geometry)(const dropin_launch_sizes*, dropin_geometry*);
  uint32_t index; /* among dropin_kernels */
} dropin_code;

dropin_geometry dropin_geometry_of(const dropin_spec* spec, const dropin_call* call, int64_t processors);
/* A module's entry for these types and layouts: the most special first, "what_nt_f16_q8_0_f16", then plain "what". */
void dropin_entry_name(const dropin_call* call, const char* what, char* name, size_t size);
