// Laws of the spec line: lossless text, named refusals, one canonical line per maths, sizes in bytes.
#include "spec/spec.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "ops/matmul.h"
#include "spec/field_reader.h"

namespace assay {
namespace {
const std::string kPlain = "op=matmul | batch=1 | m=1 | n=9728 | k=896 | tA=0 | tB=1 | dtA=f16 | dtB=f16 | dtD=f16";
const std::string kTypes = " | dtA=f16 | dtB=f16 | dtD=f16";
const std::string kQuantized = " | dtA=f16 | dtB=q8_0 | dtD=f16";

/// kPlain with one field's value replaced; "" leaves the field out.
std::string plain_with(const std::string& field, const std::string& value) {
  SpecFields fields;
  for (const auto& [key, old] : parse_spec_fields(kPlain)) {
    if (key != field) fields.emplace_back(key, old);
    if (key == field && !value.empty()) fields.emplace_back(key, value);
  }
  return print_spec_fields(fields);
}

std::string error_of(const std::string& line) {
  try {
    parse_spec(line, "probe.txt:7");
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

/// The message leads with where, and says each of `parts`.
void expect_refused(const std::string& line, const std::vector<std::string>& parts) {
  const std::string message = error_of(line);
  EXPECT_EQ(message.rfind("probe.txt:7: ", 0), 0u) << line << "\n" << message;
  for (const std::string& part : parts) EXPECT_NE(message.find(part), std::string::npos) << line << "\n" << message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
}

TEST(SpecLine, EverySourceLineOfTheWorkloadsPrintsAsItWasWritten) {
  int lines = 0;
  for (const char* name : {"qwen2.5-0.5b-f16", "qwen2.5-0.5b-q8"}) {
    const std::string file = std::string(ASSAY_SOURCE_DIR) + "/specs/" + name + ".json";
    const Json json = parse_json(read_file(file), file);
    for (const Json& source : json["sources"])
      for (const Json& line : source["lines"]) {
        const std::string text = line["text"].get<std::string>();
        EXPECT_EQ(print_spec_fields(parse_spec_fields(text)), text);
        EXPECT_EQ(print_spec_fields(parse_spec_fields("  " + text + ":\n")), text) << "as it stands in a report";
        ++lines;
      }
  }
  EXPECT_EQ(lines, 79);
}

TEST(SpecLine, ASpecPrintsItsLineAndTheLineGivesTheSpec) {
  for (const std::string& line :
       {kPlain, plain_with("dtB", "q8_0"), plain_with("dtB", "bf16") + " | alpha=0.1250 | beta=2.50e-1 | bias=true",
        "op=matmul_alpha_beta_cache | batch=14 | m=1 | n=86 | k=64 | tA=0 | tB=1 | accumulate=1 | alpha=0.1250 | "
        "beta=0.0000 | cache=1 | strided_batch=true" +
            kTypes,
        "op=matmul | batch=1 | m=1 | n=? | k=896 | tA=? | tB=? | nk=128 | nq=896 | nv=128" + kQuantized}) {
    const Spec spec = parse_spec(line);
    EXPECT_EQ(spec.line(), line);
    EXPECT_EQ(parse_spec(spec.line()).math_line(), spec.math_line());
  }
}

TEST(SpecLine, FieldsBecomeTheSpec) {
  const Spec spec = parse_spec(
      "op=matmul_alpha_beta_cache | batch=14 | m=2 | n=86 | k=64 | tA=1 | tB=1 | accumulate=1 | alpha=0.1250 | "
      "beta=-0.5 | "
      "cache=1 | strided_batch=true | loader=dense | bias=1 | dtA=bf16 | dtB=f16 | dtD=f32");
  EXPECT_EQ(spec.op->name, "matmul");
  EXPECT_EQ(spec.op_name, "matmul_alpha_beta_cache");
  EXPECT_EQ(matmul_of(spec).batch, 14);
  EXPECT_EQ(matmul_of(spec).m, 2);
  EXPECT_EQ(matmul_of(spec).n, 86);
  EXPECT_EQ(matmul_of(spec).k, 64);
  EXPECT_TRUE(matmul_of(spec).tA);
  EXPECT_TRUE(matmul_of(spec).tB);
  EXPECT_TRUE(matmul_of(spec).accumulate);
  EXPECT_TRUE(matmul_of(spec).bias);
  EXPECT_EQ(matmul_of(spec).alpha, 0.125);
  EXPECT_EQ(matmul_of(spec).beta, -0.5);
  EXPECT_EQ(matmul_of(spec).loader, "dense");
  EXPECT_EQ(matmul_of(spec).a, Dtype::bf16);
  EXPECT_EQ(matmul_of(spec).b, Dtype::f16);
  EXPECT_EQ(matmul_of(spec).d, Dtype::f32);
  EXPECT_TRUE(matmul_of(spec).segments.empty());
}

TEST(SpecLine, WhereAnOpMaySayNothingItsNameDecides) {
  const Spec spec = parse_spec(kPlain);
  EXPECT_EQ(matmul_of(spec).alpha, 1);
  EXPECT_EQ(matmul_of(spec).beta, 0);
  EXPECT_FALSE(matmul_of(spec).bias);
  EXPECT_FALSE(matmul_of(spec).accumulate);
  EXPECT_EQ(matmul_of(spec).loader, "");
}

TEST(SpecLine, SegmentsStandInTheirOwnOrderWhateverTheLinesOrder) {
  const Spec qkv =
      parse_spec("op=matmul | batch=1 | m=1 | n=? | k=896 | tA=? | tB=? | nk=128 | nq=896 | nv=64" + kQuantized);
  EXPECT_EQ(matmul_of(qkv).segments, (std::vector<Segment>{{"nq", 896}, {"nk", 128}, {"nv", 64}}));
  EXPECT_EQ(matmul_of(qkv).n, 1088);
  EXPECT_TRUE(matmul_of(qkv).b_is_nk());
  EXPECT_FALSE(matmul_of(qkv).tA);

  std::string many = "op=matmul | batch=1 | m=1 | n=? | k=32 | tA=? | tB=?" + kTypes;
  for (int i = 10; i >= 0; --i) many += fmt::format(" | n{}={}", i, i + 1);
  const Spec numbered = parse_spec(many);
  ASSERT_EQ(matmul_of(numbered).segments.size(), 11u);
  for (int i = 0; i <= 10; ++i)
    EXPECT_EQ(matmul_of(numbered).segments[size_t(i)], (Segment{fmt::format("n{}", i), i + 1}));
  EXPECT_EQ(matmul_of(numbered).n, 66);
}

TEST(SpecLine, AFusedLineMayWriteOutWhatItLeavesOpen) {
  const std::string open = "op=matmul | batch=1 | m=1 | n=? | k=896 | tA=? | tB=? | n0=48 | n1=16" + kTypes;
  const std::string closed = "op=matmul | batch=1 | m=1 | n=64 | k=896 | tA=0 | tB=1 | n0=48 | n1=16" + kTypes;
  EXPECT_EQ(parse_spec(open).math_line(), parse_spec(closed).math_line());
  const std::string start = "op=matmul | batch=1 | m=1", rest = " | n0=48 | n1=16" + kTypes;
  expect_refused(start + " | n=65 | k=896 | tA=? | tB=?" + rest, {"field n=65", "64"});
  expect_refused(start + " | n=? | k=896 | tA=1 | tB=?" + rest, {"field tA=1"});
  expect_refused(start + " | n=? | k=896 | tA=? | tB=0" + rest, {"field tB=0"});
}

TEST(SpecLine, SegmentsAreWholeSetsWithoutGaps) {
  const std::string fused = "op=matmul | batch=1 | m=1 | n=? | k=64 | tA=? | tB=?" + kTypes;
  expect_refused(fused + " | n0=5", {"field n0=5", "n1"});
  expect_refused(fused + " | n0=5 | n2=5", {"n1 is missing"});
  expect_refused(fused + " | n1=5 | n2=5", {"n0 is missing"});
  expect_refused(fused + " | nq=5 | nk=5", {"nv is missing"});
  expect_refused(fused + " | nq=5 | nk=5 | nv=5 | n0=5", {"n0=5", "not both"});
  expect_refused(fused + " | n0=5 | n1=0", {"field n1=0"});
  expect_refused(fused + " | n00=5 | n1=5", {"n00=5 is unknown"});
  expect_refused(fused + " | n0=9223372036854775807 | n1=1", {"sum is too large"});
}

TEST(SpecLine, OnlyAFusedSpecMayLeaveItsShapeOpen) {
  for (const char* field : {"n", "tA", "tB"})
    expect_refused(plain_with(field, "?"), {std::string("field ") + field + "=?", "fused"});
  expect_refused(plain_with("m", "?"), {"field m=?"});
}

TEST(SpecLine, AMissingFieldIsNamedWithWhatToAdd) {
  for (const auto& [field, value] : parse_spec_fields(kPlain))
    expect_refused(plain_with(field, ""), {"field " + field + " is missing", "add " + field + "="});
  expect_refused(plain_with("dtB", ""), {"q5_k or q6_k"});
}

TEST(SpecLine, AnOpsNameDecidesWhatItMustSay) {
  for (const std::string suffix : {"", "_cache"}) {
    expect_refused(plain_with("op", "matmul_alpha_beta" + suffix), {"field alpha is missing"});
    expect_refused(plain_with("op", "matmul_alpha_beta" + suffix) + " | alpha=1", {"field beta is missing"});
    expect_refused(plain_with("op", "matmul_bias_add" + suffix), {"field bias is missing"});
    expect_refused(plain_with("op", "matmul_bias_add" + suffix) + " | bias=0", {"field bias=0"});
    EXPECT_EQ(error_of(plain_with("op", "matmul" + suffix)), "accepted");
    EXPECT_EQ(error_of(plain_with("op", "matmul_bias_add" + suffix) + " | bias=1"), "accepted");
    EXPECT_EQ(error_of(plain_with("op", "matmul_alpha_beta" + suffix) + " | alpha=1 | beta=0"), "accepted");
  }
  expect_refused(plain_with("op", "matmul_chace"), {"field op=matmul_chace", "matmul_cache"});
}

TEST(SpecLine, AnUnknownFieldIsNamedWithTheNearestKnown) {
  expect_refused(kPlain + " | alhpa=1", {"field alhpa=1 is unknown", "alpha"});
  expect_refused(kPlain + " | N=5", {"field N=5 is unknown"});
  expect_refused(kPlain + " | x\xff=1", {"is unknown"});
}

TEST(SpecLine, SizesAreWholeNumbersOfAtLeastOne) {
  for (const char* field : {"batch", "m", "n", "k"})
    for (const char* value : {"0", "-1", "+1", "1.5", "0x10", "1e3", "12a", "a", "1 2", "1..2"})
      expect_refused(plain_with(field, value), {std::string("field ") + field + "=" + value, "whole number"});
  expect_refused(plain_with("k", "9223372036854775808"), {"field k=", "too large"});
}

TEST(SpecLine, SizesThatOverflowAreRefusedByOperand) {
  const std::string most = "9223372036854775807";
  for (const char* field : {"batch", "m", "n", "k"}) expect_refused(plain_with(field, most), {"2^47", most});
  // 2^46 f16 values are 2^47 bytes exactly; one row more is too many.
  const std::string line = "op=matmul | batch=1 | m=1 | n=4294967296 | tA=0 | tB=1 | dtA=f16 | dtD=f16";
  EXPECT_EQ(parse_spec(line + " | k=16384 | dtB=f16").weight_bytes(), int64_t(1) << 47);
  expect_refused(line + " | k=16385 | dtB=f16", {"B would take more than 2^47 bytes", "k=16385"});
  expect_refused(line + " | k=16384 | dtB=f32", {"B would take more than 2^47 bytes"});
  EXPECT_EQ(error_of(line + " | k=16384 | dtB=q8_0"), "accepted");
  const std::string wide = "op=matmul | batch=1 | n=1 | tA=0 | tB=1 | dtB=f16 | dtD=f16";
  expect_refused(wide + " | m=70368744177664 | k=2 | dtA=f16", {"A would take more than 2^47 bytes"});
  const std::string outer = "op=matmul | batch=1 | k=1 | tA=0 | tB=1 | dtA=f16 | dtB=f16";
  expect_refused(outer + " | m=8388608 | n=8388609 | dtD=f16", {"D would take more than 2^47 bytes"});
  expect_refused("op=matmul | batch=1 | m=4194304 | n=4194304 | k=4194304 | tA=0 | tB=1" + kTypes, {"flops"});
}

TEST(SpecLine, FlagsFactorsAndTypesSayOnlyWhatTheyCan) {
  for (const char* flag : {"bias", "accumulate", "cache", "strided_batch"})
    for (const char* value : {"2", "yes", "?", "True", "-1"})
      expect_refused(kPlain + " | " + flag + "=" + value, {std::string("field ") + flag + "=" + value, "0 or 1"});
  for (const char* flag : {"tA", "tB"}) expect_refused(plain_with(flag, "2"), {std::string("field ") + flag + "=2"});
  for (const char* factor : {"alpha", "beta"})
    for (const char* value : {"inf", "nan", "1e999", "1,5", "x", "0.5f", "?"})
      expect_refused(kPlain + " | " + factor + "=" + value, {std::string("field ") + factor + "=" + value, "finite"});
  for (const char* type : {"dtA", "dtB", "dtD"})
    expect_refused(plain_with(type, "f61"), {std::string("field ") + type + "=f61", "f16"});
  expect_refused(plain_with("dtA", "q8_0"), {"field dtA=q8_0", "f32, f16 or bf16"});
  expect_refused(plain_with("dtD", "q8_0"), {"field dtD=q8_0", "f32, f16 or bf16"});
  expect_refused(kPlain + " | loader=q8", {"field loader=q8", "dense"});
}

TEST(SpecLine, QuantizedWeightsLieInBlocksAlongK) {
  const std::string quantized = plain_with("dtB", "q8_0");
  EXPECT_EQ(error_of(quantized), "accepted");
  const std::string start = "op=matmul | batch=1 | m=1 | n=33 | tA=0" + kQuantized;
  expect_refused(start + " | tB=1 | k=33", {"field k=33", "32"});
  expect_refused(start + " | tB=0 | k=64", {"field dtB=q8_0", "tB=1"});
  EXPECT_EQ(error_of(start + " | tB=0 | k=64 | loader=q8nk_split"), "accepted");
  expect_refused(start + " | tB=1 | k=64 | loader=dense", {"field dtB=q8_0", "loader=dense"});
  expect_refused(kPlain + " | loader=q8nk_split", {"field dtB=f16", "q8_0"});
}

TEST(SpecLine, MalformedTextIsRefused) {
  expect_refused("", {"empty field"});
  expect_refused(" : ", {"empty field"});
  expect_refused(kPlain + " | ", {"empty field after dtD="});
  expect_refused("| " + kPlain, {"empty field at the start"});
  expect_refused("op=matmul || batch=1", {"empty field after op="});
  expect_refused("op=matmul | batch", {"\"batch\"", "no field"});
  expect_refused("=matmul", {"no name"});
  expect_refused("op=", {"field op has no value"});
  expect_refused(kPlain + "::", {"field dtD", "\":\""});
  expect_refused(kPlain + " | k=896", {"field k stands twice"});
  expect_refused("op=mat\nmul | batch=1", {"control characters"});
  expect_refused(std::string("op=mat\0mul", 10), {"control characters"});
}

TEST(SpecLine, AnUnknownOpIsSaidBeforeItsFieldsAreHeldAgainstAnothersTable) {
  try {
    parse_spec("op=rms_nrom | m=1 | eps=0");
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("field op=rms_nrom: it must be"), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find("did you mean rms_norm"), std::string::npos) << e.what();
  }
}

TEST(SpecLine, FieldsBuiltByAProgramObeyTheSameGrammar) {
  SpecFields fields = parse_spec_fields(kPlain);
  fields.emplace_back("k", "897");
  EXPECT_THROW(make_spec(fields, "here"), Error);
  fields.back() = {"alpha", "1 | beta=2"};
  EXPECT_EQ(matmul_of(parse_spec(make_spec(fields, "here").line())).beta, 2)
      << "what is printed is what was understood";
}

TEST(SpecMaths, NamesAndNotesOfTheEngineDoNotChangeIt) {
  const std::string maths = parse_spec(kPlain).math_line();
  for (const std::string& line :
       {plain_with("op", "matmul_cache"), kPlain + " | accumulate=1", kPlain + " | cache=1 | strided_batch=false",
        kPlain + " | alpha=1.0000 | beta=-0.0", kPlain + " | bias=false | loader=none",
        plain_with("op", "matmul_alpha_beta") + " | alpha=1e0 | beta=0", plain_with("k", "0896"),
        plain_with("tB", "true")})
    EXPECT_EQ(parse_spec(line).math_line(), maths) << line;
}

TEST(SpecMaths, WhateverChangesTheResultOrTheStorageChangesIt) {
  const std::string maths = parse_spec(kPlain).math_line();
  for (const std::string& line :
       {plain_with("batch", "2"), plain_with("m", "2"), plain_with("n", "9727"), plain_with("k", "895"),
        plain_with("tA", "1"), plain_with("tB", "0"), plain_with("dtA", "f32"), plain_with("dtB", "bf16"),
        plain_with("dtD", "f32"), kPlain + " | alpha=0.125", kPlain + " | beta=1", kPlain + " | bias=1",
        kPlain + " | loader=dense", kPlain + " | n0=9000 | n1=728"})
    EXPECT_NE(parse_spec(line).math_line(), maths) << line;
}

TEST(SpecMaths, TheCanonicalLineIsALineOfTheGrammar) {
  for (const std::string& line :
       {kPlain, kPlain + " | alpha=0.1 | beta=-2.5e-7 | bias=1",
        "op=matmul | batch=3 | m=2 | n=? | k=96 | tA=? | tB=? | n0=5 | n1=7" + kQuantized,
        "op=matmul | batch=1 | m=1 | n=151936 | k=896 | tA=0 | tB=0 | loader=q8nk_split" + kQuantized}) {
    const Spec spec = parse_spec(line), again = parse_spec(spec.math_line());
    EXPECT_EQ(again.math_line(), spec.math_line());
    EXPECT_EQ(again.min_bytes(), spec.min_bytes());
    EXPECT_EQ(matmul_of(again).segments, matmul_of(spec).segments);
    EXPECT_EQ(matmul_of(again).alpha, matmul_of(spec).alpha);
    EXPECT_EQ(matmul_of(again).beta, matmul_of(spec).beta);
    EXPECT_EQ(matmul_of(again).loader, matmul_of(spec).loader);
  }
  EXPECT_EQ(parse_spec(kPlain).math_line(),
            "op=matmul | batch=1 | m=1 | n=9728 | k=896 | tA=0 | tB=1 | dtA=f16 | dtB=f16 | dtD=f16 | loader=none | "
            "alpha=1 | beta=0 | bias=0");
}

TEST(SpecMaths, TheSplitLoaderDecidesTheStorageWhateverTBSays) {
  const std::string line = "op=matmul | batch=1 | m=1 | n=64 | k=64 | tA=0 | loader=q8nk_split" + kQuantized;
  const Spec spec = parse_spec(line + " | tB=0");
  EXPECT_TRUE(matmul_of(spec).b_is_nk());
  EXPECT_TRUE(matmul_of(spec).split_q8());
  EXPECT_EQ(spec.math_line(), parse_spec(line + " | tB=1").math_line());
  EXPECT_FALSE(matmul_of(parse_spec(plain_with("tB", "0") + " | loader=dense")).b_is_nk());
  EXPECT_TRUE(matmul_of(parse_spec(kPlain)).b_is_nk());
}

TEST(SpecSizes, BytesAndFlopsFollowTheShape) {
  const Spec spec = parse_spec(
      "op=matmul_alpha_beta | batch=14 | m=2 | n=96 | k=64 | tA=0 | tB=1 | alpha=0.125 | beta=0.5 | bias=1 | dtA=f32 | "
      "dtB=q8_0 | dtD=bf16");
  EXPECT_EQ(spec.bytes(Operand::a), 14 * 2 * 64 * 4);
  EXPECT_EQ(spec.weight_bytes(), 14 * 96 * 64 / 32 * 34);
  EXPECT_EQ(spec.bytes(Operand::d), 14 * 2 * 96 * 2);
  EXPECT_EQ(spec.bytes(Operand::c), spec.bytes(Operand::d));
  EXPECT_EQ(spec.bytes(Operand::bias), 96 * 2);
  EXPECT_EQ(spec.min_bytes(), spec.bytes(Operand::a) + spec.weight_bytes() + 2 * spec.bytes(Operand::d) + 96 * 2);
  EXPECT_EQ(spec.flops, 2LL * 14 * 2 * 96 * 64);
}

TEST(SpecSizes, CAndBiasCostNothingWhereTheyAreNotRead) {
  const Spec spec = parse_spec(kPlain + " | accumulate=1");
  EXPECT_EQ(spec.bytes(Operand::c), 0);
  EXPECT_EQ(spec.bytes(Operand::bias), 0);
  EXPECT_EQ(spec.min_bytes(), 2 * (896 + 9728 * 896 + 9728));
}

TEST(SpecSizes, TheShortNameIsTheProgressForm) {
  EXPECT_EQ(parse_spec(kPlain).short_name(), "M:1 N:9728 K:896");
  EXPECT_EQ(parse_spec(plain_with("batch", "14")).short_name(), "M:1 N:9728 K:896 B:14");
}

TEST(SpecLine, OtherNumbersAreHalfOfThoseThatAKernelHasToRead) {
  const auto others = [](const std::string& line) {
    const std::optional<Spec> other = with_other_numbers(parse_spec(line));
    std::vector<double> values;
    for (const OpParam& param : other ? other->params : std::vector<OpParam>()) values.push_back(param.value);
    return values;
  };
  using Values = std::vector<double>;
  EXPECT_EQ(others(kPlain), Values());
  EXPECT_EQ(others(kPlain + " | alpha=1 | beta=0"), Values());
  EXPECT_EQ(others(kPlain + " | alpha=0.5 | beta=0.75"), (Values{0.25, 0.375}));
  EXPECT_EQ(others(kPlain + " | alpha=1 | beta=-2"), (Values{1, -1}));
  EXPECT_EQ(others("op=rms_norm | m=1 | n=8 | dtA=f32 | dtB=f32 | dtD=f32 | eps=0.000001"), Values{0.0000005});
  EXPECT_EQ(others("op=rms_norm | m=1 | n=8 | dtA=f32 | dtB=f32 | dtD=f32 | eps=0"), Values());
  const std::string rope =
      "op=rope | m=1 | heads=1 | kv_heads=1 | head_size=4 | capacity=8 | dtA=f32 | dtCache=f16 | dtD=f32 | style=neox";
  EXPECT_EQ(others(rope + " | base=10000"), (Values{5000, 4, 0}));
  EXPECT_EQ(others(rope + " | base=1"), Values()) << "no base is below 1";
}

TEST(SpecLine, QuantizedWeightsLieInWholeBlocksAlongK) {
  for (const DtypeFacts& type : all_dtypes()) {
    if (!is_quantized(type.dtype)) continue;
    const auto line = [&](int64_t k, int tB) {
      return fmt::format("op=matmul | batch=2 | m=1 | n=3 | k={} | tA=0 | tB={} | dtA=f32 | dtB={} | dtD=f16", k, tB,
                         type.name);
    };
    const Spec spec = parse_spec(line(3 * type.block_values, 1));
    EXPECT_EQ(spec.weight_bytes(), 2 * 3 * 3 * type.block_bytes);
    for (const Tensor& t : spec.tensors) {
      if (t.operand != Operand::b) continue;
      EXPECT_EQ(t.storage, Storage::blocks);
      EXPECT_EQ(t.strides[1], 3) << "in blocks";
      EXPECT_EQ(t.strides[0], 9);
    }
    const std::string name(type.name);
    expect_refused(line(3 * type.block_values, 0), {name + " blocks run along k", "tB=1"});
    expect_refused(line(type.block_values / 2, 1),
                   {name + " weights need a multiple of " + std::to_string(type.block_values)});
    expect_refused(line(type.block_values, 1) + " | loader=dense", {"loader=dense reads f32, f16 or bf16"});
    if (type.dtype != Dtype::q8_0)
      expect_refused(line(type.block_values, 1) + " | loader=q8nk_split", {"loader=q8nk_split reads q8_0"});
  }
}

}  // namespace
}  // namespace assay
