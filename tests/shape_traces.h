// Traces of matrix products for tests, and what shapes are found in them.
#pragma once
#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "analysis/classic.h"
#include "analysis/shape_counts.h"
#include "analysis/shapes.h"
#include "trace_lines.h"

namespace assay {

/// A map of matmul fields as the trace has it, from "op=matmul m=1 …".
inline std::string fields_json(const std::string& words) {
  std::string json;
  std::istringstream in(words);
  for (std::string word; in >> word;) {
    const size_t equals = word.find('=');
    json += (json.empty() ? "" : ",") + ('"' + word.substr(0, equals)) + "\":\"" + word.substr(equals + 1) + '"';
  }
  return "{" + json + "}";
}

/// A call in a scope of its own: the op, and its command buffer unless gpu is empty.
inline std::string call(const std::string& fields, const std::string& op_us, const std::string& gpu_us,
                        const std::string& scope = "s") {
  std::string lines = gpu_line(scope + "/" + scope + "/k", op_us, R"(,"data":)" + fields_json(fields));
  if (!gpu_us.empty()) lines += gpu_line(scope + "/cb_wait", op_us) + gpu_line(scope + "/cb_gpu", gpu_us);
  return lines;
}
inline std::string token() { return gpu_line("g/generation_step_output/cb_gpu", "1"); }

inline const std::string kGate = "op=matmul batch=1 m=1 k=896 n0=4864 n1=4864 backend=gemv";
inline const std::string kPlain = "op=matmul batch=1 m=1 n=64 k=32 tA=0 tB=1 backend=mlx";

struct Analyzed {
  StringTable strings;
  ClassicCounts counts;
  ShapeCounts gpu;
  ShapeReport report;

  explicit Analyzed(const std::string& text, const ShapeOptions& options = {}) {
    EventConsumer* const consumers[] = {&counts, &gpu};
    read_trace(std::make_unique<MemorySource>(text), strings, consumers);
    report = report_shapes(counts, gpu, strings, options);
  }
  const Shape& only() const {
    EXPECT_EQ(report.shapes.size(), 1u);
    return report.shapes.at(0);
  }
};

inline ShapeOptions with_dtype_of(const std::string& dtype, double ceiling = 0) {
  ShapeOptions options;
  options.dtype = dtype;
  options.ceiling_gbps = ceiling;
  return options;
}

// A model of one block: gate and up, the head, attention over nine positions, a shape that nothing completes.
inline std::string small_model() {
  std::string text;
  for (int position = 1; position <= 9; ++position) {
    text += call(kGate, "300", "157");
    const std::string n = std::to_string(position);
    text +=
        call("op=matmul_alpha_beta batch=14 m=1 n=" + n + " k=64 tA=0 tB=1 loader=dense backend=mlx", "150", "12", "a");
    text +=
        call("op=matmul_alpha_beta batch=14 m=1 n=64 k=" + n + " tA=0 tB=0 loader=dense backend=mlx", "150", "11", "a");
    text += call("op=matmul batch=1 m=1 n=151936 k=896 tA=0 tB=0 loader=q8nk_split backend=mlx", "2470", "2340",
                 "g/generation_step_output");
  }
  return text + call("op=matmul batch=1 m=1 n=7 k=9 tA=0 tB=0 backend=cpu", "40", "");
}

}  // namespace assay
