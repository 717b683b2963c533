// Writing of events, and the defects that real traces have.
#include "recorder.h"

#include <algorithm>
#include <array>

namespace trace_generator {
namespace {

constexpr int64_t kEpochNs = 1'762'100'000'000'000'000;  // when the run began
constexpr double kHostCostUs = 135;                      // of one command buffer: commit, schedule, wake-up
constexpr int64_t kEncodeUs = 2;                         // an op lasts so much longer than the wait for its buffer
constexpr int64_t kRepeatedUs = 9528;                    // the buffer that is reported again and again
constexpr int64_t kDefectEvery = 4001;                   // events

}  // namespace

int64_t Recorder::open_span(std::string_view name, int64_t parent) {
  const int64_t span = ++next_span_;
  enter(span, parent, name);
  return span;
}

LineFile& Recorder::event(std::string_view type) {
  place_.time_ns = kEpochNs + now_us_ * 1000;
  type_ = type;
  return begin_event(out_, place_, type);
}

void Recorder::end_event() {
  out_ << "}}";
  out_.end_line();
  ++events_;
  const auto known =
      std::find_if(type_counts_.begin(), type_counts_.end(), [&](const auto& entry) { return entry.first == type_; });
  if (known == type_counts_.end())
    type_counts_.emplace_back(type_, 1);
  else
    ++known->second;
  if (events_ >= next_defect_ && !adding_defect_) add_defects();
}

void Recorder::finish() {
  for (const auto& [type, count] : type_counts_) truth_.events_by_type[std::string(type)] = count;
}

void Recorder::gpu_op(std::string_view scope, std::string_view twice, std::string_view name, int64_t us,
                      const Matmul* matmul) {
  LineFile& out = event("GpuOpCompleted");
  out << R"({"op_name":")" << scope << (scope.empty() ? "" : "/") << twice << (twice.empty() || name.empty() ? "" : "/")
      << name;
  out << R"(","backend":")" << (matmul ? std::string_view(matmul->backend) : std::string_view("Metal"));
  out << R"(","duration_us":)" << us;
  if (matmul) out << R"(,"data":{)" << matmul->data << "}";
  out << "}";
  end_event();
}

int64_t Recorder::run(const Buffer& buffer) {
  const int64_t gpu = std::max<int64_t>(1, random_.around(buffer.gpu_us)), wait = gpu + random_.around(kHostCostUs);
  const bool named = !buffer.kernel.empty();
  const int64_t wall = wait + (named ? kEncodeUs : 0);
  spend(&Parts::gpu_us, gpu);
  spend(&Parts::host_us, wall - gpu);
  ++parts_.buffers;
  if (named) {
    const bool nameless = buffer.kernel == ".";  // the scope itself names the op
    const std::string_view name = nameless ? std::string_view() : buffer.kernel;
    const std::string_view scope = buffer.bare ? std::string_view() : buffer.scope;
    gpu_op(scope, scope, name, wall, buffer.matmul);
    if (buffer.matmul) {
      ShapeTruth& shape = truth_.shapes[{buffer.matmul->line, buffer.matmul->backend}];
      ++shape.calls, shape.op_us += wall, shape.gpu_us += gpu;
    }
  }
  gpu_op(buffer.scope, "", "cb_wait", wait, nullptr);
  const bool placeholder = defects_.placeholder && !named && random_.unit() < 0.125;
  if (placeholder) truth_.defect("placeholder", out_.lines());
  gpu_op(buffer.scope, "", "cb_gpu", placeholder ? 1 : gpu, nullptr);
  return wall;
}

void Recorder::internal(std::string_view parent, std::string_view name, int64_t us) {
  event("InternalKernelCompleted") << R"({"parent_op_name":")" << parent << R"(","internal_kernel_name":")" << name
                                   << R"(","duration_us":)" << us << "}";
  end_event();
}

void Recorder::cpu(std::string_view parent, std::string_view name, double mean_us) {
  const int64_t us = random_.around(mean_us);
  spend(&Parts::cpu_us, us);
  internal(parent, name, us);
}

void Recorder::add_defects() {
  adding_defect_ = true;
  next_defect_ += kDefectEvery;
  if (defects_.malformed) malformed_line();
  if (defects_.repeated) {
    for (int i = 0; i < 6; ++i) {
      truth_.defect("repeated", out_.lines());
      const Place inside = place_;
      leave();
      gpu_op("Unscoped", "", "cb_gpu", kRepeatedUs, nullptr);
      place_ = inside;
    }
  }
  adding_defect_ = false;
}

void Recorder::malformed_line() {
  struct Kind {
    const char *name, *line;
  };
  static constexpr std::array<Kind, 9> kinds = {{
      {"truncated",
       R"({"timestamp":1,"span_id":2,"event":{"type":"GpuOpCompleted","data":{"op_name":"Generation Loop/blo)"},
      {"not JSON", "thread 'main' panicked at src/context.rs:411:9"},
      {"NaN", R"({"timestamp":1,"event":{"type":"GpuOpCompleted","data":{"op_name":"x","duration_us":NaN}}})"},
      {"blank", ""},
      {"lone surrogate",
       R"({"timestamp":1,"event":{"type":"GpuOpCompleted","data":{"op_name":"\ud800","duration_us":1}}})"},
      {"invalid UTF-8",
       "{\"timestamp\":1,\"event\":{\"type\":\"GpuOpCompleted\",\"data\":{\"op_name\":\"\xff\xfe\",\"duration_us\":1}}"
       "}"},
      {"wrong shape", R"([{"timestamp":1,"event":{"type":"GpuOpCompleted"}}])"},
      {"no event type", R"({"timestamp":1,"span_id":2,"event":{"data":{"op_name":"x","duration_us":1}}})"},
      {"beyond 64 bits", R"({"timestamp":123456789012345678901234567890,"event":{"type":"HostMemory","data":{}}})"},
  }};
  const Kind& kind = kinds[size_t((next_defect_ / kDefectEvery)) % kinds.size()];
  truth_.defect(std::string("malformed: ") + kind.name, out_.lines());
  out_ << kind.line;
  out_.end_line();
}

}  // namespace trace_generator
