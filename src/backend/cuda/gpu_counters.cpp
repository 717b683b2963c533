// CUPTI's range profiler: one range after another, each in one pass.
#include "backend/cuda/gpu_counters.h"

#include "backend/cuda/cuda_device.h"
#include "backend/cuda/cuda_info.h"
#include "backend/cuda/shared_library.h"
#include "base/error.h"

#if __has_include(<cupti_range_profiler.h>)
#include <cupti_profiler_host.h>
#include <cupti_profiler_target.h>
#include <cupti_range_profiler.h>
#include <cupti_target.h>
#define ASSAY_HAS_CUPTI
#endif

namespace assay {

#ifdef ASSAY_HAS_CUPTI
namespace {

#define ASSAY_CUPTI_FUNCTIONS(X)                                                                                    \
  X(cuptiGetResultString)                                                                                           \
  X(cuptiProfilerInitialize)                                                                                        \
  X(cuptiProfilerGetCounterAvailability)                                                                            \
  X(cuptiDeviceGetChipName)                                                                                         \
  X(cuptiProfilerHostInitialize)                                                                                    \
  X(cuptiProfilerHostDeinitialize) X(cuptiProfilerHostConfigAddMetrics) X(cuptiProfilerHostGetConfigImageSize)      \
      X(cuptiProfilerHostGetConfigImage) X(cuptiProfilerHostGetNumOfPasses) X(cuptiProfilerHostEvaluateToGpuValues) \
          X(cuptiRangeProfilerEnable) X(cuptiRangeProfilerDisable) X(cuptiRangeProfilerGetCounterDataSize)          \
              X(cuptiRangeProfilerCounterDataImageInitialize) X(cuptiRangeProfilerSetConfig)                        \
                  X(cuptiRangeProfilerStart) X(cuptiRangeProfilerStop) X(cuptiRangeProfilerPushRange)               \
                      X(cuptiRangeProfilerPopRange) X(cuptiRangeProfilerDecodeData)

struct Cupti {
#define ASSAY_DECLARE(name) decltype(&::name) name##_ = nullptr;
  ASSAY_CUPTI_FUNCTIONS(ASSAY_DECLARE)
#undef ASSAY_DECLARE
};

const Cupti& cupti() {
  static const Cupti found = [] {
    void* const library = open_shared_library({"libcupti.so.13", "libcupti.so.12", "libcupti.so"});
    if (!library) fail("CUPTI (libcupti.so) is not here: install a CUDA toolkit (12.6 or newer), or set CUDA_HOME");
    Cupti functions;
#define ASSAY_FIND(name)                                                                               \
  functions.name##_ = reinterpret_cast<decltype(functions.name##_)>(library_function(library, #name)); \
  if (!functions.name##_) fail("libcupti.so has no {}: install a CUDA toolkit from 12.6 on", #name);
    ASSAY_CUPTI_FUNCTIONS(ASSAY_FIND)
#undef ASSAY_FIND
    return functions;
  }();
  return found;
}

void check(CUptiResult result, const char* step) {
  if (result == CUPTI_SUCCESS) return;
  if (result == CUPTI_ERROR_INSUFFICIENT_PRIVILEGES)
    fail("the driver lets administrators alone count (NVreg_RestrictProfilingToAdminUsers); run as root");
  const char* text = nullptr;
  cupti().cuptiGetResultString_(result, &text);
  fail("CUPTI, {}: {}", step, text ? text : "an unknown error");
}

/// Told of its size, which ends with its last field.
template <class Params>
Params sized(size_t bytes) {
  Params params{};
  params.structSize = bytes;
  return params;
}
#define ASSAY_PARAMS(type) sized<type>(type##_STRUCT_SIZE)

// Together they are counted in one pass; where they are not, the first alone.
constexpr const char* kMetrics[] = {"dram__bytes_read.sum", "sm__inst_executed.sum", "gpc__cycles_elapsed.max"};

}  // namespace

class GpuCounters::Session {
 public:
  Session(int device, CUcontext context) : context_(context) {
    auto initialize = ASSAY_PARAMS(CUpti_Profiler_Initialize_Params);
    check(cupti().cuptiProfilerInitialize_(&initialize), "starting");
    auto chip = ASSAY_PARAMS(CUpti_Device_GetChipName_Params);
    chip.deviceIndex = size_t(device);
    check(cupti().cuptiDeviceGetChipName_(&chip), "asking for the chip's name");
    auto available = ASSAY_PARAMS(CUpti_Profiler_GetCounterAvailability_Params);
    check(cupti().cuptiProfilerGetCounterAvailability_(&available), "asking for counters");
    availability_.resize(available.counterAvailabilityImageSize);
    available.pCounterAvailabilityImage = availability_.data();
    check(cupti().cuptiProfilerGetCounterAvailability_(&available), "asking for counters");
    for (metrics_ = std::size(kMetrics);; metrics_ = 1) {
      choose(chip.pChipName);
      if (passes() == 1) break;
      if (metrics_ == 1) fail("the device counts {} in several passes", kMetrics[0]);
      close_host();
    }
    configure();
  }
  ~Session() {
    auto disable = ASSAY_PARAMS(CUpti_RangeProfiler_Disable_Params);
    disable.pRangeProfilerObject = profiler_;
    if (profiler_) cupti().cuptiRangeProfilerDisable_(&disable);
    close_host();
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void begin() {
    empty_data();
    set_config();
    auto start = ASSAY_PARAMS(CUpti_RangeProfiler_Start_Params);
    start.pRangeProfilerObject = profiler_;
    check(cupti().cuptiRangeProfilerStart_(&start), "beginning to count");
    auto push = ASSAY_PARAMS(CUpti_RangeProfiler_PushRange_Params);
    push.pRangeProfilerObject = profiler_;
    push.pRangeName = "launches";
    check(cupti().cuptiRangeProfilerPushRange_(&push), "beginning to count");
    is_open_ = true;
  }

  bool is_open() const { return is_open_; }

  /// What was counted since begin().
  Counts end() {
    is_open_ = false;
    auto pop = ASSAY_PARAMS(CUpti_RangeProfiler_PopRange_Params);
    pop.pRangeProfilerObject = profiler_;
    check(cupti().cuptiRangeProfilerPopRange_(&pop), "counting");
    auto stop = ASSAY_PARAMS(CUpti_RangeProfiler_Stop_Params);
    stop.pRangeProfilerObject = profiler_;
    check(cupti().cuptiRangeProfilerStop_(&stop), "counting");
    auto decode = ASSAY_PARAMS(CUpti_RangeProfiler_DecodeData_Params);
    decode.pRangeProfilerObject = profiler_;
    check(cupti().cuptiRangeProfilerDecodeData_(&decode), "reading what was counted");
    double values[std::size(kMetrics)];
    for (double& value : values) value = NAN;
    auto evaluate = ASSAY_PARAMS(CUpti_Profiler_Host_EvaluateToGpuValues_Params);
    evaluate.pHostObject = host_;
    evaluate.pCounterDataImage = data_.data(), evaluate.counterDataImageSize = data_.size();
    evaluate.ppMetricNames = names(), evaluate.numMetrics = metrics_;
    evaluate.pMetricValues = values;
    check(cupti().cuptiProfilerHostEvaluateToGpuValues_(&evaluate), "reading what was counted");
    return {values[0], values[1], values[2]};
  }

 private:
  static const char** names() {
    static const char* all[] = {kMetrics[0], kMetrics[1], kMetrics[2]};
    return all;
  }

  void choose(const char* chip) {
    auto host = ASSAY_PARAMS(CUpti_Profiler_Host_Initialize_Params);
    host.profilerType = CUPTI_PROFILER_TYPE_RANGE_PROFILER;
    host.pChipName = chip;
    host.pCounterAvailabilityImage = availability_.data();
    check(cupti().cuptiProfilerHostInitialize_(&host), "choosing counters");
    host_ = host.pHostObject;
    auto add = ASSAY_PARAMS(CUpti_Profiler_Host_ConfigAddMetrics_Params);
    add.pHostObject = host_;
    add.ppMetricNames = names(), add.numMetrics = metrics_;
    check(cupti().cuptiProfilerHostConfigAddMetrics_(&add), "choosing counters");
    auto size = ASSAY_PARAMS(CUpti_Profiler_Host_GetConfigImageSize_Params);
    size.pHostObject = host_;
    check(cupti().cuptiProfilerHostGetConfigImageSize_(&size), "choosing counters");
    config_.assign(size.configImageSize, 0);
    auto image = ASSAY_PARAMS(CUpti_Profiler_Host_GetConfigImage_Params);
    image.pHostObject = host_;
    image.configImageSize = config_.size(), image.pConfigImage = config_.data();
    check(cupti().cuptiProfilerHostGetConfigImage_(&image), "choosing counters");
  }

  size_t passes() {
    auto count = ASSAY_PARAMS(CUpti_Profiler_Host_GetNumOfPasses_Params);
    count.configImageSize = config_.size(), count.pConfigImage = config_.data();
    check(cupti().cuptiProfilerHostGetNumOfPasses_(&count), "choosing counters");
    return count.numOfPasses;
  }

  void configure() {
    auto enable = ASSAY_PARAMS(CUpti_RangeProfiler_Enable_Params);
    enable.ctx = context_;
    check(cupti().cuptiRangeProfilerEnable_(&enable), "opening the counters");
    profiler_ = enable.pRangeProfilerObject;
    auto size = ASSAY_PARAMS(CUpti_RangeProfiler_GetCounterDataSize_Params);
    size.pRangeProfilerObject = profiler_;
    size.pMetricNames = names(), size.numMetrics = metrics_;
    size.maxNumOfRanges = 1, size.maxNumRangeTreeNodes = 1;
    check(cupti().cuptiRangeProfilerGetCounterDataSize_(&size), "asking for the size of counts");
    data_.resize(size.counterDataSize);
  }

  void empty_data() {
    auto empty = ASSAY_PARAMS(CUpti_RangeProfiler_CounterDataImage_Initialize_Params);
    empty.pRangeProfilerObject = profiler_;
    empty.counterDataSize = data_.size(), empty.pCounterData = data_.data();
    check(cupti().cuptiRangeProfilerCounterDataImageInitialize_(&empty), "emptying counts");
  }

  void set_config() {
    auto set = ASSAY_PARAMS(CUpti_RangeProfiler_SetConfig_Params);
    set.pRangeProfilerObject = profiler_;
    set.configSize = config_.size(), set.pConfig = config_.data();
    set.counterDataImageSize = data_.size(), set.pCounterDataImage = data_.data();
    set.range = CUPTI_UserRange, set.replayMode = CUPTI_UserReplay;
    set.maxRangesPerPass = 1, set.numNestingLevels = 1, set.minNestingLevel = 1;
    set.passIndex = 0, set.targetNestingLevel = 1;
    check(cupti().cuptiRangeProfilerSetConfig_(&set), "configuring counters");
  }

  void close_host() {
    auto host = ASSAY_PARAMS(CUpti_Profiler_Host_Deinitialize_Params);
    host.pHostObject = host_;
    if (host_) cupti().cuptiProfilerHostDeinitialize_(&host);
    host_ = nullptr;
  }

  CUcontext context_;
  size_t metrics_ = 0;
  std::vector<uint8_t> availability_, config_, data_;
  CUpti_Profiler_Host_Object* host_ = nullptr;
  CUpti_RangeProfiler_Object* profiler_ = nullptr;
  bool is_open_ = false;
};
#else
class GpuCounters::Session {
 public:
  Session(int, CUcontext) {
    fail("built without CUPTI's headers: install a CUDA toolkit (12.6 or newer), build again");
  }
  void begin() {}
  bool is_open() const { return false; }
  Counts end() { return {}; }
};
#endif

GpuCounters::GpuCounters(const CudaDevice& device)
    : session_(std::make_unique<Session>(device.number(), device.context())) {}
GpuCounters::~GpuCounters() = default;

Counts GpuCounters::read() {
  if (session_->is_open()) {
    const Counts more = session_->end();
    all_.dram_bytes += more.dram_bytes, all_.instructions += more.instructions, all_.cycles += more.cycles;
  }
  session_->begin();
  return all_;
}

std::string gpu_counters_missing(const DeviceInfo& info) {
  const std::string answer = answer_of_child([&]() -> std::string {
    try {
      CudaDevice device(info);
      GpuCounters counters(device);
      counters.read();
      const Address block = device.allocate(int64_t(1) << 20);
      device.fill(block, 1, int64_t(1) << 20);
      device.wait("counting");
      counters.read();
      return "fine";
    } catch (const std::exception& e) {
      return e.what();
    }
  });
  if (answer == "fine") return "";
  return answer.empty() ? "the process that tried to count ended without an answer" : answer;
}

}  // namespace assay
