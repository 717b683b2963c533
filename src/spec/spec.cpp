// What follows from a spec: its canonical maths, its short name, the bytes of its operands.
#include "spec/spec.h"

#include <fmt/format.h>

namespace assay {

bool Spec::b_is_nk() const { return tB || !segments.empty() || split_q8(); }

std::string Spec::math_line() const {
  SpecFields canonical = {
      {"op", op}, {"batch", std::to_string(batch)}, {"m", std::to_string(m)}, {"n", std::to_string(n)}};
  for (const Segment& segment : segments) canonical.emplace_back(segment.name, std::to_string(segment.n));
  canonical.insert(canonical.end(), {{"k", std::to_string(k)},
                                     {"tA", tA ? "1" : "0"},
                                     {"tB", b_is_nk() ? "1" : "0"},
                                     {"dtA", std::string(dtype_name(a))},
                                     {"dtB", std::string(dtype_name(b))},
                                     {"dtD", std::string(dtype_name(d))},
                                     {"loader", loader.empty() ? "none" : loader},
                                     {"alpha", fmt::format("{}", alpha)},
                                     {"beta", fmt::format("{}", beta)},
                                     {"bias", bias ? "1" : "0"}});
  return print_spec_fields(canonical);
}

std::string Spec::short_name() const {
  const std::string shape = fmt::format("M:{} N:{} K:{}", m, n, k);
  return batch == 1 ? shape : fmt::format("{} B:{}", shape, batch);
}

int64_t Spec::a_bytes() const { return dtype_bytes(a, batch * m * k); }
int64_t Spec::b_bytes() const { return dtype_bytes(b, batch * n * k); }
int64_t Spec::d_bytes() const { return dtype_bytes(d, batch * m * n); }
int64_t Spec::bias_bytes() const { return bias ? dtype_bytes(d, n) : 0; }
int64_t Spec::c_bytes() const { return beta == 0 ? 0 : d_bytes(); }

}  // namespace assay
