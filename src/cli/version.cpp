// What this program was built from and with.
#include "cli/version.h"

#include <fmt/format.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <muParserDef.h>
#include <pcre2.h>
#include <simdjson.h>
#include <sqlite3.h>
#include <zlib.h>
#include <zstd.h>

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "base/joined.h"
#include "cli/installation.h"
#include "kernel/isa.h"

namespace assay {
namespace {

/// What the compiler was allowed to use for the program itself; kernels are compiled for the processor at hand.
std::string built_for() {
#if defined(__AVX512F__)
  return "x86-64 with AVX-512";
#elif defined(__AVX2__)
  return "x86-64 with AVX2";
#elif defined(__x86_64__)
  return "x86-64";
#elif defined(__aarch64__)
  return "arm64";
#else
  return "an architecture without a name here";
#endif
}

/// "9.1.0" of 90100.
std::string dotted(int64_t number) { return fmt::format("{}.{}.{}", number / 10000, number / 100 % 100, number % 100); }

std::string pcre2_version() {
  char text[64] = {};
  pcre2_config(PCRE2_CONFIG_VERSION, text);  // "10.42 2022-12-11"
  return std::string(text).substr(0, std::string(text).find(' '));
}

/// The version that the header has where nothing is linked, else that of the library in use.
std::string libraries() {
  const std::vector<std::string> all = {
      fmt::format("fmt {}", dotted(FMT_VERSION)),
      fmt::format("CLI11 {}", CLI11_VERSION_TEXT),
      fmt::format("nlohmann-json {}.{}.{}", NLOHMANN_JSON_VERSION_MAJOR, NLOHMANN_JSON_VERSION_MINOR,
                  NLOHMANN_JSON_VERSION_PATCH),
      fmt::format("simdjson {}.{}.{}", int(simdjson::SIMDJSON_VERSION_MAJOR), int(simdjson::SIMDJSON_VERSION_MINOR),
                  int(simdjson::SIMDJSON_VERSION_REVISION)),
      fmt::format("SQLite {}", sqlite3_libversion()),
      fmt::format("muParser {}", mu::ParserVersion),
      fmt::format("PCRE2 {}", pcre2_version()),
      fmt::format("zlib {}", zlibVersion()),
      fmt::format("zstd {}", ZSTD_versionString())};
  return joined(all, ", ");
}

std::string device_lines(const Backend& backend) {
  std::string text;
  for (const DeviceInfo& device : backend.devices()) {
    std::vector<std::string> sets;
    for (const IsaLevel& level : device.isa) sets.push_back(level.name);
    text += fmt::format("{}: {}; kernels for {}\n", device.id, device.name, sets.empty() ? "any" : sets.back());
    for (const auto& [name, version] : device.vendors) text += fmt::format("  {}: {}\n", name, version);
  }
  return text.empty() ? fmt::format("{}: no device: {}\n", backend.name(), backend.missing()) : text;
}

}  // namespace

const char* program_version() { return ASSAY_VERSION; }

std::string version_text() {
  std::string backends, devices;
  for (const auto& backend : make_backends()) {
    backends += (backends.empty() ? "" : ", ") + backend->name();
    devices += device_lines(*backend);
  }
  for (const auto& [name, why] : backends_not_built()) backends += fmt::format("; not {}: {}", name, why);
  return fmt::format("assay {} ({})\nbackends: {}\nprogram: for {}, by {} {}\nlibraries: {}\n{}", program_version(),
                     program_commit(), backends, built_for(),
#ifdef __clang__
                     "Clang", __clang_version__,
#else
                     "GCC", __VERSION__,
#endif
                     libraries(), devices.substr(0, devices.size() - 1));
}

}  // namespace assay
