// What many sources of one build include first, compiled once for all of them.
#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/process.h"

namespace assay {

/// A folder's precompiled.h: nothing but other libraries' headers, so that it means the same wherever it is included.
inline constexpr const char* kPrecompiledName = "precompiled.h";

/// GCC's precompiled headers of one build.
class PrecompiledHeaders {
 public:
  /// A source will be compiled with these flags, and includes this header. -D and -I are left out.
  void want(const std::filesystem::path& header, const std::vector<std::string>& flags);

  /// Compiles those that enough sources want, `jobs` at once, in a folder that is the caller's. One that cannot be made
  /// is included as text. Those in work are killed where `stopped` says so; it may be empty.
  void make(const std::string& compiler, int jobs, double limit_s, const std::filesystem::path& folder,
            const std::function<bool()>& stopped);

  /// What to add to such a source's flags: "-include FILE", or nothing.
  std::vector<std::string> flags_for(const std::filesystem::path& header, const std::vector<std::string>& flags) const;

 private:
  struct Header {
    std::filesystem::path of;
    std::vector<std::string> flags;
    size_t sources = 0;
    std::filesystem::path file;  // includes the header; beside it lies what is made of it; empty: not made
  };
  std::map<std::vector<std::string>, Header> headers_;  // by header and flags
};

}  // namespace assay
