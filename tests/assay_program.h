// The real program under test: run in a home of its own, outputs caught, its processes counted, drop-in kernels to feed
// it.
#pragma once
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "kernel/compiler.h"
#include "report/json.h"
#include "store/database.h"
#include "store/store.h"

namespace assay {
namespace fs = std::filesystem;

/// A sanitizer takes memory and time of its own, in the program as in the test.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

using Arguments = std::vector<std::string>;
using Variables = std::map<std::string, std::string>;

struct Ended {
  int exit_code = -1, signal = 0;
  std::string out, err;
};

inline bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

inline size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

constexpr uid_t kNobody = 65534;

/// A started program; killed and waited for when it goes out of scope.
class Running {
 public:
  Running(const Arguments& arguments, const Variables& variables, const fs::path& outputs, bool as_nobody = false)
      : out_(outputs.string() + ".out"), err_(outputs.string() + ".err") {
    std::vector<std::string> texts;
    for (char** entry = environ; *entry; ++entry) {
      const std::string text = *entry, name = text.substr(0, text.find('='));
      if (!variables.count(name) && name.rfind("ASSAY_", 0) != 0 && name != "NO_COLOR") texts.push_back(text);
    }
    for (const auto& [name, value] : variables) texts.push_back(name + "=" + value);
    std::vector<char*> argv, env;
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    for (const std::string& text : texts) env.push_back(const_cast<char*>(text.c_str()));
    argv.push_back(nullptr);
    env.push_back(nullptr);
    const int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const int out = open(out_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    const int err = open(err_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(input, 0);
      dup2(out, 1);
      dup2(err, 2);
      signal(SIGINT, SIG_DFL);
      if (as_nobody && (setgid(kNobody) != 0 || setuid(kNobody) != 0)) _exit(126);
      execve(argv[0], argv.data(), env.data());
      _exit(127);
    }
    for (const int descriptor : {input, out, err}) close(descriptor);
  }
  ~Running() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  void send(int signal) const { kill(pid_, signal); }
  std::string err() const { return read_file(err_); }

  /// Waits until standard error contains the text; false if the program ended or two minutes went by first.
  bool says(const std::string& text) const {
    for (const int64_t began = now_ns(); now_ns() - began < 120'000'000'000; usleep(2000)) {
      if (has(err(), text)) return true;
      siginfo_t state{};
      if (waitid(P_PID, id_t(pid_), &state, WEXITED | WNOHANG | WNOWAIT) != 0 || state.si_pid == pid_) break;
    }
    return has(err(), text);
  }

  Ended wait() {
    int status = 0;
    const int64_t began = now_ns();
    while (waitpid(pid_, &status, WNOHANG) == 0) {
      usleep(2000);
      if (now_ns() - began < 200'000'000'000) continue;
      ADD_FAILURE() << "did not end; so far it said:\n" << err();
      kill(pid_, SIGKILL);
    }
    pid_ = -1;
    Ended ended;
    if (WIFEXITED(status)) ended.exit_code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) ended.signal = WTERMSIG(status);
    ended.out = read_file(out_);
    ended.err = read_file(err_);
    return ended;
  }

 private:
  fs::path out_, err_;
  pid_t pid_ = -1;
};

/// A family of one variant, "FAMILY/plain": an f32 product with the deviations that `defines` asks for.
struct DropIn {
  std::string family;
  std::string defines = "";
  std::string layout = "nt";
  std::string disabled_reason = "";
};

/// What `defines` may hold: READS_NT (B as if it were stored n x k), UNSUPPORTED, BUSY (µs lost in every call).
inline std::string drop_in_source(const DropIn& kernel) {
  return kernel.defines + R"(
#include "assay_kernel.h"

#include <time.h>

static const assay_tensor* find(const assay_call* call, uint32_t role) {
  for (uint32_t i = 0; i < call->tensor_count; ++i)
    if (call->tensors[i].role == role) return call->tensors + i;
  return nullptr;
}

static int run(const assay_call* call, const assay_thread* thread) {
#ifdef UNSUPPORTED
  return ASSAY_UNSUPPORTED;
#endif
  const assay_tensor *a = find(call, ASSAY_A), *b = find(call, ASSAY_B), *d = find(call, ASSAY_D);
  const float *activations = static_cast<const float*>(a->data), *weights = static_cast<const float*>(b->data);
  const int64_t n = b->dims[1], k = b->dims[2];
  int64_t column_step = b->strides[1], step = b->strides[2];
#ifdef READS_NT
  column_step = k, step = 1;
#endif
#ifdef BUSY
  timespec began, now;
  clock_gettime(CLOCK_MONOTONIC, &began);
  do clock_gettime(CLOCK_MONOTONIC, &now);
  while ((now.tv_sec - began.tv_sec) * 1000000 + (now.tv_nsec - began.tv_nsec) / 1000 < BUSY);
#endif
  const int64_t first = n * thread->index / thread->count, end = n * (thread->index + 1) / thread->count;
  for (int64_t column = first; column < end; ++column) {
    float total = 0;
    for (int64_t i = 0; i < k; ++i) total += activations[i * a->strides[2]] * weights[column * column_step + i * step];
    static_cast<float*>(d->data)[column * d->strides[2]] = total;
  }
  return ASSAY_OK;
}

extern "C" __attribute__((visibility("default"))) const assay_kernel* assay_kernel_entry(void) {
  static const assay_kernel kernel = {sizeof(assay_kernel), ASSAY_ABI_VERSION, "plain", nullptr, nullptr, nullptr, run};
  return &kernel;
}
)";
}

inline void write_drop_ins(const fs::path& folder, const std::vector<DropIn>& kernels) {
  fs::create_directories(folder);
  Json families = Json::array();
  for (const DropIn& kernel : kernels) {
    write_file(folder / (kernel.family + ".cpp"), drop_in_source(kernel));
    Json family = {{"family", kernel.family},
                   {"source", kernel.family + ".cpp"},
                   {"technique", "one output after the other"},
                   {"name", "plain"},
                   {"supports",
                    {{"op", {"matmul"}},
                     {"a", {"f32"}},
                     {"b", {"f32"}},
                     {"d", {"f32"}},
                     {"layout", {kernel.layout}},
                     {"batch", false},
                     {"bias", false},
                     {"alpha_beta", false},
                     {"segments", false},
                     {"m", {{"min", 1}, {"max", 1}}},
                     {"n", {{"min", 1}}},
                     {"k", {{"min", 1}}}}}};
    if (!kernel.disabled_reason.empty()) family["enabled"] = false, family["reason"] = kernel.disabled_reason;
    families.push_back(std::move(family));
  }
  write_file(folder / "manifest.json", Json{{"schema", 1}, {"backend", "cpu"}, {"families", families}}.dump(1));
}

inline std::string spec_line(const std::string& n, const std::string& k = "64", bool nt = true) {
  return "op=matmul | batch=1 | m=1 | n=" + n + " | k=" + k + " | tA=0 | tB=" + (nt ? "1" : "0") +
         " | dtA=f32 | dtB=f32 | dtD=f32";
}

/// A folder of its own that is the home of what runs in it, results included; removed with all in it at the end.
class Home {
 public:
  Home() {
    char name[] = "/tmp/assay-test-home-XXXXXX";
    if (!mkdtemp(name)) throw std::runtime_error("no temporary folder can be made");
    folder = name;
    variables = {{"HOME", folder},
                 {"XDG_STATE_HOME", folder / "state"},
                 {"XDG_CACHE_HOME", shared() / "cache"},
                 {"TERM", "xterm-256color"}};
  }
  ~Home() {
    std::error_code ignored;
    fs::remove_all(folder, ignored);
  }
  Home(const Home&) = delete;
  Home& operator=(const Home&) = delete;

  fs::path store() const { return folder / "state/assay/results.sqlite"; }
  fs::path kernels() const { return folder / "kernels"; }

  /// A store that has this machine's ceilings and nothing else: measuring them anew would take each test seconds.
  void copy_ceilings_to(const fs::path& file) const {
    const fs::path ceilings = shared() / ("ceilings-" + hash_hex(ASSAY_PROGRAM) + ".sqlite");
    const int lock = open((shared() / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    flock(lock, LOCK_EX);
    if (!fs::exists(ceilings) || fs::last_write_time(ceilings) < last_change()) {
      const fs::path made = folder / "ceilings.sqlite", kernel = folder / "ceilings";
      write_drop_ins(kernel, {{"test_plain"}});
      const Ended ended =
          run({"probe", "--store", made, "--kernels", kernel, "--variant", "test_plain/*", "--spec", spec_line("8")});
      EXPECT_EQ(ended.exit_code, 0) << ended.err << ended.out;
      if (ended.exit_code != 0) {  // no later test is to find a store without ceilings
        close(lock);
        return;
      }
      Database(made, Database::Open::existing).execute("DELETE FROM cases; PRAGMA journal_mode = DELETE");
      fs::copy_file(made, ceilings, fs::copy_options::overwrite_existing);
    }
    fs::create_directories(file.parent_path());
    fs::copy_file(ceilings, file, fs::copy_options::overwrite_existing);
    close(lock);
  }
  void with_ceilings() const { copy_ceilings_to(store()); }

  std::unique_ptr<Running> start(Arguments arguments, const Variables& more = {}) const {
    arguments.insert(arguments.begin(), ASSAY_PROGRAM);
    Variables all = variables;
    for (const auto& [name, value] : more) all[name] = value;
    return std::make_unique<Running>(arguments, all, folder / ("run" + std::to_string(++started_)), as_nobody_);
  }
  Ended run(const Arguments& arguments, const Variables& more = {}) const { return start(arguments, more)->wait(); }

  /// From now on root's programs run with a stranger's rights, to whom all in this folder belongs. Why they cannot, or
  /// "".
  std::string drop_privileges() {
    if (geteuid() != 0) return "";
    for (const auto& entry : fs::recursive_directory_iterator(folder)) lchown(entry.path().c_str(), kNobody, kNobody);
    if (chown(folder.c_str(), kNobody, kNobody) != 0) return "files cannot be given away here";
    variables["XDG_CACHE_HOME"] = folder / "cache";
    as_nobody_ = true;
    const Ended ended = run({"help"});
    return ended.exit_code == 0 ? "" : "this program cannot be run by another user: " + ended.err;
  }

  /// `probe` of the drop-ins in kernels() on one spec line, its report in report().
  Arguments probe(const std::string& line, const Arguments& more = {"--variant", "test_*"}) const {
    Arguments arguments{"probe", "--kernels", kernels(), "--json", folder / "report.json", "--spec", line};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  Json report(const std::string& name = "report.json") const { return Json::parse(read_file(folder / name)); }
  std::vector<CaseRecord> reported(const std::string& name = "report.json") const {
    return read_report_json(read_file(folder / name), name);
  }
  std::vector<CaseRecord> stored() const { return Store(store(), Store::Access::read_only).newest_of_each_key(); }

  /// Cases that the last run left too noisy to rank. On a busy machine there may be some, and the next run measures
  /// them again.
  int64_t noisy() const {
    int64_t count = 0;
    for (const CaseRecord& record : reported()) count += record.outcome == Outcome::noisy;
    return count;
  }
  /// Calls them passed in the store: what the next run does is then no question of how busy the machine was.
  void settle(const fs::path& store_file) const {
    Database(store_file, Database::Open::existing)
        .execute("UPDATE cases SET outcome = 'pass', detail = '' WHERE outcome = 'noisy'");
  }
  void settle() const { settle(store()); }

  /// Living processes that run in this home: the program, its workers, its compilers. Waits a little for them to end.
  size_t processes_left() const {
    size_t left = 1;
    for (int attempt = 0; attempt < 500 && left > 0; ++attempt, usleep(10000)) left = processes();
    return left;
  }

  fs::path folder;
  Variables variables;

 private:
  /// What tests of this user share: ceilings, and modules where they cannot lie beside the program.
  static fs::path shared() {
    const fs::path folder = "/tmp/assay-test-" + std::to_string(getuid());
    fs::create_directories(folder);
    return folder;
  }

  /// Of the program and of the kernels that measure ceilings.
  static fs::file_time_type last_change() {
    fs::file_time_type last = fs::last_write_time(ASSAY_PROGRAM);
    for (const auto& entry : fs::directory_iterator(fs::path(ASSAY_SOURCE_DIR) / "kernels/cpu"))
      last = std::max(last, entry.last_write_time());
    return last;
  }

  size_t processes() const {
    size_t count = 0;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
      std::ifstream file(entry.path() / "environ");
      const std::string text{std::istreambuf_iterator<char>(file), {}};
      count += has(text, "HOME=" + folder.string());
    }
    return count;
  }

  mutable int started_ = 0;
  bool as_nobody_ = false;
};

inline const CaseRecord* find_case(const std::vector<CaseRecord>& records, const std::string& variant) {
  for (const CaseRecord& record : records)
    if (record.variant == variant) return &record;
  return nullptr;
}

/// On a busy machine a sound case may be noisy; neither pass nor noisy says that anything is wrong with it.
inline bool is_sound(const CaseRecord* record) {
  return record && (record->outcome == Outcome::pass || record->outcome == Outcome::noisy);
}

}  // namespace assay
