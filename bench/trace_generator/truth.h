// What is true of a generated trace: time per token in its parts, buffers, shapes, defects; written as JSON beside the
// trace.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace trace_generator {

/// Microseconds of one stretch of the run; the four parts sum to the wall.
struct Parts {
  int64_t gpu_us = 0, host_us = 0, cpu_us = 0, unattributed_us = 0, buffers = 0;

  int64_t wall_us() const { return gpu_us + host_us + cpu_us + unattributed_us; }
  Parts& operator+=(const Parts& other) {
    gpu_us += other.gpu_us, host_us += other.host_us, cpu_us += other.cpu_us;
    unattributed_us += other.unattributed_us, buffers += other.buffers;
    return *this;
  }
};

struct TokenTruth {
  bool prompt = false;
  int64_t position = 0;  // in its sequence, from 0; the attention products see position + 1 keys
  Parts parts;
};

/// One matmul shape line and backend: calls, the µs that op events say and the GPU's share.
struct ShapeTruth {
  int64_t calls = 0, op_us = 0, gpu_us = 0;
};

struct Truth {
  int64_t seed = 0, events = 0, lines = 0, bytes = 0;
  Parts load;
  std::vector<TokenTruth> tokens;
  std::map<std::pair<std::string, std::string>, ShapeTruth> shapes;  // shape line, backend
  std::map<std::string, int64_t> events_by_type;
  struct Defect {
    int64_t count = 0, first_line = -1;  // lines from 0
  };
  std::map<std::string, Defect> defects;

  void defect(const std::string& kind, int64_t line) {
    Defect& known = defects[kind];
    if (known.count++ == 0) known.first_line = line;
  }
};

std::string truth_json(const Truth& truth);

}  // namespace trace_generator
