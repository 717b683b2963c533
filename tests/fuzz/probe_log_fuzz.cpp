// Fuzz entry of the probe log: any bytes are audits or an Error; what is counted is what is listed; the JSON parses;
// only right rows rank.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "report/audit_file_report.h"

namespace {

/// The input, a few bytes at a time.
class Bytes : public assay::ByteSource {
 public:
  Bytes(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  size_t read(char* to, size_t size) override {
    const size_t count = std::min({size, size_ - at_, size_t(61)});
    std::copy_n(data_ + at_, count, to);
    at_ += count;
    return count;
  }
  uint64_t file_bytes() const override { return at_; }

 private:
  const uint8_t* data_;
  size_t size_, at_ = 0;
};

void demand(bool holds) {
  if (!holds) std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  assay::AuditFileReport report("fuzz", {},
                                {.json = true, .csv = true, .markdown = true, .text = {.verbose = true, .width = 80}});
  size_t rows = 0;
  try {
    assay::ProbeLogReader reader(std::make_unique<Bytes>(data, size), "fuzz");
    while (auto log = reader.next()) {
      rows += log->rows();
      report.add(std::move(*log));
    }
  } catch (const assay::Error&) {
    return 0;
  }
  const assay::AuditCounts& totals = report.totals();
  demand(totals.rows == rows);
  demand(totals.wrong + totals.unchecked + totals.failed <= totals.rows);
  demand(totals.crowns_wrong + totals.crowns_slower + totals.crowns_unchecked <= totals.crowns);
  demand(!report.text().empty() && !report.csv().empty() && !report.markdown().empty());
  const assay::Json json = assay::Json::parse(report.json());
  demand(json["counts"]["rows"] == rows);
  for (const assay::Json& spec : json["specs"])
    for (const assay::Json& row : spec["rows"]) demand(row["device_rank"] == 0 || row["verdict"] == "right");
  return 0;
}
