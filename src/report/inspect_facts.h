// The facts of a model as names and values, the same for all forms of `assay inspect`.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "model/inspection.h"
#include "report/table.h"

namespace assay {

using Facts = std::vector<std::pair<std::string, std::string>>;

/// "14 heads of 64, 2 for keys and values, biases": a line each of the network, and of the tokenizer.
Facts model_facts(const Gguf& file, const std::optional<ModelConfig>& config);
/// What a decode step reads and what assay can do with the file.
Facts use_facts(const Inspection& inspection);

/// "397.1 MB", "1.2 KB", "17 bytes": decimal, as disks and bandwidths count.
std::string bytes_text(int64_t bytes);

Table type_table(const Inspection& inspection);
Table fold_table(const Inspection& inspection);
Table tensor_table(const Gguf& file);
/// Every key; arrays as "[string] 151936 values".
Table key_table(const Gguf& file);
/// One value as text, at most `width` columns of it (0: whole).
std::string value_text(const GgufEntry& entry, size_t width);

}  // namespace assay
