// A small byte-level tokenizer for models that have none: every byte is a token, a few common pairs, and fillers.
#pragma once
#include "model/gguf_writer.h"

namespace assay {

/// Tokens that the tokenizer needs at least.
int64_t builtin_tokenizer_least();

/// Its keys ("gpt2" with the pre-tokenizer "gpt-2") for a vocabulary of that size.
void add_builtin_tokenizer(GgufWriter& writer, int64_t vocabulary);

}  // namespace assay
