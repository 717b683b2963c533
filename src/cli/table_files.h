// Where dispatch tables lie: the one that was asked for, this user's own ones, the shipped one.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "cli/installation.h"
#include "kernel/dispatch_table.h"

namespace assay {

/// A table of this user's that is not used.
struct PassedOver {
  std::string file, why;  // why: "has expired: …"
  bool of_another_device = false;
};

struct ChosenTable {
  DispatchTable table;
  const TableDevice* entries = nullptr;  // of the table
  bool is_shipped = false;
  std::vector<PassedOver> passed_over;  // newer ones
  /// Which it is, and for what: a line.
  std::string text() const;
  /// The newest one of this device that is passed over, of any device where none of this user's holds; or null.
  const PassedOver* to_be_told() const;
};

/// The table `asked` for; where that is "" the newest of this user's tables that holds for the device, else the shipped
/// one. Error where the one that was asked for does not hold. Nothing is made: a home that cannot be read has none.
ChosenTable choose_table(const std::string& asked, const DeviceInfo& device,
                         const std::vector<const Variant*>& variants, const BuildCache& cache);

std::filesystem::path shipped_table(const DeviceInfo& device);
/// Where tune writes the device's table: in a folder beside the default store.
std::filesystem::path own_table(const DeviceInfo& device);
std::filesystem::path tables_folder();
/// "" of a table that may be taken unasked, else what is wrong with it: in tables_folder() everybody's is nobody's.
std::string why_not_taken(const std::filesystem::path& file);

/// What a table says a device must be: its properties without those that say which processors were free.
std::vector<std::pair<std::string, std::string>> table_properties(const DeviceInfo& device);

/// The hash of what a variant is built from for the device; "" where it cannot be.
SourceOf sources_for(const DeviceInfo& device, const BuildCache& cache);

}  // namespace assay
