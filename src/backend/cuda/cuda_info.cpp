// The NVIDIA GPUs of this machine as data, asked for in a child process.
#include "backend/cuda/cuda_info.h"

#include <cublasLt.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <fstream>

#include "backend/cuda/driver.h"
#include "backend/cuda/shared_library.h"
#include "backend/described_device.h"
#include "base/error.h"
#include "base/isolated_process.h"
#include "base/json.h"

namespace assay {
namespace {

constexpr int kLaunchesPerSample = 200;  // 0.4 ms of the shortest kernels: long beside what begins and ends a graph
constexpr double kUsableMemory = 0.9;

int attribute(CUdevice device, CUdevice_attribute which) {
  int value = 0;
  check(driver().cuDeviceGetAttribute_(&value, which, device), "asking for an attribute");
  return value;
}

/// "580.159.04" out of the kernel module's own line, which names it more exactly than the API does.
std::string driver_version() {
  int api = 0;
  check(driver().cuDriverGetVersion_(&api), "asking for the driver's version");
  const std::string cuda = fmt::format("CUDA {}.{}", api / 1000, api % 1000 / 10);
  std::ifstream in("/proc/driver/nvidia/version");
  for (std::string word; in >> word;)
    if (word.find('.') != std::string::npos && word.find_first_not_of("0123456789.") == std::string::npos)
      return word + ", " + cuda;
  return cuda;
}

/// As nvidia-smi -L writes it: two GPUs of one model are two devices, whatever number each has today.
std::string uuid_text(CUdevice device) {
  CUuuid uuid{};
  check(driver().cuDeviceGetUuid_(&uuid, device), "asking for the UUID");
  std::string text = "GPU";
  for (int i = 0; i < 16; ++i)
    text += fmt::format("{}{:02x}", i == 0 || i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
                        static_cast<unsigned char>(uuid.bytes[i]));
  return text;
}

std::vector<std::pair<std::string, std::string>> vendor_versions() {
  std::vector<std::pair<std::string, std::string>> vendors;
  void* lt = open_shared_library({"libcublasLt.so.13", "libcublasLt.so.12"});
  const auto get_version = reinterpret_cast<decltype(&cublasLtGetVersion)>(library_function(lt, "cublasLtGetVersion"));
  if (!get_version) return vendors;
  const size_t number = get_version();  // 130100 is 13.1.0; both libraries come in one package
  const std::string version = fmt::format("{}.{}.{}", number / 10000, number / 100 % 100, number % 100);
  vendors.emplace_back("cublaslt", version);
  if (open_shared_library({"libcublas.so.13", "libcublas.so.12"})) vendors.emplace_back("cublas", version);
  return vendors;
}

DeviceInfo describe(int index, const std::string& version,
                    const std::vector<std::pair<std::string, std::string>>& vendors) {
  CUdevice device;
  check(driver().cuDeviceGet_(&device, index), "opening a device");
  char name[256] = {};
  check(driver().cuDeviceGetName_(name, sizeof name, device), "asking for a name");
  size_t memory = 0;
  check(driver().cuDeviceTotalMem_(&memory, device), "asking for the memory");
  const int major = attribute(device, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
  const int minor = attribute(device, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
  const std::string arch = fmt::format("sm_{}{}{}", major, minor, major >= 9 ? "a" : "");

  DeviceInfo info;
  info.id = fmt::format("cuda:{}", index);
  info.backend = "cuda";
  info.isa = {{arch, {"--gpu-architecture=" + arch}}};
  info.vendors = vendors;
  info.memory_bytes = int64_t(double(memory) * kUsableMemory);
  info.one_worker = true;
  info.launches_per_sample = kLaunchesPerSample;
  info.limits.shared_bytes = attribute(device, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
  info.limits.block_threads = attribute(device, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
  info.limits.block_registers = attribute(device, CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK);
  info.limits.cluster_blocks = major >= 9 ? 16 : 1;
  info.limits.processors = attribute(device, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
  info.limits.l2_bytes = attribute(device, CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE);
  info.limits.arch = major * 10 + minor;
  info.name = fmt::format("{}, {} multiprocessors, {} GB, {}", name, info.limits.processors, memory >> 30, arch);
  info.properties = {
      {"model", name},
      {"UUID", uuid_text(device)},
      {"compute capability", fmt::format("{}.{}", major, minor)},
      {"multiprocessors", std::to_string(info.limits.processors)},
      {"memory", fmt::format("{} MB", memory >> 20)},
      {"L2", fmt::format("{} MB", info.limits.l2_bytes >> 20)},
      {"shared memory a block", fmt::format("{} bytes", info.limits.shared_bytes)},
      {"ECC", attribute(device, CU_DEVICE_ATTRIBUTE_ECC_ENABLED) ? "on" : "off"},
      {"driver", version},
  };
  return info;
}

/// Runs in the child: a JSON list of descriptions, or of one text that says what is missing.
std::string inventory_text() {
  Json list = Json::array();
  try {
    check(driver().cuInit_(0), "the NVIDIA driver does not start");
    int count = 0;
    check(driver().cuDeviceGetCount_(&count), "counting devices");
    const std::string version = driver_version();
    const auto vendors = vendor_versions();
    for (int i = 0; i < count; ++i) list.push_back(device_json(describe(i, version, vendors)));
    if (count == 0) return Json::array({"the NVIDIA driver sees no GPU"}).dump();
  } catch (const std::exception& e) {
    return Json::array({std::string(e.what())}).dump();
  }
  return Json::array({"", list}).dump();
}

}  // namespace

std::string answer_of_child(const std::function<std::string()>& answer) {
  int ends[2];
  if (pipe(ends) != 0) fail("cannot make a pipe to ask for GPUs");
  const pid_t child = fork();
  if (child < 0) fail("cannot fork a process to ask for GPUs");
  if (child == 0) {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) std::signal(signal, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close_all_but({0, 1, 2, ends[1]});  // a driver may start processes of its own
    const std::string text = answer();
    size_t sent = 0;
    for (ssize_t n = 1; n > 0 && sent < text.size(); sent += size_t(std::max<ssize_t>(n, 0)))
      n = write(ends[1], text.data() + sent, text.size() - sent);
    _exit(0);
  }
  close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t got; (got = read(ends[0], buffer, sizeof buffer)) != 0;) {
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) break;
    text.append(buffer, size_t(got));
  }
  close(ends[0]);
  while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  return text;
}

CudaInventory cuda_inventory() {
  const std::string text = answer_of_child(inventory_text);
  CudaInventory inventory;
  if (text.empty()) {
    inventory.missing =
        "the process that asked the NVIDIA driver for its GPUs ended without an answer; see whether nvidia-smi works";
    return inventory;
  }
  const Json json = parse_json(text, "the GPUs");
  inventory.missing = json.at(0).get<std::string>();
  for (size_t i = 0; json.size() > 1 && i < json.at(1).size(); ++i)
    inventory.devices.push_back(parse_device(json.at(1).at(i).get<std::string>(), "the GPUs"));
  return inventory;
}

}  // namespace assay
