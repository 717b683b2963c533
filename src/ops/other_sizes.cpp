// Specs of other sizes.
#include "ops/other_sizes.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/error.h"
#include "ops/matmul.h"

namespace assay {
namespace {

constexpr int64_t kMostRows = 64, kMostLength = 1024, kMostPositions = 48;

/// Half as long, at most kMostLength, in whole blocks and in multiples that kernels ask for; twice as long where that
/// is nothing.
int64_t other_length(int64_t length, int64_t block) {
  const int64_t step = std::max<int64_t>(length >= 512 ? 256 : 32, block);
  const int64_t half = length / 2 / step * step;
  return half == 0 ? 2 * length : std::min(half, kMostLength);
}

int64_t one_less(int64_t count) { return std::max<int64_t>(count - 1, 1); }

struct Heads {
  int64_t all, of_cache;
};
/// Half of both, or a query head less for each of the cache's, or one less of both where they are as many.
Heads other_heads(Heads heads) {
  const auto [all, of_cache] = heads;
  if (of_cache > 1 && of_cache % 2 == 0 && all % 2 == 0) return {all / 2, of_cache / 2};
  if (of_cache > 0 && all > of_cache) return {all - of_cache, of_cache};
  return of_cache > 1 ? Heads{all / of_cache * (of_cache - 1), of_cache - 1} : heads;
}

std::optional<int64_t> number_in(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

std::optional<Spec> small_like(const Spec& spec, bool has_odd_n) {
  const bool is_product = spec.op->is_product;
  // Of a product as few columns as there may be.
  const std::optional<Spec> fewer =
      is_product ? with_fewer_columns(spec, std::numeric_limits<int64_t>::max()) : std::nullopt;
  int64_t block = 1;
  for (const Tensor& t : spec.tensors) block = std::max(block, int64_t(dtype_facts(t.dtype).block_values));
  SpecFields fields = fewer.value_or(spec).fields;
  const auto is_n = [&](std::string_view name) {
    return name == "n" ||
           std::any_of(spec.segments.begin(), spec.segments.end(), [&](const Segment& s) { return s.name == name; });
  };
  const auto number = [&](std::string_view wanted) -> int64_t {
    for (const auto& [name, text] : fields)
      if (name == wanted) return number_in(text).value_or(0);
    return 0;
  };
  const Heads heads = other_heads({number("heads"), number("kv_heads")});
  const bool is_top_k = spec.op->name == std::string_view("top_k");
  // Rows of a step stand in its cache, and the best of a row in the row.
  const int64_t most_rows = number("length") + number("capacity") > 0 ? kMostPositions / 2 : number("m"),
                most_best = is_top_k ? other_length(number("n"), block) - has_odd_n : number("k");
  for (auto& [name, text] : fields) {
    const std::optional<int64_t> value = number_in(text);
    if (!value) continue;
    const int64_t other = name == "m"                                   ? std::min(one_less(*value), most_rows)
                          : name == "batch"                             ? one_less(*value)
                          : name == "k" && is_top_k                     ? std::min(one_less(*value), most_best)
                          : name == "k" || (name == "n" && !is_product) ? other_length(*value, block)
                          : name == "rows"                              ? std::min(one_less(*value), kMostRows)
                          : name == "length"                            ? std::min(*value, kMostPositions)
                          : name == "capacity"                          ? std::min(*value, kMostRows)
                          : name == "heads"                             ? heads.all
                          : name == "kv_heads"                          ? heads.of_cache
                                                                        : *value;
    text = std::to_string(is_n(name) && has_odd_n ? std::max<int64_t>(other - 1, 1) | 1 : other);
  }
  try {
    Spec other = make_spec(fields, spec.line());
    return other.line() == spec.line() ? std::nullopt : std::optional(std::move(other));
  } catch (const Error&) {  // its sizes belong together
    return {};
  }
}

}  // namespace

std::vector<Spec> with_other_sizes(const Spec& spec) {
  std::vector<Spec> all;
  for (const bool has_odd_n : {true, false})
    if (std::optional<Spec> one = small_like(spec, has_odd_n); one && (all.empty() || one->line() != all[0].line()))
      all.push_back(std::move(*one));
  return all;
}

}  // namespace assay
