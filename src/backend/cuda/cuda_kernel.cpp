// A kernel of a module: entries, geometry and call struct of a launch.
#include "backend/cuda/cuda_kernel.h"

#include "../../../kernels/cuda/assay_cuda.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/joined.h"
#include "ops/matmul.h"

namespace assay {
namespace {

constexpr int64_t kPortableClusterBlocks = 8;
constexpr int64_t kSharedWithoutAsking = 48 << 10;

/// "nt_f16_q8_0_split_f16": how entries for these types are named. B's rows are columns of the product: where they lie
/// together it is transposed.
std::string combination(const Launch& launch) {
  std::string layout, types;
  for (const OpOperand& operand : launch.op->operands)
    for (const Tensor& t : launch.tensors) {
      if (t.operand != operand.operand || t.segment > 0) continue;
      if (operand.orders_entries) layout += (t.operand == Operand::b) != t.by_columns ? 't' : 'n';
      if (!operand.types_entries) continue;
      types += fmt::format("_{}{}", dtype_name(t.dtype), t.storage == Storage::q8_0_split ? "_split" : "");
    }
  return layout.empty() ? types.substr(1) : layout + types;
}

uint32_t segments_of(const Launch& launch) {
  uint32_t segments = 0;
  for (const Tensor& t : launch.tensors) segments = std::max(segments, t.segment + 1);
  return segments;
}

/// Names that an entry may have, the most special first.
std::vector<std::string> entry_names(const Launch& launch, const std::string& what) {
  std::vector<std::string> names;
  if (what == "run" && segments_of(launch) > 1) names.push_back("fused_" + combination(launch));
  names.push_back(what + "_" + combination(launch));
  names.push_back(what);
  return names;
}

assay_cuda_tensor tensor_of(const Tensor& t) {
  assay_cuda_tensor to{};
  to.data = t.data;
  to.scales = t.scales;
  for (int i = 0; i < 3; ++i) {
    to.strides[i] = t.strides[i];
    to.dims[i] = int32_t(t.dims[i]);
  }
  to.role = uint8_t(t.operand);
  to.segment = uint8_t(t.segment);
  to.dtype = uint8_t(t.dtype);
  to.layout = uint8_t(t.storage);
  to.bytes = t.bytes;
  to.scale_bytes = t.scale_bytes;
  return to;
}

/// Where a matmul's kernels look for its operands, and what they want first.
void put_matmul(const Launch& launch, assay_cuda_call& call) {
  call.segments = segments_of(launch);
  if (call.segments > ASSAY_CUDA_SEGMENTS)
    throw Unsupported(
        fmt::format("{} fused outputs; a CUDA kernel gets {} at most", call.segments, ASSAY_CUDA_SEGMENTS));
  call.tensor_count = 1 + 4 * call.segments;
  for (const Tensor& t : launch.tensors) {
    assay_cuda_segment& segment = call.matmul.segment[t.segment];
    if (t.operand == Operand::a) call.matmul.a = tensor_of(t);
    if (t.operand == Operand::b) segment.b = tensor_of(t);
    if (t.operand == Operand::c) segment.c = tensor_of(t);
    if (t.operand == Operand::d) segment.d = tensor_of(t);
    if (t.operand == Operand::bias) segment.bias = tensor_of(t);
  }
  assay_cuda_set_brief(&call);
}

/// What kernels of the other ops want first.
void put_operands(const Launch& launch, assay_cuda_call& call) {
  ASSAY_CHECK(launch.tensors.size() <= ASSAY_CUDA_TENSORS);
  for (const Tensor& t : launch.tensors) call.tensors[call.tensor_count++] = tensor_of(t);
  assay_cuda_set_operands(&call);
}

assay_cuda_call call_of(const Launch& launch) {
  assay_cuda_call call{};
  call.struct_size = sizeof call;
  call.abi_version = ASSAY_CUDA_ABI_VERSION;
  call.op = launch.op->id;
  ASSAY_CHECK(launch.params.size() <= ASSAY_CUDA_PARAMS);
  for (const OpParam& param : launch.params) call.params[call.param_count++] = {param.id, float(param.value)};
  call.prepared_given = launch.prepared != nullptr;
  call.workspace = launch.workspace;
  call.prepared = launch.prepared;
  call.workspace_bytes = launch.workspace_bytes;
  call.prepared_bytes = launch.prepared_bytes;
  if (launch.op != &kMatmul) {
    put_operands(launch, call);
    return call;
  }
  put_matmul(launch, call);
  return call;
}

class CudaKernel final : public StreamKernel {
 public:
  CudaKernel(const Variant& variant, const BuiltModule& module, const DeviceInfo& info, CUstream stream)
      : variant_(variant), info_(info), stream_(stream) {
    const std::string image = read_file(module.file);
    check(driver().cuModuleLoadData_(&module_, image.data()), "loading the module");
  }

  int64_t workspace_bytes(const Launch& launch) override {
    find_entry(launch, "run");  // an entry that is missing, or too big for the device, is told before anything is bound
    return geometry(launch).workspace_bytes;
  }
  int64_t prepared_bytes(const Launch& launch) override { return geometry(launch).prepared_bytes; }

  void prepare(const Launch& launch) override {
    const Geometry g = geometry(launch);
    Geometry of_prepare;
    of_prepare.grid = g.prepare_grid, of_prepare.block = g.prepare_block;
    submit(launch, find_entry(launch, "prepare"), of_prepare, stream_, nullptr);
    check(driver().cuStreamSynchronize_(stream_), "prepare");
  }

  void enqueue(const Launch& launch, CUstream stream, int64_t* encoded_ns) override {
    const Geometry g = geometry(launch);
    submit(launch, find_entry(launch, "run"), g, stream, encoded_ns);
  }

  KernelResources resources(const Launch& launch) const override {
    const CUfunction entry = look_up(entry_names(launch, "run"));
    if (!entry) return {};
    return {attribute(entry, CU_FUNC_ATTRIBUTE_NUM_REGS),
            attribute(entry, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES) +
                int32_t(variant_.geometry(launch_sizes(*launch.op, launch.tensors, info_)).shared_bytes),
            attribute(entry, CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES)};
  }

 private:
  static int32_t attribute(CUfunction entry, CUfunction_attribute which) {
    int value = 0;
    check(driver().cuFuncGetAttribute_(&value, which, entry), "asking for an entry's resources");
    return value;
  }

  /// Evaluated once for each shape: all copies of the weights have one, and capturing hundreds of launches must be
  /// quick.
  const Geometry& geometry(const Launch& launch) {
    const GeometrySizes sizes = launch_sizes(*launch.op, launch.tensors, info_);
    const std::array<int64_t, 9> id{sizes.m, sizes.n,     sizes.n0,       sizes.n1,   sizes.n2,
                                    sizes.k, sizes.batch, sizes.segments, sizes.bytes};
    const auto [found, is_new] = geometries_.try_emplace(id);
    if (is_new) found->second = variant_.geometry(sizes);
    return found->second;
  }

  CUfunction find_entry(const Launch& launch, const std::string& what) {
    const std::vector<std::string> names = entry_names(launch, what);
    const auto [found, is_new] = entries_.try_emplace(names.front());
    if (!is_new) return found->second;
    const CUfunction entry = look_up(names);
    if (!entry) {
      entries_.erase(found);
      fail("its manifest promises these types and layout, its module has no entry {}", joined(names, " and no entry "));
    }
    if (what == "run") allow(entry, geometry(launch));
    return found->second = entry;
  }

  /// The first of these that the module has; nullptr if it has none.
  CUfunction look_up(const std::vector<std::string>& names) const {
    CUfunction entry = nullptr;
    for (const std::string& name : names)
      if (driver().cuModuleGetFunction_(&entry, module_, name.c_str()) == CUDA_SUCCESS) return entry;
    return nullptr;
  }

  /// What the manifest could not know is compared with the device here: static shared memory and registers.
  void allow(CUfunction entry, const Geometry& g) const {
    const int64_t shared = attribute(entry, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES) + g.shared_bytes;
    if (shared > info_.limits.shared_bytes)
      throw OverLimit(
          fmt::format("needs {} bytes of shared memory, {} has {}", shared, info_.id, info_.limits.shared_bytes));
    const int64_t threads = attribute(entry, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
    if (g.block_threads() > threads)
      throw OverLimit(fmt::format("needs {} threads a block, {} can run {} with its {} registers a thread",
                                  g.block_threads(), info_.id, threads, attribute(entry, CU_FUNC_ATTRIBUTE_NUM_REGS)));
    if (shared > kSharedWithoutAsking)
      check(driver().cuFuncSetAttribute_(entry, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, int(g.shared_bytes)),
            "asking for shared memory");
    if (g.cluster > kPortableClusterBlocks)
      check(driver().cuFuncSetAttribute_(entry, CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED, 1),
            "asking for a large cluster");
  }

  static void submit(const Launch& launch, CUfunction entry, const Geometry& g, CUstream stream, int64_t* encoded_ns) {
    assay_cuda_call call = call_of(launch);
    void* parameters[] = {&call};
    CUlaunchAttribute attributes[3] = {};
    unsigned count = 0;
    if (g.cluster > 1) {
      attributes[count].id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION;
      attributes[count].value.clusterDim.x = unsigned(g.cluster);
      attributes[count].value.clusterDim.y = attributes[count].value.clusterDim.z = 1;
      ++count;
    }
    if (g.cooperative) {
      attributes[count].id = CU_LAUNCH_ATTRIBUTE_COOPERATIVE;
      attributes[count++].value.cooperative = 1;
    }
    if (launch.overlaps_previous) {
      attributes[count].id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
      attributes[count++].value.programmaticStreamSerializationAllowed = 1;
    }
    CUlaunchConfig config{};
    config.gridDimX = unsigned(g.grid[0]), config.gridDimY = unsigned(g.grid[1]), config.gridDimZ = unsigned(g.grid[2]);
    config.blockDimX = unsigned(g.block[0]), config.blockDimY = unsigned(g.block[1]),
    config.blockDimZ = unsigned(g.block[2]);
    config.sharedMemBytes = unsigned(g.shared_bytes);
    config.hStream = stream;
    config.attrs = attributes;
    config.numAttrs = count;
    if (encoded_ns) *encoded_ns = now_ns();
    check(driver().cuLaunchKernelEx_(&config, entry, parameters, nullptr), "launching");
  }

  const Variant variant_;
  const DeviceInfo& info_;
  CUstream stream_;
  CUmodule module_ = nullptr;  // kept until the worker ends
  std::map<std::string, CUfunction> entries_;
  std::map<std::array<int64_t, 9>, Geometry> geometries_;
};

}  // namespace

std::unique_ptr<StreamKernel> load_cuda_kernel(const Variant& variant, const BuiltModule& module,
                                               const DeviceInfo& info, CUstream stream) {
  return std::make_unique<CudaKernel>(variant, module, info, stream);
}

}  // namespace assay
