// What there is to say of a model file: which model it is, what assay can do with it, how its weights are stored.
#include "model/inspection.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <map>

#include "base/error.h"
#include "model/model_check.h"
#include "model/network_keys.h"
#include "spec/dtype.h"

namespace assay {

bool has_matmul_kernels(TensorType type) {
  std::string name(tensor_type_name(type));
  std::transform(name.begin(), name.end(), name.begin(), [](char c) { return char(std::tolower(uint8_t(c))); });
  return parse_dtype(name).has_value();
}

namespace {

std::vector<TypeTotal> count_types(const Gguf& file) {
  std::map<TensorType, TypeTotal> totals;
  for (const GgufTensor& tensor : file.tensors()) {
    TypeTotal& total = totals[tensor.type];
    total.type = tensor.type;
    ++total.tensors;
    total.bytes += int64_t(tensor.bytes.size());
  }
  std::vector<TypeTotal> all;
  for (auto& [type, total] : totals) {
    total.is_decoded = tensor_type_facts(type).is_decoded;
    total.is_measured = has_matmul_kernels(type);
    all.push_back(total);
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
  return all;
}

/// "blk.", the number and the rest of "blk.12.attn_q.weight"; number -1 where there is none.
struct LayerName {
  int64_t layer = -1;
  std::string_view rest;
};
LayerName layer_name(std::string_view name) {
  if (!name.starts_with("blk.")) return {-1, name};
  int64_t layer = -1;
  const auto [end, error] = std::from_chars(name.data() + 4, name.data() + name.size(), layer);
  if (error != std::errc() || layer < 0) return {-1, name};
  return {layer, name.substr(size_t(end - name.data()))};
}

/// Rows of one name, type and shape, whatever layers lie between: mixed quantizations give several rows a name.
std::vector<TensorFold> fold_layers(const Gguf& file) {
  struct Fold {
    TensorFold fold;
    int64_t first = 0, last = 0;
  };
  std::vector<Fold> folds;
  std::map<std::string, size_t> places;
  for (const GgufTensor& tensor : file.tensors()) {
    const LayerName name = layer_name(tensor.name);
    const std::string key =
        fmt::format("{} {} {} {}", name.layer >= 0, name.rest, uint32_t(tensor.type), tensor.shape_text());
    const auto [place, is_new] = places.emplace(key, folds.size());
    if (is_new) folds.push_back({{std::string(tensor.name), &tensor, 0, 0}, name.layer, name.layer});
    Fold& fold = folds[place->second];
    ++fold.fold.count;
    fold.fold.bytes += int64_t(tensor.bytes.size());
    fold.first = std::min(fold.first, name.layer);
    fold.last = std::max(fold.last, name.layer);
  }
  std::vector<TensorFold> all;
  for (Fold& fold : folds) {
    if (fold.fold.count > 1)
      fold.fold.name = fmt::format("blk.{}-{}{}", fold.first, fold.last, layer_name(fold.fold.example->name).rest);
    all.push_back(std::move(fold.fold));
  }
  return all;
}

std::vector<TensorType> matmul_types(const Gguf& file, const ModelConfig& config) {
  std::vector<TensorType> types;
  for (const ModelTensor& part : model_tensors(config)) {
    const bool is_product = part.use == WeightUse::matmul || (part.use == WeightUse::embedding && config.tied_output);
    const TensorType type = file.tensor(part.name).type;
    if (is_product && std::find(types.begin(), types.end(), type) == types.end()) types.push_back(type);
  }
  return types;
}

bool is_supported_architecture(const Gguf& file) {
  const std::vector<std::string>& known = supported_architectures();
  const GgufEntry* entry = file.find("general.architecture");
  return entry && entry->type == GgufType::string &&
         std::find(known.begin(), known.end(), file.string(entry->key)) != known.end();
}

/// Many a vocabulary has no more keys than it needs.
std::optional<ModelConfig> config_of_vocabulary(const Gguf& file) {
  try {
    return read_model_config(file);
  } catch (const Error&) {
    return std::nullopt;
  }
}

/// The message without the file's name, which stands above it.
std::string without_name(const Gguf& file, const Error& error) {
  const std::string text = error.what(), name = file.name() + ": ";
  return text.rfind(name, 0) == 0 ? text.substr(name.size()) : text;
}

}  // namespace

Inspection inspect(const Gguf& file) {
  Inspection all;
  all.types = count_types(file);
  all.folds = fold_layers(file);
  for (const TypeTotal& total : all.types) all.tensor_bytes += total.bytes;
  try {
    if (file.tensors().empty() && is_supported_architecture(file)) {
      all.config = config_of_vocabulary(file);
      fail("{}: holds no weights: a vocabulary alone", file.name());
    }
    all.config = read_model_config(file);
    if (const int64_t parts = file.integer_or("split.count", 1); parts > 1)
      fail("{}: is one of {} parts; merge them first (llama-gguf-split --merge)", file.name(), parts);
    all.unknown_keys = unknown_network_keys(file, *all.config);
    check_network_keys(file, *all.config);
    check_model_tensors(file, *all.config);
    all.unused = unused_tensors(file, *all.config);
    all.step = step_bytes(file, *all.config);
    all.matmul_types = matmul_types(file, *all.config);
    check_ops_of(file, *all.config);
  } catch (const Error& error) {
    all.why_not = without_name(file, error);
  }
  return all;
}

}  // namespace assay
