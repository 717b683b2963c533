// The table of frameworks, and loading their modules.
#include "opbench/frameworks.h"

#include <dlfcn.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/terminal.h"
#include "measure/measuring_child.h"

namespace assay {
namespace {

constexpr double kLoadLimitS = 60;

const char kCuda[] = "needs an NVIDIA GPU; make opbench builds it where nvcc (of a CUDA toolkit, 12 or 13) is";
const char kTorchCuda[] =
    "needs an NVIDIA GPU and a LibTorch with CUDA: cmake -S src/opbench/torch_cuda, as docs/opbench.md says";
const char kMlx[] =
    "needs MLX's C++ library, which Debian does not have: build it for the CPU and configure with -DMLX_DIR, as "
    "docs/opbench.md says";
const char kApple[] = "needs an Apple machine with a GPU; MLX is built there: pip install mlx";

}  // namespace

const std::vector<FrameworkInfo>& known_frameworks() {
  static const std::vector<FrameworkInfo> all = {
      {"mlx_gpu", "mlx_gpu", kApple},
      {"mlx_gpu_compile", "mlx_gpu_compile", kApple},
      {"mlx_cpu", "mlx_cpu", kMlx, false, "cpu", true},
      {"mps", "mps", "needs an Apple machine: PyTorch's Metal backend"},
      {"torch_cpu", "cpu", "install it with make opbench (Debian's libtorch-dev, 163 packages), which builds again"},
      {"torch_cuda", "cuda", kTorchCuda, false, "cuda"},
      {"onednn", "onednn", "install libdnnl-dev (make setup does); make opbench builds it"},
      {"assay_cpu", "assay_cpu", "is part of assay: make opbench builds it", true},
      {"assay_cuda", "assay_cuda", kCuda, false, "cuda"},
  };
  return all;
}

const std::vector<FrameworkInfo>& ceiling_frameworks() {
  static const std::vector<FrameworkInfo> all = {
      {"ceiling", "ceiling", "is part of assay: make opbench builds it", true},
      {"ceiling_cuda", "ceiling_cuda", kCuda, false, "cuda"},
  };
  return all;
}

std::unique_ptr<Framework> load_framework(const std::filesystem::path& file, const ThreadTeam& team) {
  const std::string threads = std::to_string(team.count);
  for (const char* name : {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"})
    setenv(name, threads.c_str(), 1);
  setenv("OMP_PROC_BIND", "true", 1);
  void* const library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) fail("cannot be loaded: {}", dlerror());
  const auto interface = reinterpret_cast<FrameworkInterface*>(dlsym(library, kFrameworkInterfaceName));
  const auto make = reinterpret_cast<MakeFramework*>(dlsym(library, kMakeFrameworkName));
  if (!interface || !make) fail("{} is no framework module: it lacks {}", file.string(), kMakeFrameworkName);
  if (const int number = interface(); number != kFrameworkInterface)
    fail("{} was built for interface {}, not {}; build again", file.string(), number, kFrameworkInterface);
  return std::unique_ptr<Framework>(make(team));
}

FrameworkModule find_framework(const FrameworkInfo& info, const std::filesystem::path& folder,
                               const std::vector<std::string>& isa, int threads) {
  FrameworkModule module{&info, {}, {}, {}, 0};
  std::error_code ignored;
  for (const std::string& level : isa)
    if (const auto file = folder / (info.name + "-" + level + ".so"); std::filesystem::exists(file, ignored))
      module.file = file;
  if (const auto file = folder / (info.name + ".so"); module.file.empty() && std::filesystem::exists(file, ignored))
    module.file = file;
  if (module.file.empty()) {
    module.missing = info.install;
    return module;
  }
  const int64_t began = now_ns();
  try {
    module.version = one_line(text_of_child("loading " + info.name, kLoadLimitS, [&] {
      ThreadTeam alone;
      alone.count = threads;
      return load_framework(module.file, alone)->version();
    }));
    module.load_seconds = double(now_ns() - began) * 1e-9;
  } catch (const Error& e) {
    module.missing = one_line(e.what());
  }
  return module;
}

}  // namespace assay
