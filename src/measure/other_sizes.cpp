// Launches on other sizes.
#include "measure/other_sizes.h"

#include <algorithm>

#include "base/round_up.h"
#include "ops/other_sizes.h"

namespace assay {
namespace {

/// Its operands in memory of the device, as long as it lives.
class SmallLaunch {
 public:
  SmallLaunch(const OtherSizes& sizes, OpenedArenas& opened, LoadedKernel& kernel, const LaunchInputs& inputs)
      : opened_(opened), device_(opened.device()), launch_(launch_of(sizes.spec)) {
    const SpecInputs& of = sizes.proved->inputs();
    std::vector<std::vector<std::byte>> varied;
    sizes.proved->proof().varied(inputs.a, varied);
    launch_.kernel = &kernel;
    launch_.tensors = sizes.spec.tensors;
    size_t next_varied = 0, weight = 0;
    for (size_t i = 0; i < launch_.tensors.size(); ++i) {
      Tensor& t = launch_.tensors[i];
      launch_.bytes += t.bytes + t.scale_bytes;
      const Tensor* const of_b = t.use == Use::weight ? &of.b(inputs.copy)[weight++] : nullptr;
      const std::byte* const from = of_b                     ? of_b->data
                                    : t.use == Use::varied   ? varied[next_varied++].data()
                                    : t.use == Use::constant ? of.constants.at(i).bytes.data()
                                                             : nullptr;
      t.data = allocate(t.bytes, t.use == Use::output);
      if (from) device_.write(t.data, from, t.bytes);
      if (of_b && of_b->scales) {
        t.scales = allocate(t.scale_bytes);
        device_.write(t.scales, of_b->scales, t.scale_bytes);
      }
    }
    launch_.workspace_bytes = kernel.workspace_bytes(launch_);
    if (launch_.workspace_bytes > 0) launch_.workspace = allocate(launch_.workspace_bytes);
  }
  ~SmallLaunch() {
    for (const auto& [block, bytes] : blocks_) opened_.give_back(block, bytes);
  }
  SmallLaunch(const SmallLaunch&) = delete;
  SmallLaunch& operator=(const SmallLaunch&) = delete;

  void prepare(LoadedKernel& kernel) {
    launch_.prepared_bytes = kernel.prepared_bytes(launch_);
    if (launch_.prepared_bytes <= 0) return;
    launch_.prepared = allocate(launch_.prepared_bytes);
    kernel.prepare(launch_);
  }

  /// All outputs, one after another; nothing where it wrote around one.
  std::optional<std::vector<std::byte>> run(bool turns) {
    device_.dispatch(turns ? turned(launch_) : launch_);
    std::vector<std::byte> all, of_one;
    for (const Tensor& t : launch_.tensors) {
      if (t.use != Use::output) continue;
      of_one.resize(size_t(t.bytes) + 2 * kGuardBytes);
      device_.read(of_one.data(), t.data - kGuardBytes, std::ssize(of_one));
      const std::span<std::byte> whole(of_one), own = whole.subspan(kGuardBytes, size_t(t.bytes));
      if (!is_band(whole.first(kGuardBytes)) || !is_band(whole.last(kGuardBytes))) return {};
      all.insert(all.end(), own.begin(), own.end());
    }
    return all;
  }

 private:
  Address allocate(int64_t bytes, bool is_output = false) {
    const int64_t all = round_up(bytes, 64) + 2 * kGuardBytes;
    blocks_.emplace_back(opened_.borrow(all), all);
    device_.fill(blocks_.back().first, is_output ? kBand : kPoison, all);
    if (is_output) device_.fill(blocks_.back().first + kGuardBytes, kPoison, bytes);
    return blocks_.back().first + kGuardBytes;
  }

  OpenedArenas& opened_;
  MeasuredDevice& device_;
  Launch launch_;
  std::vector<std::pair<Address, int64_t>> blocks_;
};

}  // namespace

OtherSizes::OtherSizes(const Spec& of, std::unique_ptr<SpecialValues> special_values,
                       const std::vector<Accuracy>& classes)
    : spec(of), special(std::move(special_values)) {
  if (of.op->is_product) return;
  arenas.reserve(of, 0);
  proved = std::make_unique<ProvedSpec>(of, arenas, 0, classes);
}

OtherSizesList::OtherSizesList(const Spec& spec, std::vector<const Variant*> kernels, bool is_gpu,
                               const std::function<std::unique_ptr<SpecialValues>(const Spec&)>& special)
    : is_gpu_(is_gpu) {
  std::vector<Accuracy> classes;
  for (const Variant* kernel : kernels) classes.push_back(kernel->accuracy);
  for (const Spec& other : with_other_sizes(spec))
    if (std::erase_if(kernels, [&](const Variant* kernel) { return takes(other, *kernel); }) > 0)
      all_.push_back(std::make_unique<OtherSizes>(other, other.op->is_product ? special(other) : nullptr, classes));
}

const OtherSizes* OtherSizesList::for_kernel(const Variant& kernel) const {
  for (const auto& sizes : all_)
    if (takes(sizes->spec, kernel)) return sizes.get();
  return nullptr;
}

bool OtherSizesList::takes(const Spec& other, const Variant& kernel) const {
  return (kernel.vendor.empty() || !is_gpu_) && unsupported_reason(kernel.supports, other).empty();
}

std::string check_other_sizes(const WorkerCase& work, OpenedArenas& opened, LoadedKernel& kernel,
                              std::mt19937_64& random) {
  const OtherSizes& sizes = *work.other_sizes;
  const Proof& proof = sizes.proved->proof();
  const LaunchInputs inputs{0, proof.draw(random, 1, /*comparable=*/true)};
  SmallLaunch launch(sizes, opened, kernel, inputs);
  const bool turns = !work.device->one_worker;
  if (work.variant->prepares) launch.prepare(kernel);
  const std::optional<std::vector<std::byte>> d = launch.run(turns);
  const std::unique_ptr<Judge> judge = proof.judge(work.variant->accuracy);
  std::string message = d ? judge->scan(*d) : "it writes around D";
  if (message.empty()) message = judge->check(*d, inputs);
  return message.empty() ? ""
                         : fmt::format("on other sizes{} ({}): {}", turns ? ", tensors in another order" : "",
                                       sizes.spec.short_name(), message);
}

Launch turned(Launch launch) {
  std::reverse(launch.tensors.begin(), launch.tensors.end());
  std::reverse(launch.params.begin(), launch.params.end());
  return launch;
}

}  // namespace assay
