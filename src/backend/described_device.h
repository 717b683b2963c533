// Devices as JSON files: what planning and building need to know of a device that is not here.
#pragma once
#include <filesystem>

#include "backend/device.h"

namespace assay {

/// Reads a description (docs/described-devices.md). Error "FILE at /pointer: …" on unknown or missing keys.
DeviceInfo load_device(const std::filesystem::path& file);
DeviceInfo parse_device(const std::string& text, const std::string& file);
std::string device_json(const DeviceInfo& device);

}  // namespace assay
