// Attention's right answers at many lengths of one cache, each from the one before.
#pragma once
#include <memory>

#include "spec/op.h"

namespace assay {

/// Null where the cache is too long to be kept decoded.
std::unique_ptr<SweptAnswers> attention_lengths(const Spec& spec, const OpValues& in);

}  // namespace assay
