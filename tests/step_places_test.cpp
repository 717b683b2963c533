// Where the ops of a step stand, and what their launches share.
#include "tune/step_places.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "base/clock.h"
#include "tune/shared_operands.h"

namespace assay {
namespace {

struct Played {
  std::vector<std::vector<std::string>> programs;
  std::map<std::string, int64_t> ns;  // what a launch of that name takes
};

/// A launch's name is the number of its workspace's bytes: programs know nothing else of it here.
std::string name_of(const Launch& launch) { return std::string(1, char(launch.workspace_bytes)); }

class PlayedProgram final : public Program {
 public:
  PlayedProgram(std::vector<std::string> names, Played& played) : names_(std::move(names)), played_(played) {}
  void run() override {
    played_.programs.push_back(names_);
    int64_t at = now_ns();
    for (size_t i = 0; i < names_.size(); ++i) ends_[i] = at += played_.ns.at(names_[i]);
  }
  void wait() override {}
  bool stamp(std::span<int64_t> ends) override {
    ends_ = ends;
    return true;
  }

 private:
  std::vector<std::string> names_;
  Played& played_;
  std::span<int64_t> ends_;
};

class PlayedDevice final : public Device {
 public:
  explicit PlayedDevice(Played& played) : played_(played) {}
  std::unique_ptr<LoadedKernel> load(const Variant&, const BuiltModule&) override { return nullptr; }
  Address allocate(int64_t bytes) override {
    memory_.push_back(std::make_unique<std::byte[]>(size_t(bytes)));
    return memory_.back().get();
  }
  void release(Address) noexcept override {}
  Address import(std::span<std::byte> bytes) override { return bytes.data(); }
  void write(Address to, const void* from, int64_t bytes) override { std::memcpy(to, from, size_t(bytes)); }
  void read(void* to, Address from, int64_t bytes) override { std::memcpy(to, from, size_t(bytes)); }
  void fill(Address to, unsigned char byte, int64_t bytes) override { std::memset(to, byte, size_t(bytes)); }
  std::unique_ptr<Program> bind(std::span<const Launch> launches) override {
    std::vector<std::string> names;
    for (const Launch& launch : launches) names.push_back(name_of(launch));
    return std::make_unique<PlayedProgram>(std::move(names), played_);
  }

 private:
  Played& played_;
  std::vector<std::unique_ptr<std::byte[]>> memory_;
};

std::vector<Launch> launches_of(const std::string& names) {
  std::vector<Launch> launches(names.size());
  for (size_t i = 0; i < names.size(); ++i) launches[i].workspace_bytes = names[i];
  return launches;
}

TEST(step_places, go_back_to_what_was_large_and_over_three_at_most) {
  // Embedding, then twice norm, product, norm, gate; the last norm and the head. Products and the gate are large.
  const std::vector<size_t> step{0, 1, 2, 1, 3, 1, 2, 1, 3, 1, 4};
  const std::vector<StepPlace> places = places_of(step, [](size_t op) { return op > 1; });
  std::vector<std::pair<std::vector<size_t>, size_t>> pairs;
  size_t launches = 0;
  for (const StepPlace& place : places) {
    pairs.emplace_back(place.before, place.op);
    launches += place.launches.size();
  }
  const std::vector<std::pair<std::vector<size_t>, size_t>> wanted{{{}, 0},     {{0}, 1}, {{0, 1}, 2}, {{2}, 1},
                                                                   {{2, 1}, 3}, {{3}, 1}, {{3, 1}, 2}, {{3, 1}, 4}};
  EXPECT_EQ(pairs, wanted);
  EXPECT_EQ(launches, 11u);
  EXPECT_EQ(places[3].launches, (std::vector<size_t>{3, 7}));
  for (const StepPlace& place : places_of(step, [](size_t) { return false; }))
    EXPECT_EQ(place.before.size(), std::min<size_t>(place.launches[0], 3));
}

TEST(step_places, clock_an_op_and_not_what_runs_before_it) {
  Played played;
  played.ns = {{"a", 1000}, {"b", 20'000}, {"c", 300'000}};
  PlayedDevice device(played);
  const std::vector<Launch> step = launches_of("abcbc");
  std::vector<double> us;
  for (const StepPlace& place : places_of({0, 1, 2, 1, 2}, [](size_t op) { return op == 2; }))
    us.push_back(PlacedLaunches(place, step, device).run());
  ASSERT_EQ(us.size(), 5u);
  EXPECT_GE(us[0], 1) << "the first one begins a program: that is part of it";
  const std::vector<double> rest(us.begin() + 1, us.end()), of_rest{20, 300, 20, 300};
  EXPECT_EQ(rest, of_rest);
  const std::vector<std::vector<std::string>> wanted{{"a"}, {"a", "b"}, {"a", "b", "c"}, {"c", "b"}, {"c", "b", "c"}};
  EXPECT_EQ(played.programs, wanted);
}

Tensor tensor(Operand operand, Use use, float* data, int64_t values) {
  Tensor t = dense_tensor(operand, Dtype::f32, 1, 1, values);
  t.use = use;
  t.data = reinterpret_cast<std::byte*>(data);
  return t;
}

TEST(shared_operands, what_one_op_writes_the_next_one_reads) {
  Played played;
  PlayedDevice device(played);
  float written[4] = {}, read[4] = {1, 2, 3, 4}, token[4] = {}, cache[4] = {}, weight[4] = {};
  Launch norm, product;
  norm.tensors = {tensor(Operand::d, Use::output, written, 4), tensor(Operand::index, Use::varied, token, 4),
                  tensor(Operand::b, Use::weight, weight, 4)};
  product.tensors = {tensor(Operand::a, Use::varied, read, 4), tensor(Operand::cache, Use::weight, cache, 4)};
  Launch rope;
  float apart[4] = {};
  rope.tensors = {tensor(Operand::cache, Use::output, apart, 4)};
  const std::vector<PassOperand> of_norm{
      {Operand::d, 0, "normed"}, {Operand::index, 0, "position"}, {Operand::b, 0, "normed", /*is_weight=*/true}},
      of_product{{Operand::a, 0, "normed"}, {Operand::cache, 0, "blk.0.k_cache"}},
      of_rope{{Operand::cache, 0, "blk.0.k_cache"}};
  SharedOperands shared(device);
  shared.list(of_rope, rope), shared.list(of_norm, norm), shared.list(of_product, product);
  shared.put(of_rope, rope), shared.put(of_norm, norm), shared.put(of_product, product);
  EXPECT_EQ(norm.tensors[0].data, product.tensors[0].data);
  EXPECT_EQ(std::memcmp(product.tensors[0].data, read, sizeof read), 0) << "it begins with what the reader had";
  EXPECT_EQ(norm.tensors[1].data, reinterpret_cast<std::byte*>(token)) << "set from outside";
  EXPECT_EQ(norm.tensors[2].data, reinterpret_cast<std::byte*>(weight)) << "a weight of that name is none of it";
  EXPECT_EQ(product.tensors[1].data, reinterpret_cast<std::byte*>(cache));
  EXPECT_EQ(rope.tensors[0].data, reinterpret_cast<std::byte*>(cache)) << "what is read is what was written";
}

}  // namespace
}  // namespace assay
