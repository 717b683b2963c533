// The truth as JSON.
#include "truth.h"

#include <nlohmann/json.hpp>

namespace trace_generator {
namespace {

using Json = nlohmann::ordered_json;

Json parts_json(const Parts& parts) {
  return {{"wall_us", parts.wall_us()},
          {"gpu_busy_us", parts.gpu_us},
          {"host_cost_us", parts.host_us},
          {"cpu_us", parts.cpu_us},
          {"unattributed_us", parts.unattributed_us},
          {"buffers", parts.buffers}};
}

Json phase_json(const Truth& truth, bool prompt) {
  Parts sum;
  int64_t tokens = 0;
  for (const TokenTruth& token : truth.tokens)
    if (token.prompt == prompt) sum += token.parts, ++tokens;
  Json json = {{"tokens", tokens}};
  json.update(parts_json(sum));
  if (tokens > 0) json["wall_us_per_token"] = double(sum.wall_us()) / double(tokens);
  if (sum.buffers > 0) json["host_cost_us_per_buffer"] = double(sum.host_us) / double(sum.buffers);
  return json;
}

}  // namespace

std::string truth_json(const Truth& truth) {
  Json json = {{"schema", "assay-trace-truth"}, {"version", 1},         {"seed", truth.seed},
               {"events", truth.events},        {"lines", truth.lines}, {"bytes", truth.bytes}};
  json["load"] = parts_json(truth.load);
  json["prompt"] = phase_json(truth, true);
  json["decode"] = phase_json(truth, false);
  json["token_columns"] = {"phase",        "position", "wall_us",         "gpu_busy_us",
                           "host_cost_us", "cpu_us",   "unattributed_us", "buffers"};
  json["tokens"] = Json::array();
  for (const TokenTruth& t : truth.tokens)
    json["tokens"].push_back({t.prompt ? "prompt" : "decode", t.position, t.parts.wall_us(), t.parts.gpu_us,
                              t.parts.host_us, t.parts.cpu_us, t.parts.unattributed_us, t.parts.buffers});
  json["shapes"] = Json::array();
  for (const auto& [key, shape] : truth.shapes)
    json["shapes"].push_back({{"line", key.first},
                              {"backend", key.second},
                              {"calls", shape.calls},
                              {"op_us", shape.op_us},
                              {"gpu_us", shape.gpu_us}});
  json["events_by_type"] = truth.events_by_type;
  json["defects"] = Json::object();
  for (const auto& [kind, defect] : truth.defects)
    json["defects"][kind] = {{"count", defect.count}, {"first_line", defect.first_line}};
  return json.dump(1) + "\n";
}

}  // namespace trace_generator
