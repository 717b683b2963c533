// How far a tuning has come, kept in the store: what was interrupted goes on, what is finished is not done again.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "store/store.h"
#include "tune/tuner.h"

namespace assay {

/// Of one question (a model's step, kernels, device, options). Cases have records of their own.
class TuneState {
 public:
  TuneState(Store& store, const std::string& identity);

  bool searched() const { return progress_.searched; }
  double budget_s() const { return progress_.budget_s; }
  void search_ended(double budget_s);

  /// Before a child runs with that table.
  void predicted(const std::string& table, double ms);

  /// Children's runs of a table, in order.
  std::vector<ContextRun> runs(const std::string& table) const;
  void add_run(const std::string& table, const ContextRun& run);

  /// The result, if there is one: its section and its text.
  std::optional<TuneResult> finished() const;
  void finish(const TuneResult& result);

 private:
  void keep();

  Store& store_;
  const std::string key_;
  struct Progress {
    bool searched = false;
    double budget_s = 0;
    std::pair<std::string, double> predicted;  // of the run in work
    std::vector<std::pair<std::string, ContextRun>> runs;
    static Progress of(const std::string& text);
  };
  Progress progress_;
};

}  // namespace assay
