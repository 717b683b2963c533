// The worked example of docs/drop-in-kernels.md, as a user would run it.
#include <cmath>
#include <cstring>

#include "../kernels/cpu/assay_kernel.h"
#include "base/file.h"
#include "base/half.h"
#include "build_cache_fixture.h"
#include "matmul_spec.h"

namespace assay {
namespace {

class DropInExample : public BuildCacheTest {
 protected:
  static assay_tensor tensor(uint32_t role, uint32_t dtype, void* data, int64_t rows, int64_t columns) {
    return {data, nullptr, role, 0, dtype, ASSAY_STRIDED, {1, rows, columns, 1}, {rows * columns, columns, 1, 1}};
  }
  // Random values as the dtype holds them, with what they are exactly.
  static std::vector<double> fill(std::vector<unsigned char>& bytes, uint32_t dtype, size_t count, uint32_t& seed) {
    std::vector<double> exact(count);
    bytes.assign(count * (dtype == ASSAY_F32 ? 4 : 2), 0);
    for (size_t i = 0; i < count; ++i) {
      seed = seed * 1664525u + 1013904223u;
      const float value = float(int32_t(seed)) * 0x1p-31f;
      const uint16_t half = float_to_half(value);
      exact[i] = dtype == ASSAY_F32 ? value : half_to_float(half);
      dtype == ASSAY_F32 ? memcpy(&bytes[i * 4], &value, 4) : memcpy(&bytes[i * 2], &half, 2);
    }
    return exact;
  }
  static void expect_right(const assay_kernel& kernel, uint32_t a, uint32_t b, uint32_t d, int64_t n, int64_t k) {
    SCOPED_TRACE(fmt::format("{} a={} b={} d={} n={} k={}", kernel.name, a, b, d, n, k));
    uint32_t seed = 7;
    std::vector<unsigned char> a_bytes, b_bytes, d_bytes(size_t(n) * 4 + 4, 0xff);
    const auto a_exact = fill(a_bytes, a, size_t(k), seed), b_exact = fill(b_bytes, b, size_t(n * k), seed);
    const assay_tensor tensors[] = {tensor(ASSAY_A, a, a_bytes.data(), 1, k), tensor(ASSAY_B, b, b_bytes.data(), n, k),
                                    tensor(ASSAY_D, d, d_bytes.data(), 1, n)};
    assay_call call{};
    call.struct_size = sizeof call;
    call.abi_version = ASSAY_ABI_VERSION;
    call.op = ASSAY_MATMUL;
    call.tensor_count = 3;
    call.tensors = tensors;
    for (uint32_t index = 0; index < 3; ++index) {
      assay_thread thread{};
      thread.struct_size = sizeof thread;
      thread.index = index;
      thread.count = 3;
      ASSERT_EQ(kernel.run(&call, &thread), ASSAY_OK);
    }
    for (int64_t row = 0; row < n; ++row) {
      double exact = 0, scale = 0;
      for (int64_t i = 0; i < k; ++i) {
        exact += a_exact[size_t(i)] * b_exact[size_t(row * k + i)];
        scale += std::fabs(a_exact[size_t(i)] * b_exact[size_t(row * k + i)]);
      }
      float got = 0;
      uint16_t half = 0;
      memcpy(&half, &d_bytes[size_t(row) * 2], 2);
      d == ASSAY_F32 ? static_cast<void>(memcpy(&got, &d_bytes[size_t(row) * 4], 4)) : void(got = half_to_float(half));
      EXPECT_NEAR(got, exact, 1e-5 * scale + (d == ASSAY_F32 ? 0 : std::fabs(exact) * 0x1p-10) + 1e-7) << "row " << row;
    }
    EXPECT_EQ(d_bytes[size_t(n) * (d == ASSAY_F32 ? 4 : 2)], 0xff) << "wrote past its output";
  }
};

TEST_F(DropInExample, compiles_loads_and_computes_right_numbers_in_every_type_and_awkward_shape) {
  const Manifest manifest = load_manifest(fs::path(ASSAY_SOURCE_DIR) / "docs" / "examples" / "drop-in");
  ASSERT_EQ(manifest.variants.size(), 2u);
  std::vector<BuildRequest> requests;
  for (const Variant& variant : manifest.variants) requests.push_back({&variant, &kGeneric});
  for (const BuiltModule& module : cache().build_all(requests, 2)) {
    ASSERT_EQ(module.error, "");
    void* handle = dlopen(module.file.c_str(), RTLD_NOW | RTLD_LOCAL);
    ASSERT_TRUE(handle) << dlerror();
    const auto entry = reinterpret_cast<const assay_kernel* (*)()>(dlsym(handle, "assay_kernel_entry"));
    ASSERT_TRUE(entry);
    const assay_kernel& kernel = *entry();
    EXPECT_EQ(kernel.abi_version, ASSAY_ABI_VERSION);
    EXPECT_EQ(kernel.struct_size, sizeof(assay_kernel));
    for (const uint32_t a : {ASSAY_F32, ASSAY_F16})
      for (const uint32_t b : {ASSAY_F32, ASSAY_F16})
        for (const uint32_t d : {ASSAY_F32, ASSAY_F16})
          for (const auto& [n, k] : {std::pair<int64_t, int64_t>{1, 1}, {2, 31}, {7, 33}, {129, 96}, {64, 1001}})
            expect_right(kernel, a, b, d, n, k);
    dlclose(handle);
  }
}

TEST_F(DropInExample, is_the_one_that_the_document_shows) {
  const fs::path docs = fs::path(ASSAY_SOURCE_DIR) / "docs";
  EXPECT_NE(read_file(docs / "drop-in-kernels.md").find(read_file(docs / "examples" / "drop-in" / "manifest.json")),
            std::string::npos);
}

TEST_F(DropInExample, refuses_what_it_does_not_support) {
  const Manifest manifest = load_manifest(fs::path(ASSAY_SOURCE_DIR) / "docs" / "examples" / "drop-in");
  Matmul spec;
  spec.n = 64;
  spec.k = 64;
  EXPECT_EQ(unsupported_reason(manifest.variants[0], spec_of(spec)), "layout is nn, supports nt");
  spec.tB = true;
  EXPECT_EQ(unsupported_reason(manifest.variants[0], spec_of(spec)), "");
  spec.bias = true;
  EXPECT_EQ(unsupported_reason(manifest.variants[0], spec_of(spec)), "has a bias, supports none");
}

}  // namespace
}  // namespace assay
