/* The driver's types, so that this header needs no toolkit: CUstream (a cudaStream_t is one). */
typedef struct CUstream_st* dropin_stream;

/* Loads the spec's kernel into the current context; the other functions do it where it has not been done. One context a
 * process, and not from two threads at once. 0, or a CUresult; dropin_error() says it in words. */
int dropin_load(const dropin_spec* spec);
const char* dropin_error(void);

size_t dropin_workspace_bytes(const dropin_spec* spec, const dropin_call* call);
/* 0 where the kernel reads the weights as they lie. */
size_t dropin_prepared_bytes(const dropin_spec* spec, const dropin_call* call);
/* Repacks the weights into call->prepared, once a weight. 0, or a CUresult. */
int dropin_prepare(const dropin_spec* spec, const dropin_call* call, dropin_stream stream);
/* Launches; addresses are the device's. May be captured into a graph. 0, or a CUresult. */
int dropin_run(const dropin_spec* spec, const dropin_call* call, dropin_stream stream);
