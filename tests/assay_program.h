// The real program under test: run in a home of its own, outputs caught, its processes counted, drop-in kernels to feed
// it.
#pragma once
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
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
#include "base/json.h"
#include "report/json.h"
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

bool has(const std::string& text, const std::string& part);
size_t count_of(const std::string& text, const std::string& part);

constexpr uid_t kNobody = 65534;

/// A started program; killed and waited for when it goes out of scope.
class Running {
 public:
  Running(const Arguments& arguments, const Variables& variables, const fs::path& outputs, bool as_nobody = false);
  ~Running();
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  void send(int signal) const { kill(pid_, signal); }
  pid_t pid() const { return pid_; }
  std::string err() const { return read_file(err_); }

  /// Waits until standard error contains the text; false if the program ended or two minutes went by first.
  bool says(const std::string& text) const;
  Ended wait();

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
std::string drop_in_source(const DropIn& kernel);
void write_drop_ins(const fs::path& folder, const std::vector<DropIn>& kernels);

std::string spec_line(const std::string& n, const std::string& k = "64", bool nt = true);

/// A folder of its own that is the home of what runs in it, results included; removed with all in it at the end.
class Home {
 public:
  Home();
  ~Home();
  Home(const Home&) = delete;
  Home& operator=(const Home&) = delete;

  fs::path store() const { return folder / "state/assay/results.sqlite"; }
  fs::path kernels() const { return folder / "kernels"; }

  /// A store that has this machine's ceilings and nothing else: measuring them anew would take each test seconds.
  void copy_ceilings_to(const fs::path& file) const;
  void with_ceilings() const { copy_ceilings_to(store()); }

  std::unique_ptr<Running> start(Arguments arguments, const Variables& more = {}) const;
  Ended run(const Arguments& arguments, const Variables& more = {}) const { return start(arguments, more)->wait(); }

  /// From now on root's programs run with a stranger's rights, to whom all in this folder belongs. Why they cannot, or
  /// "".
  std::string drop_privileges();

  /// `probe` of the drop-ins in kernels() on one spec line, its report in report().
  Arguments probe(const std::string& line, const Arguments& more = {"--variant", "test_*"}) const;
  Json report(const std::string& name = "report.json") const;
  std::vector<CaseRecord> reported(const std::string& name = "report.json") const;
  std::vector<CaseRecord> stored() const;

  /// Cases that the last run left too noisy to rank. On a busy machine there may be some, and the next run measures
  /// them again.
  int64_t noisy() const;
  /// Calls them passed, and proved, in the store: what the next run does is then no question of how busy the machine
  /// was.
  void settle(const fs::path& store_file) const;
  void settle() const { settle(store()); }

  /// Living processes that run in this home: the program, its workers, its compilers. Waits a little for them to end.
  size_t processes_left() const;

  fs::path folder;
  Variables variables;

 private:
  size_t processes() const;

  mutable int started_ = 0;
  bool as_nobody_ = false;
};

const CaseRecord* find_case(const std::vector<CaseRecord>& records, const std::string& variant);

/// On a busy machine a sound case may be noisy; neither pass nor noisy says that anything is wrong with it.
bool is_sound(const CaseRecord* record);

}  // namespace assay
