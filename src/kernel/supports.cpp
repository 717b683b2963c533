// What a kernel family can compute: reading it strictly, and the first rule that a spec breaks.
#include "kernel/supports.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/suggest.h"

namespace assay {
namespace {

const std::vector<std::string> kOps = {"matmul"};
const std::vector<std::string> kLayouts = {"nn", "nt", "tn", "tt"};
const std::vector<std::string> kLoaders = {"none", "dense", "q8nk_split"};

template <typename T>
bool contains(const std::vector<T>& list, const T& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

std::vector<std::string> read_names(const JsonReader& json, const std::vector<std::string>& known) {
  std::vector<std::string> names;
  for (const JsonReader& item : json.items()) {
    const std::string name = item.string();
    if (name.empty()) item.error("expected a name");
    if (!known.empty() && !contains(known, name))
      item.error(fmt::format("unknown \"{}\"{}; known: {}", name, did_you_mean(name, known), fmt::join(known, " ")));
    if (contains(names, name)) item.error(fmt::format("\"{}\" stands twice", name));
    names.push_back(name);
  }
  return names;
}

std::vector<Dtype> read_dtypes(const JsonReader& json) {
  std::vector<Dtype> dtypes;
  for (const std::string& name : read_names(json, dtype_names())) dtypes.push_back(*parse_dtype(name));
  return dtypes;
}

Range read_range(const JsonReader& json) {
  json.only_keys({"min", "max"});
  Range range;
  if (json.has("min")) range.least = json.at("min").integer();
  if (json.has("max")) range.most = json.at("max").integer();
  if (range.least < 0) json.at("min").error("must not be negative");
  if (range.most < std::max<int64_t>(range.least, 1)) json.error("no size lies in this range");
  return range;
}

std::vector<int64_t> read_sizes(const JsonReader& json) {
  std::vector<int64_t> sizes;
  for (const JsonReader& item : json.items()) {
    sizes.push_back(item.integer());
    if (sizes.back() < 1) item.error("must be at least 1");
  }
  return sizes;
}

std::string outside_list(const char* what, const std::string& value, const std::vector<std::string>& supported) {
  if (supported.empty() || contains(supported, value)) return "";
  return fmt::format("{} is {}, supports {}", what, value, fmt::join(supported, " "));
}

std::string outside_dtypes(const char* what, Dtype value, const std::vector<Dtype>& supported) {
  if (supported.empty() || contains(supported, value)) return "";
  std::vector<std::string_view> names;
  for (const Dtype dtype : supported) names.push_back(dtype_name(dtype));
  return fmt::format("{} is {}, supports {}", what, dtype_name(value), fmt::join(names, " "));
}

std::string outside_range(const char* what, int64_t value, const Range& range) {
  if (value >= range.least && value <= range.most) return "";
  if (range.least == range.most) return fmt::format("{} is {}, supports {}", what, value, range.least);
  if (range.most == Range().most) return fmt::format("{} is {}, supports {} and more", what, value, range.least);
  if (range.least <= 1) return fmt::format("{} is {}, supports up to {}", what, value, range.most);
  return fmt::format("{} is {}, supports {} to {}", what, value, range.least, range.most);
}

std::string layout_of(const Spec& spec) { return {spec.tA ? 't' : 'n', spec.b_is_nk() ? 't' : 'n'}; }

std::string wrong_operands(const Supports& supports, const Spec& spec) {
  if (auto reason = outside_list("op", spec.op, supports.op); !reason.empty()) return reason;
  if (auto reason = outside_dtypes("a", spec.a, supports.a); !reason.empty()) return reason;
  if (auto reason = outside_dtypes("b", spec.b, supports.b); !reason.empty()) return reason;
  if (auto reason = outside_dtypes("d", spec.d, supports.d); !reason.empty()) return reason;
  const std::string loader = spec.loader.empty() ? "none" : spec.loader;
  if (auto reason = outside_list("loader", loader, supports.loader); !reason.empty()) return reason;
  return outside_list("layout", layout_of(spec), supports.layout);
}

std::string wrong_features(const Supports& supports, const Spec& spec) {
  if (spec.batch > 1 && !supports.batch) return fmt::format("batch is {}, supports 1", spec.batch);
  if (!spec.segments.empty() && !supports.segments)
    return fmt::format("{} fused outputs, supports one", spec.segments.size());
  if (int64_t(spec.segments.size()) > supports.most_outputs)
    return fmt::format("{} fused outputs, supports {}", spec.segments.size(), supports.most_outputs);
  if (spec.bias && !supports.bias) return "has a bias, supports none";
  if (spec.alpha != 1 && !supports.alpha_beta) return fmt::format("alpha is {}, supports 1", spec.alpha);
  if (spec.beta != 0 && !supports.alpha_beta) return fmt::format("beta is {}, supports 0", spec.beta);
  return "";
}

std::string wrong_sizes(const Supports& supports, const Spec& spec) {
  if (auto reason = outside_range("m", spec.m, supports.m); !reason.empty()) return reason;
  if (auto reason = outside_range("n", spec.n, supports.n); !reason.empty()) return reason;
  if (auto reason = outside_range("k", spec.k, supports.k); !reason.empty()) return reason;
  if (!supports.n_values.empty() && !contains(supports.n_values, spec.n))
    return fmt::format("n is {}, supports {}", spec.n, fmt::join(supports.n_values, " "));
  for (const int64_t divisor : supports.k_multiple_of)
    if (spec.k % divisor != 0) return fmt::format("k is {}, supports multiples of {}", spec.k, divisor);
  return "";
}

}  // namespace

Supports read_supports(const JsonReader& json) {
  json.only_keys({"op", "a", "b", "d", "layout", "loader", "batch", "bias", "alpha_beta", "segments", "strides", "m",
                  "n", "k", "n_values", "k_multiple_of"});
  Supports supports;
  supports.op = read_names(json.at("op"), kOps);
  supports.a = read_dtypes(json.at("a"));
  supports.b = read_dtypes(json.at("b"));
  supports.d = read_dtypes(json.at("d"));
  supports.layout = read_names(json.at("layout"), kLayouts);
  if (json.has("loader")) supports.loader = read_names(json.at("loader"), kLoaders);
  supports.batch = json.boolean_or("batch", supports.batch);
  supports.bias = json.boolean_or("bias", supports.bias);
  supports.alpha_beta = json.boolean_or("alpha_beta", supports.alpha_beta);
  supports.segments = json.boolean_or("segments", supports.segments);
  supports.strides = json.boolean_or("strides", supports.strides);
  if (json.has("m")) supports.m = read_range(json.at("m"));
  if (json.has("n")) supports.n = read_range(json.at("n"));
  if (json.has("k")) supports.k = read_range(json.at("k"));
  if (json.has("n_values")) supports.n_values = read_sizes(json.at("n_values"));
  if (json.has("k_multiple_of")) supports.k_multiple_of = read_sizes(json.at("k_multiple_of"));
  return supports;
}

std::string unsupported_reason(const Supports& supports, const Spec& spec) {
  if (auto reason = wrong_operands(supports, spec); !reason.empty()) return reason;
  if (auto reason = wrong_features(supports, spec); !reason.empty()) return reason;
  return wrong_sizes(supports, spec);
}

}  // namespace assay
