// What SIGINT, SIGTERM and SIGHUP do to the real program: the same for every subcommand, at every moment.
#include <sys/stat.h>

#include <functional>

#include "base/process_tree.h"
#include "refusals.h"
#include "trace_lines.h"

namespace assay {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};

bool comes_true(const std::function<bool()>& holds, int limit_ms = 30'000) {
  for (const int64_t began = now_ns(); now_ns() - began < int64_t(limit_ms) * 1'000'000; usleep(1000))
    if (holds()) return true;
  return holds();
}

/// Whether main has begun; before that no program can have its say.
bool has_handler(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("SigCgt:", 0) == 0) return (std::stoull(line.substr(7), nullptr, 16) >> (SIGHUP - 1) & 1) != 0;
  return false;
}

class interruption : public testing::Test {
 protected:
  void SetUp() override {
    const Ended made = home.run({"synth", "--shape", "tiny", "--type", "f16", "--out", model});
    ASSERT_EQ(made.exit_code, 0) << made.err;
    ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
    pipe_end = open(pipe.c_str(), O_RDWR | O_CLOEXEC);
  }
  void TearDown() override { close(pipe_end); }

  /// chat, whose turns come through the pipe.
  std::unique_ptr<Running> chat(const Arguments& more = {}) const {
    std::string line = "exec " + std::string(ASSAY_PROGRAM) + " chat " + model.string() + " --raw";
    for (const std::string& argument : more) line += " '" + argument + "'";
    return std::make_unique<Running>(Arguments{"/bin/bash", "-c", line + " < " + pipe.string()}, home.variables,
                                     home.folder / "chat");
  }
  std::unique_ptr<Running> start(const Arguments& arguments) const {
    return arguments[0] == "chat" ? chat({arguments.begin() + 1, arguments.end()}) : home.start(arguments);
  }
  void type(const std::string& line) const {
    EXPECT_EQ(write(pipe_end, line.data(), line.size()), ssize_t(line.size()));
  }

  enum class WasDone { may, may_not };
  /// False where it was at its end before the signal came.
  bool expect_ended(Running& running, const std::string& what, WasDone done = WasDone::may_not) const {
    const Ended ended = running.wait();
    if (done == WasDone::may && ended.exit_code == 0) return false;
    EXPECT_EQ(ended.exit_code, 130) << what << ": signal " << ended.signal << "\n" << ended.err;
    EXPECT_TRUE(has(ended.err + ended.out, "interrupted")) << what << ended.err;
    EXPECT_EQ(home.processes_left(), 0u) << what;
    for (const auto& entry : fs::recursive_directory_iterator(home.folder)) {
      const std::string name = entry.path().filename();
      EXPECT_FALSE(has(name, ".partial") || has(name, ".new") || name.rfind("assay-", 0) == 0) << what << entry.path();
    }
    return true;
  }

  /// own_norm/loop, whose assembler waits for somebody to write.
  void add_norm_that_compiles_for_ever() const {
    const fs::path source = fs::path(ASSAY_SOURCE_DIR) / "kernels/cpu/rms_norm.cpp", never = home.folder / "never";
    ASSERT_EQ(mkfifo(never.c_str(), 0600), 0);
    fs::create_directories(home.kernels());
    write_file(home.kernels() / "own_norm.cpp",
               read_file(source) + "\nasm(\".incbin \\\"" + never.string() + "\\\"\");\n");
    Json family = {{"family", "own_norm"}, {"source", "own_norm.cpp"}, {"technique", "a loop"}, {"name", "loop"}};
    family["supports"] = {{"op", {"rms_norm"}}, {"a", {"f32"}}, {"b", {"f32"}}, {"d", {"f32"}}};
    write_file(home.kernels() / "manifest.json",
               Json{{"schema", 1}, {"backend", "cpu"}, {"families", {family}}}.dump());
  }
  /// Where its compiler works, once that waits; empty if none does.
  static fs::path folder_of_compiler(const Running& running) {
    fs::path working;
    comes_true([&] {
      for (const pid_t pid : descendants_of(running.pid())) {
        std::ifstream file("/proc/" + std::to_string(pid) + "/environ");
        for (std::string variable; std::getline(file, variable, '\0');)
          if (variable.rfind("TMPDIR=", 0) == 0 && has(variable, ".working-")) working = variable.substr(7);
        if (!working.empty() && command_of(pid).rfind("as ", 0) == 0) return true;
      }
      working.clear();
      return false;
    });
    return working;
  }

  Home home;
  const fs::path model = home.folder / "m.gguf", pipe = home.folder / "pipe";
  int pipe_end = -1;
};

TEST_F(interruption, every_subcommand_ends_with_130_at_any_moment) {
  const std::string text = home.folder / "text", trace = home.folder / "t.jsonl", here = home.folder.string() + "/";
  std::string words, events, numbers;
  for (int i = 0; i < 1000; ++i) numbers += "3 17 ";
  for (int i = 0; i < 1'000'000; ++i) words += "a b ";
  write_file(text, words);
  const std::string event = gpu_line("a", "1");
  for (int i = 0; i < 300'000; ++i) events += event;
  write_file(trace, events);
  std::vector<Arguments> commands{{"run", model, "--raw", "-p", "a b", "--temperature", "3"},
                                  {"chat"},
                                  {"bench", model, "-r", "1000"},
                                  {"logits", model, "--tokens", numbers, "--out", here + "l.f32", "-c", "4096"},
                                  {"perplexity", model, text},
                                  {"replay", model, "--rounds", "1000"},
                                  {"synth", "--shape", "llama-3.2-1b", "--type", "f32", "--out", here + "big.gguf"},
                                  {"analyze", trace, trace, trace, trace, trace, trace},
                                  {"report", trace, trace, trace, trace, trace, "--out", here + "p.html"},
                                  {"devices", "--device", "cpu", "--measure"},
                                  {"probe", "--workload", "*"},
                                  {"tune", model},
                                  {"selftest"}};
  size_t signal = 0;
  for (const Arguments& command : commands) {
    int interrupted = 0;
    for (const int after_ms : {0, 30, 150}) {
      const auto running = start(command);
      ASSERT_TRUE(comes_true([&] { return has_handler(running->pid()); }, 5000)) << command[0] << running->err();
      usleep(useconds_t(after_ms) * 1000);
      running->send(kSignals[signal++ % std::size(kSignals)]);
      interrupted += expect_ended(*running, command[0] + " after " + std::to_string(after_ms) + " ms", WasDone::may);
    }
    EXPECT_GT(interrupted, 0) << command[0];
  }
  EXPECT_FALSE(fs::exists(here + "l.f32") || fs::exists(here + "big.gguf") || fs::exists(here + "p.html"));
}

TEST_F(interruption, bench_shows_what_a_test_measured_before) {
  const Arguments bench{"bench", model, "-p", "0", "-n", "64", "-r", "1000"};
  ASSERT_EQ(home.run({"bench", model, "-p", "0", "-n", "1", "-r", "1"}).exit_code, 0);  // kernels are there now
  const auto running = start(bench);
  ASSERT_TRUE(comes_true([&] { return has_handler(running->pid()); }, 5000)) << running->err();
  usleep(1'500'000);
  running->send(SIGINT);
  const Ended ended = running->wait();
  EXPECT_EQ(ended.exit_code, 130) << ended.err;
  EXPECT_TRUE(has(ended.out, "decode 64")) << ended.out;
}

TEST_F(interruption, compilers_end_and_the_folder_where_they_work_is_gone) {
  add_norm_that_compiles_for_ever();
  const std::vector<Arguments> commands{{"run", model, "--raw", "-p", "a b"},
                                        {"bench", model},
                                        {"logits", model, "--tokens", "3 17", "--out", home.folder / "l"},
                                        {"replay", model}};
  size_t signal = 0;
  for (Arguments command : commands) {
    command.insert(command.end(), {"--kernels", home.kernels(), "--kernel", "rms_norm=own_norm/loop"});
    const auto running = start(command);
    const fs::path working = folder_of_compiler(*running);
    ASSERT_TRUE(fs::exists(working)) << command[0] << running->err();
    running->send(kSignals[signal++ % std::size(kSignals)]);
    expect_ended(*running, command[0]);
    EXPECT_FALSE(fs::exists(working)) << command[0];
    fs::remove_all(working);
  }
}

TEST_F(interruption, where_an_answer_waits_for_a_compiler_ctrl_c_ends_both_and_the_chat_goes_on) {
  add_norm_that_compiles_for_ever();
  Arguments of_prompts{"-n", "1", "-v", "--kernels", home.kernels()};
  for (const char* rows : {"2", "3", "4", "5"})
    of_prompts.insert(of_prompts.end(), {"--kernel", std::string("*rms_norm*m=") + rows + " *=own_norm/loop"});
  const auto talk = chat(of_prompts);
  type("a b\n");
  const fs::path first = folder_of_compiler(*talk);
  ASSERT_TRUE(fs::exists(first)) << talk->err();
  talk->send(SIGINT);
  ASSERT_TRUE(talk->says("0 tokens reused, 0 computed")) << talk->err();
  EXPECT_FALSE(fs::exists(first));
  type("c d e f g\n");  // more rows than the rules mean
  ASSERT_TRUE(comes_true([&] { return count_of(talk->err(), "tokens reused") == 2; })) << talk->err();
  talk->send(SIGTERM);
  expect_ended(*talk, "where it waits");
}

TEST_F(interruption, of_a_chat_ctrl_c_ends_the_answer_and_what_ends_programs_ends_it) {
  for (const int signal : kSignals) {
    const auto waits = chat({"-n", "1", "-v"});
    type("a\n");
    ASSERT_TRUE(waits->says("tokens reused")) << waits->err();  // said behind the answer
    waits->send(signal);
    expect_ended(*waits, "where it waits");
  }
  const auto talk = chat({"--temperature", "3", "-v"});
  const auto said = [&] { return fs::file_size(home.folder / "chat.out"); };
  const auto answers = [&] {
    const uintmax_t before = said();
    return comes_true([&] { return said() > before; });
  };
  type("a b\n");
  ASSERT_TRUE(answers()) << talk->err();
  talk->send(SIGINT);
  ASSERT_TRUE(talk->says("tokens reused")) << talk->err();  // the answer has ended, the chat has not
  type("c d\n");
  ASSERT_TRUE(answers()) << talk->err();
  talk->send(SIGTERM);
  expect_ended(*talk, "during an answer");
}

}  // namespace
}  // namespace assay
