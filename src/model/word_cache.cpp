// Where a word lies.
#include "model/word_cache.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace assay {

size_t WordCache::place_of(std::string_view word) const {
  return XXH3_64bits(word.data(), word.size()) & (places_.size() - 1);
}

}  // namespace assay
