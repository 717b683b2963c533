// A spec out of a Matmul whose fields a test has set.
#pragma once
#include <fmt/format.h>

#include "ops/matmul.h"

namespace assay {

inline Spec spec_of(const Matmul& m) {
  SpecFields fields{{"op", m.bias ? "matmul_bias_add" : "matmul"},
                    {"batch", std::to_string(m.batch)},
                    {"m", std::to_string(m.m)},
                    {"n", m.segments.empty() ? std::to_string(m.n) : "?"}};
  for (const Segment& segment : m.segments) fields.emplace_back(segment.name, std::to_string(segment.n));
  fields.insert(fields.end(), {{"k", std::to_string(m.k)},
                               {"tA", m.tA ? "1" : "0"},
                               {"tB", m.tB || !m.segments.empty() ? "1" : "0"},
                               {"dtA", std::string(dtype_name(m.a))},
                               {"dtB", std::string(dtype_name(m.b))},
                               {"dtD", std::string(dtype_name(m.d))},
                               {"loader", m.loader.empty() ? "none" : m.loader},
                               {"alpha", fmt::format("{}", m.alpha)},
                               {"beta", fmt::format("{}", m.beta)},
                               {"bias", m.bias ? "1" : "0"}});
  return make_spec(fields, "test");
}

}  // namespace assay
