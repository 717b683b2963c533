// The file that keeps every result with its raw samples: SQLite, resumable, shared by several probes.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "store/record.h"

namespace assay {

/// How long a proved variant took for a spec, on one of the devices whose results the store has.
struct PastTime {
  std::string device, math_line, variant;  // device: its identity text
  double us = 0;
};

class Store {
 public:
  enum class Access { read_write, read_only };
  /// Opens or makes the store; a damaged one is moved to FILE.corrupt-N with a message. Error: any file that does not
  /// carry a store's mark, a newer schema, a place that cannot be written. read_only: Error without a store; nothing is
  /// made or moved. max_pages > 0 stands for a disk that small. Not for use in a forked child.
  explicit Store(const std::filesystem::path& file, Access access = Access::read_write, int64_t max_pages = 0);
  /// In memory: keeps nothing.
  Store();
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  /// One transaction each; what has returned survives kill -9 (a power cut may take the last few). `find` gives the
  /// newest record of a key, all are kept. Error, and nothing lost, when the disk is full.
  void put(const CaseRecord& record);
  void put(const EnvironmentRecord& record);
  void put(const CeilingRecord& record);

  std::optional<CaseRecord> find(const std::string& key) const;  // newest of that key
  std::vector<CaseRecord> newest_of_each_key() const;            // oldest first
  std::vector<PastTime> past_times() const;                      // of all devices and methods, passed cases alone
  std::vector<CaseGlance> glances() const;                       // every measurement, oldest first
  std::vector<CeilingRecord> ceilings() const;                   // newest of each device key
  std::optional<CeilingRecord> newest_ceiling(const std::string& device_key) const;
  std::optional<EnvironmentRecord> environment(const std::string& id) const;
  const std::filesystem::path& file() const;

  /// Takes over the newest result of each key of another store where this one has none as new, environments and
  /// ceilings, in one transaction. Error, and nothing taken, where that one cannot be read, is damaged, or of another
  /// schema.
  struct Merged {
    int64_t cases = 0, known = 0, environments = 0, ceilings = 0;  // known: keys of which a result as new was here
  };
  Merged merge(const std::filesystem::path& other);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace assay
