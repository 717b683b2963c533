// The matrix product: what a line of it says, its operands, what it costs.
#include "ops/matmul.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/round_up.h"
#include "spec/field_reader.h"

namespace assay {
namespace {

constexpr int64_t kMostBytes = int64_t(1) << 47;  // of one operand: what an x86-64 process can address

/// The op's name decides what a line must say; silence elsewhere means alpha = 1, beta = 0, no bias, no loader.
constexpr OpName kNames[] = {
    {"matmul", ""},
    {"matmul_cache", ""},
    {"matmul_alpha_beta", "alpha beta"},
    {"matmul_alpha_beta_cache", "alpha beta"},
    {"matmul_bias_add", "bias"},
    {"matmul_bias_add_cache", "bias"},
    {"matmul_residual", "residual"},
};

constexpr OpField required(std::string_view name, std::string_view says, bool may_be_open = false) {
  return {name, says, true, may_be_open, false};
}
constexpr OpField segment(std::string_view name) { return {name, kSaysSize, false, false, true}; }

constexpr OpField kFields[] = {
    required("op", "matmul, matmul_alpha_beta or matmul_bias_add, each also with _cache; or matmul_residual"),
    required("batch", kSaysSize),
    required("m", kSaysSize),
    required("n", kSaysSize, true),
    required("k", kSaysSize),
    required("tA", kSaysFlag, true),
    required("tB", kSaysFlag, true),
    required("dtA", kSaysActivationType),
    required("dtB", kSaysWeightType),
    required("dtD", kSaysActivationType),
    {"alpha", kSaysFactor},
    {"beta", kSaysFactor},
    {"bias", kSaysFlag},
    {"residual", kSaysFlag},
    {"loader", "none, dense or q8nk_split"},
    {"accumulate", kSaysFlag},
    {"cache", kSaysFlag},
    {"strided_batch", kSaysFlag},
    segment("nq"),
    segment("nk"),
    segment("nv"),
    segment("n#"),
};

constexpr OpOperand kOperands[] = {
    {Operand::a, Use::varied, "A", true, true},     {Operand::b, Use::weight, "B", true, true},
    {Operand::d, Use::output, "D", true, false},    {Operand::bias, Use::constant, "bias", false, false},
    {Operand::c, Use::constant, "C", false, false},
};

constexpr OpSize kSizes[] = {
    {"batch", Operand::b, 0}, {"m", Operand::a, 1}, {"n", Operand::b, 1}, {"k", Operand::b, 2}};

constexpr OpNumber kNumbers[] = {{"alpha", 1}, {"beta", 0}};

constexpr std::string_view kFeatures[] = {"batch", "segments", "bias", "alpha_beta"};

bool is_projection(std::string_view key) { return key == "nq" || key == "nk" || key == "nv"; }

std::vector<Segment> read_segments(const FieldReader& line) {
  const std::vector<std::string> written = line.segments();
  const auto projection = std::find_if(written.begin(), written.end(), is_projection);
  const auto numbered = std::find_if_not(written.begin(), written.end(), is_projection);
  std::vector<std::string> names;
  if (projection != written.end()) {
    if (numbered != written.end()) line.refuse(*numbered, "a fused spec has n0, n1, … or nq, nk, nv, not both");
    names = {"nq", "nk", "nv"};
    for (const std::string& name : names)
      if (!line.has(name)) line.refuse(*projection, fmt::format("field {} is missing beside it", name));
  } else if (numbered != written.end()) {
    for (int64_t i = 0; i < std::max<int64_t>(std::ssize(written), 2); ++i) {
      names.push_back(fmt::format("n{}", i));
      if (!line.has(names.back()))
        line.refuse(*numbered, fmt::format("field {} is missing: segments are n0, n1, … without a gap", names.back()));
    }
  }
  std::vector<Segment> segments;
  for (const std::string& name : names) segments.push_back({name, line.size(name)});
  return segments;
}

/// n, tA and tB of a fused line: open, or what the segments say anyway.
void read_fused_shape(const FieldReader& line, Matmul& spec) {
  for (const Segment& segment : spec.segments)
    if (__builtin_add_overflow(spec.n, segment.n, &spec.n)) line.refuse(segment.name, "the segments' sum is too large");
  if (!line.open("n") && line.size("n") != spec.n)
    line.refuse("n", fmt::format("the segments add up to {}; write n=?", spec.n));
  if (!line.open("tA") && line.flag("tA"))
    line.refuse("tA", "the segments share an A that is not transposed; write tA=?");
  if (!line.open("tB") && !line.flag("tB")) line.refuse("tB", "a fused spec's weights lie n×k; write tB=?");
  spec.tB = true;
}

void refuse_contradictions(const FieldReader& line, const Matmul& spec) {
  if (line.text("op").starts_with("matmul_bias_add") && !spec.bias)
    line.refuse("bias", "op=" + line.text("op") + " adds a bias");
  if (line.text("op") == "matmul_residual" && !spec.residual)
    line.refuse("residual", "op=matmul_residual adds a residual");
  if (spec.residual && spec.beta != 1) line.refuse("beta", "a residual is C added once, which is beta=1; leave it out");
  if (!spec.loader.empty() && spec.loader != "dense" && !spec.split_q8()) line.refuse("loader");
  if (spec.split_q8() && spec.b != Dtype::q8_0) line.refuse("dtB", "loader=q8nk_split reads q8_0");
  if (spec.loader == "dense" && is_quantized(spec.b)) line.refuse("dtB", "loader=dense reads f32, f16 or bf16");
  if (!is_quantized(spec.b)) return;
  const DtypeFacts& type = dtype_facts(spec.b);
  if (!spec.b_is_nk())
    line.refuse("dtB", fmt::format("{} blocks run along k, so B lies n×k: write tB=1{}", type.name,
                                   spec.b == Dtype::q8_0 ? " or loader=q8nk_split" : ""));
  if (spec.k % type.block_values != 0)
    line.refuse("k", fmt::format("{} weights need a multiple of {}", type.name, type.block_values));
}

/// Afterwards no product of sizes overflows.
void refuse_oversize(const FieldReader& line, const Matmul& spec) {
  const std::string sizes = fmt::format("fields batch={} m={} n={} k={}", spec.batch, spec.m, spec.n, spec.k);
  const auto refuse_operand = [&](const char* operand, Dtype type, int64_t rows, int64_t columns) {
    int64_t values = 0;
    const bool overflows = __builtin_mul_overflow(spec.batch, rows, &values) ||
                           __builtin_mul_overflow(values, columns, &values) || values > kMostBytes;
    if (overflows || dtype_bytes(type, values) > kMostBytes)
      line.refuse_all(fmt::format("{}: {} would take more than 2^47 bytes", sizes, operand));
  };
  refuse_operand("A", spec.a, spec.m, spec.k);
  refuse_operand("B", spec.b, spec.n, spec.k);
  refuse_operand("D", spec.d, spec.m, spec.n);
  int64_t flops = 2;
  for (const int64_t size : {spec.batch, spec.m, spec.n, spec.k})
    if (__builtin_mul_overflow(flops, size, &flops)) line.refuse_all(sizes + ": more than 2^63 flops");
}

Matmul read(const FieldReader& line) {
  Matmul spec;
  spec.batch = line.size("batch");
  spec.m = line.size("m");
  spec.k = line.size("k");
  spec.segments = read_segments(line);
  if (spec.segments.empty()) {
    spec.n = line.size("n");
    spec.tA = line.flag("tA");
    spec.tB = line.flag("tB");
  } else {
    read_fused_shape(line, spec);
  }
  spec.a = line.dtype("dtA");
  spec.b = line.dtype("dtB", /*may_be_quantized=*/true);
  spec.d = line.dtype("dtD");
  if (line.has("loader") && line.text("loader") != "none") spec.loader = line.text("loader");
  spec.alpha = line.factor("alpha", 1);
  spec.residual = line.flag("residual");
  spec.beta = line.factor("beta", spec.residual ? 1 : 0);
  spec.bias = line.flag("bias");
  spec.accumulate = line.flag("accumulate");
  for (const char* note : {"cache", "strided_batch"}) line.flag(note);
  refuse_contradictions(line, spec);
  refuse_oversize(line, spec);
  return spec;
}

std::vector<SpecNeed> needs_of(const Matmul& spec) {
  std::vector<SpecNeed> needs;
  if (spec.batch > 1) needs.push_back({"batch", fmt::format("batch is {}, supports 1", spec.batch)});
  if (!spec.segments.empty())
    needs.push_back({"segments", fmt::format("{} fused outputs, supports one", spec.segments.size())});
  if (spec.bias) needs.push_back({"bias", "has a bias, supports none"});
  if (spec.alpha != 1) needs.push_back({"alpha_beta", fmt::format("alpha is {}, supports 1", spec.alpha)});
  if (spec.residual)
    needs.push_back({"alpha_beta", "adds a residual, supports none"});
  else if (spec.beta != 0)
    needs.push_back({"alpha_beta", fmt::format("beta is {}, supports 0", spec.beta)});
  return needs;
}

SpecFields math_of(const Matmul& spec) {
  SpecFields canonical = {{"op", std::string(kMatmul.name)},
                          {"batch", std::to_string(spec.batch)},
                          {"m", std::to_string(spec.m)},
                          {"n", std::to_string(spec.n)}};
  for (const Segment& segment : spec.segments) canonical.emplace_back(segment.name, std::to_string(segment.n));
  canonical.insert(canonical.end(), {{"k", std::to_string(spec.k)},
                                     {"tA", spec.tA ? "1" : "0"},
                                     {"tB", spec.b_is_nk() ? "1" : "0"},
                                     {"dtA", std::string(dtype_name(spec.a))},
                                     {"dtB", std::string(dtype_name(spec.b))},
                                     {"dtD", std::string(dtype_name(spec.d))},
                                     {"loader", spec.loader.empty() ? "none" : spec.loader},
                                     {"alpha", fmt::format("{}", spec.alpha)},
                                     {"beta", fmt::format("{}", spec.beta)},
                                     {"bias", spec.bias ? "1" : "0"}});
  return canonical;
}

void interpret(const FieldReader& line, Spec& spec) {
  const auto own = std::make_shared<const Matmul>(read(line));
  spec.own = own;
  spec.sizes = {{"batch", own->batch}, {"m", own->m}, {"n", own->n}, {"k", own->k}};
  spec.segments = own->segments;
  spec.layout = {own->tA ? 't' : 'n', own->b_is_nk() ? 't' : 'n'};
  spec.loader = own->loader;
  spec.needs = needs_of(*own);
  spec.params = {{kMatmulAlpha, own->alpha}, {kMatmulBeta, own->beta}};
  spec.flops = 2 * own->batch * own->m * own->n * own->k;
  spec.shape = fmt::format("M:{} N:{} K:{}", own->m, own->n, own->k);
  if (own->batch != 1) spec.shape += fmt::format(" B:{}", own->batch);
  spec.math = math_of(*own);
}

Tensor weights(const Matmul& spec, int64_t n) {
  Tensor t = dense_tensor(Operand::b, spec.b, spec.batch, n, spec.k, !spec.b_is_nk());
  if (!spec.split_q8()) return t;
  t.storage = Storage::q8_0_split;
  t.strides[0] = n * spec.k, t.strides[1] = spec.k;
  t.bytes = spec.batch * n * spec.k;
  t.scale_bytes = spec.batch * n * (spec.k / 32) * 2;
  return t;
}

/// A, then of each segment B, D, bias (if any) and C (always: with beta = 0 it is there to hold NaN).
std::vector<Tensor> tensors(const Spec& of) {
  const Matmul& spec = matmul_of(of);
  std::vector<Tensor> all{dense_tensor(Operand::a, spec.a, spec.batch, spec.m, spec.k, spec.tA)};
  std::vector<Segment> segments = spec.segments;
  if (segments.empty()) segments.push_back({"", spec.n});
  for (uint32_t s = 0; s < segments.size(); ++s) {
    const auto add = [&](Tensor t) {
      t.segment = s;
      all.push_back(t);
    };
    const int64_t n = segments[s].n;
    add(weights(spec, n));
    add(dense_tensor(Operand::d, spec.d, spec.batch, spec.m, n));
    if (spec.bias) add(dense_tensor(Operand::bias, spec.d, 1, 1, n));
    Tensor c = dense_tensor(Operand::c, spec.d, spec.batch, spec.m, n);
    c.is_read = spec.beta != 0;
    add(c);
  }
  return all;
}

}  // namespace

const Op kMatmul = {.name = "matmul",
                    .id = 1,
                    .names = kNames,
                    .fields = kFields,
                    .operands = kOperands,
                    .sizes = kSizes,
                    .features = kFeatures,
                    .is_product = true,
                    .numbers = kNumbers,
                    .interpret = interpret,
                    .tensors = tensors,
                    .specials = 0,
                    .vary = nullptr,
                    .expected = nullptr,
                    .second_opinion = nullptr};

const Matmul& matmul_of(const Spec& spec) {
  ASSAY_CHECK(spec.op == &kMatmul);
  return *static_cast<const Matmul*>(spec.own.get());
}

std::optional<Spec> with_fewer_columns(const Spec& spec, int64_t of) {
  static constexpr int64_t kMostStep = 256, kLeast = 128;
  const auto fewer = [of](int64_t n) {
    return std::min(n, round_up(std::max(n / of, kLeast), std::min(n & -n, kMostStep)));
  };
  int64_t all = 0;
  SpecFields fields = spec.fields;
  for (auto& [name, value] : fields) {
    const auto segment = std::find_if(spec.segments.begin(), spec.segments.end(),
                                      [&name = name](const Segment& s) { return s.name == name; });
    if (segment == spec.segments.end() && name != "n") continue;
    const bool is_sum = name == "n" && !spec.segments.empty();
    const int64_t columns = is_sum ? 0 : fewer(segment == spec.segments.end() ? spec.size("n") : segment->n);
    value = is_sum ? "?" : std::to_string(columns), all += columns;
  }
  if (2 * all > spec.size("n")) return {};
  return make_spec(fields, spec.line());
}

}  // namespace assay
