// How far a tuning has come. The store keeps texts by key beside its ceilings: these are two more.
#include "tune/tune_state.h"

#include <ctime>

#include "base/hash.h"
#include "base/json.h"

namespace assay {
namespace {

Json to_json(const ContextRun& run) {
  Json ops = Json::array();
  for (const ContextOp& op : run.ops) ops.push_back({{"spec", op.spec}, {"variant", op.variant}, {"us", op.us}});
  return {{"ms", run.ms_per_token},          {"prompt_ms", run.prompt_ms_per_token},
          {"ops", std::move(ops)},           {"between_ms", run.between_ms},
          {"alone_us", run.alone_us},        {"alone_between_ms", run.alone_between_ms},
          {"predicted_ms", run.predicted_ms}};
}

ContextRun run_from_json(const JsonReader& json) {
  ContextRun run;
  run.ms_per_token = json.at("ms").number(), run.prompt_ms_per_token = json.at("prompt_ms").number();
  run.between_ms = json.at("between_ms").number(), run.alone_between_ms = json.at("alone_between_ms").number();
  run.predicted_ms = json.at("predicted_ms").number();
  for (const JsonReader& us : json.at("alone_us").items()) run.alone_us.push_back(us.number());
  for (const JsonReader& op : json.at("ops").items())
    run.ops.push_back({op.at("spec").string(), op.at("variant").string(), op.at("us").number()});
  return run;
}

}  // namespace

TuneState::TuneState(Store& store, const std::string& identity) : store_(store), key_(identity) {
  const auto kept = store.newest_ceiling(hash_hex(key_ + " state"));
  if (!kept) return;
  const Json parsed = parse_json(kept->text, "the state of a tuning");
  const JsonReader json(parsed, "the state of a tuning");
  searched_ = json.at("searched").boolean();
  budget_s_ = json.at("budget_s").number();
  predicted_ = {json.at("predicted_of").string(), json.at("predicted_ms").number()};
  for (const JsonReader& run : json.at("runs").items())
    runs_.emplace_back(run.at("table").string(), run_from_json(run.at("run")));
}

void TuneState::keep() {
  Json json = {{"searched", searched_},
               {"budget_s", budget_s_},
               {"predicted_of", predicted_.first},
               {"predicted_ms", predicted_.second},
               {"runs", Json::array()}};
  for (const auto& [table, run] : runs_) json["runs"].push_back({{"table", table}, {"run", to_json(run)}});
  store_.put(CeilingRecord{hash_hex(key_ + " state"), json.dump(), std::time(nullptr)});
}

void TuneState::search_ended(double budget_s) {
  searched_ = true;
  budget_s_ = budget_s;
  runs_.clear();  // they are of what an earlier search chose
  keep();
}

void TuneState::predicted(const std::string& table, double ms) {
  predicted_ = {table, ms};
  keep();
}

std::vector<ContextRun> TuneState::runs(const std::string& table) const {
  std::vector<ContextRun> runs;
  for (const auto& [of, run] : runs_)
    if (of == table) runs.push_back(run);
  return runs;
}

void TuneState::add_run(const std::string& table, const ContextRun& run) {
  runs_.emplace_back(table, run);
  keep();
}

std::optional<TuneResult> TuneState::finished() const {
  const auto kept = store_.newest_ceiling(hash_hex(key_ + " result"));
  if (!kept) return std::nullopt;
  const Json parsed = parse_json(kept->text, "the result of a tuning");
  const JsonReader json(parsed, "the result of a tuning");
  TuneResult result;
  result.text = json.at("text").string();
  result.untried = size_t(json.at("untried").integer());
  result.section = parse_table(json.at("table").string(), "the result of a tuning").devices.at(0);
  return result;
}

void TuneState::finish(const TuneResult& result) {
  const Json json = {
      {"text", result.text}, {"untried", result.untried}, {"table", table_text(table_of(result.section, "", ""))}};
  store_.put(CeilingRecord{hash_hex(key_ + " result"), json.dump(), std::time(nullptr)});
}

}  // namespace assay
