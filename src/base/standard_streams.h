// Standard input, output and error: there at start, and a failure of one is told once, at the end.
#pragma once
#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <string_view>

namespace assay {

/// Opens /dev/null where descriptors 0 to 2 are closed, so that no file of ours gets their numbers. A reader that
/// leaves and a file that may not grow (ulimit -f) become failed writes, not deaths that take the reports in files with
/// them. First thing in main.
void prepare_standard_streams();

/// Writes and never throws. What standard output did not take is told by lost_output(); of standard error it is lost.
void put(std::FILE* to, std::string_view text);

/// The same of what is still on its way.
void flush(std::FILE* stream);

/// Results: to standard output.
template <typename... Args>
void show(fmt::format_string<Args...> format, Args&&... args) {
  put(stdout, fmt::format(format, std::forward<Args>(args)...));
}

/// Remarks: to standard error.
template <typename... Args>
void remark(fmt::format_string<Args...> format, Args&&... args) {
  put(stderr, fmt::format(format, std::forward<Args>(args)...));
}

/// Whether standard output has failed to take something: nobody reads what comes now.
bool has_lost_output();

/// Flushes standard output; why some of it did not arrive, or "".
std::string lost_output();

}  // namespace assay
