// The real program under test, and the kernels that it is fed.
#include "assay_program.h"

#include <sys/file.h>

#include <sstream>

#include "base/hash.h"
#include "kernel/compiler.h"
#include "store/database.h"

namespace assay {
namespace {

/// What tests of this user share: ceilings, and modules where they cannot lie beside the program.
fs::path shared() {
  const fs::path folder = "/tmp/assay-test-" + std::to_string(getuid());
  fs::create_directories(folder);
  return folder;
}

/// Of the program and of the kernels that measure ceilings.
fs::file_time_type last_change() {
  fs::file_time_type last = fs::last_write_time(ASSAY_PROGRAM);
  for (const auto& entry : fs::directory_iterator(fs::path(ASSAY_SOURCE_DIR) / "kernels/cpu"))
    last = std::max(last, entry.last_write_time());
  return last;
}

constexpr const char* kSmallFootprint =
    "DELETE FROM ceilings WHERE json_extract(text, '$.footprint') IS NULL; "
    "UPDATE ceilings SET text = json_set(text, '$.footprint', 16777216);";

}  // namespace

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

Running::Running(const Arguments& arguments, const Variables& variables, const fs::path& outputs, bool as_nobody)
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

Running::~Running() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
}

bool Running::says(const std::string& text) const {
  for (const int64_t began = now_ns(); now_ns() - began < 120'000'000'000; usleep(2000)) {
    if (has(err(), text)) return true;
    siginfo_t state{};
    if (waitid(P_PID, id_t(pid_), &state, WEXITED | WNOHANG | WNOWAIT) != 0 || state.si_pid == pid_) break;
  }
  return has(err(), text);
}

Ended Running::wait() {
  int status = 0;
  const int64_t began = now_ns();
  while (waitpid(pid_, &status, WNOHANG) == 0) {
    usleep(2000);
    if (now_ns() - began < 500'000'000'000) continue;
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

std::string drop_in_source(const DropIn& kernel) {
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

void write_drop_ins(const fs::path& folder, const std::vector<DropIn>& kernels) {
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

std::string spec_line(const std::string& n, const std::string& k, bool nt) {
  return "op=matmul | batch=1 | m=1 | n=" + n + " | k=" + k + " | tA=0 | tB=" + (nt ? "1" : "0") +
         " | dtA=f32 | dtB=f32 | dtD=f32";
}

Home::Home() {
  char name[] = "/tmp/assay-test-home-XXXXXX";
  if (!mkdtemp(name)) throw std::runtime_error("no temporary folder can be made");
  folder = name;
  variables = {{"HOME", folder},
               {"XDG_STATE_HOME", folder / "state"},
               {"XDG_CACHE_HOME", shared() / "cache"},
               {"TERM", "xterm-256color"}};
}

Home::~Home() {
  std::error_code ignored;
  fs::remove_all(folder, ignored);
}

void Home::copy_ceilings_to(const fs::path& file) const {
  const fs::path ceilings = shared() / ("small-ceilings-" + hash_hex(ASSAY_PROGRAM) + ".sqlite");
  const int lock = open((shared() / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  flock(lock, LOCK_EX);
  if (!fs::exists(ceilings) || fs::last_write_time(ceilings) < last_change()) {
    const fs::path made = folder / "ceilings.sqlite", kernel = folder / "ceilings";
    write_drop_ins(kernel, {{"test_plain"}});
    // Twice: the readers are chosen for a footprint, and that of memory would take each test a second to fill.
    for (const char* more : {kSmallFootprint, ""}) {
      const Ended ended =
          run({"probe", "--store", made, "--kernels", kernel, "--variant", "test_plain/*", "--spec", spec_line("8")});
      EXPECT_EQ(ended.exit_code, 0) << ended.err << ended.out;
      if (ended.exit_code != 0) {  // no later test is to find a store without ceilings
        close(lock);
        return;
      }
      Database(made, Database::Open::existing)
          .execute("DELETE FROM cases; PRAGMA journal_mode = DELETE; " + std::string(more));
    }
    fs::copy_file(made, ceilings, fs::copy_options::overwrite_existing);
  }
  fs::create_directories(file.parent_path());
  fs::copy_file(ceilings, file, fs::copy_options::overwrite_existing);
  close(lock);
}

std::unique_ptr<Running> Home::start(Arguments arguments, const Variables& more) const {
  arguments.insert(arguments.begin(), ASSAY_PROGRAM);
  Variables all = variables;
  for (const auto& [name, value] : more) all[name] = value;
  return std::make_unique<Running>(arguments, all, folder / ("run" + std::to_string(++started_)), as_nobody_);
}
std::string Home::drop_privileges() {
  if (geteuid() != 0) return "";
  for (const auto& entry : fs::recursive_directory_iterator(folder)) lchown(entry.path().c_str(), kNobody, kNobody);
  if (chown(folder.c_str(), kNobody, kNobody) != 0) return "files cannot be given away here";
  variables["XDG_CACHE_HOME"] = folder / "cache";
  as_nobody_ = true;
  const Ended ended = run({"help"});
  return ended.exit_code == 0 ? "" : "this program cannot be run by another user: " + ended.err;
}

Arguments Home::probe(const std::string& line, const Arguments& more) const {
  Arguments arguments{"probe", "--kernels", kernels(), "--json", folder / "report.json", "--spec", line};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

Json Home::report(const std::string& name) const { return Json::parse(read_file(folder / name)); }
std::vector<CaseRecord> Home::reported(const std::string& name) const {
  return read_report_json(read_file(folder / name), name);
}
std::vector<CaseRecord> Home::stored() const { return Store(store(), Store::Access::read_only).newest_of_each_key(); }

int64_t Home::noisy() const {
  int64_t count = 0;
  for (const CaseRecord& record : reported()) count += record.outcome == Outcome::noisy;
  return count;
}

void Home::settle(const fs::path& store_file) const {
  Database(store_file, Database::Open::existing)
      .execute(
          "UPDATE cases SET outcome = 'pass', detail = '', tags = replace(tags, 'proved_in_part', 'noisy_before') "
          "WHERE outcome = 'noisy'");
}

size_t Home::processes_left() const {
  size_t left = 1;
  for (int attempt = 0; attempt < 500 && left > 0; ++attempt, usleep(10000)) left = processes();
  return left;
}

size_t Home::processes() const {
  size_t count = 0;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
    std::ifstream file(entry.path() / "environ");
    std::ostringstream text;
    text << file.rdbuf();  // of a process that ends meanwhile: nothing, and no exception
    count += has(text.str(), "HOME=" + folder.string());
  }
  return count;
}

const CaseRecord* find_case(const std::vector<CaseRecord>& records, const std::string& variant) {
  for (const CaseRecord& record : records)
    if (record.variant == variant) return &record;
  return nullptr;
}

bool is_sound(const CaseRecord* record) {
  return record && (record->outcome == Outcome::pass || record->outcome == Outcome::noisy);
}

}  // namespace assay
