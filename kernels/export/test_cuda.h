/* Where the test's memory is: on the first device. */
#include <cuda.h>
#include <dlfcn.h>

static CUcontext context;
static CUdeviceptr blocks[64];
static size_t block_count;

#define TEST_DRIVER(X)                                                                                      \
  X(cuInit)                                                                                                 \
  X(cuDeviceGet)                                                                                            \
  X(cuDevicePrimaryCtxRetain) X(cuCtxSetCurrent) X(cuMemAlloc) X(cuMemFree) X(cuMemcpyHtoD) X(cuMemcpyDtoH) \
      X(cuCtxSynchronize)
static struct {
#define MEMBER(name) __typeof__(&name) name##_;
  TEST_DRIVER(MEMBER)
#undef MEMBER
} test_driver;
#define TEXT(name) #name
#define NAME(name) TEXT(name) /* cuMemAlloc is a macro of the versioned name */

static int device_rounds(void) { return 1; }

static void check(CUresult result, const char* what) {
  if (result == CUDA_SUCCESS) return;
  fprintf(stderr, "%s: CUDA error %d\n", what, (int)result);
  exit(2);
}

static int device_open(void) {
  CUdevice device;
  void* library = dlopen("libcuda.so.1", RTLD_NOW);
  if (!library) {
    fprintf(stderr, "no CUDA driver here: %s\n", dlerror());
    return 0;
  }
#define FIND(name) *(void**)&test_driver.name##_ = dlsym(library, NAME(name));
  TEST_DRIVER(FIND)
#undef FIND
  check(test_driver.cuInit_(0), "cuInit");
  check(test_driver.cuDeviceGet_(&device, 0), "the first device");
  check(test_driver.cuDevicePrimaryCtxRetain_(&context, device), "its context");
  check(test_driver.cuCtxSetCurrent_(context), "its context");
  return 1;
}
static void device_close(void) {}

static unsigned char* device_new(size_t bytes) {
  CUdeviceptr p = 0;
  if (block_count == sizeof blocks / sizeof *blocks) exit(2);
  check(test_driver.cuMemAlloc_(&p, bytes), "memory");
  blocks[block_count++] = p;
  return (unsigned char*)(uintptr_t)p;
}
static void device_release(void) {
  while (block_count > 0) test_driver.cuMemFree_(blocks[--block_count]);
}
static void device_write(void* to, const void* from, size_t bytes) {
  check(test_driver.cuMemcpyHtoD_((CUdeviceptr)(uintptr_t)to, from, bytes), "copying to the device");
}
static void device_read(void* to, const void* from, size_t bytes) {
  check(test_driver.cuMemcpyDtoH_(to, (CUdeviceptr)(uintptr_t)from, bytes), "copying from the device");
}

static size_t device_workspace_bytes(const dropin_spec* spec, const dropin_call* call, int round) {
  (void)round;
  check((CUresult)dropin_load(spec), "loading the kernel");
  return dropin_workspace_bytes(spec, call);
}
static size_t device_prepared_bytes(const dropin_spec* spec, const dropin_call* call) {
  return dropin_prepared_bytes(spec, call);
}
static int finish(int status) {
  if (status != 0) {
    fprintf(stderr, "%s\n", dropin_error());
    return 2;
  }
  check(test_driver.cuCtxSynchronize_(), "running the kernel");
  return 0;
}
static int device_prepare(const dropin_spec* spec, const dropin_call* call, int round) {
  (void)round;
  return finish(dropin_prepare(spec, call, NULL));
}
static int device_run(const dropin_spec* spec, const dropin_call* call, int round) {
  (void)round;
  return finish(dropin_run(spec, call, NULL));
}
