// How far a tuning has come. The store keeps texts by key beside its ceilings: these are two more.
#include "tune/tune_state.h"

#include <ctime>

#include "base/hash.h"
#include "base/json.h"
#include "store/kept.h"

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

TuneState::Progress TuneState::Progress::of(const std::string& text) {
  const Json parsed = parse_json(text, "the state of a tuning");
  const JsonReader json(parsed, "the state of a tuning");
  Progress progress;
  progress.searched = json.at("searched").boolean();
  progress.budget_s = json.at("budget_s").number();
  progress.predicted = {json.at("predicted_of").string(), json.at("predicted_ms").number()};
  for (const JsonReader& run : json.at("runs").items())
    progress.runs.emplace_back(run.at("table").string(), run_from_json(run.at("run")));
  return progress;
}

TuneState::TuneState(Store& store, const std::string& identity) : store_(store), key_(identity) {
  if (auto kept = read_kept(store, store.newest_ceiling(hash_hex(key_ + " state")), Progress::of))
    progress_ = std::move(*kept);
}

void TuneState::keep() {
  Json json = {{"searched", progress_.searched},
               {"budget_s", progress_.budget_s},
               {"predicted_of", progress_.predicted.first},
               {"predicted_ms", progress_.predicted.second},
               {"runs", Json::array()}};
  for (const auto& [table, run] : progress_.runs) json["runs"].push_back({{"table", table}, {"run", to_json(run)}});
  store_.put(CeilingRecord{hash_hex(key_ + " state"), json.dump(), std::time(nullptr)});
}

void TuneState::search_ended(double budget_s) {
  progress_.searched = true;
  progress_.budget_s = budget_s;
  progress_.runs.clear();  // they are of what an earlier search chose
  keep();
}

void TuneState::predicted(const std::string& table, double ms) {
  progress_.predicted = {table, ms};
  keep();
}

std::vector<ContextRun> TuneState::runs(const std::string& table) const {
  std::vector<ContextRun> runs;
  for (const auto& [of, run] : progress_.runs)
    if (of == table) runs.push_back(run);
  return runs;
}

void TuneState::add_run(const std::string& table, const ContextRun& run) {
  progress_.runs.emplace_back(table, run);
  keep();
}

std::optional<TuneResult> TuneState::finished() const {
  return read_kept(store_, store_.newest_ceiling(hash_hex(key_ + " result")), [](const std::string& text) {
    const Json parsed = parse_json(text, "the result of a tuning");
    const JsonReader json(parsed, "the result of a tuning");
    TuneResult result;
    result.text = json.at("text").string();
    result.untried = size_t(json.at("untried").integer());
    result.section = parse_table(json.at("table").string(), "the result of a tuning").devices.at(0);
    return result;
  });
}

void TuneState::finish(const TuneResult& result) {
  const Json json = {
      {"text", result.text}, {"untried", result.untried}, {"table", table_text(table_of(result.section, "", ""))}};
  store_.put(CeilingRecord{hash_hex(key_ + " result"), json.dump(), std::time(nullptr)});
}

}  // namespace assay
