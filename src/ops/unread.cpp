// Which rows of its weights a launch has no business with.
#include "ops/unread.h"

#include <set>

#include "ops/attention.h"
#include "ops/embedding.h"

namespace assay {
namespace {

/// Behind its last row; where the operands are not known, behind `length`.
std::vector<UnreadRows> of_attention(const Spec& of, const OpValues* in) {
  const Attention& spec = attention_of(of);
  const int64_t seen = in ? in->index(0) + spec.m : spec.length;
  if (seen >= spec.capacity) return {};
  return {{0, seen, spec.capacity}, {1, seen, spec.capacity}};
}

/// All but those that are looked up.
std::vector<UnreadRows> of_embedding(const Spec& of, const OpValues* in) {
  if (!in) return {};
  const Embedding& spec = embedding_of(of);
  std::set<int64_t> read = {spec.rows};
  for (int64_t i = 0; i < spec.m; ++i) read.insert(in->index(i));
  std::vector<UnreadRows> rows;
  int64_t first = 0;
  for (const int64_t row : read) {
    if (first < row) rows.push_back({0, first, row});
    first = row + 1;
  }
  return rows;
}

}  // namespace

std::vector<UnreadRows> unread_rows(const Spec& spec, const OpValues* in) {
  if (spec.op == &kAttention) return of_attention(spec, in);
  if (spec.op == &kEmbedding) return of_embedding(spec, in);
  return {};
}

}  // namespace assay
