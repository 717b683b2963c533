/* Threads that run kernels together: the caller and `threads` - 1 more, which spin for a moment after work and then
 * sleep. NULL where they cannot be started. One call at a time. */
typedef struct dropin_team dropin_team;
dropin_team* dropin_team_start(int threads);
void dropin_team_stop(dropin_team* team);

size_t dropin_workspace_bytes(const dropin_spec* spec, const dropin_call* call, const dropin_team* team);
/* 0 where the kernel reads the weights as they lie. */
size_t dropin_prepared_bytes(const dropin_spec* spec, const dropin_call* call);
/* Repacks the weights into call->prepared, once a weight. 0, or what the kernel returned. */
int dropin_prepare(const dropin_spec* spec, const dropin_call* call, dropin_team* team);
/* Computes; D is complete when it returns. 0, or what the kernel returned (1: not supported). */
int dropin_run(const dropin_spec* spec, const dropin_call* call, dropin_team* team);
