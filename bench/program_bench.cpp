// program_bench [DEVICE [LAUNCHES]]: what a program of empty launches costs, as an engine runs it: the device opened
// without instruments, the program bound once. Per device: binding, submission, and submission with waiting.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#ifdef ASSAY_HAS_CUDA
#include "backend/cuda/cuda_backend.h"
#endif
#include "base/clock.h"
#include "base/error.h"
#include "kernel/build_cache.h"
#include "kernel/manifest.h"
#include "spec/op.h"

namespace {

using namespace assay;
namespace fs = std::filesystem;

constexpr int kRuns = 2000, kWarmUp = 50;

/// Above the program in a bundle that was carried to another machine, else the checkout.
fs::path kernels_folder(const std::string& backend) {
  const fs::path above = fs::read_symlink("/proc/self/exe").parent_path().parent_path() / "kernels" / backend;
  return fs::exists(above / "manifest.json") ? above : fs::path(ASSAY_SOURCE_DIR) / "kernels" / backend;
}

double percentile(std::vector<double> us, double share) {
  std::sort(us.begin(), us.end());
  return us[size_t(share * double(us.size() - 1))];
}

void time_program(Device& device, const DeviceInfo& info, const std::vector<Launch>& sequence) {
  const int64_t began = now_ns();
  const std::unique_ptr<Program> program = device.bind(sequence);
  const double bind_us = double(now_ns() - began) * 1e-3;
  std::vector<double> submit_us, whole_us;
  for (int i = 0; i < kRuns + kWarmUp; ++i) {
    const int64_t start = now_ns();
    program->run();
    const int64_t submitted = now_ns();
    program->wait();
    const int64_t done = now_ns();
    if (i < kWarmUp) continue;
    submit_us.push_back(double(submitted - start) * 1e-3);
    whole_us.push_back(double(done - start) * 1e-3);
  }
  fmt::print(
      "{} ({}): {} {}empty launches: bound in {:.0f} us; run {:.1f} us (p95 {:.1f}), until done {:.1f} us (p95 "
      "{:.1f})\n",
      info.id, info.name, sequence.size(), sequence[0].overlaps_previous ? "overlapping " : "", bind_us,
      percentile(submit_us, 0.5), percentile(submit_us, 0.95), percentile(whole_us, 0.5), percentile(whole_us, 0.95));
}

void measure(const Backend& backend, const DeviceInfo& info, int launches) {
  const Manifest manifest = load_manifest(kernels_folder(backend.name()));
  const auto empty = std::find_if(manifest.variants.begin(), manifest.variants.end(),
                                  [](const Variant& v) { return v.family == "peak_dispatch"; });
  ASSAY_CHECK(empty != manifest.variants.end());
  const fs::path built = fs::temp_directory_path() / fmt::format("assay-program-bench-{}", getpid());
  fs::create_directories(built);
  BuildCache cache(backend.compiler(), {built}, manifest.file.parent_path());
  const BuiltModule module = cache.build(*empty, info.isa.front());
  if (!module.error.empty()) fail("{}: {}", empty->id(), module.error);

  const std::unique_ptr<Device> device = backend.open(info);
  const std::unique_ptr<LoadedKernel> kernel = device->load(*empty, module);
  Launch launch;
  launch.kernel = kernel.get();
  launch.op = &op_of_readers();
  Tensor b = dense_tensor(Operand::b, Dtype::f32, 1, 1, 1024);
  b.data = device->allocate(b.bytes);
  Tensor d = b;
  d.operand = Operand::d;
  d.data = device->allocate(d.bytes);
  launch.tensors = {b, d};
  launch.workspace_bytes = kernel->workspace_bytes(launch);
  if (launch.workspace_bytes > 0) launch.workspace = device->allocate(launch.workspace_bytes);

  for (const bool overlaps : {false, true}) {
    if (overlaps && backend.name() == "cpu") continue;
    launch.overlaps_previous = overlaps;
    time_program(*device, info, std::vector<Launch>(size_t(launches), launch));
  }
  fs::remove_all(built);
}

}  // namespace

int main(int argc, char** argv) try {
  const std::string only = argc > 1 ? argv[1] : "";
  const int launches = argc > 2 ? std::atoi(argv[2]) : 200;
  if (launches < 1) fail("usage: program_bench [DEVICE [LAUNCHES]]   (e.g. program_bench cpu:0 200)");
  std::vector<std::unique_ptr<Backend>> backends;
  backends.push_back(make_cpu_backend());
#ifdef ASSAY_HAS_CUDA
  backends.push_back(make_cuda_backend());
#endif
  bool any = false;
  for (const auto& backend : backends)
    for (const DeviceInfo& info : backend->devices())
      if (only.empty() || only == info.id) measure(*backend, info, launches), any = true;
  if (!any) fail("{}: no device here is called so (assay devices lists them)", only.empty() ? "any" : only);
} catch (const std::exception& e) {
  fmt::print(stderr, "{}\n", e.what());
  return 2;
}
