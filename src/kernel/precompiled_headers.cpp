// What many sources of one build include first, compiled once for all of them.
#include "kernel/precompiled_headers.h"

#include <fmt/format.h>

#include <fstream>

namespace assay {
namespace fs = std::filesystem;
namespace {

constexpr double kStoppedEveryS = 0.1;
constexpr size_t kWorthIt = 4;  // one takes as long as three sources need less

std::vector<std::string> without_names(const std::vector<std::string>& flags) {
  std::vector<std::string> kept;
  for (const std::string& flag : flags)
    if (!flag.starts_with("-D") && !flag.starts_with("-I")) kept.push_back(flag);
  return kept;
}

std::vector<std::string> key_of(const fs::path& header, const std::vector<std::string>& flags) {
  std::vector<std::string> key = without_names(flags);
  key.push_back(header.string());
  return key;
}

}  // namespace

void PrecompiledHeaders::want(const fs::path& header, const std::vector<std::string>& flags) {
  Header& wanted = headers_[key_of(header, flags)];
  if (wanted.sources++ == 0) wanted.of = header, wanted.flags = without_names(flags);
}

void PrecompiledHeaders::make(const std::string& compiler, int jobs, double limit_s, const fs::path& folder,
                              const std::function<bool()>& stopped) {
  std::erase_if(headers_, [](const auto& entry) { return entry.second.sources < kWorthIt; });
  std::error_code error;
  ProcessSet compilers;
  const auto wait_for = [&](size_t at_most) {
    while (compilers.running() > at_most && !(stopped && stopped())) compilers.wait(kStoppedEveryS);
  };
  size_t started = 0;
  for (auto& [key, header] : headers_) {
    wait_for(size_t(std::max(jobs, 1)) - 1);
    if (stopped && stopped()) return;
    const fs::path own = folder / fmt::format("headers{}", started++);
    fs::create_directory(own, error);
    std::ofstream text(own / kPrecompiledName);
    text << fmt::format("#include \"{}\"\n", header.of.string()) << std::flush;
    if (!text) break;  // a full disk
    header.file = own / kPrecompiledName;
    std::vector<std::string> command = {compiler};
    command.insert(command.end(), header.flags.begin(), header.flags.end());
    command.insert(command.end(), {"-x", "c++-header", header.file.string(), "-o", header.file.string() + ".gch"});
    compilers.start(command, limit_s, {{"TMPDIR", folder.string()}});
  }
  wait_for(0);
}

std::vector<std::string> PrecompiledHeaders::flags_for(const fs::path& header,
                                                       const std::vector<std::string>& flags) const {
  const auto found = headers_.find(key_of(header, flags));
  if (found == headers_.end() || found->second.file.empty()) return {};
  return {"-include", found->second.file.string()};
}

}  // namespace assay
