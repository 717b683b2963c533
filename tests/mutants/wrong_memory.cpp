// Mutants that touch memory which is not theirs: guards, inputs, what was never written, or D after the call is over.
#include <chrono>
#include <mutex>
#include <thread>

#include "honest.h"

namespace {

enum class Sin {
  reads_output,
  reads_workspace,
  takes_nan_for_not_yet,
  past_activations,
  past_weights,
  writes_before_output,
  writes_behind_output,
  writes_behind_workspace,
  writes_activations,
  writes_weights,
  writes_bias,
  writes_addend,
  writes_prepared,
  reads_b_though_prepared,
  writes_after_return,
  writes_long_after_return,
  writes_after_a_second,
  writes_after_a_second_of_spinning,
  writes_just_after_return,
  writes_late_where_spaced,
  writes_into_the_next_row,
  writes_into_the_row_before,
  takes_nan_in_output_for_not_yet,
  restores_activations,
  workspace_remembered,
  reads_far_behind_activations
};
constexpr Sin kSin = Sin::MUTANT;

constexpr bool kUsesWorkspace = kSin == Sin::reads_workspace || kSin == Sin::writes_behind_workspace ||
                                kSin == Sin::takes_nan_for_not_yet || kSin == Sin::workspace_remembered;
constexpr bool kPrepares = kSin == Sin::writes_prepared || kSin == Sin::reads_b_though_prepared;
constexpr int64_t kPastBytes = 64;  // one cache line beyond the last element: a vector too many
constexpr int64_t kStrayBytes = 32;
constexpr float kStray = 12345.0f;
constexpr int kAlone = 20;  // calls of set-up, some in memory of their own

size_t workspace_bytes(const assay_call* call, uint32_t) {
  return static_cast<size_t>(honest::open(call).outputs()) * sizeof(float);
}

/// Σ over k and one vector more, in which the other factor is masked to zero: right unless NaN lies behind the input.
double sum_past_end(const honest::Product& p, const honest::Output& at) {
  const assay_tensor& overrun = kSin == Sin::past_activations ? p.a : p.b;
  const int64_t row = kSin == Sin::past_activations ? at.row : at.column;
  const int64_t extra = kPastBytes / honest::element_bytes(overrun);
  double total = honest::sum(p, at, 0, p.k);
  for (int64_t i = p.k; i < p.k + extra; ++i) total += 0.0 * honest::read(overrun, at.batch, row, i);
  return total;
}

/// One past the last byte of a tensor without gaps.
char* end_of(const assay_tensor& tensor) {
  const int64_t count = tensor.dims[0] * tensor.dims[1] * tensor.dims[2];
  return static_cast<char*>(tensor.data) + count * honest::element_bytes(tensor);
}

[[maybe_unused]] size_t prepared_bytes(const assay_call* call) {
  const assay_tensor b = honest::open(call).b;
  return static_cast<size_t>(end_of(b) - static_cast<char*>(b.data));
}

/// B as it lies.
[[maybe_unused]] int prepare(const assay_call* call, void* prepared, const assay_thread* thread) {
  if (thread->index != 0) return ASSAY_OK;
  std::memcpy(prepared, honest::open(call).b.data, prepared_bytes(call));
  return ASSAY_OK;
}

void write_stray(void* address) { *static_cast<volatile float*>(address) = kStray; }

void spoil(const assay_tensor& tensor) { honest::write(tensor, 0, 0, 0, honest::read(tensor, 0, 0, 0) + 1.0f); }

constexpr bool kSpins = kSin == Sin::writes_after_a_second_of_spinning;
constexpr bool kWritesLate = kSin == Sin::writes_after_return || kSin == Sin::writes_long_after_return ||
                             kSin == Sin::writes_after_a_second || kSin == Sin::writes_late_where_spaced || kSpins;

/// Writes into D so long after the latest return. One thread at a time: one a launch would meet the memory limit.
class LateWriter {
 public:
  void call_returns(const assay_tensor& d) {
    const std::lock_guard<std::mutex> lock(mutex_);
    victim_ = d;
    due_ = Clock::now() + kDelay;
    if (waiting_) return;
    waiting_ = true;
    std::thread([this] { wait_and_write(); }).detach();
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kDelay{kSin == Sin::writes_after_return        ? 20
                                                    : kSin == Sin::writes_late_where_spaced ? 20
                                                    : kSin == Sin::writes_long_after_return ? 200
                                                                                            : 1'000};

  void wait_and_write() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (Clock::now() < due_) {
      const Clock::time_point until = due_;
      lock.unlock();
      if (!kSpins) std::this_thread::sleep_until(until);
      lock.lock();
    }
    honest::write(victim_, 0, 0, 0, kStray);
    waiting_ = false;
  }

  std::mutex mutex_;
  Clock::time_point due_{};
  assay_tensor victim_{};
  bool waiting_ = false;
};

/// Writes D's last element by a thread that waits for nothing but the end of the call, a few µs later.
void finish_later(const honest::Product& p) {
  static std::atomic<int> calls{0};
  static float* last = nullptr;
  static float value = 0;
  static const bool started = [] {
    std::thread([] {
      for (int seen = 0;;) {
        while (calls.load() == seen) std::this_thread::yield();
        seen = calls.load();
        const auto returned = std::chrono::steady_clock::now();
        while (std::chrono::steady_clock::now() - returned < std::chrono::microseconds(4)) {
        }
        *last = value;
      }
    }).detach();
    return true;
  }();
  static_cast<void>(started);
  last = reinterpret_cast<float*>(end_of(p.d)) - 1;
  value = *last;
  std::memset(last, 0xff, sizeof *last);
  calls.fetch_add(1);
}

/// D is right by now; what one thread does here is the whole sin.
void misdeed(const honest::Product& p, const assay_call* call) {
  if constexpr (kSin == Sin::writes_before_output) write_stray(static_cast<char*>(p.d.data) - kStrayBytes);
  if constexpr (kSin == Sin::writes_behind_output) write_stray(end_of(p.d) + kStrayBytes);
  if constexpr (kSin == Sin::writes_into_the_next_row) write_stray(end_of(p.d) + p.n * sizeof(float) - sizeof(float));
  if constexpr (kSin == Sin::writes_into_the_row_before) {  // where neighbours lie, which is not so at first
    static int calls = 0;
    if (++calls > kAlone) write_stray(static_cast<char*>(p.d.data) - p.n * sizeof(float));
  }
  if constexpr (kSin == Sin::writes_just_after_return) finish_later(p);
  if constexpr (kSin == Sin::writes_behind_workspace) {
    write_stray(static_cast<char*>(call->workspace) + call->workspace_bytes + kStrayBytes);
  }
  if constexpr (kSin == Sin::writes_activations) spoil(p.a);
  if constexpr (kSin == Sin::writes_weights) spoil(p.b);
  if constexpr (kSin == Sin::writes_bias) spoil(p.bias);
  if constexpr (kSin == Sin::writes_addend) spoil(p.c);
  if constexpr (kSin == Sin::writes_prepared) spoil(p.b);
  const bool is_spaced = p.a.strides[1] > p.k;
  if (kWritesLate && (is_spaced || kSin != Sin::writes_late_where_spaced)) {
    // Never destroyed: its thread may outlive main.
    static LateWriter& writer = *new LateWriter;
    writer.call_returns(p.d);
  }
}

/// Turns signs, and turns them back.
void use_as_scratch(const assay_tensor& a) {
  for (int64_t i = 0; i < 2 * a.dims[2]; ++i) {
    volatile float& value = static_cast<float*>(a.data)[i % a.dims[2]];
    value = -value;
  }
}

/// More than a vector: what a loop reads that looks ahead.
void look_ahead(const assay_tensor& a) { static_cast<void>(*static_cast<volatile char*>(end_of(a) + 512)); }

int run(const assay_call* call, const assay_thread* thread) {
  honest::Product p = honest::open(call);
  static void* const first_workspace = call->workspace;
  if (kSin == Sin::restores_activations && thread->index == 0) use_as_scratch(p.a);
  if (kSin == Sin::restores_activations) honest::wait_for_all(thread);
  if (kSin == Sin::reads_far_behind_activations) look_ahead(p.a);
  if constexpr (kSin == Sin::writes_prepared) p.b.data = const_cast<void*>(call->prepared);
  const honest::Share part = honest::share(p.outputs(), thread);

  honest::for_outputs(p, part, [&](const honest::Output& at) {
    float value = 0;
    if constexpr (kSin == Sin::past_activations || kSin == Sin::past_weights) {
      value = honest::finish(p, at, sum_past_end(p, at));
    } else {
      value = honest::value_of(p, at);
    }
    if constexpr (kSin == Sin::reads_output) value += 0.0f * honest::read(p.d, at.batch, at.row, at.column);
    if constexpr (kSin == Sin::reads_workspace) value = static_cast<float*>(call->workspace)[at.index] += value;
    if constexpr (kSin == Sin::workspace_remembered) value = static_cast<float*>(first_workspace)[at.index] = value;
    if constexpr (kSin == Sin::takes_nan_in_output_for_not_yet) {
      const float before = honest::read(p.d, at.batch, at.row, at.column);
      value += std::isnan(before) ? 0 : before;
    }
    if constexpr (kSin == Sin::takes_nan_for_not_yet) {
      float& known = static_cast<float*>(call->workspace)[at.index];
      value = known = std::isnan(known) ? value : known;
    }
    honest::write(p, at, value);
  });

  honest::wait_for_all(thread);
  if (thread->index == 0) misdeed(p, call);
  return ASSAY_OK;
}

}  // namespace

MUTANT_ENTRY(run, kUsesWorkspace ? workspace_bytes : nullptr, kPrepares ? prepared_bytes : nullptr,
             kPrepares ? prepare : nullptr)
