// What this machine's processor is: instruction levels by cpuid, allowed CPUs, caches, page size, as data.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "backend/device.h"

namespace assay {

/// The CPUs that this process may run on, lowest first: no more than its control group gives it time for (a quota of
/// 2.5 CPUs is two) and than is asked for, one of each core before a second of any.
std::vector<int> allowed_cpus(int64_t at_most = INT64_MAX);
/// How many cores these CPUs are of.
int64_t cores_of(const std::vector<int>& cpus);
/// "0-3,8" as the system writes it.
std::vector<int> cpus_in_list(const std::string& list);
/// Whole CPUs that a control group's cpu.max ("250000 100000", "max 100000") gives; INT64_MAX without a limit.
int64_t quota_of(const std::string& cpu_max);
/// The least of those that this process's control groups give, versions 1 and 2, below another root for tests.
int64_t cpu_quota(const std::filesystem::path& root = "/");

/// The instruction sets that this processor runs, "generic" first, the one with most features last. Those with tiles
/// only where the system gives leave to use them.
std::vector<IsaLevel> cpu_isa_levels();

/// Asks the system for leave to use the tile registers of AMX; this process, its threads and its children then have it.
/// "" where they have, else why not.
std::string tile_leave();

/// cpu:0 with all that a result's identity depends on.
DeviceInfo cpu_device_info();

}  // namespace assay
