// A kernel's launches on its spec's special values.
#include "measure/special_launch.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "base/error.h"
#include "base/round_up.h"
#include "measure/other_sizes.h"
#include "proof/special_values.h"

namespace assay {
namespace {

constexpr int64_t kMostKept = int64_t(16) << 20;       // of an output, for a later look
constexpr int64_t kComparedBytes = int64_t(64) << 20;  // of prepared weights, made twice

/// One spacing of the operands in memory of the device, as long as it lives.
class SpecialLaunch {
 public:
  SpecialLaunch(const WorkerCase& work, const SpecialValues& values, OpenedArenas& opened, const SpecialKernel& of,
                Spacing spacing)
      : values_(values),
        accuracy_(work.variant->accuracy),
        opened_(opened),
        device_(opened.device()),
        most_(of.most),
        kept_(work.device->one_worker ? nullptr : of.seen) {
    launch_ = launch_of(values.spec());
    LoadedKernel& kernel = of.kernel;
    launch_.kernel = &kernel;
    launch_.tensors = values_.weights(spacing)->tensors();
    const Address weights = opened.special(*values_.weights(spacing));
    turns_ = !work.device->one_worker;
    mixes_ = spacing == Spacing::dense && !work.device->one_worker && work.variant->supports.strides &&
             rows_of(values.spec()) > 1;
    for (Tensor& t : launch_.tensors) {
      launch_.bytes += t.bytes + t.scale_bytes;
      const int64_t most = mixes_ ? spaced(t, Spacing::padded, /*by_segment=*/true).bytes : t.bytes;
      if (t.use == Use::output) {
        t.data = allocate(most, kBand);
        blocks_.pop_back();  // kept: a kernel that writes late is to be found out, not to crash
      } else if (t.use != Use::weight) {
        t.data = allocate(most);
      }
      if (t.use != Use::weight) continue;
      const std::byte* first = values_.weights(spacing)->memory().data();
      t.data = weights + (t.data - first);
      if (t.scales) t.scales = weights + (t.scales - first);
    }
    launch_.workspace_bytes = kernel.workspace_bytes(launch_);
    if (launch_.workspace_bytes > 0) launch_.workspace = allocate(launch_.workspace_bytes);
    if (work.variant->prepares) prepare(work, of);
    if (!of.is_first || work.variant->prepares || launch_.params == work.inputs->spec().params) return;
    of_first_ = launch_;
    of_first_->params = work.inputs->spec().params;
  }
  ~SpecialLaunch() {
    for (const auto& [block, bytes] : blocks_) opened_.give_back(block, bytes);
    for (SeenOutput& seen : seen_)
      if (kept_ && std::ssize(seen.held) <= kMostKept) kept_->push_back(std::move(seen));
  }
  SpecialLaunch(const SpecialLaunch&) = delete;
  SpecialLaunch& operator=(const SpecialLaunch&) = delete;

  /// "" or the first thing that is wrong.
  std::string run() {
    if (!message_.empty()) return message_;
    if (of_first_) device_.dispatch(*of_first_);
    for (int64_t i = 0; i < std::min(most_, values_.launches(accuracy_)); ++i)
      if (const std::string message = run(i); !message.empty()) return message;
    return mixes_ ? run_mixed() : "";
  }

 private:
  void prepare(const WorkerCase& work, const SpecialKernel& of) {
    LoadedKernel& kernel = of.kernel;
    launch_.prepared_bytes = kernel.prepared_bytes(launch_);
    if (launch_.prepared_bytes <= 0)
      fail("it prepares weights, but needs {} bytes for that where they are special", launch_.prepared_bytes);
    launch_.prepared = place(of, launch_.prepared_bytes);
    kernel.prepare(launch_);
    if (of.converter && launch_.prepared_bytes <= kComparedBytes) compare_storages(work, *of.converter);
  }

  static int64_t rows_of(const Spec& spec) {
    const Tensor& a = spec.tensors[0];
    return a.dims[0] * a.dims[1];
  }

  /// Each operand but B once spaced where another is dense, and the other way round: of their numbers two differ in a
  /// digit.
  std::string run_mixed() {
    std::vector<Tensor*> operands;
    for (Tensor& t : launch_.tensors)
      if (t.use != Use::weight && t.operand != Operand::bias && t.is_read) operands.push_back(&t);
    const std::vector<Tensor> dense = launch_.tensors;
    for (size_t digit = 0; size_t(1) << digit < operands.size(); ++digit)
      for (const size_t value : {size_t(1), size_t(0)}) {
        for (size_t i = 0; i < operands.size(); ++i) {
          Tensor& t = *operands[i];
          t = dense[size_t(&t - launch_.tensors.data())];
          const Tensor padded = spaced(t, Spacing::padded, /*by_segment=*/true);
          device_.fill(t.data, t.use == Use::output ? kBand : kPoison, padded.bytes);
          if ((i >> digit & 1) == value) t = padded;
        }
        renew_workspace();
        try {
          if (const std::string message = run(0); !message.empty())
            return ignores_strides("rows of some operands", message);
        } catch (const Error&) {  // it says itself that it does not take them
        }
      }
    return "";
  }

  void renew_workspace() {
    const int64_t bytes = launch_.kernel->workspace_bytes(launch_);
    if (bytes > launch_.workspace_bytes) launch_.workspace = allocate(bytes);
    launch_.workspace_bytes = bytes;
  }

  static int64_t with_guards(int64_t bytes) { return round_up(bytes, 64) + 2 * kGuardBytes; }

  /// What it makes of the weights, against what the one makes that it shares a storage with.
  void compare_storages(const WorkerCase& work, LoadedKernel& converter) {
    Launch other = launch_;
    other.kernel = &converter;
    if (converter.prepared_bytes(launch_) == launch_.prepared_bytes) {
      other.prepared = allocate(launch_.prepared_bytes);  // poisoned as its own were: what neither writes is equal
      converter.prepare(other);
      if (are_equal(launch_.prepared, other.prepared, launch_.prepared_bytes)) return;
    }
    message_ = other_storage(*work.variant, *work.converter);
  }

  bool are_equal(Address left, Address right, int64_t bytes) {
    constexpr int64_t kAtOnce = int64_t(1) << 18;  // stays in a cache
    std::vector<std::byte> of_left(size_t(std::min(bytes, kAtOnce))), of_right(of_left.size());
    for (int64_t at = 0; at < bytes; at += kAtOnce) {
      const int64_t count = std::min(bytes - at, kAtOnce);
      device_.read(of_left.data(), left + at, count);
      device_.read(of_right.data(), right + at, count);
      if (std::memcmp(of_left.data(), of_right.data(), size_t(count)) != 0) return false;
    }
    return true;
  }

  /// In the memory that it is given, if that is enough.
  Address place(const SpecialKernel& of, int64_t bytes) {
    const int64_t all = kCopyAlignment + with_guards(bytes);
    if (all > std::ssize(of.room)) return allocate(bytes);
    if (*of.room_used > 0) device_.fill(of.room.data(), kPoison, all);  // else it still is
    *of.room_used = std::max(*of.room_used, all);
    return of.room.data() + kCopyAlignment;  // where a copy of the case's own lies: what was remembered of it is wrong
  }

  Address allocate(int64_t bytes, unsigned char filled = kPoison) {
    const int64_t all = with_guards(bytes);
    blocks_.emplace_back(opened_.borrow(all), all);
    device_.fill(blocks_.back().first, filled, all);
    return blocks_.back().first + kGuardBytes;
  }

  std::string run(int64_t number) {
    seen_.clear();
    for (const Tensor& t : launch_.tensors) {
      if (t.use == Use::output) device_.fill(t.data, kPoison, t.bytes);
      if (t.use == Use::weight || t.use == Use::output) continue;
      const std::vector<std::byte> content = values_.content(t, number, accuracy_);
      device_.write(t.data, content.data(), t.bytes);
    }
    if (launch_.workspace) device_.fill(launch_.workspace, kPoison, launch_.workspace_bytes);
    device_.dispatch(turns_ && (number % 2 == 1 || most_ == 1) ? turned(launch_) : launch_);
    std::vector<Tensor> d;
    for (const Tensor& t : launch_.tensors) {
      if (t.use != Use::output) continue;
      d.push_back(t);
      seen_.push_back({t.data - kGuardBytes, std::vector<std::byte>(size_t(t.bytes) + 2 * kGuardBytes)});
      device_.read(seen_.back().held.data(), seen_.back().memory, std::ssize(seen_.back().held));
    }
    std::vector<std::vector<std::byte>> bytes;
    for (size_t i = 0; i < d.size(); ++i) {
      if (!is_whole_around(d[i], seen_[i].held)) return "writes between or around the rows of D";
      bytes.emplace_back(seen_[i].held.begin() + kGuardBytes, seen_[i].held.end());
    }
    return values_.check(d, bytes, number, accuracy_);
  }

  /// Whether all but D's elements is as it was.
  static bool is_whole_around(const Tensor& d, const std::vector<std::byte>& bytes) {
    const std::span<const std::byte> all(bytes);
    if (!is_band(all.first(kGuardBytes)) || !is_band(all.last(kGuardBytes))) return false;
    std::vector<std::byte> around(bytes.begin() + kGuardBytes, bytes.end() - kGuardBytes);
    const auto row_bytes = size_t(dtype_bytes(d.dtype, d.dims[2]));
    for (int64_t batch = 0; batch < d.dims[0]; ++batch)
      for (int64_t row = 0; row < d.dims[1]; ++row)
        std::memset(&around[size_t(dtype_bytes(d.dtype, batch * d.strides[0] + row * d.strides[1]))], kPoison,
                    row_bytes);
    return first_not_poison(around) < 0;
  }

  const SpecialValues& values_;
  const Accuracy accuracy_;
  OpenedArenas& opened_;
  MeasuredDevice& device_;
  Launch launch_;
  std::optional<Launch> of_first_;  // with the spec's own numbers
  std::vector<std::pair<Address, int64_t>> blocks_;
  std::vector<SeenOutput> seen_;  // of the last launch
  const int64_t most_;
  std::vector<SeenOutput>* const kept_;
  std::string message_;  // what is wrong before anything was launched
  bool turns_ = false;   // whether every second launch, or the only one, has its tensors in another order
  bool mixes_ = false;   // whether spaced operands are tried beside dense ones
};

}  // namespace

std::string ignores_strides(const std::string& between, const std::string& message) {
  return "it ignores strides: with padding between " + between + " " + message +
         R"(; if dense operands are all it takes, its manifest's "supports" says "strides": false)";
}

std::string check_special_values(const WorkerCase& work, const SpecialValues& values, OpenedArenas& opened,
                                 const SpecialKernel& of, std::optional<Spacing> only) {
  const auto run = [&](Spacing spacing) { return SpecialLaunch(work, values, opened, of, spacing).run(); };
  const bool has_dense = values.weights(Spacing::dense), has_apart = values.weights(Spacing::apart),
             has_padded = values.weights(Spacing::padded);
  if (!work.variant->supports.strides || !has_padded) return has_dense ? run(Spacing::dense) : "";
  if (only == Spacing::dense && has_dense) return run(Spacing::dense);
  std::string padded;
  try {
    padded = run(Spacing::padded);
    if (padded.empty() && has_apart) padded = run(Spacing::apart);
    if (!has_dense || (only && padded.empty())) return padded;
  } catch (const Error&) {  // it says itself that it does not take them
    if (!has_dense) return "";
  }
  // A kernel may have a faster way for dense operands, which is what is timed.
  if (const std::string dense = run(Spacing::dense); !dense.empty() || padded.empty()) return dense;
  return ignores_strides("rows or batches", padded);
}

}  // namespace assay
