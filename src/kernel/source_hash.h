// What a kernel source's meaning depends on: its own text and that of the files it includes.
#pragma once
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace assay {

struct SourceHash {
  std::string text;  // "source: gemv.cpp HASH", "include: lanes.h HASH", "include: gone.h missing"; no absolute paths
  std::string hash;  // of text
  std::vector<std::pair<std::string, std::filesystem::path>>
      files;             // the source, and what was found of its includes by name
  bool unclear = false;  // some of what it includes cannot be seen without a preprocessor
};

/// Reads `source` and, recursively, what it includes: "…" beside the including file, then in `folders`; <…> in
/// `folders` alone (others belong to the compiler). Conditional includes count too. Error if `source` itself cannot be
/// read.
SourceHash hash_source(const std::filesystem::path& source, const std::vector<std::filesystem::path>& folders);

}  // namespace assay
