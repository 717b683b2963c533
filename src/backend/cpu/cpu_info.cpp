// What this machine's processor is, from cpuid, /proc and /sys.
#include "backend/cpu/cpu_info.h"

#include <fmt/ranges.h>
#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "base/memory.h"

namespace assay {
namespace {

std::string first_line(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

std::string cpuinfo_field(const std::string& wanted) {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.rfind(wanted, 0) == 0)
      if (const size_t colon = line.find(':'); colon != std::string::npos && colon + 2 <= line.size())
        return line.substr(colon + 2);
  return "";
}

std::string caches() {
  std::vector<std::string> found;
  for (int i = 0; i < 8; ++i) {
    const std::string folder = fmt::format("/sys/devices/system/cpu/cpu0/cache/index{}/", i);
    const std::string type = first_line(folder + "type");
    if (type.empty()) break;
    if (type == "Instruction") continue;
    found.push_back(fmt::format("L{} {}", first_line(folder + "level"), first_line(folder + "size")));
  }
  return found.empty() ? "unknown" : fmt::format("{} (as announced)", fmt::join(found, ", "));
}

/// The generation of an AMD processor, from its family and model as cpuid gives them; "" of others and where it is not
/// known.
std::string generation(const std::string& vendor, int family, int model) {
  if (vendor != "AuthenticAMD") return "";
  const int tens = model / 16;
  if (family == 0x17) return tens >= 3 ? "Zen 2" : "";
  if (family == 0x19) return tens == 1 || tens == 6 || tens == 7 || tens == 10 ? "Zen 4" : "Zen 3";
  return family == 0x1a ? "Zen 5" : "";
}

}  // namespace

std::vector<int> allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return {0};
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  return cpus;
}

std::vector<IsaLevel> cpu_isa_levels() {
  std::vector<IsaLevel> levels{{"generic", {}}};
#if defined(__x86_64__)
  __builtin_cpu_init();
  const auto add = [&](const char* name, std::vector<std::string> more) {
    std::vector<std::string> flags = levels.back().flags;
    flags.insert(flags.end(), more.begin(), more.end());
    levels.push_back({name, std::move(flags)});
  };
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return levels;
  add("avx2", {"-mavx2", "-mfma", "-mf16c"});
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
    return levels;
  add("avx512", {"-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"});
  if (!__builtin_cpu_supports("avx512vnni")) return levels;
  add("avx512_vnni", {"-mavx512vnni"});
  if (!__builtin_cpu_supports("avx512bf16")) return levels;
  add("avx512_bf16", {"-mavx512bf16"});
#endif
  return levels;
}

DeviceInfo cpu_device_info() {
  const std::vector<int> cpus = allowed_cpus();
  std::string model = cpuinfo_field("model name");
  if (model.empty())
    model = cpuinfo_field("CPU part").empty() ? "unknown processor" : "CPU part " + cpuinfo_field("CPU part");

  DeviceInfo info;
  info.id = "cpu:0";
  info.backend = "cpu";
  info.isa = cpu_isa_levels();
  info.threads = int(cpus.size());
  const MemoryRoom room = memory_room();
  info.memory_bytes = room.bytes;
  if (!room.is_machine) info.memory_limit = room.limit;
  info.kind = generation(cpuinfo_field("vendor_id"), std::atoi(cpuinfo_field("cpu family").c_str()),
                         std::atoi(cpuinfo_field("model\t").c_str()));
  info.name = fmt::format("{}{}, {} thread{}, {}", model, info.kind.empty() ? "" : " (" + info.kind + ")", cpus.size(),
                          cpus.size() == 1 ? "" : "s", info.isa.back().name);

  std::string flags = cpuinfo_field("flags");
  if (flags.empty()) flags = cpuinfo_field("Features");
  utsname system;
  uname(&system);
  info.properties = {
      {"architecture", system.machine},
      {"model", model},
      {"family", fmt::format("{} model {} stepping {}", cpuinfo_field("cpu family"), cpuinfo_field("model\t"),
                             cpuinfo_field("stepping"))},
      {"features", flags},
      {"isa", info.isa.back().name},
      {"threads", std::to_string(cpus.size())},
      {"affinity", fmt::format("{}", fmt::join(cpus, ","))},
      {"caches", caches()},
      {"page size", fmt::format("{}, transparent huge pages {}", sysconf(_SC_PAGESIZE),
                                first_line("/sys/kernel/mm/transparent_hugepage/enabled"))},
  };
  return info;
}

}  // namespace assay
