// Laws of what a kernel must leave as it was in its process: each change is told, in words; nothing else is. And of
// what it may leave that acts later.
#include "backend/cpu/process_state.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <ctime>
#include <fstream>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "backend/cpu/cpu_info.h"
#include "backend/cpu/process_rest.h"

namespace assay {
namespace {

/// In a process of its own; what it says when `change` ran in it, on the last thread of a team.
std::string said_after(const std::function<void()>& change) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    const ProcessState state(allowed_cpus());
    Team team(allowed_cpus());
    team.run(
        [](const assay_thread* thread, void* of) {
          if (thread->index + 1 == thread->count) (*static_cast<const std::function<void()>*>(of))();
        },
        const_cast<std::function<void()>*>(&change));
    const std::string message = state.changed(&team);
    _exit(write(ends[1], message.data(), message.size()) == ssize_t(message.size()) ? 0 : 1);
  }
  close(ends[1]);
  std::string text;
  char byte;
  while (read(ends[0], &byte, 1) == 1) text += byte;
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  return text;
}

TEST(ProcessState, WhatKernelsMayDoIsNoChange) {
  EXPECT_EQ(said_after([] {}), "");
  EXPECT_EQ(said_after([] {
              volatile long double one = 1;
              one = std::sqrt(one) / 3;
              close(open("/dev/null", O_RDONLY));
            }),
            "");
}

TEST(ProcessState, EachChangeIsToldInWords) {
  const auto expect = [](const std::string& part, const std::function<void()>& change) {
    EXPECT_NE(said_after(change).find(part), std::string::npos) << part << ": " << said_after(change);
  };
  expect("handler of signal 2", [] { signal(SIGINT, SIG_IGN); });
  expect("mask of signals", [] {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
  });
  expect("scheduling or priority", [] { setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + 1); });
  expect("timer", [] {
    const itimerval hour = {{0, 0}, {3600, 0}};
    setitimer(ITIMER_REAL, &hour, nullptr);
  });
  expect("setrlimit", [] {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur /= 2;
    setrlimit(RLIMIT_NOFILE, &limit);
  });
  expect("umask", [] { umask(0123); });
  expect("working folder", [] { EXPECT_EQ(chdir("/"), 0); });
  expect("files open", [] {
    for (int i = 0; i < 900; ++i) (void)!open("/dev/null", O_RDONLY);
  });
#if defined(__x86_64__)
  expect("x87", [] { asm volatile("movd %0, %%mm0" : : "r"(1) : "mm0"); });
#endif
}

/// Those are changed by assay itself, for libraries that read them when they are loaded.
TEST(ProcessState, VariablesOfPoolsMayChangeOthersNot) {
  setenv("OMP_WAIT_POLICY", "passive", 1);
  setenv("ASSAY_TEST_OF_VARIABLES", "1", 1);
  EXPECT_EQ(said_after([] { setenv("OMP_WAIT_POLICY", "active", 1); }), "");
  EXPECT_EQ(said_after([] { setenv("ASSAY_TEST_OF_OTHERS", "1", 1); }), "");
  EXPECT_NE(said_after([] { setenv("ASSAY_TEST_OF_VARIABLES", "2", 1); }), "");
  EXPECT_NE(said_after([] { unsetenv("ASSAY_TEST_OF_VARIABLES"); }), "");
}

TEST(ProcessState, AThreadThatLeftItsProcessorIsTold) {
  if (allowed_cpus().size() < 2) GTEST_SKIP() << "one processor alone";
  EXPECT_NE(said_after([] {
              cpu_set_t all;
              memset(&all, 0xff, sizeof all);
              sched_setaffinity(0, sizeof all, &all);
            }).find("left the processor of thread"),
            std::string::npos);
}

/// Whether process_is_at_rest() says `expected` in a process of its own in which `begin` ran; stopped and continued in
/// between if it is to be. A busy machine may take seconds until a thread sleeps.
bool rests_after(bool expected, const std::function<void()>& begin, bool stops = false) {
  const auto says_so = [&] {
    for (int i = 0; i < 2000 && process_is_at_rest() != expected; ++i) usleep(10'000);
    usleep(20'000);
    return process_is_at_rest() == expected;
  };
  const pid_t child = fork();
  if (child == 0) {
    begin();
    if (!says_so()) _exit(1);
    if (stops) raise(SIGSTOP);
    _exit(says_so() ? 0 : 1);
  }
  int status = 0;
  if (stops && waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status)) kill(child, SIGCONT);
  if (!stops || WIFSTOPPED(status)) waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(ProcessRest, WhatRunsOrWaitsForATimeIsSeenAndWhatWaitsForOthersIsNot) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer has a thread of its own that sleeps by the clock";
#endif
  if (std::ifstream("/proc/self/task/" + std::to_string(getpid()) + "/syscall").peek() == EOF)
    GTEST_SKIP() << "system calls of threads are not shown here";
  const auto in_thread = [](auto work) { return [work] { std::thread(work).detach(); }; };
  const auto sleep = in_thread([] { std::this_thread::sleep_for(std::chrono::seconds(60)); });
  EXPECT_TRUE(rests_after(false, sleep));
  EXPECT_TRUE(rests_after(false, sleep, /*stops=*/true));
  EXPECT_TRUE(rests_after(false, in_thread([] {
                            for (std::atomic<bool> never = false; !never;) continue;
                          })));
  EXPECT_TRUE(rests_after(false, in_thread([] {
                            std::mutex mutex;
                            std::unique_lock lock(mutex);
                            std::condition_variable().wait_for(lock, std::chrono::seconds(60));
                          })));
  EXPECT_TRUE(rests_after(false, [] {
    timer_t timer;
    sigevent event{};
    event.sigev_notify = SIGEV_NONE;
    const itimerspec in_a_minute{{}, {60, 0}};
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 || timer_settime(timer, 0, &in_a_minute, nullptr) != 0)
      _exit(2);
  }));
  EXPECT_TRUE(rests_after(false, [] {
    if (timerfd_create(CLOCK_MONOTONIC, 0) < 0) _exit(2);
  }));

  EXPECT_TRUE(rests_after(true, [] {}));
  const auto wait = in_thread([] {
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable().wait(lock);
  });
  EXPECT_TRUE(rests_after(true, wait));
  EXPECT_TRUE(rests_after(true, wait, /*stops=*/true));
  EXPECT_TRUE(rests_after(true, [] { new Team(allowed_cpus()); }));
}

}  // namespace
}  // namespace assay
