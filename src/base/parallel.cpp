// A loop whose passes run on all processors that this process may use.
#include "base/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace assay {

void in_parallel(int64_t count, const std::function<void(int64_t)>& pass) {
  std::atomic<int64_t> next{0};
  std::mutex failed;
  std::exception_ptr failure;
  const auto work = [&] {
    for (int64_t i = next++; i < count; i = next++) {
      try {
        pass(i);
      } catch (...) {
        const std::lock_guard lock(failed);
        if (!failure) failure = std::current_exception();
        next = count;
      }
    }
  };
  {
    std::vector<std::jthread> others;
    const int64_t threads = std::min<int64_t>(count, std::max(1u, std::thread::hardware_concurrency()));
    try {
      for (int64_t i = 1; i < threads; ++i) others.emplace_back(work);
    } catch (const std::system_error&) {  // there may be no more of them: those that run do all passes
    }
    work();
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace assay
