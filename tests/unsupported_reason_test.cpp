// Laws of unsupported_reason: what a spec is refused for, in words that name the value.
#include <gtest/gtest.h>

#include "kernel/manifest.h"
#include "matmul_spec.h"

namespace assay {
namespace {

// A spec that the family below supports; each test breaks one rule.
Matmul decode_spec() {
  Matmul spec;
  spec.n = 128;
  spec.k = 64;
  spec.tB = true;
  return spec;
}

Variant narrow_variant() {
  Variant variant;
  Supports& s = variant.supports;
  s.op = {"matmul"};
  s.types = {{Operand::a, {Dtype::f16}}, {Operand::b, {Dtype::f16, Dtype::f32}}, {Operand::d, {Dtype::f16}}};
  s.layout = {"nt"};
  s.loader = {"none"};
  s.sizes["m"] = {{1, 1}, {}, {}};
  s.sizes["n"] = {{16, 4096}, {128, 256, 8192}, {}};
  s.sizes["k"] = {{0, 65536}, {}, {8, 32}};
  return variant;
}

TEST(unsupported_reason, is_empty_for_a_supported_spec_and_for_a_variant_without_limits) {
  EXPECT_EQ(unsupported_reason(narrow_variant(), spec_of(decode_spec())), "");
  EXPECT_EQ(unsupported_reason(Variant(), spec_of(decode_spec())), "");
}

TEST(unsupported_reason, names_the_value_and_what_is_supported) {
  const auto reason = [](auto change) {
    Matmul spec = decode_spec();
    change(spec);
    return unsupported_reason(narrow_variant(), spec_of(spec));
  };
  EXPECT_EQ(unsupported_reason(narrow_variant(),
                               parse_spec("op=rms_norm | m=1 | n=64 | dtA=f16 | dtB=f16 | dtD=f16 | eps=0")),
            "op is rms_norm, supports matmul");
  EXPECT_EQ(reason([](Matmul& s) { s.a = Dtype::bf16; }), "a is bf16, supports f16");
  EXPECT_EQ(reason([](Matmul& s) { s.b = Dtype::q8_0; }), "b is q8_0, supports f16 f32");
  EXPECT_EQ(reason([](Matmul& s) { s.d = Dtype::f32; }), "d is f32, supports f16");
  EXPECT_EQ(reason([](Matmul& s) { s.loader = "dense"; }), "loader is dense, supports none");
  EXPECT_EQ(reason([](Matmul& s) { s.tB = false; }), "layout is nn, supports nt");
  EXPECT_EQ(reason([](Matmul& s) { s.tA = true; }), "layout is tt, supports nt");
  EXPECT_EQ(reason([](Matmul& s) { s.batch = 14; }), "batch is 14, supports 1");
  EXPECT_EQ(reason([](Matmul& s) { s.segments = {{"n0", 64}, {"n1", 64}}; }), "2 fused outputs, supports one");
  Variant fused = narrow_variant();
  fused.supports.features = {"segments"};
  fused.supports.most_outputs = 3;
  Matmul four = decode_spec();
  four.segments = {{"n0", 8}, {"n1", 8}, {"n2", 8}, {"n3", 8}};
  EXPECT_EQ(unsupported_reason(fused, spec_of(four)), "4 fused outputs, supports 3");
  four.segments = {{"n0", 64}, {"n1", 32}, {"n2", 32}};
  EXPECT_EQ(unsupported_reason(fused, spec_of(four)), "");
  EXPECT_EQ(reason([](Matmul& s) { s.bias = true; }), "has a bias, supports none");
  EXPECT_EQ(reason([](Matmul& s) { s.alpha = 0.125; }), "alpha is 0.125, supports 1");
  EXPECT_EQ(reason([](Matmul& s) { s.beta = 1; }), "beta is 1, supports 0");
  EXPECT_EQ(reason([](Matmul& s) { s.m = 2; }), "m is 2, supports 1");
  EXPECT_EQ(reason([](Matmul& s) { s.n = 8; }), "n is 8, supports 16 to 4096");
  EXPECT_EQ(reason([](Matmul& s) { s.k = 65568; }), "k is 65568, supports up to 65536");
  EXPECT_EQ(reason([](Matmul& s) { s.n = 100; }), "n is 100, supports 128 256 8192");
  EXPECT_EQ(reason([](Matmul& s) { s.k = 40; }), "k is 40, supports multiples of 32");
  EXPECT_EQ(reason([](Matmul& s) { s.k = 36; }), "k is 36, supports multiples of 8");
}

TEST(unsupported_reason, is_that_of_the_first_rule_broken_in_a_fixed_order) {
  Matmul spec = decode_spec();
  spec.a = spec.b = spec.d = Dtype::bf16;
  spec.loader = "dense";
  spec.tA = true;
  spec.batch = 14;
  spec.bias = true;
  spec.alpha = 2;
  spec.m = 2;
  spec.n = 8;
  spec.k = 70001;
  std::vector<std::string> first_words;
  const auto next = [&](auto repair) {
    const std::string reason = unsupported_reason(narrow_variant(), spec_of(spec));
    first_words.push_back(reason.substr(0, reason.find(' ', 2)));
    repair();
  };
  next([&] { spec.a = Dtype::f16; });
  next([&] { spec.b = Dtype::f16; });
  next([&] { spec.d = Dtype::f16; });
  next([&] { spec.loader = ""; });
  next([&] {
    spec.tA = false;
    spec.segments = {{"n0", 50}, {"n1", 50}};
  });
  next([&] { spec.batch = 1; });
  next([&] { spec.segments.clear(); });
  next([&] { spec.bias = false; });
  next([&] { spec.alpha = 1; });
  next([&] { spec.m = 1; });
  next([&] { spec.n = 100; });
  next([&] { spec.k = 100; });
  next([&] { spec.n = 128; });
  next([&] { spec.k = 64; });
  EXPECT_EQ(first_words, (std::vector<std::string>{"a is", "b is", "d is", "loader", "layout", "batch", "2 fused",
                                                   "has", "alpha", "m is", "n is", "k is", "n is", "k is"}));
  EXPECT_EQ(unsupported_reason(narrow_variant(), spec_of(spec)), "");
}

}  // namespace
}  // namespace assay
