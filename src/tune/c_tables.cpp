// The tables of an export in C.
#include "tune/c_tables.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/joined.h"
#include "spec/op.h"

namespace assay {
namespace {

std::string upper(const std::string& text) {
  std::string result = identifier(text);
  for (char& c : result)
    if (c >= 'a' && c <= 'z') c = char(c - 'a' + 'A');
  return result;
}

std::string c_string(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c == '\n' ? ' ' : c;
  }
  return result + "\"";
}

std::map<uint32_t, std::string> dtype_numbers() {
  std::map<uint32_t, std::string> types{{uint32_t(Dtype::i32), "i32"}};
  for (const DtypeFacts& facts : all_dtypes()) types[uint32_t(facts.dtype)] = std::string(facts.name);
  return types;
}

/// Of all specs, each once, in the order of all_ops().
std::vector<const Op*> ops_of(const std::vector<ExportedSpec>& specs) {
  std::vector<const Op*> ops;
  for (const Op* op : all_ops())
    if (std::any_of(specs.begin(), specs.end(), [&](const ExportedSpec& s) { return s.winner->spec.op == op; }))
      ops.push_back(op);
  return ops;
}

std::vector<std::string> size_names(const std::vector<ExportedSpec>& specs) {
  std::vector<std::string> names;
  for (const Op* op : ops_of(specs))
    for (const OpSize& size : op->sizes)
      if (std::find(names.begin(), names.end(), size.name) == names.end()) names.emplace_back(size.name);
  return names;
}

size_t index_of(const std::vector<std::string>& names, std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  ASSAY_CHECK(found != names.end());
  return size_t(found - names.begin());
}

std::string c_enum(const char* name, const std::map<uint32_t, std::string>& values) {
  std::string text = fmt::format("enum dropin_{} {{ ", name);
  for (const auto& [value, word] : values)
    text += fmt::format("{}DROPIN_{} = {}", value == values.begin()->first ? "" : ", ", upper(word), value);
  return text + " };\n";
}

std::string c_tensors(const std::string& name, const Spec& spec) {
  std::string text = fmt::format("static const dropin_tensor {}[] = {{\n", name);
  for (const Tensor& t : spec.tensors)
    text += fmt::format("    {{NULL, NULL, {}, {}, {}, {}, {}, {{{}}}, {{{}}}, {}, {}}},\n", uint32_t(t.operand),
                        t.segment, uint32_t(t.dtype), uint32_t(t.storage), int(t.by_columns), joined(t.dims, ", "),
                        joined(t.strides, ", "), t.bytes, t.scale_bytes);
  return text + "};\n";
}

std::string c_params(const std::string& name, const Spec& spec) {
  if (spec.params.empty()) return "";
  std::string text = fmt::format("static const dropin_param {}[] = {{", name);
  for (size_t i = 0; i < spec.params.size(); ++i)
    text += fmt::format("{}{{{}, {:.17g}}}", i ? ", " : "", spec.params[i].id, spec.params[i].value);
  return text + "};\n";
}

std::string c_spec(const Spec& spec, const ExportedSpec& of, bool is_measured, const std::string& tensors,
                   const std::string& params, const std::vector<std::string>& sizes) {
  const Winner& w = *of.winner;
  std::vector<int64_t> values;
  for (const std::string& name : sizes) values.push_back(spec.size(name));
  return fmt::format(
      "{{{}, {},\n     {}, {}, {}, {:.3f}, {:.1f}, {{{}}}, {}, {}, {}, {}, {}, &dropin_kernels[{}]}}",
      c_string(spec.line()), c_string(w.variant->id()), c_string(std::string(accuracy_name(w.variant->accuracy))),
      c_string(w.variant->storage), c_string(is_measured ? joined(w.notes, "; ") : "not measured on this shape"),
      is_measured ? w.median_us : 0, is_measured ? w.percent_of_floor : 0, joined(values, ", "), spec.op->id,
      spec.tensors.size(), spec.params.size(), tensors, spec.params.empty() ? "NULL" : params, of.kernel);
}

std::string c_list(std::vector<int64_t> values) {
  values.push_back(0);
  return fmt::format("(const int64_t[]){{{}}}", joined(values, ", "));
}

}  // namespace

std::string c_constants(const std::vector<ExportedSpec>& specs, size_t kernels) {
  std::map<uint32_t, std::string> ops, types, layouts{{0, "strided"}, {1, "blocks"}, {2, "q8_0_split"}};
  std::map<uint32_t, std::string> roles{{0, "A"}, {1, "B"}, {2, "C"}, {3, "D"}, {4, "bias"}};
  for (const Op* op : ops_of(specs)) {
    ops[op->id] = std::string(op->name);
    for (const OpOperand& operand : op->operands) roles.emplace(uint32_t(operand.operand), operand.name);
  }
  for (const auto& [value, name] : dtype_numbers()) types[value] = name;
  for (const ExportedSpec& spec : specs)
    for (const Tensor& t : spec.winner->spec.tensors)
      layouts.emplace(uint32_t(t.storage), fmt::format("{}_layout_{}", dtype_name(t.dtype), uint32_t(t.storage)));
  std::string text = c_enum("op", ops) + c_enum("type", types) + c_enum("role", roles);
  text +=
      "/* STRIDED: elements. BLOCKS: rows of the type's blocks as GGUF lays them out. Q8_0_SPLIT: int8 values at data, "
      "f16 scales\n * at scales, k/32 a row. */\n" +
      c_enum("layout", layouts);
  text += fmt::format("enum {{ DROPIN_KERNEL_COUNT = {} }};\n\n", kernels);
  return text + fmt::format(
                    "/* What a shape is; sizes that an op does not have are 1. Of fused outputs n is the sum. */\n"
                    "typedef struct dropin_sizes {{\n  int64_t {};\n}} dropin_sizes;",
                    joined(size_names(specs), ", "));
}

std::string c_tables(const std::vector<ExportedSpec>& specs, const std::vector<ExportedKernel>& kernels,
                     const std::vector<std::string>& code) {
  const std::vector<std::string> sizes = size_names(specs);
  std::string text;
  for (size_t i = 0; i < kernels.size(); ++i) {
    std::string rules;
    for (const auto& [name, rule] : kernels[i].variant->supports.sizes)
      if (std::find(sizes.begin(), sizes.end(), name) != sizes.end())
        rules += fmt::format("    {{{}, {}, INT64_C({}), {}, {}}},\n", index_of(sizes, name), rule.range.least,
                             rule.range.most, c_list(rule.values), c_list(rule.multiple_of));
    text += fmt::format("static const dropin_rule rules_{}[] = {{\n{}    {{0, 0, INT64_MAX, {}, {}}}}};\n", i, rules,
                        c_list({}), c_list({}));
  }
  text += "\nconst dropin_kernel dropin_kernels[] = {\n";
  for (size_t i = 0; i < kernels.size(); ++i) {
    const Variant& v = *kernels[i].variant;
    text += fmt::format("    {{{}, {}, {}, {}, rules_{}, sizeof rules_{} / sizeof *rules_{}, {}}},\n", c_string(v.id()),
                        int(v.supports.strides), int(v.prepares), int(v.keeps_b), i, i, i, code[i]);
  }
  text += "};\nconst size_t dropin_kernel_count = sizeof dropin_kernels / sizeof *dropin_kernels;\n\n";
  for (size_t i = 0; i < specs.size(); ++i)
    text += c_tensors(fmt::format("tensors_{}", i), specs[i].winner->spec) +
            c_params(fmt::format("params_{}", i), specs[i].winner->spec);
  text += "\nconst dropin_spec dropin_specs[] = {\n";
  for (size_t i = 0; i < specs.size(); ++i)
    text += "    " +
            c_spec(specs[i].winner->spec, specs[i], true, fmt::format("tensors_{}", i), fmt::format("params_{}", i),
                   sizes) +
            ",\n";
  text +=
      "};\nconst size_t dropin_spec_count = sizeof dropin_specs / sizeof *dropin_specs;\n\n"
      "const dropin_size_place dropin_size_places[] = {\n";
  for (const Op* op : ops_of(specs))
    for (const OpSize& size : op->sizes)
      text += fmt::format("    {{{}, {}, {}, {}, {}}}, /* {} */\n", op->id, index_of(sizes, size.name),
                          uint32_t(size.operand), size.dim, int(size.name == "n"), size.name);
  return text + "};\nconst size_t dropin_size_place_count = sizeof dropin_size_places / sizeof *dropin_size_places;\n";
}

std::string c_name_tables(const std::vector<ExportedSpec>& specs) {
  std::string text = "static const char* const size_names[] = {";
  for (const std::string& name : size_names(specs)) text += c_string(name) + ", ";
  text += "NULL};\nstatic const char* const type_names[] = {";
  for (const auto& [value, name] : dtype_numbers()) text += fmt::format("[{}] = {}, ", value, c_string(name));
  text +=
      "};\n\n/* What an entry is named after, in this order. */\n"
      "static const struct {\n  uint32_t op, role;\n  int orders, types;\n} name_parts[] = {\n";
  for (const Op* op : ops_of(specs))
    for (const OpOperand& o : op->operands)
      text += fmt::format("    {{{}, {}, {}, {}}},\n", op->id, uint32_t(o.operand), int(o.orders_entries),
                          int(o.types_entries));
  return text + "};";
}

namespace {

std::string c_points(const char* type, const std::string& name, const std::vector<TestPoint>& points,
                     bool has_element) {
  std::string text = fmt::format("static const {} {}[] = {{\n", type, name);
  for (const TestPoint& p : points)
    text += has_element ? fmt::format("    {{{}, {:.13g}, {:.5g}}},\n", p.element, p.value, p.bound)
                        : fmt::format("    {{{:.13g}, {:.5g}}},\n", p.value, p.bound);
  return text + "};\n";
}

}  // namespace

std::string c_vectors(const std::vector<ExportedVector>& vectors, const std::vector<Pool>& pools,
                      const std::vector<ExportedSpec>& specs) {
  const std::vector<std::string> sizes = size_names(specs);
  std::string text = "#include \"test_vector.h\"\n\n", all = "\nstatic const test_vector vectors[] = {\n";
  for (size_t i = 0; i < pools.size(); ++i) {
    text += fmt::format("static const unsigned char pool_bytes_{}[] = {{", i);
    for (size_t byte = 0; byte < pools[i].bytes.size(); ++byte)
      text += fmt::format("{}{}", byte == 0 ? "\n    " : byte % 32 ? "," : ",\n    ", uint8_t(pools[i].bytes[byte]));
    text += fmt::format("}};\nstatic const test_pool pool_{} = {{pool_bytes_{}, {}, {}}};\n", i, i, pools[i].unit,
                        pools[i].count());
  }
  const auto pool = [](int index) { return index < 0 ? std::string("NULL") : fmt::format("&pool_{}", index); };
  for (size_t i = 0; i < vectors.size(); ++i) {
    const auto& [vector, spec, is_winners, is_measured] = vectors[i];
    std::string reference = fmt::format("&dropin_specs[{}]", spec);
    if (!is_winners) {
      text += c_tensors(fmt::format("odd_tensors_{}", i), vector.spec) +
              c_params(fmt::format("odd_params_{}", i), vector.spec);
      text += fmt::format("static const dropin_spec odd_{} =\n    {};\n", i,
                          c_spec(vector.spec, specs[spec], false, fmt::format("odd_tensors_{}", i),
                                 fmt::format("odd_params_{}", i), sizes));
      reference = fmt::format("&odd_{}", i);
    }
    text += fmt::format("static const test_fill fills_{}[] = {{", i);
    for (size_t operand = 0; operand < vector.fills.size(); ++operand) {
      const Fill& fill = vector.fills[operand];
      text += fmt::format("{{{}, {}, UINT64_C({}), {}}}, ", pool(fill.data), pool(fill.scales), fill.seed,
                          int(vector.spec.tensors[operand].use == Use::output));
    }
    text += fmt::format("}};\nstatic const test_range written_{}[] = {{", i);
    for (const auto& [first, end] : vector.written) text += fmt::format("{{{}, {}}}, ", first, end);
    text += "};\n" + c_points("test_point", fmt::format("points_{}", i), vector.points, true) +
            c_points("test_sum", fmt::format("sums_{}", i), vector.sums, false);
    all += fmt::format("    {{{}, {}, fills_{}, written_{}, {}, points_{}, {}, sums_{}, {}, {}, UINT64_C({})}},\n",
                       reference, int(is_measured), i, i, vector.written.size(), i, vector.points.size(), i,
                       vector.sums.size(), vector.stretch, vector.sum_seed);
  }
  return text + all + "};\n";
}

}  // namespace assay
