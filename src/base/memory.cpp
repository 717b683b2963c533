// Memory as /proc and control groups tell it.
#include "base/memory.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <optional>
#include <vector>

namespace assay {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();
constexpr int64_t kLeastOfNoLimit = int64_t(1) << 60;  // version 1 writes "none" as a number near 2^63

/// A file that is one number; nothing for "max", or where there is no such file.
std::optional<int64_t> number_in(const fs::path& file) {
  std::ifstream in(file);
  int64_t value = 0;
  if (!(in >> value) || value >= kLeastOfNoLimit) return std::nullopt;
  return value;
}

/// The number behind a name in a file of "name number" lines.
std::optional<int64_t> number_of(const fs::path& file, const std::string& wanted) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (line.compare(0, wanted.size(), wanted) != 0) continue;
    const size_t end = wanted.size() + (line.size() > wanted.size() && line[wanted.size()] == ':');
    if (line.size() > end && line[end] == ' ') return std::atoll(line.c_str() + end);
  }
  return std::nullopt;
}

/// The files of one version of control groups.
struct Version {
  const char *mount, *limit, *high, *usage, *peak, *reclaimable, *kills, *kills_name;
};
constexpr Version kFirst = {
    "sys/fs/cgroup/memory", "memory.limit_in_bytes", nullptr,   "memory.usage_in_bytes", "memory.max_usage_in_bytes",
    "total_inactive_file",  "memory.oom_control",    "oom_kill"};
constexpr Version kSecond = {"sys/fs/cgroup", "memory.max",    "memory.high",   "memory.current",
                             "memory.peak",   "inactive_file", "memory.events", "oom_kill"};

struct Group {
  const Version* version;
  fs::path folder;
  std::string name;  // "/x/y"
};

/// The control groups of this process that account for memory: its own first, then those around it.
std::vector<Group> memory_groups(const fs::path& root) {
  std::vector<Group> groups;
  std::ifstream in(root / "proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool is_second = controllers == ",,";
    if (!is_second && controllers.find(",memory,") == std::string::npos) continue;
    const Version& version = is_second ? kSecond : kFirst;
    std::error_code ignored;
    fs::path path = line.substr(second + 1);
    // In a container the path may be the host's, while the mount shows the container's own group.
    if (!fs::exists(root / version.mount / path.relative_path(), ignored)) path = "/";
    for (;; path = path.parent_path()) {
      groups.push_back({&version, root / version.mount / path.relative_path(), path.string()});
      if (path == path.root_path() || path.empty()) break;
    }
  }
  return groups;
}

std::string megabytes(int64_t bytes) { return fmt::format("{} MB", bytes >> 20); }

MemoryRoom machine_room(const fs::path& root) {
  const int64_t unit = 1024;
  const int64_t all =
      number_of(root / "proc/meminfo", "MemTotal").value_or(sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE) / unit);
  const int64_t free = number_of(root / "proc/meminfo", "MemAvailable").value_or(all);
  return {free * unit, "this machine has " + megabytes(all * unit), true};
}

int64_t pages_of_process(int which) {
  std::ifstream in("/proc/self/statm");
  int64_t pages[2] = {};
  in >> pages[0] >> pages[1];
  return pages[which] * sysconf(_SC_PAGESIZE);
}

void narrow(MemoryRoom& room, int64_t bytes, const std::string& limit) {
  if (bytes >= room.bytes) return;
  room = {std::max(bytes, int64_t(0)), limit, false};
}

}  // namespace

MemoryRoom memory_room(const fs::path& root) {
  MemoryRoom room = machine_room(root);
  for (const Group& group : memory_groups(root)) {
    const auto limit = number_in(group.folder / group.version->limit);
    const auto high = group.version->high ? number_in(group.folder / group.version->high) : std::nullopt;
    const int64_t most = std::min(limit.value_or(kNoLimit), high.value_or(kNoLimit));
    if (most == kNoLimit) continue;
    const int64_t taken = number_in(group.folder / group.version->usage).value_or(0) -
                          number_of(group.folder / "memory.stat", group.version->reclaimable).value_or(0);
    narrow(room, most - std::max(taken, int64_t(0)),
           fmt::format("its control group {} may take {}", group.name, megabytes(most)));
  }
  rlimit space{};
  if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY)
    narrow(room, int64_t(space.rlim_cur) - pages_of_process(0),
           fmt::format("ulimit -v is {}", megabytes(int64_t(space.rlim_cur))));
  if (const char* wanted = std::getenv("ASSAY_MEMORY_MB"); wanted && std::atoll(wanted) > 0)
    narrow(room, (int64_t(std::atoll(wanted)) << 20) - pages_of_process(1),
           fmt::format("ASSAY_MEMORY_MB is {}", std::atoll(wanted)));
  return room;
}

int64_t out_of_memory_kills(const fs::path& root) {
  int64_t kills = number_of(root / "proc/vmstat", "oom_kill").value_or(0);
  for (const Group& group : memory_groups(root))
    kills += number_of(group.folder / group.version->kills, group.version->kills_name).value_or(0);
  return kills;
}

int64_t private_bytes() {
  std::ifstream in("/proc/self/statm");
  int64_t pages = 0;
  for (int field = 0; field < 6; ++field)  // size resident shared text lib data
    if (!(in >> pages)) return 0;
  return pages * sysconf(_SC_PAGESIZE);
}

int64_t control_group_peak(const fs::path& root) {
  for (const Group& group : memory_groups(root))
    if (const auto peak = number_in(group.folder / group.version->peak)) return *peak;
  return 0;
}

}  // namespace assay
