// The values of one spec line, each read as its op's field table says, or refused by name.
#pragma once
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "spec/op.h"

namespace assay {

class FieldReader {
 public:
  /// All outlive it. `where` ("file:line" or "--spec") leads every message.
  FieldReader(const Op& op, const SpecFields& fields, const std::string& where)
      : op_(op), fields_(fields), where_(where) {}

  bool has(std::string_view key) const;
  bool open(std::string_view key) const { return text(key) == "?"; }
  const std::string& text(std::string_view key) const;
  /// The names of those of the line's fields that are segments, in the line's order.
  std::vector<std::string> segments() const;

  int64_t size(std::string_view key) const;  // a whole number of at least 1
  bool flag(std::string_view key, bool otherwise = false) const;
  double factor(std::string_view key, double otherwise) const;  // finite
  Dtype dtype(std::string_view key, bool may_be_quantized = false) const;
  /// One of these words, by its place.
  size_t choice(std::string_view key, std::span<const std::string_view> words) const;
  /// The product; refuses the line where it is more than 2^40. `what` has so many values.
  int64_t values(std::string_view what, std::initializer_list<int64_t> sizes) const;

  [[noreturn]] void refuse(std::string_view key) const;
  [[noreturn]] void refuse(std::string_view key, const std::string& why) const;
  /// Without a field to name.
  [[noreturn]] void refuse_all(const std::string& why) const;

 private:
  const Op& op_;
  const SpecFields& fields_;
  const std::string& where_;
};

inline constexpr std::string_view kSaysSize = "a whole number of at least 1", kSaysFlag = "0 or 1 (false or true)",
                                  kSaysFactor = "a finite number", kSaysActivationType = "f32, f16 or bf16",

                                  kSaysWeightType = "f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q4_k, q5_k or q6_k";

/// Whether a field of this name is one of the table's: "n#" stands for n0, n1, …
bool is_named(std::string_view pattern, std::string_view key);

}  // namespace assay
