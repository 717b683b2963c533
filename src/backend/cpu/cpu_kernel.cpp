// A kernel of a module that was loaded with dlopen.
#include "backend/cpu/cpu_kernel.h"

#include <dlfcn.h>

#include <atomic>
#include <iterator>

#include "backend/cpu/team.h"
#include "base/private_folder.h"

namespace assay {
namespace {

constexpr int64_t kPreparedOnSeveral = int64_t(1) << 20;  // below, threads take longer to start than the work

/// The loader's words say "failed to map segment" where they mean that the folder's file system is mounted noexec.
std::string cannot_load(const std::filesystem::path& module, const std::string& why) {
  if (is_mounted_noexec(module))
    return fmt::format("{}: its folder is mounted noexec; mount it otherwise, or set XDG_CACHE_HOME to another one",
                       module.string());
  return why;
}

}  // namespace

CpuCall::CpuCall(const Launch& launch) {
  ASSAY_CHECK(launch.tensors.size() <= std::size(tensors_) && launch.params.size() <= std::size(params_));
  for (size_t i = 0; i < launch.tensors.size(); ++i) {
    const Tensor& t = launch.tensors[i];
    tensors_[i] = {t.data,
                   t.scales,
                   uint32_t(t.operand),
                   t.segment,
                   uint32_t(t.dtype),
                   uint32_t(t.storage),
                   {t.dims[0], t.dims[1], t.dims[2], 1},
                   {t.strides[0], t.strides[1], t.strides[2], 1}};
  }
  for (size_t i = 0; i < launch.params.size(); ++i) params_[i] = {launch.params[i].id, 0, launch.params[i].value};
  call_ = {sizeof(assay_call),
           ASSAY_ABI_VERSION,
           launch.op->id,
           uint32_t(launch.tensors.size()),
           tensors_,
           params_,
           uint32_t(launch.params.size()),
           0,
           launch.workspace,
           size_t(launch.workspace_bytes),
           launch.prepared,
           size_t(launch.prepared_bytes)};
}

CpuKernel::CpuKernel(const Variant& variant, const BuiltModule& module, const std::vector<int>& cpus)
    : threading_(variant.threading), cpus_(cpus) {
  handle_ = dlopen(module.file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle_) throw Unavailable(fmt::format("{}: {}", variant.id(), cannot_load(module.file, dlerror())));
  const std::string name = variant.entry.empty() ? "assay_kernel_entry" : "assay_kernel_entry_" + variant.entry;
  const auto entry = reinterpret_cast<const assay_kernel* (*)()>(dlsym(handle_, name.c_str()));
  if (!entry) fail("{}: exports no {}", variant.id(), name);
  kernel_ = entry();
  if (!kernel_) fail("{}: its {} gave a null pointer for its assay_kernel", variant.id(), name);
  if (kernel_->abi_version != ASSAY_ABI_VERSION)
    fail("{}: its assay_kernel says kernel ABI version {}; this is version {}", variant.id(), kernel_->abi_version,
         ASSAY_ABI_VERSION);
  if (kernel_->struct_size < sizeof(assay_kernel))
    fail("{}: its assay_kernel says {} bytes as its struct_size; sizeof(assay_kernel) is {}", variant.id(),
         kernel_->struct_size, sizeof(assay_kernel));
  if (!kernel_->run) fail("{}: its assay_kernel has no run (a null pointer)", variant.id());
  if (variant.prepares != (kernel_->prepare != nullptr))
    fail("{}: its manifest says prepare is {}, its module says the opposite", variant.id(), variant.prepares);
}

int64_t CpuKernel::workspace_bytes(const Launch& launch) {
  const CpuCall call(launch);
  return kernel_->workspace_bytes ? int64_t(kernel_->workspace_bytes(call.get(), uint32_t(cpus_.size()))) : 0;
}

int64_t CpuKernel::prepared_bytes(const Launch& launch) {
  const CpuCall call(launch);
  return kernel_->prepared_bytes ? int64_t(kernel_->prepared_bytes(call.get())) : 0;
}

void CpuKernel::prepare(const Launch& launch) {
  const CpuCall call(launch);
  struct Work {
    const assay_kernel* kernel;
    const assay_call* call;
    void* prepared;
    std::atomic<int> status{ASSAY_OK};
  } work{kernel_, call.get(), launch.prepared};
  const bool is_little = launch.prepared_bytes < kPreparedOnSeveral;
  Team(is_little ? std::vector<int>{cpus_.front()} : cpus_, /*pins_caller=*/false)
      .run(
          [](const assay_thread* thread, void* argument) {
            auto& w = *static_cast<Work*>(argument);
            if (const int status = w.kernel->prepare(w.call, w.prepared, thread); status != ASSAY_OK) w.status = status;
          },
          &work);
  check_status(work.status, "prepare");
}

void check_status(int status, const char* step) {
  if (status == ASSAY_UNSUPPORTED)
    throw UnsupportedCall(fmt::format("its {} says it does not support this call, though its manifest does", step));
  if (status != ASSAY_OK) fail("its {} returned {}", step, status);
}

}  // namespace assay
