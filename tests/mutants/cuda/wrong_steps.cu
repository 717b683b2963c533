// Mutants of the ops beside the product: one has lost a piece of its op, or looks at the wrong one; and the control.
#include "elements.h"

enum class Sin {
  none,
  residual_twice,
  sum_not_written,
  norm_of_the_residual_alone,
  gate_and_up_exchanged,
  overflows_to_nan,
  row_before,
  row_remembered,
  last_of_equal,
  second_best,
  best_remembered,
  sees_one_too_many,
  sees_one_too_few,
  largest_not_taken_off,
  neighbours_keys,
  length_remembered,
  next_row_of_the_cache,
  cache_row_too_much,
  values_not_written,
  position_remembered,
  factors_ignored,
  later_of_equal_first,
  one_value_too_few,
  next_place,
  order_ignored,
  last_row_twice,
  copy_remembered,
  sign_of_zero_lost,
  width_of_first_call,
  root_in_twelve_bits,
  rope_factors_remembered,
  ups_clipped_at_300,
  scores_capped,
  rows_taken_for_dense
};
constexpr Sin kSin = Sin::MUTANT;
__device__ constexpr bool is(Sin sin) { return kSin == sin; }

namespace {
using namespace assay;

__device__ int of_first_call = -1;

/// What the first call of all was given.
__device__ int remembered(int value) {
  const int before = atomicCAS(&of_first_call, -1, value);
  return before < 0 ? value : before;
}

/// This thread's share of `count` pieces.
template <class Function>
__device__ void for_share(int64_t count, Function function) {
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += int64_t(gridDim.x) * blockDim.x)
    function(i);
}

__device__ void norm(const assay_cuda_call& call) {
  const assay_cuda_tensor &a = *find_tensor(call, ASSAY_CUDA_A), &w = *find_tensor(call, ASSAY_CUDA_B),
                          &d = *find_tensor(call, ASSAY_CUDA_D);
  const assay_cuda_tensor *residual = find_tensor(call, ASSAY_CUDA_C), *sum = find_tensor(call, ASSAY_CUDA_D, 1);
  const int n = a.dims[2];
  for_share(int64_t(a.dims[1]) * n, [&](int64_t at) {
    const int64_t row = at / n, column = at % n;
    const auto x = [&](int64_t i) {
      float value = value_at(a, 0, row, i);
      if (residual) value += value_at(*residual, 0, row, i) * (is(Sin::residual_twice) ? 2 : 1);
      return value;
    };
    double squares = 0;
    for (int i = 0; i < n; ++i) {
      const double value = residual && is(Sin::norm_of_the_residual_alone) ? value_at(*residual, 0, row, i) : x(i);
      squares += value * value;
    }
    const int count = is(Sin::width_of_first_call) ? remembered(n) : n;
    double scale = 1 / sqrt(squares / count + double(param(call, ASSAY_CUDA_EPS)));
    if (is(Sin::root_in_twelve_bits)) scale = __uint_as_float(__float_as_uint(float(scale)) & 0xfffff800u);
    put(d, 0, row, column, float(double(x(column)) * scale * double(value_at(w, 0, 0, column))));
    if (residual && !is(Sin::sum_not_written)) put(*sum, 0, row, column, x(column));
  });
}

__device__ void swiglu(const assay_cuda_call& call) {
  const int swapped = is(Sin::gate_and_up_exchanged);
  const assay_cuda_tensor &gate = *find_tensor(call, ASSAY_CUDA_A, swapped), &up = *find_tensor(call, ASSAY_CUDA_A, 1 - swapped),
                          &d = *find_tensor(call, ASSAY_CUDA_D);
  const int n = d.dims[2];
  for_share(int64_t(d.dims[1]) * n, [&](int64_t at) {
    const float g = value_at(gate, 0, at / n, at % n);
    const float sigmoid = is(Sin::overflows_to_nan) ? expf(g) / (1 + expf(g)) : 1 / (1 + expf(-g));
    float u = value_at(up, 0, at / n, at % n);
    if (is(Sin::ups_clipped_at_300)) u = fminf(fmaxf(u, -300.0f), 300.0f);
    put(d, 0, at / n, at % n, g * sigmoid * u);
  });
}

__device__ void embedding(const assay_cuda_call& call) {
  const assay_cuda_tensor &table = *find_tensor(call, ASSAY_CUDA_B), &d = *find_tensor(call, ASSAY_CUDA_D);
  const int n = d.dims[2];
  for_share(int64_t(d.dims[1]) * n, [&](int64_t at) {
    int row = index_at(call, at / n);
    if (is(Sin::row_before)) row = row > 0 ? row - 1 : 0;
    if (is(Sin::row_remembered) && at / n == 0) row = remembered(row);
    put(d, 0, at / n, at % n, value_at(table, 0, row, at % n));
  });
}

__device__ void argmax(const assay_cuda_call& call) {
  const assay_cuda_tensor &a = *find_tensor(call, ASSAY_CUDA_A), &d = *find_tensor(call, ASSAY_CUDA_D);
  for_share(a.dims[1], [&](int64_t row) {
    int best = 0, second = 0;
    for (int i = 1; i < a.dims[2]; ++i) {
      const float value = value_at(a, 0, row, i), largest = value_at(a, 0, row, best);
      if (value > largest || (is(Sin::last_of_equal) && value == largest)) second = best, best = i;
    }
    if (is(Sin::second_best)) best = second;
    if (is(Sin::best_remembered) && row == 0) best = remembered(best);
    static_cast<int32_t*>(d.data)[row * d.strides[1]] = best;
  });
}

/// The k largest, each by a look at the whole row.
__device__ void top_k(const assay_cuda_call& call) {
  const assay_cuda_tensor &a = *find_tensor(call, ASSAY_CUDA_A), &d = *find_tensor(call, ASSAY_CUDA_D), &places = *find_tensor(call, ASSAY_CUDA_D, 1);
  const int k = d.dims[2] - (is(Sin::one_value_too_few) && d.dims[2] > 1 ? 1 : 0);
  for_share(a.dims[1], [&](int64_t row) {
    int last = -1;
    for (int i = 0; i < d.dims[2]; ++i) {
      int best = -1;
      const auto is_before = [&](int one, int other) {
        const float x = value_at(a, 0, row, one), y = value_at(a, 0, row, other);
        return x > y || (x == y && (is(Sin::later_of_equal_first) ? one > other : one < other));
      };
      for (int at = 0; at < a.dims[2]; ++at)
        if ((last < 0 || is_before(last, at)) && (best < 0 || is_before(at, best))) best = at;
      if (i >= k) best = last;  // the last one again
      last = best;
      put(d, 0, row, i, value_at(a, 0, row, best));
      static_cast<int32_t*>(places.data)[row * places.strides[1] + i] = is(Sin::next_place) ? (best + 1) % a.dims[2] : best;
    }
  });
}

__device__ float first_copied = 0;

__device__ void copy(const assay_cuda_call& call) {
  assay_cuda_tensor a = *find_tensor(call, ASSAY_CUDA_A);
  const assay_cuda_tensor& d = *find_tensor(call, ASSAY_CUDA_D);
  const int64_t m = d.dims[1], n = d.dims[2];
  if (is(Sin::order_ignored)) a.strides[2] = 1, a.strides[1] = n, a.strides[0] = m * n;
  for_share(d.dims[0] * m * n, [&](int64_t at) {
    int64_t row = at / n % m;
    if (is(Sin::last_row_twice) && row == m - 1 && m > 1) --row;
    float value = value_at(a, at / n / m / (d.dims[0] / a.dims[0]), row, at % n);
    if (is(Sin::copy_remembered) && at == 0) {
      if (first_copied == 0) first_copied = value;
      value = first_copied;
    }
    if (is(Sin::sign_of_zero_lost) && value == 0) value = 0;
    put(d, at / n / m, at / n % m, at % n, value);
  });
}

__device__ void attention(const assay_cuda_call& call) {
  const assay_cuda_tensor &q = *find_tensor(call, ASSAY_CUDA_A), &d = *find_tensor(call, ASSAY_CUDA_D),
                          &keys = *find_tensor(call, ASSAY_CUDA_CACHE, 0), &values = *find_tensor(call, ASSAY_CUDA_CACHE, 1);
  const int size = keys.dims[2], columns = q.dims[2], group = columns / size / keys.dims[0];
  const double scale = double(param(call, ASSAY_CUDA_SCALE));
  for_share(int64_t(q.dims[1]) * columns, [&](int64_t at) {
    const int64_t row = at / columns, head = at % columns / size, kv = head / group;
    const int64_t of_keys = is(Sin::neighbours_keys) ? (kv + 1) % keys.dims[0] : kv;
    int position = index_at(call, 0);
    if (is(Sin::length_remembered)) position = remembered(position);
    int64_t count = position + row + 1;
    if (is(Sin::sees_one_too_many) && count < keys.dims[1]) ++count;
    if (is(Sin::sees_one_too_few) && count > 1) --count;
    const auto score = [&](int64_t j) {
      double sum = 0;
      for (int i = 0; i < size; ++i) sum += double(value_at(q, 0, row, head * size + i)) * double(value_at(keys, of_keys, j, i));
      return is(Sin::scores_capped) ? fmin(sum * scale, 10000.0) : sum * scale;
    };
    double largest = score(0), sum = 0, weighed = 0;
    for (int64_t j = 1; j < count; ++j) largest = fmax(largest, score(j));
    for (int64_t j = 0; j < count; ++j) {
      const double weight = is(Sin::largest_not_taken_off) ? double(expf(float(score(j)))) : exp(score(j) - largest);
      sum += weight;
      weighed += weight * double(value_at(values, kv, j, at % size));
    }
    put(d, 0, row, at % columns, float(weighed / sum));
  });
}

constexpr int kMostFactors = 256;
__device__ float factors_of_first[kMostFactors];

/// Factor j as the first call had it; none is 0.
__device__ float first_factor(int j, float factor) {
  const float before = factors_of_first[j];
  if (before != 0) return before;
  return factors_of_first[j] = factor;
}

__device__ void rope(const assay_cuda_call& call) {
  const assay_cuda_tensor &d = *find_tensor(call, ASSAY_CUDA_D), &keys = *find_tensor(call, ASSAY_CUDA_CACHE, 0);
  const assay_cuda_tensor* factors = find_tensor(call, ASSAY_CUDA_FACTORS);
  const int size = keys.dims[2], kv_heads = keys.dims[0], heads = d.dims[2] / size, all = heads + 2 * kv_heads;
  const int dimensions = int(param(call, ASSAY_CUDA_ROPE_DIMENSIONS));
  const bool pairs = param(call, ASSAY_CUDA_ROPE_STYLE) != 0;
  const int given = index_at(call, 0), position = is(Sin::position_remembered) ? remembered(given) : given;
  for_share(int64_t(d.dims[1]) * all * size, [&](int64_t at) {
    const int64_t row = at / size / all;
    const int head = int(at / size % all), i = int(at % size), half = dimensions / 2;
    const int part = head < heads ? 0 : head < heads + kv_heads ? 1 : 2, own = head - (part > 0 ? heads : 0) - (part > 1 ? kv_heads : 0);
    const assay_cuda_tensor& in = *find_tensor(call, ASSAY_CUDA_A, part);
    const auto x = [&](int j) { return double(value_at(in, 0, row, int64_t(own) * size + j)); };
    double value = x(i);
    if (part < 2 && i < dimensions) {
      const int j = pairs ? i / 2 : i % half;
      const bool is_second = pairs ? i % 2 == 1 : i >= half;
      double angle = double(position + row) * pow(double(param(call, ASSAY_CUDA_ROPE_BASE)), -2.0 * j / dimensions);
      if (factors && !is(Sin::factors_ignored)) {
        const float factor = value_at(*factors, 0, 0, j);
        angle /= double(is(Sin::rope_factors_remembered) ? first_factor(j, factor) : factor);
      }
      const double other = x(pairs ? (is_second ? i - 1 : i + 1) : (is_second ? i - half : i + half));
      value = value * cos(angle) + (is_second ? other : -other) * sin(angle);
    }
    if (part == 0) return put(d, 0, row, int64_t(own) * size + i, float(value));
    if (part == 2 && is(Sin::values_not_written)) return;
    int64_t to = given + row;
    if (is(Sin::next_row_of_the_cache)) to = (to + 1) % keys.dims[1];
    const assay_cuda_tensor& cache = *find_tensor(call, ASSAY_CUDA_CACHE, part - 1);
    put(cache, own, to, i, float(value));
    if (is(Sin::cache_row_too_much) && row + 1 == d.dims[1] && to + 1 < keys.dims[1]) put(cache, own, to + 1, i, float(value));
  });
}

/// As if rows and batches followed each other without gaps.
__device__ assay_cuda_call made_dense(assay_cuda_call call) {
  for (assay_cuda_tensor& t : call.tensors)
    if (t.strides[2] == 1) t.strides[1] = t.dims[2], t.strides[0] = int64_t(t.dims[1]) * t.dims[2];
  return call;
}

__device__ void compute(const assay_cuda_call& call) {
  if (call.op == ASSAY_CUDA_RMS_NORM) norm(call);
  if (call.op == ASSAY_CUDA_SWIGLU) swiglu(call);
  if (call.op == ASSAY_CUDA_EMBEDDING) embedding(call);
  if (call.op == ASSAY_CUDA_ARGMAX) argmax(call);
  if (call.op == ASSAY_CUDA_TOP_K) top_k(call);
  if (call.op == ASSAY_CUDA_COPY) copy(call);
  if (call.op == ASSAY_CUDA_ATTENTION) attention(call);
  if (call.op == ASSAY_CUDA_ROPE) rope(call);
}

}  // namespace

ASSAY_RUN {
  if constexpr (kSin == Sin::rows_taken_for_dense)
    compute(made_dense(call));
  else
    compute(call);
}
