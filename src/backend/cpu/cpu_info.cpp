// What this machine's processor is, from cpuid, /proc and /sys.
#include "backend/cpu/cpu_info.h"

#include <sched.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include "base/error.h"
#include "base/joined.h"
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
  return found.empty() ? "unknown" : fmt::format("{} (as announced)", joined(found, ", "));
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

/// However many processors the machine has.
std::vector<int> cpus_of_affinity() {
  for (int most = CPU_SETSIZE; most <= 1 << 20; most *= 2) {
    cpu_set_t* const set = CPU_ALLOC(most);
    const size_t size = CPU_ALLOC_SIZE(most);
    CPU_ZERO_S(size, set);
    std::vector<int> cpus;
    const bool fits = sched_getaffinity(0, size, set) == 0;
    const bool too_small = !fits && errno == EINVAL;
    for (int cpu = 0; fits && cpu < most; ++cpu)
      if (CPU_ISSET_S(cpu, size, set)) cpus.push_back(cpu);
    CPU_FREE(set);
    if (!cpus.empty()) return cpus;
    if (!too_small) break;
  }
  return {0};
}

/// The lowest of the CPUs that share its core, as far as this process may use them.
bool is_first_of_core(int cpu, const std::vector<int>& allowed) {
  const std::string siblings =
      first_line(fmt::format("/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list", cpu));
  for (const int other : cpus_in_list(siblings))
    if (other < cpu && std::find(allowed.begin(), allowed.end(), other) != allowed.end()) return false;
  return true;
}

}  // namespace

std::vector<int> cpus_in_list(const std::string& list) {
  std::vector<int> cpus;
  std::istringstream parts(list);
  for (std::string part; std::getline(parts, part, ',');) {
    int first = 0, last = 0;
    const int read = std::sscanf(part.c_str(), "%d-%d", &first, &last);
    if (read < 1 || first < 0) continue;
    if (read == 1) last = first;
    for (int cpu = first; cpu <= last && cpu - first < 1 << 20; ++cpu) cpus.push_back(cpu);
  }
  return cpus;
}

int64_t quota_of(const std::string& cpu_max) {
  std::istringstream in(cpu_max);
  std::string quota;
  double period = 0;
  if (!(in >> quota >> period) || quota == "max" || period <= 0) return INT64_MAX;
  const double cpus = std::strtod(quota.c_str(), nullptr) / period;
  return cpus > 0 ? std::max<int64_t>(int64_t(cpus), 1) : INT64_MAX;
}

int64_t cpu_quota(const std::filesystem::path& root) {
  int64_t least = INT64_MAX;
  std::ifstream in(root / "proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {  // "0::/a/b" of version 2, "4:cpu,cpuacct:/a/b" of version 1
    const size_t colon = line.find(':'), second = line.find(':', colon + 1);
    if (colon == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(colon + 1, second - colon - 1);
    const bool is_second = controllers.empty();
    if (!is_second && (',' + controllers + ',').find(",cpu,") == std::string::npos) continue;
    std::filesystem::path group = std::filesystem::path(line.substr(second + 1)).relative_path();
    for (;; group = group.parent_path()) {  // a limit of a group around holds as well
      const std::filesystem::path folder = root / "sys/fs/cgroup" / (is_second ? "" : "cpu") / group;
      least = std::min(least, quota_of(is_second ? first_line(folder / "cpu.max")
                                                 : first_line(folder / "cpu.cfs_quota_us") + " " +
                                                       first_line(folder / "cpu.cfs_period_us")));
      if (group.empty()) break;
    }
  }
  return least;
}

int64_t cores_of(const std::vector<int>& cpus) {
  return std::count_if(cpus.begin(), cpus.end(), [&](int cpu) { return is_first_of_core(cpu, cpus); });
}

std::vector<int> allowed_cpus(int64_t at_most) {
  std::vector<int> cpus = cpus_of_affinity();
  const int64_t quota = std::min(cpu_quota(), at_most);
  if (quota >= std::ssize(cpus)) return cpus;
  // A thread on a second hardware thread of a core adds least: those are left out first.
  std::vector<int> first_of_core, others;
  for (const int cpu : cpus) (is_first_of_core(cpu, cpus) ? first_of_core : others).push_back(cpu);
  first_of_core.insert(first_of_core.end(), others.begin(), others.end());
  first_of_core.resize(size_t(std::max<int64_t>(quota, 1)));
  std::sort(first_of_core.begin(), first_of_core.end());
  return first_of_core;
}

std::string tile_leave() {
#if defined(__x86_64__)
  constexpr long kAskForState = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  if (syscall(SYS_arch_prctl, kAskForState, kTileData) == 0) return "";
  if (errno == EINVAL || errno == EOPNOTSUPP) return "this Linux knows no tile registers (AMX); 5.16 is the first";
  return fmt::format("Linux gives no leave to use tile registers (AMX): {}", strerror(errno));
#else
  return "no tile registers";
#endif
}

std::vector<IsaLevel> cpu_isa_levels() {
  std::istringstream words(cpuinfo_field("flags") + " " + cpuinfo_field("Features"));
  const std::set<std::string, std::less<>> here{std::istream_iterator<std::string>(words), {}};
  return isa_levels([&](const IsaFeature& feature) {
    if (feature.name == "amx" && !tile_leave().empty()) return false;
    return std::all_of(feature.processor_words.begin(), feature.processor_words.end(),
                       [&](std::string_view word) { return here.contains(word); });
  });
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
  info.cores = int(cores_of(cpus));
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
      {"affinity", joined(cpus, ",")},
      {"caches", caches()},
      {"page size", fmt::format("{}, transparent huge pages {}", sysconf(_SC_PAGESIZE),
                                first_line("/sys/kernel/mm/transparent_hugepage/enabled"))},
  };
  // A processor's AMX that may not be used shows in what is offered: so it is part of what the device is.
  if (flags.find("amx_tile") != std::string::npos)
    if (const std::string refused = tile_leave(); !refused.empty()) info.properties.emplace_back("tiles", refused);
  return info;
}

}  // namespace assay
