// The law of named storages: kernels that name the same one make the same bytes of the same weights.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "backend/cpu/cpu_backend.h"
#include "kernel/build_cache.h"
#include "kernel/manifest.h"
#include "proof/inputs.h"

namespace assay {
namespace {
namespace fs = std::filesystem;

TEST(Storage, FamiliesThatNameTheSameOneMakeTheSameBytesOfTheSameWeights) {
  const fs::path kernels = fs::path(ASSAY_SOURCE_DIR) / "kernels" / "cpu";
  const Manifest manifest = load_manifest(kernels);
  const auto backend = make_cpu_backend(Waits::asleep);
  const DeviceInfo info = backend->devices().at(0);
  BuildCache cache(backend->compiler(), {fs::canonical(ASSAY_PROGRAM).parent_path() / "kernels"}, kernels);
  const auto device = backend->open(info);
  size_t compared = 0;
  for (const char* line : {"op=matmul | batch=2 | m=1 | n=77 | k=141 | tA=0 | tB=0 | dtA=f32 | dtB=f16 | dtD=f32",
                           "op=matmul | batch=1 | m=1 | n=515 | k=96 | tA=0 | tB=1 | dtA=f32 | dtB=q8_0 | dtD=f32"}) {
    const Spec spec = parse_spec(line);
    Arenas arenas;
    arenas.reserve(spec, 1);
    const SpecInputs inputs(spec, arenas, 1);
    std::map<std::string, std::vector<std::byte>> first;
    for (const Variant& variant : manifest.variants) {
      if (!variant.prepares || unsupported_reason(variant, spec) != "") continue;
      const BuiltModule module = cache.build(variant, info.isa.front());
      if (!module.error.empty()) continue;  // its library is not installed
      const auto kernel = device->load(variant, module);
      Launch launch = launch_of(spec);
      launch.kernel = kernel.get();
      for (Tensor& t : launch.tensors)
        if (t.operand == Operand::b) t = inputs.b(0)[t.segment];
      const int64_t bytes = launch.prepared_bytes = kernel->prepared_bytes(launch);
      launch.prepared = device->allocate(bytes);
      kernel->prepare(launch);
      const std::vector<std::byte> made(launch.prepared, launch.prepared + bytes);
      const auto [found, is_new] = first.try_emplace(variant.storage, made);
      EXPECT_EQ(found->second, made) << variant.id() << " makes another " << variant.storage;
      compared += !is_new;
    }
  }
  EXPECT_GT(compared, 0u) << "no two kernels share a storage: is OpenBLAS or oneDNN missing?";
}

}  // namespace
}  // namespace assay
