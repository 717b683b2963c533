// The account and the anomalies as JSON: times in µs, lines from 0.
#include "base/json.h"
#include "report/accounting_report.h"

namespace assay {
namespace {

double us(int64_t ns) { return double(ns) / 1e3; }

Json parts_json(const TimeParts& p) {
  return {{"wall_us", us(p.wall_ns)},
          {"gpu_busy_us", us(p.gpu_ns)},
          {"host_cost_us", us(p.host_ns)},
          {"cpu_us", us(p.cpu_ns)},
          {"unattributed_us", us(p.unattributed_ns())},
          {"unattributed_for_want_of_gpu_time_us", us(p.unsplit_ns)},
          {"told_twice_us", us(p.overlap_ns)},
          {"buffers", p.buffers},
          {"host_cost_us_per_buffer", p.buffers ? Json(us(p.host_ns) / double(p.buffers)) : Json()}};
}

Json fit_json(const RobustLine& line) {
  if (!line.is_known()) return nullptr;
  const RobustLine::Fit fit = line.fit();
  return {{"us_per_token_of_context", fit.slope},
          {"low", fit.low},
          {"high", fit.high},
          {"first", line.first_x()},
          {"us_at_first", fit.at(line.first_x())},
          {"last", line.last_x()},
          {"us_at_last", fit.at(line.last_x())},
          {"count", line.count()}};
}

Json phase_json(const PhaseAccount& phase) {
  Json json = {{"tokens", phase.tokens}, {"tokens_without_wall", phase.tokens_without_wall}};
  if (phase.is_of_passes()) json["given_tokens"] = phase.given_tokens;
  json.update(parts_json(phase.parts));
  json["wall_us_per_token"] = phase.tokens ? Json(us(phase.parts.wall_ns) / double(phase.tokens)) : Json();
  json["median_wall_us"] = phase.tokens ? Json(phase.wall_us.percentile(50)) : Json();
  json["p95_wall_us"] = phase.tokens ? Json(phase.wall_us.percentile(95)) : Json();
  json["wall_by_position"] = fit_json(phase.wall_us_by_position);
  json["positions"] = Json::array();
  for (const PositionBucket& bucket : phase.by_position) {
    if (bucket.tokens == 0) continue;
    Json row = {{"first", bucket.first}, {"width", bucket.width}, {"tokens", bucket.tokens}};
    row.update(parts_json(bucket.parts));
    json["positions"].push_back(std::move(row));
  }
  return json;
}

Json odd_json(const OddLines& odd) {
  return {{"count", odd.times}, {"first_line", odd.times ? Json(odd.first_line) : Json()}};
}

template <typename Rows, typename Row>
Json list_json(const Rows& rows, Row row) {
  Json list = Json::array();
  for (const auto& element : rows) list.push_back(row(element));
  return list;
}

}  // namespace

Json to_json(const Accounts& a) {
  Json json;
  json["stretches"] = {{"load", parts_json(a.load)},
                       {"prompt", phase_json(a.prompt)},
                       {"decode", phase_json(a.decode)},
                       {"outside", parts_json(a.outside)}};
  json["pairing"] = {{"whole", a.pairing.whole},
                     {"waits_without_gpu_time", a.pairing.without_gpu},
                     {"ops_without_gpu_time", a.pairing.ops_alone},
                     {"gpu_time_longer_than_wait", a.pairing.late},
                     {"tokens_without_usable_stamps", a.tokens_without_clock}};
  json["by_length"] = list_json(a.slopes, [](const LengthSlope& s) {
    return Json{
        {"shape", s.shape},       {"backend", s.backend}, {"length", std::string(1, s.length)}, {"lengths", s.lengths},
        {"shortest", s.shortest}, {"longest", s.longest}, {"time", s.of_gpu ? "gpu" : "op"},    {"calls", s.calls},
        {"mean_us", s.mean_us},   {"fit", fit_json(s.us)}};
  });
  return json;
}

Json to_json(const Anomalies& a) {
  Json json;
  json["bad_lines"] = list_json(a.bad_lines, [](const BadKind& b) {
    return Json{{"kind", b.kind == BadLine::Kind::not_json ? "not_json" : "wrong_shape"},
                {"message", b.message},
                {"count", b.lines},
                {"first_line", b.first_line}};
  });
  json["repeated_buffers"] = list_json(a.repeated, [](const UnpairedGpuTime& r) {
    return Json{{"scope", r.scope}, {"us", r.us}, {"count", r.times}, {"first_line", r.first_line}};
  });
  json["gpu_times_without_buffer"] = odd_json(a.lone_gpu);
  json["cut_offs"] = list_json(a.cut_offs, [](const CutOff& c) {
    return Json{{"phase", c.phase == Phase::prompt ? "prompt" : "decode"},
                {"tokens_before", c.tokens_before},
                {"buffers", c.buffers},
                {"us", us(c.wall_ns)},
                {"last_line", c.line}};
  });
  json["cut_off_count"] = a.cut_off_count;
  json["nested_totals"] = list_json(a.nested, [](const NestedTotal& n) {
    return Json{{"inner", n.inner}, {"outer", n.outer}, {"count", n.times}, {"us", double(n.us)}};
  });
  json["placeholder_durations"] = list_json(a.placeholders, [](const Placeholder& p) {
    return Json{{"name", p.name}, {"us", double(p.us)}, {"count", p.times}, {"of", p.of}};
  });
  json["placeholder_gpu_times"] = odd_json(a.minute_gpu);
  json["placeholder_gpu_times"]["buffers_us"] = a.minute_gpu_wall_us;
  json["backward_stamps"] = odd_json(a.backwards);
  json["backward_stamps"]["largest_us"] = us(a.backwards.largest_ns);
  json["missing_stamps"] = odd_json(a.unstamped);
  json["stamps_that_jump_ahead"] = odd_json(a.jumps);
  json["stamps_that_jump_ahead"]["largest_us"] = us(a.jumps.largest_ns);
  json["odd_durations"] = odd_json(a.odd_durations);
  json["totals_shorter_than_the_forward_pass"] = odd_json(a.short_totals);
  json["totals_that_begin_early"] = odd_json(a.early_totals);
  json["totals_that_begin_early"]["largest_us"] = us(a.early_totals.largest_ns);
  json["events_told_twice"] = odd_json(a.events_twice.odd);
  json["events_told_twice"]["of"] = a.events_twice.of;
  json["runs_told_twice"] = odd_json(a.runs_twice);
  json["waits_at_the_same_time"] = odd_json(a.crossing_waits.odd);
  json["waits_at_the_same_time"]["of"] = a.crossing_waits.of;
  return json;
}

}  // namespace assay
