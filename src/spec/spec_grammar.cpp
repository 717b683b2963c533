// The grammar of a spec line: which fields an op has, what they may say, and which combinations are refused.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/suggest.h"
#include "spec/spec.h"

namespace assay {
namespace {
constexpr int64_t kMostBytes = int64_t(1) << 47;  // of one operand: what an x86-64 process can address

/// The op's name decides what a line must say; silence elsewhere means alpha = 1, beta = 0, no bias, no loader.
struct OpGrammar {
  std::string_view name;
  bool needs_alpha_beta, needs_bias;
};
constexpr OpGrammar kOps[] = {
    {"matmul", false, false},           {"matmul_cache", false, false},
    {"matmul_alpha_beta", true, false}, {"matmul_alpha_beta_cache", true, false},
    {"matmul_bias_add", false, true},   {"matmul_bias_add_cache", false, true},
};

struct FieldGrammar {
  std::string_view name, says;
};
constexpr std::string_view kSize = "a whole number of at least 1", kFlag = "0 or 1 (false or true)",
                           kFactor = "a finite number";
constexpr std::string_view kActivationType = "f32, f16 or bf16", kWeightType = "f32, f16, bf16 or q8_0";
constexpr FieldGrammar kFields[] = {
    {"op", "matmul, matmul_alpha_beta or matmul_bias_add, each also with _cache"},
    {"batch", kSize},
    {"m", kSize},
    {"n", kSize},
    {"k", kSize},
    {"tA", kFlag},
    {"tB", kFlag},
    {"dtA", kActivationType},
    {"dtB", kWeightType},
    {"dtD", kActivationType},
    {"alpha", kFactor},
    {"beta", kFactor},
    {"bias", kFlag},
    {"loader", "none, dense or q8nk_split"},
    {"accumulate", kFlag},
    {"cache", kFlag},
    {"strided_batch", kFlag},
    {"nq", kSize},
    {"nk", kSize},
    {"nv", kSize},
};
constexpr size_t kFieldsOfEveryOp = 10;  // op to dtD

std::string_view what_it_says(std::string_view field) {
  for (const FieldGrammar& known : kFields)
    if (known.name == field) return known.says;
  return kSize;
}

const std::string* find_field(const SpecFields& fields, std::string_view key) {
  for (const auto& field : fields)
    if (field.first == key) return &field.second;
  return nullptr;
}

bool is_projection(std::string_view key) { return key == "nq" || key == "nk" || key == "nv"; }

bool is_numbered_segment(std::string_view key) {
  return key.size() > 1 && key[0] == 'n' && (key.size() == 2 || key[1] != '0') &&
         std::all_of(key.begin() + 1, key.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_fused(const SpecFields& fields) {
  return std::any_of(fields.begin(), fields.end(),
                     [](const auto& field) { return is_projection(field.first) || is_numbered_segment(field.first); });
}

/// Values of one line, each read under the grammar or refused by name.
class FieldReader {
 public:
  FieldReader(const SpecFields& fields, const std::string& where) : fields_(fields), where_(where) {}

  bool has(std::string_view key) const { return find_field(fields_, key) != nullptr; }
  bool open(std::string_view key) const { return text(key) == "?"; }

  const std::string& text(std::string_view key) const {
    const std::string* value = find_field(fields_, key);
    ASSAY_CHECK(value);
    return *value;
  }

  int64_t size(std::string_view key) const {
    int64_t value = 0;
    const std::string& digits = text(key);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error == std::errc::result_out_of_range) refuse(key, "the number is too large");
    if (error != std::errc() || end != digits.data() + digits.size() || value < 1) refuse(key);
    return value;
  }

  bool flag(std::string_view key, bool otherwise = false) const {
    if (!has(key)) return otherwise;
    const std::string& value = text(key);
    if (value != "0" && value != "1" && value != "false" && value != "true") refuse(key);
    return value == "1" || value == "true";
  }

  double factor(std::string_view key, double otherwise) const {
    if (!has(key)) return otherwise;
    double value = 0;
    const std::string& digits = text(key);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size() || !std::isfinite(value)) refuse(key);
    return value + 0.0;  // -0 and 0 are the same maths
  }

  Dtype dtype(std::string_view key) const {
    const auto type = parse_dtype(text(key));
    if (!type || (*type == Dtype::q8_0 && key != "dtB")) refuse(key);
    return *type;
  }

  [[noreturn]] void refuse(std::string_view key) const { refuse(key, fmt::format("it must be {}", what_it_says(key))); }
  [[noreturn]] void refuse(std::string_view key, const std::string& why) const {
    fail("{}: field {}={}: {}", where_, key, text(key), why);
  }

 private:
  const SpecFields& fields_;
  const std::string& where_;
};

void refuse_unknown_fields(const SpecFields& fields, const std::string& where) {
  for (const auto& [key, value] : fields) {
    const auto& known = spec_field_names();
    if (!is_numbered_segment(key) && std::find(known.begin(), known.end(), key) == known.end())
      fail("{}: field {}={} is unknown{}", where, key, value, did_you_mean(key, known));
  }
}

void refuse_missing_fields(const SpecFields& fields, const std::string& where) {
  const auto missing = missing_fields(fields);
  if (missing.empty()) return;
  const std::string& key = missing.front();
  if (find_field(fields, key))
    fail("{}: field {}=?: only a fused spec (n0, n1, … or nq, nk, nv) may leave it open; write {}", where, key,
         what_it_says(key));
  fail("{}: field {} is missing; add {}=VALUE, {}", where, key, key, what_it_says(key));
}

std::string read_op(const FieldReader& line) {
  const std::string& name = line.text("op");
  std::vector<std::string> names;
  for (const OpGrammar& op : kOps) {
    if (op.name == name) return name;
    names.emplace_back(op.name);
  }
  line.refuse("op", fmt::format("it must be {}{}", what_it_says("op"), did_you_mean(name, names)));
}

std::vector<Segment> read_segments(const SpecFields& fields, const FieldReader& line) {
  const auto projection =
      std::find_if(fields.begin(), fields.end(), [](const auto& f) { return is_projection(f.first); });
  const auto numbered =
      std::find_if(fields.begin(), fields.end(), [](const auto& f) { return is_numbered_segment(f.first); });
  std::vector<std::string> names;
  if (projection != fields.end()) {
    if (numbered != fields.end()) line.refuse(numbered->first, "a fused spec has n0, n1, … or nq, nk, nv, not both");
    names = {"nq", "nk", "nv"};
    for (const std::string& name : names)
      if (!line.has(name)) line.refuse(projection->first, fmt::format("field {} is missing beside it", name));
  } else if (numbered != fields.end()) {
    const auto count =
        std::count_if(fields.begin(), fields.end(), [](const auto& f) { return is_numbered_segment(f.first); });
    for (int64_t i = 0; i < std::max<int64_t>(count, 2); ++i) {
      names.push_back(fmt::format("n{}", i));
      if (!line.has(names.back()))
        line.refuse(numbered->first,
                    fmt::format("field {} is missing: segments are n0, n1, … without a gap", names.back()));
    }
  }
  std::vector<Segment> segments;
  for (const std::string& name : names) segments.push_back({name, line.size(name)});
  return segments;
}

/// n, tA and tB of a fused line: open, or what the segments say anyway.
void read_fused_shape(const FieldReader& line, Spec& spec) {
  for (const Segment& segment : spec.segments)
    if (__builtin_add_overflow(spec.n, segment.n, &spec.n)) line.refuse(segment.name, "the segments' sum is too large");
  if (!line.open("n") && line.size("n") != spec.n)
    line.refuse("n", fmt::format("the segments add up to {}; write n=?", spec.n));
  if (!line.open("tA") && line.flag("tA"))
    line.refuse("tA", "the segments share an A that is not transposed; write tA=?");
  if (!line.open("tB") && !line.flag("tB")) line.refuse("tB", "a fused spec's weights lie n×k; write tB=?");
  spec.tB = true;
}

void refuse_contradictions(const FieldReader& line, const Spec& spec) {
  if (spec.op_name.starts_with("matmul_bias_add") && !spec.bias)
    line.refuse("bias", "op=" + spec.op_name + " adds a bias");
  if (!spec.loader.empty() && spec.loader != "dense" && !spec.split_q8()) line.refuse("loader");
  if (spec.split_q8() && spec.b != Dtype::q8_0) line.refuse("dtB", "loader=q8nk_split reads q8_0");
  if (spec.loader == "dense" && spec.b == Dtype::q8_0) line.refuse("dtB", "loader=dense reads f32, f16 or bf16");
  if (spec.b != Dtype::q8_0) return;
  if (!spec.b_is_nk()) line.refuse("dtB", "q8_0 blocks run along k, so B lies n×k: write tB=1 or loader=q8nk_split");
  if (spec.k % 32 != 0) line.refuse("k", "q8_0 weights need a multiple of 32");
}

/// Afterwards no product of sizes that Spec computes can overflow.
void refuse_oversize(const Spec& spec, const std::string& where) {
  const auto refuse_operand = [&](const char* operand, Dtype type, int64_t rows, int64_t columns) {
    int64_t values = 0;
    const bool overflows = __builtin_mul_overflow(spec.batch, rows, &values) ||
                           __builtin_mul_overflow(values, columns, &values) || values > kMostBytes;
    if (overflows || dtype_bytes(type, values) > kMostBytes)
      fail("{}: fields batch={} m={} n={} k={}: {} would take more than 2^47 bytes", where, spec.batch, spec.m, spec.n,
           spec.k, operand);
  };
  refuse_operand("A", spec.a, spec.m, spec.k);
  refuse_operand("B", spec.b, spec.n, spec.k);
  refuse_operand("D", spec.d, spec.m, spec.n);
  int64_t flops = 2;
  for (const int64_t size : {spec.batch, spec.m, spec.n, spec.k})
    if (__builtin_mul_overflow(flops, size, &flops))
      fail("{}: fields batch={} m={} n={} k={}: more than 2^63 flops", where, spec.batch, spec.m, spec.n, spec.k);
}
}  // namespace

const std::vector<std::string>& spec_field_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> result;
    for (const FieldGrammar& field : kFields) result.emplace_back(field.name);
    return result;
  }();
  return names;
}

std::vector<std::string> missing_fields(const SpecFields& fields) {
  std::vector<std::string> missing;
  const auto need = [&](std::string_view key) {
    const std::string* value = find_field(fields, key);
    const bool may_be_open = key == "n" || key == "tA" || key == "tB";
    if (!value || (*value == "?" && may_be_open && !is_fused(fields))) missing.emplace_back(key);
  };
  for (size_t i = 0; i < kFieldsOfEveryOp; ++i) need(kFields[i].name);
  const std::string* const name = find_field(fields, "op");
  for (const OpGrammar& op : kOps) {
    if (!name || op.name != *name) continue;
    if (op.needs_alpha_beta) need("alpha"), need("beta");
    if (op.needs_bias) need("bias");
  }
  return missing;
}

Spec make_spec(const SpecFields& given, const std::string& where) {
  Spec spec;
  // Through the text, so that fields built by a program print to a line that parses.
  spec.fields = parse_spec_fields(print_spec_fields(given), where);
  refuse_unknown_fields(spec.fields, where);
  refuse_missing_fields(spec.fields, where);
  const FieldReader line(spec.fields, where);

  spec.op = "matmul";
  spec.op_name = read_op(line);
  spec.batch = line.size("batch");
  spec.m = line.size("m");
  spec.k = line.size("k");
  spec.segments = read_segments(spec.fields, line);
  if (spec.segments.empty()) {
    spec.n = line.size("n");
    spec.tA = line.flag("tA");
    spec.tB = line.flag("tB");
  } else {
    read_fused_shape(line, spec);
  }
  spec.a = line.dtype("dtA");
  spec.b = line.dtype("dtB");
  spec.d = line.dtype("dtD");
  if (line.has("loader") && line.text("loader") != "none") spec.loader = line.text("loader");
  spec.alpha = line.factor("alpha", 1);
  spec.beta = line.factor("beta", 0);
  spec.bias = line.flag("bias");
  spec.accumulate = line.flag("accumulate");
  for (const char* note : {"cache", "strided_batch"}) line.flag(note);
  refuse_contradictions(line, spec);
  refuse_oversize(spec, where);
  return spec;
}

}  // namespace assay
