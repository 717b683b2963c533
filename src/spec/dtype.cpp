// Names, sizes and roundoff of the element types.
#include "spec/dtype.h"

#include <cmath>

#include "base/error.h"

namespace assay {
namespace {
constexpr int64_t kBlockValues = 32, kBlockBytes = 34;
}  // namespace

const std::vector<std::string>& dtype_names() {
  static const std::vector<std::string> names = {"f32", "f16", "bf16", "q8_0"};
  return names;
}

std::string_view dtype_name(Dtype dtype) {
  if (dtype == Dtype::i32) return "i32";  // no line and no manifest may ask for it
  ASSAY_CHECK(size_t(dtype) < dtype_names().size());
  return dtype_names()[size_t(dtype)];
}

std::optional<Dtype> parse_dtype(std::string_view name) {
  for (size_t i = 0; i < dtype_names().size(); ++i)
    if (dtype_names()[i] == name) return Dtype(i);
  return std::nullopt;
}

int64_t dtype_bytes(Dtype dtype, int64_t count) {
  switch (dtype) {
    case Dtype::f32:
    case Dtype::i32:
      return 4 * count;
    case Dtype::f16:
    case Dtype::bf16:
      return 2 * count;
    case Dtype::q8_0:
      ASSAY_CHECK(count % kBlockValues == 0);
      return count / kBlockValues * kBlockBytes;
  }
  ASSAY_CHECK(!"a dtype without a size");
  return 0;
}

double unit_roundoff(Dtype dtype) {
  switch (dtype) {
    case Dtype::f32:
      return std::ldexp(1.0, -24);
    case Dtype::f16:
      return std::ldexp(1.0, -11);
    case Dtype::bf16:
      return std::ldexp(1.0, -8);
    case Dtype::q8_0:
    case Dtype::i32:
      return 0;
  }
  ASSAY_CHECK(!"a dtype without a roundoff");
  return 0;
}

}  // namespace assay
