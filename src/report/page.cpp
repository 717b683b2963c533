// The template with its data put in; and what a trace gives to it.
#include "report/page.h"

#include "base/error.h"
#include "base/json.h"
#include "report/accounting_report.h"
#include "report/analysis_json.h"
#include "report/perfetto.h"
#include "report/table_json.h"

namespace assay {
namespace {

constexpr std::string_view kDataMark = "<!--assay:data-->";
constexpr size_t kMostSlices = 20'000;  // of the token that is drawn

const char* kind_name(Slice::Kind kind) {
  return kind == Slice::Kind::op       ? "op"
         : kind == Slice::Kind::wait   ? "wait"
         : kind == Slice::Kind::buffer ? "buffer"
                                       : "host";
}

Json slices_json(const Timeline& timeline, const StringTable& strings) {
  if (timeline.tokens().empty()) return nullptr;
  const TokenSpan& token = timeline.tokens().front();
  Json rows = Json::array();
  for (const Slice& slice : timeline.slices()) {
    if (rows.size() == kMostSlices) break;
    const std::string_view name = strings.text(slice.name);
    rows.push_back({kind_name(slice.kind), slice.lane, slice_name(name), name,
                    slice.backend == kMissing ? Json() : Json(strings.text(slice.backend)),
                    double(slice.begin_ns - token.begin_ns) / 1e3, double(slice.end_ns - slice.begin_ns) / 1e3,
                    slice.line});
  }
  return {{"token", timeline.kept_token()},
          {"position", token.position},
          {"phase", token.phase == Phase::prompt ? "prompt" : "decode"},
          {"wall_us", double(token.end_ns - token.begin_ns) / 1e3},
          {"left_out", timeline.slices().size() - rows.size()},
          {"columns", {"kind", "lane", "name", "path", "backend", "begin_us", "us", "line"}},
          {"slices", std::move(rows)}};
}

}  // namespace

Json page_trace(const std::string& trace, const ReadTotals& totals, const ClassicCounts& counts,
                const StringTable& strings, const Accounts& accounts, const ShapeReport& shapes,
                const Timeline& timeline) {
  const Json classic = classic_json(counts, strings);
  return {{"trace", trace},
          {"totals", to_json(totals)},
          {"kernel_types", classic.at("gpu_kernel_types")},
          {"backend_selections", classic.at("backend_selections")},
          {"shapes", to_json(shapes)},
          {"accounting", to_json(accounts)},
          {"anomalies", to_json(accounts.anomalies)},
          {"one_token", slices_json(timeline, strings)}};
}

std::string html_page(const Json& data) {
  const std::string_view page = page_template();
  const size_t mark = page.find(kDataMark);
  ASSAY_CHECK(mark != std::string_view::npos);
  std::string text(page.substr(0, mark));
  for (const char c : json_line(data)) {  // no text of the data may end the script that holds it
    if (c == '<')
      text += "\\u003c";
    else
      text += c;
  }
  return text += page.substr(mark + kDataMark.size());
}

}  // namespace assay
