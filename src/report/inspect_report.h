// What `assay inspect` shows of a model file, in each form.
#pragma once
#include <string>

#include "base/terminal.h"
#include "model/inspection.h"

namespace assay {

/// The model, its weights by type, tensors folded by layer, what a decode step reads, what assay can do with it;
/// `full`: every key and every tensor, too.
std::string inspect_text(const Gguf& file, const Inspection& inspection, bool full, const Terminal& terminal);

/// Everything, on one line; of arrays the length and the first few values.
std::string inspect_json(const Gguf& file, const Inspection& inspection);

/// A row a tensor.
std::string inspect_csv(const Gguf& file);

std::string inspect_markdown(const Gguf& file, const Inspection& inspection);

}  // namespace assay
