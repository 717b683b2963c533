/* Loads and launches kernels by the driver, whose library is opened at run time. */
#define _POSIX_C_SOURCE 200809L
#include <cuda.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "dropin_kernel.h"
#include "kernels/assay_cuda.h"

#define DRIVER(X)        \
  X(cuModuleLoadData)    \
  X(cuModuleGetFunction) \
  X(cuFuncSetAttribute)  \
  X(cuFuncGetAttribute) X(cuLaunchKernelEx) X(cuCtxGetDevice) X(cuDeviceGetAttribute) X(cuGetErrorString)

static struct {
#define MEMBER(name) __typeof__(&name) name;
  DRIVER(MEMBER)
#undef MEMBER
} driver;

static struct { CUmodule module; } loaded[DROPIN_KERNEL_COUNT];
static int64_t processors;
static char error_text[256];

const char* dropin_error(void) { return error_text; }

static int failed(CUresult result, const char* what) {
  const char* words = NULL;
  if (driver.cuGetErrorString) driver.cuGetErrorString(result, &words);
  snprintf(error_text, sizeof error_text, "%s: %s", what, words ? words : "the CUDA driver is not here");
  return (int)result;
}

static int open_driver(void) {
  if (driver.cuLaunchKernelEx) return 0;
  void* library = dlopen("libcuda.so.1", RTLD_NOW);
  if (!library) return failed(CUDA_ERROR_NOT_FOUND, "libcuda.so.1");
#define FIND(name) *(void**)&driver.name = dlsym(library, #name);
  DRIVER(FIND)
#undef FIND
  if (!driver.cuLaunchKernelEx) return failed(CUDA_ERROR_NOT_FOUND, "cuLaunchKernelEx (a driver from 11.8 on has it)");
  return 0;
}

int dropin_load(const dropin_spec* spec) {
  const uint32_t index = spec->kernel->code.index;
  if (loaded[index].module) return 0;
  if (open_driver() != 0) return (int)CUDA_ERROR_NOT_FOUND;
  CUdevice device;
  CUresult result = driver.cuCtxGetDevice(&device);
  int count = 0;
  if (result == CUDA_SUCCESS)
    result = driver.cuDeviceGetAttribute(&count, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, device);
  if (result != CUDA_SUCCESS) return failed(result, "the current context");
  processors = count;
  result = driver.cuModuleLoadData(&loaded[index].module, spec->kernel->code.image);
  return result == CUDA_SUCCESS ? 0 : failed(result, spec->variant);
}

/* fused_… of several outputs, else run_…; or one plain name for all types. */
static CUfunction entry_of(const dropin_spec* spec, const dropin_call* call, const char* what) {
  const CUmodule module = loaded[spec->kernel->code.index].module;
  CUfunction entry = NULL;
  char name[128];
  int fused = 0;
  for (uint32_t i = 0; i < call->tensor_count; ++i) fused |= call->tensors[i].segment > 0;
  if (fused && strcmp(what, "run") == 0) {
    dropin_entry_name(call, "fused", name, sizeof name);
    if (driver.cuModuleGetFunction(&entry, module, name) == CUDA_SUCCESS) return entry;
  }
  dropin_entry_name(call, what, name, sizeof name);
  if (driver.cuModuleGetFunction(&entry, module, name) == CUDA_SUCCESS) return entry;
  if (driver.cuModuleGetFunction(&entry, module, what) == CUDA_SUCCESS) return entry;
  failed(CUDA_ERROR_NOT_FOUND, name);
  return NULL;
}

static assay_cuda_tensor tensor_of(const dropin_tensor* t) {
  assay_cuda_tensor to;
  memset(&to, 0, sizeof to);
  to.data = t->data;
  to.scales = t->scales;
  for (int i = 0; i < 3; ++i) to.strides[i] = t->strides[i], to.dims[i] = (int32_t)t->dims[i];
  to.role = (uint8_t)t->role;
  to.segment = (uint8_t)t->segment;
  to.dtype = (uint8_t)t->type;
  to.layout = (uint8_t)t->layout;
  to.bytes = t->bytes;
  to.scale_bytes = t->scale_bytes;
  return to;
}

static int bind(assay_cuda_call* to, const dropin_call* call) {
  memset(to, 0, sizeof *to);
  to->struct_size = (uint32_t)sizeof *to;
  to->abi_version = ASSAY_CUDA_ABI_VERSION;
  to->op = call->op;
  if (call->param_count > ASSAY_CUDA_PARAMS || call->tensor_count > ASSAY_CUDA_TENSORS) return 1;
  for (uint32_t i = 0; i < call->param_count; ++i) {
    to->params[i].id = call->params[i].id;
    to->params[i].value = (float)call->params[i].value;
  }
  to->param_count = call->param_count;
  to->prepared_given = call->prepared != NULL;
  to->workspace = call->workspace;
  to->prepared = call->prepared;
  to->workspace_bytes = (int64_t)call->workspace_bytes;
  to->prepared_bytes = (int64_t)call->prepared_bytes;
  if (call->op != ASSAY_CUDA_MATMUL) {
    for (uint32_t i = 0; i < call->tensor_count; ++i) to->tensors[to->tensor_count++] = tensor_of(&call->tensors[i]);
    assay_cuda_set_operands(to);
    return 0;
  }
  for (uint32_t i = 0; i < call->tensor_count; ++i) {
    const dropin_tensor* t = &call->tensors[i];
    if (t->segment >= ASSAY_CUDA_SEGMENTS) return 1;
    if (t->segment >= to->segments) to->segments = t->segment + 1;
    assay_cuda_segment* segment = &to->matmul.segment[t->segment];
    if (t->role == ASSAY_CUDA_A) to->matmul.a = tensor_of(t);
    if (t->role == ASSAY_CUDA_B) segment->b = tensor_of(t);
    if (t->role == ASSAY_CUDA_C) segment->c = tensor_of(t);
    if (t->role == ASSAY_CUDA_D) segment->d = tensor_of(t);
    if (t->role == ASSAY_CUDA_BIAS) segment->bias = tensor_of(t);
  }
  to->tensor_count = 1 + 4 * to->segments;
  assay_cuda_set_brief(to);
  return 0;
}

static int launch(CUfunction entry, const dropin_call* call, const double* grid, const double* block,
                  const dropin_geometry* g, CUstream stream) {
  assay_cuda_call to;
  if (bind(&to, call)) return failed(CUDA_ERROR_INVALID_VALUE, "more operands than a kernel gets");
  void* parameters[] = {&to};
  CUlaunchAttribute attributes[2];
  CUlaunchConfig config;
  memset(attributes, 0, sizeof attributes);
  memset(&config, 0, sizeof config);
  config.gridDimX = (unsigned)grid[0], config.gridDimY = (unsigned)grid[1], config.gridDimZ = (unsigned)grid[2];
  config.blockDimX = (unsigned)block[0], config.blockDimY = (unsigned)block[1], config.blockDimZ = (unsigned)block[2];
  config.hStream = stream;
  config.attrs = attributes;
  if (g) {
    config.sharedMemBytes = (unsigned)g->shared_bytes;
    if (g->cluster > 1) {
      attributes[config.numAttrs].id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION;
      attributes[config.numAttrs].value.clusterDim.x = (unsigned)g->cluster;
      attributes[config.numAttrs].value.clusterDim.y = attributes[config.numAttrs].value.clusterDim.z = 1;
      ++config.numAttrs;
    }
    if (g->cooperative) {
      attributes[config.numAttrs].id = CU_LAUNCH_ATTRIBUTE_COOPERATIVE;
      attributes[config.numAttrs++].value.cooperative = 1;
    }
    int fixed = 0;
    driver.cuFuncGetAttribute(&fixed, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, entry);
    if (fixed + g->shared_bytes > 48 << 10)
      driver.cuFuncSetAttribute(entry, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, (int)g->shared_bytes);
    if (g->cluster > 8) driver.cuFuncSetAttribute(entry, CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED, 1);
  }
  const CUresult result = driver.cuLaunchKernelEx(&config, entry, parameters, NULL);
  return result == CUDA_SUCCESS ? 0 : failed(result, "launching");
}

size_t dropin_workspace_bytes(const dropin_spec* spec, const dropin_call* call) {
  return dropin_load(spec) == 0 ? (size_t)dropin_geometry_of(spec, call, processors).workspace_bytes : 0;
}

size_t dropin_prepared_bytes(const dropin_spec* spec, const dropin_call* call) {
  return dropin_load(spec) == 0 ? (size_t)dropin_geometry_of(spec, call, processors).prepared_bytes : 0;
}

int dropin_prepare(const dropin_spec* spec, const dropin_call* call, dropin_stream stream) {
  const int error = dropin_load(spec);
  if (error != 0 || !spec->kernel->prepares) return error;
  const dropin_geometry g = dropin_geometry_of(spec, call, processors);
  const CUfunction entry = entry_of(spec, call, "prepare");
  return entry ? launch(entry, call, g.prepare_grid, g.prepare_block, NULL, stream) : (int)CUDA_ERROR_NOT_FOUND;
}

int dropin_run(const dropin_spec* spec, const dropin_call* call, dropin_stream stream) {
  const int error = dropin_load(spec);
  if (error != 0) return error;
  const dropin_geometry g = dropin_geometry_of(spec, call, processors);
  const CUfunction entry = entry_of(spec, call, "run");
  return entry ? launch(entry, call, g.grid, g.block, &g, stream) : (int)CUDA_ERROR_NOT_FOUND;
}
