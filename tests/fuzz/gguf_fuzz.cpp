// Fuzz entry of the model file: any bytes are a GGUF whose parts lie inside it, or an Error; facts and reports are made
// of what was read.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "model/finite_check.h"
#include "report/inspect_report.h"

namespace {

void demand(bool holds) {
  if (!holds) std::abort();
}

void check_entry(const assay::Gguf& file, const assay::GgufEntry& entry, std::string_view bytes) {
  demand(file.find(entry.key) == &entry);
  demand(entry.bytes.data() >= bytes.data() && entry.bytes.data() + entry.bytes.size() <= bytes.data() + bytes.size());
  if (entry.is_array() && entry.element == assay::GgufType::string) {
    size_t total = 0;
    for (const std::string_view text : file.strings(entry.key)) total += 8 + text.size();
    demand(total == entry.bytes.size());
  } else if (entry.is_array()) {
    const assay::GgufArray values(entry);
    for (size_t i = 0; i < values.size(); ++i) demand(values.number(i) != 4.25 || values.integer(i) == 4);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    const assay::Gguf file(bytes, "fuzz");
    for (const assay::GgufEntry& entry : file.entries()) check_entry(file, entry, bytes);
    for (const assay::GgufTensor& tensor : file.tensors()) {
      demand(file.find_tensor(tensor.name) == &tensor && tensor.offset % file.alignment() == 0);
      demand(tensor.bytes.data() == bytes.data() + tensor.offset && tensor.offset + tensor.bytes.size() <= size);
      demand(int64_t(tensor.bytes.size()) == assay::tensor_bytes(tensor.type, tensor.values()));
    }
    const assay::Inspection inspection = assay::inspect(file);
    demand(inspection.step.has_value() == inspection.why_not.empty());
    for (const bool full : {false, true}) demand(!assay::inspect_text(file, inspection, full, {}).empty());
    const assay::Json json = assay::Json::parse(assay::inspect_json(file, inspection));
    demand(json["tensors"].size() == file.tensors().size());
    demand(!assay::inspect_markdown(file, inspection).empty() && !assay::inspect_csv(file).empty());
    if (size % 8 == 0) assay::check_finite(file);  // starts threads: most of the time of a small file
  } catch (const assay::Error&) {
  }
  return 0;
}
