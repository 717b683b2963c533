// A model file as the engine has it: checked, its tensors where they lie, its tokenizer where one is asked for.
#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backend/device.h"
#include "model/gguf.h"
#include "model/model_config.h"
#include "model/tokenizer.h"

namespace assay {

class LoadedModel {
 public:
  /// Error where the file is no model that can be run.
  explicit LoadedModel(const std::filesystem::path& path);

  const Gguf& file() const { return file_; }
  const ModelConfig& config() const { return config_; }
  /// Read when it is first asked for: logits of token numbers need none. Error where the file has none that is known.
  const Tokenizer& tokenizer() const;
  /// Of all tensors in the file.
  int64_t weight_bytes() const;

  /// Where the device sees the tensor. Biases and rope factors are F32 there, whatever the file has. Error where it
  /// holds what is no number.
  Address weight(Device& device, const std::string& name);
  /// The tensor was repacked: the memory that it takes as it lies in the file is free.
  void give_back(const std::string& name) const { MappedFile::give_back(file_.tensor(name).bytes); }

 private:
  Gguf file_;
  ModelConfig config_;
  mutable std::unique_ptr<const Tokenizer> tokenizer_;
  std::map<std::string, Address> weights_;
};

}  // namespace assay
