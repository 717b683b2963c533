// Mutants of ops on rows of f32 (swiglu, embedding, argmax): by one thread, with one thing wrong.
#include <utility>

#include "honest.h"

namespace {

enum class Sin {
  none,
  gate_and_up_exchanged,
  overflows_to_nan,
  up_left_out,
  swiglu_remembered,
  row_before,
  first_row_always,
  row_remembered,
  last_eight_left_out,
  last_of_equal,
  second_best,
  wide_rows_cut,
  best_remembered
};
constexpr Sin kSin = Sin::MUTANT;

const float* row_of(const assay_tensor& t, int64_t row) {
  return static_cast<const float*>(t.data) + row * t.strides[1];
}
float* row_of_output(const assay_tensor& t, int64_t row) { return static_cast<float*>(t.data) + row * t.strides[1]; }

void swiglu(const assay_call* call) {
  static float first = 0;
  const assay_tensor &a = *honest::find(call, ASSAY_A, 0), &b = *honest::find(call, ASSAY_A, 1),
                     &d = *honest::find(call, ASSAY_D);
  for (int64_t row = 0; row < d.dims[1]; ++row)
    for (int64_t i = 0; i < d.dims[2]; ++i) {
      double gate = double(row_of(a, row)[i]), up = double(row_of(b, row)[i]);
      if (kSin == Sin::gate_and_up_exchanged) std::swap(gate, up);
      if (kSin == Sin::up_left_out) up = 1;
      double value = gate / (1 + std::exp(-gate)) * up;
      if (kSin == Sin::overflows_to_nan) {  // e^gate over itself plus one: infinity over infinity
        const float power = std::exp(float(gate));
        value = gate * double(power / (power + 1)) * up;
      }
      if (kSin == Sin::swiglu_remembered && i == 0 && row == 0)
        value = double(first = first == 0 ? float(value) : first);
      row_of_output(d, row)[i] = float(value);
    }
}

void embedding(const assay_call* call) {
  static int32_t remembered = -1;
  const assay_tensor &table = *honest::find(call, ASSAY_B), &d = *honest::find(call, ASSAY_D);
  const auto* numbers = static_cast<const int32_t*>(honest::find(call, ASSAY_INDEX)->data);
  for (int64_t row = 0; row < d.dims[1]; ++row) {
    int32_t number = numbers[row];
    if (kSin == Sin::row_before && number > 0) --number;
    if (kSin == Sin::first_row_always) number = 0;
    if (kSin == Sin::row_remembered) number = remembered = remembered < 0 ? number : remembered;
    const int64_t count = kSin == Sin::last_eight_left_out ? d.dims[2] - 8 : d.dims[2];
    for (int64_t i = 0; i < count; ++i) row_of_output(d, row)[i] = row_of(table, number)[i];
  }
}

void argmax(const assay_call* call) {
  static int32_t remembered = -1;
  const assay_tensor &a = *honest::find(call, ASSAY_A), &d = *honest::find(call, ASSAY_D);
  for (int64_t row = 0; row < d.dims[1]; ++row) {
    const float* const values = row_of(a, row);
    const int64_t count = kSin == Sin::wide_rows_cut && a.dims[2] > 256 ? 256 : a.dims[2];
    int32_t best = 0, second = count > 1 ? 1 : 0;
    for (int32_t i = 1; i < count; ++i) {
      const bool is_better = kSin == Sin::last_of_equal ? values[i] >= values[best] : values[i] > values[best];
      if (is_better) second = best, best = i;
    }
    if (kSin == Sin::best_remembered) best = remembered = remembered < 0 ? best : remembered;
    static_cast<int32_t*>(d.data)[row * d.strides[1]] = kSin == Sin::second_best ? second : best;
  }
}

int run(const assay_call* call, const assay_thread* thread) {
  if (thread->index != 0) return ASSAY_OK;
  if (call->op == ASSAY_SWIGLU) swiglu(call);
  if (call->op == ASSAY_EMBEDDING) embedding(call);
  if (call->op == ASSAY_ARGMAX) argmax(call);
  return ASSAY_OK;
}

}  // namespace

MUTANT_ENTRY(run, nullptr, nullptr, nullptr)
