// The sources of exported kernels with what they include.
#include "tune/kernel_sources.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "base/file.h"
#include "kernel/source_hash.h"

namespace assay {
namespace fs = std::filesystem;
namespace {

bool is_below(const fs::path& file, const fs::path& root) {
  const fs::path relative = file.lexically_relative(root);
  return !relative.empty() && *relative.begin() != "..";
}

std::vector<fs::path> include_folders(const Variant& variant, const fs::path& shipped) {
  std::vector<fs::path> folders;
  for (const std::string& flag : variant.compile_flags)
    if (flag.starts_with("-I") && flag.size() > 2) folders.push_back(fs::absolute(flag.substr(2)).lexically_normal());
  folders.insert(folders.end(), {variant.source.parent_path(), shipped});
  return folders;
}

}  // namespace

std::string identifier(const std::string& text) {
  std::string name;
  for (const char c : text) name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
}

std::string c_comment(const std::string& lines) {
  std::string text = "/* ";
  for (const char c : lines) {
    if (c == '/' && text.back() == '*') text += ' ';
    text += c;
    if (c == '\n') text += " * ";
  }
  while (text.ends_with(" * ") || text.ends_with('\n')) text.resize(text.size() - (text.back() == '\n' ? 1 : 3));
  return text + " */\n";
}

KernelSources::KernelSources(fs::path shipped, const std::string& abi_header, std::string origin)
    : shipped_(std::move(shipped)), origin_(std::move(origin)) {
  folder_of(shipped_);
  copy("kernels/" + abi_header, shipped_ / abi_header);
}

/// The folder that stands for a folder of sources: kernels for the shipped ones, then kernels2, …
std::string KernelSources::folder_of(const fs::path& root) {
  auto found = std::find(roots_.begin(), roots_.end(), root);
  if (found == roots_.end()) found = roots_.insert(roots_.end(), root);
  const auto index = found - roots_.begin();
  return index == 0 ? "kernels" : fmt::format("kernels{}", index + 1);
}

std::string KernelSources::place(const fs::path& file, const std::vector<fs::path>& roots) {
  for (const fs::path& root : roots)
    if (is_below(file, root)) return folder_of(root) + "/" + file.lexically_relative(root).generic_string();
  fail("{}: it is included from outside of its kernel's folders, and so cannot be exported", file.string());
}

void KernelSources::copy(const std::string& name, const fs::path& from) {
  if (files_.count(name)) return;
  files_[name] =
      c_comment(origin_ + "\nfile    " + from.filename().string() + ", unchanged below this comment") + read_file(from);
}

void KernelSources::add(ExportedKernel& kernel, const std::string& prefix) {
  const Variant& variant = *kernel.variant;
  const std::vector<fs::path> roots = include_folders(variant, shipped_);
  const SourceHash hash = hash_source(variant.source, roots);
  for (const auto& [name, path] : hash.files) copy(place(path, roots), path);
  for (const fs::path& root : roots) {
    const std::string flag = "-I" + folder_of(root);
    if (std::find(kernel.flags.begin(), kernel.flags.end(), flag) == kernel.flags.end()) kernel.flags.push_back(flag);
  }
  const std::string base = variant.family + "-" + variant.name + "-" + kernel.isa->name;
  kernel.symbol = prefix + "_" + identifier(variant.family + "_" + variant.name + "_" + kernel.isa->name);
  kernel.file = "winners/" + base + variant.source.extension().string();
  std::string text = c_comment(kernel.provenance);
  for (const auto& [name, value] : variant.parameters) text += fmt::format("#define {} {}\n", name, value);
  // All of a kernel's names lie in this namespace, or are its entry: others with other defines may stand beside it.
  text += fmt::format("#define assay {}\n#define assay_kernel_entry {}_entry\n", kernel.symbol, kernel.symbol);
  text += fmt::format("#define ASSAY_SOURCE_HASH \"{}\"\n", hash.hash);
  text += fmt::format("#include \"../{}\"\n", place(variant.source, roots));
  files_[kernel.file] = std::move(text);
}

}  // namespace assay
