// Laws of the GGUF reader: what is in a file is found where it lies; a file that is cut or lies is an Error that says
// where.
#include "model/gguf.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <limits>

#include "base/error.h"
#include "base/file.h"
#include "gguf_bytes.h"
#include "text_lines.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

std::string refusal(const std::string& bytes) {
  try {
    const Gguf file(bytes, "m.gguf");
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

void expect_refusal(const std::string& bytes, const std::vector<std::string>& parts) {
  const std::string message = refusal(bytes);
  EXPECT_EQ(message.rfind("m.gguf: ", 0), 0u) << message;
  EXPECT_FALSE(contains(message, "\n"));
  EXPECT_LT(message.size(), 700u) << message;
  for (const std::string& part : parts) EXPECT_TRUE(contains(message, part)) << part << "\nis not in\n" << message;
}

GgufBytes small() {
  GgufBytes file;
  file.text("general.architecture", "llama").u32("llama.block_count", 3).f32("eps", 0.5f);
  file.texts("tokens", {"a", "", "\xff\xfe", "dd"});
  file.array("types", GgufType::i32, 3, raw<int32_t>(1) + raw<int32_t>(-7) + raw<int32_t>(3));
  file.add("yes", GgufType::boolean, std::string(1, 1)).add("big", GgufType::u64, raw(uint64_t(1) << 62));
  file.tensor("w", {64, 3}, TensorType::q8_0).tensor("norm", {5}, TensorType::f32);
  return file;
}

TEST(gguf, keys_and_tensors_are_found_where_they_lie) {
  for (const uint32_t version : {2u, 3u}) {
    GgufBytes parts = small();
    parts.version = version;
    const std::string bytes = parts.bytes();
    const Gguf file(bytes, "m.gguf");
    EXPECT_EQ(file.version(), version);
    EXPECT_EQ(file.string("general.architecture"), "llama");
    EXPECT_EQ(file.integer("llama.block_count"), 3);
    EXPECT_EQ(file.number("eps"), 0.5);
    EXPECT_EQ(file.number("llama.block_count"), 3);
    EXPECT_TRUE(file.boolean("yes"));
    EXPECT_EQ(file.integer("big"), int64_t(1) << 62);
    EXPECT_EQ(file.strings("tokens"), (std::vector<std::string_view>{"a", "", "\xff\xfe", "dd"}));
    EXPECT_GE(file.strings("tokens")[3].data(), bytes.data());
    EXPECT_LT(file.strings("tokens")[3].data(), bytes.data() + bytes.size());
    EXPECT_EQ(file.integers("types").size(), 3u);
    EXPECT_EQ(file.integers("types").integer(1), -7);
    const GgufTensor& weight = file.tensor("w");
    EXPECT_EQ(weight.shape_text(), "64 x 3");
    EXPECT_EQ(weight.bytes.size(), 6u * 34);
    EXPECT_EQ(weight.bytes[1], 7);
    EXPECT_EQ(file.tensor("norm").offset % 32, 0u);
    EXPECT_EQ(file.tensor("norm").bytes.size(), 20u);
    EXPECT_EQ(file.entries().size(), 7u);
    EXPECT_EQ(file.tensors()[0].name, "w") << "in the order of the file";
    EXPECT_EQ(file.string_or("none", "x"), "x");
    EXPECT_EQ(file.integer_or("none", 5), 5);
    EXPECT_EQ(file.find("none"), nullptr);
    EXPECT_EQ(file.find_tensor("none"), nullptr);
  }
}

template <typename Ask>
std::string asked(Ask ask) {
  const std::string bytes = small().bytes();
  const Gguf file(bytes, "m.gguf");
  try {
    ask(file);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(gguf, a_missing_key_and_a_wrong_type_are_named) {
  EXPECT_TRUE(contains(asked([](const Gguf& f) { f.string("general.architectur"); }),
                       "no key \"general.architectur\"; did you mean general.architecture"));
  EXPECT_TRUE(contains(asked([](const Gguf& f) { f.string("eps"); }), "key \"eps\" is f32, not a string"));
  EXPECT_TRUE(contains(asked([](const Gguf& f) { f.integer("eps"); }), "is f32, not an integer"));
  EXPECT_TRUE(contains(asked([](const Gguf& f) { f.integer("tokens"); }), "is an array of string, not an integer"));
  EXPECT_TRUE(
      contains(asked([](const Gguf& f) { f.strings("types"); }), "is an array of i32, not an array of strings"));
  EXPECT_TRUE(contains(asked([](const Gguf& f) { f.boolean_or("eps", true); }), "is f32, not a bool"));
  EXPECT_TRUE(contains(asked([](const Gguf& f) { f.tensor("ww"); }), "no tensor \"ww\"; did you mean w?"));
}

TEST(gguf, a_file_cut_anywhere_says_how_many_bytes_lack) {
  const std::string whole = small().bytes();
  for (size_t size = 4; size < whole.size(); ++size) {
    const std::string message = refusal(whole.substr(0, size));
    EXPECT_EQ(message.rfind("m.gguf: ", 0), 0u) << size;
    if (size >= 24) {
      EXPECT_TRUE(contains(message, "lack") || contains(message, "claims")) << size << message;
    }
  }
  expect_refusal(whole.substr(0, whole.size() - 7),
                 {"ends at byte " + std::to_string(whole.size() - 7), ": 7 lack", "\"norm\"", "unfinished download"});
  const size_t key = whole.find("general.architecture");
  expect_refusal(whole.substr(0, 20), {"count of keys", "4 lack"});
  expect_refusal(whole.substr(0, whole.size() / 2).substr(0, key + 10), {"claims 7 keys"});
}

TEST(gguf, counts_beyond_the_file_are_lies) {
  constexpr uint64_t kHuge = uint64_t(1) << 60;
  GgufBytes file = small();
  file.more_entries = kHuge;
  expect_refusal(file.bytes(), {"byte 16", "claims 1152921504606846983 keys"});
  file = small();
  file.more_tensors = kHuge;
  expect_refusal(file.bytes(), {"byte 8", "claims 1152921504606846978 tensors"});
  file = small();
  file.array("a", GgufType::f32, kHuge, "abcd");
  expect_refusal(file.bytes(), {"array \"a\" claims 1152921504606846976 values of 4 bytes"});
  file = small();
  file.array("a", GgufType::string, kHuge, "abcd");
  expect_refusal(file.bytes(), {"array \"a\" claims 1152921504606846976 values of 8 bytes"});
  file = small();
  file.add("a", GgufType::string, raw(kHuge) + "abcd");
  expect_refusal(file.bytes(), {"\"a\"", "needs 1152921504606846976 bytes"});
  file = small();
  file.add("a", GgufType::string, raw(~uint64_t(0)) + "abcd");
  expect_refusal(file.bytes(), {"\"a\"", "needs 18446744073709551615 bytes"});
  file = small();
  file.entries.push_back(raw(kHuge) + "key");
  expect_refusal(file.bytes(), {"key 8 of 8", "lack"});
  file = small();
  file.tensors[0].dims = {kHuge, 4};
  expect_refusal(file.bytes(), {"\"w\" and \"norm\" overlap", "ends at 4899916394579099648"});
  file = small();
  file.tensors[1].dims = {kHuge};
  expect_refusal(file.bytes(), {"\"norm\"", "need 46116860184273", "lack"});
  file = small();
  file.tensors[0].dims = {kHuge, 1 << 20};
  expect_refusal(file.bytes(), {"\"w\"", "more than there can be"});
  file.tensors[0].dims = {~uint64_t(0)};
  expect_refusal(file.bytes(), {"\"w\"", "more than there can be"});
  file.tensors[0].dims = {kHuge, 2};
  file.tensors[0].type = uint32_t(TensorType::f64);
  expect_refusal(file.bytes(), {"\"w\"", "more than there can be"});
}

TEST(gguf, tensors_lie_apart_aligned_and_inside_the_file) {
  GgufBytes file = small();
  file.tensors[1].offset = 32;
  expect_refusal(file.bytes(), {"\"w\" and \"norm\" overlap", "begins at offset 32", "ends at 204"});
  file = small();
  file.tensors[1].offset = 0;
  expect_refusal(file.bytes(), {"overlap"});
  file = small();
  file.tensors[1].offset += 4;
  expect_refusal(file.bytes(), {"\"norm\"", "no multiple of 32"});
  file = small();
  file.tensors[1].offset = 1 << 20;
  expect_refusal(file.bytes(), {"\"norm\"", "lack"});
  file.tensors[1].offset = ~uint64_t(0) - 31;
  expect_refusal(file.bytes(), {"\"norm\"", "beyond 2^64"});
  file.tensors[1].dims = {1 << 20};
  expect_refusal(file.bytes(), {"\"norm\"", "beyond 2^64"});
}

TEST(gguf, tensors_have_known_types_and_whole_blocks) {
  GgufBytes file = small();
  file.tensors[0].dims = {48, 4};
  expect_refusal(file.bytes(), {"\"w\"", "rows of 48 values", "Q8_0 comes in blocks of 32"});
  file.tensors[0].type = 4;
  expect_refusal(file.bytes(), {"\"w\"", "Q4_2", "no longer has"});
  file.tensors[0].type = 999;
  expect_refusal(file.bytes(), {"\"w\"", "type 999", "known are F32, F16, Q4_0"});
  file = small();
  file.tensors[0].dims = {};
  expect_refusal(file.bytes(), {"\"w\"", "0 dimensions"});
  file.tensors[0].dims = {32, 1, 1, 1, 1};
  expect_refusal(file.bytes(), {"\"w\"", "5 dimensions"});
  file.tensors[0].dims = {32, 0};
  expect_refusal(file.bytes(), {"\"w\"", "0 values along dimension 1"});
}

TEST(gguf, names_stand_once_and_are_names) {
  expect_refusal(small().u32("eps", 1).bytes(), {"the key \"eps\" stands in it twice"});
  expect_refusal(small().tensor("w", {4}, TensorType::f32).bytes(), {"the tensor \"w\" stands in it twice"});
  expect_refusal(small().u32("", 1).bytes(), {"key 8 of 8", "has 0 bytes"});
  expect_refusal(small().u32(std::string(65536, 'k'), 1).bytes(), {"has 65536 bytes"});
  expect_refusal(small().u32(std::string("a\0b", 3), 1).bytes(), {"zero byte"});
  EXPECT_EQ(refusal(small().u32(std::string(65535, 'k'), 1).bytes()), "");
  GgufBytes file = small().tensor(std::string(9999, '\n'), {4}, TensorType::f32);
  file.tensors.back().type = 999;
  expect_refusal(file.bytes(), {"type 999"});
}

TEST(gguf, values_have_known_types) {
  expect_refusal(small().add("a", GgufType(13), "abcd").bytes(), {"key \"a\" has type 13"});
  expect_refusal(small().array("a", GgufType(77), 1, "abcd").bytes(), {"array \"a\" has type 77"});
  expect_refusal(small().array("a", GgufType::array, 1, "abcd").bytes(), {"array of arrays"});
  expect_refusal(small().add("a", GgufType::boolean, "\2").bytes(), {"bool of value 2"});
  expect_refusal(small().add("a", GgufType::u64, raw(~uint64_t(0))).bytes(), {"2^63 or more"});
  EXPECT_EQ(refusal(small().array("a", GgufType::f64, 0, "").bytes()), "");
}

TEST(gguf, alignment_is_a_power_of_two) {
  for (const uint32_t wrong : {0u, 1u, 4u, 24u, 33u})
    expect_refusal(small().u32("general.alignment", wrong).bytes(),
                   {"general.alignment is " + std::to_string(wrong), "power of two"});
  expect_refusal(small().text("general.alignment", "32").bytes(), {"general.alignment is string, not u32"});
  GgufBytes file;
  file.alignment = 4096;
  file.u32("general.alignment", 4096).tensor("a", {8}, TensorType::f32).tensor("b", {8}, TensorType::f32);
  const std::string bytes = file.bytes();
  EXPECT_EQ(Gguf(bytes, "m").tensor("b").offset, 8192u);
}

TEST(gguf, other_files_are_named) {
  expect_refusal("", {"is empty"});
  expect_refusal("GG", {"cut after its first bytes"});
  expect_refusal(raw<uint64_t>(120) + "{\"__metadata__\":{}}", {"a safetensors file", "convert"});
  expect_refusal("PK\x03\x04 archive/data.pkl", {"zip archive", "PyTorch"});
  expect_refusal("\x80\x02}q", {"pickle", "PyTorch"});
  expect_refusal("\x1f\x8b\x08", {"gzip", "unpack"});
  expect_refusal("tjgg\3\0\0\0", {"ggjt", "before GGUF"});
  expect_refusal("version https://git-lfs.github.com/spec/v1\n", {"Git LFS"});
  expect_refusal("<!DOCTYPE html>", {"HTML"});
  expect_refusal("some text", {"does not begin with the letters GGUF"});
  GgufBytes file = small();
  file.version = 0x03000000;
  expect_refusal(file.bytes(), {"big-endian"});
  file.version = 1;
  expect_refusal(file.bytes(), {"version 1", "versions 2 and 3 are read"});
  for (const uint32_t version : {0u, 4u, 99u}) {
    file.version = version;
    expect_refusal(file.bytes(), {"version " + std::to_string(version)});
  }
}

class gguf_on_disk : public testing::Test {
 protected:
  gguf_on_disk() : path_("/tmp/assay-gguf-test-" + std::to_string(getpid())) {}
  ~gguf_on_disk() override { fs::remove(path_); }
  const fs::path path_;
};

TEST_F(gguf_on_disk, a_file_that_shrinks_while_mapped_is_an_error_and_no_crash) {
  GgufBytes parts = small();
  parts.tensor("large", {1 << 20}, TensorType::f32);
  write_file(path_, parts.bytes());
  const Gguf file(path_);
  file.check_whole();
  fs::resize_file(path_, 4096);
  int64_t sum = 0;
  for (const char byte : file.tensor("large").bytes.substr(1 << 20)) sum += byte;
  EXPECT_EQ(sum, 0) << "what is gone reads as zeros";
  EXPECT_THROW(file.check_whole(), Error);
  fs::resize_file(path_, parts.bytes().size());
  EXPECT_THROW(file.check_whole(), Error) << "it was shorter when it was read";
}

TEST_F(gguf_on_disk, a_hole_of_the_same_size_as_a_model_takes_no_memory) {
  GgufBytes parts = small();
  parts.tensors.push_back({"huge", {uint64_t(1) << 34}, 0, (parts.data.size() + 31) / 32 * 32});
  const std::string head = parts.bytes();
  write_file(path_, head);
  fs::resize_file(path_, head.size() + (uint64_t(1) << 36) + 64);
  const Gguf file(path_);
  EXPECT_EQ(file.tensor("huge").bytes.size(), size_t(1) << 36);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  EXPECT_LT(usage.ru_maxrss, 1 << 20) << "KB";
}

TEST(gguf_shared, the_given_models_and_vocabularies_are_read) {
  const fs::path folder = fs::path(ASSAY_SOURCE_DIR) / "../shared/data";
  if (!fs::exists(folder / "models")) GTEST_SKIP() << "no ../shared/data here";
  size_t read = 0;
  for (const char* below : {"models", "tokenizer"})
    for (const auto& entry : fs::directory_iterator(folder / below)) {
      if (entry.path().extension() != ".gguf") continue;
      const Gguf file(entry.path());
      EXPECT_FALSE(file.string("general.architecture").empty());
      EXPECT_GT(file.strings("tokenizer.ggml.tokens").size(), 1000u);
      ++read;
    }
  EXPECT_EQ(read, 11u);
}

}  // namespace
}  // namespace assay
