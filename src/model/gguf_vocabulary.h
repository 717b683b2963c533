// The vocabulary that stands in a GGUF file.
#pragma once
#include <memory>

#include "model/gguf.h"
#include "model/tokenizer.h"

namespace assay {

/// Views into the file. Error where the file has none, or a key of another type.
Vocabulary read_vocabulary(const Gguf& gguf);

/// The tokenizer of the file, which may go afterwards. Error also where the file became shorter meanwhile.
std::unique_ptr<const Tokenizer> load_tokenizer(const Gguf& gguf);

}  // namespace assay
