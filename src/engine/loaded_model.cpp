// A model file as the engine has it.
#include "engine/loaded_model.h"

#include "base/error.h"
#include "model/block_decoder.h"
#include "model/finite_check.h"
#include "model/gguf_vocabulary.h"
#include "model/inspection.h"

namespace assay {
LoadedModel::LoadedModel(const std::filesystem::path& path) : file_(path) {
  const Inspection found = inspect(file_);
  if (!found.why_not.empty()) fail("{}: {}", file_.name(), found.why_not);
  config_ = *found.config;
}

const Tokenizer& LoadedModel::tokenizer() const {
  if (!tokenizer_) tokenizer_ = load_tokenizer(file_);
  return *tokenizer_;
}

int64_t LoadedModel::weight_bytes() const {
  int64_t bytes = 0;
  for (const GgufTensor& tensor : file_.tensors()) bytes += int64_t(tensor.bytes.size());
  return bytes;
}

/// The file is mapped read-only, and kernels never write their inputs.
Address LoadedModel::weight(Device& device, const std::string& name) {
  const auto [place, is_new] = weights_.try_emplace(name, nullptr);
  if (!is_new) return place->second;
  const GgufTensor& tensor = file_.tensor(name);
  check_finite(file_, tensor);
  auto* const bytes = const_cast<std::byte*>(reinterpret_cast<const std::byte*>(tensor.bytes.data()));
  const bool wants_f32 = name.ends_with(".bias") || name == "rope_freqs.weight";
  if (!wants_f32 || tensor.type == TensorType::f32)
    return place->second = device.import(std::span(bytes, tensor.bytes.size()));
  std::vector<float> values(size_t(tensor.values()));
  decode_blocks(tensor.type, tensor.bytes.data(), tensor.values(), values.data());
  place->second = device.allocate(int64_t(values.size() * sizeof(float)));
  device.write(place->second, values.data(), int64_t(values.size() * sizeof(float)));
  return place->second;
}

}  // namespace assay
