// How long `assay analyze` takes as a whole process, on all CPUs and on one, and the memory that it needs.
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "base/clock.h"

namespace {

struct Run {
  double ms = 0, peak_mb = 0;
  int exit_code = -1;
};

/// From fork to the end of the process, its output thrown away. Pages that this small parent has are counted in the
/// peak.
Run run(const std::vector<std::string>& command, bool one_cpu) {
  const int64_t start = assay::now_ns();
  const pid_t child = fork();
  if (child == 0) {
    if (one_cpu) {
      cpu_set_t allowed, first;
      sched_getaffinity(0, sizeof allowed, &allowed);
      CPU_ZERO(&first);
      for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&first) == 0; ++cpu)
        if (CPU_ISSET(cpu, &allowed)) CPU_SET(cpu, &first);
      sched_setaffinity(0, sizeof first, &first);
    }
    const int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDOUT_FILENO);
    std::vector<char*> argv;
    for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  int status = 0;
  rusage usage{};
  wait4(child, &status, 0, &usage);
  return {double(assay::now_ns() - start) / 1e6, double(usage.ru_maxrss) / 1024,
          WIFEXITED(status) ? WEXITSTATUS(status) : -1};
}

struct Case {
  std::string title;
  std::vector<std::string> command;
  bool one_cpu = false;
  std::vector<Run> runs = {};
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + ptrdiff_t(values.size() / 2), values.end());
  return values[values.size() / 2];
}

bool show(const Case& c, double megabytes) {
  std::vector<double> ms, peak_mb;
  for (const Run& r : c.runs) ms.push_back(r.ms), peak_mb.push_back(r.peak_mb);
  fmt::print("{:<24} min {:8.1f} ms  median {:8.1f} ms  {:7.0f} MB/s  peak {:6.1f} MB\n", c.title,
             *std::min_element(ms.begin(), ms.end()), median(ms), megabytes / median(ms) * 1e3, median(peak_mb));
  return std::all_of(c.runs.begin(), c.runs.end(), [](const Run& r) { return r.exit_code == 0; });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(
        stderr,
        "analyze_bench ASSAY TRACE [RUNS]: whole runs of `ASSAY analyze TRACE`; for a .zst, of `zstd -dc TRACE` too\n");
    return 2;
  }
  const std::string program = argv[1], trace = argv[2];
  const int runs = argc > 3 ? std::max(1, std::atoi(argv[3])) : 21;
  const double megabytes = double(std::filesystem::file_size(trace)) / 1e6;
  std::vector<Case> cases = {{"analyze, all CPUs", {program, "analyze", trace}},
                             {"analyze, one CPU", {program, "analyze", trace}, true}};
  if (trace.ends_with(".zst")) cases.insert(cases.begin() + 1, {"zstd -dc", {"zstd", "-dc", trace}});
  for (Case& c : cases) run(c.command, c.one_cpu);  // the trace is in the page cache afterwards
  for (int i = 0; i < runs; ++i)                    // in turn: what disturbs one disturbs all
    for (Case& c : cases) c.runs.push_back(run(c.command, c.one_cpu));
  bool fine = true;
  for (const Case& c : cases) fine = show(c, megabytes) && fine;
  if (cases.size() > 2) {
    std::vector<double> ratios;
    for (int i = 0; i < runs; ++i) ratios.push_back(cases[0].runs[size_t(i)].ms / cases[1].runs[size_t(i)].ms);
    fmt::print("{:<24} median {:.3f}\n", "analyze / zstd -dc", median(ratios));
  }
  return fine ? 0 : 1;
}
