// Fuzz entry of the spec line: whatever parses must print and read back to the same spec; the rest must throw Error.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "ops/matmul.h"
#include "spec/spec.h"

namespace {
void demand(bool holds) {
  if (!holds) std::abort();
}

template <typename Read>
auto accepted(Read read) -> std::optional<decltype(read())> {
  try {
    return read();
  } catch (const assay::Error&) {
    return std::nullopt;  // refusing is what the grammar is for; any other exception ends the run
  }
}

// Nothing is caught here: what was accepted once may not be refused when printed.
void check_spec(const assay::Spec& spec) {
  const assay::Spec again = assay::parse_spec(spec.line());
  demand(again.fields == spec.fields && again.segments == matmul_of(spec).segments);
  demand(again.math_line() == spec.math_line());
  demand(assay::parse_spec(spec.math_line()).math_line() == spec.math_line());
  demand(spec.min_bytes() > 0 && spec.flops > 0);
  demand(assay::missing_fields(spec.fields).empty());
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  const auto fields = accepted([&] { return assay::parse_spec_fields(line); });
  if (!fields) return 0;
  demand(assay::parse_spec_fields(assay::print_spec_fields(*fields)) == *fields);
  const auto lines = accepted([&] { return assay::expand_ranges(*fields, "fuzz"); });
  if (!lines) return 0;
  demand(!lines->empty() && lines->size() <= 4096);
  for (const auto& member : {lines->front(), lines->back()})
    if (const auto spec = accepted([&] { return assay::make_spec(member, "fuzz"); })) check_spec(*spec);
  return 0;
}
