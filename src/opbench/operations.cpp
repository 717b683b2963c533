// What each operation means, and how a row's name becomes operands.
#include "opbench/operations.h"

#include <charconv>
#include <string_view>

#include "base/error.h"
#include "base/suggest.h"
#include "opbench/row_builder.h"

namespace assay {
namespace {

const char kExact[] = "exact: not a bit may differ";
const char kElement[] = "8 u |y|, u = 2^-24; SeLU below 0: 8 u 1.76; Softplus: 32 u max(|y|, 1)";
const char kProduct[] = "2 sqrt(k) u sum |a b| + u |y|; large rows by projections on drawn signs and drawn elements";

const std::vector<OperationMeaning> kMeanings = {
    {Operation::argmax, "Argmax", "index (i64) of the largest along axis; of equal ones any", "exact"},
    {Operation::bce, "BCE",
     "mean over all elements of -(t ln p + (1-t) ln(1-p)); p are probabilities, no logits; a logarithm below -100 is "
     "-100",
     "4 sqrt(n) u mean |term|"},
    {Operation::concat, "Concat", "the second input behind the first along axis", kExact},
    {Operation::conv1d, "Conv1d",
     "x [N, L, C] and w [O, K, C]: y[n, l, o] = sum over k, c of x[n, l+k, c] w[o, k, c]; stride 1, no padding, no "
     "bias",
     kProduct},
    {Operation::conv2d, "Conv2d",
     "x [N, H, W, C] and w [O, K, L, C]: y[n, h, v, o] = sum over k, l, c of x[n, h+k, v+l, c] w[o, k, l, c]; stride "
     "1, no padding, no bias",
     kProduct},
    {Operation::gather, "Gather", "y[i, :] = x[index[i], :]; index is i64, in range, with duplicates", kExact},
    {Operation::leaky_relu, "LeakyReLU", "x above 0, else 0.01 x", kElement},
    {Operation::linear, "Linear", "x [.., M, K] times w [K, N] plus b [N]", kProduct},
    {Operation::matmul, "MatMul", "a [.., M, K] times b [.., K, N], or one b [K, N] for all", kProduct},
    {Operation::prelu, "PReLU", "x above 0, else w x; one w for all", kElement},
    {Operation::relu, "ReLU", "x above 0, else 0", kExact},
    {Operation::scatter, "Scatter",
     "y = x, then y[index[i], :] = v[i, :] for i = 0, 1, ..: of duplicates the last one stays", kExact},
    {Operation::scatter_sum, "ScatterSum", "y = x, then y[index[i], :] += v[i, :] for all i, duplicates included",
     "4 sqrt(n) u (|x| + sum |v|), n = rows added"},
    {Operation::scatter_max, "ScatterMax", "y = x, then y[index[i], :] = max(y[index[i], :], v[i, :]) for all i",
     kExact},
    {Operation::selu, "SeLU", "1.0507 x above 0, else 1.0507 * 1.67326 (e^x - 1)", kElement},
    {Operation::sigmoid, "Sigmoid", "1 / (1 + e^-x)", kElement},
    {Operation::softmax, "Softmax", "e^(x - max) / sum of these, along the last axis",
     "(24 + 4 sqrt(n) + 2 (max - x)) u y"},
    {Operation::softplus, "Softplus", "ln(1 + e^x)", kElement},
    {Operation::sort, "Sort", "values along axis in ascending order; no indices are asked for", kExact},
    {Operation::sum, "Sum", "the sum along axis, which goes", "4 sqrt(n) u sum |x|"},
    {Operation::sum_all, "SumAll", "the sum of all elements", "sqrt(n) u sum |x|"},
    {Operation::layer_norm, "LayerNorm", "(x - mean) / sqrt(variance + 1e-5) w + b along the last axis",
     "(24 + 4 sqrt(n)) u (|y - b| + |w mean / sigma| + |b|)"},
    {Operation::attention, "Attention", "softmax(q k^T / sqrt(D)) v of q, k, v [B, H, L, D]; no mask",
     "(64 + 4 sqrt(L)) u sum of p |v|"},
};

const char* const kSeedRows[] = {
    "Argmax / dim=64x1024x128 axi=0",
    "Argmax / dim=64x1024x128 axi=1",
    "Argmax / dim=64x1024x128 axi=2",
    "Argmax / dim=64x128x1024 axi=2",
    "BCE / dim=1000000 dim=1000000",
    "BCE / dim=100000x32 dim=100000x32",
    "BCE / dim=100000x64x2 dim=100000x64x2",
    "BCE / dim=128x100000 dim=128x100000",
    "Concat / dim=1000000x64 dim=1000000x32 axi=1",
    "Concat / dim=1000000x64 dim=1000000x128 axi=1",
    "Concat / dim=1000000x64 dim=1000000x64 axi=0",
    "Concat / dim=64x1000000 dim=64x1000000 axi=0",
    "Conv1d / dim=100x256x3 dim=8x3x3",
    "Conv1d / dim=100x256x256 dim=8x3x256",
    "Conv1d / dim=16x1000x80 dim=128x11x80",
    "Conv1d / dim=16x1000x3 dim=128x11x3",
    "Conv2d / dim=100x256x256x3 dim=8x3x3x3",
    "Conv2d / dim=10x256x256x12 dim=8x3x3x12",
    "Conv2d / dim=1x256x256x128 dim=8x3x3x128",
    "Conv2d / dim=100x28x28x3 dim=8x3x3x3",
    "Conv2d / dim=1000x28x28x3 dim=8x3x3x3",
    "Gather / dim=64x256 dim=10",
    "Gather / dim=64x256 dim=1000",
    "Gather / dim=64x256 dim=1000000",
    "Gather / dim=1024x32 dim=10",
    "Gather / dim=1024x32 dim=1000",
    "Gather / dim=1024x32 dim=1000000",
    "LeakyReLU / dim=128x16x1024",
    "LeakyReLU / dim=64x128x1024",
    "Linear / dim=100x1024x32 dim=32x1024 dim=1024",
    "Linear / dim=100x1024x64 dim=64x1024 dim=1024",
    "Linear / dim=100x1024x256 dim=256x1024 dim=1024",
    "Linear / dim=100x1024x512 dim=512x1024 dim=1024",
    "Linear / dim=100x1x51200 dim=51200x1 dim=1",
    "MatMul / dim=32x1x1000 dim=32x1000x128",
    "MatMul / dim=1000x64x256 dim=256x32",
    "MatMul / dim=1000x64x1024 dim=1000x1024x32",
    "MatMul / dim=1000x1024x64 dim=1000x64x256",
    "MatMul / dim=64x1000000 dim=1000000x32",
    "MatMul / dim=1000000x64 dim=64x1024",
    "PReLU / dim=128x16x1024 dim=1",
    "PReLU / dim=64x128x1024 dim=1",
    "ReLU / dim=128x16x1024",
    "ReLU / dim=64x128x1024",
    "Scatter / dim=64x16 dim=10",
    "Scatter / dim=64x16 dim=1000",
    "Scatter / dim=64x16 dim=1000000",
    "Scatter / dim=1024x32 dim=10",
    "Scatter / dim=1024x32 dim=1000",
    "Scatter / dim=1024x32 dim=1000000",
    "ScatterSum / dim=64x16 dim=10",
    "ScatterSum / dim=64x16 dim=1000",
    "ScatterSum / dim=64x16 dim=1000000",
    "ScatterSum / dim=1024x32 dim=10",
    "ScatterSum / dim=1024x32 dim=1000",
    "ScatterSum / dim=1024x32 dim=1000000",
    "ScatterMax / dim=64x16 dim=10",
    "ScatterMax / dim=64x16 dim=1000",
    "ScatterMax / dim=64x16 dim=1000000",
    "ScatterMax / dim=1024x32 dim=10",
    "ScatterMax / dim=1024x32 dim=1000",
    "ScatterMax / dim=1024x32 dim=1000000",
    "SeLU / dim=128x16x1024",
    "SeLU / dim=64x128x1024",
    "Sigmoid / dim=128x16x1024",
    "Sigmoid / dim=64x128x1024",
    "Softmax / dim=64x1000000 axi=-1",
    "Softmax / dim=1000000x64 axi=-1",
    "Softmax / dim=64x16x32x1024 axi=-1",
    "Softmax / dim=128x16x32x1024 axi=-1",
    "Softmax / dim=1024x16x32x128 axi=-1",
    "Softmax / dim=1024x64x32x8 axi=-1",
    "Softplus / dim=128x16x1024",
    "Softplus / dim=64x128x1024",
    "Sort / dim=64x128x1024 axi=0",
    "Sort / dim=64x128x1024 axi=1",
    "Sort / dim=64x128x1024 axi=2",
    "Sum / dim=64x128x128x128 axi=0",
    "Sum / dim=64x128x128x128 axi=1",
    "Sum / dim=64x128x128x128 axi=2",
    "Sum / dim=64x128x128x128 axi=3",
    "SumAll / dim=64x128x128x128",
    "SumAll / dim=1000000",
    "SumAll / dim=1000000x128",
    "SumAll / dim=128x1000000",
};
const char* const kFurtherRows[] = {
    "LayerNorm / dim=128x16x1024 axi=-1",
    "LayerNorm / dim=64x128x1024 axi=-1",
    "Attention / dim=1x8x1024x64 dim=1x8x1024x64 dim=1x8x1024x64",
    "Attention / dim=8x8x128x64 dim=8x8x128x64 dim=8x8x128x64",
};

constexpr int64_t kMostElements = int64_t(1) << 36;

int64_t number(std::string_view text, const std::string& name) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) fail("{}: '{}' is no whole number", name, text);
  return value;
}

Dims parse_dims(std::string_view text, const std::string& name) {
  Dims dims;
  int64_t elements = 1;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('x', begin), text.size());
    const int64_t size = number(text.substr(begin, end - begin), name);
    if (size < 1 || size > kMostElements / elements) fail("{}: dim={} has no or too many elements", name, text);
    elements *= size;
    dims.push_back(size);
    begin = end + 1;
  }
  if (dims.size() > 4) fail("{}: dim={} has more than 4 dimensions", name, text);
  return dims;
}

RowWords parse_words(const std::string& name) {
  RowWords words;
  const size_t slash = name.find(" / ");
  if (slash == std::string::npos) fail("{}: no row; one reads \"Softmax / dim=64x1000000 axi=-1\"", name);
  words.group = name.substr(0, slash);
  for (size_t begin = slash + 3; begin < name.size();) {
    const size_t end = std::min(name.find(' ', begin), name.size());
    const std::string_view word = std::string_view(name).substr(begin, end - begin);
    if (word.starts_with("dim="))
      words.dims.push_back(parse_dims(word.substr(4), name));
    else if (word.starts_with("axi=") && words.axis)
      fail("{}: axi= stands there twice", name);
    else if (word.starts_with("axi="))
      words.axis = number(word.substr(4), name);
    else if (!word.empty())
      fail("{}: '{}' is neither dim=AxB.. nor axi=N", name, word);
    begin = end + 1;
  }
  return words;
}

}  // namespace

const std::vector<OperationMeaning>& operation_meanings() { return kMeanings; }

const OperationMeaning& meaning_of(Operation operation) {
  for (const OperationMeaning& meaning : kMeanings)
    if (meaning.operation == operation) return meaning;
  check_failed("an operation without a meaning", __FILE__, __LINE__);
}

OperationRow parse_operation_row(const std::string& name) {
  const RowWords words = parse_words(name);
  OperationRow row;
  row.name = name;
  row.group = words.group;
  row.of_seed = false;
  std::vector<std::string> known;
  const OperationMeaning* found = nullptr;
  for (const OperationMeaning& meaning : kMeanings) {
    known.push_back(meaning.name);
    if (words.group == meaning.name) found = &meaning;
  }
  if (!found) fail("{}: no operation is named {}{}", name, words.group, did_you_mean(words.group, known));
  row.operation = found->operation;
  build_row(row, words);
  return row;
}

const std::vector<OperationRow>& operation_rows() {
  static const std::vector<OperationRow> rows = [] {
    std::vector<OperationRow> all;
    for (const char* name : kSeedRows) {
      all.push_back(parse_operation_row(name));
      all.back().of_seed = true;
    }
    for (const char* name : kFurtherRows) all.push_back(parse_operation_row(name));
    return all;
  }();
  return rows;
}

}  // namespace assay
