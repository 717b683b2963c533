// What a file without GGUF's first bytes is, and what to do about it.
#include <cstring>

#include "base/file.h"
#include "model/gguf_parser.h"

namespace assay {
namespace {

using namespace std::string_view_literals;

struct Head {
  std::string_view begins, is;
};
constexpr const char* kConvert = "convert it to GGUF first (llama.cpp's convert_hf_to_gguf.py)";

/// A length of 8 bytes, then the JSON object that is so long.
bool is_safetensors(std::string_view head) {
  uint64_t length = 0;
  if (head.size() < 9) return false;
  std::memcpy(&length, head.data(), sizeof length);
  return head[8] == '{' && length >= 2 && length < (uint64_t(1) << 32);
}

}  // namespace

std::string other_model_file(std::string_view head) {
  if (is_safetensors(head)) return std::string("a safetensors file; ") + kConvert;
  if (head.substr(0, 4) == "PK\x03\x04"sv)
    return std::string("a zip archive, as PyTorch writes models (.bin, .pt, .pth); ") + kConvert;
  if (head.size() >= 2 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5)
    return std::string("a Python pickle, as PyTorch wrote models; ") + kConvert;
  if (const std::string packer = compressed_with(head); !packer.empty())
    return packer + "-compressed data; unpack it first: a GGUF file is mapped as it lies";
  for (const Head& old :
       {Head{"lmgg"sv, "ggml"}, Head{"fmgg"sv, "ggmf"}, Head{"tjgg"sv, "ggjt"}, Head{"algg"sv, "ggla"}})
    if (head.substr(0, 4) == old.begins)
      return "an old model file (" + std::string(old.is) + "), from before GGUF; convert the model again";
  if (head.substr(0, 4) == "FUGG"sv) return "a big-endian GGUF; convert the model again for little-endian machines";
  if (head.substr(0, 26) == "version https://git-lfs.gi"sv)
    return "a pointer of Git LFS, not the file itself; fetch it: git lfs pull";
  if (head.substr(0, 1) == "<"sv)
    return "HTML or XML, not a model: perhaps an error page that was saved; download again";
  if (std::string_view("GGUF").starts_with(head)) return "cut after its first bytes; download it again";
  return "no GGUF file: it does not begin with the letters GGUF";
}

}  // namespace assay
