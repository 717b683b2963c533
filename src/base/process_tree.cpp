// Processes and their parents, read from /proc.
#include "base/process_tree.h"

#include <dirent.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include "base/clock.h"

namespace assay {
namespace {

constexpr size_t kMostCommand = 200;
constexpr int kLooks = 3;  // one that forks and ends all the time may slip through a look

std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();  // of a process that ends between open and read: nothing; an iterator would throw
  return text.str();
}

/// The numbers that name entries of a folder of /proc.
std::vector<pid_t> numbers_in(const std::string& path) {
  std::vector<pid_t> numbers;
  DIR* folder = opendir(path.c_str());
  if (!folder) return numbers;
  while (const dirent* entry = readdir(folder))
    if (std::isdigit(static_cast<unsigned char>(entry->d_name[0]))) numbers.push_back(std::atoi(entry->d_name));
  closedir(folder);
  return numbers;
}

struct Stat {
  char state = 0;  // 0: no such process
  pid_t parent = 0;
  int64_t start_ticks = 0;
  bool lives() const { return state != 0 && state != 'Z' && state != 'X'; }
};

Stat stat_of(pid_t pid) {
  const std::string text = content(fmt::format("/proc/{}/stat", pid));
  const size_t name_end = text.rfind(')');  // the name may hold anything
  if (name_end == std::string::npos) return {};
  std::istringstream fields(text.substr(name_end + 1));
  Stat stat;
  fields >> stat.state >> stat.parent;
  std::string skipped;
  for (int field = 5; field < 22; ++field) fields >> skipped;
  fields >> stat.start_ticks;
  return stat;
}

/// For kernels that are built without /proc/PID/task/TID/children.
std::vector<pid_t> children_by_search(pid_t pid) {
  std::vector<pid_t> children;
  for (const pid_t other : numbers_in("/proc"))
    if (stat_of(other).parent == pid) children.push_back(other);
  return children;
}

void send_to_all(const std::vector<pid_t>& pids, int signal) {
  for (const pid_t pid : pids) kill(pid, signal);
}

/// Stops them one after the other until no new ones appear: what is stopped forks no more.
std::vector<pid_t> stop_descendants(int64_t deadline_ns) {
  std::set<pid_t> stopped;
  for (size_t before = 1; before != stopped.size() && now_ns() < deadline_ns;) {
    before = stopped.size();
    const std::vector<pid_t> found = descendants_of(getpid());
    send_to_all(found, SIGSTOP);
    stopped.insert(found.begin(), found.end());
  }
  return {stopped.begin(), stopped.end()};
}

}  // namespace

std::vector<pid_t> children_of(pid_t pid) {
  static const bool are_listed = access(fmt::format("/proc/self/task/{}/children", getpid()).c_str(), R_OK) == 0;
  if (!are_listed) return children_by_search(pid);
  std::vector<pid_t> children;
  for (const pid_t thread : numbers_in(fmt::format("/proc/{}/task", pid))) {
    std::istringstream list(content(fmt::format("/proc/{}/task/{}/children", pid, thread)));
    for (pid_t child; list >> child;) children.push_back(child);
  }
  return children;
}

std::vector<pid_t> descendants_of(pid_t pid) {
  std::vector<pid_t> living, open{pid};
  while (!open.empty()) {
    const pid_t parent = open.back();
    open.pop_back();
    for (const pid_t child : children_of(parent)) {
      open.push_back(child);
      if (stat_of(child).lives()) living.push_back(child);
    }
  }
  return living;
}

int64_t start_ticks(pid_t pid) {
  const Stat stat = stat_of(pid);
  return stat.lives() ? stat.start_ticks : 0;
}

std::string command_of(pid_t pid) {
  std::string command = content(fmt::format("/proc/{}/cmdline", pid));
  while (!command.empty() && command.back() == '\0') command.pop_back();
  for (char& c : command)
    if (std::iscntrl(static_cast<unsigned char>(c)))
      c = ' ';  // the zeros between the words, and what would break a line
  if (command.size() > kMostCommand) command = command.substr(0, kMostCommand) + "…";
  if (!command.empty()) return command;
  std::string name = content(fmt::format("/proc/{}/comm", pid));
  while (!name.empty() && name.back() == '\n') name.pop_back();
  return name.empty() ? "" : "[" + name + "]";
}

bool end_descendants(pid_t kept, double limit_s) {
  const int64_t deadline = now_ns() + int64_t(limit_s * 1e9);
  int clean_looks = kLooks - 1;  // one suffices where there never was anything
  for (;; poll(nullptr, 0, 1)) {
    bool any = false;
    for (const pid_t child : children_of(getpid()))
      if (child != kept && waitpid(child, nullptr, WNOHANG | __WALL) != child) any = true;
    if (!any && descendants_of(getpid()).empty()) {
      if (++clean_looks >= kLooks) return true;
      continue;
    }
    clean_looks = 0;
    if (now_ns() > deadline) return false;
    send_to_all(stop_descendants(deadline), SIGKILL);
  }
}

}  // namespace assay
