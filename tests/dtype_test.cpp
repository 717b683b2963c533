// Laws of the element types: names, sizes, what --dtype says.
#include "spec/dtype.h"

#include <gtest/gtest.h>

#include "spec/field_reader.h"

namespace assay {
namespace {

TEST(Dtypes, NamesReadBackAndSizesFollow) {
  for (const std::string& name : dtype_names()) EXPECT_EQ(dtype_name(parse_dtype(name).value()), name);
  EXPECT_EQ(dtype_names().size(), 11u);
  for (const char* name : {"", "F16", "f64", "q8_0 ", "q2_k"}) EXPECT_FALSE(parse_dtype(name)) << name;
  EXPECT_EQ(dtype_bytes(Dtype::f32, 64), 256);
  EXPECT_EQ(dtype_bytes(Dtype::f16, 64), 128);
  EXPECT_EQ(dtype_bytes(Dtype::bf16, 64), 128);
  EXPECT_EQ(dtype_bytes(Dtype::q8_0, 64), 68);
  EXPECT_EQ(dtype_bytes(Dtype::q4_0, 64), 36);
  EXPECT_EQ(dtype_bytes(Dtype::q6_k, 512), 420);
  EXPECT_EQ(unit_roundoff(Dtype::f32), 1.0 / (1 << 24));
  EXPECT_EQ(unit_roundoff(Dtype::f16), 1.0 / (1 << 11));
  EXPECT_EQ(unit_roundoff(Dtype::bf16), 1.0 / (1 << 8));
  EXPECT_EQ(unit_roundoff(Dtype::q8_0), 0);
}

TEST(Dtypes, TheGrammarNamesEveryWeightType) {
  std::string names;
  for (const std::string& name : dtype_names())
    names += (names.empty() ? "" : name == dtype_names().back() ? " or " : ", ") + name;
  EXPECT_EQ(kSaysWeightType, names);
}

TEST(Dtypes, TheWeightsAloneGiveTheTypesAroundThem) {
  const auto around = [](const char* text) { return parse_product_types(text).value().around; };
  EXPECT_EQ(around("f32"), Dtype::f32);
  EXPECT_EQ(around("bf16"), Dtype::bf16);
  EXPECT_EQ(around("q4_k"), Dtype::f16);
  EXPECT_EQ(around("f32:q8_0"), Dtype::f32);
  EXPECT_EQ(parse_product_types("f32:f16").value().of("dtB"), "f16");
  EXPECT_EQ(parse_product_types("f32:f16").value().of("dtD"), "f32");
  for (const char* text : {"", ":", "f32:", ":q8_0", "q8_0:f16", "f32:q8_0:f16", "q8"})
    EXPECT_FALSE(parse_product_types(text)) << text;
}

TEST(DtypesDeathTest, HalfABlockIsABug) { EXPECT_DEATH(dtype_bytes(Dtype::q8_0, 33), "count"); }

}  // namespace
}  // namespace assay
