// Where dispatch tables lie: the one that was asked for, this user's own ones, the shipped one.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "cli/installation.h"
#include "kernel/dispatch_table.h"

namespace assay {

struct ChosenTable {
  DispatchTable table;
  const TableDevice* entries = nullptr;  // of the table
  bool is_shipped = false;
  std::vector<std::string> passed_over;  // newer tables that do not hold here, "FILE: why"
  /// Which it is, and for what: a line.
  std::string text() const;
};

/// The table `asked` for; where that is "" the newest of this user's tables that holds for the device, else the shipped
/// one. Error where the one that was asked for does not hold. Nothing is made: a home that cannot be read has none.
ChosenTable choose_table(const std::string& asked, const DeviceInfo& device,
                         const std::vector<const Variant*>& variants, const BuildCache& cache);

std::filesystem::path shipped_table(const DeviceInfo& device);
/// Where tune writes the device's table: in a folder beside the default store.
std::filesystem::path own_table(const DeviceInfo& device);
std::filesystem::path tables_folder();

/// What a table says a device must be: its properties without those that say which processors were free.
std::vector<std::pair<std::string, std::string>> table_properties(const DeviceInfo& device);

/// The hash of what a variant is built from for the device; "" where it cannot be.
SourceOf sources_for(const DeviceInfo& device, const BuildCache& cache);

}  // namespace assay
