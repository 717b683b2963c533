// NVIDIA's own libraries as kernels. Both think in column-major matrices: our row-major D [m, n] is their D [n, m].
#include "backend/cuda/cublas_kernel.h"

#include <cublasLt.h>
#include <cublas_v2.h>

#include "backend/cuda/shared_library.h"
#include "base/error.h"
#include "ops/matmul.h"

namespace assay {
namespace {

constexpr int64_t kWorkspaceBytes = int64_t(32) << 20;  // what NVIDIA recommends for Hopper
constexpr int64_t kWorkspaceAlignment = 256;            // both libraries refuse less
constexpr uint32_t kOperandAlignment = 64;              // of everything that a launch is bound to
constexpr int kMostAlgorithms = 32;

std::byte* aligned(std::byte* workspace) {
  const auto address = reinterpret_cast<uintptr_t>(workspace);
  return workspace + (kWorkspaceAlignment - int64_t(address % kWorkspaceAlignment)) % kWorkspaceAlignment;
}

template <typename Function>
void find(void* library, Function& function, const char* name) {
  function = reinterpret_cast<Function>(library_function(library, name));
  if (!function) fail("{} is missing: install a CUDA toolkit (12 or 13) or set CUDA_HOME", name);
}

void check_blas(cublasStatus_t status, const char* step) {
  if (status == CUBLAS_STATUS_NOT_SUPPORTED) throw Unsupported(fmt::format("{}: not supported by the library", step));
  if (status != CUBLAS_STATUS_SUCCESS) fail("{}: cuBLAS status {}", step, int(status));
}

cudaDataType_t data_type(Dtype dtype) {
  return dtype == Dtype::f32 ? CUDA_R_32F : dtype == Dtype::bf16 ? CUDA_R_16BF : CUDA_R_16F;
}

/// The tensors of one segment's product.
struct Product {
  const Tensor *a = nullptr, *b = nullptr, *d = nullptr, *c = nullptr, *bias = nullptr;
  int64_t m() const { return a->dims[1]; }
  int64_t n() const { return b->dims[1]; }
  int64_t k() const { return a->dims[2]; }
  int64_t batch() const { return a->dims[0]; }
  bool b_is_nk() const { return b->strides[2] == 1; }
  bool a_is_mk() const { return a->strides[2] == 1; }
  // A single line has no stride that means anything, and cuBLAS refuses one below its length.
  int64_t ld_b() const { return b_is_nk() ? std::max(b->strides[1], k()) : std::max(b->strides[2], n()); }
  int64_t ld_a() const { return a_is_mk() ? std::max(a->strides[1], k()) : std::max(a->strides[2], m()); }
  int64_t ld_d() const { return std::max(d->strides[1], n()); }
};

std::vector<Product> products_of(const Launch& launch) {
  std::vector<Product> products;
  for (const Tensor& t : launch.tensors) {
    if (products.size() <= t.segment) products.resize(t.segment + 1);
    Product& p = products[t.segment];
    if (t.operand == Operand::b) p.b = &t;
    if (t.operand == Operand::d) p.d = &t;
    if (t.operand == Operand::c) p.c = &t;
    if (t.operand == Operand::bias) p.bias = &t;
  }
  for (Product& p : products) p.a = &launch.tensors[0];
  ASSAY_CHECK(launch.tensors[0].operand == Operand::a);
  return products;
}

// Overloaded in C++, so spelled out.
using GemmStridedBatched = cublasStatus_t (*)(cublasHandle_t, cublasOperation_t, cublasOperation_t, int, int, int,
                                              const void*, const void*, cudaDataType, int, long long, const void*,
                                              cudaDataType, int, long long, const void*, void*, cudaDataType, int,
                                              long long, int, cublasComputeType_t, cublasGemmAlgo_t);

class CublasKernel final : public StreamKernel {
 public:
  CublasKernel() {
    void* library = open_shared_library({"libcublas.so.13", "libcublas.so.12"});
    decltype(&cublasCreate_v2) create;
    decltype(&cublasSetMathMode) set_math;
    find(library, create, "cublasCreate_v2");
    find(library, set_math, "cublasSetMathMode");
    find(library, set_stream_, "cublasSetStream_v2");
    find(library, set_workspace_, "cublasSetWorkspace_v2");
    find(library, gemm_, "cublasGemmStridedBatchedEx");
    check_blas(create(&handle_), "cublasCreate");
    check_blas(set_math(handle_, cublasMath_t(CUBLAS_DEFAULT_MATH | CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION)),
               "cublasSetMathMode");
  }

  int64_t workspace_bytes(const Launch& launch) override {
    if (products_of(launch)[0].bias) throw Unsupported("cublasGemmStridedBatchedEx adds no bias");
    return kWorkspaceBytes + kWorkspaceAlignment;
  }
  int64_t prepared_bytes(const Launch&) override { return 0; }
  void prepare(const Launch&) override {}

  void enqueue(const Launch& launch, CUstream stream, int64_t*) override {
    check_blas(set_stream_(handle_, stream), "cublasSetStream");
    check_blas(set_workspace_(handle_, aligned(launch.workspace), size_t(kWorkspaceBytes)), "cublasSetWorkspace");
    const float alpha = float(launch.param(kMatmulAlpha)), beta = float(launch.param(kMatmulBeta));
    for (const Product& p : products_of(launch)) {
      // It adds to what lies in D.
      if (beta != 0)
        check(driver().cuMemcpyDtoDAsync_(CUdeviceptr(p.d->data), CUdeviceptr(p.c->data), size_t(p.d->bytes), stream),
              "copying C");
      check_blas(gemm_(handle_, p.b_is_nk() ? CUBLAS_OP_T : CUBLAS_OP_N, p.a_is_mk() ? CUBLAS_OP_N : CUBLAS_OP_T,
                       int(p.n()), int(p.m()), int(p.k()), &alpha, p.b->data, data_type(p.b->dtype), int(p.ld_b()),
                       p.b->strides[0], p.a->data, data_type(p.a->dtype), int(p.ld_a()), p.a->strides[0], &beta,
                       p.d->data, data_type(p.d->dtype), int(p.ld_d()), p.d->strides[0], int(p.batch()),
                       CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
                 "cublasGemmStridedBatchedEx");
    }
  }

 private:
  cublasHandle_t handle_ = nullptr;
  decltype(&cublasSetStream_v2) set_stream_ = nullptr;
  decltype(&cublasSetWorkspace_v2) set_workspace_ = nullptr;
  GemmStridedBatched gemm_ = nullptr;
};

/// The functions of cuBLASLt and its one handle in this process.
struct Lt {
  cublasLtHandle_t handle = nullptr;
  decltype(&cublasLtCreate) create;
  decltype(&cublasLtMatmul) matmul;
  decltype(&cublasLtMatmulDescCreate) desc_create;
  decltype(&cublasLtMatmulDescSetAttribute) desc_set;
  decltype(&cublasLtMatrixLayoutCreate) layout_create;
  decltype(&cublasLtMatrixLayoutSetAttribute) layout_set;
  decltype(&cublasLtMatmulPreferenceCreate) preference_create;
  decltype(&cublasLtMatmulPreferenceSetAttribute) preference_set;
  decltype(&cublasLtMatmulAlgoGetHeuristic) heuristic;

  Lt() {
    void* library = open_shared_library({"libcublasLt.so.13", "libcublasLt.so.12"});
    find(library, create, "cublasLtCreate");
    find(library, matmul, "cublasLtMatmul");
    find(library, desc_create, "cublasLtMatmulDescCreate");
    find(library, desc_set, "cublasLtMatmulDescSetAttribute");
    find(library, layout_create, "cublasLtMatrixLayoutCreate");
    find(library, layout_set, "cublasLtMatrixLayoutSetAttribute");
    find(library, preference_create, "cublasLtMatmulPreferenceCreate");
    find(library, preference_set, "cublasLtMatmulPreferenceSetAttribute");
    find(library, heuristic, "cublasLtMatmulAlgoGetHeuristic");
    check_blas(create(&handle), "cublasLtCreate");
  }
  static const Lt& get() {
    static const Lt lt;
    return lt;
  }
};

class CublasLtKernel final : public StreamKernel {
 public:
  explicit CublasLtKernel(int64_t algorithm) : lt_(Lt::get()), algorithm_(algorithm) {}

  int64_t workspace_bytes(const Launch& launch) override {
    plan(launch);
    return kWorkspaceBytes + kWorkspaceAlignment;
  }
  int64_t prepared_bytes(const Launch&) override { return 0; }
  void prepare(const Launch&) override {}

  void enqueue(const Launch& launch, CUstream stream, int64_t*) override {
    const float alpha = float(launch.param(kMatmulAlpha)), beta = float(launch.param(kMatmulBeta));
    const std::vector<Product> products = products_of(launch);
    for (size_t i = 0; i < products.size(); ++i) {
      const Product& p = products[i];
      const Planned& planned = planned_.at(i);
      if (p.bias)
        check_blas(lt_.desc_set(planned.desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &p.bias->data, sizeof p.bias->data),
                   "setting the bias");
      const void* c = beta != 0 ? p.c->data : p.d->data;
      check_blas(lt_.matmul(lt_.handle, planned.desc, &alpha, p.b->data, planned.b, p.a->data, planned.a, &beta, c,
                            planned.d, p.d->data, planned.d, &planned.algorithm, aligned(launch.workspace),
                            size_t(kWorkspaceBytes), stream),
                 "cublasLtMatmul");
    }
  }

 private:
  struct Planned {  // of one segment; all copies of the weights have the same shapes
    cublasLtMatmulDesc_t desc = nullptr;
    cublasLtMatrixLayout_t a = nullptr, b = nullptr, d = nullptr;
    cublasLtMatmulAlgo_t algorithm{};
  };

  template <typename Value>
  void set(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t which, Value value) const {
    check_blas(lt_.desc_set(desc, which, &value, sizeof value), "describing the product");
  }

  cublasLtMatrixLayout_t layout(const Tensor& t, int64_t rows, int64_t columns, int64_t ld, int64_t batch) const {
    cublasLtMatrixLayout_t made = nullptr;
    check_blas(lt_.layout_create(&made, data_type(t.dtype), uint64_t(rows), uint64_t(columns), ld),
               "describing a matrix");
    const int32_t count = int32_t(batch);
    check_blas(lt_.layout_set(made, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count), "describing a matrix");
    check_blas(lt_.layout_set(made, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &t.strides[0], sizeof t.strides[0]),
               "describing a matrix");
    return made;
  }

  void plan(const Launch& launch) {
    if (!planned_.empty()) return;
    for (const Product& p : products_of(launch)) {
      Planned planned;
      check_blas(lt_.desc_create(&planned.desc, CUBLAS_COMPUTE_32F, CUDA_R_32F), "describing the product");
      set(planned.desc, CUBLASLT_MATMUL_DESC_TRANSA, p.b_is_nk() ? CUBLAS_OP_T : CUBLAS_OP_N);
      set(planned.desc, CUBLASLT_MATMUL_DESC_TRANSB, p.a_is_mk() ? CUBLAS_OP_N : CUBLAS_OP_T);
      if (p.bias) {
        set(planned.desc, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
        set(planned.desc, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, data_type(p.bias->dtype));
        set<const void*>(planned.desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias->data);
      }
      planned.b =
          p.b_is_nk() ? layout(*p.b, p.k(), p.n(), p.k(), p.batch()) : layout(*p.b, p.n(), p.k(), p.n(), p.batch());
      planned.a =
          p.a_is_mk() ? layout(*p.a, p.k(), p.m(), p.k(), p.batch()) : layout(*p.a, p.m(), p.k(), p.m(), p.batch());
      planned.d = layout(*p.d, p.n(), p.m(), p.n(), p.batch());
      planned.algorithm = choose(planned);
      planned_.push_back(planned);
    }
  }

  cublasLtMatmulAlgo_t choose(const Planned& planned) const {
    cublasLtMatmulPreference_t preference = nullptr;
    check_blas(lt_.preference_create(&preference), "stating preferences");
    const uint64_t workspace = kWorkspaceBytes;
    check_blas(lt_.preference_set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace),
               "stating preferences");
    const uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;  // parts of k are not rounded to D's type
    check_blas(
        lt_.preference_set(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &reductions, sizeof reductions),
        "stating preferences");
    for (const auto which : {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
                             CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
      check_blas(lt_.preference_set(preference, which, &kOperandAlignment, sizeof kOperandAlignment),
                 "stating preferences");
    cublasLtMatmulHeuristicResult_t results[kMostAlgorithms];
    int count = 0;
    const cublasStatus_t status = lt_.heuristic(lt_.handle, planned.desc, planned.b, planned.a, planned.d, planned.d,
                                                preference, kMostAlgorithms, results, &count);
    if (status != CUBLAS_STATUS_SUCCESS) count = 0;
    if (algorithm_ >= count)
      throw Unsupported(fmt::format("the heuristic returned {} algorithm{}", count, count == 1 ? "" : "s"));
    check_blas(results[algorithm_].state, "the heuristic's answer");
    return results[algorithm_].algo;
  }

  const Lt& lt_;
  const int64_t algorithm_;
  std::vector<Planned> planned_;
};

}  // namespace

std::unique_ptr<StreamKernel> load_cublas_kernel(const Variant& variant) {
  if (variant.vendor == "cublaslt") return std::make_unique<CublasLtKernel>(variant.parameter_or("ALGO", 0));
  return std::make_unique<CublasKernel>();
}

}  // namespace assay
