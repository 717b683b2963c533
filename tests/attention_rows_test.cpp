// Law of the CPU's attention: a row's bits are its own, whatever other rows the call has. Prefill in any pieces and
// decoding give the same only so.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <random>

#include "assay_program.h"
#include "backend/cpu/cpu_backend.h"
#include "base/half.h"
#include "kernel/manifest.h"
#include "modules_for_tests.h"
#include "ops/attention.h"

namespace assay {
namespace {
namespace fs = std::filesystem;

constexpr int64_t kHeads = 14, kKvHeads = 2, kSize = 64, kCapacity = 400, kRows = 37, kColumns = kHeads * kSize;

class AttentionRows : public ::testing::Test {
 protected:
  Address filled(const void* from, int64_t bytes) {
    const Address to = device->allocate(bytes);
    device->write(to, from, bytes);
    return to;
  }

  /// Rows [first, first + count), of which the first of all has so many positions before it.
  void attend(LoadedKernel* kernel, int64_t before, int64_t first, int64_t count) {
    const int32_t position = int32_t(before + first);
    Launch launch;
    launch.kernel = kernel;
    launch.op = &kAttention;
    launch.params = {{kAttentionScale, 0.125}};
    Tensor keys = dense_tensor(Operand::cache, cache_type, kKvHeads, kCapacity, kSize), values = keys;
    keys.data = cache[0], values.data = cache[1], values.segment = 1;
    launch.tensors = {dense_tensor(Operand::a, Dtype::f32, 1, count, kColumns), keys, values,
                      dense_tensor(Operand::d, Dtype::f32, 1, count, kColumns),
                      dense_tensor(Operand::index, Dtype::i32, 1, 1, 1)};
    launch.tensors[0].data = q + first * kColumns * 4;
    launch.tensors[3].data = d + first * kColumns * 4;
    launch.tensors[4].data = filled(&position, sizeof position);
    launch.workspace_bytes = kernel->workspace_bytes(launch);
    launch.workspace = launch.workspace_bytes > 0 ? device->allocate(launch.workspace_bytes) : nullptr;
    const auto program = device->bind({&launch, 1});
    program->run();
    program->wait();
  }

  std::vector<float> in_pieces_of(LoadedKernel* kernel, int64_t before, int64_t rows) {
    device->fill(d, 0xff, kRows * kColumns * 4);
    for (int64_t first = 0; first < kRows; first += rows) attend(kernel, before, first, std::min(rows, kRows - first));
    std::vector<float> out(size_t(kRows * kColumns));
    device->read(out.data(), d, int64_t(out.size()) * 4);
    return out;
  }

  std::unique_ptr<Backend> backend = make_cpu_backend(Waits::asleep);
  DeviceInfo info = backend->devices().at(0);
  std::unique_ptr<Device> device = backend->open(info);
  Address q = nullptr, d = nullptr, cache[2] = {};
  Dtype cache_type = Dtype::f16;
};

TEST_F(AttentionRows, HaveTheSameBitsAloneAndInAnyCompany) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<float> queries(size_t(kRows * kColumns));
  // Of some rows every position finds a larger score, of others none does.
  for (size_t i = 0; i < queries.size(); ++i) queries[i] = normal(random) * (i / kSize % 3 == 0 ? 4.0f : 0.1f);
  q = filled(queries.data(), int64_t(queries.size()) * 4), d = device->allocate(kRows * kColumns * 4);
  const auto fill_cache = [&] {
    for (Address& each : cache) {
      std::vector<uint16_t> halves(size_t(kKvHeads * kCapacity * kSize));
      const bool is_blocks = cache_type == Dtype::q8_0;  // of a half and 16 times two whole numbers
      if (is_blocks) halves.resize(halves.size() / 32 * 17);
      for (size_t i = 0; i < halves.size(); ++i)
        halves[i] = !is_blocks    ? float_to_half(normal(random))
                    : i % 17 == 0 ? float_to_half(0.02f)
                                  : uint16_t(random());
      each = filled(halves.data(), int64_t(halves.size()) * 2);
    }
  };
  const fs::path kernels = fs::path(ASSAY_SOURCE_DIR) / "kernels" / "cpu";
  const Manifest manifest = load_manifest(kernels);
  std::vector<BuildRequest> requests;
  for (const Variant& variant : manifest.variants) {
    if (variant.family != "attention_split" && variant.id() != "attention/loop") continue;
    for (const IsaLevel& level : info.isa)
      if (std::find(variant.isa.begin(), variant.isa.end(), level.name) != variant.isa.end())
        requests.push_back({&variant, &level});
  }
  const std::vector<BuiltModule> modules = build_beside(ASSAY_PROGRAM, *backend, kernels, requests);
  for (size_t i = 0; i < requests.size(); ++i) {
    const auto& [variant, level] = requests[i];
    ASSERT_EQ(modules[i].error, "") << variant->id() << " for " << level->name;
    const auto kernel = device->load(*variant, modules[i]);
    for (const Dtype type : {Dtype::f16, Dtype::q8_0}) {
      cache_type = type;
      fill_cache();
      for (const int64_t before : {int64_t(0), kCapacity - kRows}) {  // a prompt's first tokens; the cache's last rows
        const std::vector<float> together = in_pieces_of(kernel.get(), before, kRows);
        for (const float value : together) ASSERT_TRUE(std::isfinite(value));
        for (const int64_t rows : {1, 3, 8})
          EXPECT_EQ(in_pieces_of(kernel.get(), before, rows), together)
              << variant->id() << ' ' << level->name << ' ' << dtype_name(type) << ' ' << before << ' ' << rows;
      }
    }
  }
  EXPECT_GE(requests.size(), 2u);
}

}  // namespace
}  // namespace assay
