// Stores, a trace and a table for tests of the page: two specs, two devices, two commits, every kind of outcome.
#pragma once
#include <string>

#include "assay_program.h"
#include "measure/ceilings.h"
#include "timed_trace.h"

namespace assay {

inline std::string environment_text(const std::string& commit, const std::string& model) {
  return "assay: 0.1.0 (" + commit + ")\ncompiler: g++\nsystem: Linux\narchitecture: x86_64\nmodel: " + model + "\n";
}

inline CaseRecord page_record(const std::string& n, const std::string& variant, double us, int64_t at = 1'760'000'000) {
  CaseRecord record;
  record.spec_line = record.math_line = parse_spec(spec_line(n)).math_line();
  record.variant = variant;
  record.key = variant + n;
  record.device = "cpu:0";
  record.mode = "decode";
  for (int i = 0; i < 40; ++i) record.device_us.push_back(us * (1 + 0.0005 * (i * 7 % 10 - 4.5)));
  record.host_us = record.device_us;
  record.disturbed.assign(40, 0);
  record.bytes = std::stoll(n) * std::stoll(n) * 4;
  record.flops = record.bytes / 2;
  record.floor_us = 0.8 * us;
  record.reachable_us = 0.9 * us;
  record.ceiling_gbps = 40;
  record.wait_us = us;
  record.errors.launches_checked = 3;
  record.errors.bound_used = 0.25;
  record.environment = "e1";
  record.measured_at = at;
  return record;
}

inline void put_ceilings(Store& store, double gbps) {
  Ceilings c;
  c.read = {{1 << 20, 4 * gbps, 0.01}, {int64_t(256) << 20, gbps, 0.05}};
  c.copy = {int64_t(256) << 20, gbps / 2, 0.02};
  c.peaks = {{"f32", 200, 0.01}};
  c.dispatch_us = 0.3;
  store.put(CeilingRecord{"d" + std::to_string(gbps), to_json(c), 1'760'000'000});
}

/// Lengths 64 to 1024 with two families; at 64 also what fails, in every way that a page tells apart.
inline void make_page_store(const fs::path& file, double scale = 1, const std::string& commit = "aaaa11112222",
                            const std::string& model = "Example CPU") {
  Store store(file);
  store.put(EnvironmentRecord{"e1", environment_text(commit, model)});
  put_ceilings(store, 40);
  for (const char* n : {"64", "128", "256", "512", "1024"}) {
    const double us = scale * std::stod(n) / 10;
    store.put(page_record(n, "gemv/r4", us));
    store.put(page_record(n, "gemv/r2", 1.002 * us));
    store.put(page_record(n, "naive/loop", 3 * us));
    CaseRecord int8 = page_record(n, "q8/dot", 0.7 * us);
    int8.accuracy = Accuracy::int8_activation;
    store.put(int8);
  }
  for (const auto& [outcome, detail] : {std::pair(Outcome::wrong, "max error at 17: 3 <b>not</b> </script> 4"),
                                        {Outcome::crashed, "signal 11"},
                                        {Outcome::impossible, "faster than memory can be read"}}) {
    CaseRecord record = page_record("64", "x/" + std::string(outcome_name(outcome)), 5);
    record.outcome = outcome;
    record.detail = detail;
    if (outcome == Outcome::crashed) record.device_us = record.host_us = {}, record.disturbed = {};
    store.put(record);
  }
}

/// A run of two prompt tokens and twelve decoded ones, each a little slower than the one before.
inline std::string page_trace_text() {
  Trace trace;
  const std::string product =
      R"({"op":"matmul","backend":"gemv","batch":"1","m":"1","n":"64","k":"64","tA":"0","tB":"1"})";
  int64_t at = 1000;
  for (int i = 0; i < 2; ++i) {
    trace.buffer(at += 100, "Prompt Processing/block_0", 80, 60);
    trace.buffer(at += 50, "Prompt Processing/generation_step_output", 40, 30);
  }
  for (int i = 0; i < 12; ++i) {
    trace.op(at += 100 + 5 * i, "Generation Loop/block_0/Generation Loop/block_0/matmul/gemv (D)", 80 + 5 * i, product);
    trace.op(at, "Generation Loop/block_0/cb_wait", 78 + 5 * i).op(at, "Generation Loop/block_0/cb_gpu", 60 + 5 * i);
    trace.buffer(at += 50, "Generation Loop/generation_step_output", 40, 30);
    trace.cpu(at, "forward_step_total", 145 + 5 * i);
    trace.cpu(at += 10, "iteration_total", 158 + 5 * i);
  }
  return trace.text;
}

inline std::string page_table_text() {
  return R"({"schema": 1, "made_by": "a test", "devices": [{"backend": "cpu", "isa": "avx2",
    "properties": {"model": "a test"}, "method": 20, "entries": [
    {"bucket": "op=matmul | n=64..256", "variant": "gemv/r4", "fallback": ["naive/loop"], "source": "00ff",
     "evidence": {"result": "0123", "us": 6.4, "margin_percent": 4.5, "ties": ["gemv/r2"]}}],
    "steps": [{"model": "tiny.gguf", "depth": 128, "predicted_ms": 1.25, "achieved_ms": 1.3, "low_ms": 1.28,
               "high_ms": 1.33, "floor_ms": 1.1, "default_predicted_ms": 1.5, "default_achieved_ms": 1.45}]}]})";
}

inline std::string page_opbench_text() {
  return R"({"schema": "assay-opbench", "version": 1, "frameworks": [], "means": [], "cells": [
    {"row": "Softmax / dim=64x64", "framework": "torch_cpu", "outcome": "pass", "median_us": 120, "ceiling_percent": 8},
    {"row": "Softmax / dim=64x64", "framework": "assay_cpu", "outcome": "pass", "median_us": 10, "ceiling_percent": 96},
    {"row": "Softmax / dim=64x64", "framework": "onednn", "outcome": "unsupported", "detail": "no such primitive"},
    {"row": "Softmax / dim=64x64", "framework": "mps", "outcome": "not here"},
    {"row": "Sort / dim=64", "framework": "assay_cpu", "outcome": "wrong", "detail": "element 3"}]})";
}

}  // namespace assay
