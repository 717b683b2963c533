// Laws of launches on special values: they decide a case's outcome at its set-up, and cost the device no memory that is
// not given back.
#include "measure/special_launch.h"

#include <gtest/gtest.h>

#include <list>

#include "fake_device.h"
#include "measure/worker_group.h"
#include "proof/reference.h"

namespace assay {
namespace {

const Tensor& tensor_of(const Launch& launch, Operand operand) {
  return *std::find_if(launch.tensors.begin(), launch.tensors.end(),
                       [=](const Tensor& t) { return t.operand == operand; });
}

/// As multiply(), but as if rows of B followed each other.
void multiply_dense(Launch launch) {
  for (Tensor& t : launch.tensors)
    if (t.operand == Operand::b) t.strides[1] = t.dims[2];
  multiply(launch);
}

class SpecialLaunchTest : public ::testing::Test {
 protected:
  SpecialLaunchTest() {
    device_.id = "fake:0";
    device_.one_worker = true;
    arenas_.reserve(spec_, kFootprint);
    inputs_ = std::make_unique<SpecInputs>(spec_, arenas_, kFootprint);
    reference_ = std::make_unique<Reference>(*inputs_);
  }

  Reply set_up(FakeKernel kernel, bool takes_strides = true, bool prepares = false) {
    const std::string name = fmt::format("kernel{}", variants_.size());
    backend_.kernels[name] = std::move(kernel);
    Variant& variant = variants_.emplace_back();
    variant.name = name;
    variant.supports.strides = takes_strides;
    variant.prepares = variant.keeps_b = prepares;  // these kernels multiply by B as it lies
    WorkerCase work;
    work.backend = &backend_;
    work.device = &device_;
    work.variant = &variant;
    work.module = &module_;
    work.proof = reference_.get();
    work.inputs = inputs_.get();
    work.special = special_.get();
    work.arenas = &arenas_;
    work.memory_limit = int64_t(1) << 30;
    WorkerGroup group(60);
    group.add(work);
    Command command;
    command.step = Step::setup;
    return group.ask(0, command, 60).reply;
  }

  static constexpr int64_t kFootprint = 100 * 1024;
  const Spec spec_ = parse_spec("op=matmul | batch=1 | m=1 | n=40 | k=288 | tA=0 | tB=1 | dtA=f32 | dtB=f32 | dtD=f32");
  const std::unique_ptr<SpecialValues> special_ = SpecialValues::make(spec_, true, true, true);
  FakeBackend backend_;
  DeviceInfo device_;
  BuiltModule module_;
  Arenas arenas_;
  std::unique_ptr<SpecInputs> inputs_;
  std::unique_ptr<Reference> reference_;
  std::list<Variant> variants_;
};

TEST_F(SpecialLaunchTest, AnHonestKernelPasses) {
  const Reply reply = set_up([](const Launch& launch, size_t, size_t) { multiply(launch); });
  EXPECT_EQ(reply.outcome, Outcome::pass) << reply.detail;
}

TEST_F(SpecialLaunchTest, AKernelThatIsWrongOnSpecialValuesAloneIsWrongAndIsToldWhichTheyWere) {
  const Reply reply = set_up([](const Launch& launch, size_t, size_t) {
    multiply(launch);
    const Tensor& d = tensor_of(launch, Operand::d);
    for (int64_t n = 0; n < d.dims[2]; ++n)
      if (const float value = std::clamp(element(d, n), -40000.0f, 40000.0f); value != element(d, n))
        std::memcpy(d.data + 4 * n, &value, 4);
  });
  EXPECT_EQ(reply.outcome, Outcome::wrong);
  EXPECT_NE(std::string(reply.detail).find("on special values (a sum near the range) D[0,1] is 40000"),
            std::string::npos)
      << reply.detail;
}

TEST_F(SpecialLaunchTest, ADenseKernelPassesIfItSaysSoOrRefusesPaddedRowsItself) {
  const auto dense = [](const Launch& launch, size_t, size_t) { multiply_dense(launch); };
  const Reply silent = set_up(dense);
  EXPECT_EQ(silent.outcome, Outcome::wrong);
  EXPECT_NE(std::string(silent.detail).find("it ignores strides"), std::string::npos) << silent.detail;
  EXPECT_NE(std::string(silent.detail).find(R"("strides": false)"), std::string::npos) << silent.detail;
  const Reply declared = set_up(dense, /*takes_strides=*/false);
  EXPECT_EQ(declared.outcome, Outcome::pass) << declared.detail;
  const Reply refusing = set_up([](const Launch& launch, size_t, size_t) {
    const Tensor& b = tensor_of(launch, Operand::b);
    if (b.strides[1] != b.dims[2]) fail("dense rows alone");
    multiply(launch);
  });
  EXPECT_EQ(refusing.outcome, Outcome::pass) << refusing.detail;
}

TEST_F(SpecialLaunchTest, AWriteBetweenTheRowsOfDIsWrong) {
  const Reply reply = set_up([](const Launch& launch, size_t, size_t) {
    multiply(launch);
    const Tensor& d = tensor_of(launch, Operand::d);
    if (d.strides[1] > d.dims[2]) std::memset(d.data + 4 * d.dims[2], 0, 4);
  });
  EXPECT_EQ(reply.outcome, Outcome::wrong);
  EXPECT_NE(std::string(reply.detail).find("between or around the rows of D"), std::string::npos) << reply.detail;
}

TEST_F(SpecialLaunchTest, SpecialWeightsArePreparedAnew) {
  const Reply reply = set_up(
      [](const Launch& launch, size_t, size_t) {
        ASSERT_EQ(*launch.prepared, std::byte{1});
        multiply(launch);
      },
      true, /*prepares=*/true);
  EXPECT_EQ(reply.outcome, Outcome::pass) << reply.detail;
}

}  // namespace
}  // namespace assay
