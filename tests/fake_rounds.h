// Rounds of a small product on the fake device: what tests of them share.
#pragma once
#include <gtest/gtest.h>

#include <list>
#include <string>
#include <utility>
#include <vector>

#include "fake_device.h"
#include "measure/rounds.h"

namespace assay {

class FakeRounds : public ::testing::Test {
 protected:
  FakeRounds() {
    device_.id = "fake:0";
    device_.one_worker = true;
    arenas_.reserve(spec_, 0);
    context_.backend = &backend_;
    context_.device = &device_;
    context_.ceilings = &ceilings_;
    context_.arenas = &arenas_;
    context_.reader = context_.bulk_reader =
        work("reader", [this](const Launch&, size_t, size_t) { backend_.history().launch_us = kLaunchUs; });
    context_.effort.spec_budget_s = 0;
    context_.effort.settle_ms = 1;
    backend_.history().launch_us = kLaunchUs;
  }

  CaseToRun work(const std::string& name, FakeKernel kernel, bool chained = false) {
    backend_.kernels[name] = std::move(kernel);
    Variant& variant = variants_.emplace_back();
    variant.family = "test";
    variant.name = name;
    variant.chained = chained;
    CaseToRun result;
    result.variant = &variant;
    result.key = {name, name};
    return result;
  }
  std::vector<CaseRecord> run(const std::vector<CaseToRun>& cases) { return run_rounds(spec_, cases, context_); }

  static constexpr double kLaunchUs = 0.01;  // far less than a turn takes here
  const Spec spec_ = parse_spec("op=matmul | batch=1 | m=1 | n=24 | k=32 | tA=0 | tB=1 | dtA=f32 | dtB=f32 | dtD=f32");
  FakeBackend backend_;
  DeviceInfo device_;
  Ceilings ceilings_;
  Arenas arenas_;
  std::list<Variant> variants_;
  RoundsContext context_;
};

}  // namespace assay
