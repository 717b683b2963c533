// Error: what a user or the environment did wrong; ASSAY_CHECK: a bug in assay.
#pragma once
#include <fmt/format.h>

#include <stdexcept>
#include <string>

namespace assay {

/// Says what is wrong, where, and what to do next, on one line. Caught once, in main (exit 2).
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message) : std::runtime_error(message) {}
};

template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fmt::format(format, std::forward<Args>(args)...));
}

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace assay

#define ASSAY_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::assay::check_failed(#condition, __FILE__, __LINE__))
