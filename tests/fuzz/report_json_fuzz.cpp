// Fuzz entry: any bytes as a JSON report are cases or an Error, and what reads once reads again alike.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/error.h"
#include "report/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  std::vector<assay::CaseRecord> records;
  try {
    records = assay::read_report_json(text, "fuzz");
  } catch (const assay::Error&) {
    return 0;
  }
  assay::SweepReport report;
  report.specs.resize(1);
  for (assay::CaseRecord& record : records) report.specs[0].cases.emplace_back().record = std::move(record);
  const std::string once = assay::json_report(report);
  for (size_t i = 0; const assay::CaseRecord& record : assay::read_report_json(once, "again"))
    report.specs[0].cases[i++].record = record;
  ASSAY_CHECK(assay::json_report(report) == once);
  return 0;
}
