// Run-queue delay from schedstat, steal from /proc/stat.
#include "backend/cpu/disturbance.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "base/clock.h"

namespace assay {
namespace {

constexpr int64_t kStealReadEveryNs = 5'000'000;

int64_t read_steal_ns() {
  char buffer[256];
  const int file = open("/proc/stat", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  const ssize_t got = read(file, buffer, sizeof buffer - 1);
  close(file);
  if (got <= 0) return 0;
  buffer[got] = 0;
  long long user, nice, system, idle, iowait, irq, softirq, steal;
  if (std::sscanf(buffer, "cpu %lld %lld %lld %lld %lld %lld %lld %lld", &user, &nice, &system, &idle, &iowait, &irq,
                  &softirq, &steal) != 8)
    return 0;
  return steal * (INT64_C(1000000000) / sysconf(_SC_CLK_TCK));
}

}  // namespace

std::vector<int> thread_ids() {
  std::vector<int> ids;
  DIR* folder = opendir("/proc/self/task");
  if (!folder) return {int(getpid())};
  while (const dirent* entry = readdir(folder))
    if (entry->d_name[0] != '.') ids.push_back(std::atoi(entry->d_name));
  closedir(folder);
  std::sort(ids.begin(), ids.end(),
            [main = int(getpid())](int a, int b) { return std::pair(a != main, a) < std::pair(b != main, b); });
  return ids;
}

Disturbance::~Disturbance() {
  for (const int file : files_) close(file);
}

void Disturbance::watch_threads() {
  for (const int file : files_) close(file);
  files_.clear();
  for (const int id : thread_ids()) {
    const int file = open(fmt::format("/proc/self/task/{}/schedstat", id).c_str(), O_RDONLY | O_CLOEXEC);
    if (file >= 0) files_.push_back(file);
  }
}

int64_t Disturbance::run_delay_ns() const {
  int64_t sum = 0;
  for (const int file : files_) {
    char buffer[128];
    const ssize_t got = pread(file, buffer, sizeof buffer - 1, 0);
    if (got <= 0) continue;
    buffer[got] = 0;
    long long run = 0, delay = 0;
    if (std::sscanf(buffer, "%lld %lld", &run, &delay) == 2) sum += delay;
  }
  return sum;
}

void Disturbance::begin() {
  if (steal_read_at_ns_ == 0) {
    steal_ns_ = read_steal_ns();
    steal_read_at_ns_ = now_ns();
  }
  delay_at_begin_ = run_delay_ns();
}

int64_t Disturbance::end_ns() {
  int64_t taken = run_delay_ns() - delay_at_begin_;
  if (const int64_t now = now_ns(); now - steal_read_at_ns_ > kStealReadEveryNs) {
    const int64_t steal = read_steal_ns();
    taken += steal - steal_ns_;
    steal_ns_ = steal;
    steal_read_at_ns_ = now;
  }
  return taken;
}

}  // namespace assay
