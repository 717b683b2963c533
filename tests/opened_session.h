// A session of a model file on this CPU, as the program opens one: the shipped kernels and table.
#pragma once
#include "backend/cpu/cpu_backend.h"
#include "engine/session.h"

namespace assay {

class OpenedSession {
 public:
  explicit OpenedSession(const std::filesystem::path& file, int threads = 2, const SessionOptions& options = {})
      : model_(file),
        backend_(make_cpu_backend(Waits::asleep)),
        info_(backend_->devices().at(0)),
        manifest_(load_manifest(kSource / "kernels/cpu")),
        cache_(backend_->compiler(), {std::filesystem::path(ASSAY_PROGRAM).parent_path() / "kernels"},
               kSource / "kernels/cpu"),
        table_(load_table(kSource / "tables/cpu.json")) {
    info_.threads = std::min(threads, info_.threads);
    std::vector<const Variant*> variants;
    for (const Variant& variant : manifest_.variants) variants.push_back(&variant);
    device_ = backend_->open(info_);
    chooser_ = std::make_unique<KernelChooser>(info_, variants, &table_.device_for(table_target(info_, 0)),
                                               std::vector<KernelOverride>{});
    shelf_ = std::make_unique<KernelShelf>(*device_, cache_);
    binder_ = std::make_unique<StepBinder>(model_, *device_, *chooser_, *shelf_, [](const std::string&) {});
    session_ = std::make_unique<Session>(model_, *device_, *binder_, options);
  }

  Session& session() { return *session_; }
  const ModelConfig& config() const { return model_.config(); }
  /// In this process's memory.
  Address buffer(const std::string& name) const { return binder_->buffer(name); }

 private:
  inline static const std::filesystem::path kSource = ASSAY_SOURCE_DIR;

  LoadedModel model_;
  std::unique_ptr<Backend> backend_;
  DeviceInfo info_;
  Manifest manifest_;
  BuildCache cache_;
  DispatchTable table_;
  std::unique_ptr<Device> device_;
  std::unique_ptr<KernelChooser> chooser_;
  std::unique_ptr<KernelShelf> shelf_;
  std::unique_ptr<StepBinder> binder_;
  std::unique_ptr<Session> session_;
};

}  // namespace assay
