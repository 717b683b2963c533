// Operands further apart than they are long.
#include "measure/spaced_launch.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/round_up.h"
#include "measure/special_launch.h"

namespace assay {
namespace {

constexpr int64_t kPaddingBytes = 64, kPaddingBlocks = 2;  // what is aligned stays so
constexpr int64_t kMostWeightBytes = int64_t(8) << 20;     // above, weights stay as they are

enum class Gap { none, batches, rows };  // rows: and batches

/// An operand's elements one after another, and where they lie when it is spaced.
class Layout {
 public:
  Layout(const Tensor& dense, Gap gap) : tensor(dense) {
    const DtypeFacts& type = dtype_facts(dense.dtype);
    const bool is_blocks = dense.storage == Storage::blocks;
    unit_ = is_blocks ? type.block_bytes : dtype_bytes(dense.dtype, 1);
    int dims[3] = {0, 1, 2};  // outermost in memory first
    std::stable_sort(dims, dims + 3, [&](int left, int right) { return dense.strides[left] > dense.strides[right]; });
    outer_ = dense.dims[dims[0]], middle_ = dense.dims[dims[1]];
    length_ = is_blocks ? dense.dims[2] / type.block_values : dense.dims[dims[2]];
    const int64_t padding = (is_blocks ? kPaddingBlocks : kPaddingBytes / unit_) * (1 + dense.segment % 4);
    row_step_ = length_ + (gap == Gap::rows ? padding : 0);
    batch_step_ = middle_ * row_step_ + (gap == Gap::none ? 0 : padding);
    tensor.strides[dims[1]] = row_step_, tensor.strides[dims[0]] = batch_step_;
    tensor.bytes = outer_ * batch_step_ * unit_;
  }

  void spread(const std::byte* dense, std::byte* to) const {
    for_rows([&](int64_t from, int64_t at) { std::memcpy(to + at, dense + from, size_t(length_ * unit_)); });
  }
  /// The dense elements out of `spaced`, which holds poison in their place afterwards.
  void gather(std::byte* spaced, std::byte* to) const {
    for_rows([&](int64_t at, int64_t from) {
      std::memcpy(to + at, spaced + from, size_t(length_ * unit_));
      std::memset(spaced + from, kPoison, size_t(length_ * unit_));
    });
  }

  Tensor tensor;

 private:
  template <class Function>
  void for_rows(Function function) const {
    for (int64_t outer = 0; outer < outer_; ++outer)
      for (int64_t row = 0; row < middle_; ++row)
        function((outer * middle_ + row) * length_ * unit_, (outer * batch_step_ + row * row_step_) * unit_);
  }
  int64_t unit_, outer_, middle_, length_, row_step_, batch_step_;
};

class SpacedLaunch {
 public:
  SpacedLaunch(const WorkerCase& work, OpenedArenas& opened, const Launch& launch, const LaunchInputs& inputs)
      : work_(work), opened_(opened), device_(opened.device()), launch_(launch), inputs_(inputs) {
    work.proof->varied(inputs.a, varied_);
  }
  ~SpacedLaunch() {
    for (const auto& [block, bytes] : blocks_) opened_.give_back(block, bytes);
  }
  SpacedLaunch(const SpacedLaunch&) = delete;
  SpacedLaunch& operator=(const SpacedLaunch&) = delete;

  /// gaps: of each operand.
  std::string run(const std::vector<Gap>& gaps, Judge& judge) {
    Launch launch = launch_;
    std::vector<Layout> layouts;
    size_t varied = 0, weight = 0;
    for (size_t i = 0; i < launch.tensors.size(); ++i) {
      Tensor& t = launch.tensors[i];
      const std::byte* const source = t.use == Use::varied   ? varied_[varied++].data()
                                      : t.use == Use::weight ? work_.inputs->b(inputs_.copy)[weight++].data
                                                             : nullptr;
      layouts.emplace_back(t, gaps[i]);
      if (t.use == Use::constant || (t.use == Use::weight && gaps[i] == Gap::none)) continue;
      t = layouts.back().tensor;
      t.data = allocate(t.bytes);
      if (!source) continue;
      spaced_.assign(size_t(t.bytes), std::byte{kPoison});
      layouts.back().spread(source, spaced_.data());
      device_.write(t.data, spaced_.data(), t.bytes);
    }
    launch.workspace_bytes = launch.kernel->workspace_bytes(launch);
    if (launch.workspace_bytes > 0) launch.workspace = allocate(launch.workspace_bytes);
    try {
      device_.dispatch(launch);
    } catch (const Error&) {  // it says itself that it does not take them
      return "";
    }
    std::vector<std::byte> joined;
    for (size_t i = 0; i < launch.tensors.size(); ++i) {
      const Tensor& t = launch.tensors[i];
      if (t.use != Use::output) continue;
      spaced_.resize(size_t(t.bytes) + 2 * kGuardBytes);
      device_.read(spaced_.data(), t.data - kGuardBytes, std::ssize(spaced_));
      const size_t before = joined.size();
      joined.resize(before + size_t(launch_.tensors[i].bytes));
      layouts[i].gather(spaced_.data() + kGuardBytes, &joined[before]);
      if (first_not_poison(spaced_) >= 0) return "writes between or around the rows of D";
    }
    std::string message = judge.scan(joined);
    if (message.empty()) message = judge.check(joined, inputs_);
    return message;
  }

 private:
  Address allocate(int64_t bytes) {
    const int64_t all = round_up(bytes, 64) + 2 * kGuardBytes;
    blocks_.emplace_back(opened_.borrow(all), all);
    device_.fill(blocks_.back().first, kPoison, all);
    return blocks_.back().first + kGuardBytes;
  }

  const WorkerCase& work_;
  OpenedArenas& opened_;
  MeasuredDevice& device_;
  const Launch& launch_;
  const LaunchInputs& inputs_;
  std::vector<std::vector<std::byte>> varied_;
  std::vector<std::byte> spaced_;
  std::vector<std::pair<Address, int64_t>> blocks_;
};

}  // namespace

std::string check_spaced_operands(const WorkerCase& work, OpenedArenas& opened, const Launch& launch,
                                  const LaunchInputs& inputs, Judge& judge) {
  if (!work.variant->supports.strides) return "";
  // Of operands with numbers each two differ in a digit: one is spaced and the other dense, and the other way round.
  std::vector<int> numbers;
  int count = 0;
  for (const Tensor& t : launch.tensors)
    numbers.push_back(t.use == Use::weight || t.use == Use::constant || t.operand == Operand::index ? -1 : count++);
  std::vector<std::vector<Gap>> all;
  for (int digit = 0; digit == 0 || 1 << digit < count; ++digit)
    for (const int value : {1, 0}) {
      std::vector<Gap>& gaps = all.emplace_back();
      for (const int number : numbers)
        gaps.push_back(number >= 0 && (number >> digit & 1) == value ? Gap::rows : Gap::none);
    }
  const bool has_weights = !work.variant->prepares && work.inputs->spec().bytes(Use::weight) <= kMostWeightBytes;
  for (const Gap gap : {Gap::batches, Gap::rows}) {
    std::vector<Gap>& gaps = all.emplace_back();
    for (size_t i = 0; i < numbers.size(); ++i)
      gaps.push_back(numbers[i] >= 0                                       ? Gap::batches
                     : has_weights && launch.tensors[i].use == Use::weight ? gap
                                                                           : Gap::none);
  }
  for (const std::vector<Gap>& gaps : all)
    if (const std::string message = SpacedLaunch(work, opened, launch, inputs).run(gaps, judge); !message.empty())
      return ignores_strides("rows or batches", message);
  return "";
}

}  // namespace assay
